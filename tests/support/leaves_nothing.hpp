// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// support/leaves_nothing.hpp — a fixture: no context, goroutine or timer is left after the test.
//
// Idea       class context_cancel : public downhaul_test::leaves_nothing {};  TEST_F(context_cancel, …)
//            A goroutine that has said its last word may need a moment to end, and so may a firing:
//            TearDown waits for those, ctest kills the test if they never end.
// Threads    the test's own.
#pragma once

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <exception>
#include <stdexcept>
#include <string>

#include "downhaul/clock.hpp"
#include "downhaul/context.hpp"
#include "support/parked.hpp"
#include "wait/thread_record.hpp"

namespace downhaul_test {

class leaves_nothing : public testing::Test {
 protected:
  void SetUp() override {
    contexts_ = downhaul::count_contexts();
    timers_ = downhaul::clock::real().pending();
  }
  void TearDown() override {
    await_nothing_under_way();
    EXPECT_EQ(downhaul::count_contexts(), contexts_) << "contexts left behind";
    EXPECT_EQ(downhaul::clock::real().pending(), timers_) << "deadlines left behind";
  }

 private:
  std::int64_t contexts_ = 0;
  std::size_t timers_ = 0;
};

/// The type and text of an exception_ptr, as in "runtime_error: x"; empty for null.
inline std::string text_of(const std::exception_ptr& e) {
  if (e == nullptr) return {};
  try {
    std::rethrow_exception(e);
  } catch (const downhaul::context_error& error) {
    return "context_error: " + error.code().message();
  } catch (const std::runtime_error& error) {
    return std::string{"runtime_error: "} + error.what();
  } catch (...) {
    return "something else";
  }
}

}  // namespace downhaul_test
