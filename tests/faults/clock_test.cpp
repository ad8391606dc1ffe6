// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// Clocks that jump, and times at the end of what can be counted. The clock of the library is
// CLOCK_MONOTONIC, which nobody can set: that is what makes it deaf to changes of the wall clock.

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <ctime>
#include <limits>
#include <optional>

#include "downhaul/after_func.hpp"
#include "downhaul/chan.hpp"
#include "downhaul/clock.hpp"
#include "downhaul/context.hpp"
#include "downhaul/select.hpp"
#include "downhaul/sleep.hpp"
#include "downhaul/testing/manual_clock.hpp"
#include "downhaul/ticker.hpp"
#include "downhaul/timer.hpp"
#include "support/crew.hpp"

namespace {

using namespace std::chrono_literals;
using namespace downhaul;
using hours_of_64_bits = std::chrono::duration<std::int64_t, std::ratio<3600>>;

constexpr auto never = hours_of_64_bits::max();

std::int64_t monotonic_ns() {
  timespec t{};
  ::clock_gettime(CLOCK_MONOTONIC, &t);
  return std::int64_t{t.tv_sec} * 1'000'000'000 + t.tv_nsec;
}

TEST(clock_jump, the_real_clock_is_the_monotonic_one) {
  for (int i = 0; i < 1000; ++i) {
    const std::int64_t before = monotonic_ns();
    const std::int64_t shown = now().time_since_epoch().count();
    EXPECT_LE(before, shown);
    EXPECT_LE(shown, monotonic_ns());
  }
}

TEST(clock_jump, everything_due_on_the_way_fires_at_its_instant) {
  manual_clock hands;
  const use_clock here{hands};
  const time_point start = now();
  const timer soon{1s};
  const timer late{hours_of_64_bits{24 * 365 * 100}};
  const auto deadline = with_timeout(background(), 24h * 365 * 50);
  hands.advance(24h * 365 * 200);
  EXPECT_EQ(soon.chan().try_recv(), start + 1s);
  EXPECT_EQ(late.chan().try_recv(), start + 24h * 365 * 100);
  EXPECT_EQ(deadline.ctx.err(), errc::deadline_exceeded);
  EXPECT_EQ(hands.pending(), 0u);
}

TEST(clock_jump, a_time_that_cannot_be_counted_never_comes) {
  manual_clock hands;
  const use_clock here{hands};
  const timer t{never};
  const auto channel = after(never);
  const auto c = with_timeout(background(), never);
  const auto d = with_deadline(background(), time_point::max());
  const auto g = with_grace(c.ctx, never);
  hands.advance(24h * 365 * 250);
  EXPECT_FALSE(t.chan().try_recv());
  EXPECT_FALSE(channel.try_recv());
  EXPECT_FALSE(c.ctx.err());
  EXPECT_FALSE(d.ctx.err());
  EXPECT_FALSE(g.ctx.err());
}

TEST(clock_jump, the_end_of_time_is_not_passed) {
  manual_clock hands{time_point{std::chrono::nanoseconds::max() - 10s}};
  const use_clock here{hands};
  const timer last{9s};
  const timer beyond{11s};
  const auto open = with_timeout(background(), 1h);
  hands.advance(9s);
  EXPECT_TRUE(last.chan().try_recv());
  hands.advance(never);
  EXPECT_EQ(now(), time_point::max());
  EXPECT_FALSE(beyond.chan().try_recv()) << "due at the largest count, which is never";
  EXPECT_FALSE(open.ctx.err());
  hands.advance(1h);
  EXPECT_EQ(now(), time_point::max());
}

TEST(clock_jump, what_is_due_before_the_beginning_is_due_at_once) {
  const auto past = with_deadline(background(), time_point::min());
  EXPECT_EQ(past.ctx.err(), errc::deadline_exceeded);
  const auto negative = with_timeout(background(), -never);
  EXPECT_EQ(negative.ctx.err(), errc::deadline_exceeded);
  const timer t{-never};
  EXPECT_TRUE(t.chan().recv());
  sleep(-never);  // real clock: it returns at once
  sleep_until(time_point::min());
  const auto wall = with_deadline(background(), std::chrono::system_clock::time_point::min());
  EXPECT_EQ(wall.ctx.err(), errc::deadline_exceeded);
  const auto far = with_deadline(background(), std::chrono::system_clock::time_point::max());
  EXPECT_FALSE(far.ctx.err());
}

TEST(clock_jump, time_does_not_run_backwards) {
  manual_clock hands;
  const use_clock here{hands};
  const time_point start = now();
  hands.advance(-1h);
  EXPECT_EQ(now(), start);
  hands.advance_to(start - 1h);
  EXPECT_EQ(now(), start);
  hands.advance_to(time_point::min());
  EXPECT_EQ(now(), start);
}

// A process that was stopped, or a machine that slept, finds one tick, not all it has missed.
TEST(clock_jump, a_ticker_that_was_not_read_holds_one_tick) {
  manual_clock hands;
  const use_clock here{hands};
  const time_point start = now();
  const ticker beat{1s};
  hands.advance(1000s);
  EXPECT_EQ(beat.chan().try_recv(), start + 1s);
  EXPECT_FALSE(beat.chan().try_recv());
  hands.advance(1s);
  EXPECT_EQ(beat.chan().try_recv(), start + 1001s);
}

}  // namespace
