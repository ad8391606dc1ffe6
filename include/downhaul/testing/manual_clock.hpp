// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// downhaul/testing/manual_clock.hpp — a clock that stands still until it is told to go on.
//
// Idea       A test advances time by hand: what is due on the way fires in order, each at its exact
//            instant, in the calling thread. Give it to a runtime, or to this thread by use_clock.
//              manual_clock hands;  use_clock here{hands};  timer t{1h};  hands.advance(1h);
// Ownership  The clock outlives all timers, deadlines and sleeps made on it; it aborts otherwise.
// Threads    Every member may be called from anywhere. What a firing wakes runs when it gets to run:
//            advance does not wait for it.
// Cost       As the real clock, without the system call.
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>

#include "downhaul/clock.hpp"

namespace downhaul {

class manual_clock : public clock {
 public:
  /// Begins at an arbitrary time, the same in every run.
  manual_clock() : manual_clock{time_point{std::chrono::hours{24 * 365}}} {}
  explicit manual_clock(time_point start) : clock{manual_start{impl::to_ns(start)}} {}
  ~manual_clock() = default;

  /// Lets `d` pass; nothing if it is negative.
  template <class Rep, class Period>
  void advance(std::chrono::duration<Rep, Period> d) {
    advance_ns(impl::to_ns(d));
  }
  /// Lets time pass until `t`; fires what is due by then.
  void advance_to(time_point t) { pass_until(impl::to_ns(t)); }
  /// Advances to the first thing due. False if there is none.
  bool advance_to_next();

  /// When the first thing is due; may be early where something was stopped. Empty: nothing is.
  std::optional<time_point> next() const noexcept;
  /// How many timers, deadlines and sleeps are armed.
  std::size_t pending() noexcept { return clock::pending(); }

 private:
  void advance_ns(std::int64_t ns);
};

/// While it lives, this clock is the one of the calling plain thread. Not for goroutines, whose
/// runtime names their clock.
class [[nodiscard]] use_clock {
 public:
  explicit use_clock(clock& c) noexcept;
  use_clock(const use_clock&) = delete;
  use_clock& operator=(const use_clock&) = delete;
  ~use_clock();

 private:
  clock* const before_;
};

}  // namespace downhaul
