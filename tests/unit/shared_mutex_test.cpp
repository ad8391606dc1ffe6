// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
#include "downhaul/shared_mutex.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <mutex>
#include <shared_mutex>
#include <string>
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

static_assert(!std::is_copy_constructible_v<dh::shared_mutex>);
static_assert(!std::is_move_constructible_v<dh::shared_mutex>);
constinit dh::shared_mutex made_before_main;

constexpr auto waits_to_write = "sync.RWMutex.Lock";
constexpr auto waits_to_read = "sync.RWMutex.RLock";

TEST(shared_mutex, admits_what_the_table_of_tries_says) {
  dh::shared_mutex mu;
  mu.lock();
  EXPECT_FALSE(mu.try_lock());
  EXPECT_FALSE(mu.try_lock_shared());
  mu.unlock();
  EXPECT_TRUE(mu.try_lock());
  mu.unlock();
  mu.lock_shared();
  EXPECT_TRUE(mu.try_lock_shared());
  EXPECT_TRUE(mu.try_lock_shared());
  EXPECT_FALSE(mu.try_lock());
  mu.unlock_shared();
  mu.unlock_shared();
  EXPECT_FALSE(mu.try_lock());
  mu.unlock_shared();
  EXPECT_TRUE(mu.try_lock());
  mu.unlock();
}

TEST(shared_mutex, works_with_the_guards_of_the_standard) {
  {
    const std::shared_lock one{made_before_main};
    const std::shared_lock two{made_before_main};
    EXPECT_FALSE(std::unique_lock(made_before_main, std::try_to_lock).owns_lock());
  }
  const std::unique_lock writer{made_before_main};
  EXPECT_FALSE(std::shared_lock(made_before_main, std::try_to_lock).owns_lock());
}

TEST(shared_mutex, lets_readers_in_together) {
  dh::shared_mutex mu;
  dh::wait_group inside;
  dh::wait_group wg;
  auto leave = dh::make_chan<void>();
  constexpr int n = 8;
  inside.add(n);
  for (int i = 0; i < n; ++i) {
    wg.go([&, leave] {
      const std::shared_lock held{mu};
      inside.done();
      leave.recv();
    });
  }
  inside.wait();
  leave.close();
  wg.wait();
  await_no_goroutines();
}

// The oracle: how many of each kind are inside, counted by themselves.
void hammer(int workers, int readers, int rounds) {
  dh::runtime rt{{.workers = workers}};
  rt.run([&] {
    dh::shared_mutex mu;
    std::atomic<int> activity{0};
    const auto write = [&] {
      for (int i = 0; i < rounds; ++i) {
        mu.lock();
        EXPECT_EQ(activity.fetch_add(10'000), 0);
        if (i % 4 == 0) dh::yield();
        activity.fetch_sub(10'000);
        mu.unlock();
      }
    };
    const auto read = [&] {
      for (int i = 0; i < rounds; ++i) {
        mu.lock_shared();
        const int n = activity.fetch_add(1);
        EXPECT_TRUE(n >= 0 && n < 10'000) << n;
        if (i % 4 == 0) dh::yield();
        activity.fetch_sub(1);
        mu.unlock_shared();
      }
    };
    dh::wait_group wg;
    for (int i = 0; i < readers; ++i) wg.go(read);
    for (int i = 0; i < 2; ++i) wg.go(write);
    wg.wait();
  });
}

TEST(shared_mutex, keeps_writers_apart_from_everybody) {
  for (const int workers : {1, 4, 10}) {
    for (const int readers : {1, 3, 5, 10}) hammer(workers, readers, 200);
  }
}

TEST(shared_mutex, keeps_new_readers_out_while_a_writer_waits) {
  dh::shared_mutex mu;
  mu.lock_shared();
  dh::wait_group wg;
  wg.go([&] { const std::lock_guard held{mu}; });
  await_parked(waits_to_write, 1);
  EXPECT_FALSE(mu.try_lock_shared());
  wg.go([&] { const std::shared_lock held{mu}; });
  await_parked(waits_to_read, 1);
  mu.unlock_shared();
  wg.wait();
  EXPECT_TRUE(mu.try_lock());
  mu.unlock();
  await_no_goroutines();
}

TEST(shared_mutex, lets_all_readers_that_wait_in_before_the_next_writer) {
  dh::shared_mutex mu;
  mu.lock();
  std::atomic<int> readers{0};
  dh::wait_group wg;
  wg.go([&] {
    const std::lock_guard held{mu};
    EXPECT_EQ(readers.load(), 4);
  });
  await_parked(waits_to_write, 1);
  for (int i = 0; i < 4; ++i) {
    wg.go([&] {
      const std::shared_lock held{mu};
      ++readers;
      dh::yield();
    });
  }
  await_parked(waits_to_read, 4);
  mu.unlock();
  wg.wait();
  await_no_goroutines();
}

TEST(shared_mutex, lets_writers_in_by_the_order_of_their_coming) {
  dh::shared_mutex mu;
  std::vector<int> order;  // guarded by mu
  mu.lock();
  dh::wait_group wg;
  for (int i = 0; i < 5; ++i) {
    wg.go([&, i] {
      const std::lock_guard held{mu};
      order.push_back(i);
    });
    await_parked(waits_to_write, static_cast<std::size_t>(i) + 1);
  }
  mu.unlock();
  wg.wait();
  EXPECT_EQ(order, (std::vector{0, 1, 2, 3, 4}));
  await_no_goroutines();
}

TEST(shared_mutex, may_be_destroyed_by_the_last_who_had_it) {
  struct counted {
    dh::shared_mutex mu;
    std::atomic<int> users{3};
  };
  for (int round = 0; round < 1000; ++round) {
    auto* object = new counted;
    const auto leave = [object](bool writes) {
      bool last = false;
      if (writes) {
        object->mu.lock();
        last = object->users.fetch_sub(1) == 1;
        object->mu.unlock();
      } else {
        object->mu.lock_shared();
        object->mu.unlock_shared();
        object->mu.lock();
        last = object->users.fetch_sub(1) == 1;
        object->mu.unlock();
      }
      if (last) delete object;
    };
    dh::wait_group wg;
    wg.go([leave] { leave(true); });
    wg.go([leave] { leave(false); });
    leave(round % 2 == 0);
    wg.wait();
  }
  await_no_goroutines();
}

TEST(shared_mutex_context, goes_first_if_it_has_ended) {
  auto [ctx, cancel] = dh::with_cancel(dh::background());
  cancel();
  dh::shared_mutex mu;
  EXPECT_THROW(mu.lock(ctx), dh::context_error);
  EXPECT_THROW(mu.lock_shared(ctx), dh::context_error);
  std::error_code ec;
  mu.lock(ctx, ec);
  EXPECT_EQ(ec, dh::errc::canceled);
  ec.clear();
  mu.lock_shared(ctx, ec);
  EXPECT_EQ(ec, dh::errc::canceled);
  mu.lock_shared(dh::background(), ec);
  EXPECT_FALSE(ec);
  mu.unlock_shared();
  mu.lock(dh::background(), ec);
  EXPECT_FALSE(ec);
  mu.unlock();
}

TEST(shared_mutex_context, lets_readers_in_when_the_writer_they_waited_for_gives_up) {
  dh::shared_mutex mu;
  mu.lock_shared();
  auto [ctx, cancel] = dh::with_cancel(dh::background());
  dh::wait_group writer;
  dh::wait_group readers;
  writer.go([&, c = ctx] { EXPECT_THROW(mu.lock(c), dh::context_error); });
  await_parked(waits_to_write, 1);
  for (int i = 0; i < 3; ++i) readers.go([&] { const std::shared_lock held{mu}; });
  await_parked(waits_to_read, 3);
  cancel();
  writer.wait();
  readers.wait();  // while we still read
  mu.unlock_shared();
  EXPECT_TRUE(mu.try_lock());
  mu.unlock();
  await_no_goroutines();
}

TEST(shared_mutex_context, lets_a_reader_give_up) {
  dh::shared_mutex mu;
  mu.lock();
  auto [ctx, cancel] = dh::with_cancel(dh::background());
  dh::wait_group wg;
  wg.go([&, c = ctx] { EXPECT_THROW(mu.lock_shared(c), dh::context_error); });
  await_parked(waits_to_read, 1);
  cancel();
  wg.wait();
  mu.unlock();
  EXPECT_TRUE(mu.try_lock());
  mu.unlock();
  await_no_goroutines();
}

TEST(shared_mutex_context, races_with_the_unlock_and_nothing_is_lost) {
  for (int round = 0; round < 2000; ++round) {
    dh::shared_mutex mu;
    const bool writing = round % 2 == 0;
    writing ? mu.lock() : mu.lock_shared();
    auto [ctx, cancel] = dh::with_cancel(dh::background());
    dh::wait_group wg;
    wg.go([&, c = ctx] {
      std::error_code ec;
      mu.lock(c, ec);
      if (!ec) mu.unlock();
    });
    wg.go([&, c = ctx] {
      std::error_code ec;
      mu.lock_shared(c, ec);
      if (!ec) mu.unlock_shared();
    });
    wg.go([&] { const std::shared_lock held{mu}; });
    wg.go([&] { writing ? mu.unlock() : mu.unlock_shared(); });
    cancel();
    wg.wait();
    ASSERT_TRUE(mu.try_lock());
    mu.unlock();
  }
  await_no_goroutines();
}

TEST(shared_mutex_death, unlocking_what_is_not_locked_so_is_fatal) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const std::string unlock = "fatal error: sync: Unlock of unlocked RWMutex\n";
  const std::string unlock_shared = "fatal error: sync: RUnlock of unlocked RWMutex\n";
  {
    dh::shared_mutex fresh;
    EXPECT_DEATH(fresh.unlock(), unlock);
    EXPECT_DEATH(fresh.unlock_shared(), unlock_shared);
  }
  {
    dh::shared_mutex mu;
    mu.lock_shared();
    EXPECT_DEATH(mu.unlock(), unlock);
    mu.unlock_shared();
    EXPECT_DEATH(mu.unlock_shared(), unlock_shared);
  }
  {
    dh::shared_mutex mu;
    mu.lock();
    EXPECT_DEATH(mu.unlock_shared(), unlock_shared);
    mu.unlock();
    EXPECT_DEATH(mu.unlock(), unlock);
  }
}

}  // namespace
