// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors

#include "downhaul/blocking.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <stdexcept>
#include <system_error>
#include <thread>

#include "downhaul/chan.hpp"
#include "downhaul/context.hpp"
#include "downhaul/go.hpp"
#include "support/test_runtime.hpp"

namespace {

using downhaul::blocking;
using downhaul::make_chan;
using downhaul_test::test_runtime;

// Something that blocks its thread until somebody opens it.
class gate {
 public:
  void open() noexcept {
    open_ = true;
    open_.notify_all();
  }
  void wait() noexcept { open_.wait(false); }

 private:
  std::atomic<bool> open_{false};
};

TEST(blocking, runs_inline_on_a_plain_thread) {
  EXPECT_EQ(blocking([] { return std::this_thread::get_id(); }), std::this_thread::get_id());
  EXPECT_THROW(blocking([] { throw std::runtime_error{"f"}; }), std::runtime_error);
}

TEST(blocking, leaves_the_worker_to_others_and_returns_the_result) {
  test_runtime rt{1};
  gate g;
  auto result = make_chan<int>(1);
  rt.go([&, result] {
    const auto worker = std::this_thread::get_id();
    result.send(*blocking([&] {
      EXPECT_NE(std::this_thread::get_id(), worker);
      g.wait();
      return std::make_unique<int>(42);
    }));
  });
  rt.go([&] { g.open(); });
  EXPECT_EQ(result.recv(), 42);
}

TEST(blocking, carries_an_exception_back) {
  test_runtime rt{2};
  for (int i = 0; i < 20; ++i) {
    rt.go([] {
      EXPECT_THROW(blocking([] { throw std::out_of_range{"f"}; }), std::out_of_range);
      EXPECT_THROW(blocking([]() -> int { throw 7; }), int);
    });
  }
}

TEST(blocking, has_a_full_size_stack) {
  test_runtime rt{1};
  rt.run([] {
    blocking([] {
      volatile char much[4'000'000];
      much[0] = 1;
      much[sizeof much - 1] = 1;
    });
  });
}

TEST(blocking, may_wait_on_channels_inside) {
  test_runtime rt{1};
  auto c = make_chan<int>();
  rt.go([c] { EXPECT_EQ(blocking([&] { return c.recv(); }), 42); });
  rt.go([c] { c.send(42); });
}

TEST(blocking, many_at_once) {
  test_runtime rt{2};
  std::atomic<int> inside{0};
  gate g;
  constexpr int n = 50;
  for (int i = 0; i < n; ++i) {
    rt.go([&] {
      blocking([&] {
        if (++inside == n) g.open();
        g.wait();
      });
    });
  }
  rt.run([&] { blocking([&] { g.wait(); }); });
  EXPECT_EQ(inside, n);
  while (rt.goroutines() != 0) std::this_thread::yield();
}

// From a goroutine and from a plain thread alike.
template <class F>
void on_both(F f) {
  f();
  test_runtime rt{1};
  rt.run(f);
}

TEST(blocking_with_a_context, returns_the_result_and_does_not_interrupt) {
  on_both([] {
    auto [ctx, cancel] = downhaul::with_cancel(downhaul::background());
    std::atomic<int> interrupts{0};
    EXPECT_EQ(blocking(ctx, [] { return 42; }, [&] { ++interrupts; }), 42);
    EXPECT_EQ(interrupts, 0);
    EXPECT_EQ(blocking(downhaul::background(), [] { return 42; }, [&] { ++interrupts; }), 42);
  });
}

TEST(blocking_with_a_context, interrupts_once_and_returns_what_was_completed) {
  on_both([] {
    auto [ctx, cancel] = downhaul::with_cancel(downhaul::background());
    std::atomic<int> interrupts{0};
    gate g;
    auto started = make_chan<void>(1);
    std::thread canceller{[&, stop = downhaul::cancel_func{cancel}] {
      started.recv();
      stop();
    }};
    const int result = blocking(
        ctx,
        [&] {
          started.send();
          g.wait();
          return 42;
        },
        [&] {
          ++interrupts;
          g.open();
        });
    EXPECT_EQ(result, 42);
    EXPECT_EQ(interrupts, 1);
    EXPECT_TRUE(ctx.err());
    canceller.join();
  });
}

TEST(blocking_with_a_context, runs_nothing_when_it_has_ended_already) {
  on_both([] {
    auto [ctx, cancel] = downhaul::with_cancel(downhaul::background());
    cancel();
    bool ran = false;
    const auto f = [&] {
      ran = true;
      return 1;
    };
    const auto interrupt = [&] { ran = true; };
    EXPECT_THROW(blocking(ctx, f, interrupt), downhaul::context_error);
    std::error_code ec;
    EXPECT_EQ(blocking(ctx, f, interrupt, ec), std::nullopt);
    EXPECT_EQ(ec, downhaul::errc::canceled);
    EXPECT_FALSE(blocking(ctx, [&] { ran = true; }, interrupt, ec));
    EXPECT_FALSE(ran);
  });
}

TEST(blocking_with_a_context, clears_the_error_code_when_it_ran) {
  on_both([] {
    auto [ctx, cancel] = downhaul::with_cancel(downhaul::background());
    std::error_code ec = downhaul::errc::canceled;
    EXPECT_EQ(blocking(ctx, [] { return 1; }, [] {}, ec), 1);
    EXPECT_FALSE(ec);
    EXPECT_TRUE(blocking(ctx, [] {}, [] {}, ec));
    EXPECT_THROW(
        blocking(ctx, [] { throw std::runtime_error{"f"}; }, [] {}, ec), std::runtime_error);
  });
}

TEST(blocking_with_a_context, interrupt_and_end_may_race) {
  test_runtime rt{2};
  for (int i = 0; i < 200; ++i) {
    rt.run([] {
      auto [ctx, cancel] = downhaul::with_cancel(downhaul::background());
      downhaul::go([stop = downhaul::cancel_func{cancel}] { stop(); });
      std::atomic<int> ended{0};
      std::error_code ec;
      blocking(ctx, [&] { ++ended; }, [&] { ++ended; }, ec);
      EXPECT_LE(ended, 2);
    });
  }
}

}  // namespace
