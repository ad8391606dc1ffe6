// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// CTX-130 to CTX-132: the values of a context and nothing else.

#include <gtest/gtest.h>

#include <optional>
#include <system_error>
#include <utility>

#include "conformance/context/contexts.hpp"
#include "downhaul/after_func.hpp"
#include "downhaul/context.hpp"
#include "downhaul/context_base.hpp"

namespace dh = downhaul;
using namespace std::chrono_literals;
using downhaul_test::because;
using downhaul_test::by_hand;
using downhaul_test::canceled;
using downhaul_test::has_ended;
using downhaul_test::is_open;
using downhaul_test::late;
using downhaul_test::number_key;
using downhaul_test::registrations;

namespace {

void expect_only_values(const dh::context& ctx) {
  EXPECT_EQ(ctx.deadline(), std::nullopt);
  EXPECT_FALSE(ctx.done()) << "nil";
  EXPECT_EQ(ctx.err(), std::error_code{});
  EXPECT_EQ(ctx.cause(), nullptr);
  ASSERT_NE(ctx.value(number_key), nullptr);
  EXPECT_EQ(*ctx.value(number_key), 7);
}

TEST(CTX_130, has_the_values_and_nothing_else_whatever_the_parent_does) {
  by_hand time;
  const dh::context bound = dh::with_value(dh::background(), number_key, 7);
  auto [cancelled, cancel] = dh::with_cancel_cause(bound);
  auto [timed, cancel_timed] = dh::with_timeout_cause(bound, 1s, because("late"));
  const auto written = dh::make_context<downhaul_test::own_done>(bound);
  const dh::context cut[] = {dh::without_cancel(cancelled), dh::without_cancel(timed),
                             dh::without_cancel(written)};
  for (const dh::context& ctx : cut) expect_only_values(ctx);
  cancel(because("over"));
  time.pass(1s);
  written->end(canceled());
  EXPECT_TRUE(has_ended(cancelled, canceled()));
  EXPECT_TRUE(has_ended(timed, late()));
  for (const dh::context& ctx : cut) expect_only_values(ctx);
  for (const dh::context& ended : {cancelled, timed, dh::context{written}}) {
    expect_only_values(dh::without_cancel(ended));
  }
  EXPECT_EQ(*dh::with_value(cut[0], number_key, 8).value(number_key), 8);
}

TEST(CTX_131, a_child_below_it_is_cancelled_by_itself_alone) {
  auto [root, cancel] = dh::with_cancel(dh::background());
  const dh::context cut = dh::without_cancel(root);
  auto [child, cancel_child] = dh::with_cancel(cut);
  auto [grandchild, cancel_grandchild] = dh::with_cancel(child);
  auto [timed, cancel_timed] = dh::with_timeout(cut, 1h);
  cancel();
  for (const dh::context& ctx : {child, grandchild, timed}) EXPECT_TRUE(is_open(ctx));
  auto [late_child, cancel_late] = dh::with_cancel(cut);
  EXPECT_TRUE(is_open(late_child));
  cancel_child();
  EXPECT_TRUE(has_ended(child, canceled()));
  EXPECT_TRUE(has_ended(grandchild, canceled()));
  EXPECT_TRUE(is_open(timed));
}

TEST(CTX_132, nothing_above_it_is_linked_to) {
  auto [root, cancel] = dh::with_cancel(dh::background());
  const dh::context cut = dh::without_cancel(dh::with_value(root, number_key, 1));
  const dh::context layers[] = {cut, dh::with_value(cut, number_key, 2),
                                dh::make_context<downhaul_test::wrapper>(cut)};
  for (const dh::context& layer : layers) {
    auto [child, cancel_child] = dh::with_cancel(layer);
    auto [timed, cancel_timed] = dh::with_timeout(layer, 1h);
    const dh::registration r = dh::after_func(layer, [] { ADD_FAILURE(); });
    EXPECT_EQ(registrations(root), 0u);
    EXPECT_TRUE(r.stop());
  }
}

// Hands out the done of a context that is above the cut.
struct reaches_over : dh::context_base {
  reaches_over(const dh::context& cut, dh::context above)
      : context_base{cut}, above_the_cut{std::move(above)} {}
  dh::recv_chan<void> done() const override { return above_the_cut.done(); }
  std::error_code err() const override { return above_the_cut.err(); }
  dh::context above_the_cut;
};

TEST(CTX_132, not_even_by_one_that_reaches_over_the_cut) {
  auto [root, cancel] = dh::with_cancel_cause(dh::background());
  const auto ctx = dh::make_context<reaches_over>(dh::without_cancel(root), root);
  auto [child, cancel_child] = dh::with_cancel(ctx);
  cancel(because("above"));
  child.done().recv();
  EXPECT_EQ(child.err(), canceled());
  EXPECT_EQ(downhaul_test::cause_of(child), "canceled")
      << "its own err: the cause is beyond the cut";
}

}  // namespace
