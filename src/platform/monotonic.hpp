// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// Idea       the kernel's monotonic clock in nanoseconds; what deadlines of sleeping threads are in.
// Threads    any.
// Cost       steady_now_ns 24 ns; coarse_now_ns 5 ns, but up to one kernel tick (1 to 10 ms) old.

#pragma once

#include <cstdint>
#include <ctime>

namespace downhaul::impl {

inline std::int64_t clock_ns(clockid_t clock) noexcept {
  timespec now{};
  ::clock_gettime(clock, &now);
  return static_cast<std::int64_t>(now.tv_sec) * 1'000'000'000 + now.tv_nsec;
}

/// The time futex_wait_until and std::chrono::steady_clock count in.
inline std::int64_t steady_now_ns() noexcept { return clock_ns(CLOCK_MONOTONIC); }
/// Never ahead of steady_now_ns.
inline std::int64_t coarse_now_ns() noexcept { return clock_ns(CLOCK_MONOTONIC_COARSE); }

}  // namespace downhaul::impl
