// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors

#include "downhaul/go.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>

#include "downhaul/chan.hpp"
#include "downhaul/error.hpp"
#include "support/test_runtime.hpp"

namespace {

using downhaul::go;
using downhaul::go_options;
using downhaul::make_chan;
using downhaul_test::test_runtime;

struct counted {
  explicit counted(std::atomic<int>& n) : alive{&n} { ++*alive; }
  counted(const counted& other) : alive{other.alive} { ++*alive; }
  counted(counted&& other) noexcept : alive{other.alive} { ++*alive; }
  counted& operator=(const counted&) = delete;
  ~counted() { --*alive; }
  std::atomic<int>* alive;
};

TEST(go, runs_the_closure_once_and_destroys_it) {
  std::atomic<int> alive{0};
  std::atomic<int> runs{0};
  {
    test_runtime rt;
    rt.go([c = counted{alive}, &runs] { ++runs; });
  }
  EXPECT_EQ(runs, 1);
  EXPECT_EQ(alive, 0);
}

TEST(go, takes_move_only_large_and_over_aligned_closures) {
  struct alignas(64) wide {
    std::array<char, 256> bytes{};
  };
  std::atomic<int> sum{0};
  {
    test_runtime rt;
    rt.go([p = std::make_unique<int>(1), &sum] { sum += *p; });
    wide w;
    w.bytes[200] = 2;
    rt.go([w, &sum] {
      EXPECT_EQ(reinterpret_cast<std::uintptr_t>(&w) % 64, 0u);
      sum += w.bytes[200];
    });
    std::array<char, 10'000> much{};
    much[9'999] = 4;
    rt.go([much, &sum] { sum += much[9'999]; });
  }
  EXPECT_EQ(sum, 7);
}

TEST(go, starts_nothing_when_moving_the_closure_throws) {
  struct thrower {
    thrower() = default;
    thrower(const thrower&) { throw std::runtime_error{"copy"}; }
    void operator()() const {}
  };
  test_runtime rt;
  const thrower t;
  EXPECT_THROW(rt.go(t), std::runtime_error);
  EXPECT_EQ(rt.goroutines(), 0u);
}

TEST(go, evaluates_captures_in_the_caller) {
  test_runtime rt;
  int x = 1;
  std::atomic<int> seen{0};
  rt.run([&] {
    go([x, &seen] { seen = x; });
    x = 2;
  });
  rt.run_until_parked();
  EXPECT_EQ(seen, 1);
}

TEST(go, from_a_plain_thread_uses_the_default_runtime) {
  auto done = make_chan<std::thread::id>();
  go([done] { done.send(std::this_thread::get_id()); });
  EXPECT_NE(done.recv(), std::this_thread::get_id());
}

TEST(go, what_happened_before_it_is_visible_inside) {
  test_runtime rt;
  auto value = std::make_unique<int>(0);
  for (int i = 0; i < 1'000; ++i) {
    *value = i;
    auto done = make_chan<void>();
    rt.go([&] {
      EXPECT_EQ(*value, i);
      done.close();
    });
    done.recv();
  }
}

TEST(go, context_error_ends_just_this_goroutine) {
  std::atomic<int> alive{0};
  std::atomic<bool> other{false};
  {
    test_runtime rt{1};
    rt.go([&] {
      const counted unwound{alive};
      throw downhaul::context_error{downhaul::errc::canceled};
    });
    rt.go([&] { other = true; });
  }
  EXPECT_EQ(alive, 0);
  EXPECT_TRUE(other);
}

TEST(go, keeps_exceptions_across_waits_inside_catch) {
  test_runtime rt{2};
  auto turn = make_chan<int>();
  auto finished = make_chan<void>(8);
  for (int i = 0; i < 8; ++i) {
    rt.go([=] {
      try {
        throw std::runtime_error{std::to_string(i)};
      } catch (const std::runtime_error&) {
        turn.recv();
        downhaul::yield();
        try {
          throw;
        } catch (const std::runtime_error& e) {
          EXPECT_EQ(e.what(), std::to_string(i));
        }
      }
      EXPECT_EQ(std::current_exception(), nullptr);
      finished.send();
    });
  }
  rt.run_until_parked();
  for (int i = 0; i < 8; ++i) turn.send(i);
  for (int i = 0; i < 8; ++i) finished.recv();
}

TEST(go, waits_during_unwinding) {
  test_runtime rt{2};
  auto turn = make_chan<int>();
  auto finished = make_chan<void>(4);
  for (int i = 0; i < 4; ++i) {
    rt.go([=] {
      struct waits {
        const downhaul::chan<int>& on;
        ~waits() {
          EXPECT_EQ(std::uncaught_exceptions(), 1);
          on.recv();
          EXPECT_EQ(std::uncaught_exceptions(), 1);
        }
      };
      try {
        const waits w{turn};
        throw i;
      } catch (int thrown) {
        EXPECT_EQ(thrown, i);
      }
      EXPECT_EQ(std::uncaught_exceptions(), 0);
      finished.send();
    });
  }
  rt.run_until_parked();
  for (int i = 0; i < 4; ++i) turn.send(i);
  for (int i = 0; i < 4; ++i) finished.recv();
}

TEST(go, ten_thousand_in_a_chain) {
  test_runtime rt{2};
  rt.run([] {
    constexpr int n = 10'000;
    auto leftmost = make_chan<int>();
    auto left = leftmost;
    for (int i = 0; i < n; ++i) {
      auto right = make_chan<int>();
      go([left, right] { left.send(1 + right.recv().value()); });
      left = right;
    }
    go([left] { left.send(1); });
    EXPECT_EQ(leftmost.recv(), n + 1);
  });
}

TEST(go, takes_a_stack_size) {
  test_runtime rt;
  rt.go(go_options{.stack = 2 * 1024 * 1024}, [] {
    volatile char much[1'500'000];
    much[0] = 1;
    much[sizeof much - 1] = 1;
    EXPECT_EQ(much[0], 1);
  });
}

using go_death_test = testing::Test;

TEST(go_death_test, null_functions_are_fatal) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_DEATH(go(static_cast<void (*)()>(nullptr)), "fatal error: go of nil func value");
  EXPECT_DEATH(go(std::function<void()>{}), "fatal error: go of nil func value");
}

void throw_past_a_destructor() {
  struct tells {
    ~tells() { std::fputs("unwound\n", stderr); }
  } const t;
  throw std::out_of_range{"no such thing"};
}

TEST(go_death_test, an_uncaught_exception_says_what_and_where_and_unwinds_nothing) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  const auto child = [] {
    go(go_options{.name = "thrower"}, throw_past_a_destructor);
    make_chan<int>().recv();
  };
  EXPECT_DEATH(child(),
               "panic: std::out_of_range: no such thing\n"
               "goroutine \"thrower\" started at .*go_test.cpp:[0-9]+ ");
  EXPECT_DEATH(child(), testing::Not(testing::HasSubstr("unwound")));
}

TEST(go_death_test, misuse_panics_with_its_text) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  const auto child = [] {
    go([] {
      auto c = make_chan<int>();
      c.close();
      c.close();
    });
    make_chan<int>().recv();
  };
  EXPECT_DEATH(child(), "panic: downhaul::misuse: close of closed channel");
}

std::atomic<bool> goes_on{true};

int overflow(volatile int* deeper) {
  volatile int here[64] = {};
  here[0] = deeper != nullptr ? *deeper : 0;
  return goes_on ? overflow(here) + here[0] : 0;
}

TEST(go_death_test, a_stack_overflow_names_the_goroutine) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  const auto child = [] {
    go(go_options{.name = "deep"}, [] { overflow(nullptr); });
    make_chan<int>().recv();
  };
  EXPECT_DEATH(child(), "fatal error: stack overflow\ngoroutine \"deep\" started at .*go_test.cpp");
}

TEST(yield, from_a_plain_thread_returns) { downhaul::yield(); }

TEST(yield, lets_others_run_even_in_a_loop) {
  test_runtime rt{1};
  std::atomic<bool> flag{false};
  rt.go([&] {
    while (!flag) downhaul::yield();
  });
  rt.go([&] { flag = true; });
  rt.run_until_parked();
}

TEST(yield, a_yielding_loop_does_not_starve_fresh_goroutines) {
  test_runtime rt{1};
  std::atomic<int> ended{0};
  rt.run([&] {
    for (int i = 0; i < 100; ++i) {
      go([&] {
        go([&] { ++ended; });
        ++ended;
      });
    }
    while (ended != 200) downhaul::yield();
  });
}

}  // namespace
