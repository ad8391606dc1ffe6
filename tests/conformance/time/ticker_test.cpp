// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// TIME-060 to 068, 074: tickers.

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <optional>
#include <system_error>
#include <thread>

#include "conformance/time/manual_time.hpp"
#include "downhaul/chan.hpp"
#include "downhaul/go.hpp"
#include "downhaul/select.hpp"
#include "downhaul/time.hpp"
#include "downhaul/wait_group.hpp"
#include "support/crew.hpp"
#include "support/test_runtime.hpp"

namespace {

namespace dh = downhaul;
using namespace std::chrono_literals;
using downhaul_test::manual_time;
using downhaul_test::misuse_of;
using downhaul_test::rounds;

TEST(TIME_060, takes_only_positive_periods) {
  manual_time time;
  const std::string made = "non-positive interval for NewTicker";
  EXPECT_EQ(misuse_of([] { static_cast<void>(dh::ticker{0s}); }), made);
  EXPECT_EQ(misuse_of([] { static_cast<void>(dh::ticker{-1ns}); }), made);
  EXPECT_EQ(misuse_of([] { static_cast<void>(dh::ticker{std::chrono::hours::min()}); }), made);
  EXPECT_EQ(misuse_of([] { static_cast<void>(dh::ticker{1ns}); }), "no misuse");
}

TEST(TIME_060, is_reset_only_to_positive_periods) {
  manual_time time;
  dh::ticker t{1s};
  const std::string reset = "non-positive interval for Ticker.Reset";
  EXPECT_EQ(misuse_of([&] { t.reset(0s); }), reset);
  EXPECT_EQ(misuse_of([&] { t.reset(-1s); }), reset);
  time.advance(1s);
  EXPECT_TRUE(t.chan().try_recv());  // as if nothing had been asked
}

TEST(TIME_060, without_a_ticker_cannot_be_reset_but_stopped) {
  dh::ticker none;
  EXPECT_EQ(misuse_of([&] { none.reset(1s); }), "time: Reset called on uninitialized Ticker");
  EXPECT_EQ(misuse_of([&] { none.stop(); }), "no misuse");
  EXPECT_FALSE(none.chan());
}

TEST(TIME_061, tick_of_no_period_is_a_nil_channel) {
  EXPECT_FALSE(dh::tick(0s));
  EXPECT_FALSE(dh::tick(-1ns));
  EXPECT_FALSE(dh::tick(std::chrono::hours::min()));
  EXPECT_EQ(dh::tick(0s), dh::recv_chan<dh::time_point>{});
  EXPECT_TRUE(dh::tick(1h));
}

TEST(TIME_062, ticks_after_one_period_and_then_every_period) {
  manual_time time;
  dh::ticker t{100ms};
  for (int i = 1; i <= 10; ++i) {
    time.advance(100ms - 1ns);
    EXPECT_FALSE(t.chan().try_recv());
    time.advance(1ns);
    EXPECT_EQ(t.chan().try_recv(), time.start() + i * 100ms);
    EXPECT_FALSE(t.chan().try_recv());
  }
}

TEST(TIME_062, takes_another_period_half_way) {
  manual_time time;
  constexpr auto delta = 20ms;
  dh::ticker t{delta};
  std::optional<dh::time_point> last;
  for (int ticks = 0; ticks < 10;) {
    time.advance(delta);
    if (auto value = t.chan().try_recv()) {
      last = value;
      if (++ticks == 5) t.reset(2 * delta);
    }
  }
  EXPECT_EQ(last, time.start() + 3 * delta * 5);
}

TEST(TIME_062, takes_as_long_on_the_real_clock) {
  // real clock: that is what is tested. A busy machine may make it longer, not shorter.
  constexpr auto delta = 2ms;
  const dh::time_point start = dh::now();
  dh::ticker t{delta};
  for (int i = 0; i < 10; ++i) {
    ASSERT_TRUE(t.chan().recv());
    if (i == 4) t.reset(2 * delta);
  }
  EXPECT_GE(dh::now() - start, 3 * delta * 5);
}

TEST(TIME_063, keeps_one_tick_for_a_slow_reader_and_drops_the_rest) {
  manual_time time;
  dh::ticker t{100ms};
  time.advance(1h + 50ms);
  EXPECT_TRUE(t.chan().try_recv());
  EXPECT_FALSE(t.chan().try_recv());
  // In phase: at whole periods after the start, though we read half-way between two.
  time.advance(50ms - 1ns);
  EXPECT_FALSE(t.chan().try_recv());
  time.advance(1ns);
  EXPECT_EQ(t.chan().try_recv(), time.start() + 1h + 100ms);
}

TEST(TIME_063, keeps_its_phase_when_those_who_fire_are_late) {
  // real clock: one worker that computes for many periods; whoever fires then is late by several.
  downhaul_test::test_runtime rt{1};
  rt.run([] {
    constexpr auto period = 500us;
    dh::ticker t{period};
    const dh::time_point first = *t.chan().recv();
    std::optional<dh::time_point> before = first;
    for (int i = 0; i < 8; ++i) {
      const dh::time_point until = dh::now() + 5ms;
      while (dh::now() < until) {
      }
      const auto pending = t.chan().recv();
      const auto next = t.chan().recv();
      ASSERT_TRUE(pending && next);
      EXPECT_GT(*pending, *before);
      EXPECT_GT(*next, *pending);
      EXPECT_EQ((*pending - first) % period, 0ns);
      EXPECT_EQ((*next - first) % period, 0ns);
      before = next;
    }
  });
}

TEST(TIME_064, a_tick_read_late_carries_its_due_time) {
  manual_time time;
  dh::ticker t{10ms};
  time.advance(500ms + 3ms);
  EXPECT_EQ(t.chan().try_recv(), time.start() + 10ms);
  time.advance(9ms);
  EXPECT_EQ(t.chan().try_recv(), time.start() + 510ms);
}

// Open, and nothing in it.
bool is_open_and_empty(const dh::recv_chan<dh::time_point>& ch) {
  std::error_code ec;
  return !ch.try_recv(ec) && ec == std::errc::operation_would_block;
}

TEST(TIME_065, stop_ends_the_ticks_and_leaves_the_channel_open) {
  manual_time time;
  dh::ticker t{1s};
  time.advance(1s);
  EXPECT_TRUE(t.chan().try_recv());
  t.stop();
  time.advance(2s);
  EXPECT_TRUE(is_open_and_empty(t.chan()));
  EXPECT_EQ(time.pending(), 0u);
  t.stop();
  EXPECT_TRUE(is_open_and_empty(t.chan()));
}

TEST(TIME_065, reset_after_stop_starts_anew) {
  manual_time time;
  dh::ticker t{1s};
  t.stop();
  time.advance(1500ms);
  t.reset(2s);
  time.advance(2s - 1ns);
  EXPECT_FALSE(t.chan().try_recv());
  time.advance(1ns);
  EXPECT_EQ(t.chan().try_recv(), time.start() + 3500ms);
  time.advance(2s);
  EXPECT_EQ(t.chan().try_recv(), time.start() + 5500ms);
}

TEST(TIME_066, of_a_nanosecond_delivers_a_hundred_ticks) {
  // real clock: it is always due.
  dh::ticker t{1ns};
  std::optional<dh::time_point> last;
  for (int i = 0; i < 100; ++i) {
    const auto value = t.chan().recv();
    ASSERT_TRUE(value);
    if (last) {
      ASSERT_GT(*value, *last);
    }
    last = value;
  }
}

TEST(TIME_066, of_a_nanosecond_delivers_to_ten_readers_at_once) {
  // real clock: as above.
  downhaul_test::test_runtime rt{2};
  std::atomic<int> received{0};
  rt.run([&] {
    dh::ticker t{1ns};
    dh::wait_group wg;
    for (int g = 0; g < 10; ++g) {
      wg.go([&] {
        for (int i = 0; i < 100; ++i) {
          if (t.chan().recv()) ++received;
        }
      });
    }
    wg.wait();
  });
  EXPECT_EQ(received, 1000);
}

TEST(TIME_067, serves_many_that_select_on_it_and_on_a_timer_of_their_own) {
  // real clock: firings on shared and on private channels at all times.
  downhaul_test::test_runtime rt{2};
  std::atomic<int> ended{0};
  constexpr int goroutines = 4;
  rt.run([&] {
    dh::ticker t{1us};
    dh::wait_group wg;
    for (int g = 0; g < goroutines; ++g) {
      wg.go([&] {
        for (int i = 0; i < rounds(100'000); ++i) {
          const int fired = dh::select(dh::recv(t), dh::recv(dh::after(1ms)));
          ASSERT_TRUE(fired == 0 || fired == 1);
        }
        ++ended;
      });
    }
    wg.wait();
  });
  EXPECT_EQ(ended, goroutines);
}

TEST(TIME_068, of_a_period_near_the_end_of_time_does_not_wrap) {
  manual_time time;
  dh::ticker longest{std::chrono::nanoseconds::max()};
  dh::ticker nearly{std::chrono::nanoseconds::max() - 1ns};
  dh::ticker hours{std::chrono::hours::max()};
  dh::ticker centuries{24h * 365 * 200};  // the first can be counted, the second cannot
  for (const dh::ticker* t : {&longest, &nearly, &hours}) EXPECT_FALSE(t->chan().try_recv());
  time.advance(24h * 365 * 200);
  EXPECT_EQ(centuries.chan().try_recv(), time.start() + 24h * 365 * 200);
  time.advance(24h * 365 * 50);
  EXPECT_FALSE(centuries.chan().try_recv());
  for (const dh::ticker* t : {&longest, &nearly, &hours}) EXPECT_FALSE(t->chan().try_recv());
}

TEST(TIME_074, made_and_stopped_three_times_does_not_hang) {
  // real clock: a lock left behind by the firing would show here.
  for (int i = 0; i < 3; ++i) {
    dh::ticker t{1ms};
    EXPECT_TRUE(t.chan().recv());
    t.stop();
    EXPECT_FALSE(t.chan().try_recv());
  }
}

}  // namespace
