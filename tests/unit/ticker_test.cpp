// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors

#include "downhaul/ticker.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

#include "downhaul/go.hpp"
#include "downhaul/select.hpp"
#include "downhaul/testing/manual_clock.hpp"
#include "downhaul/timer.hpp"
#include "downhaul/wait_group.hpp"
#include "support/crew.hpp"
#include "support/test_runtime.hpp"

namespace {

namespace dh = downhaul;
using namespace std::chrono_literals;

static_assert(!std::is_copy_constructible_v<dh::ticker>);
static_assert(std::is_nothrow_move_constructible_v<dh::ticker>);

template <class F>
std::string misuse_of(F&& f) {
  try {
    f();
  } catch (const dh::misuse& e) {
    return e.what();
  }
  return "no misuse";
}

class ticker_on_a_manual_clock : public testing::Test {
 protected:
  void TearDown() override {
    EXPECT_EQ(hands.pending(), 0u);
    EXPECT_EQ(dh::impl::total(dh::impl::tally::timers), before);
  }
  const std::int64_t before = dh::impl::total(dh::impl::tally::timers);
  dh::manual_clock hands;
  const dh::use_clock here{hands};
  const dh::time_point start = hands.now();
};
using ticker = ticker_on_a_manual_clock;

TEST_F(ticker, ticks_first_after_one_period_and_then_every_period) {
  dh::ticker t{100ms};
  hands.advance(99ms);
  EXPECT_FALSE(t.chan().try_recv());
  hands.advance(1ms);
  EXPECT_EQ(t.chan().try_recv(), start + 100ms);
  for (int i = 2; i <= 10; ++i) {
    hands.advance(100ms);
    EXPECT_EQ(t.chan().try_recv(), start + i * 100ms);
    EXPECT_FALSE(t.chan().try_recv());
  }
}

TEST_F(ticker, drops_what_a_slow_reader_misses_and_keeps_its_phase) {
  dh::ticker t{100ms};
  hands.advance(350ms);
  EXPECT_EQ(t.chan().try_recv(),
            start + 100ms);  // the one pending; read late, it says when it was due
  EXPECT_FALSE(t.chan().try_recv());
  hands.advance(50ms);
  EXPECT_EQ(t.chan().try_recv(), start + 400ms);
  hands.advance(1h + 30ms);
  EXPECT_EQ(t.chan().try_recv(), start + 500ms);
  hands.advance(70ms);
  EXPECT_EQ(t.chan().try_recv(), start + 1h + 500ms);
}

TEST_F(ticker, is_stopped_for_good_and_stays_open) {
  dh::ticker t{1s};
  hands.advance(1s);
  t.stop();
  EXPECT_FALSE(t.chan().try_recv());
  hands.advance(2s);
  std::error_code ec;
  EXPECT_FALSE(t.chan().try_recv(ec));
  EXPECT_EQ(ec, std::errc::operation_would_block);
  t.stop();
}

TEST_F(ticker, starts_anew_when_reset) {
  dh::ticker t{1s};
  hands.advance(1500ms);
  t.reset(2s);
  EXPECT_FALSE(t.chan().try_recv());  // the tick of before is withdrawn
  hands.advance(2s);
  EXPECT_EQ(t.chan().try_recv(), start + 3500ms);
  t.stop();
  t.reset(100ms);
  hands.advance(100ms);
  EXPECT_EQ(t.chan().try_recv(), start + 3600ms);
  hands.advance(100ms);
  EXPECT_EQ(t.chan().try_recv(), start + 3700ms);
}

TEST_F(ticker, takes_only_positive_periods) {
  const std::string made = "non-positive interval for NewTicker";
  EXPECT_EQ(misuse_of([] { static_cast<void>(dh::ticker{0s}); }), made);
  EXPECT_EQ(misuse_of([] { static_cast<void>(dh::ticker{-1ns}); }), made);
  dh::ticker t{1s};
  const std::string reset = "non-positive interval for Ticker.Reset";
  EXPECT_EQ(misuse_of([&] { t.reset(0s); }), reset);
  EXPECT_EQ(misuse_of([&] { t.reset(-1h); }), reset);
  hands.advance(1s);
  EXPECT_TRUE(t.chan().try_recv());  // as if nothing had been asked
}

TEST_F(ticker, without_a_ticker_stops_but_does_not_reset) {
  dh::ticker none;
  none.stop();
  EXPECT_FALSE(none.chan());
  EXPECT_EQ(misuse_of([&] { none.reset(1s); }), "time: Reset called on uninitialized Ticker");
  dh::ticker t{1s};
  none = std::move(t);
  hands.advance(1s);
  EXPECT_TRUE(none.chan().try_recv());
}

TEST_F(ticker, has_a_channel_without_size_or_capacity) {
  dh::ticker t{1s};
  hands.advance(1s);
  EXPECT_EQ(t.chan().size(), 0);
  EXPECT_EQ(t.chan().capacity(), 0);
}

TEST_F(ticker, with_a_period_near_the_end_of_time_does_not_wrap) {
  dh::ticker t{std::chrono::nanoseconds::max() - 1ns};
  dh::ticker never{std::chrono::hours::max()};
  dh::ticker centuries{24h * 365 * 200};
  hands.advance(24h * 365 * 200);
  EXPECT_TRUE(centuries.chan().try_recv());
  hands.advance(24h * 365 * 50);
  EXPECT_FALSE(centuries.chan().try_recv());
  EXPECT_FALSE(t.chan().try_recv());
  EXPECT_FALSE(never.chan().try_recv());
}

TEST_F(ticker, may_be_made_and_stopped_again_and_again) {
  for (int i = 0; i < 3; ++i) {
    dh::ticker t{10ms};
    hands.advance(10ms);
    EXPECT_TRUE(t.chan().recv());
    t.stop();
  }
}

TEST_F(ticker, of_tick_ends_with_its_last_handle_and_is_nil_for_bad_periods) {
  EXPECT_FALSE(dh::tick(0s));
  EXPECT_FALSE(dh::tick(-1s));
  {
    const auto beat = dh::tick(1s);
    hands.advance(1s);
    EXPECT_EQ(beat.try_recv(), start + 1s);
    EXPECT_EQ(hands.pending(), 1u);
  }
  EXPECT_EQ(hands.pending(), 0u);
  for (int i = 0; i < 10'000; ++i) static_cast<void>(dh::tick(1h));
}

TEST_F(ticker, is_a_case_of_select_and_of_a_loop) {
  dh::ticker t{1s};
  auto beat = dh::recv(t);
  hands.advance(1s);
  EXPECT_EQ(dh::select(beat, dh::otherwise), 0);
  EXPECT_EQ(beat.value(), start + 1s);
  EXPECT_EQ(dh::select(beat, dh::otherwise), 1);
  EXPECT_FALSE(beat.fired());
}

TEST(ticker_real, delivers_every_tick_asked_for_at_one_nanosecond_under_load) {
  // real clock: the load is that of time itself.
  downhaul_test::test_runtime rt{2};
  rt.run([] {
    dh::ticker t{1ns};
    dh::wait_group wg;
    for (int i = 0; i < 10; ++i) {
      wg.go([&] {
        for (int n = 0; n < 100; ++n) EXPECT_TRUE(t.chan().recv());
      });
    }
    wg.wait();
  });
}

TEST(ticker_real, ticks_for_a_plain_thread) {
  // real clock: the watch sends.
  const dh::time_point start = dh::now();
  dh::ticker t{1ms};
  dh::time_point last = start;
  for (int i = 0; i < 5; ++i) {
    const dh::time_point at = *t.chan().recv();
    EXPECT_GE(at, last + 1ms);
    EXPECT_EQ((at - last) % 1ms, i == 0 ? (at - start) % 1ms : 0ms);
    last = at;
  }
}

TEST(ticker_real, serves_many_goroutines_that_select_on_it_and_a_timer_of_their_own) {
  // real clock: firings on all sides, on shared and private channels.
  downhaul_test::test_runtime rt{2};
  rt.run([] {
    dh::ticker t{1us};
    dh::wait_group wg;
    for (int i = 0; i < 10; ++i) {
      wg.go([&] {
        dh::timer own{1ms};
        for (int n = 0; n < downhaul_test::rounds(2000); ++n) {
          dh::select(dh::recv(t), dh::recv(own));
          own.reset(1ms);
        }
      });
    }
    wg.wait();
  });
}

}  // namespace
