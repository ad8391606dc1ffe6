// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// SYNC-070 to 079: the condition variable.
#include "downhaul/condition_variable.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <cstddef>
#include <memory>
#include <mutex>
#include <random>
#include <shared_mutex>
#include <type_traits>
#include <vector>

#include "downhaul/chan.hpp"
#include "downhaul/go.hpp"
#include "downhaul/mutex.hpp"
#include "downhaul/runtime.hpp"
#include "downhaul/shared_mutex.hpp"
#include "support/crew.hpp"
#include "support/parked.hpp"
#include "support/seed.hpp"

namespace {

namespace dh = downhaul;
using dh::impl::wait_reason;
using downhaul_test::all_places;
using downhaul_test::crew;
using downhaul_test::give_way;
using downhaul_test::place;
using downhaul_test::rounds;
using downhaul_test::wait_until;

TEST(SYNC_070, the_lock_is_free_while_one_waits_and_held_again_afterwards) {
  for (const place where : all_places) {
    dh::mutex mu;
    dh::condition_variable cv;
    std::atomic<bool> returned{false};
    std::atomic<bool> leave{false};
    crew waiter{where};
    waiter.start([&] {
      const std::lock_guard held{mu};
      cv.wait(mu);
      returned = true;
      wait_until([&] { return leave.load(); });
    });
    waiter.wait_until_parked(0, wait_reason::condition_wait);
    EXPECT_TRUE(mu.try_lock()) << "free while it waits";
    cv.notify_one();
    EXPECT_FALSE(returned.load()) << "it cannot return before it has the lock";
    mu.unlock();
    wait_until([&] { return returned.load(); });
    EXPECT_FALSE(mu.try_lock()) << "held when it returns";
    leave = true;
    waiter.join();
  }
}

// Were there a gap between unlocking and parking, a notification would be lost in it and both wait.
TEST(SYNC_070, no_notification_of_a_holder_of_the_lock_is_lost) {
  for (const place where : all_places) {
    dh::mutex mu;
    dh::condition_variable cv;
    int turn = 0;  // guarded by mu
    const int n = rounds(10'000);
    crew players{where};
    for (int mine = 0; mine < 2; ++mine) {
      players.start([&, mine] {
        for (int i = 0; i < n; ++i) {
          const std::lock_guard held{mu};
          while (turn % 2 != mine) cv.wait(mu);
          ++turn;
          cv.notify_one();
        }
      });
    }
    players.join();
    EXPECT_EQ(turn, 2 * n);
  }
}

// Each wait that returns takes one of the notifications that were made while it waited.
TEST(SYNC_071, nobody_returns_without_a_notification_meant_for_him) {
  std::mt19937_64 random{downhaul_test::seed()};
  constexpr int waiters = 6;
  dh::mutex mu;
  dh::condition_variable cv;
  int waiting = 0;    // guarded by mu
  int notified = 0;   // of those who waited, not yet returned; guarded by mu
  bool over = false;  // guarded by mu
  long returned = 0;  // guarded by mu
  long spurious = 0;  // guarded by mu
  crew tasks{place::mixed};
  for (int i = 0; i < waiters; ++i) {
    tasks.start([&] {
      const std::lock_guard held{mu};
      while (!over) {
        ++waiting;
        cv.wait(mu);
        ++returned;
        if (--notified < 0) ++spurious;
      }
    });
  }
  const int n = rounds(10'000);
  for (int round = 0; round < n; ++round) {
    {
      const std::lock_guard held{mu};
      const bool all = random() % 4 == 0;
      const int woken = all ? waiting : waiting > 0 ? 1 : 0;
      waiting -= woken;
      notified += woken;
      all ? cv.notify_all() : cv.notify_one();
    }
    if (random() % 2 == 0) give_way();
  }
  wait_until([&] {
    const std::lock_guard held{mu};
    over = true;
    notified += waiting;
    waiting = 0;
    cv.notify_all();
    return notified == 0;
  });
  tasks.join();
  EXPECT_EQ(spurious, 0);
  EXPECT_EQ(notified, 0);
  EXPECT_GT(returned, 0);
}

TEST(SYNC_072, a_signal_wakes_exactly_one) {
  for (const place where : all_places) {
    constexpr int n = 4;
    dh::mutex mu;
    dh::condition_variable cv;
    std::atomic<int> awake{0};
    crew waiters{where};
    for (std::size_t i = 0; i < n; ++i) {
      waiters.start([&] {
        const std::lock_guard held{mu};
        cv.wait(mu);
        ++awake;
      });
      waiters.wait_until_parked(i, wait_reason::condition_wait);
    }
    for (int i = 1; i <= n; ++i) {
      {
        const std::lock_guard held{mu};
        cv.notify_one();
      }
      wait_until([&] { return awake.load() >= i; });
      // The others have not moved: they are the ones that came later.
      for (std::size_t k = static_cast<std::size_t>(i); k < n; ++k)
        waiters.wait_until_parked(k, wait_reason::condition_wait);
      EXPECT_EQ(awake.load(), i);
    }
    waiters.join();
  }
}

TEST(SYNC_072, a_signal_that_finds_nobody_is_not_remembered) {
  dh::mutex mu;
  dh::condition_variable cv;
  cv.notify_one();
  cv.notify_all();
  std::atomic<bool> awake{false};
  crew waiter;
  waiter.start([&] {
    const std::lock_guard held{mu};
    cv.wait(mu);
    awake = true;
  });
  waiter.wait_until_parked(0, wait_reason::condition_wait);
  EXPECT_FALSE(awake.load());
  cv.notify_one();
  waiter.join();
  EXPECT_TRUE(awake.load());
}

TEST(SYNC_073, each_signal_wakes_the_oldest_of_a_hundred_generations) {
  for (const place where : {place::goroutines, place::mixed}) {
    constexpr std::size_t generations = 100;
    dh::mutex mu;
    dh::condition_variable cv;
    std::vector<std::size_t> order;  // guarded by mu
    crew waiters{where};
    for (std::size_t i = 0; i < generations; ++i) {
      waiters.start([&, i] {
        const std::lock_guard held{mu};
        cv.wait(mu);
        order.push_back(i);
      });
      waiters.wait_until_parked(i, wait_reason::condition_wait);
    }
    for (std::size_t i = 0; i < generations; ++i) {
      cv.notify_one();
      wait_until([&] {
        const std::lock_guard held{mu};
        return order.size() > i;
      });
      const std::lock_guard held{mu};
      ASSERT_EQ(order.size(), i + 1) << "woke more than one";
      ASSERT_EQ(order.back(), i);
    }
  }
}

TEST(SYNC_074, a_broadcast_is_not_stolen_by_one_who_waits_later) {
  for (int round = 0; round < rounds(1000); ++round) {
    dh::mutex mu;
    dh::condition_variable cv;
    std::atomic<bool> first_awake{false};
    bool over = false;  // guarded by mu
    crew waiters{round % 10 == 0 ? place::mixed : place::goroutines};
    waiters.start([&] {
      const std::lock_guard held{mu};
      cv.wait(mu);
      first_awake = true;
    });
    waiters.wait_until_parked(0, wait_reason::condition_wait);
    mu.lock();
    cv.notify_all();
    waiters.start([&] {  // begins to wait after the broadcast, perhaps before the first has run
      const std::lock_guard held{mu};
      while (!over) cv.wait(mu);
    });
    mu.unlock();
    wait_until([&] { return first_awake.load(); });
    waiters.wait_until_parked(1, wait_reason::condition_wait);
    mu.lock();
    over = true;
    mu.unlock();
    cv.notify_all();
    waiters.join();
    ASSERT_TRUE(first_awake.load());
  }
}

TEST(SYNC_075, a_broadcast_wakes_each_of_two_hundred_exactly_once_in_each_of_two_hundred_rounds) {
  constexpr int n = 200;
  const int repeats = rounds(200);
  dh::mutex mu;
  dh::condition_variable cv;
  std::vector<int> woken(n);  // guarded by mu
  int awake = 0;              // guarded by mu
  bool over = false;          // guarded by mu
  crew waiters{place::goroutines};
  for (int i = 0; i < n; ++i) {
    waiters.start([&, i] {
      const std::lock_guard held{mu};
      for (;;) {
        cv.wait(mu);
        if (over) return;
        ++woken[static_cast<std::size_t>(i)];
        ++awake;
      }
    });
  }
  for (int round = 0; round < repeats; ++round) {
    // All wait: each has come back from the last round and parked.
    downhaul_test::await_parked("sync.Cond.Wait", n);
    const std::lock_guard held{mu};
    ASSERT_EQ(awake, n * round);
    cv.notify_all();
  }
  downhaul_test::await_parked("sync.Cond.Wait", n);
  mu.lock();
  for (const int w : woken) EXPECT_EQ(w, repeats);
  over = true;
  mu.unlock();
  cv.notify_all();
}

TEST(SYNC_076, one_may_notify_with_the_lock_and_without) {
  for (const place where : all_places) {
    for (const bool locked : {true, false}) {
      for (const bool all : {true, false}) {
        dh::mutex mu;
        dh::condition_variable cv;
        std::atomic<bool> awake{false};
        crew waiter{where};
        waiter.start([&] {
          const std::lock_guard held{mu};
          cv.wait(mu);
          awake = true;
        });
        waiter.wait_until_parked(0, wait_reason::condition_wait);
        if (locked) mu.lock();
        all ? cv.notify_all() : cv.notify_one();
        if (locked) mu.unlock();
        waiter.join();
        EXPECT_TRUE(awake.load());
      }
    }
  }
}

TEST(SYNC_077, cannot_be_copied_or_moved) {
  static_assert(!std::is_copy_constructible_v<dh::condition_variable>);
  static_assert(!std::is_copy_assignable_v<dh::condition_variable>);
  static_assert(!std::is_move_constructible_v<dh::condition_variable>);
  static_assert(!std::is_move_assignable_v<dh::condition_variable>);
}

TEST(SYNC_078, waiting_without_the_lock_is_the_error_of_the_mutex) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  dh::mutex mu;
  dh::shared_mutex rw;
  dh::condition_variable cv;
  EXPECT_DEATH(cv.wait(mu), "fatal error: sync: unlock of unlocked mutex\n");
  EXPECT_DEATH(cv.wait(rw), "fatal error: sync: Unlock of unlocked RWMutex\n");
}

// Waits with `lock` held; `changed` is guarded by what it locks.
template <class L>
void wait_for(dh::condition_variable& cv, L& lock, const std::atomic<bool>& changed) {
  lock.lock();
  while (!changed.load()) cv.wait(lock);
  lock.unlock();
}

TEST(SYNC_079, the_lock_may_be_any_lockable_also_the_reading_side_of_a_shared_mutex) {
  dh::condition_variable cv;
  dh::shared_mutex rw;
  dh::mutex mu;
  std::mutex standard;
  std::atomic<bool> changed{false};
  crew waiters{place::threads};  // a std::mutex belongs to a thread
  waiters.start([&] { wait_for(cv, rw, changed); });
  for (int i = 0; i < 2; ++i) {
    waiters.start([&] {
      std::shared_lock reading{rw, std::defer_lock};
      wait_for(cv, reading, changed);
    });
  }
  waiters.start([&] { wait_for(cv, mu, changed); });
  waiters.start([&] {
    std::unique_lock own{mu, std::defer_lock};
    wait_for(cv, own, changed);
  });
  waiters.start([&] { wait_for(cv, standard, changed); });
  for (std::size_t i = 0; i < 6; ++i) waiters.wait_until_parked(i, wait_reason::condition_wait);
  EXPECT_TRUE(rw.try_lock()) << "no reader and no writer holds it while they wait";
  rw.unlock();
  changed = true;
  cv.notify_all();
  waiters.join();
  EXPECT_TRUE(rw.try_lock());
  rw.unlock();
}

TEST(SYNC_079, two_readers_are_woken_and_read_together) {
  dh::condition_variable cv;
  dh::shared_mutex rw;
  std::atomic<int> inside{0};
  crew readers{place::goroutines};
  for (std::size_t i = 0; i < 2; ++i) {
    readers.start([&] {
      std::shared_lock reading{rw};
      cv.wait(reading);
      ++inside;
      wait_until([&] { return inside.load() == 2; });
    });
    readers.wait_until_parked(i, wait_reason::condition_wait);
  }
  cv.notify_all();
  readers.join();
  EXPECT_EQ(inside.load(), 2);
}

}  // namespace
