// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// Checked builds: a goroutine that leaves its thread with one of the system's mutexes locked aborts,
// and says where it locked it and where it left.

#include <gtest/gtest.h>
#include <pthread.h>

#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <ostream>
#include <shared_mutex>
#include <string>
#include <thread>

#include "downhaul/blocking.hpp"
#include "downhaul/chan.hpp"
#include "downhaul/condition_variable.hpp"
#include "downhaul/go.hpp"
#include "downhaul/mutex.hpp"
#include "downhaul/pin.hpp"
#include "downhaul/runtime.hpp"
#include "downhaul/select.hpp"
#include "downhaul/sleep.hpp"
#include "downhaul/wait_group.hpp"
#include "support/parked.hpp"
#include "support/test_runtime.hpp"

using namespace std::chrono_literals;
using downhaul_test::test_runtime;
namespace dh = downhaul;

// With names that the report can give: not in an anonymous namespace, not inlined.
namespace checked_mutex_test {

[[gnu::noinline]] void lock_here(std::mutex& mu) {
  mu.lock();
  asm volatile("" ::: "memory");
}
[[gnu::noinline]] void wait_here() {
  dh::make_chan<int>().recv();
  asm volatile("" ::: "memory");
}

}  // namespace checked_mutex_test

namespace {

// Runs f as a goroutine; the process is to die in it.
template <class F>
void run(F f) {
  dh::runtime rt{dh::runtime_options{.workers = 1}};
  rt.run(f);
}

class checked_mutex_death : public testing::Test {
 protected:
  void SetUp() override { GTEST_FLAG_SET(death_test_style, "threadsafe"); }
};

// --- what is locked ---

struct lockable {
  std::string name;
  std::function<void()> lock;
  std::string kind = "mutex";
};
void PrintTo(const lockable& l, std::ostream* out) { *out << l.name; }

template <class Mutex>
Mutex& held() {
  static Mutex& never_destroyed = *new Mutex;  // destroying a locked one is undefined
  return never_destroyed;
}

class checked_mutex_kind_death : public testing::TestWithParam<lockable> {
 protected:
  void SetUp() override { GTEST_FLAG_SET(death_test_style, "threadsafe"); }
};

TEST_P(checked_mutex_kind_death, aborts_a_wait) {
  EXPECT_DEATH(run([] {
                 GetParam().lock();
                 dh::sleep(1ms);
               }),
               "a goroutine waits \\(sleep\\) and holds a mutex(.|\n)*the " + GetParam().kind +
                   " was locked at");
}

INSTANTIATE_TEST_SUITE_P(
    , checked_mutex_kind_death,
    testing::Values(
        lockable{"mutex", [] { held<std::mutex>().lock(); }},
        lockable{"mutex_tried", [] { EXPECT_TRUE(held<std::mutex>().try_lock()); }},
        lockable{"recursive_mutex", [] { held<std::recursive_mutex>().lock(); }},
        lockable{"timed_mutex", [] { EXPECT_TRUE(held<std::timed_mutex>().try_lock_for(1h)); }},
        lockable{"timed_mutex_until",
                 [] {
                   EXPECT_TRUE(held<std::timed_mutex>().try_lock_until(
                       std::chrono::system_clock::now() + 1h));
                 }},
        lockable{"shared_mutex", [] { held<std::shared_mutex>().lock(); }, "shared lock"},
        lockable{"shared_mutex_tried", [] { EXPECT_TRUE(held<std::shared_mutex>().try_lock()); },
                 "shared lock"},
        lockable{"shared_mutex_shared", [] { held<std::shared_mutex>().lock_shared(); },
                 "shared lock"},
        lockable{"shared_mutex_shared_tried",
                 [] { EXPECT_TRUE(held<std::shared_mutex>().try_lock_shared()); }, "shared lock"},
        lockable{"shared_timed_mutex",
                 [] { EXPECT_TRUE(held<std::shared_timed_mutex>().try_lock_for(1h)); },
                 "shared lock"},
        lockable{"shared_timed_mutex_shared",
                 [] { EXPECT_TRUE(held<std::shared_timed_mutex>().try_lock_shared_for(1h)); },
                 "shared lock"},
        lockable{"pthread_mutex",
                 [] {
                   static pthread_mutex_t mu = PTHREAD_MUTEX_INITIALIZER;
                   EXPECT_EQ(pthread_mutex_lock(&mu), 0);
                 }},
        lockable{"pthread_mutex_timed",
                 [] {
                   static pthread_mutex_t mu = PTHREAD_MUTEX_INITIALIZER;
                   const timespec until{.tv_sec = 4'000'000'000, .tv_nsec = 0};
                   EXPECT_EQ(pthread_mutex_timedlock(&mu, &until), 0);
                 }},
        lockable{"pthread_rwlock",
                 [] {
                   static pthread_rwlock_t l = PTHREAD_RWLOCK_INITIALIZER;
                   EXPECT_EQ(pthread_rwlock_wrlock(&l), 0);
                 },
                 "shared lock"},
        lockable{"pthread_rwlock_timed",
                 [] {
                   static pthread_rwlock_t l = PTHREAD_RWLOCK_INITIALIZER;
                   const timespec until{.tv_sec = 4'000'000'000, .tv_nsec = 0};
                   EXPECT_EQ(pthread_rwlock_timedrdlock(&l, &until), 0);
                   EXPECT_EQ(pthread_rwlock_unlock(&l), 0);
                   EXPECT_EQ(pthread_rwlock_timedwrlock(&l, &until), 0);
                 },
                 "shared lock"}),
    [](const auto& test) { return test.param.name; });

// --- how the thread is left ---

struct way_out {
  std::string name;
  std::function<void()> leave;
  std::string report;
};
void PrintTo(const way_out& w, std::ostream* out) { *out << w.name; }

class checked_mutex_wait_death : public testing::TestWithParam<way_out> {
 protected:
  void SetUp() override { GTEST_FLAG_SET(death_test_style, "threadsafe"); }
};

TEST_P(checked_mutex_wait_death, aborts) {
  EXPECT_DEATH(run([] {
                 held<std::mutex>().lock();
                 GetParam().leave();
               }),
               GetParam().report + " and holds a mutex");
}

INSTANTIATE_TEST_SUITE_P(
    , checked_mutex_wait_death,
    testing::Values(
        way_out{"receive", [] { dh::make_chan<int>().recv(); }, "waits \\(chan receive\\)"},
        way_out{"send", [] { dh::make_chan<int>().send(1); }, "waits \\(chan send\\)"},
        way_out{"select",
                [] {
                  auto a = dh::make_chan<int>();
                  dh::select(dh::recv(a));
                },
                "waits \\(select\\)"},
        way_out{"our_mutex",
                [] {
                  dh::mutex mu;
                  mu.lock();
                  mu.lock();
                },
                "waits \\(sync.Mutex.Lock\\)"},
        way_out{"wait_group",
                [] {
                  dh::wait_group wg;
                  wg.add(1);
                  wg.wait();
                },
                "waits \\(sync.WaitGroup.Wait\\)"},
        way_out{"blocking",
                [] { dh::blocking([] { downhaul_test::await_parked("blocking call", 1); }); },
                "waits \\(blocking call\\)"},
        way_out{"yield", [] { dh::yield(); }, "a goroutine yields"},
        way_out{"end", [] {}, "a goroutine ends"},
        way_out{"pin", [] { const dh::pin p; }, "a goroutine is pinned, or no more,"}),
    [](const auto& test) { return test.param.name; });

// --- what is said ---

TEST_F(checked_mutex_death, names_both_places_and_where_the_goroutine_was_started) {
  EXPECT_DEATH(run([] {
                 checked_mutex_test::lock_here(held<std::mutex>());
                 checked_mutex_test::wait_here();
               }),
               "it leaves its thread at:(.|\n)*checked_mutex_test::wait_here\\(\\)"
               "(.|\n)*the mutex was locked at:(.|\n)*checked_mutex_test::lock_here"
               "(.|\n)*goroutine started at .*checked_mutex_test.cpp:");
}

TEST_F(checked_mutex_death, counts_how_often_a_recursive_one_is_locked) {
  EXPECT_DEATH(run([] {
                 auto& mu = held<std::recursive_mutex>();
                 mu.lock();
                 mu.lock();
                 mu.unlock();
                 dh::yield();
               }),
               "yields and holds a mutex");
}

TEST_F(checked_mutex_death, remembers_what_was_locked_before_others_came_and_went) {
  EXPECT_DEATH(run([] {
                 std::mutex other;
                 std::mutex third;
                 other.lock();
                 held<std::mutex>().lock();
                 third.lock();
                 other.unlock();
                 third.unlock();
                 dh::yield();
               }),
               "yields and holds a mutex");
}

// A pinned goroutine keeps its thread, until it is pinned no more.
TEST_F(checked_mutex_death, aborts_the_end_of_a_pin_under_which_it_was_locked) {
  EXPECT_DEATH(run([] {
                 const dh::pin p;
                 held<std::mutex>().lock();
                 dh::yield();
               }),
               "is pinned, or no more, and holds a mutex");
}

// --- what is right ---

TEST(checked_mutex, may_be_locked_between_waits) {
  test_runtime rt{1};
  rt.run([] {
    std::mutex mu;
    std::shared_mutex shared;
    std::recursive_mutex recursive;
    for (int i = 0; i < 100; ++i) {
      {
        const std::scoped_lock both{mu, recursive};
        const std::lock_guard again{recursive};
        const std::shared_lock reading{shared};
      }
      dh::yield();
    }
  });
}

TEST(checked_mutex, that_was_not_had_is_not_held) {
  test_runtime rt{1};
  std::mutex mu;
  std::timed_mutex timed;
  const std::lock_guard here{mu};
  const std::lock_guard here_too{timed};
  rt.run([&] {
    EXPECT_FALSE(mu.try_lock());
    EXPECT_FALSE(timed.try_lock_for(1us));
    dh::yield();
  });
}

TEST(checked_mutex, may_be_held_across_a_wait_by_a_plain_thread) {
  test_runtime rt{1};
  auto ch = dh::make_chan<int>();
  rt.go([ch] { ch.send(1); });
  std::mutex mu;
  const std::lock_guard held_here{mu};
  EXPECT_EQ(ch.recv(), 1);
}

TEST(checked_mutex, may_be_held_across_a_wait_by_a_blocking_call) {
  test_runtime rt{1};
  auto ch = dh::make_chan<int>();
  rt.go([ch] { ch.send(1); });
  rt.run([&] {
    EXPECT_EQ(dh::blocking([&] {
                std::mutex mu;
                const std::lock_guard held_here{mu};
                return ch.recv();
              }),
              1);
  });
}

TEST(checked_mutex, may_be_held_across_a_wait_by_a_pinned_goroutine) {
  test_runtime rt{1};
  rt.run([] {
    const dh::pin stay;
    std::mutex mu;
    const std::lock_guard held_here{mu};
    dh::yield();
    dh::sleep(1us);
  });
}

TEST(checked_mutex, is_unlocked_by_a_wait_for_our_condition) {
  test_runtime rt{1};
  std::mutex mu;
  dh::condition_variable changed;
  bool ready = false;
  rt.go([&] {
    std::unique_lock lock{mu};
    changed.wait(lock, [&] { return ready; });
    EXPECT_TRUE(lock.owns_lock());
  });
  rt.run_until_parked();
  {
    const std::lock_guard lock{mu};
    ready = true;
  }
  changed.notify_one();
  rt.run_until_parked();
}

TEST(checked_mutex, and_the_standards_condition_work_for_plain_threads) {
  std::mutex mu;
  std::condition_variable changed;
  int turn = 0;
  std::thread other{[&] {
    for (int i = 1; i < 200; i += 2) {
      std::unique_lock lock{mu};
      changed.wait(lock, [&] { return turn == i; });
      ++turn;
      changed.notify_all();
    }
  }};
  for (int i = 0; i < 200; i += 2) {
    std::unique_lock lock{mu};
    changed.wait(lock, [&] { return turn == i; });
    ++turn;
    changed.notify_all();
  }
  other.join();
  EXPECT_EQ(turn, 200);
}

// It blocks its worker, as it would without us; but it does not leave its thread.
TEST(checked_mutex, and_the_standards_condition_work_for_goroutines) {
  test_runtime rt{2};
  std::mutex mu;
  std::condition_variable changed;
  bool ready = false;
  rt.go([&] {
    {
      std::unique_lock lock{mu};
      changed.wait(lock, [&] { return ready; });
    }
    dh::yield();
  });
  {
    const std::lock_guard lock{mu};
    ready = true;
  }
  changed.notify_one();
  rt.run_until_parked();
}

}  // namespace
