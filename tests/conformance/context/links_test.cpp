// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// CTX-040 to CTX-047: who hangs on whom and for how long. CTX-046 has its storm in race_test.cpp.

#include <gtest/gtest.h>
#include <malloc.h>

#include <atomic>
#include <cstddef>
#include <optional>
#include <utility>

#include "conformance/context/contexts.hpp"
#include "downhaul/after_func.hpp"
#include "downhaul/context.hpp"
#include "downhaul/context_base.hpp"
#include "downhaul/go.hpp"
#include "downhaul/runtime.hpp"

namespace dh = downhaul;
using namespace std::chrono_literals;
using downhaul_test::by_hand;
using downhaul_test::canceled;
using downhaul_test::has_ended;
using downhaul_test::is_open;
using downhaul_test::late;
using downhaul_test::number_key;
using downhaul_test::registrations;
using downhaul_test::rounds;
using downhaul_test::wrapper;

namespace {

TEST(CTX_040, one_registration_for_each_child_and_callback_on_the_nearest_that_can_end) {
  auto [parent, cancel] = dh::with_cancel(dh::background());
  auto [child, cancel_child] = dh::with_cancel(parent);
  const dh::context value = dh::with_value(parent, number_key, 1);
  EXPECT_EQ(registrations(parent), 1u) << "a value hangs on nothing";
  auto [timed, cancel_timed] = dh::with_timeout(value, 1h);
  EXPECT_EQ(registrations(parent), 2u) << "not on the value";
  const dh::registration callback = dh::after_func(parent, [] {});
  EXPECT_EQ(registrations(parent), 3u);
  EXPECT_EQ(registrations(child), 0u);
  EXPECT_EQ(registrations(timed), 0u);
  EXPECT_EQ(value.done(), parent.done());
}

TEST(CTX_041, a_cancel_leaves_no_registration) {
  auto [parent, cancel] = dh::with_cancel(dh::background());
  auto [child, cancel_child] = dh::with_cancel(parent);
  auto [below, cancel_below] = dh::with_cancel(child);
  auto [timed, cancel_timed] = dh::with_timeout(dh::with_value(parent, number_key, 1), 1h);
  const dh::registration there = dh::after_func(parent, [] {});
  const dh::registration here = dh::after_func(dh::inplace, parent, []() noexcept {});
  EXPECT_EQ(registrations(parent), 4u);
  EXPECT_EQ(registrations(child), 1u);
  cancel();
  EXPECT_EQ(registrations(parent), 0u);
  EXPECT_EQ(registrations(child), 0u);
}

TEST(CTX_042, with_cancel_and_cancel_is_0_1_0) {
  auto [parent, cancel] = dh::with_cancel(dh::background());
  EXPECT_EQ(registrations(parent), 0u);
  auto [child, cancel_child] = dh::with_cancel(parent);
  EXPECT_EQ(registrations(parent), 1u);
  cancel_child();
  EXPECT_EQ(registrations(parent), 0u);
}

TEST(CTX_042, with_timeout_and_cancel_is_0_1_0) {
  auto [parent, cancel] = dh::with_cancel(dh::background());
  EXPECT_EQ(registrations(parent), 0u);
  auto [child, cancel_child] = dh::with_timeout(parent, 1h);
  EXPECT_EQ(registrations(parent), 1u);
  cancel_child();
  EXPECT_EQ(registrations(parent), 0u);
}

TEST(CTX_042, after_func_and_stop_is_0_1_0) {
  auto [parent, cancel] = dh::with_cancel(dh::background());
  EXPECT_EQ(registrations(parent), 0u);
  const dh::registration r = dh::after_func(parent, [] {});
  EXPECT_EQ(registrations(parent), 1u);
  EXPECT_TRUE(r.stop());
  EXPECT_EQ(registrations(parent), 0u);
  const dh::registration here = dh::after_func(dh::inplace, parent, []() noexcept {});
  EXPECT_EQ(registrations(parent), 1u);
  EXPECT_TRUE(here.stop());
  EXPECT_EQ(registrations(parent), 0u);
}

TEST(CTX_043, a_child_whose_deadline_fires_unregisters) {
  by_hand time;
  auto [parent, cancel] = dh::with_cancel(dh::background());
  auto [child, cancel_child] = dh::with_timeout(parent, 1s);
  auto [other, cancel_other] = dh::with_timeout(parent, 2s);
  EXPECT_EQ(registrations(parent), 2u);
  time.pass(1s);
  EXPECT_TRUE(has_ended(child, late()));
  EXPECT_EQ(registrations(parent), 1u);
  time.pass(1s);
  EXPECT_EQ(registrations(parent), 0u);
  EXPECT_TRUE(is_open(parent));
}

TEST(CTX_044, a_cancel_releases_the_timer_at_once) {
  by_hand time;
  auto [child, cancel_child] = dh::with_timeout(dh::background(), 1h);
  EXPECT_EQ(time.timers(), 1u);
  cancel_child();
  EXPECT_EQ(time.timers(), 0u);
  {
    auto [dropped, cancel_dropped] = dh::with_timeout(dh::background(), 1h);
    EXPECT_EQ(time.timers(), 1u);
  }
  EXPECT_EQ(time.timers(), 0u);
}

TEST(CTX_044, so_does_the_cancel_of_the_parent) {
  by_hand time;
  auto [parent, cancel] = dh::with_cancel(dh::background());
  auto [child, cancel_child] = dh::with_timeout(parent, 1h);
  auto [below, cancel_below] = dh::with_timeout(dh::with_value(child, number_key, 1), 30min);
  EXPECT_EQ(time.timers(), 2u);
  cancel();
  EXPECT_EQ(time.timers(), 0u);
  EXPECT_TRUE(has_ended(below, canceled()));
}

// Bytes that malloc has given out.
std::size_t heap() {
  const struct mallinfo2 info = mallinfo2();
  return info.uordblks + info.hblkhd;
}

// What n rounds leave on the heap; 0 where a sanitizer keeps what was freed.
template <class Round>
std::size_t growth(int n, Round round) {
  // What is kept for the next use, and the 512 that a checked build keeps.
  for (int i = 0; i < 1'000; ++i) round();
  const std::size_t before = heap();
  for (int i = 0; i < n; ++i) round();
  const std::size_t after = heap();
  return downhaul_test::sanitized || after < before ? 0 : after - before;
}

TEST(CTX_045, a_million_children_of_a_long_life_leave_no_trace) {
  auto [parent, cancel] = dh::with_cancel(dh::background());
  EXPECT_LE(growth(rounds(1'000'000),
                   [&parent = parent] {
                     auto [child, cancel_child] = dh::with_cancel(parent);
                     cancel_child();
                   }),
            4096u);
  EXPECT_EQ(registrations(parent), 0u);
  EXPECT_EQ(dh::count_contexts(), 1);
  EXPECT_TRUE(is_open(parent));
}

TEST(CTX_045, nor_do_deadlines_callbacks_and_open_children) {
  auto [parent, cancel] = dh::with_cancel(dh::background());
  EXPECT_LE(growth(rounds(200'000),
                   [&parent = parent] {
                     auto [child, cancel_child] = dh::with_timeout(parent, 1h);
                     cancel_child();
                   }),
            4096u);
  EXPECT_LE(growth(rounds(200'000), [&parent = parent] { dh::after_func(parent, [] {}).stop(); }),
            4096u);
  EXPECT_LE(growth(rounds(200'000),
                   [&parent = parent] {
                     auto [child, cancel_child] =
                         dh::with_cancel(dh::with_value(parent, number_key, 1));
                     cancel_child.detach();
                   }),
            4096u);
  EXPECT_EQ(registrations(parent), 0u);
  EXPECT_EQ(dh::count_contexts(), 1);
}

TEST(CTX_045, a_child_refers_to_its_parent_for_its_whole_life) {
  dh::context child;
  {
    auto made = dh::with_cancel(dh::with_value(dh::background(), number_key, 7));
    auto below = dh::with_cancel(made.ctx);
    child = below.ctx;
  }
  EXPECT_EQ(dh::count_contexts(), 3);
  EXPECT_TRUE(child.err());
  EXPECT_EQ(*child.value(number_key), 7);
  child = {};
  EXPECT_EQ(dh::count_contexts(), 0);
}

// Tells, when it goes, whether the context above it had ended.
struct witness : dh::context_base {
  witness(dh::context parent, std::optional<bool>& saw_end)
      : context_base{std::move(parent)}, saw{&saw_end} {}
  ~witness() override { *saw = static_cast<bool>(parent().err()); }
  std::optional<bool>* saw;
};

// deviates: the end of the scope cancels; a child that is open with no handle left, its scope being
// detached, unregisters with its last handle.
TEST(CTX_046, a_child_dropped_open_unregisters_and_is_not_cancelled) {
  by_hand time;
  auto [parent, cancel] = dh::with_cancel(dh::background());
  std::optional<bool> saw_end;
  for (const bool timed : {false, true}) {
    dh::context below;
    {
      dh::cancelable child = timed ? dh::with_timeout(parent, 1h) : dh::with_cancel(parent);
      child.cancel.detach();
      below = dh::make_context<witness>(child.ctx, saw_end);
    }
    EXPECT_EQ(registrations(parent), 1u) << "something below still owns it";
    EXPECT_TRUE(is_open(below));
    saw_end.reset();
    below = {};
    EXPECT_EQ(saw_end, false);
    EXPECT_EQ(registrations(parent), 0u);
    EXPECT_EQ(time.timers(), 0u);
    EXPECT_EQ(dh::count_contexts(), 1);
  }
  cancel();
}

// deviates: nobody watches. What Go counts in goroutines is here a callback registration, and nothing
// runs while a context is open.
TEST(CTX_047, no_goroutine_watches_an_open_context) {
  auto [root, cancel] = dh::with_cancel(dh::background());
  const auto running = [] { return dh::count_goroutines(); };
  // A chain of our own.
  auto [child, cancel_child] = dh::with_cancel(root);
  EXPECT_EQ(running(), 0u);
  EXPECT_EQ(registrations(root), 1u);
  // A plain wrapper, and what hangs below it.
  const dh::context wrapped = dh::make_context<wrapper>(child);
  EXPECT_EQ(registrations(child), 0u);
  auto [timed, cancel_timed] = dh::with_timeout(wrapped, 1h);
  EXPECT_EQ(registrations(child), 1u) << "linked";
  auto [below, cancel_below] = dh::with_cancel(wrapped);
  EXPECT_EQ(registrations(child), 2u) << "linked";
  EXPECT_EQ(running(), 0u);
  // Cancelling.
  cancel_timed();
  EXPECT_EQ(registrations(child), 1u);
  EXPECT_EQ(running(), 0u);
  cancel_child();
  EXPECT_TRUE(has_ended(below, canceled()));
  EXPECT_EQ(running(), 0u);
  // Deriving from an ended one.
  auto [dead, cancel_dead] = dh::with_cancel(wrapped);
  EXPECT_EQ(registrations(child), 0u);
  EXPECT_EQ(running(), 0u);
}

// deviates: as above; a done of one's own costs one registration for each child derived from it.
TEST(CTX_047, a_wrapper_with_its_own_done_costs_one_registration_a_child) {
  auto [root, cancel] = dh::with_cancel(dh::background());
  const auto own = dh::make_context<downhaul_test::own_channel>(root);
  EXPECT_EQ(registrations(own), 0u);
  auto [a, cancel_a] = dh::with_cancel(own);
  EXPECT_EQ(registrations(own), 1u);
  auto [b, cancel_b] = dh::with_timeout(own, 1h);
  EXPECT_EQ(registrations(own), 2u);
  auto [below, cancel_below] = dh::with_cancel(a);
  EXPECT_EQ(registrations(own), 2u) << "a grandchild is linked to the child";
  EXPECT_EQ(registrations(root), 0u) << "although it embeds one that could be linked to";
  EXPECT_EQ(dh::count_goroutines(), 0u);
  cancel_a();
  EXPECT_EQ(registrations(own), 1u);
  cancel_b();
  EXPECT_EQ(registrations(own), 0u);
  EXPECT_EQ(dh::count_goroutines(), 0u);
}

}  // namespace
