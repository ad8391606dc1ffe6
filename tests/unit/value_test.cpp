// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "downhaul/context.hpp"
#include "downhaul/go.hpp"
#include "support/crew.hpp"
#include "support/leaves_nothing.hpp"
#include "support/seed.hpp"

namespace {

namespace dh = downhaul;
using namespace std::chrono_literals;

class value : public downhaul_test::leaves_nothing {};

inline constexpr dh::key<std::string> name_key{"name"};
inline constexpr dh::key<std::string> other_name_key{"name"};  // the same name and type
inline constexpr dh::key<int> number_key{"number"};
inline constexpr dh::key<std::optional<int>> optional_key{"optional"};

TEST_F(value, nearest_binding_wins_and_the_parent_is_not_touched) {
  const dh::context a = dh::with_value(dh::background(), name_key, "Ann");
  const dh::context b = dh::with_value(a, number_key, 1);
  const dh::context c1 = dh::with_value(b, name_key, "Bob");
  const dh::context c2 = dh::with_value(b, name_key, std::string(3, 'x'));
  EXPECT_EQ(*a.value(name_key), "Ann");
  EXPECT_EQ(*b.value(name_key), "Ann");
  EXPECT_EQ(*c1.value(name_key), "Bob");
  EXPECT_EQ(*c2.value(name_key), "xxx");
  EXPECT_EQ(*c1.value(number_key), 1);
  EXPECT_EQ(a.value(number_key), nullptr);
  EXPECT_EQ(c1.value(name_key), c1.value(name_key));
}

TEST_F(value, keys_are_told_apart_by_identity_not_by_name) {
  const dh::context ctx = dh::with_value(dh::background(), name_key, "Ann");
  EXPECT_NE(ctx.value(name_key), nullptr);
  EXPECT_EQ(ctx.value(other_name_key), nullptr);
  EXPECT_EQ(std::string{name_key.name()}, other_name_key.name());
  EXPECT_EQ(name_key.type(), typeid(std::string));
}

TEST_F(value, an_empty_optional_hides_what_is_above) {
  const dh::context full = dh::with_value(dh::background(), optional_key, 1);
  const dh::context hidden = dh::with_value(full, optional_key);
  ASSERT_NE(hidden.value(optional_key), nullptr);
  EXPECT_FALSE(hidden.value(optional_key)->has_value());
  EXPECT_TRUE(full.value(optional_key)->has_value());
}

TEST_F(value, passes_through_all_kinds_of_contexts_open_or_ended) {
  const dh::context bound = dh::with_value(dh::background(), number_key, 7);
  auto [a, cancel] = dh::with_cancel(bound);
  auto [b, cancel_b] = dh::with_timeout(a, 1h);
  auto [c, cancel_c] = dh::with_grace(dh::without_cancel(b), 1h);
  EXPECT_EQ(*c.value(number_key), 7);
  cancel();
  EXPECT_EQ(*b.value(number_key), 7);
  EXPECT_EQ(*c.value(number_key), 7);
}

struct counted {
  explicit counted(int& n) : alive{&n} { ++*alive; }
  counted(const counted&) = delete;
  ~counted() { --*alive; }
  int* alive;
};
inline constexpr dh::key<counted> counted_key{"counted"};

TEST_F(value, lives_as_long_as_a_context_that_can_see_it) {
  int alive = 0;
  dh::context below;
  {
    const dh::context ctx = dh::with_value(dh::background(), counted_key, alive);
    auto [child, cancel] = dh::with_cancel(ctx);
    below = dh::with_value(child, number_key, 1);
    EXPECT_EQ(alive, 1);
  }
  EXPECT_EQ(alive, 1);
  EXPECT_NE(below.value(counted_key), nullptr);
  below = {};
  EXPECT_EQ(alive, 0);
}

struct throwing {
  explicit throwing(int) { throw 42; }
};
inline constexpr dh::key<throwing> throwing_key{"throwing"};
struct alignas(128) wide {
  double d = 1;
};
inline constexpr dh::key<wide> wide_key{"wide"};
inline constexpr dh::key<std::unique_ptr<int>> owner_key{"owner"};

TEST_F(value, may_throw_in_the_making_be_over_aligned_or_move_only) {
  EXPECT_THROW(static_cast<void>(dh::with_value(dh::background(), throwing_key, 1)), int);
  dh::context ctx = dh::with_value(dh::background(), number_key, 1);
  ctx = dh::with_value(ctx, wide_key);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(ctx.value(wide_key)) % 128, 0u);
  ctx = dh::with_value(ctx, owner_key, std::make_unique<int>(5));
  EXPECT_EQ(**ctx.value(owner_key), 5);
}

// A value that itself holds contexts: its end is one more step of the same loop.
inline constexpr dh::key<dh::context> context_key{"context"};

TEST_F(value, that_holds_a_chain_of_contexts_ends_without_recursion) {
  constexpr int count = downhaul_test::sanitized ? 10'000 : 200'000;
  dh::go_options small;
  small.stack = 64 * 1024;
  std::atomic<bool> ended{false};
  dh::go(small, [&] {
    dh::context last;
    for (int i = 0; i < count; ++i) last = dh::with_value(dh::background(), context_key, last);
    last = {};
    ended.store(true);
  });
  downhaul_test::wait_until([&] { return ended.load(); });
}

TEST_F(value, is_found_a_hundred_thousand_layers_up) {
  constexpr int count = downhaul_test::sanitized ? 10'000 : 100'000;
  std::vector<std::unique_ptr<dh::key<int>>> keys;
  dh::context ctx = dh::with_value(dh::background(), number_key, 42);
  for (int i = 0; i < count; ++i) {
    keys.push_back(std::make_unique<dh::key<int>>("layer"));
    ctx = dh::with_value(ctx, *keys.back(), i);
  }
  EXPECT_EQ(*ctx.value(number_key), 42);
  for (int i = 0; i < count; ++i) ASSERT_EQ(*ctx.value(*keys[static_cast<std::size_t>(i)]), i);
}

// Oracle: a map copied at each step.
TEST_F(value, random_trees_agree_with_a_map) {
  std::mt19937_64 random{downhaul_test::seed()};
  std::vector<std::unique_ptr<dh::key<int>>> keys;
  std::vector<std::string> names;  // each its own: twins would be reported
  for (int i = 0; i < 60; ++i) names.push_back("k" + std::to_string(i));
  for (const std::string& n : names) keys.push_back(std::make_unique<dh::key<int>>(n.c_str()));
  struct version {
    dh::context ctx;
    std::map<std::size_t, int> expected;
  };
  std::vector<version> versions{{dh::background(), {}}};
  for (int step = 0; step < downhaul_test::rounds(3'000); ++step) {
    const version& from = versions[random() % versions.size()];
    version next{from.ctx, from.expected};
    const std::size_t k = random() % keys.size();
    switch (random() % 4) {
      case 0: next.ctx = dh::without_cancel(next.ctx); break;
      case 1: next.ctx = dh::with_cancel(next.ctx).ctx; break;
      default: next.ctx = dh::with_value(next.ctx, *keys[k], step); next.expected[k] = step;
    }
    versions.push_back(next);
    const version& checked = versions[random() % versions.size()];
    for (std::size_t i = 0; i < keys.size(); ++i) {
      const int* found = checked.ctx.value(*keys[i]);
      const auto expected = checked.expected.find(i);
      ASSERT_EQ(found != nullptr, expected != checked.expected.end());
      if (found != nullptr) {
        ASSERT_EQ(*found, expected->second);
      }
    }
    if (versions.size() > 200) versions.erase(versions.begin() + static_cast<long>(random() % 200));
  }
}

#ifdef DOWNHAUL_CHECKED
TEST_F(value, a_miss_beside_a_twin_of_the_key_is_reported) {
  const dh::context ctx = dh::with_value(dh::background(), name_key, "Ann");
  testing::internal::CaptureStderr();
  EXPECT_EQ(ctx.value(other_name_key), nullptr);
  EXPECT_NE(testing::internal::GetCapturedStderr().find("another key of the same name and type"),
            std::string::npos);
}
#endif

}  // namespace
