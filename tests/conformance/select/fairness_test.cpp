// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// SEL-030 to SEL-033: the choice among ready cases. Bounds are 10 sigma, which a fair choice misses
// once in 10^23 runs.

#include <gmock/gmock.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cmath>
#include <optional>
#include <vector>

#include "downhaul/chan.hpp"
#include "downhaul/context.hpp"
#include "downhaul/select.hpp"
#include "downhaul/testing/manual_clock.hpp"
#include "downhaul/timer.hpp"
#include "support/crew.hpp"

namespace dh = downhaul;
using namespace std::chrono_literals;
using downhaul::impl::wait_reason;
using downhaul_test::all_places;
using downhaul_test::crew;
using downhaul_test::place;

namespace {

constexpr int picks = 10'000;

void expect_uniform(const std::vector<int>& counts, int n) {
  const double p = 1.0 / static_cast<double>(counts.size());
  for (std::size_t i = 0; i < counts.size(); ++i) {
    EXPECT_NEAR(counts[i], n * p, 10 * std::sqrt(n * p * (1 - p))) << "count " << i;
  }
}

// The ready two stand at any two of four places.
TEST(SEL_030, the_choice_is_uniform_whatever_the_order_of_cases) {
  auto ready = dh::make_chan<int>();
  ready.close();
  const auto never = dh::make_chan<int>();
  for (std::size_t first = 0; first < 4; ++first) {
    for (std::size_t second = first + 1; second < 4; ++second) {
      std::array<dh::chan<int>, 4> ch{never, never, never, never};
      ch[first] = ready;
      ch[second] = dh::make_chan<int>();
      ch[second].close();
      std::vector<int> counts(2);
      for (int i = 0; i < picks; ++i) {
        const auto fired = static_cast<std::size_t>(
            dh::select(dh::recv(ch[0]), dh::recv(ch[1]), dh::recv(ch[2]), dh::recv(ch[3])));
        ASSERT_TRUE(fired == first || fired == second);
        ++counts[fired == first ? 0 : 1];
      }
      EXPECT_NEAR(counts[0], 5000, 500) << first << " and " << second;
      EXPECT_NEAR(counts[1], 5000, 500);
    }
  }
}

TEST(SEL_030, and_independent_of_the_past) {
  auto a = dh::make_chan<int>();
  auto b = dh::make_chan<int>();
  a.close();
  b.close();
  std::vector<int> triples(8);
  std::size_t past = 0;
  for (int i = 0; i < picks; ++i) {
    past = (2 * past + static_cast<std::size_t>(dh::select(dh::recv(a), dh::recv(b)))) % 8;
    if (i >= 2) ++triples[past];
  }
  expect_uniform(triples, picks);
}

TEST(SEL_030, and_of_the_kind_of_case_and_the_number_of_cases) {
  auto in = dh::make_chan<int>(1);
  auto out = dh::make_chan<int>(1);
  auto closed = dh::make_chan<void>();
  closed.close();
  in.send(1);
  auto [ctx, cancel] = dh::with_cancel(dh::background());
  cancel();
  std::vector<int> counts(4);
  for (int i = 0; i < picks; ++i) {
    const int fired = dh::select(dh::recv(in), dh::send(out, 1), dh::recv(closed),
                                 dh::recv(ctx.done()), dh::otherwise);
    ASSERT_NE(fired, 4);
    ++counts[static_cast<std::size_t>(fired)];
    if (fired == 0) in.send(1);
    if (fired == 1) static_cast<void>(out.recv());
  }
  expect_uniform(counts, picks);

  // A list, half of which is not ready.
  std::vector<dh::select_case> cases;
  for (int i = 0; i < 20; ++i) {
    cases.emplace_back(dh::recv(dh::chan<int>{}));
    cases.emplace_back(dh::recv(closed));
  }
  std::vector<int> of_list(20);
  for (int i = 0; i < picks; ++i) ++of_list[static_cast<std::size_t>(dh::select(cases)) / 2];
  expect_uniform(of_list, picks);
}

TEST(SEL_031, each_appearance_of_a_channel_is_a_ticket) {
  for (const place where : all_places) {
    for (const std::ptrdiff_t capacity : {0, 100}) {
      auto ch = dh::make_chan<int>(capacity);
      crew c{where};
      c.start([ch] {
        for (int i = 0; i < 100; ++i) dh::select(dh::send(ch, 0), dh::send(ch, 1));
        ch.close();
      });
      std::array<int, 2> counts{};
      for (const int v : ch) ++counts[static_cast<std::size_t>(v)];
      EXPECT_EQ(counts[0] + counts[1], 100);
      EXPECT_GT(counts[0], 10) << where << ", capacity " << capacity;
      EXPECT_GT(counts[1], 10) << where << ", capacity " << capacity;
    }
  }
}

// Also where the select waits first, and a partner comes to find both in the line.
TEST(SEL_031, also_when_the_select_has_waited) {
  constexpr int n = 300;
  for (const bool sends : {true, false}) {
    auto ch = dh::make_chan<int>();
    auto other = dh::make_chan<int>();
    std::vector<int> counts(2);
    crew c{place::goroutines};
    c.start([&] {
      for (int i = 0; i < n; ++i) {
        const int fired = sends ? dh::select(dh::send(ch, 0), dh::recv(other), dh::send(ch, 1))
                                : dh::select(dh::recv(ch), dh::recv(other), dh::recv(ch));
        ++counts[fired == 0 ? 0 : 1];
      }
    });
    for (int i = 0; i < n; ++i) {
      c.wait_until_parked(0, wait_reason::select);
      if (sends) {
        static_cast<void>(ch.recv());
      } else {
        ch.send(i);
      }
    }
    c.join();
    expect_uniform(counts, n);
  }
}

TEST(SEL_031, also_when_what_it_waits_for_is_closed) {
  constexpr int n = 300;
  for (const bool of_context : {false, true}) {
    std::vector<int> counts(2);
    for (int i = 0; i < n; ++i) {
      auto ch = dh::make_chan<void>();
      auto [ctx, cancel] = dh::with_cancel(dh::background());
      const dh::recv_chan<void> done = of_context ? ctx.done() : dh::recv_chan<void>{ch};
      int fired = -1;
      crew c{place::goroutines};
      c.start([&] { fired = dh::select(dh::recv(done), dh::recv(done)); });
      c.wait_until_parked(0, wait_reason::select);
      of_context ? cancel() : ch.close();
      c.join();
      ++counts[static_cast<std::size_t>(fired)];
    }
    expect_uniform(counts, n);
  }
}

// One of three ready cases is not passed over 200 times but once in 10^35 runs.
TEST(SEL_032, a_timer_among_cases_that_are_always_ready_is_picked_in_bounded_time) {
  dh::manual_clock hands;
  const dh::use_clock here{hands};
  auto busy1 = dh::make_chan<int>();
  auto busy2 = dh::make_chan<int>();
  busy1.close();
  busy2.close();
  dh::timer delay{20ms};
  for (int i = 0; i < 100; ++i) {
    ASSERT_NE(dh::select(dh::recv(busy1), dh::recv(delay), dh::recv(busy2)), 1);
  }
  hands.advance(20ms);
  int passed_over = 0;
  while (dh::select(dh::recv(busy1), dh::recv(delay), dh::recv(busy2)) != 1) {
    ASSERT_LT(++passed_over, 200);
  }
  EXPECT_NE(dh::select(dh::recv(busy1), dh::recv(delay), dh::otherwise), 1) << "once";
}

// The real clock: a timer of 20 ms against two senders that never rest. The picks that may lie
// between its being due and its being picked are as few as above; the clock tells when it was due.
TEST(SEL_032, also_beside_two_hammering_senders) {
  for (const place where : all_places) {
    auto busy1 = dh::make_chan<int>(1);
    auto busy2 = dh::make_chan<int>();
    std::atomic<bool> stop{false};
    crew c{where};
    for (const auto& busy : {busy1, busy2}) {
      c.start([busy, &stop] {
        while (!stop) busy.send(1);
        busy.close();
      });
    }
    dh::timer delay{20ms};
    const auto due = std::chrono::steady_clock::now() + 20ms;
    int late_picks = 0;
    while (dh::select(dh::recv(busy1), dh::recv(busy2), dh::recv(delay)) != 2) {
      if (std::chrono::steady_clock::now() > due + 5s && ++late_picks > 1000) {
        ADD_FAILURE() << "the timer starves, " << where;
        break;
      }
    }
    stop = true;
    for ([[maybe_unused]] const int v : busy1) {
    }
    for ([[maybe_unused]] const int v : busy2) {
    }
    c.join();
    EXPECT_LE(late_picks, 1000);
  }
}

TEST(SEL_033, no_case_has_priority_not_even_a_context) {
  auto [ctx, cancel] = dh::with_cancel(dh::background());
  cancel();
  auto work = dh::make_chan<int>();
  work.close();
  std::vector<int> counts(2);
  for (int i = 0; i < picks; ++i) {
    ++counts[static_cast<std::size_t>(dh::select(dh::recv(ctx.done()), dh::recv(work)))];
  }
  expect_uniform(counts, picks);

  // Two selects give it one, and so does a context in front.
  for (int i = 0; i < 200; ++i) {
    bool stopped = false;
    if (dh::select(dh::recv(ctx.done()), dh::otherwise) == 0) {
      stopped = true;
    } else {
      stopped = dh::select(dh::recv(ctx.done()), dh::recv(work)) == 0;
    }
    ASSERT_TRUE(stopped);
    std::error_code ec;
    ASSERT_EQ(dh::select(ctx, ec, dh::recv(work)), -1);
    ASSERT_EQ(ec, dh::errc::canceled);
  }
}

}  // namespace
