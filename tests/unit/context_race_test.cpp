// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// Many at once on one tree. The oracles: nothing is missed (a child of an ended parent has ended, with
// the parent's cause), nothing hangs, nothing is left, and the sanitizers' silence.

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <random>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "context/inspect.hpp"
#include "downhaul/after_func.hpp"
#include "downhaul/context.hpp"
#include "downhaul/go.hpp"
#include "downhaul/select.hpp"
#include "downhaul/wait_group.hpp"
#include "platform/cpu.hpp"
#include "support/crew.hpp"
#include "support/leaves_nothing.hpp"
#include "support/seed.hpp"
#include "support/user_contexts.hpp"

namespace {

namespace dh = downhaul;
using namespace std::chrono_literals;
using dh::impl::registrations;
using dh::impl::wait_reason;
using downhaul_test::crew;
using downhaul_test::place;
using downhaul_test::rounds;

class context_race : public downhaul_test::leaves_nothing {};

inline constexpr dh::key<int> number_key{"number"};

// Hot, so as to be near; but not for as long as the other one has no CPU.
template <class Condition>
void spin_until(Condition holds) {
  for (int i = 0; !holds(); ++i) {
    if (i > 1'000) std::this_thread::yield();
  }
}

// An err that is seen means a done that is closed, and a cause.
TEST_F(context_race, err_is_never_ahead_of_done_or_cause) {
  for (int i = 0; i < rounds(2'000); ++i) {
    auto root = dh::with_cancel_cause(dh::background());
    auto child = dh::with_cancel(dh::with_value(root.ctx, number_key, 1));
    const dh::context& seen = i % 2 == 0 ? root.ctx : child.ctx;
    std::atomic<bool> watching{false};
    std::thread watcher{[&] {
      watching = true;
      spin_until([&] { return static_cast<bool>(seen.err()); });
      std::error_code ec;
      EXPECT_FALSE(seen.done().try_recv(ec));
      EXPECT_FALSE(ec);
      EXPECT_EQ(seen.reason(), "why");
    }};
    while (!watching) std::this_thread::yield();
    root.cancel(std::runtime_error{"why"});
    watcher.join();
  }
}

TEST_F(context_race, a_polled_cause_is_none_and_then_the_one) {
  for (int i = 0; i < rounds(1'000); ++i) {
    auto made = dh::with_cancel_cause(dh::background());
    std::thread watcher{[&] {
      std::exception_ptr cause;
      spin_until([&] { return (cause = made.ctx.cause()) != nullptr; });
      EXPECT_EQ(downhaul_test::text_of(cause), "runtime_error: why");
    }};
    made.cancel(std::runtime_error{"why"});
    watcher.join();
  }
}

TEST_F(context_race, a_child_made_during_the_parents_cancel_is_never_missed) {
  for (int i = 0; i < rounds(1'000); ++i) {
    auto root = dh::with_cancel_cause(dh::background());
    std::atomic<int> ready{0};
    const auto meet = [&] {
      ++ready;
      spin_until([&] { return ready == 2; });
    };
    std::thread maker{[&] {
      meet();
      for (int n = 0; n < 4; ++n) {
        auto child = n % 2 == 0 ? dh::with_cancel(root.ctx) : dh::with_timeout(root.ctx, 1h);
        child.cancel.detach();
        child.ctx.done().recv();
        EXPECT_EQ(child.ctx.reason(), "root");
      }
    }};
    meet();
    root.cancel(std::runtime_error{"root"});
    maker.join();
    EXPECT_EQ(registrations(root.ctx), 0u);
  }
}

TEST_F(context_race, every_node_of_a_tree_cancelled_at_once_in_any_order) {
  std::mt19937_64 random{downhaul_test::seed()};
  for (int round = 0; round < rounds(20); ++round) {
    std::vector<dh::cancelable> tree;
    tree.push_back(dh::with_cancel(dh::background()));
    for (std::size_t i = 0; tree.size() < 125; ++i) {
      for (int n = 0; n < 4; ++n) {
        tree.push_back(n == 3 ? dh::with_timeout(tree[i].ctx, 1h) : dh::with_cancel(tree[i].ctx));
      }
    }
    std::vector<std::size_t> order(tree.size());
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
    std::shuffle(order.begin(), order.end(), random);
    dh::wait_group wg;
    for (const std::size_t i : order) {
      wg.go([stop = dh::cancel_func{tree[i].cancel}] { stop(); });
    }
    for (const dh::cancelable& c : tree) c.ctx.done().recv();
    wg.wait();
  }
}

TEST_F(context_race, who_wakes_on_the_parent_may_cancel_the_child_while_the_walk_goes_on) {
  for (const place where : downhaul_test::all_places) {
    for (int i = 0; i < rounds(100); ++i) {
      auto root = dh::with_cancel(dh::background());
      std::vector<dh::cancelable> children;
      for (int n = 0; n < 40; ++n) children.push_back(dh::with_cancel(root.ctx));
      crew interlockers{where};
      for (int n = 0; n < 4; ++n) {
        interlockers.start([&, n] {
          root.ctx.done().recv();
          for (std::size_t c = static_cast<std::size_t>(n); c < children.size(); c += 4) {
            children[c].cancel();
            children[c].cancel = {};
          }
        });
      }
      for (std::size_t n = 0; n < 4; ++n) {
        interlockers.wait_until_parked(n, wait_reason::chan_receive);
      }
      root.cancel();
      interlockers.join();
    }
  }
}

// Children, grandchildren, values, callbacks, waiters and deadlines come and go under one root from
// threads and goroutines; then the root is cancelled in the middle of it.
TEST_F(context_race, a_shared_root_with_everything_below_it_coming_and_going) {
  for (int round = 0; round < rounds(30); ++round) {
    auto root = dh::with_cancel_cause(dh::background());
    std::atomic<long> made{0};
    std::atomic<int> callbacks{0};
    std::atomic<int> registered{0};
    crew busy{place::mixed};
    for (int n = 0; n < 4; ++n) {
      busy.start([&, n] {
        std::minstd_rand random{
            static_cast<unsigned>(downhaul_test::seed() + static_cast<unsigned>(n))};
        std::vector<dh::cancelable> kept;
        std::vector<dh::registration> waiting;
        while (!root.ctx.err()) {
          const dh::context& parent = kept.empty() ? root.ctx : kept.back().ctx;
          switch (random() % 8) {
            case 0: kept.push_back(dh::with_cancel(parent)); break;
            case 1: kept.push_back(dh::with_timeout(parent, 1h)); break;
            case 2: kept.push_back(dh::merge(root.ctx, parent)); break;
            case 3: {
              auto brief = dh::with_timeout(dh::with_value(parent, number_key, 1), 20us);
              if (random() % 2 == 0) brief.cancel.detach();
              break;
            }
            case 4:
              waiting.push_back(
                  dh::after_func(dh::inplace, parent, [&]() noexcept { ++callbacks; }));
              ++registered;
              break;
            case 5:
              if (!waiting.empty()) {
                if (waiting.back().stop()) --registered;
                waiting.pop_back();
              }
              break;
            case 6: {
              auto brief = dh::with_cancel(parent);
              std::thread{[stop = dh::cancel_func{brief.cancel}] { stop(); }}.join();
              brief.ctx.done().recv();
              break;
            }
            default:
              if (!kept.empty()) kept.pop_back();
          }
          if (kept.size() > 20) kept.erase(kept.begin(), kept.begin() + 10);
          ++made;
        }
        for (const dh::cancelable& c : kept) {
          c.ctx.done().recv();
          EXPECT_TRUE(c.ctx.err());
        }
        // What is left here has fired, or does so now.
        for (const dh::registration& r : waiting) {
          if (r.stop()) --registered;
        }
      });
    }
    downhaul_test::wait_until([&] { return made > 200; });
    root.cancel(std::runtime_error{"enough"});
    busy.join();
    EXPECT_EQ(callbacks, registered);
    downhaul_test::wait_until([&] { return registrations(root.ctx) == 0; });
  }
}

TEST_F(context_race, others_make_and_cancel_while_a_wide_tree_is_cancelled) {
  const int width = rounds(100'000);
  auto root = dh::with_cancel(dh::background());
  std::vector<dh::cancelable> children;
  children.reserve(static_cast<std::size_t>(width));
  for (int i = 0; i < width; ++i) children.push_back(dh::with_cancel(root.ctx));
  std::atomic<bool> stop{false};
  crew others{place::threads};
  for (int n = 0; n < 2; ++n) {
    others.start([&] {
      while (!stop) {
        auto [child, cancel] = dh::with_cancel(root.ctx);
        cancel();
        EXPECT_TRUE(child.err());
      }
    });
  }
  root.cancel();
  for (const dh::cancelable& c : children) ASSERT_TRUE(c.ctx.err());
  stop = true;
  others.join();
}

TEST_F(context_race, select_takes_done_exactly_when_it_has_ended) {
  for (int i = 0; i < rounds(500); ++i) {
    auto made = dh::with_cancel(dh::background());
    auto ch = dh::make_chan<int>();
    crew selecting{place::mixed};
    for (int n = 0; n < 2; ++n) {
      selecting.start([&] {
        EXPECT_EQ(dh::select(dh::recv(ch), dh::recv(made.ctx.done())), 1);
        EXPECT_TRUE(made.ctx.err());
      });
    }
    made.cancel();
    selecting.join();
  }
}

// The record that says how a merge ended may be its parent's, and that one may go at the same instant:
// its last share is with the goroutine that ended it.
TEST_F(context_race, a_merge_may_go_while_the_one_that_ended_it_goes) {
  for (int i = 0; i < rounds(5'000); ++i) {
    auto ends = dh::make_context<downhaul_test::own_done>(dh::background());
    auto other = dh::with_cancel(dh::background());
    std::thread reader{[&] {
      auto made = dh::merge(ends, other.ctx);
      made.cancel.detach();
      made.cancel = {};
      spin_until([&] { return static_cast<bool>(made.ctx.err()); });
      for (int pause = i % 100; pause > 0; --pause) dh::impl::cpu_pause();
      made.ctx = {};
    }};
    spin_until([&] { return registrations(other.ctx) != 0; });
    ends->end(std::make_error_code(std::errc::io_error));  // not one of ours: a record of its own
    reader.join();
  }
}

}  // namespace
