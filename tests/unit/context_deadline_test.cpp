// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// Deadlines, time-outs, graces and merges, on a clock that is advanced by hand.

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "context/inspect.hpp"
#include "downhaul/after_func.hpp"
#include "downhaul/context.hpp"
#include "downhaul/go.hpp"
#include "downhaul/testing/manual_clock.hpp"
#include "support/crew.hpp"
#include "support/leaves_nothing.hpp"
#include "wait/waiter.hpp"

namespace {

namespace dh = downhaul;
using namespace std::chrono_literals;
using dh::impl::registrations;
using downhaul_test::text_of;
using downhaul_test::wait_until;

// Time stands still on this thread unless a test advances it.
class hands_test : public downhaul_test::leaves_nothing {
 protected:
  void TearDown() override {
    EXPECT_EQ(hands_.pending(), 0u);
    leaves_nothing::TearDown();
  }
  dh::time_point now() const { return hands_.now(); }
  std::chrono::time_point<std::chrono::steady_clock, std::chrono::nanoseconds> in(
      std::chrono::nanoseconds d) const {
    return now() + d;
  }

  dh::manual_clock hands_;
  dh::use_clock here_{hands_};
};
class context_deadline : public hands_test {};
class context_merge : public hands_test {};
class context_grace : public hands_test {};

inline constexpr dh::key<int> a_key{"a"};
inline constexpr dh::key<int> b_key{"b"};
inline constexpr dh::key<int> c_key{"c"};

// --- deadlines ---

TEST_F(context_deadline, that_has_come_ends_the_context_at_birth) {
  for (auto made : {std::chrono::nanoseconds{0}, std::chrono::nanoseconds{-1}}) {
    auto [a, cancel_a] = dh::with_deadline(dh::background(), in(made));
    auto [b, cancel_b] = dh::with_timeout(dh::background(), made);
    for (const dh::context& ctx : {a, b}) {
      EXPECT_EQ(ctx.err(), dh::errc::deadline_exceeded);
      EXPECT_FALSE(ctx.done().try_recv());
    }
    cancel_a();
    EXPECT_EQ(a.err(), dh::errc::deadline_exceeded);
    EXPECT_EQ(hands_.pending(), 0u);
  }
}

TEST_F(context_deadline, ends_it_at_that_instant_and_not_before) {
  auto [ctx, cancel] = dh::with_deadline(dh::background(), in(1s));
  EXPECT_EQ(ctx.deadline(), in(1s));
  EXPECT_EQ(ctx.remaining(), 1s);
  hands_.advance(1s - 1ns);
  EXPECT_FALSE(ctx.err());
  EXPECT_EQ(ctx.remaining(), 1ns);
  hands_.advance(1ns);
  EXPECT_EQ(ctx.err(), dh::errc::deadline_exceeded);
  EXPECT_EQ(ctx.reason(), "context deadline exceeded");
  hands_.advance(1s);
  EXPECT_EQ(ctx.remaining(), 0s);
}

TEST_F(context_deadline, does_nothing_after_a_cancel) {
  auto [ctx, cancel] = dh::with_timeout_cause(dh::background(), 1s, std::runtime_error{"late"});
  cancel();
  EXPECT_EQ(hands_.pending(), 0u);
  hands_.advance(2s);
  EXPECT_EQ(ctx.err(), dh::errc::canceled);
  EXPECT_EQ(ctx.reason(), "context canceled");
}

TEST_F(context_deadline, of_a_parent_that_is_earlier_is_the_childs) {
  auto [parent, cancel_parent] = dh::with_timeout(dh::background(), 1s);
  const dh::context layer = dh::with_value(parent, a_key, 1);
  auto [child, cancel_child] = dh::with_timeout_cause(layer, 2s, std::runtime_error{"never given"});
  EXPECT_EQ(child.deadline(), parent.deadline());
  EXPECT_EQ(hands_.pending(), 1u);
  EXPECT_NE(to_string(child).find(".WithCancel"), std::string::npos);
  hands_.advance(1s);
  EXPECT_EQ(child.err(), dh::errc::deadline_exceeded);
  EXPECT_EQ(text_of(child.cause()), text_of(parent.cause()));
}

TEST_F(context_deadline, equal_to_the_parents_is_the_childs_own) {
  auto [parent, cancel_parent] = dh::with_deadline(dh::background(), in(1s));
  auto [child, cancel_child] =
      dh::with_deadline_cause(parent, in(1s), std::runtime_error{"own cause"});
  EXPECT_EQ(hands_.pending(), 2u);
  auto [below, cancel_below] = dh::with_cancel(child);
  hands_.advance(1s);
  EXPECT_EQ(child.err(), dh::errc::deadline_exceeded);
  EXPECT_EQ(child.reason(), "own cause");
  EXPECT_EQ(below.reason(), "own cause");
  EXPECT_EQ(parent.reason(), "context deadline exceeded");
}

TEST_F(context_deadline, earlier_than_the_parents_ends_the_child_alone) {
  auto [parent, cancel_parent] = dh::with_timeout(dh::background(), 2s);
  auto [child, cancel_child] = dh::with_timeout_cause(parent, 1s, std::runtime_error{"mine"});
  hands_.advance(1s);
  EXPECT_EQ(child.err(), dh::errc::deadline_exceeded);
  EXPECT_EQ(child.reason(), "mine");
  EXPECT_FALSE(parent.err());
  EXPECT_EQ(registrations(parent), 0u);
}

TEST_F(context_deadline, gives_way_to_a_parent_that_has_ended) {
  auto [parent, cancel_parent] = dh::with_cancel_cause(dh::background());
  cancel_parent(std::runtime_error{"over"});
  auto [child, cancel_child] = dh::with_timeout_cause(parent, -1s, std::runtime_error{"late"});
  EXPECT_EQ(child.err(), dh::errc::canceled);
  EXPECT_EQ(child.reason(), "over");
}

TEST_F(context_deadline, cause_is_given_only_if_the_deadline_ends_it) {
  {
    auto [p, cancel_p] = dh::with_cancel_cause(dh::background());
    auto [c, cancel_c] = dh::with_timeout_cause(p, 1h, std::runtime_error{"T"});
    cancel_p(std::runtime_error{"F"});
    EXPECT_EQ(c.err(), dh::errc::canceled);
    EXPECT_EQ(c.reason(), "F");
  }
  {
    auto [p, cancel_p] = dh::with_cancel_cause(dh::background());
    auto [c, cancel_c] = dh::with_timeout_cause(p, 0s, std::runtime_error{"T"});
    cancel_p(std::runtime_error{"F"});
    EXPECT_EQ(c.err(), dh::errc::deadline_exceeded);
    EXPECT_EQ(c.reason(), "T");
    const dh::context cut = dh::without_cancel(c);
    EXPECT_FALSE(cut.err());
    EXPECT_EQ(cut.cause(), nullptr);
  }
  {
    auto [c, cancel_c] = dh::with_timeout_cause(dh::background(), 0s,
                                                std::make_error_code(std::errc::host_unreachable));
    EXPECT_EQ(c.reason(), std::make_error_code(std::errc::host_unreachable).message());
  }
}

TEST_F(context_deadline, is_inherited_by_all_but_without_cancel) {
  auto [t, cancel_t] = dh::with_timeout(dh::background(), 1h);
  auto [c, cancel_c] = dh::with_cancel(dh::with_value(t, a_key, 1));
  EXPECT_EQ(c.deadline(), t.deadline());
  EXPECT_FALSE(dh::without_cancel(c).deadline());
}

TEST_F(context_deadline, too_far_to_be_counted_never_passes) {
  auto [a, cancel_a] = dh::with_timeout(dh::background(), std::chrono::hours::max());
  auto [b, cancel_b] =
      dh::with_deadline(dh::background(), std::chrono::steady_clock::time_point::max());
  EXPECT_TRUE(a.deadline());
  EXPECT_EQ(hands_.pending(), 0u);
  hands_.advance(24h * 365 * 100);
  EXPECT_FALSE(a.err());
  EXPECT_FALSE(b.err());
  EXPECT_EQ(to_string(a), "context.Background.WithDeadline(never)");
}

TEST_F(context_deadline, may_be_any_duration_or_a_point_of_wall_time) {
  auto [half, cancel_half] = dh::with_timeout(dh::background(), 0.5s);
  EXPECT_EQ(half.remaining(), 500ms);
  auto [wall, cancel_wall] =
      dh::with_deadline(dh::background(), std::chrono::system_clock::now() + 1h);
  EXPECT_LE(wall.remaining(), 1h);
  EXPECT_GT(wall.remaining(), 59min);
  auto [past, cancel_past] = dh::with_deadline_cause(
      dh::background(), std::chrono::system_clock::now() - 1h, std::runtime_error{"missed"});
  EXPECT_EQ(past.reason(), "missed");
}

TEST_F(context_deadline, runs_callbacks_on_goroutines_even_those_in_place) {
  auto [ctx, cancel] = dh::with_timeout(dh::background(), 1s);
  std::atomic<int> on_goroutines{0};
  const dh::registration there =
      dh::after_func(ctx, [&] { on_goroutines += dh::impl::on_goroutine() ? 1 : 100; });
  const dh::registration here = dh::after_func(
      dh::inplace, ctx, [&]() noexcept { on_goroutines += dh::impl::on_goroutine() ? 1 : 100; });
  hands_.advance(1s);
  wait_until([&] { return on_goroutines >= 2; });
  EXPECT_EQ(on_goroutines, 2);
}

TEST_F(context_deadline, reaches_descendants) {
  auto [parent, cancel_parent] = dh::with_timeout(dh::background(), 1s);
  auto [child, cancel_child] = dh::with_cancel(parent);
  auto [later, cancel_later] = dh::with_timeout(child, 1h);
  hands_.advance(1s);
  EXPECT_EQ(later.err(), dh::errc::deadline_exceeded);
  EXPECT_EQ(hands_.pending(), 0u);
}

TEST_F(context_deadline, of_another_clock_is_not_compared) {
  auto [parent, cancel_parent] = dh::with_timeout(dh::background(), 1s);
  dh::manual_clock other{dh::time_point{}};
  const dh::use_clock there{other};
  auto [child, cancel_child] = dh::with_timeout(parent, 1h);
  EXPECT_EQ(child.deadline(), dh::time_point{} + 1h);
  other.advance(1h);
  EXPECT_EQ(child.err(), dh::errc::deadline_exceeded);
  EXPECT_FALSE(parent.err());
}

TEST_F(context_deadline, on_the_real_clock_wakes_a_plain_thread) {
  const dh::use_clock real{dh::clock::real()};
  auto [ctx, cancel] = dh::with_timeout(dh::background(), 5ms);
  const auto deadline = ctx.deadline();
  ctx.done().recv();
  EXPECT_GE(dh::clock::real().now(), deadline);
  EXPECT_EQ(ctx.err(), dh::errc::deadline_exceeded);
}

TEST_F(context_deadline, firing_races_with_cancel_and_with_the_last_handle) {
  for (int i = 0; i < downhaul_test::rounds(300); ++i) {
    auto a = dh::with_timeout(dh::background(), 1ns);
    auto b = dh::with_timeout(dh::background(), 1ns);
    b.cancel.detach();
    std::thread other{[&] {
      a.cancel();
      b = {};
    }};
    hands_.advance(1ns);
    other.join();
    EXPECT_TRUE(a.ctx.err());
    EXPECT_EQ(hands_.pending(), 0u);
  }
}

// --- merge ---

TEST_F(context_merge, ends_with_the_first_and_with_its_err_and_cause) {
  auto [a, cancel_a] = dh::with_cancel_cause(dh::background());
  auto [b, cancel_b] = dh::with_cancel_cause(dh::background());
  auto [m, cancel_m] = dh::merge(a, b, dh::background());
  auto [child, cancel_child] = dh::with_cancel(m);
  EXPECT_FALSE(m.err());
  cancel_b(std::runtime_error{"b"});
  EXPECT_EQ(m.reason(), "b");
  EXPECT_EQ(child.reason(), "b");
  cancel_a(std::runtime_error{"a"});
  EXPECT_EQ(m.reason(), "b");
  EXPECT_FALSE(registrations(a));
}

TEST_F(context_merge, of_an_ended_one_is_born_ended) {
  auto [a, cancel_a] = dh::with_cancel(dh::background());
  auto [b, cancel_b] = dh::with_timeout_cause(dh::background(), 0s, std::runtime_error{"b"});
  auto [m, cancel_m] = dh::merge(a, b);
  EXPECT_EQ(m.err(), dh::errc::deadline_exceeded);
  EXPECT_EQ(m.reason(), "b");
  EXPECT_EQ(registrations(a), 0u);
}

TEST_F(context_merge, has_the_soonest_deadline) {
  auto [a, cancel_a] = dh::with_timeout(dh::background(), 2s);
  auto [b, cancel_b] = dh::with_timeout(dh::background(), 1s);
  auto [m, cancel_m] = dh::merge(dh::background(), a, b);
  EXPECT_EQ(m.deadline(), b.deadline());
  hands_.advance(1s);
  EXPECT_EQ(m.err(), dh::errc::deadline_exceeded);
}

TEST_F(context_merge, finds_the_leftmost_value) {
  const dh::context a = dh::with_value(dh::background(), a_key, 1);
  const dh::context b = dh::with_value(dh::with_value(dh::background(), a_key, 2), b_key, 20);
  const dh::context c = dh::with_value(dh::with_value(dh::background(), b_key, 30), c_key, 300);
  auto [ab, cancel_ab] = dh::merge(a, b);
  auto [abc, cancel_abc] = dh::merge(ab, c, b);
  const dh::context below = dh::with_value(abc, c_key, 4);
  EXPECT_EQ(*abc.value(a_key), 1);
  EXPECT_EQ(*abc.value(b_key), 20);
  EXPECT_EQ(*abc.value(c_key), 300);
  EXPECT_EQ(*below.value(c_key), 4);
  EXPECT_EQ(*below.value(b_key), 20);
  auto [one, cancel_one] = dh::merge(dh::background(), b);
  EXPECT_EQ(*one.value(a_key), 2);
  EXPECT_EQ(one.value(c_key), nullptr);
}

TEST_F(context_merge, of_merges_of_merges_is_no_recursion) {
  dh::context last = dh::with_value(dh::background(), a_key, 1);
  const dh::context side = dh::with_value(dh::background(), b_key, 2);
  std::vector<dh::cancel_scope> scopes;
  auto [root, cancel] = dh::with_cancel(last);
  last = root;
  for (int i = 0; i < 2'000; ++i) {
    auto made = dh::merge(last, side);
    last = std::move(made.ctx);
    scopes.push_back(std::move(made.cancel));
  }
  EXPECT_EQ(*last.value(b_key), 2);
  cancel();
  EXPECT_TRUE(last.err());
}

TEST_F(context_merge, racing_cancels_of_its_parents_give_one_cause) {
  for (int i = 0; i < downhaul_test::rounds(200); ++i) {
    auto a = dh::with_cancel_cause(dh::background());
    auto b = dh::with_cancel_cause(dh::background());
    std::thread one{[&] { a.cancel(std::runtime_error{"a"}); }};
    std::thread two{[&] { b.cancel(std::runtime_error{"b"}); }};
    auto m = dh::merge(a.ctx, b.ctx);
    one.join();
    two.join();
    EXPECT_TRUE(m.ctx.err());
    EXPECT_TRUE(m.ctx.cause() == a.ctx.cause() || m.ctx.cause() == b.ctx.cause());
    EXPECT_EQ(registrations(a.ctx), 0u);
    EXPECT_EQ(registrations(b.ctx), 0u);
  }
}

// --- grace ---

TEST_F(context_grace, ends_later_than_its_parent_with_its_err_and_cause) {
  auto [p, cancel] = dh::with_cancel_cause(dh::with_value(dh::background(), a_key, 1));
  auto [g, end] = dh::with_grace(p, 5s);
  EXPECT_EQ(hands_.pending(), 0u);
  hands_.advance(1h);
  cancel(std::runtime_error{"shutdown"});
  EXPECT_FALSE(g.err());
  EXPECT_EQ(*g.value(a_key), 1);
  hands_.advance(5s - 1ns);
  EXPECT_FALSE(g.err());
  hands_.advance(1ns);
  EXPECT_EQ(g.err(), dh::errc::canceled);
  EXPECT_EQ(g.reason(), "shutdown");
}

TEST_F(context_grace, has_the_parents_deadline_and_more) {
  auto [p, cancel] = dh::with_timeout(dh::background(), 1s);
  auto [g, end] = dh::with_grace(p, 5s);
  EXPECT_EQ(g.deadline(), *p.deadline() + 5s);
  hands_.advance(1s);
  EXPECT_TRUE(p.err());
  EXPECT_FALSE(g.err());
  hands_.advance(5s);
  EXPECT_EQ(g.err(), dh::errc::deadline_exceeded);
}

TEST_F(context_grace, of_an_ended_parent_begins_now) {
  auto [p, cancel] = dh::with_cancel(dh::background());
  cancel();
  auto [g, end] = dh::with_grace(p, 5s);
  EXPECT_FALSE(g.err());
  hands_.advance(5s);
  EXPECT_TRUE(g.err());
  auto [none, end_none] = dh::with_grace(p, 0s);
  EXPECT_TRUE(none.err());
}

TEST_F(context_grace, can_be_cut_short_and_dropped) {
  auto [p, cancel] = dh::with_cancel(dh::background());
  {
    auto [g, end] = dh::with_grace(p, 5s);
    EXPECT_EQ(registrations(p), 1u);
    end();
    EXPECT_TRUE(g.err());
    EXPECT_EQ(registrations(p), 0u);
  }
  auto [g, end] = dh::with_grace(p, 5s);
  cancel();
  EXPECT_EQ(hands_.pending(), 1u);
  end();
  EXPECT_EQ(hands_.pending(), 0u);
}

TEST_F(context_grace, of_what_never_ends_never_ends) {
  auto [g, end] = dh::with_grace(dh::background(), 1ns);
  hands_.advance(1h);
  EXPECT_FALSE(g.err());
}

}  // namespace
