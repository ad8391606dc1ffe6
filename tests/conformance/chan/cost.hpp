// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// What an operation costs when many others wait beside it: not more, up to the processor's caches.
#pragma once

#include <algorithm>
#include <cstddef>
#include <ctime>
#include <vector>

#include "downhaul/chan.hpp"
#include "downhaul/go.hpp"
#include "downhaul/select.hpp"
#include "support/test_runtime.hpp"

namespace downhaul_test {

/// CPU time of this process so far, in nanoseconds: others on the machine do not count.
inline double cpu_ns() {
  timespec t{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) * 1e9 + static_cast<double>(t.tv_nsec);
}

/// A walk over a queue of 8,192 costs some hundred times what one over 64 does; caches explain some
/// times. The bound lies between.
inline constexpr int few_waiters = 64;
inline constexpr int many_waiters = 8192;
inline constexpr double most_growth = 16;

/// The least of some measurements: what disturbs only adds.
template <class Measure>
double least_of(Measure measure) {
  double least = measure();
  for (int i = 1; i < 3; ++i) least = std::min(least, measure());
  return least;
}

/// CPU time of waking one of n selects, all of which wait on one channel and each on another of its
/// own, from the middle of the line on the first: it leaves the line and joins it anew.
inline double cost_of_leaving_a_line(int n) {
  test_runtime rt{1};
  auto line = downhaul::make_chan<int>();
  std::vector<downhaul::chan<int>> own(static_cast<std::size_t>(n));
  for (auto& ch : own) {
    ch = downhaul::make_chan<int>();
    rt.go([=] {
      while (downhaul::select(downhaul::recv(line), downhaul::recv(ch)) == 1) {
      }
    });
  }
  rt.run_until_parked();
  constexpr std::size_t operations = 2000;
  const double spent = rt.run([&] {
    const double begin = cpu_ns();
    for (std::size_t i = 0; i < operations; ++i) {
      const auto& ch = own[(own.size() / 2 + i) % own.size()];
      // Refused where the one woken last time has not come back yet: a worker that is kept from its
      // processor for long gets a deputy.
      while (!ch.try_send(0)) downhaul::yield();
      downhaul::yield();
    }
    return cpu_ns() - begin;
  });
  line.close();
  return spent / operations;
}

}  // namespace downhaul_test
