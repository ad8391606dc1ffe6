// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// stress/length.hpp — how long a stress test goes on, and tasks that start at once.
//
// Idea       DOWNHAUL_STRESS_SECONDS=3600 lets a program run for an hour, shared by its tests; without
//            it a test takes about a second, or as long as its rounds. run_on(workers, f) runs f on a
//            runtime and waits for all that f started.
// Ownership  none.
// Threads    any.
// Cost       a reading of the real clock for each question.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <random>
#include <thread>
#include <utility>

#include "downhaul/runtime.hpp"
#include "downhaul/wait_group.hpp"
#include "support/crew.hpp"
#include "support/seed.hpp"

namespace downhaul_test {

/// The seconds asked for; 0 when nothing was.
inline double stress_seconds() {
  const char* given = std::getenv("DOWNHAUL_STRESS_SECONDS");
  return given == nullptr ? 0 : std::strtod(given, nullptr);
}

/// When a test is to end: after `usual` seconds, or after `part` of its share of those asked for.
class deadline_of_test {
 public:
  explicit deadline_of_test(double usual = 1, double part = 1)
      : end_{std::chrono::steady_clock::now() +
             std::chrono::duration_cast<std::chrono::steady_clock::duration>(
                 std::chrono::duration<double>{stress_seconds() > 0 ? share() * part : usual})} {}
  bool over() const { return std::chrono::steady_clock::now() >= end_; }

 private:
  static double share() {
    return stress_seconds() / testing::UnitTest::GetInstance()->test_to_run_count();
  }

  const std::chrono::steady_clock::time_point end_;
};

/// Calls f(i) `n` times, fewer under a sanitizer; more often where a length was asked for.
template <class F>
void for_rounds(int n, F f) {
  const deadline_of_test end;
  const bool timed = stress_seconds() > 0;
  for (int i = 0; i < rounds(n) || (timed && !end.over()); ++i) f(i);
}

/// A random source of its own for each task of a test.
inline std::mt19937_64 random_source(std::uint64_t task) {
  return std::mt19937_64{seed() * 0x9E37'79B9'7F4A'7C15U + task};
}

/// Runs f on a runtime of so many workers; returns when all goroutines have ended, everywhere.
template <class F>
void run_on(int workers, F f, downhaul::clock* clock = nullptr) {
  downhaul::runtime on{downhaul::runtime_options{.workers = workers, .clock = clock}};
  on.run(f);
  while (downhaul::count_goroutines() != 0) std::this_thread::yield();
}

/// Where tasks wait for each other, so that they go on at the same time.
class gate {
 public:
  explicit gate(int tasks) : missing_{tasks} {}
  /// Spins for some microseconds, the time in which an idle worker takes one of the others; then gives
  /// way, for with one worker nobody else will.
  void pass() {
    --missing_;
    for (int spins = 0; missing_ > 0; ++spins) {
      if (spins > 2000) downhaul::yield();
    }
  }

 private:
  std::atomic<int> missing_;
};

/// Runs all of these at the same time, each in a goroutine of its own; returns when all have ended. Who
/// goes first is different each time, with one worker too.
template <class... F>
void together(F&&... f) {
  static std::atomic<std::uint64_t> rounds_so_far{seed()};
  std::uint64_t dice = rounds_so_far++ * 0x9E37'79B9'7F4A'7C15U;
  gate start{sizeof...(F)};
  downhaul::wait_group all;
  const auto spawn = [&](auto& one) {
    const int later = static_cast<int>(dice >> 61U) % 3;
    dice *= 0x9E37'79B9'7F4A'7C15U;
    all.go([&start, &one, later] {
      start.pass();
      for (int i = 0; i < later; ++i) downhaul::yield();
      one();
    });
  };
  (spawn(f), ...);
  all.wait();
}

}  // namespace downhaul_test
