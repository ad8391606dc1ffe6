// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// SCHED-047 and 048: the edges of locks, contexts and timers.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <exception>
#include <optional>
#include <string>
#include <vector>

#include "downhaul/after_func.hpp"
#include "downhaul/chan.hpp"
#include "downhaul/condition_variable.hpp"
#include "downhaul/context.hpp"
#include "downhaul/mutex.hpp"
#include "downhaul/once.hpp"
#include "downhaul/select.hpp"
#include "downhaul/shared_mutex.hpp"
#include "downhaul/sleep.hpp"
#include "downhaul/testing/manual_clock.hpp"
#include "downhaul/ticker.hpp"
#include "downhaul/timer.hpp"
#include "downhaul/wait_group.hpp"
#include "support/crew.hpp"
#include "support/unordered.hpp"

namespace {

namespace dh = downhaul;
using dh::impl::wait_reason;
using downhaul_test::crew;
using downhaul_test::on_two_threads;
using downhaul_test::once_parked;
using downhaul_test::place;
using downhaul_test::sign;
using namespace std::chrono_literals;

// Writes, then does `before`; on another thread does `after`, then reads.
template <class Before, class After>
void expect_ordered(Before before, After after) {
  int accessed = 0;
  sign done;
  on_two_threads(
      [&] {
        accessed = 1;
        before();
        done.raise();
      },
      [&] {
        done.await();
        after();
        EXPECT_EQ(accessed, 1);
      });
}

// The same, where the other is parked in `after` when this one begins.
template <class Before, class After>
void expect_ordered_when_parked(wait_reason why, Before before, After after) {
  int accessed = 0;
  once_parked(
      why,
      [&] {
        accessed = 1;
        before();
      },
      [&] {
        after();
        EXPECT_EQ(accessed, 1);
      });
}

// A lock that locks nothing: the condition variable has to order alone.
struct no_lock {
  void lock() {}
  void unlock() {}
};

TEST(SCHED_047, locks_once_and_wait_groups_order_as_section_5_says) {
  dh::mutex mu;
  mu.lock();
  expect_ordered([&] { mu.unlock(); }, [&] { mu.lock(); });
  expect_ordered_when_parked(wait_reason::mutex_lock, [&] { mu.unlock(); }, [&] { mu.lock(); });
  mu.unlock();
  dh::shared_mutex rw;
  rw.lock();
  expect_ordered([&] { rw.unlock(); }, [&] { rw.lock_shared(); });
  expect_ordered([&] { rw.unlock_shared(); }, [&] { rw.lock(); });
  expect_ordered_when_parked(
      wait_reason::shared_mutex_lock_shared, [&] { rw.unlock(); }, [&] { rw.lock_shared(); });
  expect_ordered_when_parked(
      wait_reason::shared_mutex_lock, [&] { rw.unlock_shared(); }, [&] { rw.lock(); });
  rw.unlock();
  dh::wait_group wg;
  wg.add();
  expect_ordered([&] { wg.done(); }, [&] { wg.wait(); });
  wg.add();
  expect_ordered_when_parked(wait_reason::wait_group_wait, [&] { wg.done(); }, [&] { wg.wait(); });
  dh::once once;
  expect_ordered([&] { once.call([] {}); }, [&] { once.call([] {}); });
  EXPECT_FALSE(HasFailure());
}

TEST(SCHED_047, a_notification_is_ordered_before_the_end_of_the_wait) {
  for (const bool all : {true, false}) {
    dh::condition_variable cv;
    no_lock none;
    expect_ordered_when_parked(
        wait_reason::condition_wait, [&] { all ? cv.notify_all() : cv.notify_one(); },
        [&] { cv.wait(none); });
  }
  EXPECT_FALSE(HasFailure());
}

TEST(SCHED_047, a_cancel_is_ordered_before_what_sees_that_done_is_closed) {
  {
    auto [ctx, cancel] = dh::with_cancel(dh::background());
    expect_ordered([&] { cancel(); }, [&] { EXPECT_FALSE(ctx.done().recv()); });
  }
  {
    auto [ctx, cancel] = dh::with_cancel(dh::background());
    expect_ordered([&] { cancel(); },
                   [&] { EXPECT_EQ(dh::select(dh::otherwise, dh::recv(ctx.done())), 1); });
  }
  {
    auto [ctx, cancel] = dh::with_cancel(dh::background());
    expect_ordered_when_parked(
        wait_reason::chan_receive, [&] { cancel(); }, [&] { EXPECT_FALSE(ctx.done().recv()); });
  }
  {
    auto [ctx, cancel] = dh::with_cancel(dh::background());
    const dh::chan<int> nil;
    expect_ordered_when_parked(
        wait_reason::select, [&] { cancel(); },
        [&] { EXPECT_EQ(dh::select(dh::recv(nil), dh::recv(ctx.done())), 1); });
  }
  EXPECT_FALSE(HasFailure());
}

TEST(SCHED_047, also_before_an_err_that_is_not_clear_and_an_operation_that_fails_by_it) {
  {
    auto [ctx, cancel] = dh::with_cancel(dh::background());
    int accessed = 0;
    on_two_threads(
        [&] {
          accessed = 1;
          cancel();
        },
        [&] {
          while (!ctx.err()) std::this_thread::yield();
          EXPECT_EQ(accessed, 1);
        });
  }
  {
    auto [ctx, cancel] = dh::with_cancel(dh::background());
    auto never = dh::make_chan<int>();
    std::error_code ec;
    expect_ordered_when_parked(
        wait_reason::select, [&] { cancel(); }, [&] { never.recv(ctx, ec); });
    EXPECT_EQ(ec, dh::errc::canceled);
  }
}

struct rich {
  std::string text;
};

TEST(SCHED_047, after_done_the_error_and_the_cause_can_be_read) {
  auto [ctx, cancel] = dh::with_cancel_cause(dh::background());
  once_parked(
      wait_reason::chan_receive, [&] { cancel(rich{"written by the canceller"}); },
      [&] {
        ctx.done().recv();
        EXPECT_EQ(ctx.err(), dh::errc::canceled);
        try {
          std::rethrow_exception(ctx.cause());
        } catch (const rich& cause) {
          EXPECT_EQ(cause.text, "written by the canceller");
        }
      });
}

TEST(SCHED_047, also_after_the_done_of_a_descendant) {
  auto [ctx, cancel] = dh::with_cancel_cause(dh::background());
  auto [child, cancel_child] = dh::with_cancel(ctx);
  auto [grandchild, cancel_grandchild] = dh::with_cancel(child);
  int accessed = 0;
  sign canceled;
  on_two_threads(
      [&] {
        accessed = 1;
        cancel(rich{"from above"});
        canceled.raise();
      },
      [&] {
        canceled.await();
        grandchild.done().recv();
        EXPECT_EQ(accessed, 1);
        EXPECT_THROW(std::rethrow_exception(grandchild.cause()), rich);
      });
}

TEST(SCHED_047, a_registration_and_the_cancel_are_ordered_before_the_callback) {
  auto [ctx, cancel] = dh::with_cancel(dh::background());
  int at_registration = 0;
  int at_cancel = 0;
  sign registered;
  std::optional<dh::registration> held;
  auto ran = dh::make_chan<int>(1);
  on_two_threads(
      [&] {
        at_registration = 1;
        held.emplace(dh::after_func(ctx, [&, ran] { ran.send(at_registration + at_cancel); }));
        registered.raise();
      },
      [&] {
        registered.await();
        at_cancel = 2;
        cancel();
      });
  EXPECT_EQ(ran.recv(), 3);
}

TEST(SCHED_047, also_before_a_callback_in_place) {
  auto [ctx, cancel] = dh::with_cancel(dh::background());
  int at_registration = 0;
  int seen = 0;
  sign registered;
  std::optional<dh::registration> held;
  on_two_threads(
      [&] {
        at_registration = 1;
        held.emplace(dh::after_func(dh::inplace, ctx, [&]() noexcept { seen = at_registration; }));
        registered.raise();
      },
      [&] {
        registered.await();
        cancel();
        EXPECT_EQ(seen, 1);
      });
}

// Arms on one thread, lets the time pass on another: the clock's queue is all that orders.
template <class Arm, class Fired>
void expect_arming_is_ordered(dh::manual_clock& hands, Arm arm, Fired fired) {
  int accessed = 0;
  sign armed;
  on_two_threads(
      [&] {
        const dh::use_clock here{hands};
        accessed = 1;
        arm(accessed);
        armed.raise();
      },
      [&] {
        armed.await();
        hands.advance(1h);
        fired(accessed);
      });
}

TEST(SCHED_048, arming_is_ordered_before_what_the_timer_calls) {
  dh::manual_clock hands;
  std::optional<dh::timer> held;
  auto ran = dh::make_chan<int>(1);
  expect_arming_is_ordered(
      hands, [&](int& accessed) { held.emplace(1h, [&accessed, ran] { ran.send(accessed); }); },
      [&](int&) { EXPECT_EQ(ran.recv(), 1); });
}

TEST(SCHED_048, also_when_it_is_reset_and_on_the_real_clock) {
  {
    dh::manual_clock hands;
    const int* seen = nullptr;  // set before the threads start, constant afterwards
    auto ran = dh::make_chan<int>(1);
    std::optional<dh::timer> held;
    int by_reset = 0;
    seen = &by_reset;
    {
      const dh::use_clock here{hands};
      held.emplace(2h, [&, ran] { ran.send(*seen); });
    }
    expect_arming_is_ordered(
        hands,
        [&](int&) {
          by_reset = 7;
          held->reset(1h);
        },
        [&](int&) { EXPECT_EQ(ran.recv(), 7); });
  }
  for (int round = 0; round < 20; ++round) {  // real clock: its watch and its workers order too
    int accessed = 1;
    auto ran = dh::make_chan<int>(1);
    const dh::timer t{100us, [&, ran] { ran.send(accessed); }};
    EXPECT_EQ(ran.recv(), 1);
  }
}

TEST(SCHED_048, arming_is_ordered_before_the_receive_of_the_time) {
  for (const bool selects : {false, true}) {
    dh::manual_clock hands;
    std::optional<dh::timer> t;
    {
      const dh::use_clock here{hands};
      t.emplace(24h);
      t->stop();
    }
    expect_arming_is_ordered(
        hands, [&](int&) { t->reset(1h); },
        [&](int& accessed) {
          if (selects) {
            EXPECT_EQ(dh::select(dh::recv(t->chan())), 0);
          } else {
            EXPECT_TRUE(t->chan().recv().has_value());
          }
          EXPECT_EQ(accessed, 1);
        });
  }
}

TEST(SCHED_048, also_when_the_receiver_waited_before_it_was_armed) {
  dh::manual_clock hands;
  std::optional<dh::timer> t;
  {
    const dh::use_clock here{hands};
    t.emplace(24h);
    t->stop();
  }
  int accessed = 0;
  sign parked;
  sign armed;
  crew tasks{place::threads};
  tasks.start([&] {
    parked.await();
    accessed = 1;
    t->reset(1h);
    armed.raise();
  });
  tasks.start([&] {
    EXPECT_TRUE(t->chan().recv().has_value());
    EXPECT_EQ(accessed, 1);
  });
  tasks.start([&] {
    armed.await();
    hands.advance(1h);
  });
  tasks.wait_until_parked(1, wait_reason::chan_receive);
  parked.raise();
}

TEST(SCHED_048, what_a_ticker_delivers_comes_after_its_reset) {
  dh::manual_clock hands;
  std::optional<dh::ticker> t;
  {
    const dh::use_clock here{hands};
    t.emplace(24h);
  }
  expect_arming_is_ordered(
      hands, [&](int&) { t->reset(1h); },
      [&](int& accessed) {
        EXPECT_TRUE(t->chan().recv().has_value());
        EXPECT_EQ(accessed, 1);
      });
  t->stop();
}

}  // namespace
