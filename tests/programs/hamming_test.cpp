// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// The numbers whose only prime factors are 2, 3 and 5, by three feedback loops: each number found is
// multiplied by 2, by 3 and by 5, and the products come back in ascending order.

#include <gmock/gmock.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "downhaul/downhaul.hpp"
#include "support/crew.hpp"

namespace dh = downhaul;

namespace {

std::vector<std::int64_t> by_trial(std::size_t n) {
  std::vector<std::int64_t> found;
  for (std::int64_t i = 1; found.size() < n; ++i) {
    std::int64_t rest = i;
    for (const int p : {2, 3, 5}) {
      while (rest % p == 0) rest /= p;
    }
    if (rest == 1) found.push_back(i);
  }
  return found;
}

std::vector<std::int64_t> by_feedback(std::size_t n, std::ptrdiff_t capacity) {
  constexpr std::array<int, 3> factors{2, 3, 5};
  auto [ctx, cancel] = dh::with_cancel({});
  auto numbers = dh::make_chan<std::int64_t>();
  std::array<dh::chan<std::int64_t>, 3> to;
  std::array<dh::chan<std::int64_t>, 3> back;
  for (std::size_t i = 0; i < factors.size(); ++i) {
    to[i] = dh::make_chan<std::int64_t>(capacity);
    back[i] = dh::make_chan<std::int64_t>(capacity);
    dh::go([ctx = ctx, in = to[i], out = back[i], by = factors[i]] {
      while (const auto x = in.recv(ctx)) out.send(ctx, *x * by);
    });
  }
  dh::go([=, ctx = ctx] {
    std::array<std::int64_t, 3> heads{};
    std::int64_t x = 1;
    for (;;) {
      for (const auto& ch : to) ch.send(ctx, x);
      numbers.send(ctx, x);
      for (std::size_t i = 0; i < heads.size(); ++i) {
        if (heads[i] <= x) heads[i] = back[i].recv(ctx).value();
      }
      x = std::ranges::min(heads);
    }
  });
  std::vector<std::int64_t> found;
  while (found.size() < n) found.push_back(numbers.recv().value());
  return found;
}

TEST(programs_hamming, three_feedback_loops_give_the_numbers_in_order) {
  EXPECT_EQ(by_feedback(100, 100), by_trial(100));
}

TEST(programs_hamming, on_one_and_on_four_workers) {
  for (const int workers : {1, 4}) {
    dh::runtime on{dh::runtime_options{.workers = workers}};
    on.run([] { EXPECT_EQ(by_feedback(300, 500), by_trial(300)); });
    downhaul_test::wait_until([&] { return on.goroutines() == 0; });
  }
}

// The loop of 5 grows by more than it gives back: with too little room it holds itself up. That is
// the program's own fault, and what it must look like is: everybody parked, nothing lost, an end by
// cancel.
TEST(programs_hamming, loops_with_too_little_room_stand_still_until_cancelled) {
  const auto expected = by_trial(10);
  auto [ctx, cancel] = dh::with_cancel({});
  auto in = dh::make_chan<std::int64_t>(2);
  auto numbers = dh::make_chan<std::int64_t>();
  dh::wait_group ended;
  ended.go([=, ctx = ctx] {
    // Like above, but the multiplier of 5 has nobody who takes its products.
    for (std::size_t i = 0;; ++i) {
      numbers.send(ctx, expected.at(i));
      in.send(ctx, expected.at(i) * 5);
    }
  });
  std::vector<std::int64_t> found;
  for (int i = 0; i < 3; ++i) found.push_back(numbers.recv().value());
  std::error_code ec;
  EXPECT_FALSE(numbers.try_recv(ec));
  EXPECT_EQ(ec, std::errc::operation_would_block);
  cancel();
  ended.wait();
  EXPECT_EQ(found, std::vector<std::int64_t>(expected.begin(), expected.begin() + 3));
  EXPECT_EQ(in.size(), 2);
}

}  // namespace
