// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// ORACLE: for each race what must hold whoever is faster, written above it; looked at after each round,
// and by the race detector, since what is ordered is also written without any lock.
//
// The races of the conformance list that are starred as easily lost, each ten thousand times, with one
// worker and with four: those of contexts here, those of channels and select, of timers and sync in the
// other files of this name. The README of this folder says which line is where.

#include <gmock/gmock.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <stdexcept>

#include "downhaul/downhaul.hpp"
#include "stress/races.hpp"

namespace dh = downhaul;
using downhaul_test::stress_races;
using downhaul_test::together;

namespace {

bool is_closed(const dh::context& ctx) {
  std::error_code ec;
  return !ctx.done().try_recv(ec) && !ec;
}

// --- contexts ---------------------------------------------------------------------------------------

// Whoever sees an error sees done closed and the cause there.
TEST_P(stress_races, CTX_010_an_error_is_never_seen_before_done_is_closed) {
  race([](int) {
    auto [ctx, cancel] = dh::with_cancel_cause({});
    const auto watch = [&ctx = ctx] {
      while (!ctx.err()) {
        if (ctx.cause() != nullptr) {
          EXPECT_TRUE(ctx.err());
        }
        dh::yield();
      }
      EXPECT_TRUE(is_closed(ctx));
      EXPECT_NE(ctx.cause(), nullptr);
    };
    together(watch, watch, [&cancel = cancel] { cancel(std::runtime_error{"enough"}); });
  });
}

// What was written before the cancel is there for whoever finds any descendant ended; and when the cancel
// returns all of them have ended, although others cancel some and wait for others.
TEST_P(stress_races, CTX_022_all_below_has_ended_when_the_cancel_returns) {
  race([](int) {
    auto [top, cancel] = dh::with_cancel({});
    auto [a, cancel_a] = dh::with_cancel(top);
    auto [b, cancel_b] = dh::with_timeout(a, std::chrono::hours{1});
    auto [c, cancel_c] = dh::with_cancel(b);
    int written = 0;
    together(
        [&, &cancel = cancel, &a = a] {
          written = 1;
          cancel();
          EXPECT_TRUE(a.err());
        },
        [&, &c = c] {
          c.done().recv();
          EXPECT_EQ(written, 1);
        });
    EXPECT_TRUE(is_closed(a) && is_closed(b) && is_closed(c));

    // The same against a child that ends by itself: the winner's walk may skip only what is ended.
    auto [root, cancel_root] = dh::with_cancel({});
    auto [one, cancel_one] = dh::with_cancel(root);
    auto [two, cancel_two] = dh::with_cancel(root);
    together(
        [&, &cancel_root = cancel_root, &two = two] {
          cancel_root();
          EXPECT_TRUE(is_closed(two));
        },
        [&cancel_one = cancel_one, &one = one] {
          cancel_one();
          EXPECT_TRUE(is_closed(one));
        });
  });
}

// A child made while its parent is cancelled ends with the parent's cause, and nothing stays registered.
TEST_P(stress_races, CTX_028_a_child_is_never_missed) {
  race([](int i) {
    auto [parent, cancel] = dh::with_cancel_cause({});
    dh::cancelable child;
    dh::cancelable grandchild;
    together([&cancel = cancel] { cancel(std::runtime_error{"enough"}); },
             [&, &parent = parent] {
               child = i % 2 == 0 ? dh::with_cancel(parent)
                                  : dh::with_timeout(parent, std::chrono::hours{1});
               grandchild = dh::with_cancel(child.ctx);
             });
    EXPECT_EQ(child.ctx.err(), dh::errc::canceled);
    EXPECT_EQ(grandchild.ctx.err(), dh::errc::canceled);
    EXPECT_EQ(child.ctx.cause(), parent.cause());
    EXPECT_EQ(grandchild.ctx.cause(), parent.cause());
  });
}

// Children come and go below one parent from everywhere, the last ones while it is cancelled.
TEST_P(stress_races, CTX_042_045_what_comes_and_goes_leaves_nothing) {
  const std::int64_t before = dh::count_contexts();
  race([&](int) {
    auto [parent, cancel] = dh::with_cancel({});
    const auto come_and_go = [&parent = parent] {
      for (int i = 0; i < 5; ++i) {
        auto child = dh::with_cancel(parent);
        const dh::context value = dh::without_cancel(child.ctx);
        auto timed = dh::with_timeout(child.ctx, std::chrono::hours{1});
        const auto on = dh::after_func(dh::inplace, timed.ctx, []() noexcept {});
        if (i % 2 == 0) child.cancel();
      }
    };
    together(come_and_go, come_and_go, [&cancel = cancel] { cancel(); });
  });
  EXPECT_EQ(dh::count_contexts(), before);
}

// A callback waits for what the canceller does only after its cancel has returned.
TEST_P(stress_races, CTX_142_cancel_does_not_wait_for_callbacks) {
  race([](int) {
    auto [ctx, cancel] = dh::with_cancel({});
    const auto go_on = dh::make_chan<void>();
    const auto told = dh::make_chan<void>();
    auto on = dh::after_func(ctx, [=] {
      go_on.recv();
      told.send();
    });
    together([&cancel = cancel] { cancel(); }, [&cancel = cancel] { cancel(); });
    go_on.send();
    told.recv();
  });
}

// The callback runs, or one of the stops returns true: never both, never neither.
TEST_P(stress_races, CTX_145_a_callback_runs_or_is_stopped) {
  race([](int) {
    auto [ctx, cancel] = dh::with_cancel({});
    std::atomic<int> runs{0};
    std::atomic<int> stops{0};
    {
      const auto on = dh::after_func(ctx, [&] { ++runs; });
      together([&cancel = cancel] { cancel(); }, [&] { stops += on.stop() ? 1 : 0; },
               [&] { stops += on.stop() ? 1 : 0; });
    }  // waits for a running one
    EXPECT_EQ(runs + stops, 1);
  });
}

// Woken by the parent's end, somebody cancels the child that the parent's walk has not reached yet.
TEST_P(stress_races, CTX_171_cancels_that_meet_do_not_lock_each_other_out) {
  race([](int) {
    auto [parent, cancel] = dh::with_cancel({});
    auto [child, cancel_child] = dh::with_cancel(parent);
    auto [grandchild, cancel_grandchild] = dh::with_cancel(child);
    together(
        [&, &parent = parent, &cancel_child = cancel_child] {
          parent.done().recv();
          cancel_child();
        },
        [&, &child = child, &cancel = cancel] {
          child.done().recv();
          cancel();
        },
        [&cancel_grandchild = cancel_grandchild] { cancel_grandchild(); },
        [&cancel = cancel] { cancel(); });
    EXPECT_TRUE(parent.err() && child.err() && grandchild.err());
  });
}

}  // namespace
