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
#include <deque>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "conformance/context/contexts.hpp"
#include "downhaul/after_func.hpp"
#include "downhaul/clock.hpp"
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

// A cancelled root, a child, and whichever of several contexts is looked at.
struct tree {
  dh::cancelable_cause root = dh::with_cancel_cause(dh::background());
  dh::cancelable child;
  dh::context seen;
  std::string found;
};

TEST(CTX_010, an_err_that_is_seen_means_a_done_that_is_closed) {
  int round = 0;
  race<tree>(
      rounds(10'000),
      [&](tree& t) {
        t.child = round % 8 < 4 ? dh::with_cancel(t.root.ctx) : dh::with_timeout(t.root.ctx, 1h);
        switch (++round % 4) {
          case 0: t.seen = t.root.ctx; break;
          case 1: t.seen = t.child.ctx; break;
          case 2: t.seen = dh::with_value(t.child.ctx, number_key, 1); break;
          default: t.seen = dh::make_context<wrapper>(t.root.ctx);
        }
      },
      [](tree& t) { EXPECT_EQ(t.found, "closed, why"); },
      [](tree& t) { t.root.cancel(because("why")); },
      [](tree& t) {
        spin_until([&] { return static_cast<bool>(t.seen.err()); });
        const bool closed = is_closed(t.seen.done());
        t.found = (closed ? "closed, " : "open, ") + cause_of(t.seen);
      });
}

TEST(CTX_010, also_where_a_deadline_ends_it) {
  by_hand time;
  struct timed {
    dh::cancelable root;
    dh::cancelable child;
    bool closed = false;
  };
  int n = 0;
  race<timed>(
      rounds(10'000),
      [&](timed& t) {
        t.root = dh::with_timeout(dh::background(), std::chrono::nanoseconds{n++ % 100 + 1});
        t.child = dh::with_cancel(t.root.ctx);
      },
      [](timed& t) {
        EXPECT_TRUE(t.closed);
        EXPECT_TRUE(has_ended(t.root.ctx, late()));
      },
      [&](timed&) { time.pass(1ns); },
      [](timed& t) {
        spin_until([&] { return static_cast<bool>(t.child.ctx.err()); });
        t.closed = is_closed(t.child.ctx.done());
      });
}

TEST(CTX_028, a_child_made_while_its_parent_is_cancelled_is_never_missed) {
  struct family {
    dh::cancelable_cause root = dh::with_cancel_cause(dh::background());
    dh::context parent;
    dh::context child;
    bool timed = false;
  };
  int round = 0;
  race<family>(
      rounds(10'000),
      [&](family& f) {
        f.parent = f.root.ctx;
        f.timed = ++round % 2 == 0;
        if (round % 3 == 1) f.parent = dh::with_value(f.parent, number_key, 1);
        if (round % 3 == 2) f.parent = dh::make_context<wrapper>(f.parent);
      },
      [](family& f) {
        // Whether it was born ended or found by the walk: both have returned.
        EXPECT_TRUE(has_ended(f.child, canceled()));
        EXPECT_EQ(cause_of(f.child), "root");
        EXPECT_EQ(registrations(f.root.ctx), 0u);
      },
      [](family& f) { f.root.cancel(because("root")); },
      [](family& f) {
        dh::cancelable made = f.timed ? dh::with_timeout_cause(f.parent, 1h, because("late"))
                                      : dh::with_cancel(f.parent);
        made.cancel.detach();
        f.child = std::move(made.ctx);
      });
}

TEST(CTX_028, nor_is_a_chain_made_link_by_link) {
  struct line {
    dh::cancelable_cause root = dh::with_cancel_cause(dh::background());
    std::vector<dh::cancelable> links;
  };
  race<line>(
      rounds(10'000), [](line&) {},
      [](line& l) {
        for (const dh::cancelable& c : l.links) {
          EXPECT_TRUE(has_ended(c.ctx, canceled()));
          EXPECT_EQ(cause_of(c.ctx), "root");
        }
      },
      [](line& l) { l.root.cancel(because("root")); },
      [](line& l) {
        l.links.push_back(dh::with_cancel(l.root.ctx));
        for (int i = 0; i < 5; ++i) l.links.push_back(dh::with_cancel(l.links.back().ctx));
      });
}

// deviates: dropped means that its scope was detached; see links_test.cpp.
TEST(CTX_046, dropping_open_children_races_with_the_parents_cancel) {
  struct family {
    dh::cancelable root = dh::with_cancel(dh::background());
    std::vector<dh::context> children;
  };
  race<family>(
      rounds(10'000),
      [](family& f) {
        for (int i = 0; i < 6; ++i) {
          dh::cancelable made =
              i % 3 == 0 ? dh::with_timeout(f.root.ctx, 1h) : dh::with_cancel(f.root.ctx);
          made.cancel.detach();
          f.children.push_back(i % 2 == 0 ? made.ctx : dh::with_value(made.ctx, number_key, i));
        }
      },
      [](family& f) {
        EXPECT_EQ(registrations(f.root.ctx), 0u);
        EXPECT_TRUE(f.children.empty());
      },
      [](family& f) { f.root.cancel(); },
      [](family& f) {
        while (!f.children.empty()) f.children.pop_back();
      });
  EXPECT_EQ(dh::count_contexts(), 0);
  EXPECT_EQ(dh::clock::real().pending(), 0u);
}

TEST(CTX_104, a_polled_cause_is_none_and_then_the_one) {
  race<tree>(
      rounds(10'000), [](tree& t) { t.child = dh::with_cancel(t.root.ctx); },
      [](tree& t) { EXPECT_EQ(t.found, "the one, the one"); },
      [](tree& t) { t.root.cancel(because("the one")); },
      [](tree& t) {
        std::string of_root;
        std::string of_child;
        spin_until([&] { return (of_root = cause_of(t.root.ctx)) != "none"; });
        spin_until([&] { return (of_child = cause_of(t.child.ctx)) != "none"; });
        t.found = of_root + ", " + of_child;
      });
}

struct stopped_or_run {
  dh::cancelable made;
  std::optional<dh::registration> r;
  std::atomic<int> runs{0};
  std::atomic<int> stops{0};

  void register_on_goroutine() {
    r.emplace(dh::after_func(made.ctx, [this] { ++runs; }));
  }
  void register_in_place() {
    r.emplace(dh::after_func(dh::inplace, made.ctx, [this]() noexcept { ++runs; }));
  }
  void stop() { stops += r->stop() ? 1 : 0; }
  /// How many things happened; waits for a callback that runs.
  int outcome() {
    r.reset();
    return runs + stops;
  }
};

TEST(CTX_145, a_callback_runs_or_is_stopped_never_both_never_neither) {
  int round = 0;
  race<stopped_or_run>(
      rounds(10'000),
      [&](stopped_or_run& s) {
        s.made = dh::with_cancel(dh::background());
        ++round % 2 == 0 ? s.register_on_goroutine() : s.register_in_place();
      },
      [](stopped_or_run& s) { EXPECT_EQ(s.outcome(), 1); },
      [](stopped_or_run& s) { s.made.cancel(); }, [](stopped_or_run& s) { s.stop(); });
}

TEST(CTX_145, of_several_stops_at_most_one_is_true) {
  const auto stop = [](stopped_or_run& s) { s.stop(); };
  race<stopped_or_run>(
      rounds(10'000),
      [](stopped_or_run& s) {
        s.made = dh::with_cancel(dh::background());
        s.register_on_goroutine();
      },
      [](stopped_or_run& s) { EXPECT_EQ(s.outcome(), 1); }, stop,
      [](stopped_or_run& s) { s.made.cancel(); }, stop, stop);
}

TEST(CTX_145, also_against_a_deadline) {
  by_hand time;
  int n = 0;
  race<stopped_or_run>(
      rounds(10'000),
      [&](stopped_or_run& s) {
        s.made = dh::with_timeout(dh::background(), std::chrono::nanoseconds{n++ % 100 + 1});
        s.register_on_goroutine();
      },
      [](stopped_or_run& s) { EXPECT_EQ(s.outcome(), 1); },
      [&](stopped_or_run&) { time.pass(1ns); }, [](stopped_or_run& s) { s.stop(); });
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

struct interlock {
  dh::cancelable parent = dh::with_cancel(dh::background());
  std::vector<dh::cancelable> children;

  interlock() {
    for (int n = 0; n < 12; ++n) children.push_back(dh::with_cancel(parent.ctx));
  }
  void cancel(std::size_t from, std::size_t to) {
    for (std::size_t n = from; n < to; ++n) children[n].cancel();
  }
  bool ended() const {
    for (const dh::cancelable& c : children) {
      if (!has_ended(c.ctx, canceled())) return false;
    }
    return registrations(parent.ctx) == 0;
  }
};

TEST(CTX_171, who_wakes_on_the_parent_may_cancel_the_child_while_the_walk_goes_on) {
  constexpr int at_once = 100;
  for (int i = 0; i < rounds(10'000); i += at_once) {
    std::deque<interlock> locks(at_once);
    dh::wait_group interlocked;
    for (interlock& l : locks) {
      interlocked.go([&l] {
        l.parent.ctx.done().recv();
        l.cancel(0, 12);
      });
    }
    for (const interlock& l : locks) {
      // One more hangs on the parent when it waits.
      while (registrations(l.parent.ctx) != 13) std::this_thread::yield();
    }
    for (interlock& l : locks) l.parent.cancel();
    interlocked.wait();
    for (const interlock& l : locks) EXPECT_TRUE(l.ended());
  }
}

TEST(CTX_171, also_where_threads_cancel_and_drop_what_the_walk_is_at) {
  race<interlock>(
      rounds(10'000), [](interlock&) {}, [](interlock& l) { EXPECT_TRUE(l.ended()); },
      [](interlock& l) { l.parent.cancel(); },
      [](interlock& l) {
        spin_until([&] { return is_closed(l.parent.ctx.done()); });
        l.cancel(0, 6);
      },
      [](interlock& l) {
        for (std::size_t n = 6; n < 12; ++n) l.children[n].cancel = {};
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
  for (int round = 0; round < rounds(20); ++round) {
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
