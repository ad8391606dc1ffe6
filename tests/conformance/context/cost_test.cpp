// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// CTX-173 and CTX-174: what the operations may cost.

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "conformance/context/contexts.hpp"
#include "downhaul/after_func.hpp"
#include "downhaul/context.hpp"
#include "downhaul/select.hpp"
#include "support/allocations.hpp"

namespace dh = downhaul;
using namespace std::chrono_literals;
using downhaul_test::by_hand;
using downhaul_test::is_closed;
using downhaul_test::number_key;

namespace {

// The most that one of a hundred rounds allocates, so that no store of blocks of an earlier one hides it.
// What round() returns is kept.
template <class Round>
long most_allocated(Round round) {
  long most = 0;
  std::vector<decltype(round())> kept;
  kept.reserve(100);
  for (int i = 0; i < 100; ++i) {
    const long before = downhaul_test::allocations();
    kept.push_back(round());
    most = std::max(most, downhaul_test::allocations() - before);
  }
  return most;
}

TEST(CTX_173, roots_and_handles_allocate_nothing) {
  auto [ctx, cancel] = dh::with_cancel(dh::background());
  const dh::context value = dh::with_value(ctx, number_key, 1);
  EXPECT_EQ(most_allocated([] { return dh::background(); }), 0);
  EXPECT_EQ(most_allocated([] { return dh::todo(); }), 0);
  EXPECT_EQ(most_allocated([&value] { return value; }), 0);
  EXPECT_EQ(most_allocated([&value] { return value.done(); }), 0);
  EXPECT_EQ(most_allocated([&value] { return value.err(); }), 0);
  EXPECT_EQ(most_allocated([&cancel = cancel] { return dh::cancel_func{cancel}; }), 0);
}

TEST(CTX_173, with_value_allocates_once_and_a_lookup_not_at_all) {
  auto [ctx, cancel] = dh::with_cancel(dh::background());
  EXPECT_EQ(most_allocated([&ctx = ctx] { return dh::with_value(ctx, number_key, 1); }), 1);
  const dh::context deep = [&ctx = ctx] {
    dh::context last = ctx;
    for (int i = 0; i < 100; ++i) last = dh::with_value(last, number_key, i);
    return last;
  }();
  EXPECT_EQ(most_allocated([&] { return dh::with_value(deep, number_key, 1); }), 1);
  EXPECT_EQ(most_allocated([&] { return deep.value(number_key); }), 0);
}

TEST(CTX_173, with_cancel_allocates_at_most_twice) {
  auto [ctx, cancel] = dh::with_cancel(dh::background());
  EXPECT_LE(most_allocated([] { return dh::with_cancel(dh::background()); }), 2);
  EXPECT_LE(most_allocated([&ctx = ctx] { return dh::with_cancel(ctx); }), 2);
  EXPECT_LE(most_allocated([&ctx = ctx] { return dh::with_cancel_cause(ctx); }), 2);
  EXPECT_GE(most_allocated([&ctx = ctx] { return dh::with_cancel(ctx); }), 1) << "it is counted";
}

TEST(CTX_173, with_timeout_allocates_at_most_twice) {
  auto [ctx, cancel] = dh::with_cancel(dh::background());
  by_hand time;
  for (int i = 0; i < 300; ++i) auto grown = dh::with_timeout(ctx, 1h);  // the clock's own store
  {
    std::vector<dh::cancelable> open;
    for (int i = 0; i < 300; ++i) open.push_back(dh::with_timeout(ctx, 1h));
  }
  EXPECT_LE(most_allocated([&ctx = ctx] { return dh::with_timeout(ctx, 1h); }), 2);
  EXPECT_LE(most_allocated([&] { return dh::with_deadline(dh::background(), time.in(1h)); }), 2);
}

TEST(CTX_173, cancel_allocates_nothing) {
  auto root = dh::with_cancel_cause(dh::background());
  std::vector<dh::cancelable> below;
  std::vector<dh::registration> callbacks;
  int called = 0;
  std::atomic<int> called_elsewhere{0};
  for (int i = 0; i < 2'000; ++i) {
    const dh::context parent = below.empty() || i % 3 == 0 ? root.ctx : below.back().ctx;
    below.push_back(i % 5 == 0 ? dh::with_timeout(parent, 1h) : dh::with_cancel(parent));
    if (i % 20 == 0) {
      callbacks.push_back(
          dh::after_func(dh::inplace, below.back().ctx, [&]() noexcept { ++called; }));
      callbacks.push_back(dh::after_func(below.back().ctx, [&] { ++called_elsewhere; }));
    }
  }
  const long before = downhaul_test::allocations();
  root.cancel();
  EXPECT_EQ(downhaul_test::allocations() - before, 0);
  EXPECT_EQ(called, 100);
  for (const dh::cancelable& c : below) EXPECT_TRUE(c.ctx.err());
  downhaul_test::wait_until([&] { return called_elsewhere == 100; });
}

TEST(CTX_173, with_cancel_cancel_and_wait_is_within_its_parts) {
  auto [ctx, cancel] = dh::with_cancel(dh::background());
  EXPECT_LE(most_allocated([&ctx = ctx] {
              auto [child, stop] = dh::with_cancel(ctx);
              stop();
              return child.done().recv();
            }),
            2);
  EXPECT_LE(most_allocated([] {
              auto [child, stop] = dh::with_timeout(dh::background(), 1ns);
              return child.done().recv();
            }),
            2);
}

TEST(CTX_174, err_of_an_open_context_is_a_load) {
  static_assert(std::atomic<std::uintptr_t>::is_always_lock_free);
  auto [ctx, cancel] = dh::with_cancel(dh::background());
  auto [timed, cancel_timed] = dh::with_timeout(ctx, 1h);
  const dh::context value = dh::with_value(timed, number_key, 1);
  const downhaul_test::locked_context held{timed};
  // Would wait for ever, or die, where a lock is taken; also on another thread.
  std::atomic<int> clear{0};
  const auto ask = [&, &timed = timed] {
    if (!timed.err() && !value.err()) ++clear;
  };
  ask();
  std::thread{ask}.join();
  EXPECT_EQ(clear, 2);
}

TEST(CTX_174, a_check_of_done_that_does_not_wait_is_a_load) {
  auto [ctx, cancel] = dh::with_cancel(dh::background());
  const downhaul_test::locked_context held{ctx};
  std::atomic<int> not_closed{0};
  std::thread{[&, &ctx = ctx] {
    if (!is_closed(ctx.done())) ++not_closed;
    if (dh::select(dh::recv(ctx.done()), dh::otherwise) == 1) ++not_closed;
  }}.join();
  EXPECT_EQ(not_closed, 2);
}

}  // namespace
