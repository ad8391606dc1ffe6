// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// How many allocations each call may make: the table of docs/reference/allocations.md. Counted on all
// threads, after one call that makes what is made once, and without the small blocks that a thread
// keeps, which only save some of these.

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <limits>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "downhaul/after_func.hpp"
#include "downhaul/blocking.hpp"
#include "downhaul/chan.hpp"
#include "downhaul/context.hpp"
#include "downhaul/context_base.hpp"
#include "downhaul/mutex.hpp"
#include "downhaul/once.hpp"
#include "downhaul/runtime.hpp"
#include "downhaul/select.hpp"
#include "downhaul/shared_mutex.hpp"
#include "downhaul/signal.hpp"
#include "downhaul/sleep.hpp"
#include "downhaul/ticker.hpp"
#include "downhaul/timer.hpp"
#include "downhaul/wait_group.hpp"
#include "faults/each_allocation.hpp"
#include "support/parked.hpp"

namespace {

using namespace std::chrono_literals;
using namespace downhaul;
using downhaul_test::allocations_anywhere;
using downhaul_test::await_no_goroutines;
using downhaul_test::nothing_spare;

inline constexpr downhaul::key<int> number{"number"};
inline constexpr downhaul::key<std::string> text{"text"};

constexpr int calls_of_budget = 5;

// The least of the last three calls: what the first two leave for reuse is there, but for small
// blocks. The least, for a worker may be started in one of them.
template <class Call>
long budget(Call call) {
  call();
  call();
  long least = std::numeric_limits<long>::max();
  for (int i = 2; i < calls_of_budget; ++i) {
    await_no_goroutines();
    nothing_spare::forget_small_blocks();
    const long before = allocations_anywhere();
    call();
    least = std::min(least, allocations_anywhere() - before);
  }
  return least;
}

TEST(allocation_budget, making_contexts) {
  const auto parent = with_cancel(background());
  EXPECT_EQ(budget([] { static_cast<void>(background()); }), 0);
  EXPECT_EQ(budget([] { static_cast<void>(todo()); }), 0);
  EXPECT_EQ(budget([&] { static_cast<void>(with_cancel(parent.ctx)); }), 1);
  EXPECT_EQ(budget([&] { static_cast<void>(with_cancel_cause(parent.ctx)); }), 1);
  EXPECT_EQ(budget([&] { static_cast<void>(with_timeout(parent.ctx, 1h)); }), 1);
  EXPECT_EQ(budget([&] { static_cast<void>(with_deadline(parent.ctx, now() + 1h)); }), 1);
  EXPECT_EQ(budget([&] { static_cast<void>(with_grace(parent.ctx, 1h)); }), 1);
  EXPECT_EQ(budget([&] { static_cast<void>(with_value(parent.ctx, number, 1)); }), 1);
  EXPECT_EQ(budget([&] { static_cast<void>(without_cancel(parent.ctx)); }), 1);
  // The node, its arms, and two lists of parents.
  EXPECT_EQ(budget([&] { static_cast<void>(merge(parent.ctx, background())); }), 4);
  // A cause adds its record.
  const std::exception_ptr why = std::make_exception_ptr(1);
  EXPECT_EQ(budget([&] { static_cast<void>(with_timeout_cause(parent.ctx, 1h, why)); }), 2);
}

TEST(allocation_budget, a_deep_value) {
  context ctx = background();
  for (int i = 0; i < 100; ++i) ctx = with_value(ctx, number, i);
  EXPECT_EQ(budget([&] { static_cast<void>(with_value(ctx, number, 1)); }), 1);
  EXPECT_EQ(budget([&] { static_cast<void>(*ctx.value(number)); }), 0);
  EXPECT_EQ(budget([&] { static_cast<void>(ctx.value(text)); }), 0);
}

TEST(allocation_budget, using_contexts) {
  const auto parent = with_timeout(background(), 1h);
  std::error_code ec;
  EXPECT_EQ(budget([&] {
              static_cast<void>(parent.ctx.err());
              static_cast<void>(parent.ctx.done());
              static_cast<void>(parent.ctx.deadline());
              static_cast<void>(parent.ctx.remaining());
              static_cast<void>(parent.ctx.cause());
              parent.ctx.check();
              const context copy = parent.ctx;
              const cancel_func stop{parent.cancel};
              sleep(copy, 0s, ec);
            }),
            0);
}

long of_cancelling(bool with_cause) {
  struct tree {
    cancelable_cause top = with_cancel_cause(background());
    cancelable child = with_timeout(top.ctx, 1h);
    cancelable merged = merge(child.ctx, top.ctx);
    registration here = after_func(inplace, merged.ctx, []() noexcept {});
    registration elsewhere = after_func(child.ctx, [] {});
  };
  const std::exception_ptr why = std::make_exception_ptr(1);
  long made = 0;
  for (int i = 0; i < 3; ++i) {
    const tree t;
    nothing_spare::forget_small_blocks();
    const long before = allocations_anywhere();
    with_cause ? t.top.cancel(why) : t.top.cancel();
    made = allocations_anywhere() - before;
    await_no_goroutines();
  }
  return made;
}

TEST(allocation_budget, cancelling) {
  EXPECT_EQ(of_cancelling(false), 0);
  EXPECT_EQ(of_cancelling(true), 1);  // the record of the cause
}

TEST(allocation_budget, callbacks) {
  const auto parent = with_cancel(background());
  EXPECT_EQ(budget([&] { static_cast<void>(after_func(parent.ctx, [] {})); }), 1);
  EXPECT_EQ(budget([&] { static_cast<void>(after_func(inplace, parent.ctx, []() noexcept {})); }),
            1);
}

class own_done : public context_base {
 public:
  recv_chan<void> done() const override { return done_; }
  std::error_code err() const override { return {}; }

 private:
  chan<void> done_ = make_chan<void>();
};

TEST(allocation_budget, below_a_context_written_by_a_user) {
  const auto parent = make_context<own_done>();
  // The context, the link, and its goroutine's name.
  EXPECT_EQ(budget([&] { static_cast<void>(with_cancel(parent)); }), 3);
}

TEST(allocation_budget, channels) {
  EXPECT_EQ(budget([] { static_cast<void>(make_chan<int>()); }), 1);
  EXPECT_EQ(budget([] { static_cast<void>(make_chan<std::string>(1000)); }), 1);
  auto ch = make_chan<std::array<char, 256>>(2);
  const auto ctx = with_cancel(background());
  std::error_code ec;
  EXPECT_EQ(budget([&] {
              ch.send({});
              ch.send(ctx.ctx, {}, ec);
              static_cast<void>(ch.try_send({}));
              ch.recv();
              ch.recv(ctx.ctx);
              ch.try_recv(ec);
              static_cast<void>(ch.size());
            }),
            0);
  auto large = make_chan<std::array<char, 257>>(1);
  EXPECT_EQ(budget([&] {
              large.send({});
              large.recv();
            }),
            1);
}

TEST(allocation_budget, waiting_on_a_channel) {
  auto there = make_chan<int>();
  auto back = make_chan<int>();
  wait_group echo;
  echo.go([there, back] {
    for (const int v : there) back.send(v);
  });
  for (int i = 0; i < 2; ++i) {
    there.send(i);
    back.recv();
  }
  const long before = allocations_anywhere();
  for (int i = 0; i < 100; ++i) {
    there.send(i);
    EXPECT_EQ(back.recv(), i);
  }
  EXPECT_EQ(allocations_anywhere() - before, 0);
  there.close();
  echo.wait();
}

TEST(allocation_budget, select) {
  auto a = make_chan<int>(1);
  auto b = make_chan<std::string>(1);
  const auto ctx = with_cancel(background());
  std::optional<int> got;
  EXPECT_EQ(budget([&] {
              select(send(a, 1), recv(b), recv(ctx.ctx.done()));
              select(ctx.ctx, recv(a, got), recv(b, [](std::optional<std::string>) {}));
              select(recv(a), recv(b), otherwise);
            }),
            0);
}

TEST(allocation_budget, select_of_a_list) {
  std::vector<chan<int>> channels;
  std::vector<select_case> cases;
  for (int i = 0; i < 40; ++i) {
    channels.push_back(make_chan<int>(1));
    channels.back().close();
  }
  for (auto& ch : channels) cases.emplace_back(recv(ch));
  EXPECT_EQ(budget([&] { select(std::span{cases}.first(16)); }), 0);
  EXPECT_EQ(budget([&] { select(std::span{cases}); }), 3);
  std::optional<select_case> kept;  // Clang leaves out what is made for nothing
  EXPECT_EQ(budget([&] { kept.emplace(recv(channels.front())); }), 1);
}

TEST(allocation_budget, goroutines) {
  const auto started_and_ended = [](auto start) {
    return budget([&] {
      start();
      await_no_goroutines();
    });
  };
  EXPECT_EQ(started_and_ended([] { go([] {}); }), 0);
  EXPECT_EQ(started_and_ended(
                [] { go([closure = std::array<char, 80>{}] { static_cast<void>(closure); }); }),
            0);
  EXPECT_EQ(started_and_ended(
                [] { go([closure = std::array<char, 81>{}] { static_cast<void>(closure); }); }),
            1);
  EXPECT_EQ(started_and_ended([] { go(go_options{.name = "a"}, [] {}); }), 1);
  wait_group all;
  EXPECT_EQ(started_and_ended([&] {
              all.go([] {});
              all.wait();
            }),
            0);
  EXPECT_EQ(budget([] { run([] {}); }), 1);  // the name "main"
  runtime rt{{.workers = 1}};
  EXPECT_EQ(budget([&] { rt.run([] {}); }), 0);
  EXPECT_EQ(budget([&] { rt.run([] { yield(); }); }), 0);
  EXPECT_EQ(budget([&] { rt.run([] { blocking([] {}); }); }), 0);
}

TEST(allocation_budget, a_thousand_goroutines_at_once_after_as_many) {
  const auto burst = [] {
    wait_group all;
    std::atomic<int> started{0};
    auto open = make_chan<void>();
    for (int i = 0; i < 1'000; ++i) {
      all.go([&started, open] {
        ++started;
        open.recv();
      });
    }
    while (started != 1'000) yield();
    open.close();
    all.wait();
    await_no_goroutines();
  };
  burst();
  burst();
  const long before = allocations_anywhere();
  burst();
  // The channel; and blocks that lie in one worker's cache may be missed by another.
  EXPECT_LE(allocations_anywhere() - before, 1 + 4);
}

TEST(allocation_budget, timers) {
  EXPECT_EQ(budget([] { static_cast<void>(timer{1h}); }), 1);
  EXPECT_EQ(budget([] { static_cast<void>(after(1h)); }), 1);
  EXPECT_EQ(budget([] { static_cast<void>(ticker{1h}); }), 1);
  EXPECT_EQ(budget([] { static_cast<void>(timer{1h, [] {}}); }), 1);
  timer t{1h};
  timer f{1h, [] {}};
  ticker k{1h};
  EXPECT_EQ(budget([&] {
              t.reset(2h);
              t.stop();
              f.reset(2h);
              f.stop();
              k.reset(2h);
              k.stop();
              sleep(1us);  // real clock: it is about what sleeping allocates
            }),
            0);
}

TEST(allocation_budget, locks) {
  mutex mu;
  shared_mutex shared;
  wait_group group;
  once first;
  EXPECT_EQ(budget([&] {
              mu.lock();
              mu.unlock();
              shared.lock_shared();
              shared.unlock_shared();
              shared.lock();
              shared.unlock();
              group.add();
              group.done();
              group.wait();
              first.call([] {});
            }),
            0);
}

TEST(allocation_budget, a_lock_that_is_fought_for) {
  mutex mu;
  wait_group all;
  int sum = 0;
  const auto fight = [&] {
    for (int i = 0; i < 4; ++i) {
      all.go([&] {
        for (int k = 0; k < 100; ++k) {
          mu.lock();
          ++sum;
          yield();
          mu.unlock();
        }
      });
    }
    all.wait();
  };
  EXPECT_EQ(budget(fight), 0);
  EXPECT_EQ(sum, calls_of_budget * 400);
}

TEST(allocation_budget, signals) {
  EXPECT_EQ(budget([] { signal_channel c{SIGUSR1}; }), 1);
  signal_channel c{SIGUSR1};
  EXPECT_EQ(budget([&] {
              ::raise(SIGUSR1);
              c.recv();
            }),
            0);
}

}  // namespace
