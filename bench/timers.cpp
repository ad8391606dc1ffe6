// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// Timers: the loops of bench/rivals/go/timers.go. A million pending timers and lateness are in
// clocks.cpp.
#include <chrono>

#include "scenario.hpp"

namespace dh = downhaul;
using namespace std::chrono_literals;

namespace {

int register_all() {
  using bench::scenario;

  scenario("timer_new_stop", "NewTimer 1h", [](std::int64_t n) {
    for (std::int64_t i = 0; i < n; ++i) {
      dh::timer t{1h};
      t.stop();
    }
  });
  scenario("timer_new_stop", "AfterFunc 1h", [](std::int64_t n) {
    for (std::int64_t i = 0; i < n; ++i) {
      dh::timer t{1h, [] {}};
      t.stop();
    }
  });
  scenario("timer_reset", "AfterFunc, live", [](std::int64_t n) {
    dh::timer t{1h, [] {}};
    for (std::int64_t i = 0; i < n; ++i) t.reset(1h + std::chrono::nanoseconds{i});
    t.stop();
  });
  scenario("timer_new_stop_2thr", "AfterFunc 1h", [](std::int64_t n) {
    dh::wait_group wg;
    for (int g = 0; g < 2; ++g) {
      wg.go([n] {
        for (std::int64_t i = 0; i < n / 2; ++i) {
          dh::timer t{1h, [] {}};
          t.stop();
        }
      });
    }
    wg.wait();
  });
  return 0;
}

[[maybe_unused]] const int registered = register_all();

}  // namespace
