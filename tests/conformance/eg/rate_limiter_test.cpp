// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// EG-040 to 051: the rate limiter, and sometimes.
#include "downhaul/rate_limiter.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <string>
#include <system_error>

#include "downhaul/context.hpp"
#include "downhaul/error.hpp"
#include "downhaul/go.hpp"
#include "downhaul/runtime.hpp"
#include "downhaul/sometimes.hpp"
#include "downhaul/testing/manual_clock.hpp"
#include "downhaul/wait_group.hpp"
#include "support/crew.hpp"

namespace {

namespace dh = downhaul;
using namespace std::chrono_literals;
using dh::impl::wait_reason;
using downhaul_test::crew;
using downhaul_test::place;

constexpr auto step = 100ms;
// A grid of times, a step apart.
dh::time_point at(int n) { return dh::time_point{24h} + n * step; }

struct ask {
  int time;
  std::ptrdiff_t tokens;
  std::ptrdiff_t wanted;
  bool allowed;
};
void expect_answers(dh::rate_limiter& limiter, std::initializer_list<ask> asks) {
  int line = 0;
  for (const ask& a : asks) {
    EXPECT_EQ(limiter.tokens_at(at(a.time)), static_cast<double>(a.tokens)) << "line " << line;
    EXPECT_EQ(limiter.allow_at(at(a.time), a.wanted), a.allowed) << "line " << line;
    ++line;
  }
}

TEST(EG_040, starts_full_and_is_refilled_at_its_rate_up_to_its_burst) {
  dh::rate_limiter limiter{10, 5};
  EXPECT_EQ(limiter.tokens_at(at(0)), 5);
  EXPECT_TRUE(limiter.allow_at(at(0), 5));
  EXPECT_EQ(limiter.tokens_at(at(0)), 0);
  EXPECT_EQ(limiter.tokens_at(at(1)), 1);
  EXPECT_DOUBLE_EQ(limiter.tokens_at(at(1) + 50ms), 1.5) << "fractions are kept";
  EXPECT_TRUE(limiter.allow_at(at(1) + 50ms, 1));
  EXPECT_DOUBLE_EQ(limiter.tokens_at(at(1) + 50ms), 0.5);
  EXPECT_EQ(limiter.tokens_at(at(1000)), 5);
}

TEST(EG_041, allows_what_is_there_and_never_more_than_the_burst) {
  dh::rate_limiter one{10, 1};
  expect_answers(one, {{0, 1, 1, true},
                       {0, 0, 1, false},
                       {0, 0, 1, false},
                       {1, 1, 1, true},
                       {1, 0, 1, false},
                       {1, 0, 1, false},
                       {2, 1, 2, false},  // more than the burst
                       {2, 1, 1, true},
                       {2, 0, 1, false}});
  dh::rate_limiter three{10, 3};
  expect_answers(three, {{0, 3, 2, true},
                         {0, 1, 2, false},
                         {0, 1, 1, true},
                         {0, 0, 1, false},
                         {1, 1, 4, false},
                         {2, 2, 1, true},
                         {3, 2, 1, true},
                         {4, 2, 1, true},
                         {4, 1, 1, true},
                         {4, 0, 1, false},
                         {9, 3, 3, true},
                         {9, 0, 0, true}});
}

TEST(EG_042, time_that_goes_back_adds_no_tokens) {
  dh::rate_limiter limiter{10, 3};
  EXPECT_TRUE(limiter.allow_at(at(1), 1));
  EXPECT_TRUE(limiter.allow_at(at(0), 1));
  EXPECT_TRUE(limiter.allow_at(at(0), 1));
  EXPECT_FALSE(limiter.allow_at(at(0), 1));
  EXPECT_TRUE(limiter.allow_at(at(1), 1));
  EXPECT_FALSE(limiter.allow_at(at(1), 1));
}

TEST(EG_043, a_reservation_may_run_into_debt_and_says_when) {
  dh::rate_limiter limiter{10, 2};
  EXPECT_EQ(limiter.reserve_at(at(0), 2).delay_at(at(0)), 0ms);
  const auto later = limiter.reserve_at(at(0), 2);
  EXPECT_TRUE(later.ok());
  EXPECT_EQ(later.delay_at(at(0)), 2 * step);
  EXPECT_EQ(later.delay_at(at(1)), step);
  EXPECT_EQ(later.delay_at(at(5)), 0ms);
  EXPECT_EQ(limiter.tokens_at(at(0)), -2);
  const auto never = limiter.reserve_at(at(0), 3);
  EXPECT_FALSE(never.ok());
  EXPECT_EQ(never.delay_at(at(0)), dh::duration::max());
  never.cancel_at(at(0));
  EXPECT_EQ(limiter.tokens_at(at(0)), -2) << "nothing was taken, nothing is given back";
}

TEST(EG_044, a_cancelled_reservation_gives_back_what_nobody_has_counted_on) {
  {
    dh::rate_limiter limiter{10, 2};  // too late: its time has come
    static_cast<void>(limiter.reserve_at(at(0), 2));
    const auto r = limiter.reserve_at(at(0), 1);
    r.cancel_at(at(2));
    EXPECT_EQ(limiter.tokens_at(at(2)), 1);
  }
  {
    dh::rate_limiter limiter{10, 2};  // nothing reserved
    static_cast<void>(limiter.reserve_at(at(0), 2));
    limiter.reserve_at(at(0), 0).cancel_at(at(0));
    EXPECT_EQ(limiter.reserve_at(at(0), 1).delay_at(at(0)), step);
  }
  {
    dh::rate_limiter limiter{10, 2};  // the last one: all of it
    static_cast<void>(limiter.reserve_at(at(0), 2));
    limiter.reserve_at(at(0), 2).cancel_at(at(0));
    EXPECT_EQ(limiter.tokens_at(at(0)), 0);
    EXPECT_EQ(limiter.reserve_at(at(0), 1).delay_at(at(0)), step);
  }
  {
    dh::rate_limiter limiter{10, 2};  // others came after it
    static_cast<void>(limiter.reserve_at(at(0), 2));
    const auto two = limiter.reserve_at(at(0), 2);
    static_cast<void>(limiter.reserve_at(at(0), 1));
    two.cancel_at(at(0));
    EXPECT_EQ(limiter.tokens_at(at(0)), -2) << "one of two: the other was counted on";
  }
  {
    dh::rate_limiter limiter{10, 2};  // all counted on
    static_cast<void>(limiter.reserve_at(at(0), 2));
    const auto one = limiter.reserve_at(at(0), 1);
    static_cast<void>(limiter.reserve_at(at(0), 1));
    one.cancel_at(at(0));
    EXPECT_EQ(limiter.tokens_at(at(0)), -2);
  }
}

std::string refusal_of(dh::rate_limiter& limiter, const dh::context& ctx, std::ptrdiff_t n) {
  std::string text = "none";
  try {
    limiter.wait(ctx, n);
  } catch (const dh::context_error& e) {
    text = e.code().message();
  } catch (const std::system_error& e) {
    text = e.what();
  }
  return text;
}

TEST(EG_045, wait_refuses_what_cannot_be_and_waits_for_the_rest) {
  dh::manual_clock hands;
  const dh::use_clock here{hands};
  dh::rate_limiter limiter{10, 2};
  EXPECT_THAT(refusal_of(limiter, {}, 3),
              testing::HasSubstr("rate: Wait(n=3) exceeds limiter's burst 2"));
  EXPECT_EQ(refusal_of(limiter, {}, 2), "none");
  auto [soon, cancel_soon] = dh::with_timeout(dh::background(), 50ms);
  EXPECT_THAT(refusal_of(limiter, soon, 1),
              testing::HasSubstr("rate: Wait(n=1) would exceed context deadline"));
  std::error_code ec;
  limiter.wait(soon, 1, ec);
  EXPECT_EQ(ec, dh::errc::deadline_exceeded);
  EXPECT_EQ(limiter.tokens(), 0) << "nothing was taken";
  EXPECT_FALSE(soon.err()) << "at once";
  limiter.wait(dh::background(), 3, ec);
  EXPECT_EQ(ec, std::errc::invalid_argument);
}

TEST(EG_045, a_wait_takes_as_long_as_its_tokens_and_gives_them_back_when_cancelled) {
  dh::manual_clock hands;
  dh::runtime in{dh::runtime_options{.workers = 1, .clock = &hands}};
  dh::rate_limiter limiter{10, 1};
  EXPECT_TRUE(in.run([&] { return limiter.allow(); }));
  auto [ctx, cancel] = dh::with_cancel(dh::background());
  dh::wait_group waiting;
  in.run([&, ctx = ctx] {
    waiting.go([&] { limiter.wait(dh::background()); });
    while (hands.pending() != 1) dh::yield();
    waiting.go([&, ctx] { EXPECT_EQ(refusal_of(limiter, ctx, 1), "context canceled"); });
    while (hands.pending() != 2) dh::yield();
    EXPECT_EQ(limiter.tokens(), -2);
  });
  cancel();
  in.run([&] {
    while (hands.pending() != 1) dh::yield();
    EXPECT_EQ(limiter.tokens(), -1);
  });
  hands.advance(step - 1ns);
  EXPECT_EQ(waiting.unfinished(), 1);
  hands.advance(1ns);
  waiting.wait();
}

TEST(EG_046, the_burst_goes_before_the_context_and_that_before_the_deadline) {
  dh::manual_clock hands;
  const dh::use_clock here{hands};
  dh::rate_limiter limiter{10, 1};
  EXPECT_TRUE(limiter.allow());
  auto [ended, cancel] = dh::with_timeout(dh::background(), 1ms);
  cancel();
  EXPECT_THAT(refusal_of(limiter, ended, 2), testing::HasSubstr("exceeds limiter's burst"));
  EXPECT_EQ(refusal_of(limiter, ended, 1), "context canceled");
}

TEST(EG_047, an_unlimited_rate_allows_everything_and_a_rate_of_zero_the_first_burst) {
  dh::rate_limiter free{dh::rate_limiter::unlimited, 0};
  for (int i = 0; i < 100; ++i) EXPECT_TRUE(free.allow_at(at(0), 1000));
  EXPECT_EQ(free.reserve_at(at(0), 5).delay_at(at(0)), 0ms);
  EXPECT_EQ(refusal_of(free, {}, 5), "none");

  dh::rate_limiter zero{0, 2};
  EXPECT_TRUE(zero.allow_at(at(0), 1));
  EXPECT_TRUE(zero.allow_at(at(0), 1));
  EXPECT_FALSE(zero.allow_at(at(1'000'000), 1));
  zero.set_limit_at(at(1'000'000), 10);
  EXPECT_FALSE(zero.allow_at(at(1'000'000), 1));
  EXPECT_TRUE(zero.allow_at(at(1'000'001), 1)) << "refilled from then on";
  EXPECT_FALSE(zero.allow_at(at(1'000'001), 1));
}

TEST(EG_048, a_change_settles_what_has_come_and_leaves_reservations_alone) {
  dh::rate_limiter limiter{10, 10};
  EXPECT_TRUE(limiter.allow_at(at(0), 10));
  const auto r = limiter.reserve_at(at(0), 5);
  EXPECT_EQ(r.delay_at(at(0)), 5 * step);
  limiter.set_limit_at(at(1), 100);
  EXPECT_DOUBLE_EQ(limiter.tokens_at(at(1)), -4);
  EXPECT_DOUBLE_EQ(limiter.tokens_at(at(2)), 6);
  EXPECT_EQ(r.delay_at(at(1)), 4 * step);
  limiter.set_burst_at(at(2), 3);
  EXPECT_DOUBLE_EQ(limiter.tokens_at(at(2)), 3);
  EXPECT_EQ(limiter.limit(), 100);
  EXPECT_EQ(limiter.burst(), 3);
}

TEST(EG_049, of_fifteen_at_once_a_burst_of_five_lets_five_in) {
  dh::rate_limiter limiter{10, 5};
  std::atomic<int> in{0};
  crew all{place::mixed};
  for (int i = 0; i < 15; ++i) {
    all.start([&] { in += limiter.allow_at(at(0)) ? 1 : 0; });
  }
  all.join();
  EXPECT_EQ(in.load(), 5);
}

TEST(EG_049, in_the_long_run_it_allows_its_rate_and_no_more) {
  dh::rate_limiter limiter{100, 100};
  dh::time_point t = at(0);
  std::int64_t allowed = 0;
  constexpr int seconds = 1000;
  for (int i = 0; i < seconds * 200; ++i, t += 5ms) allowed += limiter.allow_at(t) ? 1 : 0;
  constexpr double ideal = 100 + 100.0 * seconds;
  EXPECT_LE(static_cast<double>(allowed), ideal + 1);
  EXPECT_GE(static_cast<double>(allowed), 0.999 * ideal);
}

TEST(EG_050, every_is_the_inverse_of_an_interval) {
  EXPECT_EQ(dh::rate_limiter::every(0s), dh::rate_limiter::unlimited);
  EXPECT_EQ(dh::rate_limiter::every(-1ms), dh::rate_limiter::unlimited);
  EXPECT_DOUBLE_EQ(dh::rate_limiter::every(1ms), 1000);
  EXPECT_DOUBLE_EQ(dh::rate_limiter::every(200ms), 5);
  EXPECT_DOUBLE_EQ(dh::rate_limiter::every(1h), 1.0 / 3600);
}

TEST(EG_050, a_tiny_rate_does_not_make_the_delay_overflow) {
  dh::rate_limiter limiter{1e-10, 1};
  EXPECT_TRUE(limiter.allow_at(at(0)));
  EXPECT_FALSE(limiter.allow_at(at(0)));
  EXPECT_FALSE(limiter.allow_at(at(1)));
}

TEST(EG_051, runs_the_first_few_each_so_many_th_and_after_the_interval) {
  const auto runs = [](dh::sometimes_options options, int calls, auto between) {
    dh::sometimes now_and_then{options};
    std::string ran;
    for (int i = 0; i < calls; ++i) {
      bool did = false;
      now_and_then.call([&] { did = true; });
      ran += did ? 'x' : '.';
      between();
    }
    return ran;
  };
  const auto nothing = [] {};
  EXPECT_EQ(runs({}, 4, nothing), "x...") << "default-made: once";
  EXPECT_EQ(runs({.first = 3}, 6, nothing), "xxx...");
  EXPECT_EQ(runs({.every = 3}, 7, nothing), "x..x..x");
  EXPECT_EQ(runs({.first = 2, .every = 3}, 7, nothing), "xx.x..x");
  dh::manual_clock hands;
  const dh::use_clock here{hands};
  EXPECT_EQ(runs({.interval = 1s}, 6, [&] { hands.advance(400ms); }), "x..x..");
}

TEST(EG_051, its_calls_run_one_after_the_other) {
  dh::sometimes always{{.every = 1}};
  int count = 0;  // ordered by the calls
  crew all{place::mixed};
  for (int i = 0; i < 8; ++i) {
    all.start([&] {
      for (int n = 0; n < 100; ++n) always.call([&] { ++count; });
    });
  }
  all.join();
  EXPECT_EQ(count, 800);
}

}  // namespace
