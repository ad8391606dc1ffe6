// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// support/parked.hpp — wait until goroutines rest where a test wants them.
//
// Idea       no sleep: looks at the list of goroutines until enough of them wait for the reason
//            given. A test that hangs here is ended by ctest.
// Ownership  none.
// Threads    from plain threads and goroutines.
// Cost       a list of goroutines for each look.
#pragma once

#include <cstddef>
#include <string_view>
#include <thread>

#include "downhaul/clock.hpp"
#include "downhaul/go.hpp"
#include "downhaul/runtime.hpp"

namespace downhaul_test {

/// How many goroutines wait for `reason` ("chan receive", "sync.Mutex.Lock", …) now.
inline std::size_t parked(std::string_view reason) {
  std::size_t n = 0;
  for (const downhaul::goroutine_info& g : downhaul::list_goroutines()) {
    if (g.doing == downhaul::goroutine_info::state::waiting && g.reason == reason) ++n;
  }
  return n;
}

/// Returns when at least `n` goroutines wait for whatever it be.
inline void await_parked(std::size_t n) {
  const auto waiting = [] {
    std::size_t found = 0;
    for (const downhaul::goroutine_info& g : downhaul::list_goroutines()) {
      if (g.doing == downhaul::goroutine_info::state::waiting) ++found;
    }
    return found;
  };
  while (waiting() < n) downhaul::yield();
}
/// Returns when at least `n` goroutines wait for `reason`.
inline void await_parked(std::string_view reason, std::size_t n) {
  while (parked(reason) < n) downhaul::yield();
}

/// Returns when no goroutine is left.
inline void await_no_goroutines() {
  while (downhaul::count_goroutines() != 0) downhaul::yield();
}
/// Returns when no goroutine is left and no timer of the real clock is firing. A goroutine may have
/// left a firing behind, and a firing that was the last to hold a context a goroutine.
inline void await_nothing_under_way() {
  do {
    await_no_goroutines();
    downhaul::clock::real().settle();
  } while (downhaul::count_goroutines() != 0);
}

}  // namespace downhaul_test
