// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// manual_time.hpp — a test's own time, moved by hand, on which nothing may be left.
//
// Idea       manual_time time;  dh::timer t{1h};  time.advance(1h);  — for the test's own thread.
// Ownership  Make it first in the test: what the test makes afterwards is gone when it looks.
// Threads    advance from anywhere; the rest from the test's own.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <string>

#include "downhaul/clock.hpp"
#include "downhaul/error.hpp"
#include "downhaul/testing/manual_clock.hpp"
#include "support/test_runtime.hpp"

namespace downhaul_test {

class manual_time {
 public:
  manual_time() = default;
  manual_time(const manual_time&) = delete;
  manual_time& operator=(const manual_time&) = delete;
  ~manual_time() {
    EXPECT_EQ(hands_.pending(), 0u) << "something is armed still";
    EXPECT_EQ(alive(), before_) << "timers left behind";
  }

  template <class Rep, class Period>
  void advance(std::chrono::duration<Rep, Period> d) {
    hands_.advance(d);
  }
  downhaul::time_point start() const { return start_; }
  std::size_t pending() { return hands_.pending(); }
  /// Timers and tickers in memory, armed or not, made since the test began.
  std::int64_t timers() const { return alive() - before_; }
  downhaul::manual_clock& hands() { return hands_; }

 private:
  static std::int64_t alive() { return downhaul::impl::total(downhaul::impl::tally::timers); }

  const std::int64_t before_ = alive();
  downhaul::manual_clock hands_;
  const downhaul::use_clock here_{hands_};
  const downhaul::time_point start_ = hands_.now();
};

/// What f throws as misuse, or "no misuse".
template <class F>
std::string misuse_of(F&& f) {
  try {
    f();
  } catch (const downhaul::misuse& e) {
    return e.what();
  }
  return "no misuse";
}

}  // namespace downhaul_test
