// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// Semaphores and condition variables, awaited.
#include <gtest/gtest.h>

#include <atomic>
#include <mutex>
#include <optional>
#include <system_error>
#include <thread>

#include "downhaul/coro.hpp"
#include "support/crew.hpp"
#include "support/hand_executor.hpp"
#include "support/leaves_nothing.hpp"
#include "support/parked.hpp"
#include "support/plain_coroutine.hpp"

namespace dh = downhaul;
using downhaul_test::plain_coroutine;

namespace {

class coro_units : public downhaul_test::leaves_nothing {};
class coro_condition : public downhaul_test::leaves_nothing {};

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

TEST_F(coro_units, takes_units_that_are_free_and_waits_for_others) {
  dh::semaphore s{3};
  run_task([&]() -> dh::task<> {
    co_await dh::async_acquire(s);
    co_await dh::async_acquire(s, 2);
    EXPECT_FALSE(s.try_acquire());
    dh::go([&] {
      downhaul_test::await_parked("semaphore.Acquire", 1);
      s.release();
      EXPECT_FALSE(s.try_acquire()) << "somebody waits for two";
      s.release();
    });
    co_await dh::async_acquire(s, 2);
    EXPECT_FALSE(s.try_acquire());
  });
  s.release(3);
  EXPECT_TRUE(s.try_acquire(3));
  EXPECT_THROW(static_cast<void>(dh::async_acquire(s, -1)), dh::misuse);
}

// The oracle: never more at work than there are units.
TEST_F(coro_units, shares_a_semaphore_with_goroutines_and_threads) {
  dh::semaphore s{3};
  std::atomic<std::ptrdiff_t> at_work{0};
  const auto work = [&](std::ptrdiff_t n) {
    EXPECT_LE(at_work.fetch_add(n) + n, 3);
    at_work -= n;
    s.release(n);
  };
  const int turns = downhaul_test::rounds(10'000);
  dh::wait_group wg;
  for (int i = 0; i < 4; ++i) {
    wg.go([&, i]() -> dh::task<> {
      for (int k = 0; k < turns; ++k) {
        const std::ptrdiff_t n = 1 + (i + k) % 3;
        co_await dh::async_acquire(s, n);
        work(n);
      }
    });
    wg.go([&, i] {
      for (int k = 0; k < turns; ++k) {
        const std::ptrdiff_t n = 1 + (i + k) % 3;
        s.acquire(n);
        work(n);
        if (k % 16 == 0) dh::yield();
      }
    });
  }
  std::thread thread{[&] {
    for (int k = 0; k < turns; ++k) {
      s.acquire();
      work(1);
    }
  }};
  thread.join();
  wg.wait();
  EXPECT_TRUE(s.try_acquire(3));
  downhaul_test::await_no_goroutines();
}

TEST_F(coro_units, gives_up_units_when_the_context_ends_and_lets_in_who_is_behind) {
  dh::semaphore s{2};
  EXPECT_TRUE(s.try_acquire());
  auto [ctx, cancel] = dh::with_cancel(dh::background());
  dh::wait_group wg;
  std::error_code ec;
  wg.go([&, c = ctx]() -> dh::task<> {
    co_await dh::async_acquire(c, s, 2, ec);
    EXPECT_EQ(ec, dh::errc::canceled);
    co_await dh::async_acquire(c, s);  // stops here, though one may be free
    ADD_FAILURE();
  });
  downhaul_test::await_parked("semaphore.Acquire", 1);
  wg.go([&]() -> dh::task<> { co_await dh::async_acquire(s); });
  downhaul_test::await_parked("semaphore.Acquire", 2);
  cancel();
  wg.wait();
  EXPECT_FALSE(s.try_acquire());
  s.release(2);
  downhaul_test::await_no_goroutines();
}

TEST_F(coro_units, waits_for_more_units_than_there_are_until_the_context_ends) {
  dh::semaphore s{1};
  auto [ctx, cancel] = dh::with_cancel(dh::background());
  dh::wait_group wg;
  wg.go([&, c = ctx]() -> dh::task<> {
    std::error_code ec;
    co_await dh::async_acquire(c, s, 2, ec);
    EXPECT_EQ(ec, dh::errc::canceled);
  });
  downhaul_test::await_parked("semaphore.Acquire", 1);
  EXPECT_TRUE(s.try_acquire()) << "it holds somebody up";
  cancel();
  wg.wait();
  downhaul_test::await_no_goroutines();
}

TEST_F(coro_units, destroyed_while_it_waits_for_units_lets_in_who_is_behind) {
  dh::semaphore s{2};
  EXPECT_TRUE(s.try_acquire());
  const auto takes = [&](std::ptrdiff_t n) -> plain_coroutine {
    co_await dh::async_acquire(s, n);
    s.release(n);
  };
  {
    const plain_coroutine two = takes(2);
    EXPECT_FALSE(s.try_acquire());
  }
  EXPECT_TRUE(s.try_acquire());
  s.release(2);
}

TEST_F(coro_units, destroyed_with_units_that_were_granted_gives_them_back) {
  downhaul_test::hand_executor exec;
  dh::semaphore s{2};
  EXPECT_TRUE(s.try_acquire(2));
  const auto takes = [&]() -> plain_coroutine {
    co_await dh::async_acquire(s, 2).on(dh::resume_on::executor(exec));
  };
  {
    const plain_coroutine c = takes();
    s.release(2);
    EXPECT_FALSE(s.try_acquire());
  }
  EXPECT_TRUE(s.try_acquire(2));
  s.release(2);
  EXPECT_TRUE(exec.run_one());
}

TEST_F(coro_condition, waits_for_a_condition_with_the_lock_given_back_meanwhile) {
  dh::mutex m;
  dh::condition_variable changed;
  int stock = 0;
  run_task([&]() -> dh::task<> {
    auto held = co_await dh::async_lock(m);
    dh::go([&] {
      downhaul_test::await_parked("sync.Cond.Wait", 1);
      const std::lock_guard lock{m};
      stock = 1;
      changed.notify_one();
    });
    co_await dh::async_wait(changed, held, [&] { return stock != 0; });
    EXPECT_TRUE(held.owns_lock());
    EXPECT_EQ(stock, 1);
    dh::go([&] {
      downhaul_test::await_parked("sync.Cond.Wait", 1);
      changed.notify_all();
    });
    co_await dh::async_wait(changed, held);
    EXPECT_TRUE(held.owns_lock());
    EXPECT_FALSE(m.try_lock());
  });
  EXPECT_TRUE(m.try_lock());
  m.unlock();
}

TEST_F(coro_condition, gives_up_a_condition_when_the_context_ends_and_has_the_lock_again) {
  dh::mutex m;
  dh::condition_variable changed;
  auto [ctx, cancel] = dh::with_cancel(dh::background());
  dh::go([&] {
    downhaul_test::await_parked("sync.Cond.Wait", 1);
    cancel();
  });
  run_task([&, c = ctx]() -> dh::task<> {
    auto held = co_await dh::async_lock(m);
    std::error_code ec;
    co_await dh::async_wait(c, changed, held, [] { return false; }, ec);
    EXPECT_EQ(ec, dh::errc::canceled);
    EXPECT_TRUE(held.owns_lock());
    bool threw = false;
    try {
      co_await dh::async_wait(c, changed, held, [] { return true; });
    } catch (const dh::context_error&) {
      threw = true;
    }
    EXPECT_TRUE(threw);
    EXPECT_TRUE(held.owns_lock());
    held.unlock();
    bool refused = false;
    try {
      co_await dh::async_wait(changed, held);
    } catch (const std::system_error&) {
      refused = true;
    }
    EXPECT_TRUE(refused);
  });
}

// The oracle: a buffer of one place, and every number that was put in comes out.
TEST_F(coro_condition, shares_a_condition_with_goroutines_and_threads) {
  dh::mutex m;
  dh::condition_variable changed;
  std::optional<int> place;
  const int turns = downhaul_test::rounds(10'000);
  long sum = 0;
  const auto full = [&] { return place.has_value(); };
  const auto empty = [&] { return !place.has_value(); };
  dh::wait_group wg;
  wg.go([&]() -> dh::task<> {
    for (int k = 0; k < turns; ++k) {
      auto held = co_await dh::async_lock(m);
      co_await dh::async_wait(changed, held, empty);
      place = k;
      changed.notify_all();
    }
  });
  wg.go([&] {
    for (int k = 0; k < turns; ++k) {
      std::unique_lock held{m};
      changed.wait(held, empty);
      place = k;
      changed.notify_all();
    }
  });
  wg.go([&]() -> dh::task<> {
    for (int k = 0; k < turns; ++k) {
      auto held = co_await dh::async_lock(m);
      co_await dh::async_wait(changed, held, full);
      sum += *place;
      place.reset();
      changed.notify_all();
    }
  });
  std::thread thread{[&] {
    for (int k = 0; k < turns; ++k) {
      std::unique_lock held{m};
      changed.wait(held, full);
      sum += *place;
      place.reset();
      changed.notify_all();
    }
  }};
  thread.join();
  wg.wait();
  EXPECT_EQ(sum, long{turns} * (turns - 1));
  downhaul_test::await_no_goroutines();
}

TEST_F(coro_condition, destroyed_while_it_waits_for_a_condition_is_not_told) {
  dh::mutex m;
  dh::condition_variable changed;
  std::atomic<int> told{0};
  const auto waits = [&]() -> plain_coroutine {
    auto held = co_await dh::async_lock(m);
    co_await dh::async_wait(changed, held);
    ++told;
  };
  {
    const plain_coroutine first = waits();
  }
  const plain_coroutine second = waits();
  changed.notify_one();
  while (!second.done()) dh::yield();
  EXPECT_EQ(told, 1);
  EXPECT_TRUE(m.try_lock());
  m.unlock();
}

struct by_hand {
  static inline downhaul_test::hand_executor* executor = nullptr;
  static dh::resume_on downhaul_resumes_on() { return dh::resume_on::executor(*executor); }
};

TEST_F(coro_condition, destroyed_with_a_notification_hands_it_on) {
  downhaul_test::hand_executor exec;
  by_hand::executor = &exec;
  dh::mutex m;
  dh::condition_variable changed;
  const auto waits = [&]() -> downhaul_test::basic_plain_coroutine<by_hand> {
    std::unique_lock held{m};
    co_await dh::impl::notified_awaiter{changed, held, nullptr};
  };
  dh::wait_group wg;
  {
    const auto first = waits();
    wg.go([&] {
      std::unique_lock held{m};
      changed.wait(held);
    });
    downhaul_test::await_parked("sync.Cond.Wait", 1);
    changed.notify_one();
    EXPECT_EQ(wg.unfinished(), 1);
  }
  wg.wait();
  EXPECT_TRUE(exec.run_one());
}

}  // namespace
