// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// CHAN-070 to CHAN-074: range-for over a channel.

#include <gmock/gmock.h>

#include <cstdint>
#include <cstdio>
#include <iterator>
#include <numeric>
#include <optional>
#include <ranges>
#include <string>
#include <vector>

#include "conformance/chan/forms.hpp"
#include "downhaul/chan.hpp"
#include "downhaul/runtime.hpp"
#include "support/crew.hpp"

namespace dh = downhaul;
using downhaul::impl::wait_reason;
using downhaul_test::all_places;
using downhaul_test::crew;
using downhaul_test::place;
using downhaul_test::rounds;
using downhaul_test::waits_for_ever;
using testing::ElementsAre;

namespace {

TEST(CHAN_070, yields_what_comes_until_closed_and_drained) {
  for (const place where : all_places) {
    for (const std::ptrdiff_t capacity : {0, 1, 30}) {
      auto ch = dh::make_chan<char>(capacity);
      crew c{where};
      c.start([ch] {
        for (char letter = 'a'; letter <= 'z'; ++letter) ch.send(letter);
        ch.close();
      });
      std::string all;
      for (const char v : ch) all.push_back(v);
      EXPECT_EQ(all, "abcdefghijklmnopqrstuvwxyz");
    }
  }
}

TEST(CHAN_070, never_runs_its_body_on_a_channel_that_is_closed_and_empty) {
  for (const std::ptrdiff_t capacity : {0, 3}) {
    auto ch = dh::make_chan<int>(capacity);
    ch.close();
    int bodies = 0;
    for (int i = 0; i < 2; ++i) {
      for ([[maybe_unused]] const int v : ch) ++bodies;
      for ([[maybe_unused]] const int v : dh::recv_chan{ch}) ++bodies;
    }
    EXPECT_EQ(bodies, 0);
  }
}

TEST(CHAN_070, ends_when_the_channel_is_closed_while_it_waits) {
  for (const place where : all_places) {
    auto ch = dh::make_chan<int>();
    int bodies = 0;
    crew c{where};
    c.start([&] {
      for ([[maybe_unused]] const int v : ch) ++bodies;
    });
    c.wait_until_parked(0, wait_reason::chan_receive);
    ch.close();
    c.join();
    EXPECT_EQ(bodies, 0);
  }
}

TEST(CHAN_071, leaves_the_rest_in_the_channel_and_goes_on_there) {
  auto ch = dh::make_chan<int>(6);
  for (int i = 1; i <= 6; ++i) ch.send(i);
  ch.close();
  std::vector<int> first;
  for (const int v : ch) {
    first.push_back(v);
    if (v == 2) break;
  }
  EXPECT_EQ(ch.size(), 4);
  std::vector<int> second;
  for (const int v : dh::recv_chan{ch}) {
    second.push_back(v);
    if (v == 3) break;
  }
  EXPECT_EQ(ch.size(), 3);
  EXPECT_EQ(ch.recv(), 4);
  std::vector<int> rest;
  for (const int v : ch) rest.push_back(v);
  EXPECT_THAT(first, ElementsAre(1, 2));
  EXPECT_THAT(second, ElementsAre(3));
  EXPECT_THAT(rest, ElementsAre(5, 6));
}

TEST(CHAN_072, gives_each_value_to_one_of_many_loops) {
  for (const place where : {place::goroutines, place::mixed}) {
    const int items = rounds(where == place::goroutines ? 271'828 : 20'000);
    auto ch = dh::make_chan<int>(7);
    std::vector<std::vector<char>> seen(23,
                                        std::vector<char>(static_cast<std::size_t>(items), '\0'));
    std::vector<std::int64_t> sums(23);
    crew c{where};
    for (std::size_t t = 0; t < 23; ++t) {
      c.start([&, t, ch] {
        for (const int v : ch) {
          sums[t] += v;
          ++seen[t][static_cast<std::size_t>(v)];
        }
      });
    }
    for (int i = 0; i < items; ++i) ch.send(i);
    ch.close();
    c.join();  // all loops end
    EXPECT_EQ(std::accumulate(sums.begin(), sums.end(), std::int64_t{0}),
              std::int64_t{items} * (items - 1) / 2);
    for (std::size_t v = 0; v < static_cast<std::size_t>(items); ++v) {
      int times = 0;
      for (const auto& loop : seen) times += loop[v];
      ASSERT_EQ(times, 1) << "value " << v;
    }
  }
}

TEST(CHAN_073, waits_for_ever_if_nobody_closes) {
  const auto main = [] {
    auto ch = dh::make_chan<int>(2);
    ch.send(1);
    ch.send(2);
    for (const int v : ch) std::fprintf(stderr, "value %d\n", v);
    std::fputs("the loop ended\n", stderr);
  };
  using testing::HasSubstr;
  EXPECT_DEATH(dh::run(main),
               testing::AllOf(waits_for_ever("chan receive"), HasSubstr("value 1\n"),
                              HasSubstr("value 2\n"), testing::Not(HasSubstr("the loop ended"))));
}

TEST(CHAN_074, begins_and_steps_by_one_receive_each_and_compares_without_any) {
  static_assert(std::ranges::input_range<const dh::chan<int>&>);
  static_assert(std::ranges::input_range<const dh::recv_chan<std::string>&>);
  static_assert(!std::ranges::forward_range<const dh::chan<int>&>, "a value comes only once");
  auto ch = dh::make_chan<int>(4);
  for (int i = 1; i <= 4; ++i) ch.send(i);
  static_cast<void>(ch.end());
  EXPECT_EQ(ch.size(), 4);
  auto it = ch.begin();
  EXPECT_EQ(ch.size(), 3);
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(it != ch.end());
    EXPECT_FALSE(it == ch.end());
    EXPECT_EQ(*it, 1);
  }
  EXPECT_EQ(ch.size(), 3);
  ++it;
  EXPECT_EQ(*it, 2);
  EXPECT_EQ(ch.size(), 2);
  it++;
  EXPECT_EQ(*it, 3);
  EXPECT_EQ(ch.size(), 1);
  ch.close();
  ++it;
  EXPECT_EQ(*it, 4);
  EXPECT_TRUE(it != ch.end());
  ++it;
  EXPECT_TRUE(it == ch.end());
}

// It is the begin of the loop that waits, and then its step: nothing is asked for ahead of time.
TEST(CHAN_074, asks_for_a_value_only_when_the_body_is_done_with_the_last) {
  for (const place where : all_places) {
    auto ch = dh::make_chan<int>();
    auto go_on = dh::make_chan<void>();
    crew c{where};
    c.start([&] {
      int expected = 0;
      for (const int v : ch) {
        EXPECT_EQ(v, expected++);
        go_on.recv();
      }
      EXPECT_EQ(expected, 3);
    });
    for (int i = 0; i < 3; ++i) {
      c.wait_until_parked(0, wait_reason::chan_receive);
      EXPECT_TRUE(ch.try_send(i));
      EXPECT_FALSE(ch.try_send(-1)) << "the body has not ended";
      go_on.send();
    }
    c.wait_until_parked(0, wait_reason::chan_receive);
    ch.close();
  }
}

}  // namespace
