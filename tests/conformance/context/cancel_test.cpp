// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// CTX-020 to CTX-034: cancelling, and what it reaches. CTX-028 has its storm in race_test.cpp.

#include <gtest/gtest.h>

#include <atomic>
#include <concepts>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include "conformance/context/contexts.hpp"
#include "downhaul/after_func.hpp"
#include "downhaul/chan.hpp"
#include "downhaul/context.hpp"
#include "downhaul/context_base.hpp"
#include "downhaul/go.hpp"
#include "downhaul/runtime.hpp"
#include "support/crew.hpp"

namespace dh = downhaul;
using namespace std::chrono_literals;
using downhaul_test::because;
using downhaul_test::canceled;
using downhaul_test::cause_of;
using downhaul_test::has_ended;
using downhaul_test::is_closed;
using downhaul_test::is_open;
using downhaul_test::number_key;
using downhaul_test::registrations;
using downhaul_test::rounds;
using downhaul_test::wait_until;
using downhaul_test::wrapper;

namespace {

template <class Parent>
constexpr bool accepted =
    requires(Parent parent) { dh::with_cancel(parent); } ||
    requires(Parent parent) { dh::with_cancel_cause(parent); } ||
    requires(Parent parent) { dh::with_deadline(parent, dh::time_point{}); } ||
    requires(Parent parent) { dh::with_deadline_cause(parent, dh::time_point{}, nullptr); } ||
    requires(Parent parent) { dh::with_timeout(parent, 1s); } ||
    requires(Parent parent) { dh::with_timeout_cause(parent, 1s, nullptr); } ||
    requires(Parent parent) { dh::with_value(parent, number_key, 1); } ||
    requires(Parent parent) { dh::without_cancel(parent); } ||
    requires(Parent parent) { dh::after_func(parent, [] {}); };

TEST(CTX_020, there_is_no_null_parent) {
  static_assert(!accepted<std::nullptr_t>);
  static_assert(!accepted<void*>);
  static_assert(accepted<dh::context>);
  static_assert(!std::is_constructible_v<dh::context, std::nullptr_t>);
  static_assert(!std::is_convertible_v<std::nullptr_t, dh::context>);
  // What would be null elsewhere is the background.
  dh::context moved = dh::with_value(dh::background(), number_key, 1);
  const dh::context taken = std::move(moved);
  EXPECT_EQ(moved, dh::background());  // NOLINT(bugprone-use-after-move): that is the point
  auto [a, cancel_a] = dh::with_cancel(moved);
  auto [b, cancel_b] = dh::with_cancel(dh::context{});
  EXPECT_EQ(to_string(a), "context.Background.WithCancel");
  EXPECT_EQ(to_string(b), "context.Background.WithCancel");
}

TEST(CTX_021, a_fresh_child_is_open) {
  auto [root, cancel_root] = dh::with_cancel(dh::background());
  const auto plain = dh::make_context<wrapper>(root);
  const auto own = dh::make_context<downhaul_test::own_done>(root);
  for (const dh::context& parent :
       {dh::background(), dh::todo(), root, dh::context{plain}, dh::context{own}}) {
    SCOPED_TRACE(to_string(parent));
    auto [child, cancel] = dh::with_cancel(parent);
    EXPECT_TRUE(child.done()) << "not nil";
    EXPECT_EQ(child.err(), std::error_code{});
    EXPECT_FALSE(is_closed(child.done()));
    EXPECT_TRUE(is_open(child));
  }
}

TEST(CTX_022, closes_every_descendant_before_cancel_returns) {
  for (const bool on_goroutine : {false, true}) {
    auto [root, cancel] = dh::with_cancel(dh::background());
    std::vector<dh::context> below{root};
    std::vector<dh::cancelable> scopes;
    for (std::size_t i = 0; i < 300; ++i) {
      const dh::context parent = below[i / 3];
      switch (i % 4) {
        case 0: below.push_back(dh::with_value(parent, number_key, 1)); continue;
        case 1: below.push_back(dh::make_context<wrapper>(parent)); continue;
        case 2: scopes.push_back(dh::with_timeout(parent, 1h)); break;
        default: scopes.push_back(dh::with_cancel(parent));
      }
      below.push_back(scopes.back().ctx);
    }
    for (const dh::context& ctx : below) ASSERT_TRUE(is_open(ctx));
    std::size_t ended = 0;
    const auto cancel_and_look = [&, &cancel = cancel] {
      cancel();
      for (const dh::context& ctx : below) ended += has_ended(ctx, canceled()) ? 1 : 0;
    };
    if (on_goroutine) {
      std::atomic<bool> over{false};
      dh::go([&] {
        cancel_and_look();
        over = true;
      });
      wait_until([&] { return over.load(); });
    } else {
      cancel_and_look();
    }
    EXPECT_EQ(ended, below.size());
  }
}

TEST(CTX_023, does_not_wait_for_work_to_stop) {
  auto [ctx, cancel] = dh::with_cancel(dh::background());
  auto go_on = dh::make_chan<void>();
  std::atomic<int> working{0};
  std::atomic<int> stopped{0};
  const dh::context seen = ctx;
  dh::go([&, go_on, seen] {
    ++working;
    seen.done().recv();
    go_on.recv();
    ++stopped;
  });
  const dh::registration r = dh::after_func(ctx, [&, go_on] {
    ++working;
    go_on.recv();
    ++stopped;
  });
  wait_until([&] { return working == 1; });
  cancel();  // would wait for ever
  wait_until([&] { return working == 2; });
  EXPECT_EQ(stopped, 0);
  go_on.send();
  go_on.send();
  wait_until([&] { return stopped == 2; });
}

TEST(CTX_024, only_the_first_of_many_calls_changes_anything) {
  struct tree {
    dh::cancelable_cause root = dh::with_cancel_cause(dh::background());
    dh::cancelable child = dh::with_cancel(root.ctx);
  };
  const auto call = [](const char* name) {
    return [name](tree& t) {
      t.root.cancel(because(name));
      t.root.cancel();
    };
  };
  downhaul_test::race<tree>(
      rounds(5'000), [](tree&) {},
      [](tree& t) {
        EXPECT_TRUE(has_ended(t.root.ctx, canceled()));
        EXPECT_TRUE(has_ended(t.child.ctx, canceled()));
        const std::string cause = cause_of(t.root.ctx);
        EXPECT_TRUE(cause == "a" || cause == "b" || cause == "c") << cause;
        t.root.cancel(because("late"));
        t.child.cancel();
        EXPECT_EQ(cause_of(t.root.ctx), cause);
        EXPECT_EQ(cause_of(t.child.ctx), cause);
        EXPECT_EQ(t.root.ctx.err(), canceled());
      },
      call("a"), call("b"), call("c"));
}

TEST(CTX_025, of_a_child_leaves_parent_and_siblings_open) {
  auto [root, cancel_root] = dh::with_cancel(dh::background());
  for (const dh::context& parent : {dh::background(), root}) {
    auto [a, cancel_a] = dh::with_cancel(parent);
    auto [b, cancel_b] = dh::with_cancel(parent);
    auto [below, cancel_below] = dh::with_cancel(a);
    cancel_a();
    EXPECT_TRUE(has_ended(a, canceled()));
    EXPECT_TRUE(has_ended(below, canceled()));
    EXPECT_TRUE(is_open(b));
    EXPECT_TRUE(is_open(parent));
  }
}

TEST(CTX_026, reaches_children_grandchildren_values_deadlines_and_callbacks) {
  auto [root, cancel] = dh::with_cancel(dh::background());
  auto [child, cancel_child] = dh::with_cancel(root);
  auto [grandchild, cancel_grandchild] = dh::with_cancel(child);
  const dh::context value = dh::with_value(root, number_key, 1);
  auto [timed, cancel_timed] = dh::with_timeout(value, 1h);
  std::atomic<int> called{0};
  const dh::registration there = dh::after_func(root, [&] { ++called; });
  const dh::registration below = dh::after_func(grandchild, [&] { ++called; });
  const dh::registration here = dh::after_func(dh::inplace, timed, [&]() noexcept { ++called; });
  EXPECT_EQ(called, 0);
  cancel();
  for (const dh::context& ctx : {root, child, grandchild, value, timed}) {
    EXPECT_TRUE(has_ended(ctx, canceled())) << to_string(ctx);
  }
  wait_until([&] { return called == 3; });
}

TEST(CTX_027, a_child_of_an_ended_parent_is_born_ended) {
  auto [root, cancel] = dh::with_cancel_cause(dh::background());
  const dh::context wrapped = dh::make_context<wrapper>(root);
  const dh::context value = dh::with_value(root, number_key, 1);
  const auto own = dh::make_context<downhaul_test::own_done>(root);
  cancel(because("over"));
  own->end(canceled());
  for (const dh::context& parent : {root, wrapped, value, dh::context{own}}) {
    auto [a, cancel_a] = dh::with_cancel(parent);
    auto [b, cancel_b] = dh::with_cancel_cause(parent);
    auto [c, cancel_c] = dh::with_timeout_cause(parent, 1h, because("never given"));
    for (const dh::context& child : {a, b, c}) {
      EXPECT_TRUE(has_ended(child, canceled()));
      EXPECT_EQ(cause_of(child), "over");
      EXPECT_EQ(registrations(child), 0u);
    }
    cancel_b(because("changes nothing"));
    EXPECT_EQ(cause_of(b), "over");
    EXPECT_EQ(registrations(parent), 0u);
    EXPECT_EQ(dh::count_goroutines(), 0u);
  }
  EXPECT_EQ(dh::clock::real().pending(), 0u);
}

TEST(CTX_029, a_value_below_an_ended_context_has_ended) {
  auto [root, cancel] = dh::with_cancel(dh::background());
  const dh::context before = dh::with_value(root, number_key, 1);
  EXPECT_TRUE(is_open(before));
  cancel();
  const dh::context after = dh::with_value(root, number_key, 2);
  for (const dh::context& value : {before, after}) {
    EXPECT_TRUE(is_closed(value.done()));
    EXPECT_EQ(value.err(), canceled());
  }
}

TEST(CTX_030, siblings_end_in_some_order_each_once) {
  auto [root, cancel] = dh::with_cancel(dh::background());
  std::vector<dh::cancelable> children;
  std::vector<dh::registration> callbacks;
  std::vector<int> ended;
  for (int i = 0; i < 100; ++i) {
    children.push_back(dh::with_cancel(root));
    callbacks.push_back(dh::after_func(dh::inplace, children.back().ctx,
                                       [&ended, i]() noexcept { ended.push_back(i); }));
  }
  cancel();
  std::vector<int> times(100);
  for (const int i : ended) ++times[static_cast<std::size_t>(i)];
  EXPECT_EQ(times, std::vector<int>(100, 1)) << "the order is nobody's business";
}

// deviates: the end of the scope cancels; one that was detached is Go's thrown-away cancel function.
TEST(CTX_031, a_dropped_scope_cancels_and_a_detached_one_does_not) {
  dh::context dropped;
  dh::context detached;
  dh::cancel_func copy;
  {
    auto a = dh::with_cancel(dh::background());
    dropped = a.ctx;
    auto b = dh::with_timeout(dh::background(), 1h);
    detached = b.ctx;
    copy = dh::cancel_func{b.cancel};
    b.cancel.detach();
  }
  EXPECT_TRUE(has_ended(dropped, canceled()));
  EXPECT_TRUE(is_open(detached));
  copy = {};
  EXPECT_TRUE(is_open(detached)) << "a cancel_func is only a way to call";
}

// A chain of contexts, each below the last: cancelled, or dropped open, on a small stack.
// True if it ended as it should.
template <class Next>
bool ends_well(Next next, bool cancelled) {
  bool well = false;
  constexpr int depth = downhaul_test::sanitized ? 10'000 : 100'000;
  downhaul_test::on_small_stack([&] {
    dh::cancelable root = dh::with_cancel(dh::background());
    dh::context last = root.ctx;
    for (int i = 0; i < depth; ++i) last = next(last, i);
    if (cancelled) {
      root.cancel();
    } else {
      root.cancel.detach();
    }
    well = cancelled ? has_ended(last, canceled()) : is_open(last);
    root = {};
    well = well && dh::count_contexts() >= depth;  // the last one owns them all
    last = {};
    well = well && dh::count_contexts() == 0;
  });
  return well;
}
dh::context detached_child(const dh::context& parent) {
  dh::cancelable made = dh::with_cancel(parent);
  made.cancel.detach();
  return made.ctx;
}

TEST(CTX_032, a_chain_100000_deep_is_cancelled_and_destroyed_on_a_small_stack) {
  EXPECT_TRUE(ends_well([](const dh::context& p, int) { return detached_child(p); }, true));
}

TEST(CTX_032, a_chain_100000_deep_is_destroyed_open_on_a_small_stack) {
  EXPECT_TRUE(ends_well([](const dh::context& p, int) { return detached_child(p); }, false));
}

TEST(CTX_032, so_is_one_of_all_kinds_of_contexts) {
  for (const bool cancelled : {true, false}) {
    EXPECT_TRUE(ends_well(
        [](const dh::context& parent, int i) -> dh::context {
          switch (i % 5) {
            case 0: return dh::with_value(parent, number_key, i);
            case 1: return dh::make_context<wrapper>(parent);
            case 2: {
              dh::cancelable made = dh::with_timeout(parent, 1h);
              made.cancel.detach();
              return made.ctx;
            }
            case 3: {
              dh::cancelable made = dh::merge(dh::background(), parent);
              made.cancel.detach();
              return made.ctx;
            }
            default: return detached_child(parent);
          }
        },
        cancelled));
  }
}

TEST(CTX_032, the_scopes_of_a_chain_may_end_from_either_end) {
  constexpr std::size_t depth = downhaul_test::sanitized ? 10'000 : 100'000;
  for (const bool top_first : {true, false}) {
    downhaul_test::on_small_stack([&] {
      std::vector<dh::cancelable> chain;
      chain.push_back(dh::with_cancel(dh::background()));
      while (chain.size() < depth) chain.push_back(dh::with_cancel(chain.back().ctx));
      const dh::context last = chain.back().ctx;
      if (top_first) {
        for (dh::cancelable& c : chain) c = {};
      } else {
        while (!chain.empty()) chain.pop_back();
      }
      EXPECT_TRUE(has_ended(last, canceled()));
    });
  }
}

TEST(CTX_033, a_cancel_may_outlive_every_handle) {
  dh::cancelable made = dh::with_cancel(dh::background());
  auto [child, cancel_child] = dh::with_cancel(made.ctx);
  const dh::cancel_func copy{made.cancel};
  made.ctx = {};
  std::thread{[scope = std::move(made.cancel)] { scope(); }}.join();
  EXPECT_TRUE(has_ended(child, canceled()));
  copy();
  {
    dh::cancel_func last;
    {
      dh::cancelable gone = dh::with_cancel(dh::background());
      last = dh::cancel_func{gone.cancel};
    }
    std::thread{[stop = std::exchange(last, {})] { stop(); }}.join();
  }
}

TEST(CTX_033, a_handle_may_outlive_every_cancel) {
  dh::context handle;
  {
    dh::cancelable made = dh::with_cancel(dh::background());
    handle = made.ctx;
    std::thread{[scope = std::move(made.cancel)] {}}.join();
  }
  EXPECT_TRUE(has_ended(handle, canceled()));
  auto [child, cancel_child] = dh::with_cancel(handle);
  EXPECT_TRUE(has_ended(child, canceled()));
  std::thread{[last = std::exchange(handle, {})] { EXPECT_TRUE(last.err()); }}.join();
}

TEST(CTX_033, handle_and_cancel_may_go_at_once_on_two_threads) {
  struct family {
    dh::cancelable parent = dh::with_cancel(dh::background());
    std::optional<dh::context> handle;
    std::optional<dh::cancel_scope> scope;
  };
  downhaul_test::race<family>(
      rounds(5'000),
      [](family& f) {
        dh::cancelable made = dh::with_cancel(f.parent.ctx);
        f.handle.emplace(std::move(made.ctx));
        f.scope.emplace(std::move(made.cancel));
      },
      [](family& f) { EXPECT_EQ(registrations(f.parent.ctx), 0u); },
      [](family& f) { f.handle.reset(); }, [](family& f) { f.scope.reset(); });
  EXPECT_EQ(dh::count_contexts(), 0);
}

TEST(CTX_034, a_callback_may_cancel_what_it_runs_because_of) {
  auto [root, cancel] = dh::with_cancel(dh::background());
  auto [child, cancel_child] = dh::with_cancel(root);
  const dh::cancel_func stops[] = {dh::cancel_func{cancel}, dh::cancel_func{cancel_child}};
  std::atomic<int> called{0};
  const auto cancel_all = [&]() noexcept {
    for (const dh::cancel_func& stop : stops) stop();
    ++called;
  };
  const dh::registration a = dh::after_func(dh::inplace, root, cancel_all);
  const dh::registration b = dh::after_func(dh::inplace, child, cancel_all);
  const dh::registration c = dh::after_func(child, cancel_all);
  cancel();
  wait_until([&] { return called == 3; });
  EXPECT_TRUE(has_ended(child, canceled()));
}

// Cancels at the end of its life.
struct last_words {
  dh::cancel_func stop;
  std::shared_ptr<std::atomic<int>> said;
  last_words(dh::cancel_func s, std::shared_ptr<std::atomic<int>> n)
      : stop{std::move(s)}, said{std::move(n)} {}
  last_words(last_words&&) noexcept = default;
  ~last_words() {
    stop();
    if (said != nullptr) ++*said;
  }
};

TEST(CTX_034, a_destructor_may_cancel_what_it_runs_because_of) {
  const auto said = std::make_shared<std::atomic<int>>(0);
  auto [root, cancel] = dh::with_cancel(dh::background());
  auto [child, cancel_child] = dh::with_cancel(root);
  {
    // What the callbacks captured goes when they have run.
    dh::after_func(dh::inplace, child, [w = last_words{dh::cancel_func{cancel}, said}]() noexcept {
    }).detach();
    dh::after_func(root, [w = last_words{dh::cancel_func{cancel_child}, said}] {}).detach();
  }
  cancel();
  wait_until([&] { return *said == 2; });
  // A value that goes with the last handle, because the scope's end cancels.
  static constexpr dh::key<last_words> words_key{"words"};
  {
    auto [other, cancel_other] = dh::with_cancel(dh::background());
    auto [holder, cancel_holder] =
        dh::with_cancel(dh::with_value(other, words_key, dh::cancel_func{cancel_other}, said));
    cancel_other();
  }
  EXPECT_EQ(*said, 3);
}

}  // namespace
