// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// downhaul/clock.hpp — the time that waits are measured in.
//
// Idea       Every timer, deadline and sleep asks one clock what time it is and to be called when
//            it is due. There is the real one, the system's steady clock, and there are clocks
//            advanced by hand (testing/manual_clock.hpp). A runtime names the clock of what runs in
//            it; plain threads use the real one. A timer stays with the clock of its maker.
// Ownership  A clock outlives what is armed on it. The real one is never destroyed.
// Threads    Every member may be called from anywhere.
// Cost       now(): 24 ns on the real clock.
// Source     std::chrono::steady_clock, which the real clock is.
#pragma once

#include <cstddef>
#include <cstdint>

#include "downhaul/impl/duration.hpp"

namespace downhaul {

namespace impl {
struct clock_state;
struct timer_entry;
struct keeper;
}  // namespace impl

class clock {
 public:
  clock(const clock&) = delete;
  clock& operator=(const clock&) = delete;

  /// The steady clock of the system.
  static clock& real() noexcept;

  time_point now() const noexcept { return impl::to_time_point(now_ns()); }

  // The rest is for the library itself: see time/timer_entry.hpp in its sources.

  std::int64_t now_ns() const noexcept;
  bool is_real() const noexcept { return is_real_; }
  /// Calls `e` at `when` (ns; INT64_MAX: never). `e` is not armed. To be called outside all locks:
  /// it may wake whoever sleeps too long; on a manual clock it fires at once what is due already.
  void arm(impl::timer_entry& e, std::int64_t when) noexcept;
  /// arm without that: under other locks, of lower rank. True: attend(when) is to be called later.
  [[nodiscard]] bool arm_quietly(impl::timer_entry& e, std::int64_t when) noexcept;
  void attend(std::int64_t when) noexcept;
  /// Whether `e` was still armed. If not, it has fired, or is about to where try_ref said so.
  bool disarm(impl::timer_entry& e) noexcept;

  /// When to call serve next: never later than the first due time; INT64_MAX when nothing is armed,
  /// and always for a manual clock, which needs no serving.
  std::int64_t next_deadline() const noexcept;
  /// Fires what is due at `now`, in order; returns next_deadline(). Outside all locks.
  std::int64_t serve(std::int64_t now) noexcept;
  /// Returns when no firing by another thread is under way: what it held is released. For tests.
  void settle() const noexcept;
  /// How many entries are armed.
  std::size_t pending() noexcept;

  /// Undertakes to call serve at `k.wake_at`, which is set to the next deadline, or earlier when
  /// kicked; `k.wake_at` is brought forward then. False: somebody does already.
  bool try_keep(impl::keeper& k) noexcept;
  /// Ends that, if `k` keeps. It should serve what is due now; the watch looks after the rest.
  void stop_keeping(impl::keeper& k) noexcept;
  /// So many more, or fewer, running workers call serve when next_deadline() has passed.
  void attach_workers(int n) noexcept;
  void detach_workers(int n) noexcept;

 protected:
  struct manual_start {
    std::int64_t ns;
  };
  explicit clock(manual_start start);
  /// Aborts if something is still armed.
  ~clock();
  /// Manual: lets time pass up to `target`, firing what is due on the way, each at its instant.
  void pass_until(std::int64_t target) noexcept;
  std::int64_t earliest() const noexcept;

 private:
  friend struct impl::clock_state;
  clock();  // the real one

  const bool is_real_;
  impl::clock_state* const state_;
};

/// The time now, on the clock of the runtime that the caller runs in.
time_point now() noexcept;

}  // namespace downhaul
