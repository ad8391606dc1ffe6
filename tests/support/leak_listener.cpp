// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// Linked with a test program, this makes each of its tests fail that leaves a goroutine, a context or
// a timer of the real clock: what leaves_nothing.hpp checks for one fixture. A goroutine that has said
// its last word may need a moment to end, and so may a firing: the check waits for those, and ctest
// kills the program if they never end.

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>

#include "downhaul/clock.hpp"
#include "downhaul/context.hpp"
#include "support/parked.hpp"

namespace {

class leak_listener final : public testing::EmptyTestEventListener {
  void OnTestStart(const testing::TestInfo&) override {
    contexts_ = downhaul::count_contexts();
    timers_ = downhaul::clock::real().pending();
  }
  void OnTestEnd(const testing::TestInfo&) override {
    downhaul_test::await_nothing_under_way();
    EXPECT_EQ(downhaul::count_contexts(), contexts_) << "contexts left behind";
    EXPECT_EQ(downhaul::clock::real().pending(), timers_) << "timers left behind";
  }

  std::int64_t contexts_ = 0;
  std::size_t timers_ = 0;
};

[[maybe_unused]] const bool appended = [] {
  testing::UnitTest::GetInstance()->listeners().Append(new leak_listener);
  return true;
}();

}  // namespace
