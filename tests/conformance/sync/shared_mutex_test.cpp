// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// SYNC-060 to 067: the shared mutex.
#include "downhaul/shared_mutex.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <csignal>
#include <cstdint>
#include <mutex>
#include <shared_mutex>
#include <string>
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
using downhaul_test::crew;
using downhaul_test::place;
using downhaul_test::rounds;
using downhaul_test::shared_mutex_word;
using downhaul_test::sign;
using downhaul_test::test_runtime;
using downhaul_test::wait_until;

constexpr auto to_write = wait_reason::shared_mutex_lock;
constexpr auto to_read = wait_reason::shared_mutex_lock_shared;

TEST(SYNC_060, readers_are_inside_together) {
  for (const place where : all_places) {
    constexpr int n = 8;
    dh::shared_mutex mu;
    std::atomic<int> inside{0};
    crew readers{where};
    for (int i = 0; i < n; ++i) {
      readers.start([&] {
        const std::shared_lock held{mu};
        ++inside;
        wait_until([&] { return inside.load() == n; });
      });
    }
    readers.join();
    EXPECT_EQ(inside.load(), n);
  }
}

// The oracle: who is inside counts himself, a writer for 10,000.
void hammer(int workers, int readers, int turns) {
  test_runtime rt{workers};
  rt.run([&] {
    dh::shared_mutex mu;
    std::atomic<int> inside{0};
    dh::wait_group wg;
    for (int w = 0; w < 2; ++w) {
      wg.go([&] {
        for (int i = 0; i < turns; ++i) {
          const std::lock_guard held{mu};
          EXPECT_EQ(inside.fetch_add(10'000), 0);
          if (i % 4 == 0) dh::yield();
          inside -= 10'000;
        }
      });
    }
    for (int r = 0; r < readers; ++r) {
      wg.go([&] {
        for (int i = 0; i < turns; ++i) {
          const std::shared_lock held{mu};
          EXPECT_LT(inside.fetch_add(1), 10'000);
          if (i % 4 == 0) dh::yield();
          --inside;
        }
      });
    }
    wg.wait();
    EXPECT_EQ(inside.load(), 0);
    EXPECT_TRUE(mu.try_lock());
    mu.unlock();
  });
}

TEST(SYNC_060, a_writer_is_inside_alone_however_many_read) {
  for (const int workers : {1, 4, 10}) {
    for (const int readers : {1, 3, 5, 10}) {
      hammer(workers, readers, rounds(1000));
      ASSERT_FALSE(HasFailure()) << workers << " workers, " << readers << " readers";
    }
  }
}

TEST(SYNC_061, trying_succeeds_as_the_table_says) {
  dh::shared_mutex mu;
  mu.lock();
  EXPECT_FALSE(mu.try_lock());
  EXPECT_FALSE(mu.try_lock_shared());
  mu.unlock();
  EXPECT_TRUE(mu.try_lock());
  EXPECT_FALSE(mu.try_lock());
  EXPECT_FALSE(mu.try_lock_shared());
  mu.unlock();
  mu.lock_shared();
  EXPECT_TRUE(mu.try_lock_shared());
  EXPECT_TRUE(mu.try_lock_shared());
  EXPECT_FALSE(mu.try_lock());
  for (int i = 0; i < 3; ++i) {
    EXPECT_FALSE(mu.try_lock()) << "still read by " << 3 - i;
    mu.unlock_shared();
  }
  EXPECT_TRUE(mu.try_lock());
  mu.unlock();
  EXPECT_TRUE(mu.try_lock_shared());
  mu.unlock_shared();
}

TEST(SYNC_062, a_writer_that_waits_keeps_new_readers_out) {
  for (const place where : all_places) {
    dh::shared_mutex mu;
    std::vector<char> order;  // guarded by mu
    mu.lock_shared();
    crew tasks{where};
    tasks.start([&] {
      const std::lock_guard held{mu};
      order.push_back('w');
    });
    tasks.wait_until_parked(0, to_write);
    EXPECT_FALSE(mu.try_lock_shared());
    std::atomic<bool> writer_first{false};
    tasks.start([&] {
      const std::shared_lock held{mu};
      writer_first = order.size() == 1;
    });
    tasks.wait_until_parked(1, to_read);
    mu.unlock_shared();
    tasks.join();
    EXPECT_TRUE(writer_first.load());
  }
}

// Four readers that overlap for ever: the mutex is never free unless the writer keeps them out.
TEST(SYNC_062, readers_that_never_leave_together_do_not_starve_a_writer) {
  test_runtime rt{2};
  const int n = rounds(1000);
  rt.run([n] {
    dh::shared_mutex mu;
    std::atomic<bool> over{false};
    dh::wait_group readers;
    for (int i = 0; i < 4; ++i) {
      readers.go([&] {
        while (!over.load()) {
          const std::shared_lock held{mu};
          dh::yield();
        }
      });
    }
    int writes = 0;
    for (; writes < n; ++writes) {
      const std::lock_guard held{mu};
      dh::yield();
    }
    over = true;
    readers.wait();
    EXPECT_EQ(writes, n);
  });
}

TEST(SYNC_062, hence_reading_again_while_reading_may_be_a_deadlock) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const auto child = [] {
    dh::run([] {
      dh::shared_mutex mu;
      mu.lock_shared();
      dh::go([&] { mu.lock(); });
      downhaul_test::await_parked("sync.RWMutex.Lock", 1);
      mu.lock_shared();
    });
  };
  EXPECT_DEATH(child(), testing::AllOf(testing::HasSubstr("all goroutines are asleep - deadlock!"),
                                       testing::HasSubstr("\"main\" [sync.RWMutex.RLock"),
                                       testing::HasSubstr("goroutine [sync.RWMutex.Lock")));
}

TEST(SYNC_063, at_the_end_of_a_write_all_readers_that_wait_enter_before_the_next_writer) {
  for (const place where : all_places) {
    constexpr int n = 5;
    dh::shared_mutex mu;
    std::atomic<int> readers_inside{0};
    std::atomic<bool> written{false};
    mu.lock();
    crew tasks{where};
    tasks.start([&] {  // waits before any of the readers
      const std::lock_guard held{mu};
      EXPECT_EQ(readers_inside.load(), n);
      written = true;
    });
    tasks.wait_until_parked(0, to_write);
    for (int i = 0; i < n; ++i) {
      const std::size_t number = tasks.start([&] {
        const std::shared_lock held{mu};
        ++readers_inside;
        wait_until([&] { return readers_inside.load() == n; });  // all of them at once
        EXPECT_FALSE(written.load());
      });
      tasks.wait_until_parked(number, to_read);
    }
    mu.unlock();
    tasks.join();
    EXPECT_TRUE(written.load());
  }
}

template <class F>
void not_catchable(F f) {
  try {
    dh::shared_mutex mu;
    f(mu);
  } catch (...) {
    std::_Exit(0);
  }
  std::_Exit(0);
}

TEST(SYNC_064, unlocking_for_a_writer_what_no_writer_has_is_fatal) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const testing::KilledBySignal aborts{SIGABRT};
  const auto text = "^fatal error: sync: Unlock of unlocked RWMutex\n";
  EXPECT_EXIT(not_catchable([](auto& mu) { mu.unlock(); }), aborts, testing::ContainsRegex(text));
  EXPECT_EXIT(not_catchable([](auto& mu) {
                mu.lock_shared();
                mu.unlock();
              }),
              aborts, testing::ContainsRegex(text));
  EXPECT_EXIT(not_catchable([](auto& mu) {
                mu.lock();
                mu.unlock();
                mu.unlock();
              }),
              aborts, testing::ContainsRegex(text));
}

TEST(SYNC_064, unlocking_for_a_reader_what_no_reader_has_is_fatal) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const testing::KilledBySignal aborts{SIGABRT};
  const auto text = "^fatal error: sync: RUnlock of unlocked RWMutex\n";
  EXPECT_EXIT(not_catchable([](auto& mu) { mu.unlock_shared(); }), aborts,
              testing::ContainsRegex(text));
  EXPECT_EXIT(not_catchable([](auto& mu) {
                mu.lock();
                mu.unlock_shared();
              }),
              aborts, testing::ContainsRegex(text));
  EXPECT_EXIT(not_catchable([](auto& mu) {
                mu.lock_shared();
                mu.unlock_shared();
                mu.unlock_shared();
              }),
              aborts, testing::ContainsRegex(text));
}

TEST(SYNC_065, a_shared_lock_of_the_standard_is_a_lock_of_the_reading_side) {
  dh::shared_mutex mu;
  std::shared_lock reading{mu, std::defer_lock};
  reading.lock();
  EXPECT_TRUE(mu.try_lock_shared());
  EXPECT_FALSE(mu.try_lock());
  mu.unlock_shared();
  reading.unlock();
  EXPECT_TRUE(mu.try_lock());
  EXPECT_FALSE(reading.try_lock());
  mu.unlock();
  EXPECT_TRUE(reading.try_lock());
  EXPECT_FALSE(mu.try_lock());
}

TEST(SYNC_065, it_waits_for_a_writer_and_a_writer_waits_for_it) {
  for (const place where : all_places) {
    dh::shared_mutex mu;
    std::atomic<int> stage{0};
    mu.lock();
    crew tasks{where};
    tasks.start([&] {
      std::shared_lock reading{mu, std::defer_lock};
      reading.lock();
      stage = 1;
      wait_until([&] { return stage.load() == 2; });
      EXPECT_FALSE(mu.try_lock());
      reading.unlock();
    });
    tasks.wait_until_parked(0, to_read);
    EXPECT_EQ(stage.load(), 0);
    mu.unlock();
    wait_until([&] { return stage.load() == 1; });
    tasks.start([&] {
      mu.lock();
      stage = 3;
      mu.unlock();
    });
    tasks.wait_until_parked(1, to_write);
    EXPECT_EQ(stage.load(), 1);
    stage = 2;
    tasks.join();
    EXPECT_EQ(stage.load(), 3);
  }
}

TEST(SYNC_066, there_may_be_two_to_the_thirtieth_readers) {
  constexpr std::uint64_t most = std::uint64_t{1} << 30;
  dh::shared_mutex mu;
  auto& word = look(shared_mutex_word{}, mu);
  mu.lock_shared();
  EXPECT_EQ(word.load(), shared_mutex_word::reader);
  word += (most - 2) * shared_mutex_word::reader;  // as if so many had come
  mu.lock_shared();
  EXPECT_EQ(word.load(), most * shared_mutex_word::reader);
  EXPECT_FALSE(mu.try_lock());
  crew writer;
  std::atomic<bool> had{false};
  writer.start([&] {
    const std::lock_guard held{mu};
    had = true;
  });
  writer.wait_until_parked(0, to_write);
  mu.unlock_shared();
  EXPECT_FALSE(had.load());
  word -= (most - 2) * shared_mutex_word::reader;
  mu.unlock_shared();
  writer.join();
  EXPECT_TRUE(had.load());
}

struct side {
  void (*lock)(dh::shared_mutex&);
  void (*unlock)(dh::shared_mutex&);
  wait_reason waits;
};
constexpr side writes{[](dh::shared_mutex& mu) { mu.lock(); },
                      [](dh::shared_mutex& mu) { mu.unlock(); }, to_write};
constexpr side reads{[](dh::shared_mutex& mu) { mu.lock_shared(); },
                     [](dh::shared_mutex& mu) { mu.unlock_shared(); }, to_read};
constexpr side tries_to_write{[](dh::shared_mutex& mu) { ASSERT_TRUE(mu.try_lock()); },
                              writes.unlock, to_write};
constexpr side tries_to_read{[](dh::shared_mutex& mu) { ASSERT_TRUE(mu.try_lock_shared()); },
                             reads.unlock, to_read};

// `accessed` is touched by the first before it unlocks, and by the second after it has the lock: a
// write of the first and a read of the second where the first writes, the reverse where it reads.
void expect_ordered(const side& first, const side& second) {
  dh::shared_mutex mu;
  int accessed = 0;
  sign unlocked;
  downhaul_test::on_two_threads(
      [&] {
        first.lock(mu);
        accessed = 1;
        first.unlock(mu);
        unlocked.raise();
      },
      [&] {
        unlocked.await();
        second.lock(mu);
        EXPECT_EQ(accessed++, 1);
        second.unlock(mu);
      });
}

void expect_ordered_when_parked(const side& first, const side& second) {
  dh::shared_mutex mu;
  int accessed = 0;
  sign locked;
  sign parked;
  crew tasks{place::threads};
  tasks.start([&] {
    first.lock(mu);
    locked.raise();
    parked.await();
    accessed = 1;
    first.unlock(mu);
  });
  tasks.start([&] {
    locked.await();
    second.lock(mu);
    EXPECT_EQ(accessed++, 1);
    second.unlock(mu);
  });
  tasks.wait_until_parked(1, second.waits);
  parked.raise();
}

TEST(SYNC_067, an_unlock_is_ordered_before_later_writers_and_readers) {
  expect_ordered(writes, writes);
  expect_ordered(writes, reads);
  expect_ordered(writes, tries_to_write);
  expect_ordered(writes, tries_to_read);
  expect_ordered_when_parked(writes, writes);
  expect_ordered_when_parked(writes, reads);
  EXPECT_FALSE(HasFailure());
}

TEST(SYNC_067, a_readers_unlock_is_ordered_before_later_writers) {
  expect_ordered(reads, writes);
  expect_ordered(reads, tries_to_write);
  expect_ordered_when_parked(reads, writes);
  EXPECT_FALSE(HasFailure());
}

TEST(SYNC_067, all_readers_are_ordered_before_the_writer_not_only_the_last) {
  for (const bool waits : {false, true}) {
    dh::shared_mutex mu;
    int read_by[2] = {};
    sign inside[2];
    sign leave;
    sign left[2];
    crew tasks{place::threads};
    for (std::size_t i = 0; i < 2; ++i) {
      tasks.start([&, i] {
        mu.lock_shared();
        inside[i].raise();
        (i == 0 ? leave : left[0]).await();
        read_by[i] = 1;
        mu.unlock_shared();
        left[i].raise();
      });
    }
    tasks.start([&] {
      for (const sign& s : waits ? inside : left) s.await();
      mu.lock();
      EXPECT_THAT(read_by, testing::Each(1));
      mu.unlock();
    });
    if (waits) tasks.wait_until_parked(2, to_write);
    leave.raise();
  }
}

TEST(SYNC_067, readers_do_not_wait_for_each_other) {
  dh::shared_mutex mu;
  mu.lock_shared();
  std::atomic<bool> second_came_and_went{false};
  crew second;
  second.start([&] {
    const std::shared_lock held{mu};
    second_came_and_went = true;
  });
  second.join();
  EXPECT_TRUE(second_came_and_went.load());
  mu.unlock_shared();
}

}  // namespace
