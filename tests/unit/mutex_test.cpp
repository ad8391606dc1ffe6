// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
#include "downhaul/mutex.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <mutex>
#include <thread>
#include <type_traits>
#include <vector>

#include "downhaul/chan.hpp"
#include "downhaul/context.hpp"
#include "downhaul/runtime.hpp"
#include "downhaul/wait_group.hpp"
#include "support/parked.hpp"

namespace {

namespace dh = downhaul;
using downhaul_test::await_no_goroutines;
using downhaul_test::await_parked;
using std::chrono::steady_clock;

static_assert(!std::is_copy_constructible_v<dh::mutex>);
static_assert(!std::is_move_constructible_v<dh::mutex>);
constinit dh::mutex made_before_main;

TEST(mutex, is_free_when_made_and_excludes_while_it_is_locked) {
  dh::mutex mu;
  EXPECT_TRUE(mu.try_lock());
  EXPECT_FALSE(mu.try_lock());
  mu.unlock();
  mu.lock();
  EXPECT_FALSE(mu.try_lock());
  mu.unlock();
  const std::lock_guard held{made_before_main};
}

TEST(mutex, works_with_the_guards_of_the_standard) {
  dh::mutex a;
  dh::mutex b;
  {
    const std::scoped_lock both{a, b};
    EXPECT_FALSE(a.try_lock());
    EXPECT_FALSE(b.try_lock());
  }
  std::unique_lock held{a};
  EXPECT_FALSE(std::unique_lock(a, std::try_to_lock).owns_lock());
  held.unlock();
  EXPECT_TRUE(held.try_lock());
}

TEST(mutex, excludes_goroutines_and_threads_from_each_other) {
  dh::mutex mu;
  long count = 0;  // guarded by mu
  constexpr int rounds = 1000;
  const auto hammer = [&] {
    for (int i = 0; i < rounds; ++i) {
      if (i % 3 == 0) {
        if (mu.try_lock()) mu.unlock();
        continue;
      }
      const std::lock_guard held{mu};
      const long seen = count;
      if (i % 7 == 0) dh::yield();  // held across a switch
      count = seen + 1;
    }
  };
  dh::wait_group wg;
  for (int i = 0; i < 10; ++i) wg.go(hammer);
  std::thread plain{hammer};
  wg.wait();
  plain.join();
  EXPECT_EQ(count, 11 * (rounds - (rounds + 2) / 3));
  await_no_goroutines();
}

TEST(mutex, may_be_unlocked_by_another_than_the_one_who_locked_it) {
  dh::mutex mu;
  int passed = 0;
  mu.lock();
  dh::wait_group wg;
  wg.go([&] {
    passed = 1;
    mu.unlock();
  });
  mu.lock();
  EXPECT_EQ(passed, 1);
  wg.wait();
  await_no_goroutines();
}

TEST(mutex, lets_those_who_wait_in_by_the_order_of_their_coming) {
  dh::runtime one{{.workers = 1}};
  one.run([] {
    dh::mutex mu;
    std::vector<int> order;
    dh::wait_group wg;
    mu.lock();
    for (int i = 0; i < 5; ++i) {
      wg.go([&, i] {
        const std::lock_guard held{mu};
        order.push_back(i);
      });
      await_parked("sync.Mutex.Lock", static_cast<std::size_t>(i) + 1);
    }
    mu.unlock();
    wg.wait();
    EXPECT_EQ(order, (std::vector{0, 1, 2, 3, 4}));
  });
}

// One holds it for 100 us at a time and takes it again at once; another has to get it ten times.
// real clock: the rule is about elapsed time.
TEST(mutex, is_not_starved_by_one_who_always_comes_back) {
  dh::mutex mu;
  std::atomic<bool> stop{false};
  std::thread greedy{[&] {
    while (!stop.load()) {
      const std::lock_guard held{mu};
      const auto until = steady_clock::now() + std::chrono::microseconds{100};
      while (steady_clock::now() < until) {
      }
    }
  }};
  dh::wait_group wg;
  const auto begin = steady_clock::now();
  wg.go([&] {
    for (int i = 0; i < 10; ++i) {
      dh::yield();
      const std::lock_guard held{mu};
    }
  });
  wg.wait();
  EXPECT_LT(steady_clock::now() - begin, std::chrono::seconds{10});
  stop = true;
  greedy.join();
  await_no_goroutines();
}

TEST(mutex, is_handed_over_to_one_who_waited_long_and_nobody_overtakes) {
  dh::mutex mu;
  std::vector<int> order;
  mu.lock();
  dh::wait_group wg;
  for (int i = 0; i < 2; ++i) {
    wg.go([&, i] {
      mu.lock();
      order.push_back(i);
      mu.unlock();
    });
    await_parked("sync.Mutex.Lock", static_cast<std::size_t>(i) + 1);
  }
  const auto hold = [&] {  // real clock: longer than the patience of a waiter
    const auto until = steady_clock::now() + std::chrono::milliseconds{2};
    while (steady_clock::now() < until) {
    }
  };
  hold();
  // The first is woken, and finds that we overtook it, until it has lost once after its 1 ms: then
  // it is handed over. Every time we come back the queue must not have been passed for ever.
  int turns = 0;
  for (; order.empty(); ++turns) {
    mu.unlock();
    mu.lock();
    if (order.empty()) hold();
    ASSERT_LT(turns, 1000);
  }
  mu.unlock();
  wg.wait();
  EXPECT_EQ(order, (std::vector{0, 1}));
  await_no_goroutines();
}

TEST(mutex, lets_the_one_it_is_handed_to_run_before_the_releaser_goes_on) {
  dh::runtime one{{.workers = 1}};
  one.run([] {
    dh::mutex mu;
    std::vector<int> order;
    const auto hold = [] {  // real clock: longer than the patience of a waiter
      const auto until = steady_clock::now() + std::chrono::milliseconds{2};
      while (steady_clock::now() < until) {
      }
    };
    mu.lock();
    dh::wait_group wg;
    wg.go([&] {
      const std::lock_guard held{mu};
      order.push_back(1);
    });
    await_parked("sync.Mutex.Lock", 1);
    hold();
    mu.unlock();  // wakes it, and
    mu.lock();    // overtakes it, on the only worker
    await_parked("sync.Mutex.Lock", 1);
    mu.unlock();
    order.push_back(2);
    wg.wait();
    EXPECT_EQ(order, (std::vector{1, 2}));
  });
}

// An object that holds its own mutex dies right after the last unlock has let somebody in.
// Sanitizers are the oracle.
TEST(mutex, may_be_destroyed_by_the_next_who_has_it) {
  struct counted {
    dh::mutex mu;
    int users = 3;  // guarded by mu
  };
  for (int round = 0; round < 2000; ++round) {
    auto* object = new counted;
    const auto leave = [object] {
      object->mu.lock();
      const bool last = --object->users == 0;
      object->mu.unlock();
      if (last) delete object;
    };
    dh::wait_group wg;
    wg.go(leave);
    wg.go(leave);
    leave();
    wg.wait();
  }
  await_no_goroutines();
}

TEST(mutex_context, goes_first_if_it_has_ended) {
  auto [ctx, cancel] = dh::with_cancel(dh::background());
  cancel();
  dh::mutex mu;
  EXPECT_THROW(mu.lock(ctx), dh::context_error);
  std::error_code ec;
  mu.lock(ctx, ec);
  EXPECT_EQ(ec, dh::errc::canceled);
  EXPECT_TRUE(mu.try_lock());
  mu.unlock();
}

TEST(mutex_context, locks_like_lock_while_it_is_open) {
  auto [ctx, cancel] = dh::with_cancel(dh::background());
  dh::mutex mu;
  mu.lock(ctx);
  EXPECT_FALSE(mu.try_lock());
  mu.unlock();
  std::error_code ec = dh::errc::canceled;
  mu.lock(dh::background(), ec);
  EXPECT_FALSE(ec);
  mu.unlock();
}

TEST(mutex_context, ends_a_wait_and_leaves_the_queue_in_order) {
  dh::mutex mu;
  mu.lock();
  auto [ctx, cancel] = dh::with_cancel(dh::background());
  dh::wait_group wg;
  dh::wait_group canceled;
  std::atomic<int> locked{0};
  for (int i = 0; i < 6; ++i) {
    if (i % 2 == 0) {
      canceled.go([&, c = ctx] { EXPECT_THROW(mu.lock(c), dh::context_error); });
    } else {
      wg.go([&] {
        const std::lock_guard held{mu};
        ++locked;
      });
    }
  }
  await_parked("sync.Mutex.Lock", 6);
  cancel();
  canceled.wait();
  EXPECT_EQ(locked.load(), 0);
  mu.unlock();
  wg.wait();
  EXPECT_EQ(locked.load(), 3);
  EXPECT_TRUE(mu.try_lock());
  mu.unlock();
  await_no_goroutines();
}

// Whoever comes first, unlock or cancel, wins: locked exactly when no error is reported.
TEST(mutex_context, races_with_the_unlock_and_nothing_is_lost) {
  for (int round = 0; round < 2000; ++round) {
    dh::mutex mu;
    mu.lock();
    auto [ctx, cancel] = dh::with_cancel(dh::background());
    dh::wait_group wg;
    for (int i = 0; i < 2; ++i) {
      wg.go([&, c = ctx] {
        std::error_code ec;
        mu.lock(c, ec);
        if (!ec) mu.unlock();
      });
    }
    wg.go([&] { mu.unlock(); });
    cancel();
    wg.wait();
    ASSERT_TRUE(mu.try_lock());
    mu.unlock();
  }
  await_no_goroutines();
}

#ifdef DOWNHAUL_CHECKED
TEST(mutex, says_in_a_checked_build_who_locks_it_twice_and_goes_on) {
  testing::internal::CaptureStderr();
  dh::mutex mu;
  dh::wait_group wg;
  wg.go([&] {
    mu.lock();
    mu.lock();
    mu.unlock();
  });
  await_parked("sync.Mutex.Lock", 1);
  mu.unlock();
  wg.wait();
  EXPECT_THAT(testing::internal::GetCapturedStderr(),
              testing::ContainsRegex("a mutex is locked again.*\ngoroutine .*mutex_test.cpp"));
  await_no_goroutines();
}
#endif

TEST(mutex_death, unlock_of_an_unlocked_one_is_fatal) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  dh::mutex mu;
  EXPECT_DEATH(mu.unlock(), "fatal error: sync: unlock of unlocked mutex\n");
  EXPECT_DEATH(
      {
        mu.lock();
        mu.unlock();
        mu.unlock();
      },
      "fatal error: sync: unlock of unlocked mutex\n");
}

}  // namespace
