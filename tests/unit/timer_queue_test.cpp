// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors

#include "time/timer_queue.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <map>
#include <random>
#include <utility>
#include <vector>

#include "support/seed.hpp"

namespace {

using downhaul::impl::timer_node;
using downhaul::impl::timer_queue;

constexpr std::int64_t first_time = std::numeric_limits<std::int64_t>::min();
constexpr std::int64_t never = timer_queue::never;
constexpr std::int64_t second = 1'000'000'000;
constexpr std::int64_t hour = 3600 * second;
constexpr std::int64_t year = 8766 * hour;

struct numbered : timer_node {
  int number = 0;
};

std::vector<int> drain(timer_queue& q, std::int64_t now) {
  std::vector<int> order;
  while (timer_node* n = q.pop_due(now)) order.push_back(static_cast<numbered*>(n)->number);
  return order;
}

TEST(timer_queue, is_empty_at_first) {
  timer_queue q{0};
  EXPECT_EQ(q.next(), never);
  EXPECT_EQ(q.size(), 0U);
  EXPECT_EQ(q.pop_due(never), nullptr);
}

TEST(timer_queue, gives_a_timer_at_its_time_and_not_a_nanosecond_before) {
  for (const std::int64_t when : {std::int64_t{1}, second, hour, year, 200 * year}) {
    timer_queue q{0};
    timer_node n;
    q.insert(n, when);
    EXPECT_EQ(q.next(), when);
    EXPECT_EQ(q.pop_due(when - 1), nullptr);
    EXPECT_EQ(q.next(), when);
    EXPECT_EQ(q.pop_due(when), &n);
    EXPECT_FALSE(n.queued());
    EXPECT_EQ(q.next(), never);
  }
}

TEST(timer_queue, gives_equal_times_in_the_order_of_insertion) {
  timer_queue q{0};
  std::vector<numbered> nodes(1000);
  for (int i = 0; i < 1000; ++i) {
    nodes[static_cast<std::size_t>(i)].number = i;
    q.insert(nodes[static_cast<std::size_t>(i)], hour);
  }
  const std::vector<int> order = drain(q, hour);
  ASSERT_EQ(order.size(), 1000U);
  EXPECT_TRUE(std::is_sorted(order.begin(), order.end()));
}

TEST(timer_queue, orders_times_that_share_a_tick) {
  timer_queue q{0};
  std::vector<numbered> nodes(13);
  constexpr int slots[] = {5, 3, 6, 6, 6, 1, 1, 2, 7, 9, 4, 8, 0};
  for (int i = 0; i < 13; ++i) {
    nodes[static_cast<std::size_t>(i)].number = slots[i];
    q.insert(nodes[static_cast<std::size_t>(i)], hour + slots[i]);
  }
  const std::vector<int> order = drain(q, 2 * hour);
  EXPECT_EQ(order, (std::vector<int>{0, 1, 1, 2, 3, 4, 5, 6, 6, 6, 7, 8, 9}));
}

TEST(timer_queue, takes_any_time_that_there_is) {
  timer_queue q{0};
  numbered nodes[5];
  const std::int64_t times[] = {never - 1, 0, first_time, -hour, first_time + 1};
  for (int i = 0; i < 5; ++i) {
    nodes[i].number = i;
    q.insert(nodes[i], times[i]);
  }
  EXPECT_EQ(q.next(), first_time);
  EXPECT_EQ(drain(q, first_time), (std::vector<int>{2}));
  EXPECT_EQ(drain(q, 0), (std::vector<int>{4, 3, 1}));
  EXPECT_EQ(drain(q, never - 2), (std::vector<int>{}));
  EXPECT_EQ(drain(q, never - 1), (std::vector<int>{0}));
}

TEST(timer_queue, does_not_insert_what_is_never_due) {
  timer_queue q{0};
  timer_node n;
  q.insert(n, never);
  EXPECT_FALSE(n.queued());
  EXPECT_EQ(q.size(), 0U);
  EXPECT_FALSE(q.remove(n));
  q.insert(n, 5);
  EXPECT_TRUE(q.move(n, never));
  EXPECT_FALSE(n.queued());
  EXPECT_EQ(q.pop_due(never), nullptr);
}

TEST(timer_queue, forgets_what_was_removed) {
  timer_queue q{0};
  timer_node n;
  EXPECT_FALSE(q.remove(n));
  q.insert(n, hour);
  EXPECT_TRUE(q.remove(n));
  EXPECT_FALSE(q.remove(n));
  EXPECT_EQ(q.next(), never);
  EXPECT_EQ(q.pop_due(2 * hour), nullptr);
}

TEST(timer_queue, moves_a_timer_later_and_earlier) {
  timer_queue q{0};
  timer_node n;
  EXPECT_FALSE(q.move(n, hour));  // inserts
  EXPECT_TRUE(q.move(n, 3 * hour));
  EXPECT_LE(q.next(), 3 * hour);
  EXPECT_EQ(q.pop_due(3 * hour - 1), nullptr);
  EXPECT_EQ(q.next(), 3 * hour);
  EXPECT_TRUE(q.move(n, 2 * hour));
  EXPECT_EQ(q.next(), 2 * hour);
  EXPECT_EQ(q.pop_due(3 * hour), &n);
}

TEST(timer_queue, survives_jumps_of_centuries_in_few_steps) {
  timer_queue q{-140 * year};
  std::vector<numbered> nodes(64 * 8);
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    nodes[i].number = static_cast<int>(i);
    q.insert(nodes[i], -140 * year + (std::int64_t{1} << (i % 62)));
  }
  // If a jump took a step per tick, this would take 10^14 of them.
  EXPECT_EQ(drain(q, 140 * year).size(), nodes.size());
  EXPECT_EQ(q.size(), 0U);
  q.insert(nodes[0], 150 * year);
  EXPECT_EQ(q.next(), 150 * year);
  EXPECT_TRUE(q.remove(nodes[0]));
}

// Oracle: a multimap from (time, order of insertion) to the node.
void agree_with_a_model(std::uint64_t seed, std::int64_t start, std::int64_t furthest) {
  SCOPED_TRACE(testing::Message() << "seed " << seed << " start " << start);
  std::mt19937_64 random{seed};
  const auto below = [&](std::uint64_t n) { return static_cast<std::int64_t>(random() % n); };
  std::vector<numbered> nodes(300);
  std::vector<std::uint64_t> order(nodes.size());
  std::map<std::pair<std::int64_t, std::uint64_t>, int> model;
  timer_queue q{start};
  std::int64_t now = start;
  std::uint64_t inserted = 0;
  for (std::size_t i = 0; i < nodes.size(); ++i) nodes[i].number = static_cast<int>(i);

  // Delays of every magnitude, often equal, sometimes in the past.
  const auto some_time = [&] {
    const std::int64_t delay = below(std::uint64_t{1} << below(62)) % furthest;
    const std::int64_t time = now + (below(8) == 0 ? -delay : delay);
    return below(4) == 0 ? time / second * second : time;
  };
  for (int step = 0; step < 20'000; ++step) {
    const auto i = static_cast<std::size_t>(below(nodes.size()));
    const std::pair key{nodes[i].when, order[i]};
    const bool queued = model.contains(key) && nodes[i].queued();
    switch (below(5)) {
      case 0:
      case 1: {
        const std::int64_t when = some_time();
        ASSERT_EQ(q.move(nodes[i], when), queued);
        if (queued) model.erase(key);
        order[i] = ++inserted;
        model.emplace(std::pair{when, order[i]}, static_cast<int>(i));
        break;
      }
      case 2:
        ASSERT_EQ(q.remove(nodes[i]), queued);
        if (queued) model.erase(key);
        break;
      default:
        if (below(3) == 0) now += below(std::uint64_t{1} << below(62)) % furthest;
        if (below(50) == 0 && !model.empty()) now = std::max(now, model.begin()->first.first);
        while (!model.empty() && model.begin()->first.first <= now) {
          ASSERT_LE(q.next(), model.begin()->first.first);
          timer_node* n = q.pop_due(now);
          ASSERT_NE(n, nullptr);
          ASSERT_EQ(static_cast<numbered*>(n)->number, model.begin()->second);
          model.erase(model.begin());
        }
        ASSERT_EQ(q.pop_due(now), nullptr);
        if (now > never / 2) return;  // no room for later times
    }
    ASSERT_EQ(q.size(), model.size());
    ASSERT_LE(q.next(), model.empty() ? never : model.begin()->first.first);
    if (model.empty()) {
      ASSERT_EQ(q.next(), never);
    }
  }
}

TEST(timer_queue, agrees_with_a_sorted_map_whatever_is_done) {
  for (std::uint64_t round = 0; round < 10; ++round) {
    agree_with_a_model(downhaul_test::seed() + round, 0, second);
    agree_with_a_model(downhaul_test::seed() + round, 12345 * hour + 678, hour);
    agree_with_a_model(downhaul_test::seed() + round, -3 * year, year / 100);
    agree_with_a_model(downhaul_test::seed() + round, first_time + 2 * year, year / 100);
  }
}

TEST(timer_queue, holds_a_million_timers) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  constexpr std::size_t count = 10'000;
#else
  constexpr std::size_t count = 1'000'000;
#endif
  std::mt19937_64 random{downhaul_test::seed()};
  std::vector<timer_node> nodes(count);
  timer_queue q{0};
  for (timer_node& n : nodes) q.insert(n, hour + static_cast<std::int64_t>(random() % hour));
  for (timer_node& n : nodes) q.move(n, hour + static_cast<std::int64_t>(random() % hour));
  for (std::size_t i = 0; i < count; i += 2) EXPECT_TRUE(q.remove(nodes[i]));
  std::int64_t last = 0;
  std::size_t fired = 0;
  for (std::int64_t now = hour; now <= 2 * hour; now += second / 7) {
    while (timer_node* n = q.pop_due(now)) {
      ASSERT_GE(n->when, last);
      ASSERT_LE(n->when, now);
      last = n->when;
      ++fired;
    }
  }
  EXPECT_EQ(fired, count / 2);
}

TEST(timer_queue, fires_a_burst_of_many_equal_timers) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  constexpr std::size_t count = 10'000;
#else
  constexpr std::size_t count = 300'000;
#endif
  std::vector<timer_node> nodes(count);
  timer_queue q{0};
  for (timer_node& n : nodes) q.insert(n, hour);
  for (std::size_t i = 0; i < count; ++i) ASSERT_EQ(q.pop_due(hour), &nodes[i]);
  EXPECT_EQ(q.pop_due(hour), nullptr);
}

}  // namespace
