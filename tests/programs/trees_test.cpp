// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// Random trees of values, cancels and time-outs. One of the cancels, or time itself, ends part of the
// tree; what was bound is readable before, while and after, and just what is below has ended.

#include <gmock/gmock.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "downhaul/downhaul.hpp"
#include "downhaul/testing/manual_clock.hpp"
#include "support/crew.hpp"
#include "support/seed.hpp"

namespace dh = downhaul;
using namespace std::chrono_literals;

namespace {

inline constexpr std::size_t key_count = 8;
const dh::key<int> keys[key_count] = {dh::key<int>{"k0"}, dh::key<int>{"k1"}, dh::key<int>{"k2"},
                                      dh::key<int>{"k3"}, dh::key<int>{"k4"}, dh::key<int>{"k5"},
                                      dh::key<int>{"k6"}, dh::key<int>{"k7"}};

// A tree and what is known of it without asking.
struct node {
  dh::context ctx;
  dh::cancel_scope cancel;
  std::size_t parent = 0;
  bool ends_by_itself = false;  // cancel or time-out
  std::optional<std::chrono::nanoseconds> timeout;
  std::array<std::optional<int>, key_count> bound{};  // as seen from here
  bool canceled = false;
  bool expired = false;

  std::error_code expected() const {
    if (canceled) return dh::errc::canceled;
    if (expired) return dh::errc::deadline_exceeded;
    return {};
  }
};

class tree {
 public:
  tree(std::mt19937_64& rng, std::size_t size, bool chain) : rng_{rng} {
    nodes_.emplace_back();
    while (nodes_.size() < size) {
      const std::size_t parent = chain ? nodes_.size() - 1 : rng_() % nodes_.size();
      grow(parent);
    }
  }

  std::size_t size() const { return nodes_.size(); }
  node& at(std::size_t i) { return nodes_[i]; }
  std::vector<std::size_t> cancellable() const {
    std::vector<std::size_t> all;
    for (std::size_t i = 0; i < nodes_.size(); ++i) {
      if (nodes_[i].ends_by_itself) all.push_back(i);
    }
    return all;
  }
  // Nodes are listed after their parents: one pass reaches everything below.
  void expect_canceled(std::size_t top) {
    std::vector<bool> below(nodes_.size());
    below[top] = true;
    for (std::size_t i = 1; i < nodes_.size(); ++i) {
      below[i] = below[i] || below[nodes_[i].parent];
      if (below[i] && !nodes_[i].expired) nodes_[i].canceled = true;
    }
  }
  void expect_expired(std::chrono::nanoseconds now) {
    for (std::size_t i = 1; i < nodes_.size(); ++i) {
      node& n = nodes_[i];
      if (n.canceled) continue;
      n.expired = n.expired || nodes_[n.parent].expired || (n.timeout && *n.timeout <= now);
    }
  }
  void check(const char* when) const {
    for (std::size_t i = 0; i < nodes_.size(); ++i) {
      const node& n = nodes_[i];
      ASSERT_EQ(n.ctx.err(), n.expected()) << when << ": " << n.ctx.to_string();
      ASSERT_EQ(n.ctx.cause() != nullptr, static_cast<bool>(n.expected())) << when;
      if (n.expected()) {
        ASSERT_FALSE(n.ctx.done().recv()) << when;
      }
      for (std::size_t k = 0; k < key_count; ++k) {
        const int* const v = n.ctx.value(keys[k]);
        ASSERT_EQ(v != nullptr, n.bound[k].has_value()) << when;
        if (v != nullptr) {
          ASSERT_EQ(*v, *n.bound[k]) << when;
        }
      }
    }
  }

 private:
  void grow(std::size_t parent) {
    node n;
    n.parent = parent;
    n.bound = nodes_[parent].bound;
    const dh::context& above = nodes_[parent].ctx;
    switch (rng_() % 4) {
      case 0: {
        const std::size_t k = rng_() % key_count;
        const int v = static_cast<int>(rng_() % 1000);
        n.ctx = dh::with_value(above, keys[k], v);
        n.bound[k] = v;
        break;
      }
      case 1:
      case 2: {
        auto made = dh::with_cancel(above);
        n.ctx = made.ctx;
        n.cancel = std::move(made.cancel);
        n.ends_by_itself = true;
        break;
      }
      case 3: {
        n.timeout = std::chrono::milliseconds{1 + rng_() % 1000};
        auto made = dh::with_timeout(above, *n.timeout);
        n.ctx = made.ctx;
        n.cancel = std::move(made.cancel);
        n.ends_by_itself = true;
        break;
      }
    }
    nodes_.push_back(std::move(n));
  }

  std::mt19937_64& rng_;
  std::vector<node> nodes_;
};

class programs_trees : public testing::TestWithParam<bool> {
 protected:
  std::mt19937_64 rng{downhaul_test::seed()};
};
INSTANTIATE_TEST_SUITE_P(, programs_trees, testing::Values(true, false), [](const auto& info) {
  return info.param ? std::string{"layers"} : std::string{"branches"};
});

TEST_P(programs_trees, a_random_cancel_ends_all_below_and_nothing_else) {
  dh::manual_clock hands;
  const dh::use_clock here{hands};
  for (int round = 0; round < downhaul_test::rounds(200); ++round) {
    tree t{rng, 30 + rng() % 30, GetParam()};
    t.check("before");
    auto choices = t.cancellable();
    std::ranges::shuffle(choices, rng);
    for (std::size_t i = 0; i < std::min<std::size_t>(choices.size(), 3); ++i) {
      t.at(choices[i]).cancel();
      t.expect_canceled(choices[i]);
      t.check("after the cancel");
      if (HasFatalFailure()) return;
    }
    // Nothing of what was cancelled expires.
    hands.advance(10s);
    t.expect_expired(10s);
    t.check("when all time has passed");
    if (HasFatalFailure()) return;
  }
  EXPECT_EQ(hands.pending(), 0u);
}

TEST_P(programs_trees, time_ends_what_is_due_and_all_below_and_nothing_else) {
  dh::manual_clock hands;
  const dh::use_clock here{hands};
  for (int round = 0; round < downhaul_test::rounds(200); ++round) {
    tree t{rng, 30 + rng() % 30, GetParam()};
    std::chrono::nanoseconds now{};
    while (now < 1100ms) {
      const std::chrono::milliseconds step{rng() % 200};
      hands.advance(step);
      now += step;
      t.expect_expired(now);
      t.check("after some time");
      if (HasFatalFailure()) return;
      if (rng() % 3 == 0) {
        const auto choices = t.cancellable();
        if (choices.empty()) continue;
        const std::size_t chosen = choices[rng() % choices.size()];
        t.at(chosen).cancel();
        t.expect_canceled(chosen);
        t.check("after a cancel in between");
        if (HasFatalFailure()) return;
      }
    }
  }
  EXPECT_EQ(hands.pending(), 0u);
}

// Everything is cancelled from goroutines of its own, in random order, while others wait and read.
TEST_P(programs_trees, simultaneous_cancels_all_return_and_everything_has_ended) {
  for (const int workers : {1, 4}) {
    dh::runtime on{dh::runtime_options{.workers = workers}};
    on.run([&] {
      for (int round = 0; round < downhaul_test::rounds(100); ++round) {
        tree t{rng, 120, GetParam()};
        auto order = t.cancellable();
        std::ranges::shuffle(order, rng);
        dh::wait_group all;
        for (const std::size_t i : order) {
          all.go([&t, i] { t.at(i).cancel(); });
          all.go([&t, i] {
            const node& n = t.at(i);
            n.ctx.done().recv();
            EXPECT_TRUE(n.ctx.err());
            for (std::size_t k = 0; k < key_count; ++k) {
              const int* const v = n.ctx.value(keys[k]);
              EXPECT_EQ(v != nullptr ? std::optional{*v} : std::nullopt, n.bound[k]);
            }
          });
        }
        all.wait();
      }
    });
    downhaul_test::wait_until([&] { return on.goroutines() == 0; });
  }
}

// A hundred contexts, four below each, all cancelled at once: a full tree of the classic shape.
TEST(programs_full_tree, four_below_each_all_cancelled_at_once) {
  constexpr std::size_t n = 101;
  for (int round = 0; round < downhaul_test::rounds(100); ++round) {
    std::vector<dh::context> contexts(n);
    std::vector<dh::cancel_scope> cancels(n);
    for (std::size_t i = 0; i < n; ++i) {
      auto made = dh::with_cancel(i == 0 ? dh::context{} : contexts[(i - 1) / 4]);
      contexts[i] = made.ctx;
      cancels[i] = std::move(made.cancel);
    }
    std::vector<std::size_t> order(n);
    for (std::size_t i = 0; i < n; ++i) order[i] = i;
    std::mt19937_64 rng{downhaul_test::seed() + static_cast<unsigned>(round)};
    std::ranges::shuffle(order, rng);
    dh::wait_group all;
    for (const std::size_t i : order) {
      all.go([&, i] { cancels[i](); });
      all.go([&, i] { contexts[i].done().recv(); });
    }
    all.wait();
    for (const auto& ctx : contexts) EXPECT_EQ(ctx.err(), dh::errc::canceled);
  }
}

}  // namespace
