// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// Wait groups, groups, mutexes and blocking calls, awaited.
#include <gtest/gtest.h>

#include <stdexcept>
#include <system_error>
#include <thread>

#include "downhaul/coro.hpp"
#include "support/crew.hpp"
#include "support/hand_executor.hpp"
#include "support/leaves_nothing.hpp"
#include "support/parked.hpp"
#include "support/plain_coroutine.hpp"
#include "wait/thread_record.hpp"

namespace dh = downhaul;
using downhaul_test::plain_coroutine;

namespace {

class coro_sync : public downhaul_test::leaves_nothing {};

template <class F>
void run_task(F f) {
  const auto ended = dh::make_chan<void>(1);
  dh::go([&]() -> dh::task<> {
    co_await f();
    ended.send();
  });
  ended.recv();
  downhaul_test::await_no_goroutines();
}

TEST_F(coro_sync, waits_for_a_wait_group) {
  dh::wait_group wg;
  int ended = 0;
  wg.add();
  dh::go([&] {
    downhaul_test::await_parked("sync.WaitGroup.Wait", 1);
    ended = 1;
    wg.done();
  });
  run_task([&]() -> dh::task<> {
    co_await dh::async_wait(wg);
    EXPECT_EQ(ended, 1);
    co_await dh::async_wait(wg);
  });
}

TEST_F(coro_sync, gives_up_a_wait_group_when_the_context_ends) {
  dh::wait_group wg;
  wg.add();
  auto [ctx, cancel] = dh::with_cancel(dh::background());
  dh::go([&] {
    downhaul_test::await_parked("sync.WaitGroup.Wait", 1);
    cancel();
  });
  run_task([&, c = ctx]() -> dh::task<> {
    std::error_code ec;
    co_await dh::async_wait(c, wg, ec);
    EXPECT_EQ(ec, dh::errc::canceled);
    bool threw = false;
    try {
      co_await dh::async_wait(c, wg);
    } catch (const dh::context_error&) {
      threw = true;
    }
    EXPECT_TRUE(threw);
  });
  wg.done();
}

TEST_F(coro_sync, has_the_failure_of_a_group) {
  run_task([]() -> dh::task<> {
    dh::group g{dh::background()};
    g.go([] { throw std::runtime_error{"failed"}; });
    std::string text;
    try {
      co_await dh::async_wait(g);
    } catch (const std::runtime_error& e) {
      text = e.what();
    }
    EXPECT_EQ(text, "failed");
  });
}

// The oracle: a counter that only the lock protects.
TEST_F(coro_sync, shares_a_mutex_with_goroutines_and_threads) {
  dh::mutex m;
  dh::wait_group wg;
  const int turns = downhaul_test::rounds(2'000);
  int count = 0;
  constexpr int each = 4;
  wg.add(2 * each);
  for (int i = 0; i < each; ++i) {
    dh::go([&]() -> dh::task<> {
      for (int k = 0; k < turns; ++k) {
        const auto held = co_await dh::async_lock(m);
        ++count;
      }
      wg.done();
    });
    dh::go([&] {
      for (int k = 0; k < turns; ++k) {
        const std::lock_guard held{m};
        ++count;
        if (k % 16 == 0) dh::yield();
      }
      wg.done();
    });
  }
  std::thread thread{[&] {
    for (int k = 0; k < turns; ++k) {
      const std::lock_guard held{m};
      ++count;
    }
  }};
  thread.join();
  wg.wait();
  EXPECT_EQ(count, (2 * each + 1) * turns);
  downhaul_test::await_no_goroutines();
}

TEST_F(coro_sync, gives_up_a_lock_when_the_context_ends) {
  dh::mutex m;
  auto [ctx, cancel] = dh::with_cancel(dh::background());
  m.lock();
  dh::go([&] {
    downhaul_test::await_parked("sync.Mutex.Lock", 1);
    cancel();
  });
  run_task([&, c = ctx]() -> dh::task<> {
    std::error_code ec;
    const auto held = co_await dh::async_lock(c, m, ec);
    EXPECT_EQ(ec, dh::errc::canceled);
    EXPECT_FALSE(held.owns_lock());
  });
  m.unlock();
  EXPECT_TRUE(m.try_lock());
  m.unlock();
}

TEST_F(coro_sync, destroyed_while_it_waits_leaves_locks_and_groups_in_order) {
  dh::mutex m;
  dh::wait_group wg;
  wg.add();
  m.lock();
  const auto locks = [&]() -> plain_coroutine { const auto held = co_await dh::async_lock(m); };
  const auto waits = [&]() -> plain_coroutine { co_await dh::async_wait(wg); };
  {
    const plain_coroutine a = locks();
    const plain_coroutine b = waits();
  }
  m.unlock();
  EXPECT_TRUE(m.try_lock());
  m.unlock();
  wg.done();
  wg.wait();
}

TEST_F(coro_sync, destroyed_with_a_lock_that_was_handed_over_unlocks_it) {
  downhaul_test::hand_executor exec;
  dh::mutex m;
  m.lock();
  const auto locks = [&]() -> plain_coroutine {
    const auto held = co_await dh::async_lock(m).on(dh::resume_on::executor(exec));
  };
  {
    const plain_coroutine c = locks();
    m.unlock();
    EXPECT_FALSE(m.try_lock());
  }
  EXPECT_TRUE(m.try_lock());
  m.unlock();
  EXPECT_TRUE(exec.run_one());
}

TEST_F(coro_sync, a_blocking_call_runs_on_a_thread_and_returns) {
  run_task([]() -> dh::task<> {
    const int n = co_await dh::async_blocking([] {
      EXPECT_FALSE(dh::impl::on_goroutine());
      return 5;
    });
    EXPECT_EQ(n, 5);
    std::string text;
    try {
      co_await dh::async_blocking([] { throw std::runtime_error{"thrown"}; });
    } catch (const std::runtime_error& e) {
      text = e.what();
    }
    EXPECT_EQ(text, "thrown");
  });
}

TEST_F(coro_sync, destroyed_during_a_blocking_call_waits_for_its_end) {
  downhaul_test::hand_executor exec;  // else it might be resumed while it is destroyed
  const auto gate = dh::make_chan<void>(1);
  bool ended = false;
  const auto calls = [&]() -> plain_coroutine {
    co_await dh::async_blocking([&] {
      gate.recv();
      ended = true;
    }).on(dh::resume_on::executor(exec));
  };
  {
    const plain_coroutine c = calls();
    gate.send();
  }
  EXPECT_TRUE(ended);
  downhaul_test::await_nothing_under_way();
  while (exec.run_one()) {
  }
}

}  // namespace
