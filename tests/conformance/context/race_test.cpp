// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// The lines that are about two at once, thousands of times: CTX-010, CTX-028, CTX-046, CTX-104, CTX-145,
// CTX-170 to CTX-172. Oracles: what has been cancelled has ended, with the one cause; a callback ran or
// was stopped; nothing hangs, nothing is left.

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "conformance/context/contexts.hpp"
#include "downhaul/after_func.hpp"
#include "downhaul/context.hpp"
#include "downhaul/context_base.hpp"
#include "downhaul/go.hpp"
#include "downhaul/wait_group.hpp"
#include "support/crew.hpp"
#include "support/seed.hpp"

namespace dh = downhaul;
using namespace std::chrono_literals;
using dh::impl::wait_reason;
using downhaul_test::because;
using downhaul_test::by_hand;
using downhaul_test::canceled;
using downhaul_test::cause_of;
using downhaul_test::has_ended;
using downhaul_test::is_closed;
using downhaul_test::late;
using downhaul_test::number_key;
using downhaul_test::race;
using downhaul_test::registrations;
using downhaul_test::rounds;
using downhaul_test::spin_until;
using downhaul_test::wrapper;

namespace {

TEST(CTX_010, an_err_that_is_seen_means_a_done_that_is_closed) {
  std::optional<dh::cancelable_cause> root;
  std::optional<dh::cancelable> child;
  dh::context seen;
  std::atomic<int> wrong{0};
  int round = 0;
  race(
      rounds(10'000),
      [&] {
        child.reset();
        root.emplace(dh::with_cancel_cause(dh::background()));
        child.emplace(round % 2 == 0 ? dh::with_cancel(root->ctx)
                                     : dh::with_timeout(root->ctx, 1h));
        switch (++round % 4) {
          case 0: seen = root->ctx; break;
          case 1: seen = child->ctx; break;
          case 2: seen = dh::with_value(child->ctx, number_key, 1); break;
          default: seen = dh::make_context<wrapper>(root->ctx);
        }
      },
      [&] {
        EXPECT_EQ(wrong, 0);
        seen = {};
      },
      [&] { root->cancel(because("why")); },
      [&] {
        spin_until([&] { return static_cast<bool>(seen.err()); });
        if (!is_closed(seen.done()) || cause_of(seen) != "why" || seen.err() != canceled()) ++wrong;
      });
}

TEST(CTX_010, also_where_a_deadline_ends_it) {
  by_hand time;
  std::optional<dh::cancelable> root;
  std::optional<dh::cancelable> child;
  std::atomic<int> wrong{0};
  race(
      rounds(10'000),
      [&] {
        root.emplace(dh::with_timeout(dh::background(), 1ns));
        child.emplace(dh::with_cancel(root->ctx));
      },
      [&] {
        EXPECT_EQ(wrong, 0);
        EXPECT_TRUE(has_ended(root->ctx, late()));
      },
      [&] { time.pass(1ns); },
      [&] {
        spin_until([&] { return static_cast<bool>(child->ctx.err()); });
        if (!is_closed(child->ctx.done())) ++wrong;
      });
}

TEST(CTX_028, a_child_made_while_its_parent_is_cancelled_is_never_missed) {
  std::optional<dh::cancelable_cause> root;
  dh::context parent;
  dh::context child;
  int round = 0;
  race(
      rounds(10'000),
      [&] {
        root.emplace(dh::with_cancel_cause(dh::background()));
        parent = root->ctx;
        if (++round % 3 == 1) parent = dh::with_value(parent, number_key, 1);
        if (round % 3 == 2) parent = dh::make_context<wrapper>(parent);
      },
      [&] {
        // Whether it was born ended or found by the walk: both have returned.
        EXPECT_TRUE(has_ended(child, canceled()));
        EXPECT_EQ(cause_of(child), "root");
        EXPECT_EQ(registrations(root->ctx), 0u);
        child = {};
        parent = {};
      },
      [&] { root->cancel(because("root")); },
      [&] {
        dh::cancelable made = round % 2 == 0 ? dh::with_cancel(parent)
                                             : dh::with_timeout_cause(parent, 1h, because("late"));
        made.cancel.detach();
        child = std::move(made.ctx);
      });
}

TEST(CTX_028, nor_is_a_chain_made_link_by_link) {
  std::optional<dh::cancelable_cause> root;
  std::vector<dh::cancelable> chain;
  race(
      rounds(10'000), [&] { root.emplace(dh::with_cancel_cause(dh::background())); },
      [&] {
        for (const dh::cancelable& c : chain) {
          EXPECT_TRUE(has_ended(c.ctx, canceled()));
          EXPECT_EQ(cause_of(c.ctx), "root");
        }
        chain.clear();
      },
      [&] { root->cancel(because("root")); },
      [&] {
        chain.push_back(dh::with_cancel(root->ctx));
        for (int i = 0; i < 5; ++i) chain.push_back(dh::with_cancel(chain.back().ctx));
      });
}

// deviates: dropped means that its scope was detached; see links_test.cpp.
TEST(CTX_046, dropping_open_children_races_with_the_parents_cancel) {
  std::optional<dh::cancelable> root;
  std::vector<dh::context> children;
  race(
      rounds(10'000),
      [&] {
        root.emplace(dh::with_cancel(dh::background()));
        for (int i = 0; i < 6; ++i) {
          dh::cancelable made =
              i % 3 == 0 ? dh::with_timeout(root->ctx, 1h) : dh::with_cancel(root->ctx);
          made.cancel.detach();
          children.push_back(i % 2 == 0 ? made.ctx : dh::with_value(made.ctx, number_key, i));
        }
      },
      [&] {
        EXPECT_EQ(registrations(root->ctx), 0u);
        EXPECT_EQ(dh::count_contexts(), 1);
        EXPECT_EQ(dh::clock::real().pending(), 0u);
      },
      [&] { root->cancel(); },
      [&] {
        while (!children.empty()) children.pop_back();
      });
}

TEST(CTX_104, a_polled_cause_is_none_and_then_the_one) {
  std::optional<dh::cancelable_cause> root;
  std::optional<dh::cancelable> child;
  std::atomic<int> wrong{0};
  race(
      rounds(10'000),
      [&] {
        child.reset();
        root.emplace(dh::with_cancel_cause(dh::background()));
        child.emplace(dh::with_cancel(root->ctx));
      },
      [&] { EXPECT_EQ(wrong, 0); }, [&] { root->cancel(because("the one")); },
      [&] {
        for (const dh::context& ctx : {root->ctx, child->ctx}) {
          std::string cause;
          spin_until([&] { return (cause = cause_of(ctx)) != "none"; });
          if (cause != "the one") ++wrong;
        }
      });
}

TEST(CTX_145, a_callback_runs_or_is_stopped_never_both_never_neither) {
  std::optional<dh::cancelable> made;
  std::optional<dh::registration> r;
  std::atomic<int> runs{0};
  std::atomic<int> stops{0};
  int round = 0;
  race(
      rounds(10'000),
      [&] {
        runs = 0;
        stops = 0;
        made.emplace(dh::with_cancel(dh::background()));
        if (++round % 2 == 0) {
          r.emplace(dh::after_func(made->ctx, [&] { ++runs; }));
        } else {
          r.emplace(dh::after_func(dh::inplace, made->ctx, [&]() noexcept { ++runs; }));
        }
      },
      [&] {
        r.reset();  // waits for one that runs
        EXPECT_EQ(runs + stops, 1);
      },
      [&] { made->cancel(); }, [&] { stops += r->stop() ? 1 : 0; });
}

TEST(CTX_145, of_several_stops_at_most_one_is_true) {
  std::optional<dh::cancelable> made;
  std::optional<dh::registration> r;
  std::atomic<int> runs{0};
  std::atomic<int> stops{0};
  const auto stop = [&] { stops += r->stop() ? 1 : 0; };
  race(
      rounds(10'000),
      [&] {
        runs = 0;
        stops = 0;
        made.emplace(dh::with_cancel(dh::background()));
        r.emplace(dh::after_func(made->ctx, [&] { ++runs; }));
      },
      [&] {
        r.reset();
        EXPECT_EQ(runs + stops, 1);
      },
      stop, [&] { made->cancel(); }, stop, stop);
}

TEST(CTX_145, also_against_a_deadline) {
  by_hand time;
  std::optional<dh::cancelable> made;
  std::optional<dh::registration> r;
  std::atomic<int> runs{0};
  std::atomic<int> stops{0};
  race(
      rounds(5'000),
      [&] {
        runs = 0;
        stops = 0;
        made.emplace(dh::with_timeout(dh::background(), 1ns));
        r.emplace(dh::after_func(made->ctx, [&] { ++runs; }));
      },
      [&] {
        r.reset();
        EXPECT_EQ(runs + stops, 1);
      },
      [&] { time.pass(1ns); }, [&] { stops += r->stop() ? 1 : 0; });
}

TEST(CTX_170, every_node_of_a_tree_is_cancelled_at_once_in_random_order) {
  std::mt19937_64 random{downhaul_test::seed()};
  for (int round = 0; round < rounds(100); ++round) {
    std::vector<dh::cancelable> tree;
    tree.push_back(dh::with_cancel(dh::background()));
    for (std::size_t i = 0; tree.size() < 125; ++i) {
      for (int n = 0; n < 4; ++n) {
        tree.push_back(n == 3 ? dh::with_timeout(tree[i].ctx, 1h) : dh::with_cancel(tree[i].ctx));
      }
    }
    std::vector<dh::cancel_func> cancels;
    for (const dh::cancelable& c : tree) cancels.emplace_back(c.cancel);
    std::shuffle(cancels.begin(), cancels.end(), random);
    dh::wait_group returned;
    for (const dh::cancel_func& cancel : cancels) returned.go([cancel] { cancel(); });
    for (const dh::cancelable& c : tree) c.ctx.done().recv();
    returned.wait();
    for (const dh::cancelable& c : tree) {
      EXPECT_TRUE(has_ended(c.ctx, canceled()));
      EXPECT_EQ(registrations(c.ctx), 0u);
    }
  }
}

TEST(CTX_171, who_wakes_on_the_parent_may_cancel_the_child_while_the_walk_goes_on) {
  for (int i = 0; i < rounds(10'000); ++i) {
    auto [parent, cancel] = dh::with_cancel(dh::background());
    std::vector<dh::cancelable> children;
    for (int n = 0; n < 12; ++n) children.push_back(dh::with_cancel(parent));
    dh::wait_group interlocked;
    interlocked.go([&, &parent = parent] {
      parent.done().recv();
      for (const dh::cancelable& c : children) c.cancel();
    });
    // Every other time it is there before the cancel: one more hangs on the parent.
    while (i % 2 == 0 && registrations(parent) != children.size() + 1) std::this_thread::yield();
    cancel();
    for (const dh::cancelable& c : children) EXPECT_TRUE(has_ended(c.ctx, canceled()));
    interlocked.wait();
    EXPECT_EQ(registrations(parent), 0u);
  }
}

TEST(CTX_171, also_where_threads_cancel_and_drop_what_the_walk_is_at) {
  std::optional<dh::cancelable> parent;
  std::vector<dh::cancelable> children;
  race(
      rounds(10'000),
      [&] {
        children.clear();
        parent.emplace(dh::with_cancel(dh::background()));
        for (int n = 0; n < 12; ++n) children.push_back(dh::with_cancel(parent->ctx));
      },
      [&] {
        for (const dh::cancelable& c : children) EXPECT_TRUE(has_ended(c.ctx, canceled()));
        EXPECT_EQ(registrations(parent->ctx), 0u);
      },
      [&] { parent->cancel(); },
      [&] {
        parent->ctx.done().recv();
        for (std::size_t n = 0; n < 6; ++n) children[n].cancel();
      },
      [&] {
        for (std::size_t n = 6; n < 12; ++n) children[n].cancel = {};
      });
}

TEST(CTX_172, many_make_and_cancel_children_of_one_parent) {
  auto [parent, cancel] = dh::with_cancel(dh::background());
  dh::wait_group all;
  std::atomic<int> made{0};
  for (int n = 0; n < 16; ++n) {
    all.go([&, n, parent = dh::context{parent}] {
      for (int i = 0; i < rounds(5'000); ++i) {
        auto [child, cancel_child] =
            i % 4 == n % 4 ? dh::with_timeout(parent, 1h) : dh::with_cancel(parent);
        EXPECT_FALSE(child.err());
        cancel_child();
        EXPECT_TRUE(child.err());
        ++made;
        if (i % 64 == 0) dh::yield();
      }
    });
  }
  all.wait();
  EXPECT_EQ(made, 16 * rounds(5'000));
  EXPECT_EQ(registrations(parent), 0u);
  EXPECT_FALSE(parent.err());
}

TEST(CTX_172, until_the_parent_is_cancelled_under_their_hands) {
  for (int round = 0; round < rounds(50); ++round) {
    auto [parent, cancel] = dh::with_cancel_cause(dh::background());
    downhaul_test::crew busy{downhaul_test::place::mixed};
    std::atomic<int> made{0};
    for (int n = 0; n < 4; ++n) {
      busy.start([&, &parent = parent] {
        for (;;) {
          auto [child, cancel_child] = dh::with_cancel(parent);
          ++made;
          downhaul_test::give_way();
          const bool over = static_cast<bool>(parent.err());
          if (over) child.done().recv();
          EXPECT_TRUE(!child.err() || cause_of(child) == "over");
          cancel_child();
          if (over) return;
        }
      });
    }
    downhaul_test::wait_until([&] { return made > 100; });
    cancel(because("over"));
    busy.join();
    EXPECT_EQ(registrations(parent), 0u);
  }
}

}  // namespace
