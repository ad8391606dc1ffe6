// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// Who hangs on whom, for how long, and what it costs.

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "context/inspect.hpp"
#include "downhaul/after_func.hpp"
#include "downhaul/context.hpp"
#include "downhaul/go.hpp"
#include "support/allocations.hpp"
#include "support/crew.hpp"
#include "support/leaves_nothing.hpp"

namespace {

namespace dh = downhaul;
using namespace std::chrono_literals;
using dh::impl::registrations;
using downhaul_test::allocations;

class context_links : public downhaul_test::leaves_nothing {};
class context_cost : public downhaul_test::leaves_nothing {};

inline constexpr dh::key<int> number_key{"number"};

TEST_F(context_links, one_for_each_child_and_callback_on_the_nearest_that_can_end) {
  auto [root, cancel] = dh::with_cancel(dh::background());
  auto [child, cancel_child] = dh::with_cancel(root);
  const dh::context value = dh::with_value(root, number_key, 1);
  auto [timed, cancel_timed] = dh::with_timeout(value, 1h);
  const dh::registration callback = dh::after_func(root, [] {});
  EXPECT_EQ(registrations(root), 3u);
  EXPECT_EQ(registrations(value), 3u);  // the same done
  cancel();
  EXPECT_EQ(registrations(root), 0u);
}

TEST_F(context_links, go_when_what_they_serve_has_ended) {
  auto [root, cancel] = dh::with_cancel(dh::background());
  {
    auto [child, cancel_child] = dh::with_cancel(root);
    EXPECT_EQ(registrations(root), 1u);
    cancel_child();
    EXPECT_EQ(registrations(root), 0u);
  }
  {
    auto [child, cancel_child] = dh::with_timeout(root, 1h);
    EXPECT_EQ(registrations(root), 1u);
    EXPECT_EQ(dh::clock::real().pending(), 1u);
    cancel_child();
    EXPECT_EQ(registrations(root), 0u);
    EXPECT_EQ(dh::clock::real().pending(), 0u);
  }
  {
    const dh::registration r = dh::after_func(root, [] {});
    EXPECT_EQ(registrations(root), 1u);
    EXPECT_TRUE(r.stop());
    EXPECT_EQ(registrations(root), 0u);
  }
  {
    auto [child, cancel_child] = dh::with_timeout(root, 1ms);
    child.done().recv();
    downhaul_test::wait_until([&] { return registrations(root) == 0; });
  }
  {
    auto [other, cancel_other] = dh::with_cancel(dh::background());
    auto [merged, cancel_merged] = dh::merge(root, other);
    EXPECT_EQ(registrations(root), 1u);
    EXPECT_EQ(registrations(other), 1u);
    cancel_other();
    EXPECT_EQ(registrations(root), 0u);
  }
}

TEST_F(context_links, a_parents_cancel_disarms_the_deadlines_below) {
  auto [root, cancel] = dh::with_cancel(dh::background());
  auto [child, cancel_child] = dh::with_timeout(root, 1h);
  EXPECT_EQ(dh::clock::real().pending(), 1u);
  cancel();
  EXPECT_EQ(dh::clock::real().pending(), 0u);
}

TEST_F(context_links, a_child_dropped_open_unlinks_itself_and_is_not_cancelled) {
  auto [root, cancel] = dh::with_cancel(dh::background());
  {
    auto [child, cancel_child] = dh::with_timeout(root, 1h);
    cancel_child.detach();
    const dh::context value = dh::with_value(child, number_key, 1);
    EXPECT_FALSE(value.err());
  }
  EXPECT_EQ(registrations(root), 0u);
  EXPECT_EQ(dh::clock::real().pending(), 0u);
  EXPECT_EQ(dh::count_contexts(), 1);
}

TEST_F(context_links, dropping_open_children_races_with_the_parents_cancel) {
  for (int i = 0; i < downhaul_test::rounds(300); ++i) {
    std::optional<dh::cancelable> root = dh::with_cancel(dh::background());
    std::vector<dh::context> children;
    for (int n = 0; n < 20; ++n) {
      auto made = n % 2 == 0 ? dh::with_cancel(root->ctx) : dh::with_timeout(root->ctx, 1h);
      made.cancel.detach();
      children.push_back(std::move(made.ctx));
    }
    std::thread dropper{[&] { children.clear(); }};
    root->cancel();
    dropper.join();
    EXPECT_EQ(registrations(root->ctx), 0u);
  }
}

TEST_F(context_links, a_long_life_with_many_short_children_leaves_no_trace) {
  auto [root, cancel] = dh::with_cancel(dh::background());
  for (int i = 0; i < downhaul_test::rounds(1'000'000); ++i) {
    auto [child, cancel_child] = dh::with_cancel(root);
  }
  EXPECT_EQ(registrations(root), 0u);
  EXPECT_EQ(dh::count_contexts(), 1);
}

// --- allocations: the ceiling of each operation is what it takes ---

template <class F>
long allocated(F f) {
  const long before = allocations();
  f();
  return allocations() - before;
}

TEST_F(context_cost, allocations_are_counted_and_few) {
  auto [root, cancel_root] = dh::with_cancel(dh::background());
  const dh::context& parent = root;
  {  // first uses
    auto [c, cancel] = dh::with_timeout(parent, 1h);
    const dh::registration r = dh::after_func(parent, [] {});
  }
  EXPECT_EQ(allocated([] {
              const dh::context a = dh::background();
              const dh::context b = dh::todo();
              const dh::context c = b;
              static_cast<void>(a.err());
            }),
            0);
  // At most: the thread keeps a few blocks.
  EXPECT_LE(allocated([&] {
              auto [c, cancel] = dh::with_cancel(parent);
              cancel();
              c.done().recv();
            }),
            1);
  EXPECT_LE(allocated([&] {
              auto [c, cancel] = dh::with_timeout(parent, 1h);
              cancel();
            }),
            1);
  EXPECT_EQ(allocated([&] { static_cast<void>(dh::with_value(parent, number_key, 1)); }), 1);
  const dh::context value = dh::with_value(parent, number_key, 1);
  EXPECT_EQ(allocated([&] { static_cast<void>(value.value(number_key)); }), 0);
  EXPECT_EQ(allocated([&] { static_cast<void>(dh::without_cancel(parent)); }), 1);
  EXPECT_LE(allocated([&] { dh::after_func(dh::inplace, parent, []() noexcept {}).stop(); }), 1);
  EXPECT_LE(allocated([&] { dh::after_func(parent, [] {}).stop(); }), 1);
}

TEST_F(context_cost, cancelling_allocates_nothing) {
  auto root = dh::with_cancel(dh::background());
  std::vector<dh::cancelable> children;
  for (int i = 0; i < 3'000; ++i) {
    children.push_back(i % 3 == 0 ? dh::with_timeout(root.ctx, 1h) : dh::with_cancel(root.ctx));
  }
  auto [merged, cancel_merged] = dh::merge(root.ctx, children.front().ctx);
  auto [grace, cancel_grace] = dh::with_grace(root.ctx, 1h);
  int ran = 0;
  std::atomic<int> ran_elsewhere{0};
  const dh::registration here = dh::after_func(dh::inplace, root.ctx, [&]() noexcept { ++ran; });
  const dh::registration there = dh::after_func(root.ctx, [&] { ++ran_elsewhere; });
  EXPECT_EQ(allocated([&] { root.cancel(); }), 0);
  EXPECT_EQ(ran, 1);
  EXPECT_TRUE(merged.err());
  EXPECT_FALSE(grace.err());
  downhaul_test::wait_until([&] { return ran_elsewhere == 1; });
}

}  // namespace
