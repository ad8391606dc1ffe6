// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// CTX-110 to CTX-120: values and their keys.

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "conformance/context/contexts.hpp"
#include "downhaul/after_func.hpp"
#include "downhaul/context.hpp"
#include "downhaul/context_base.hpp"
#include "downhaul/key.hpp"
#include "support/seed.hpp"

namespace dh = downhaul;
using namespace std::chrono_literals;
using downhaul_test::by_hand;
using downhaul_test::canceled;
using downhaul_test::has_ended;
using downhaul_test::late;
using downhaul_test::name_key;
using downhaul_test::number_key;
using downhaul_test::rounds;
using downhaul_test::wrapper;

namespace {

TEST(CTX_110, the_nearest_binding_is_found_and_shadows_those_above) {
  const dh::context a = dh::with_value(dh::background(), number_key, 1);
  const dh::context b = dh::with_value(a, name_key, "one");
  const dh::context c = dh::with_value(b, number_key, 2);
  const dh::context d = dh::with_value(c, name_key, "two");
  EXPECT_EQ(*a.value(number_key), 1);
  EXPECT_EQ(*b.value(number_key), 1);
  EXPECT_EQ(*c.value(number_key), 2);
  EXPECT_EQ(*d.value(number_key), 2);
  EXPECT_EQ(a.value(name_key), nullptr);
  EXPECT_EQ(*b.value(name_key), "one");
  EXPECT_EQ(*c.value(name_key), "one");
  EXPECT_EQ(*d.value(name_key), "two");
}

inline constexpr dh::key<int> twin_key{"number"};
inline constexpr dh::key<std::string> text_twin_key{"number"};

// deviates: a key is an object, and its identity is the object, whatever its type and name are.
TEST(CTX_111, keys_of_the_same_type_and_name_are_different_keys) {
  const dh::context one = dh::with_value(dh::background(), number_key, 1);
  EXPECT_EQ(one.value(text_twin_key), nullptr) << "another type";
  const dh::context two = dh::with_value(one, twin_key, 2);
  const dh::context three = dh::with_value(two, text_twin_key, "three");
  EXPECT_EQ(*three.value(number_key), 1);
  EXPECT_EQ(*three.value(twin_key), 2);
  EXPECT_EQ(*three.value(text_twin_key), "three");
}

inline constexpr dh::key<std::optional<int>> optional_key{"optional"};

// deviates: "null" is an empty std::optional: it is found, and holds nothing.
TEST(CTX_112, an_empty_binding_hides_one_above) {
  const dh::context full = dh::with_value(dh::background(), optional_key, 4);
  const dh::context hidden = dh::with_value(full, optional_key, std::nullopt);
  auto [below, cancel] = dh::with_cancel(hidden);
  ASSERT_NE(below.value(optional_key), nullptr);
  EXPECT_FALSE(below.value(optional_key)->has_value());
  EXPECT_EQ(**full.value(optional_key), 4);
  const dh::context again = dh::with_value(below, optional_key, 5);
  EXPECT_EQ(**again.value(optional_key), 5);
  static constexpr dh::key<const char*> pointer_key{"pointer"};
  const dh::context pointed = dh::with_value(dh::background(), pointer_key, "x");
  const dh::context null = dh::with_value(pointed, pointer_key, nullptr);
  ASSERT_NE(null.value(pointer_key), nullptr);
  EXPECT_EQ(*null.value(pointer_key), nullptr);
}

TEST(CTX_113, a_key_that_is_not_bound_gives_null) {
  static_assert(noexcept(dh::background().value(number_key)), "never an error");
  auto [ctx, cancel] = dh::with_timeout(dh::with_value(dh::background(), name_key, "x"), 1h);
  const dh::context wrapped = dh::make_context<wrapper>(ctx);
  for (const dh::context& c :
       {dh::background(), dh::todo(), ctx, wrapped, dh::without_cancel(wrapped)}) {
    EXPECT_EQ(c.value(number_key), nullptr);
  }
}

// Answers for one key, and passes the others on; or not.
class answers : public dh::context_base {
 public:
  answers(const dh::context& parent, bool passes_on)
      : context_base{parent}, passes_on_{passes_on} {}
  const void* find(const dh::key_base& k) const noexcept override {
    if (&k == &number_key) return &number_;
    return passes_on_ ? context_base::find(k) : nullptr;
  }

 private:
  const int number_ = 99;
  const bool passes_on_;
};

TEST(CTX_114, lookup_passes_through_every_kind_of_context) {
  const dh::context bound =
      dh::with_value(dh::with_value(dh::background(), name_key, "Ann"), number_key, 7);
  auto [a, cancel_a] = dh::with_cancel(bound);
  auto [b, cancel_b] = dh::with_cancel_cause(a);
  auto [c, cancel_c] = dh::with_timeout(b, 1h);
  auto [d, cancel_d] = dh::with_timeout(c, 2h);  // a with_cancel, by its deadline
  const dh::context e = dh::without_cancel(d);
  const dh::context f = dh::make_context<wrapper>(e);
  const dh::context g = dh::make_context<downhaul_test::own_done>(f);
  for (const dh::context& ctx : {a, b, c, d, e, f, g}) {
    ASSERT_NE(ctx.value(number_key), nullptr) << to_string(ctx);
    EXPECT_EQ(*ctx.value(number_key), 7);
    EXPECT_EQ(*ctx.value(name_key), "Ann");
  }
  auto [through, cancel_through] = dh::with_cancel(dh::make_context<answers>(g, true));
  EXPECT_EQ(*through.value(number_key), 99) << "by its own find";
  EXPECT_EQ(*through.value(name_key), "Ann");
  auto [blocked, cancel_blocked] = dh::with_cancel(dh::make_context<answers>(g, false));
  EXPECT_EQ(*blocked.value(number_key), 99);
  EXPECT_EQ(blocked.value(name_key), nullptr);
}

template <class Key>
constexpr bool can_be_bound =
    requires(const dh::context& ctx, Key&& k) { dh::with_value(ctx, std::forward<Key>(k), 1); };
template <class Key>
constexpr bool can_be_looked_up =
    requires(const dh::context& ctx, Key&& k) { ctx.value(std::forward<Key>(k)); };

// See also compile_fail/context_conformance.cpp.
TEST(CTX_115, there_is_no_null_key_and_none_that_cannot_be_compared) {
  static_assert(can_be_bound<const dh::key<int>&> && can_be_looked_up<const dh::key<int>&>);
  static_assert(!can_be_bound<std::nullptr_t> && !can_be_looked_up<std::nullptr_t>);
  static_assert(!can_be_bound<const dh::key<int>*> && !can_be_looked_up<const dh::key<int>*>);
  static_assert(!can_be_bound<std::vector<int>> && !can_be_looked_up<std::vector<int>>);
  static_assert(!can_be_bound<dh::key<int>>, "a temporary has no identity");
  static_assert(!std::is_copy_constructible_v<dh::key<int>>);
  EXPECT_EQ(*dh::with_value(dh::background(), number_key, 1).value(number_key), 1);
}

// Writes down what it is asked for.
class asked : public dh::context_base {
 public:
  using context_base::context_base;
  const void* find(const dh::key_base& k) const noexcept override {
    const std::lock_guard lock{mu_};
    keys_.push_back(&k);
    return nullptr;
  }
  std::vector<const dh::key_base*> keys() const {
    const std::lock_guard lock{mu_};
    return keys_;
  }

 private:
  mutable std::mutex mu_;
  mutable std::vector<const dh::key_base*> keys_;  // guarded by mu_
};

// deviates: there is no such key; children are linked without a lookup.
TEST(CTX_116, nobody_is_asked_for_a_key_of_the_library) {
  auto [root, cancel] = dh::with_cancel(dh::background());
  const auto ctx = dh::make_context<asked>(root);
  auto [child, cancel_child] = dh::with_cancel(ctx);
  auto [timed, cancel_timed] = dh::with_timeout(dh::make_context<wrapper>(ctx), 1h);
  const dh::registration r = dh::after_func(ctx, [] {});
  EXPECT_EQ(child.value(number_key), nullptr);
  cancel();
  EXPECT_TRUE(has_ended(child, canceled()));
  EXPECT_EQ(timed.cause(), root.cause());
  EXPECT_FALSE(to_string(timed).empty());
  EXPECT_EQ(ctx->keys(), std::vector<const dh::key_base*>{&number_key});
}

// A few layers drawn by lot, each checked against what was bound: before, and after `end` has ended one
// of them and what is below it.
struct layers {
  static constexpr std::size_t key_count = 5;

  explicit layers(std::uint64_t s) : random{s} {
    for (std::size_t i = 0; i < key_count; ++i) names.push_back("layer" + std::to_string(i));
    for (const std::string& n : names) keys.push_back(std::make_unique<dh::key<int>>(n.c_str()));
  }
  void grow(std::size_t n) {
    for (std::size_t i = 0; i < n; ++i) {
      const dh::context parent = all.empty() ? dh::background() : all.back().ctx;
      layer next{{}, all.empty() ? decltype(layer::bound){} : all.back().bound, std::nullopt};
      switch (random() % 3) {
        case 0: {
          const std::size_t k = random() % key_count;
          next.ctx = dh::with_value(parent, *keys[k], static_cast<int>(i));
          next.bound[k] = static_cast<int>(i);
          break;
        }
        case 1: {
          dh::cancelable made = dh::with_cancel(parent);
          next.ctx = made.ctx;
          next.scope.emplace(std::move(made.cancel));
          break;
        }
        default: {
          dh::cancelable made = dh::with_timeout(parent, std::chrono::hours{1 + random() % 50});
          next.ctx = made.ctx;
          next.scope.emplace(std::move(made.cancel));
        }
      }
      all.push_back(std::move(next));
    }
  }
  void check_values() const {
    for (const layer& l : all) {
      for (std::size_t k = 0; k < key_count; ++k) {
        const int* found = l.ctx.value(*keys[k]);
        const auto expected = l.bound.find(k);
        ASSERT_EQ(found != nullptr, expected != l.bound.end()) << to_string(l.ctx);
        if (found != nullptr) {
          ASSERT_EQ(*found, expected->second) << to_string(l.ctx);
        }
      }
    }
  }

  struct layer {
    dh::context ctx;
    std::map<std::size_t, int> bound;
    std::optional<dh::cancel_scope> scope;
  };
  std::mt19937_64 random;
  std::vector<std::string> names;
  std::vector<std::unique_ptr<dh::key<int>>> keys;  // outlive the layers
  std::vector<layer> all;
};

TEST(CTX_117, values_stay_readable_through_a_random_cancel) {
  for (std::uint64_t round = 0; round < 100; ++round) {
    by_hand time;
    layers l{downhaul_test::seed() + round};
    l.grow(40);
    l.check_values();
    std::vector<std::size_t> scopes;
    for (std::size_t i = 0; i < l.all.size(); ++i) {
      if (l.all[i].scope) scopes.push_back(i);
    }
    if (scopes.empty()) continue;
    const std::size_t picked = scopes[l.random() % scopes.size()];
    (*l.all[picked].scope)();
    for (std::size_t i = 0; i < l.all.size(); ++i) {
      EXPECT_TRUE(i < picked ? !l.all[i].ctx.err() : has_ended(l.all[i].ctx, canceled()));
    }
    l.check_values();
  }
}

TEST(CTX_117, values_stay_readable_through_expiry) {
  for (std::uint64_t round = 0; round < 100; ++round) {
    by_hand time;
    layers l{downhaul_test::seed() + 1000 + round};
    l.grow(40);
    l.check_values();
    const dh::time_point start = time.clock.now();
    time.pass(std::chrono::hours{1 + l.random() % 50});
    for (const layers::layer& one : l.all) {
      const bool expired = one.ctx.deadline() && *one.ctx.deadline() <= time.clock.now();
      EXPECT_EQ(one.ctx.err(), expired ? late() : std::error_code{});
      EXPECT_TRUE(!one.ctx.deadline() || *one.ctx.deadline() > start);
    }
    l.check_values();
  }
}

constexpr int deep = downhaul_test::sanitized ? 10'000 : 100'000;

TEST(CTX_118, lookup_through_100000_values_works_on_a_small_stack) {
  std::vector<std::unique_ptr<dh::key<int>>> keys;
  keys.reserve(deep);
  for (int i = 0; i < deep; ++i) keys.push_back(std::make_unique<dh::key<int>>("one of many"));
  downhaul_test::on_small_stack([&] {
    dh::context last = dh::with_value(dh::background(), number_key, 42);
    for (int i = 0; i < deep; ++i)
      last = dh::with_value(last, *keys[static_cast<std::size_t>(i)], i);
    EXPECT_EQ(*last.value(number_key), 42);
    EXPECT_EQ(last.value(name_key), nullptr);
    for (const int i : {0, 1, deep / 2, deep - 1}) {
      EXPECT_EQ(*last.value(*keys[static_cast<std::size_t>(i)]), i);
    }
  });
}

TEST(CTX_118, and_through_100000_contexts_without_one) {
  downhaul_test::on_small_stack([] {
    dh::context last = dh::with_value(dh::background(), number_key, 42);
    for (int i = 0; i < deep; ++i) {
      if (i % 3 == 0) {
        last = dh::make_context<wrapper>(last);
      } else if (i % 3 == 1) {
        last = dh::without_cancel(last);
      } else {
        dh::cancelable made = dh::with_cancel(last);
        last = made.ctx;
      }
    }
    EXPECT_EQ(*last.value(number_key), 42);
    EXPECT_EQ(last.value(name_key), nullptr);
  });
}

TEST(CTX_119, a_binding_does_not_touch_the_parent) {
  const dh::context parent = dh::with_value(dh::background(), number_key, 1);
  const dh::context a = dh::with_value(parent, number_key, 2);
  const dh::context b = dh::with_value(parent, number_key, 3);
  const dh::context c = dh::with_value(parent, name_key, "c");
  EXPECT_EQ(*parent.value(number_key), 1);
  EXPECT_EQ(parent.value(name_key), nullptr);
  EXPECT_EQ(*a.value(number_key), 2);
  EXPECT_EQ(*b.value(number_key), 3);
  EXPECT_EQ(*c.value(number_key), 1);
  EXPECT_EQ(b.value(name_key), nullptr);
}

// Counts its life, and uses the library in its end.
struct counted {
  counted(std::atomic<int>& n, dh::cancel_func s) : ended{&n}, stop{std::move(s)} {}
  counted(const counted&) = delete;
  counted& operator=(const counted&) = delete;
  ~counted() {
    stop();
    auto [ctx, cancel] = dh::with_timeout(dh::background(), 1h);
    const dh::registration r = dh::after_func(ctx, [] {});
    r.stop();
    ++*ended;
  }
  std::atomic<int>* ended;
  dh::cancel_func stop;
};
inline constexpr dh::key<counted> counted_key{"counted"};

TEST(CTX_120, a_value_lives_as_long_as_a_context_that_can_see_it) {
  std::atomic<int> ended{0};
  dh::context below;
  dh::context hidden;
  {
    const dh::context bound =
        dh::with_value(dh::background(), counted_key, ended, dh::cancel_func{});
    auto [child, cancel] = dh::with_cancel(bound);
    below = dh::make_context<wrapper>(dh::without_cancel(child));
    hidden = dh::with_value(dh::background(), number_key, 1);
    EXPECT_EQ(below.value(counted_key), bound.value(counted_key)) << "one object, not copied";
  }
  EXPECT_EQ(ended, 0);
  EXPECT_NE(below.value(counted_key), nullptr);
  hidden = {};
  EXPECT_EQ(ended, 0);
  below = {};
  EXPECT_EQ(ended, 1);
}

TEST(CTX_120, its_end_may_use_the_library_also_from_within_a_cancel) {
  std::atomic<int> ended{0};
  auto [root, cancel] = dh::with_cancel(dh::background());
  for (int i = 0; i < 10; ++i) {
    // Below root, owned by a callback alone: the cancel drops it.
    auto [child, cancel_child] =
        dh::with_cancel(dh::with_value(root, counted_key, ended, dh::cancel_func{cancel}));
    cancel_child.detach();
    dh::after_func(dh::inplace, root, [held = child]() noexcept {}).detach();
  }
  EXPECT_EQ(ended, 0);
  cancel();
  downhaul_test::wait_until([&] { return ended == 10; });
}

TEST(CTX_120, it_ends_once_whichever_thread_is_last) {
  struct handles {
    std::atomic<int> ended{0};
    dh::context a;
    dh::context b;
  };
  downhaul_test::race<handles>(
      rounds(5'000),
      [](handles& h) {
        h.a = dh::with_value(dh::background(), counted_key, h.ended, dh::cancel_func{});
        h.b = dh::with_value(h.a, number_key, 1);
      },
      [](handles& h) { EXPECT_EQ(h.ended, 1); }, [](handles& h) { h.a = {}; },
      [](handles& h) { h.b = {}; });
}

}  // namespace
