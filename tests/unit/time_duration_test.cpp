// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors

#include "downhaul/impl/duration.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <limits>
#include <ratio>

namespace {

using namespace std::chrono_literals;
using downhaul::impl::add_saturated;
using downhaul::impl::always;
using downhaul::impl::due_after;
using downhaul::impl::never;
using downhaul::impl::subtract_saturated;
using downhaul::impl::to_ns;
using std::chrono::duration;

// Constant expressions: each line fails at compile time.
static_assert(to_ns(0s) == 0);
static_assert(to_ns(-3s) == -3'000'000'000);
static_assert(to_ns(0.5s) == 500'000'000);
static_assert(to_ns(1234.567s) == 1'234'567'000'000);
static_assert(to_ns(292h * 24 * 365) == 292 * 365 * 24 * INT64_C(3'600'000'000'000));

static_assert(to_ns(std::chrono::hours::max()) == never);
static_assert(to_ns(std::chrono::hours::min()) == always);
static_assert(to_ns(std::chrono::nanoseconds::max()) == never);
static_assert(to_ns(std::chrono::nanoseconds::min()) == always);
static_assert(to_ns(1e30s) == never);
static_assert(to_ns(-1e30s) == always);
static_assert(to_ns(std::chrono::years{293}) == never);
static_assert(to_ns(std::chrono::years{-293}) == always);
static_assert(to_ns(duration<std::uint64_t>{~std::uint64_t{0}}) == never);
static_assert(to_ns(std::chrono::steady_clock::time_point::max()) == never);

// Finer than a nanosecond, or no multiple of it: up, never early.
static_assert(to_ns(duration<std::int64_t, std::pico>{1}) == 1);
static_assert(to_ns(duration<std::int64_t, std::pico>{1'500}) == 2);
static_assert(to_ns(duration<int, std::ratio<1, 3>>{1}) == 333'333'334);
static_assert(to_ns(duration<int, std::ratio<1, 3>>{-1}) == -333'333'333);

static_assert(add_saturated(never, 1) == never);
static_assert(add_saturated(always, -1) == always);
static_assert(add_saturated(never, always) == -1);
static_assert(subtract_saturated(always, 1) == always);
static_assert(subtract_saturated(0, always) == never);
static_assert(due_after(-5, never) == never);
static_assert(due_after(never - 1, 5) == never);
static_assert(due_after(100, -300) == -200);

TEST(time_duration, takes_what_is_not_a_number_for_nothing) {
  EXPECT_EQ(to_ns(duration<double>{std::numeric_limits<double>::quiet_NaN()}), 0);
  EXPECT_EQ(to_ns(duration<double>{std::numeric_limits<double>::infinity()}), never);
  EXPECT_EQ(to_ns(duration<float>{-std::numeric_limits<float>::infinity()}), always);
}

TEST(time_duration, saturates_at_run_time_as_well) {
  for (const std::int64_t h : {INT64_C(2'562'048), std::numeric_limits<std::int64_t>::max()}) {
    EXPECT_EQ(to_ns(std::chrono::duration<std::int64_t, std::ratio<3600>>{h}), never);
    EXPECT_EQ(to_ns(std::chrono::duration<std::int64_t, std::ratio<3600>>{-h}), always);
  }
}

}  // namespace
