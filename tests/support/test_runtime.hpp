// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// support/test_runtime.hpp — a runtime for one test, which leaves nothing behind.
//
// Idea       go() starts a goroutine in it; run_until_parked() returns when all its goroutines have
//            come to rest, told by the scheduler: no sleeping, no polling. The destructor fails the
//            test if a goroutine, a context or a timer is left.
// Ownership  Make it first in the test: what the test makes afterwards is gone when it looks.
// Threads    To be used from the test's own thread; go() also from goroutines.
// Cost       starts up to `workers` threads.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <utility>

#include "downhaul/clock.hpp"
#include "downhaul/runtime.hpp"
#include "sched/runtime_core.hpp"
#include "support/seed.hpp"
#include "wait/thread_record.hpp"

namespace downhaul_test {

class test_runtime {
 public:
  explicit test_runtime(int workers = 2, downhaul::clock* clock = nullptr)
      : test_runtime{downhaul::runtime_options{.workers = workers, .clock = clock}} {}
  explicit test_runtime(downhaul::runtime_options options)
      : before_{counts()}, runtime_{std::move(options)} {}
  test_runtime(const test_runtime&) = delete;
  test_runtime& operator=(const test_runtime&) = delete;
  ~test_runtime() {
    run_until_parked();
    downhaul::clock::real().settle();  // a firing may start a goroutine, here or in the default one
    run_until_parked();
    downhaul::impl::default_core().wait_until_quiet();
    EXPECT_EQ(runtime_.goroutines(), 0u) << "goroutines left behind:\n" << everybody();
    const alive now = counts();
    EXPECT_EQ(now.contexts, before_.contexts) << "contexts left behind";
    EXPECT_EQ(now.timers, before_.timers) << "timers left behind";
  }

  template <downhaul::impl::goroutine_body F>
  void go(F&& f, std::source_location where = std::source_location::current()) {
    runtime_.go(std::forward<F>(f), where);
  }
  template <downhaul::impl::goroutine_body F>
  void go(const downhaul::go_options& options, F&& f,
          std::source_location where = std::source_location::current()) {
    runtime_.go(options, std::forward<F>(f), where);
  }
  /// Runs f() in it, waits for it, returns its result or throws its exception.
  template <std::invocable F>
  decltype(auto) run(F&& f, std::source_location where = std::source_location::current()) {
    return runtime_.run(std::forward<F>(f), where);
  }
  /// Returns when every goroutine of this runtime waits for something or has ended.
  void run_until_parked() { runtime_.core()->wait_until_quiet(); }

  downhaul::runtime& get() noexcept { return runtime_; }
  /// Started and not ended.
  std::size_t goroutines() const { return runtime_.goroutines(); }

 private:
  struct alive {
    std::int64_t contexts;
    std::int64_t timers;
  };
  static alive counts() noexcept {
    using downhaul::impl::tally;
    downhaul::clock::real().settle();  // a firing under way holds its timer for a moment
    return {downhaul::impl::total(tally::contexts), downhaul::impl::total(tally::timers)};
  }
  static std::string everybody() {
    std::string text;
    for (const auto& g : downhaul::list_goroutines()) text += to_string(g) + '\n';
    return text;
  }

  const alive before_;
  downhaul::runtime runtime_;
};

}  // namespace downhaul_test
