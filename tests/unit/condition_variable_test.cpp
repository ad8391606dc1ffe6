// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
#include "downhaul/condition_variable.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <system_error>
#include <thread>
#include <type_traits>
#include <vector>

#include "downhaul/chan.hpp"
#include "downhaul/context.hpp"
#include "downhaul/mutex.hpp"
#include "downhaul/shared_mutex.hpp"
#include "downhaul/wait_group.hpp"
#include "support/parked.hpp"

namespace {

namespace dh = downhaul;
using downhaul_test::await_no_goroutines;
using downhaul_test::await_parked;

static_assert(!std::is_copy_constructible_v<dh::condition_variable>);
static_assert(!std::is_move_constructible_v<dh::condition_variable>);

template <class P>
concept can_be_waited_for =
    requires(dh::condition_variable cv, dh::mutex mu, P p) { cv.wait(mu, p); };
static_assert(can_be_waited_for<bool (*)()>);
static_assert(!can_be_waited_for<void (*)()>);
static_assert(!can_be_waited_for<int>);

constexpr auto waits = "sync.Cond.Wait";

TEST(condition_variable, wakes_one_for_each_notify_one_and_keeps_none) {
  dh::mutex mu;
  dh::condition_variable cv;
  cv.notify_one();  // nobody waits: forgotten
  std::atomic<int> awake{0};
  dh::wait_group wg;
  for (int i = 0; i < 3; ++i) {
    wg.go([&] {
      const std::lock_guard held{mu};
      cv.wait(mu);
      ++awake;
    });
  }
  await_parked(waits, 3);
  for (int i = 1; i <= 3; ++i) {
    {
      const std::lock_guard held{mu};
      cv.notify_one();
    }
    while (awake.load() < i) dh::yield();
    EXPECT_EQ(downhaul_test::parked(waits), static_cast<std::size_t>(3 - i));
  }
  cv.notify_one();
  wg.wait();
  await_no_goroutines();
}

TEST(condition_variable, wakes_the_one_that_has_waited_longest) {
  dh::mutex mu;
  dh::condition_variable cv;
  auto awake = dh::make_chan<int>();
  dh::wait_group wg;
  constexpr int generations = 100;
  for (int i = 0; i < generations; ++i) {
    wg.go([&, i] {
      {
        const std::lock_guard held{mu};
        cv.wait(mu);
      }
      awake.send(i);
    });
    await_parked(waits, static_cast<std::size_t>(i) + 1);
  }
  for (int i = 0; i < generations; ++i) {
    cv.notify_one();
    EXPECT_EQ(awake.recv(), i);
  }
  wg.wait();
  await_no_goroutines();
}

TEST(condition_variable, wakes_each_exactly_once_for_a_notify_all) {
  dh::mutex mu;
  dh::condition_variable cv;
  constexpr int n = 50;
  constexpr int rounds = 50;
  std::vector<int> woken(n);  // guarded by mu
  int awake = 0;              // guarded by mu
  bool exit = false;          // guarded by mu
  dh::wait_group wg;
  for (int i = 0; i < n; ++i) {
    wg.go([&, i] {
      const std::lock_guard held{mu};
      for (;;) {
        cv.wait(mu);
        if (exit) return;
        ++woken[static_cast<std::size_t>(i)];
        ++awake;
      }
    });
  }
  for (int round = 0; round < rounds; ++round) {
    await_parked(waits, n);
    const std::lock_guard held{mu};
    EXPECT_EQ(awake, n * round);
    cv.notify_all();
  }
  await_parked(waits, n);
  {
    const std::lock_guard held{mu};
    for (const int w : woken) EXPECT_EQ(w, rounds);
    exit = true;
    cv.notify_all();
  }
  wg.wait();
  await_no_goroutines();
}

TEST(condition_variable, a_later_waiter_does_not_steal_a_notification) {
  for (int round = 0; round < 300; ++round) {
    dh::mutex mu;
    dh::condition_variable cv;
    bool flag = false;
    dh::wait_group first;
    dh::wait_group second;
    first.go([&] {
      const std::lock_guard held{mu};
      cv.wait(mu);
    });
    await_parked(waits, 1);
    {
      const std::lock_guard held{mu};
      cv.notify_all();
      second.go([&] {
        const std::lock_guard held2{mu};
        cv.wait(mu, [&] { return flag; });
      });
    }
    first.wait();
    {
      const std::lock_guard held{mu};
      flag = true;
    }
    cv.notify_all();
    second.wait();
  }
  await_no_goroutines();
}

TEST(condition_variable, waits_for_a_predicate_from_threads_and_goroutines) {
  dh::mutex mu;
  dh::condition_variable cv;
  int turn = 0;  // guarded by mu
  const auto play = [&](int mine, int rounds) {
    for (int i = 0; i < rounds; ++i) {
      std::unique_lock held{mu};
      cv.wait(held, [&] { return turn % 2 == mine; });
      ++turn;
      cv.notify_all();
    }
  };
  dh::wait_group wg;
  wg.go([&] { play(0, 200); });
  play(1, 200);
  wg.wait();
  EXPECT_EQ(turn, 400);
  await_no_goroutines();
}

TEST(condition_variable, takes_any_lockable) {
  dh::shared_mutex rw;
  std::mutex standard;
  dh::condition_variable cv;
  std::atomic<bool> ready{false};
  dh::wait_group wg;
  for (int i = 0; i < 2; ++i) {
    wg.go([&] {
      std::shared_lock held{rw};
      cv.wait(held, [&] { return ready.load(); });
      EXPECT_TRUE(held.owns_lock());
    });
  }
  std::thread plain{[&] {
    std::unique_lock held{standard};
    cv.wait(held, [&] { return ready.load(); });
    EXPECT_TRUE(held.owns_lock());
  }};
  await_parked(waits, 2);
  ready = true;
  for (int i = 0; i < 2; ++i) {
    cv.notify_all();
  }
  wg.wait();
  // The thread may have looked before it was ready and parked after: its lock tells.
  {
    const std::lock_guard held{standard};
    cv.notify_all();
  }
  plain.join();
  await_no_goroutines();
}

TEST(condition_variable, is_whole_after_a_lock_that_cannot_be_unlocked) {
  dh::mutex mu;
  std::unique_lock not_held{mu, std::defer_lock};
  dh::condition_variable cv;
  EXPECT_THROW(cv.wait(not_held), std::system_error);
  cv.notify_one();
}

TEST(condition_variable, may_be_destroyed_by_the_one_it_woke) {
  for (int round = 0; round < 1000; ++round) {
    struct shared {
      dh::mutex mu;
      dh::condition_variable cv;
      bool ready = false;
    };
    auto object = std::make_unique<shared>();
    dh::wait_group wg;
    wg.go([o = object.get()] {
      o->mu.lock();
      o->ready = true;
      o->cv.notify_all();  // under the lock: afterwards the object may be gone
      o->mu.unlock();
    });
    {
      std::unique_lock held{object->mu};
      object->cv.wait(held, [&] { return object->ready; });
    }
    object.reset();
    wg.wait();
  }
  await_no_goroutines();
}

TEST(condition_variable_context, goes_first_if_it_has_ended) {
  auto [ctx, cancel] = dh::with_cancel(dh::background());
  cancel();
  dh::mutex mu;
  dh::condition_variable cv;
  std::unique_lock held{mu};
  const auto yes = [] { return true; };
  EXPECT_THROW(cv.wait(held, ctx, yes), dh::context_error);
  std::error_code ec;
  cv.wait(held, ctx, yes, ec);
  EXPECT_EQ(ec, dh::errc::canceled);
  cv.wait(held, dh::background(), yes, ec);
  EXPECT_FALSE(ec);
  EXPECT_TRUE(held.owns_lock());
}

TEST(condition_variable_context, ends_a_wait_with_the_lock_held) {
  dh::mutex mu;
  dh::condition_variable cv;
  auto [ctx, cancel] = dh::with_cancel(dh::background());
  dh::wait_group wg;
  for (int i = 0; i < 3; ++i) {
    wg.go([&, c = ctx] {
      std::unique_lock held{mu};
      EXPECT_THROW(cv.wait(held, c, [] { return false; }), dh::context_error);
      EXPECT_TRUE(held.owns_lock());
    });
  }
  await_parked(waits, 3);
  cv.notify_one();  // its predicate does not hold: it waits on
  await_parked(waits, 3);
  cancel();
  wg.wait();
  await_no_goroutines();
}

// A notification goes to the canceled waiter or to the other one, never to nobody.
TEST(condition_variable_context, races_with_a_notification_that_is_never_lost) {
  for (int round = 0; round < 1000; ++round) {
    dh::mutex mu;
    dh::condition_variable cv;
    int items = 0;  // guarded by mu
    auto [ctx, cancel] = dh::with_cancel(dh::background());
    bool canceled = false;
    dh::wait_group one;
    dh::wait_group other;
    one.go([&, c = ctx] {
      std::unique_lock held{mu};
      std::error_code ec;
      cv.wait(held, c, [&] { return items > 0; }, ec);
      canceled = static_cast<bool>(ec);
      if (!ec) --items;
    });
    other.go([&] {
      std::unique_lock held{mu};
      cv.wait(held, [&] { return items > 0; });
      --items;
    });
    const auto add_one = [&] {
      const std::lock_guard held{mu};
      ++items;
      cv.notify_one();
    };
    dh::wait_group adding;
    adding.go(add_one);
    cancel();
    one.wait();
    if (!canceled) add_one();
    other.wait();
    adding.wait();
  }
  await_no_goroutines();
}

TEST(condition_variable_death, waiting_without_the_lock_is_the_mutex_error) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  dh::mutex mu;
  dh::condition_variable cv;
  EXPECT_DEATH(cv.wait(mu), "fatal error: sync: unlock of unlocked mutex\n");
}

}  // namespace
