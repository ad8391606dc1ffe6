// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// The choice among ready cases is uniform. Bounds: a count out of n with probability p has sigma =
// sqrt(n p (1 - p)); all bounds are 10 sigma, which a fair select misses once in 10^23 runs.

#include <gmock/gmock.h>

#include <array>
#include <atomic>
#include <cmath>
#include <vector>

#include "downhaul/select.hpp"
#include "support/crew.hpp"

namespace dh = downhaul;
using downhaul_test::crew;
using downhaul_test::place;
using downhaul_test::rounds;

namespace {

constexpr int picks = 10'000;

void expect_uniform(const std::vector<int>& counts, int n) {
  const double p = 1.0 / static_cast<double>(counts.size());
  const double mean = n * p;
  const double bound = 10 * std::sqrt(n * p * (1 - p));
  for (std::size_t i = 0; i < counts.size(); ++i) {
    EXPECT_NEAR(counts[i], mean, bound) << "case " << i;
  }
}

TEST(select_fairness, picks_among_two_ready_of_four_with_equal_chance) {
  auto a = dh::make_chan<int>();
  auto b = dh::make_chan<int>();
  a.close();
  b.close();
  auto never1 = dh::make_chan<int>();
  auto never2 = dh::make_chan<int>();
  std::vector<int> counts(2);
  for (int i = 0; i < picks; ++i) {
    const int fired = dh::select(dh::recv(never1), dh::recv(a), dh::recv(never2), dh::recv(b));
    ASSERT_TRUE(fired == 1 || fired == 3);
    ++counts[fired == 1 ? 0 : 1];
  }
  expect_uniform(counts, picks);
}

TEST(select_fairness, holds_with_otherwise_and_with_different_kinds_of_case) {
  auto in = dh::make_chan<int>(1);
  auto out = dh::make_chan<int>(1);
  auto closed = dh::make_chan<void>();
  closed.close();
  in.send(1);
  std::vector<int> counts(3);
  for (int i = 0; i < picks; ++i) {
    const int fired = dh::select(dh::recv(in), dh::send(out, 1), dh::recv(closed), dh::otherwise);
    ASSERT_NE(fired, 3);
    ++counts[static_cast<std::size_t>(fired)];
    if (fired == 0) in.send(1);
    if (fired == 1) static_cast<void>(out.recv());
  }
  expect_uniform(counts, picks);
}

TEST(select_fairness, does_not_depend_on_the_last_choice) {
  auto a = dh::make_chan<int>();
  auto b = dh::make_chan<int>();
  a.close();
  b.close();
  std::vector<int> pairs(4);
  int last = dh::select(dh::recv(a), dh::recv(b));
  for (int i = 0; i < picks; ++i) {
    const int now = dh::select(dh::recv(a), dh::recv(b));
    ++pairs[static_cast<std::size_t>(2 * last + now)];
    last = now;
  }
  expect_uniform(pairs, picks);
}

TEST(select_fairness, gives_each_appearance_of_a_channel_a_ticket) {
  auto ready = dh::make_chan<int>();
  ready.close();
  std::vector<int> counts(4);
  for (int i = 0; i < picks; ++i) {
    ++counts[static_cast<std::size_t>(
        dh::select(dh::recv(ready), dh::recv(ready), dh::recv(ready), dh::recv(ready)))];
  }
  expect_uniform(counts, picks);
}

TEST(select_fairness, holds_for_lists) {
  auto ready = dh::make_chan<int>();
  ready.close();
  constexpr std::size_t n = 40;
  std::vector<dh::select_case> cases;
  for (std::size_t i = 0; i < n; ++i) {
    cases.emplace_back(dh::recv(dh::chan<int>{}));
    cases.emplace_back(dh::recv(ready));
  }
  std::vector<int> counts(n);
  for (int i = 0; i < picks; ++i) ++counts[static_cast<std::size_t>(dh::select(cases)) / 2];
  expect_uniform(counts, picks);
}

class select_fairness_from : public testing::TestWithParam<place> {};
INSTANTIATE_TEST_SUITE_P(, select_fairness_from, testing::ValuesIn(downhaul_test::all_places),
                         testing::PrintToStringParamName());

// Two sends of one select into one channel: both values come often. Where each pick is a meeting
// with a parked receiver, the winner is the first in line, so that the order of enqueueing counts.
TEST_P(select_fairness_from, sends_either_value_into_one_channel) {
  for (const std::ptrdiff_t capacity : {0, 100}) {
    auto ch = dh::make_chan<int>(capacity);
    constexpr int n = 1000;
    crew c{GetParam()};
    c.start([ch] {
      for (int i = 0; i < n; ++i) dh::select(dh::send(ch, 0), dh::send(ch, 1));
      ch.close();
    });
    std::array<int, 2> counts{};
    for (const int v : ch) ++counts[static_cast<std::size_t>(v)];
    EXPECT_EQ(counts[0] + counts[1], n);
    EXPECT_GT(counts[0], n / 10);
    EXPECT_GT(counts[1], n / 10);
  }
}

// A quiet case among busy ones is served in bounded time.
TEST_P(select_fairness_from, serves_a_quiet_case_among_busy_ones) {
  auto busy1 = dh::make_chan<int>(1);
  auto busy2 = dh::make_chan<int>();
  auto quiet = dh::make_chan<int>();
  std::atomic<bool> stop{false};
  crew c{GetParam()};
  for (const auto& busy : {busy1, busy2}) {
    c.start([busy, &stop] {
      while (!stop) busy.send(1);
      busy.close();
    });
  }
  c.start([quiet] { quiet.send(1); });
  int fired = -1;
  while (fired != 2) {
    fired = dh::select(dh::recv(busy1), dh::recv(busy2), dh::recv(quiet));
  }
  stop = true;
  for ([[maybe_unused]] const int v : busy1) {
  }
  for ([[maybe_unused]] const int v : busy2) {
  }
  c.join();
}

}  // namespace
