// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// Roots, handles, cancelling and what it reaches, causes, texts.

#include <gtest/gtest.h>

#include <functional>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <system_error>
#include <thread>
#include <type_traits>
#include <unordered_set>
#include <utility>
#include <vector>

#include "context/inspect.hpp"
#include "downhaul/context.hpp"
#include "downhaul/select.hpp"
#include "support/crew.hpp"
#include "support/leaves_nothing.hpp"
#include "wait/wait_reason.hpp"

namespace {

namespace dh = downhaul;
using namespace std::chrono_literals;
using dh::impl::registrations;
using dh::impl::wait_reason;
using downhaul_test::crew;
using downhaul_test::place;
using downhaul_test::text_of;

class context_root : public downhaul_test::leaves_nothing {};
class context_handle : public downhaul_test::leaves_nothing {};
class context_cancel : public downhaul_test::leaves_nothing {};
class context_cause : public downhaul_test::leaves_nothing {};
class context_text : public downhaul_test::leaves_nothing {};
class context_without_cancel : public downhaul_test::leaves_nothing {};

inline constexpr dh::key<std::string> name_key{"name"};
inline constexpr dh::key<int> number_key{"number"};

bool is_closed(const dh::recv_chan<void>& done) {
  std::error_code ec;
  return !done.try_recv(ec) && !ec;
}

// --- roots ---

TEST_F(context_root, never_ends_and_has_nothing) {
  for (const dh::context& root : {dh::background(), dh::todo(), dh::context{}}) {
    EXPECT_FALSE(root.deadline());
    EXPECT_FALSE(root.remaining());
    EXPECT_FALSE(root.done());
    EXPECT_FALSE(root.err());
    EXPECT_EQ(root.err(), std::error_code{});
    EXPECT_EQ(root.cause(), nullptr);
    EXPECT_EQ(root.reason(), "");
    EXPECT_EQ(root.value(name_key), nullptr);
    EXPECT_NO_THROW(root.check());
    EXPECT_EQ(dh::select(dh::recv(root.done()), dh::otherwise), 1);
  }
}

TEST_F(context_root, is_itself_and_no_other) {
  EXPECT_EQ(dh::background(), dh::background());
  EXPECT_EQ(dh::todo(), dh::todo());
  EXPECT_NE(dh::background(), dh::todo());
  EXPECT_EQ(dh::context{}, dh::background());
  EXPECT_EQ(to_string(dh::background()), "context.Background");
  EXPECT_EQ(dh::todo().to_string(), "context.TODO");
  EXPECT_EQ(dh::count_contexts(), 0);
}

TEST_F(context_root, can_be_the_parent_of_a_child_that_ends) {
  auto [ctx, cancel] = dh::with_cancel(dh::todo());
  cancel();
  EXPECT_EQ(ctx.err(), dh::errc::canceled);
}

// --- errors ---

TEST_F(context_handle, has_errors_that_equal_the_conditions_of_the_standard) {
  const std::error_code canceled = dh::errc::canceled;
  const std::error_code late = dh::errc::deadline_exceeded;
  EXPECT_EQ(canceled.message(), "context canceled");
  EXPECT_EQ(late.message(), "context deadline exceeded");
  EXPECT_EQ(canceled, std::errc::operation_canceled);
  EXPECT_EQ(late, std::errc::timed_out);
  EXPECT_NE(canceled, late);
}

// --- handles ---

static_assert(std::is_nothrow_default_constructible_v<dh::context>);
static_assert(std::is_nothrow_copy_constructible_v<dh::context>);
static_assert(std::is_nothrow_move_assignable_v<dh::context>);
static_assert(sizeof(dh::context) == sizeof(void*));
static_assert(!std::is_copy_constructible_v<dh::cancel_scope>);
static_assert(std::is_nothrow_move_constructible_v<dh::cancelable>);
static_assert(std::is_copy_constructible_v<dh::cancel_func>);
static_assert(std::is_convertible_v<const dh::cancel_scope&, dh::cancel_func>);
static_assert(!std::is_convertible_v<std::stop_token, dh::context>);
static_assert(std::is_same_v<decltype(std::declval<const dh::context&>().done()),
                             const dh::recv_chan<void>&>);
static_assert(std::is_same_v<decltype(std::declval<dh::context>().done()), dh::recv_chan<void>>);

TEST_F(context_handle, moved_from_is_the_background) {
  auto [ctx, cancel] = dh::with_cancel(dh::background());
  dh::context taken = std::move(ctx);
  EXPECT_EQ(ctx, dh::background());  // NOLINT(bugprone-use-after-move): that is the point
  EXPECT_NE(taken, ctx);
  dh::context& self = taken;
  taken = self;
  EXPECT_NE(taken, dh::background());
  taken = std::move(self);
  EXPECT_NE(taken, dh::background());
}

TEST_F(context_handle, equality_and_hash_are_identity) {
  auto [a, cancel_a] = dh::with_cancel(dh::background());
  auto [b, cancel_b] = dh::with_cancel(dh::background());
  const dh::context again = a;
  EXPECT_EQ(again, a);
  EXPECT_NE(a, b);
  const std::unordered_set<dh::context> set{a, b, again, dh::background()};
  EXPECT_EQ(set.size(), 3u);
}

TEST_F(context_handle, done_is_the_same_channel_at_each_call) {
  auto [ctx, cancel] = dh::with_cancel(dh::background());
  EXPECT_EQ(ctx.done(), ctx.done());
  EXPECT_EQ(&ctx.done(), &ctx.done());
  const dh::recv_chan<void> copy = dh::context{ctx}.done();
  EXPECT_EQ(copy, ctx.done());
  EXPECT_EQ(copy.size(), 0);
  EXPECT_EQ(copy.capacity(), 0);
}

TEST_F(context_handle, a_copy_of_done_keeps_the_context_alive) {
  dh::cancel_func stop;
  dh::recv_chan<void> done;
  {
    auto [ctx, cancel] = dh::with_cancel(dh::background());
    cancel.detach();
    done = ctx.done();
    stop = cancel;
  }
  EXPECT_EQ(dh::count_contexts(), 1);
  EXPECT_FALSE(is_closed(done));
  stop();
  stop = {};
  EXPECT_EQ(dh::count_contexts(), 1);
  EXPECT_TRUE(is_closed(done));
}

TEST_F(context_handle, check_throws_code_and_cause_once_ended) {
  auto [ctx, cancel] = dh::with_cancel_cause(dh::background());
  ctx.check();
  cancel(std::runtime_error{"enough"});
  try {
    ctx.check();
    FAIL();
  } catch (const dh::context_error& e) {
    EXPECT_EQ(e.code(), dh::errc::canceled);
    EXPECT_EQ(text_of(e.cause()), "runtime_error: enough");
  }
}

// --- scopes ---

TEST_F(context_cancel, a_fresh_child_is_open) {
  auto [ctx, cancel] = dh::with_cancel(dh::background());
  EXPECT_TRUE(ctx.done());
  EXPECT_FALSE(ctx.err());
  EXPECT_FALSE(is_closed(ctx.done()));
}

TEST_F(context_cancel, the_end_of_the_scope_cancels) {
  dh::context outside;
  {
    auto [ctx, cancel] = dh::with_cancel(dh::background());
    outside = ctx;
    EXPECT_FALSE(outside.err());
  }
  EXPECT_EQ(outside.err(), dh::errc::canceled);
}

TEST_F(context_cancel, a_context_returned_without_its_scope_comes_back_cancelled) {
  const auto make = [] {
    auto [ctx, cancel] = dh::with_cancel(dh::background());
    return ctx;
  };
  EXPECT_EQ(make().err(), dh::errc::canceled);
}

TEST_F(context_cancel, detach_leaves_the_calling_and_takes_the_end) {
  dh::context outside;
  dh::cancel_func stop;
  {
    auto [ctx, cancel] = dh::with_cancel(dh::background());
    cancel.detach();
    outside = ctx;
    stop = dh::cancel_func{cancel};
  }
  EXPECT_FALSE(outside.err());
  stop();
  EXPECT_EQ(outside.err(), dh::errc::canceled);

  auto [ctx, cancel] = dh::with_cancel(dh::background());
  cancel.detach();
  cancel();
  EXPECT_EQ(ctx.err(), dh::errc::canceled);
}

TEST_F(context_cancel, assigning_to_a_scope_cancels_what_it_held) {
  auto first = dh::with_cancel(dh::background());
  auto second = dh::with_cancel(dh::background());
  first.cancel = std::move(second.cancel);
  EXPECT_TRUE(first.ctx.err());
  EXPECT_FALSE(second.ctx.err());
  second.cancel();  // moved from: nothing
  EXPECT_FALSE(second.ctx.err());
  first.cancel = {};
  EXPECT_TRUE(second.ctx.err());
  dh::cancel_scope{}();
  dh::cancel_func{}();
}

TEST_F(context_cancel, a_cancel_func_keeps_nothing_open) {
  dh::cancel_func stop;
  dh::context outside;
  {
    auto [ctx, cancel] = dh::with_cancel(dh::background());
    stop = cancel;
    outside = ctx;
  }
  EXPECT_TRUE(outside.err());
  stop();
}

TEST_F(context_cancel, scope_and_handles_may_go_in_any_order) {
  {
    auto made = dh::with_cancel(dh::background());
    made.ctx = {};
    made.cancel();
    made.cancel();
  }
  {
    auto made = dh::with_cancel(dh::background());
    made.cancel = {};
    EXPECT_TRUE(made.ctx.err());
  }
  {
    auto parent = dh::with_cancel(dh::background());
    auto child = dh::with_cancel(parent.ctx);
    parent = {};
    EXPECT_TRUE(child.ctx.err());
  }
}

// --- propagation ---

TEST_F(context_cancel, reaches_every_descendant_before_it_returns) {
  auto [root, cancel] = dh::with_cancel(dh::background());
  auto [child, cancel_child] = dh::with_cancel(root);
  const dh::context value = dh::with_value(child, number_key, 1);
  auto [timed, cancel_timed] = dh::with_timeout(value, 1h);
  auto [grandchild, cancel_grandchild] = dh::with_cancel(timed);
  cancel();
  for (const dh::context& ctx : {root, child, value, timed, grandchild}) {
    EXPECT_EQ(ctx.err(), dh::errc::canceled);
    EXPECT_TRUE(is_closed(ctx.done()));
  }
}

TEST_F(context_cancel, of_a_child_leaves_parent_and_siblings_open) {
  auto [root, cancel] = dh::with_cancel(dh::background());
  auto [a, cancel_a] = dh::with_cancel(root);
  auto [b, cancel_b] = dh::with_cancel(root);
  cancel_a();
  EXPECT_TRUE(a.err());
  EXPECT_FALSE(root.err());
  EXPECT_FALSE(b.err());
}

TEST_F(context_cancel, a_child_of_an_ended_parent_is_born_ended) {
  auto [root, cancel] = dh::with_cancel_cause(dh::background());
  cancel(std::runtime_error{"over"});
  auto [child, cancel_child] = dh::with_cancel_cause(root);
  EXPECT_EQ(child.err(), dh::errc::canceled);
  EXPECT_TRUE(is_closed(child.done()));
  cancel_child(std::runtime_error{"late"});
  EXPECT_EQ(child.reason(), "over");
  EXPECT_EQ(registrations(root), 0u);
  EXPECT_TRUE(dh::with_value(child, number_key, 1).err());
}

TEST_F(context_cancel, a_second_cancel_changes_nothing) {
  auto [ctx, cancel] = dh::with_cancel_cause(dh::background());
  cancel(std::runtime_error{"first"});
  cancel(std::runtime_error{"second"});
  cancel();
  EXPECT_EQ(ctx.reason(), "first");
}

TEST_F(context_cancel, wakes_everybody_who_waits_for_done_wherever_he_waits) {
  for (const place where : downhaul_test::all_places) {
    auto [root, cancel] = dh::with_cancel(dh::background());
    auto [child, cancel_child] = dh::with_cancel(root);
    crew waiters{where};
    for (int i = 0; i < 6; ++i) {
      const dh::context& ctx = i % 2 == 0 ? root : child;
      waiters.start([ctx] { EXPECT_FALSE(ctx.done().recv()); });
    }
    for (std::size_t i = 0; i < 6; ++i) waiters.wait_until_parked(i, wait_reason::chan_receive);
    cancel();
    waiters.join();
  }
}

TEST_F(context_cancel, a_million_deep_and_a_million_wide_are_loops_on_a_small_stack) {
  static constexpr int count = downhaul_test::sanitized ? 10'000 : 1'000'000;
  const auto body = [] {
    {
      std::vector<dh::cancel_scope> scopes;
      scopes.reserve(count);
      dh::context last;
      for (int i = 0; i < count; ++i) {
        auto made = dh::with_cancel(last);
        last = std::move(made.ctx);
        scopes.push_back(std::move(made.cancel));
      }
      scopes.front()();
      EXPECT_TRUE(last.err());
      scopes.clear();
      EXPECT_EQ(dh::count_contexts(), count);  // the last one owns them all
      last = {};
      EXPECT_EQ(dh::count_contexts(), 0);
    }
    auto [root, cancel] = dh::with_cancel(dh::background());
    std::vector<dh::cancelable> children;
    children.reserve(count);
    for (int i = 0; i < count; ++i) children.push_back(dh::with_cancel(root));
    cancel();
    for (const dh::cancelable& c : children) ASSERT_TRUE(c.ctx.err());
  };
  dh::go_options small;
  small.stack = 64 * 1024;
  std::atomic<bool> ended{false};
  dh::go(small, [&] {
    body();
    ended.store(true);
  });
  downhaul_test::wait_until([&] { return ended.load(); });
}

// --- causes ---

enum class step { parent, child, parent_plain, child_plain };
struct cause_case {
  const char* name;
  std::vector<step> steps;
  const char* cause;
};

TEST_F(context_cause, the_first_to_end_decides) {
  const cause_case cases[] = {
      {"parent with P, child with C", {step::parent, step::child}, "runtime_error: P"},
      {"child with C, parent with P", {step::child, step::parent}, "runtime_error: C"},
      {"parent with P, child", {step::parent, step::child_plain}, "runtime_error: P"},
      {"child, parent with P",
       {step::child_plain, step::parent},
       "context_error: context canceled"},
      {"parent, child with C",
       {step::parent_plain, step::child},
       "context_error: context canceled"},
      {"child with C, parent", {step::child, step::parent_plain}, "runtime_error: C"},
  };
  for (const cause_case& c : cases) {
    SCOPED_TRACE(c.name);
    auto [parent, cancel_parent] = dh::with_cancel_cause(dh::background());
    auto [child, cancel_child] = dh::with_cancel_cause(parent);
    EXPECT_EQ(child.cause(), nullptr);
    for (const step s : c.steps) {
      if (s == step::parent) cancel_parent(std::runtime_error{"P"});
      if (s == step::child) cancel_child(std::runtime_error{"C"});
      if (s == step::parent_plain) cancel_parent();
      if (s == step::child_plain) cancel_child();
    }
    EXPECT_EQ(child.err(), dh::errc::canceled);
    EXPECT_EQ(text_of(child.cause()), c.cause);
  }
}

TEST_F(context_cause, without_one_it_is_the_error) {
  auto [a, cancel_a] = dh::with_cancel(dh::background());
  cancel_a();
  EXPECT_EQ(text_of(a.cause()), "context_error: context canceled");
  EXPECT_EQ(a.reason(), "context canceled");
  auto [b, cancel_b] = dh::with_cancel_cause(dh::background());
  cancel_b(nullptr);
  EXPECT_EQ(text_of(b.cause()), "context_error: context canceled");
  auto [c, cancel_c] = dh::with_cancel_cause(dh::background());
  cancel_c(std::error_code{});
  EXPECT_EQ(text_of(c.cause()), "context_error: context canceled");
}

struct not_an_exception {};

TEST_F(context_cause, may_be_an_exception_a_pointer_to_one_or_a_code) {
  const auto reason_of = [](auto why) {
    auto [ctx, cancel] = dh::with_cancel_cause(dh::background());
    cancel(why);
    EXPECT_EQ(ctx.err(), dh::errc::canceled);
    return ctx.reason();
  };
  EXPECT_EQ(reason_of(std::runtime_error{"x"}), "x");
  EXPECT_EQ(reason_of(std::make_exception_ptr(std::logic_error{"y"})), "y");
  EXPECT_EQ(reason_of(std::make_error_code(std::errc::broken_pipe)), "Broken pipe");
  EXPECT_EQ(reason_of(dh::errc::deadline_exceeded), "context deadline exceeded");
  EXPECT_EQ(reason_of("shutting down"), "shutting down");
  EXPECT_EQ(reason_of(not_an_exception{}), "(anonymous namespace)::not_an_exception");
}

TEST_F(context_cause, is_shared_not_copied_by_descendants) {
  auto [root, cancel] = dh::with_cancel_cause(dh::background());
  auto [child, cancel_child] = dh::with_cancel(root);
  const dh::context value = dh::with_value(child, number_key, 1);
  cancel(std::runtime_error{"x"});
  EXPECT_EQ(child.cause(), root.cause());
  EXPECT_EQ(value.cause(), root.cause());
}

TEST_F(context_cause, outlives_the_context_that_had_it_first) {
  dh::context child;
  {
    auto [root, cancel] = dh::with_cancel_cause(dh::background());
    auto made = dh::with_cancel(root);
    child = made.ctx;
    cancel(std::runtime_error{"x"});
  }
  EXPECT_EQ(child.reason(), "x");
}

TEST_F(context_cause, can_be_given_by_a_copyable_function) {
  auto [ctx, cancel] = dh::with_cancel_cause(dh::background());
  const std::function<void()> fail = [stop = dh::cancel_cause_func{cancel}] {
    stop(std::runtime_error{"failed"});
  };
  fail();
  EXPECT_EQ(ctx.reason(), "failed");
}

// --- texts ---

struct with_text {
  std::string to_string() const { return "own text"; }
};
inline constexpr dh::key<with_text> text_key{"text"};
inline constexpr dh::key<const char*> pointer_key{"pointer"};
inline constexpr dh::key<std::optional<int>> optional_key{"optional"};

TEST_F(context_text, names_each_layer_the_root_first) {
  auto [a, cancel_a] = dh::with_cancel(dh::background());
  const dh::context b = dh::with_value(a, name_key, "Ann");
  const dh::context c = dh::with_value(b, number_key, 7);
  const dh::context d = dh::without_cancel(c);
  auto [e, cancel_e] = dh::with_cancel_cause(d);
  EXPECT_EQ(to_string(e),
            "context.Background.WithCancel.WithValue(name, Ann).WithValue(number, int)"
            ".WithoutCancel.WithCancel");
  EXPECT_EQ(to_string(dh::with_value(dh::todo(), text_key)),
            "context.TODO.WithValue(text, own text)");
  EXPECT_EQ(to_string(dh::with_value(dh::background(), pointer_key, nullptr)),
            "context.Background.WithValue(pointer, <nil>)");
  EXPECT_EQ(to_string(dh::with_value(dh::background(), optional_key)),
            "context.Background.WithValue(optional, <nil>)");
}

TEST_F(context_text, names_deadlines_merges_and_graces) {
  auto [t, cancel_t] = dh::with_timeout(dh::background(), 90min);
  const std::string text = to_string(t);
  EXPECT_EQ(text.find("context.Background.WithDeadline(20"), 0u) << text;
  EXPECT_NE(text.find(" UTC [1.5h]"), std::string::npos) << text;
  auto [g, cancel_g] = dh::with_grace(dh::todo(), 1500ms);
  auto [m, cancel_m] = dh::merge(dh::background(), g);
  EXPECT_EQ(to_string(m), "context.Merge(context.Background, context.TODO.WithGrace(1.5s))");
}

TEST_F(context_text, of_a_long_chain_is_no_recursion) {
  constexpr int count = 20'000;
  std::vector<dh::cancelable> chain;
  chain.push_back(dh::with_cancel(dh::background()));
  for (int i = 0; i < count; ++i) chain.push_back(dh::with_cancel(chain.back().ctx));
  EXPECT_EQ(to_string(chain.back().ctx).size(),
            std::string{"context.Background"}.size() + (count + 1) * 11);
}

// --- without_cancel ---

TEST_F(context_without_cancel, keeps_the_values_and_nothing_else) {
  auto [root, cancel] = dh::with_timeout(dh::with_value(dh::background(), number_key, 7), 1h);
  const dh::context cut = dh::without_cancel(root);
  EXPECT_FALSE(cut.deadline());
  EXPECT_FALSE(cut.done());
  cancel();
  EXPECT_FALSE(cut.err());
  EXPECT_EQ(cut.cause(), nullptr);
  EXPECT_EQ(*cut.value(number_key), 7);
  EXPECT_FALSE(dh::without_cancel(root).err());
  EXPECT_NE(dh::without_cancel(dh::background()), dh::background());
}

TEST_F(context_without_cancel, cuts_children_off_from_what_is_above) {
  auto [root, cancel] = dh::with_cancel(dh::background());
  auto [child, cancel_child] = dh::with_cancel(dh::without_cancel(root));
  EXPECT_EQ(registrations(root), 0u);
  cancel();
  EXPECT_FALSE(child.err());
  cancel_child();
  EXPECT_TRUE(child.err());
}

}  // namespace
