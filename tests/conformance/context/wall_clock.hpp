// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// conformance/context/wall_clock.hpp — a wall clock that a test sets back and forth for its own process.
//
// Idea       The program's clock_gettime stands before the C library's and adds the shift to
//            CLOCK_REALTIME. Not where a sanitizer has taken that place.
// Ownership  The end of a wall_clock puts it right again.
// Threads    one test at a time.
#pragma once

#include <chrono>

namespace downhaul_test {

class wall_clock {
 public:
  wall_clock() = default;
  wall_clock(const wall_clock&) = delete;
  wall_clock& operator=(const wall_clock&) = delete;
  ~wall_clock();

  /// Sets it forward, or back. False: it cannot be done here.
  bool shift(std::chrono::seconds by) const;
};

}  // namespace downhaul_test
