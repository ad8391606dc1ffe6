// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
#include "downhaul/defer.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <stdexcept>
#include <type_traits>
#include <vector>

namespace {

namespace dh = downhaul;

using any_defer = dh::defer<void (*)()>;
static_assert(!std::is_copy_constructible_v<any_defer>);
static_assert(!std::is_move_constructible_v<any_defer>);

TEST(defer, runs_at_the_end_of_the_scope_the_last_one_first) {
  std::vector<int> order;
  {
    dh::defer one{[&] { order.push_back(1); }};
    dh::defer two{[&, only = std::make_unique<int>(2)] { order.push_back(*only); }};
    order.push_back(0);
  }
  EXPECT_EQ(order, (std::vector{0, 2, 1}));
}

TEST(defer, runs_while_an_exception_passes) {
  bool ran = false;
  EXPECT_THROW(
      {
        dh::defer end{[&] { ran = true; }};
        throw std::runtime_error{"out"};
      },
      std::runtime_error);
  EXPECT_TRUE(ran);
}

TEST(defer, may_throw_on_the_ordinary_way_out) {
  const auto leave = [] { dh::defer end{[] { throw std::runtime_error{"late"}; }}; };
  EXPECT_THROW(leave(), std::runtime_error);
}

}  // namespace
