// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// Stack overflow wherever user code runs: the message names the goroutine and the line that started
// it. Each test is a process of its own.

#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <csignal>
#include <source_location>
#include <string>
#include <utility>

#include "downhaul/after_func.hpp"
#include "downhaul/blocking.hpp"
#include "downhaul/chan.hpp"
#include "downhaul/context.hpp"
#include "downhaul/pin.hpp"
#include "downhaul/runtime.hpp"
#include "downhaul/timer.hpp"
#include "downhaul/wait_group.hpp"
#include "platform/sanitizer.hpp"
#include "platform/stack.hpp"

namespace {

using namespace std::chrono_literals;
using namespace downhaul;
using testing::KilledBySignal;

template <std::size_t Frame>
[[gnu::noinline]] int deeper(int depth) {
  std::array<volatile char, Frame> frame;
  frame[0] = static_cast<char>(depth);
  frame[Frame - 1] = static_cast<char>(depth);
  if (depth == 0) return 0;
  return deeper<Frame>(depth + 1) + frame[0] + frame[Frame - 1];
}

void wait_for_ever() { make_chan<void>().recv(); }

std::string started_at(int line, const std::string& name = {}) {
  return "fatal error: stack overflow\ngoroutine " + (name.empty() ? "" : '"' + name + "\" ") +
         "started at [^ ]*overflow_test.cpp:" + std::to_string(line);
}

class overflow : public testing::Test {
 protected:
  void SetUp() override { testing::FLAGS_gtest_death_test_style = "threadsafe"; }
};

constexpr int here(std::source_location where = std::source_location::current()) {
  return static_cast<int>(where.line());
}

TEST_F(overflow, in_a_goroutine_with_a_name) {
  constexpr int line = here() + 2;
  const auto child = [] {
    go(go_options{.name = "deep"}, [] { deeper<600>(1); });
    wait_for_ever();
  };
  EXPECT_EXIT(child(), KilledBySignal(SIGABRT),
              started_at(line, "deep") + "[^\n]*\nits stack holds 262144 bytes");
}

TEST_F(overflow, in_a_goroutine_with_a_small_stack) {
  constexpr int line = here() + 2;
  const auto child = [] {
    go(go_options{.stack = 64 * 1024}, [] { deeper<600>(1); });
    wait_for_ever();
  };
  EXPECT_EXIT(child(), KilledBySignal(SIGABRT),
              started_at(line) + "[^\n]*\nits stack holds 65536 bytes");
}

TEST_F(overflow, in_main_inside_run) {
  constexpr int line = here() + 1;
  const auto child = [] { run([] { deeper<600>(1); }); };
  EXPECT_EXIT(child(), KilledBySignal(SIGABRT), started_at(line, "main"));
}

// The guard of 32 KiB is wider than any such frame.
TEST_F(overflow, with_frames_of_24_kilobytes) {
  constexpr int line = here() + 2;
  const auto child = [] {
    go([] { deeper<24 * 1024>(1); });
    wait_for_ever();
  };
  EXPECT_EXIT(child(), KilledBySignal(SIGABRT), started_at(line));
}

TEST_F(overflow, in_a_callback) {
  constexpr int line = here() + 3;
  const auto child = [] {
    const auto c = with_cancel(background());
    const auto r = after_func(c.ctx, [] { deeper<600>(1); });
    c.cancel();
    wait_for_ever();
  };
  EXPECT_EXIT(child(), KilledBySignal(SIGABRT), started_at(line));
}

TEST_F(overflow, in_a_callback_in_place_on_a_goroutine) {
  constexpr int line = here() + 4;
  const auto child = [] {
    const auto c = with_cancel(background());
    const auto r = after_func(inplace, c.ctx, []() noexcept { deeper<600>(1); });
    go([&] { c.cancel(); });
    wait_for_ever();
  };
  EXPECT_EXIT(child(), KilledBySignal(SIGABRT), started_at(line));
}

TEST_F(overflow, in_a_timers_function) {
  constexpr int line = here() + 2;
  const auto child = [] {
    const timer t{0s, [] { deeper<600>(1); }};
    wait_for_ever();
  };
  EXPECT_EXIT(child(), KilledBySignal(SIGABRT), started_at(line));
}

// The worker is then started by the thread that watches the clock, which blocks all signals.
TEST_F(overflow, on_a_worker_that_a_timer_has_started) {
  constexpr int line = here() + 2;
  const auto child = [] {
    const timer t{1ms, [] { deeper<600>(1); }};
    wait_for_ever();
  };
  EXPECT_EXIT(child(), KilledBySignal(SIGABRT), started_at(line));
}

TEST_F(overflow, in_a_task_of_a_wait_group) {
  constexpr int line = here() + 3;
  const auto child = [] {
    wait_group all;
    all.go([] { deeper<600>(1); });
    all.wait();
  };
  EXPECT_EXIT(child(), KilledBySignal(SIGABRT), started_at(line));
}

TEST_F(overflow, of_a_pinned_goroutine) {
  constexpr int line = here() + 2;
  const auto child = [] {
    go([] {
      const pin own;
      deeper<600>(1);
    });
    wait_for_ever();
  };
  EXPECT_EXIT(child(), KilledBySignal(SIGABRT), started_at(line));
}

// Nothing stops it there; it is seen when the goroutine next gives way.
TEST_F(overflow, of_a_stack_without_a_guard) {
  constexpr int line = here() + 7;
  const auto child = [] {
    impl::force_guard(impl::guard_kind::canary);
    runtime rt{{.workers = 1, .stack = 64 * 1024}};
    auto gone_too_far = [] {
      std::array<volatile char, 66 * 1024> frame;
      for (volatile char& c : frame) c = 1;
      yield();
    };
    rt.go(gone_too_far);
    wait_for_ever();
  };
  static_cast<void>(line);
#if !DOWNHAUL_ASAN && !DOWNHAUL_TSAN
  EXPECT_EXIT(child(), KilledBySignal(SIGABRT),
              "fatal error: stack overflow\ngoroutine started at [^ ]*overflow_test.cpp");
#else
  static_cast<void>(child);
  GTEST_SKIP() << "the sanitizer writes below the frame";
#endif
}

#if !DOWNHAUL_ASAN && !DOWNHAUL_TSAN
// The stack of an ordinary thread is the system's: the default action.
TEST_F(overflow, in_a_blocking_call_is_a_fault_of_its_thread) {
  const auto child = [] { run([] { blocking([] { deeper<600>(1); }); }); };
  EXPECT_EXIT(child(), KilledBySignal(SIGSEGV), "");
}
#endif

}  // namespace
