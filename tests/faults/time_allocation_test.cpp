// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// Every call of the time and sync headers with each of its allocations failing.

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <chrono>
#include <mutex>
#include <optional>
#include <system_error>

#include "downhaul/condition_variable.hpp"
#include "downhaul/context.hpp"
#include "downhaul/mutex.hpp"
#include "downhaul/once.hpp"
#include "downhaul/shared_mutex.hpp"
#include "downhaul/sleep.hpp"
#include "downhaul/testing/manual_clock.hpp"
#include "downhaul/ticker.hpp"
#include "downhaul/timer.hpp"
#include "downhaul/wait_group.hpp"
#include "faults/each_allocation.hpp"
#include "support/parked.hpp"

namespace {

using namespace std::chrono_literals;
using namespace downhaul;
using downhaul_test::await_no_goroutines;
using downhaul_test::fail_allocation;
using downhaul_test::fail_each_allocation;
using downhaul_test::failures;
using downhaul_test::nothing_spare;

TEST(time_allocation, timers) {
  manual_clock hands;
  const use_clock here{hands};
  EXPECT_EQ(fail_each_allocation([] { static_cast<void>(timer{1h}); }), (failures{1, 0}));
  EXPECT_EQ(fail_each_allocation([] { static_cast<void>(after(1h)); }), (failures{1, 0}));
  EXPECT_EQ(fail_each_allocation([] { static_cast<void>(after(0s)); }), (failures{1, 0}));
  EXPECT_EQ(fail_each_allocation([] { static_cast<void>(ticker{1h}); }), (failures{1, 0}));
  EXPECT_EQ(fail_each_allocation([] { static_cast<void>(tick(1h)); }), (failures{1, 0}));
  EXPECT_EQ(hands.pending(), 0u);
}

TEST(time_allocation, timers_with_a_function) {
  manual_clock hands;
  const use_clock here{hands};
  EXPECT_EQ(fail_each_allocation([] { static_cast<void>(timer{1h, [] {}}); }), (failures{2, 0}));
  EXPECT_EQ(fail_each_allocation([] {
              static_cast<void>(
                  timer{1h, [large = std::array<char, 600>{}] { static_cast<void>(large); }});
            }),
            (failures{2, 0}));
  struct alignas(64) aligned {
    char c = 0;
  };
  EXPECT_EQ(fail_each_allocation(
                [] { static_cast<void>(timer{1h, [a = aligned{}] { static_cast<void>(a); }}); }),
            (failures{2, 0}));
  EXPECT_EQ(hands.pending(), 0u);
}

TEST(time_allocation, a_function_whose_copy_throws) {
  struct copied {
    copied() : text(100, 'x') {}
    std::string text;
    void operator()() const {}
  };
  const copied f;
  EXPECT_EQ(fail_each_allocation([&] { static_cast<void>(timer{1h, f}); }), (failures{3, 0}));
}

// The goroutine for the next run is what needs memory: without it the timer is as it was.
TEST(time_allocation, a_reset_that_fails_changes_nothing) {
  manual_clock hands;
  const use_clock here{hands};
  std::atomic<int> ran{0};
  timer t{1h, [&] { ++ran; }};
  hands.advance(1h);
  while (ran != 1) yield();
  await_no_goroutines();
  bool threw = false;
  {
    const nothing_spare cold;
    const fail_allocation fault{1};
    try {
      t.reset(1h);
    } catch (const std::bad_alloc&) {
      threw = true;
    }
  }
  EXPECT_TRUE(threw);
  EXPECT_EQ(hands.pending(), 0u);
  EXPECT_FALSE(t.stop()) << "it is armed though reset failed";
  EXPECT_FALSE(t.reset(1h));
  hands.advance(1h);
  while (ran != 2) yield();
}

TEST(time_allocation, clocks) {
  EXPECT_EQ(fail_each_allocation([] { manual_clock hands; }), (failures{2, 0}));
}

// None of these has anything to allocate, waiting included.
TEST(time_allocation, what_allocates_nothing) {
  mutex mu;
  shared_mutex shared;
  condition_variable changed;
  wait_group group;
  once first;
  std::optional<timer> once_more{1h};
  std::optional<ticker> beat{1h};
  const auto ctx = with_cancel(background());
  std::error_code ec;
  const failures f = fail_each_allocation([&] {
    mu.lock(ctx.ctx);
    mu.unlock();
    shared.lock();
    shared.unlock();
    shared.lock_shared(ctx.ctx);
    shared.unlock_shared();
    changed.notify_all();
    group.add(2);
    group.done();
    group.done();
    group.wait(ctx.ctx);
    first.call([] {});
    once_more->reset(1h);
    once_more->stop();
    beat->reset(1h);
    beat->stop();
    sleep(1us);  // real clock: it is about what sleeping allocates
    sleep(ctx.ctx, 1us);
    sleep(ctx.ctx, 1us, ec);
    sleep_until(now());
    static_cast<void>(now());
  });
  EXPECT_EQ(f, failures{});
}

TEST(time_allocation, a_wait_for_a_condition_allocates_nothing) {
  mutex mu;
  condition_variable changed;
  bool turn = false;
  wait_group other;
  other.go([&] {
    for (int i = 0; i < 2; ++i) {
      std::unique_lock lock{mu};
      changed.wait(lock, [&] { return turn; });
      turn = false;
      changed.notify_one();
    }
  });
  const auto wait_for_other = [&] {
    std::unique_lock lock{mu};
    turn = true;
    changed.notify_one();
    changed.wait(lock, [&] { return !turn; });
  };
  wait_for_other();
  {
    const fail_allocation fault{1};
    wait_for_other();
    EXPECT_FALSE(fault.has_failed());
  }
  other.wait();
}

TEST(time_allocation, once_func_and_once_value) {
  const failures f = fail_each_allocation([] {
    auto a = once_func([] {});
    auto b = once_value([text = std::string(100, 'x')] { return text; });
    a();
    EXPECT_EQ(b().size(), 100u);
  });
  EXPECT_GE(f.thrown, 4);
}

}  // namespace
