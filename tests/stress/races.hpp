// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// stress/races.hpp — what the programs of races have in common.
//
// Idea       TEST_P(stress_races, …) { race([](int round) { together(…); EXPECT_…; }); }: ten thousand
//            rounds, with one worker and with four.
// Ownership  none.
// Threads    a round runs in a goroutine.
#pragma once

#include <gtest/gtest.h>

#include "stress/length.hpp"

namespace downhaul_test {

class stress_races : public testing::TestWithParam<int> {
 protected:
  /// `n` rounds on a runtime of its own; they end with the first failure.
  template <class F>
  static void race(F round) {
    constexpr int n = 10'000;
    int ran = 0;
    run_on(GetParam(), [&] {
      for_rounds(n, [&](int i) {
        if (HasFailure()) return;
        round(i);
        ++ran;
      });
    });
    EXPECT_GE(ran, rounds(n));
  }
};
INSTANTIATE_TEST_SUITE_P(workers, stress_races, testing::Values(1, 4),
                         testing::PrintToStringParamName());

}  // namespace downhaul_test
