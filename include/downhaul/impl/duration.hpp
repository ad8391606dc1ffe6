// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// impl/duration.hpp (room: time) — the units inside: nanoseconds, saturated.
//
// Idea       Users write any std::chrono duration; inside there is one unit, a signed count of
//            nanoseconds, and the largest count means "never". Nothing wraps.
// Rounding   Integers finer than a nanosecond round up (never early), floating point to nearest.
// Cost       The common periods are one multiplication; constants fold away.
#pragma once

#include <chrono>
#include <cstdint>
#include <limits>
#include <ratio>
#include <type_traits>

namespace downhaul {

/// Points in time of every wait: the steady clock, or the virtual one that stands in for it.
using time_point = std::chrono::time_point<std::chrono::steady_clock, std::chrono::nanoseconds>;
using duration = std::chrono::nanoseconds;

}  // namespace downhaul

namespace downhaul::impl {

inline constexpr std::int64_t never = std::numeric_limits<std::int64_t>::max();
inline constexpr std::int64_t always = std::numeric_limits<std::int64_t>::min();

/// a + b, saturated.
constexpr std::int64_t add_saturated(std::int64_t a, std::int64_t b) noexcept {
  std::int64_t sum = 0;
  if (!__builtin_add_overflow(a, b, &sum)) return sum;
  return b > 0 ? never : always;
}

/// When something due `delay` after `now` is due: never stays never, whatever `now` is.
constexpr std::int64_t due_after(std::int64_t now, std::int64_t delay) noexcept {
  return delay == never ? never : add_saturated(now, delay);
}

/// a - b, saturated.
constexpr std::int64_t subtract_saturated(std::int64_t a, std::int64_t b) noexcept {
  std::int64_t difference = 0;
  if (!__builtin_sub_overflow(a, b, &difference)) return difference;
  return b < 0 ? never : always;
}

template <class Rep>
constexpr std::int64_t saturated_from_float(Rep ns) noexcept {
  constexpr Rep limit = static_cast<Rep>(9223372036854775808.0);  // 2^63, exact in each type
  if (ns >= limit) return never;
  if (ns < -limit) return always;
  if (!(ns == ns)) return 0;  // not a number: at once, which is seen, rather than never
  const Rep half = static_cast<Rep>(ns < 0 ? -0.5 : 0.5);
  const Rep rounded = ns + half;
  return rounded >= limit ? never : static_cast<std::int64_t>(rounded);
}

/// The duration in nanoseconds: too long is `never`, too short is `always`.
template <class Rep, class Period>
constexpr std::int64_t to_ns(std::chrono::duration<Rep, Period> d) noexcept {
  constexpr std::int64_t second = 1'000'000'000;
  if constexpr (std::chrono::treat_as_floating_point_v<Rep>) {
    using wide = std::common_type_t<Rep, double>;
    return saturated_from_float(static_cast<wide>(d.count()) *
                                (static_cast<wide>(Period::num) * static_cast<wide>(second) /
                                 static_cast<wide>(Period::den)));
  } else if constexpr (second % Period::den == 0 && Period::num <= never / (second / Period::den)) {
    std::int64_t ns = 0;
    constexpr std::int64_t factor = Period::num * (second / Period::den);
    if (!__builtin_mul_overflow(d.count(), factor, &ns)) return ns;
    return d.count() < Rep{} ? always : never;
  } else {
    __extension__ using wide = __int128;
    const wide count = static_cast<wide>(d.count()) * Period::num;  // both below 2^64
    const wide whole = count / Period::den;
    if (whole > never / second) return never;
    if (whole < always / second) return always;
    const wide rest = (count % Period::den) * second;
    wide ns = whole * second + rest / Period::den;
    if (rest % Period::den > 0) ++ns;  // up: never early
    return ns > never ? never : static_cast<std::int64_t>(ns);
  }
}

/// A point on the steady clock, in nanoseconds since its epoch.
template <class Duration>
constexpr std::int64_t to_ns(
    std::chrono::time_point<std::chrono::steady_clock, Duration> t) noexcept {
  return to_ns(t.time_since_epoch());
}

constexpr time_point to_time_point(std::int64_t ns) noexcept {
  return time_point{std::chrono::nanoseconds{ns}};
}

}  // namespace downhaul::impl
