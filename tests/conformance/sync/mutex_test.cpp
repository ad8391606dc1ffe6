// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// SYNC-040 to 052: the mutex.
#include "downhaul/mutex.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "downhaul/chan.hpp"
#include "downhaul/runtime.hpp"
#include "downhaul/wait_group.hpp"
#include "support/crew.hpp"
#include "support/lock_words.hpp"
#include "support/parked.hpp"
#include "support/test_runtime.hpp"
#include "support/unordered.hpp"

namespace {

namespace dh = downhaul;
using dh::impl::wait_reason;
using downhaul_test::all_places;
using downhaul_test::await_parked;
using downhaul_test::crew;
using downhaul_test::mutex_queue;
using downhaul_test::mutex_word;
using downhaul_test::place;
using downhaul_test::rounds;
using downhaul_test::sign;
using downhaul_test::test_runtime;
using downhaul_test::wait_until;
using std::chrono::steady_clock;

constexpr auto waits = "sync.Mutex.Lock";

std::uint32_t word_of(dh::mutex& mu) { return look(mutex_word{}, mu).load(); }

// real clock: the mutex is handed over to those who have waited for more than 1 ms by it.
void let_patience_run_out() {
  const auto until = steady_clock::now() + std::chrono::microseconds{1'100};
  while (steady_clock::now() < until) std::this_thread::yield();
}

TEST(SYNC_040, is_free_when_made_and_try_lock_tells) {
  dh::mutex mu;
  EXPECT_TRUE(mu.try_lock());
  EXPECT_FALSE(mu.try_lock());
  mu.unlock();
  mu.lock();
  EXPECT_FALSE(mu.try_lock());
  mu.unlock();
  EXPECT_TRUE(mu.try_lock());
  mu.unlock();
}

TEST(SYNC_040, lock_waits_until_it_is_free) {
  for (const place where : all_places) {
    dh::mutex mu;
    mu.lock();
    std::atomic<bool> had{false};
    crew other{where};
    other.start([&] {
      const std::lock_guard held{mu};
      had = true;
    });
    other.wait_until_parked(0, wait_reason::mutex_lock);
    EXPECT_FALSE(had.load());
    mu.unlock();
    other.join();
    EXPECT_TRUE(had.load());
  }
}

TEST(SYNC_040, ten_lock_it_a_thousand_times_each_and_every_third_time_only_try) {
  for (const place where : all_places) {
    dh::mutex mu;
    long count = 0;  // guarded by mu
    std::atomic<long> tried{0};
    crew tasks{where};
    const int n = rounds(1000);
    for (int t = 0; t < 10; ++t) {
      tasks.start([&] {
        for (int i = 0; i < n; ++i) {
          if (i % 3 == 0) {
            if (!mu.try_lock()) continue;
            ++tried;
          } else {
            mu.lock();
          }
          ++count;
          mu.unlock();
        }
      });
    }
    tasks.join();
    EXPECT_EQ(count, tried.load() + 10 * (n - (n + 2) / 3));
  }
}

TEST(SYNC_041, what_one_locked_another_may_unlock) {
  for (const place where : all_places) {
    dh::mutex mu;
    mu.lock();
    crew other{where};
    other.start([&] {
      downhaul_test::give_way();
      mu.unlock();
    });
    mu.lock();  // was unlocked by the other
    EXPECT_FALSE(mu.try_lock());
    mu.unlock();
  }
}

TEST(SYNC_041, used_as_a_signal_it_orders) {
  dh::mutex mu;
  mu.lock();
  int written = 0;
  downhaul_test::on_two_threads(
      [&] {
        written = 1;
        mu.unlock();
      },
      [&] {
        mu.lock();
        EXPECT_EQ(written, 1);
      });
  mu.unlock();
}

// Locks it twice on one goroutine. Another's unlock would let it go on: it is not fatal.
TEST(SYNC_042, locking_twice_waits_and_is_not_fatal) {
  testing::internal::CaptureStderr();
  dh::mutex mu;
  std::atomic<bool> through{false};
  crew one{place::goroutines};
  one.start([&] {
    mu.lock();
    mu.lock();
    through = true;
    mu.unlock();
  });
  one.wait_until_parked(0, wait_reason::mutex_lock);
  EXPECT_FALSE(through.load());
  mu.unlock();
  one.join();
  EXPECT_TRUE(through.load());
  const std::string said = testing::internal::GetCapturedStderr();
#ifdef DOWNHAUL_CHECKED
  EXPECT_THAT(said, testing::HasSubstr("a mutex is locked again by the one who locked it"));
#else
  EXPECT_EQ(said, "");
#endif
}

TEST(SYNC_042, where_nobody_can_unlock_it_that_is_a_deadlock) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const auto child = [] {
    dh::run([] {
      dh::mutex mu;
      mu.lock();
      mu.lock();
    });
  };
  EXPECT_DEATH(child(), testing::AllOf(testing::HasSubstr("all goroutines are asleep - deadlock!"),
                                       testing::HasSubstr("\"main\" [sync.Mutex.Lock")));
}

template <class F>
void not_catchable(F f) {
  try {
    f();
  } catch (...) {
    std::_Exit(0);
  }
  std::_Exit(0);
}

TEST(SYNC_043, unlocking_what_is_not_locked_is_fatal_and_cannot_be_caught) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const auto never_locked = [] {
    dh::mutex mu;
    mu.unlock();
  };
  const auto unlocked_twice = [] {
    dh::mutex mu;
    mu.lock();
    mu.unlock();
    mu.unlock();
  };
  const auto on_a_goroutine = [=] {
    dh::go(never_locked);
    dh::make_chan<void>().recv();
  };
  const auto text = "^fatal error: sync: unlock of unlocked mutex\n";
  const testing::KilledBySignal aborts{SIGABRT};
  EXPECT_EXIT(not_catchable(never_locked), aborts, testing::ContainsRegex(text));
  EXPECT_EXIT(not_catchable(unlocked_twice), aborts, testing::ContainsRegex(text));
  EXPECT_EXIT(not_catchable(on_a_goroutine), aborts, testing::ContainsRegex(text));
}

// real clock: the promise is one about time. One holds it for 100 us and takes it again at once; the
// other has to get it ten times within 10 s.
TEST(SYNC_044, one_who_always_comes_back_starves_nobody) {
  for (const place where : {place::threads, place::goroutines}) {
    dh::mutex mu;
    std::atomic<bool> over{false};
    crew greedy{where};
    greedy.start([&] {
      while (!over.load()) {
        mu.lock();
        const auto until = steady_clock::now() + std::chrono::microseconds{100};
        while (steady_clock::now() < until) {
        }
        mu.unlock();
      }
    });
    const auto begin = steady_clock::now();
    crew other{where};
    other.start([&] {
      for (int i = 0; i < 10; ++i) {
        downhaul_test::give_way();
        const std::lock_guard held{mu};
      }
      EXPECT_LT(steady_clock::now() - begin, std::chrono::seconds{10});
      over = true;
    });
  }
}

// A mutex held by the test, and a first waiter who has been woken, has lost, and has waited for more
// than 1 ms: from now on it is handed over.
class handed_over {
 public:
  handed_over() {
    mu.lock();
    first = waiters.start([this] { pass(0); });
    waiters.wait_until_parked(first, wait_reason::mutex_lock);
    while ((word_of(mu) & mutex_word::starving) == 0) {
      let_patience_run_out();
      mu.unlock();
      mu.lock();  // mostly ahead of the one that was woken
      if (!order.empty()) begin_again();
      wait_until([this] { return (word_of(mu) & mutex_word::queued) != 0; });
    }
  }
  /// One more waits for it.
  void queue_up(int number) {
    waiters.wait_until_parked(waiters.start([this, number] { pass(number); }),
                              wait_reason::mutex_lock);
  }

  dh::mutex mu;
  std::vector<int> order;  // who has had it; guarded by mu
  crew waiters{place::threads};

 private:
  void pass(int number) {
    const std::lock_guard held{mu};
    order.push_back(number);
  }
  // It was quicker than we: that is allowed, and leads nowhere.
  void begin_again() {
    order.clear();
    first = waiters.start([this] { pass(0); });
    waiters.wait_until_parked(first, wait_reason::mutex_lock);
  }
  std::size_t first = 0;
};

TEST(SYNC_044, who_has_waited_for_a_millisecond_is_the_next_whoever_else_comes) {
  handed_over m;
  m.mu.unlock();
  m.mu.lock();  // comes while it is on its way to the first
  EXPECT_EQ(m.order, std::vector{0});
  m.mu.unlock();
}

TEST(SYNC_044, handing_over_ends_with_the_last_who_waits) {
  handed_over m;
  m.mu.unlock();
  m.waiters.join();
  EXPECT_EQ(word_of(m.mu), 0U);
}

// real clock: whether a wait was shorter than 1 ms is measured, and where the machine was too busy for
// one that short there is nothing to see.
TEST(SYNC_044, handing_over_ends_with_one_who_did_not_wait_for_a_millisecond) {
  int seen = 0;
  for (int round = 0; round < 20 && seen == 0; ++round) {
    handed_over m;
    crew late{place::threads};
    for (int i = 0; i < 2; ++i) {
      const std::size_t number = late.start([&, i] {
        const auto begin = steady_clock::now();
        m.mu.lock();
        const bool short_wait = steady_clock::now() - begin < std::chrono::milliseconds{1};
        if (i == 0 && short_wait) {
          EXPECT_EQ(word_of(m.mu) & mutex_word::starving, 0U);
          ++seen;
        }
        m.mu.unlock();
      });
      late.wait_until_parked(number, wait_reason::mutex_lock);
    }
    m.mu.unlock();
  }
  RecordProperty("seen", seen);
}

TEST(SYNC_045, while_it_is_handed_over_try_lock_fails) {
  for (int round = 0; round < rounds(50); ++round) {
    handed_over m;
    m.queue_up(1);
    m.queue_up(2);
    let_patience_run_out();  // theirs too
    m.mu.unlock();
    // It has not been free since, until the last of the three lets go of it.
    const bool taken = m.mu.try_lock();
    EXPECT_TRUE(!taken || m.order.size() == 3);
    if (taken) m.mu.unlock();
    m.waiters.join();
  }
}

TEST(SYNC_045, while_it_is_handed_over_who_comes_new_queues_up_behind_the_others) {
  for (int round = 0; round < rounds(50); ++round) {
    handed_over m;
    m.queue_up(1);
    m.queue_up(2);
    let_patience_run_out();  // theirs too
    m.mu.unlock();
    m.mu.lock();
    m.order.push_back(3);
    m.mu.unlock();
    m.waiters.join();
    EXPECT_EQ(m.order, (std::vector{0, 1, 2, 3}));
  }
}

TEST(SYNC_046, waiters_get_it_by_the_order_of_their_coming) {
  for (const place where : all_places) {
    dh::mutex mu;
    std::vector<int> order;  // guarded by mu
    mu.lock();
    crew waiters{where};
    for (int i = 0; i < 5; ++i) {
      const std::size_t number = waiters.start([&, i] {
        const std::lock_guard held{mu};
        order.push_back(i);
      });
      waiters.wait_until_parked(number, wait_reason::mutex_lock);
    }
    mu.unlock();
    waiters.join();
    EXPECT_EQ(order, (std::vector{0, 1, 2, 3, 4}));
  }
}

TEST(SYNC_046, who_was_woken_and_lost_is_the_first_again) {
  int lost = 0;
  for (int round = 0; round < 20; ++round) {
    test_runtime one{1};
    one.run([&] {
      dh::mutex mu;
      std::vector<int> order;
      dh::wait_group wg;
      mu.lock();
      for (int i = 0; i < 3; ++i) {
        wg.go([&, i] {
          const std::lock_guard held{mu};
          order.push_back(i);
        });
        await_parked(waits, static_cast<std::size_t>(i) + 1);
      }
      mu.unlock();          // wakes the first, which needs this worker
      if (mu.try_lock()) {  // and loses
        ++lost;
        await_parked(waits, 3);
        mu.unlock();
      }
      wg.wait();
      EXPECT_EQ(order, (std::vector{0, 1, 2}));
    });
  }
  EXPECT_GT(lost, 0);
}

TEST(SYNC_047, a_try_lock_that_succeeds_is_ordered_after_the_last_unlock) {
  dh::mutex mu;
  int written = 0;
  sign unlocked;
  downhaul_test::on_two_threads(
      [&] {
        mu.lock();
        written = 1;
        mu.unlock();
        unlocked.raise();
      },
      [&] {
        unlocked.await();
        ASSERT_TRUE(mu.try_lock());
        EXPECT_EQ(written, 1);
        mu.unlock();
      });
}

TEST(SYNC_047, a_try_lock_that_fails_orders_nothing) {
  const auto racy = [] {
    dh::mutex mu;
    int written = 0;
    sign locked;
    downhaul_test::on_two_threads(
        [&] {
          written = 1;
          mu.lock();
          locked.raise();
        },
        [&] {
          locked.await();
          if (!mu.try_lock()) ++written;
        });
  };
  downhaul_test::expect_race(racy);
  dh::mutex mu;
  mu.lock();
  EXPECT_FALSE(mu.try_lock());
  mu.unlock();
}

TEST(SYNC_048, an_unlock_is_ordered_before_every_later_lock_not_only_the_next) {
  dh::mutex mu;
  int written = 0;
  sign first;
  sign second;
  crew tasks{place::threads};
  tasks.start([&] {
    mu.lock();
    written = 1;
    mu.unlock();
    first.raise();
  });
  tasks.start([&] {
    first.await();
    mu.lock();
    mu.unlock();
    second.raise();
  });
  tasks.start([&] {
    second.await();
    mu.lock();
    EXPECT_EQ(written, 1);
    mu.unlock();
  });
}

TEST(SYNC_048, also_before_the_lock_of_one_who_waited) {
  dh::mutex mu;
  int written = 0;
  sign locked;
  sign parked;
  crew tasks{place::threads};
  tasks.start([&] {
    mu.lock();
    locked.raise();
    parked.await();
    written = 1;
    mu.unlock();
  });
  tasks.start([&] {
    locked.await();
    mu.lock();
    EXPECT_EQ(written, 1);
    mu.unlock();
  });
  tasks.wait_until_parked(1, wait_reason::mutex_lock);
  parked.raise();
}

TEST(SYNC_048, also_when_it_is_handed_over) {
  handed_over m;
  int written = 0;
  const std::size_t number = m.waiters.start([&] {
    m.mu.lock();
    EXPECT_EQ(written, 1);
    m.mu.unlock();
  });
  m.waiters.wait_until_parked(number, wait_reason::mutex_lock);
  written = 1;
  m.mu.unlock();
  m.waiters.join();
}

// One worker, so that who runs first can be seen. The mode is set by hand: waiting for it would take a
// millisecond a round.
TEST(SYNC_049, releasing_with_hand_off_lets_the_waiter_run_first) {
  const int n = rounds(10'000);
  int waiter_first = 0;
  test_runtime one{1};
  one.run([&] {
    dh::mutex mu;
    for (int round = 0; round < n; ++round) {
      mu.lock();
      std::atomic<bool> ran{false};
      auto ended = dh::make_chan<void>(1);
      dh::go([&, ended] {
        mu.lock();
        ran = true;
        mu.unlock();
        ended.send();
      });
      while ((word_of(mu) & mutex_word::queued) == 0) dh::yield();
      look(mutex_word{}, mu).fetch_or(mutex_word::starving);
      mu.unlock();
      if (ran.load()) ++waiter_first;
      ended.recv();
    }
  });
  EXPECT_GE(waiter_first, 2 * n / 3);
}

// What Go needs a balanced table for: here each mutex has a queue of its own, however many share the
// lock that guards it, so that a waiter's cost does not depend on the waiters for other mutexes.
TEST(SYNC_050, waiters_for_other_mutexes_with_the_same_queue_lock_are_not_in_the_way) {
  constexpr std::size_t n = 100;
  std::vector<std::unique_ptr<dh::mutex>> same;
  std::vector<std::unique_ptr<dh::mutex>> others;  // kept, so that each address is tried once
  while (same.size() < n) {
    auto made = std::make_unique<dh::mutex>();
    const bool shares = same.empty() || &dh::impl::queue_lock_of(made.get()) ==
                                            &dh::impl::queue_lock_of(same.front().get());
    (shares ? same : others).push_back(std::move(made));
  }
  for (const auto& mu : same) mu->lock();
  std::atomic<std::size_t> through{0};
  crew waiters{place::goroutines};
  for (const auto& mu : same) {
    waiters.start([&through, m = mu.get()] {
      const std::lock_guard held{*m};
      ++through;
    });
  }
  await_parked(waits, n);
  for (const auto& mu : same) {
    const std::lock_guard guard{dh::impl::queue_lock_of(mu.get())};
    EXPECT_EQ(look(mutex_queue{}, *mu).count(), 1U);
  }
  for (std::size_t i = n; i > 0; --i) {  // from the one that came last
    same[i - 1]->unlock();
    wait_until([&] { return through.load() == n - i + 1; });
    EXPECT_EQ(downhaul_test::parked(waits), i - 1);
  }
}

TEST(SYNC_051, may_be_held_across_a_wait_and_those_who_wait_for_it_do_not_hold_the_worker) {
  test_runtime one{1};
  dh::mutex mu;
  auto go_on = dh::make_chan<void>();
  std::atomic<bool> released{false};
  one.go([&, go_on] {
    const std::lock_guard held{mu};
    go_on.recv();
    dh::yield();
    released = true;
  });
  one.run_until_parked();
  std::atomic<int> had{0};
  for (int i = 0; i < 3; ++i) {
    one.go([&] {
      const std::lock_guard held{mu};
      EXPECT_TRUE(released.load());
      dh::yield();
      ++had;
    });
  }
  one.run_until_parked();  // all wait, and the worker is free
  EXPECT_EQ(one.run([] { return 1; }), 1);
  EXPECT_FALSE(mu.try_lock());
  go_on.send();
  one.run_until_parked();
  EXPECT_EQ(had.load(), 3);
}

TEST(SYNC_052, ten_take_turns_with_one_unit_a_thousand_times_each_and_all_finish) {
  for (const place where : all_places) {
    dh::mutex unit;
    std::atomic<int> inside{0};
    std::atomic<int> finished{0};
    crew tasks{where};
    const int n = rounds(1000);
    for (int t = 0; t < 10; ++t) {
      tasks.start([&] {
        for (int i = 0; i < n; ++i) {
          unit.lock();
          EXPECT_EQ(++inside, 1);
          if (i % 16 == 0) downhaul_test::give_way();
          --inside;
          unit.unlock();
        }
        ++finished;
      });
    }
    tasks.join();
    EXPECT_EQ(finished.load(), 10);
  }
}

}  // namespace
