// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// CTX-050 to CTX-072: contexts that a user has written, and how children hang below them.

#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <optional>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "conformance/context/contexts.hpp"
#include "downhaul/after_func.hpp"
#include "downhaul/chan.hpp"
#include "downhaul/context.hpp"
#include "downhaul/context_base.hpp"
#include "downhaul/go.hpp"
#include "downhaul/runtime.hpp"

namespace dh = downhaul;
using namespace std::chrono_literals;
using downhaul_test::because;
using downhaul_test::by_hand;
using downhaul_test::calls_back;
using downhaul_test::canceled;
using downhaul_test::cause_of;
using downhaul_test::has_ended;
using downhaul_test::is_closed;
using downhaul_test::is_open;
using downhaul_test::late;
using downhaul_test::no_done;
using downhaul_test::number_key;
using downhaul_test::own_channel;
using downhaul_test::own_done;
using downhaul_test::registrations;
using downhaul_test::wait_until;
using downhaul_test::wrapper;

namespace {

TEST(CTX_050, a_parent_without_a_done_never_cancels_its_children) {
  auto [root, cancel] = dh::with_cancel(dh::background());
  const auto cut = dh::make_context<no_done>(root);
  EXPECT_FALSE(cut.done());
  auto [child, cancel_child] = dh::with_cancel(cut);
  auto [timed, cancel_timed] = dh::with_timeout(cut, 1h);
  const dh::registration r = dh::after_func(cut, [] { ADD_FAILURE(); });
  EXPECT_EQ(registrations(root), 0u);
  cancel();
  EXPECT_TRUE(is_open(child));
  EXPECT_TRUE(is_open(timed));
  auto [born_after, cancel_after] = dh::with_cancel(cut);
  EXPECT_TRUE(is_open(born_after));
  EXPECT_TRUE(r.stop());
  cancel_child();
  EXPECT_TRUE(has_ended(child, canceled()));
}

// Ended before anybody asks, with an err and a cause of its own.
class born_ended : public own_done {
 public:
  born_ended(std::error_code with, std::exception_ptr cause) : cause_{std::move(cause)} {
    end(with);
  }
  std::exception_ptr cause() const override { return cause_; }

 private:
  std::exception_ptr cause_;
};

TEST(CTX_051, a_parent_that_has_ended_cancels_the_child_in_its_making) {
  const std::error_code gone = std::make_error_code(std::errc::owner_dead);
  const auto parent =
      dh::make_context<born_ended>(gone, std::make_exception_ptr(because("long ago")));
  auto [child, cancel_child] = dh::with_cancel(parent);
  EXPECT_TRUE(has_ended(child, gone));
  EXPECT_EQ(cause_of(child), "long ago");
  auto [timed, cancel_timed] = dh::with_timeout_cause(parent, 1h, because("never given"));
  EXPECT_TRUE(has_ended(timed, gone));
  EXPECT_EQ(cause_of(timed), "long ago");
  auto [value_child, cancel_value] = dh::with_cancel(dh::with_value(parent, number_key, 1));
  EXPECT_TRUE(has_ended(value_child, gone));
  EXPECT_EQ(dh::clock::real().pending(), 0u);
}

TEST(CTX_052, through_a_done_that_is_the_trees_own_children_are_linked) {
  auto [root, cancel] = dh::with_cancel_cause(dh::background());
  const dh::context outer =
      dh::make_context<wrapper>(dh::with_value(dh::make_context<wrapper>(root), number_key, 1));
  EXPECT_EQ(outer.done(), root.done());
  auto [child, cancel_child] = dh::with_cancel(outer);
  auto [timed, cancel_timed] = dh::with_timeout(outer, 1h);
  EXPECT_EQ(registrations(root), 2u);
  EXPECT_EQ(dh::count_goroutines(), 0u);
  cancel(because("why"));
  for (const dh::context& ctx : {child, timed}) {
    EXPECT_TRUE(has_ended(ctx, canceled())) << "before cancel has returned";
    EXPECT_EQ(cause_of(ctx), "why");
  }
}

// Gives the done of its parent by overriding done(), which makes no difference.
struct same_done : dh::context_base {
  using context_base::context_base;
  dh::recv_chan<void> done() const override { return parent().done(); }
};

TEST(CTX_052, it_is_the_channel_that_counts_not_who_hands_it_out) {
  auto [root, cancel] = dh::with_cancel(dh::background());
  auto [middle, cancel_middle] = dh::with_cancel(root);
  const auto same = dh::make_context<same_done>(middle);
  auto [child, cancel_child] = dh::with_cancel(same);
  EXPECT_EQ(registrations(middle), 1u) << "the innermost";
  EXPECT_EQ(registrations(root), 1u);
  cancel_middle();
  EXPECT_TRUE(has_ended(child, canceled()));
}

// Gives the done of its grandparent: one of the tree, but not of the innermost.
struct done_from_further_up : dh::context_base {
  done_from_further_up(const dh::context& parent, dh::context further)
      : context_base{parent}, further_up{std::move(further)} {}
  dh::recv_chan<void> done() const override { return further_up.done(); }
  std::error_code err() const override { return further_up.err(); }
  std::exception_ptr cause() const override { return further_up.cause(); }
  dh::context further_up;
};

TEST(CTX_052, only_the_innermost_is_linked_to) {
  auto [root, cancel] = dh::with_cancel_cause(dh::background());
  auto [middle, cancel_middle] = dh::with_cancel(root);
  const auto ctx = dh::make_context<done_from_further_up>(middle, root);
  auto [child, cancel_child] = dh::with_cancel(ctx);
  EXPECT_EQ(registrations(middle), 0u);
  cancel_middle();
  EXPECT_TRUE(is_open(child));
  cancel(because("why"));
  child.done().recv();
  EXPECT_EQ(child.err(), canceled());
  EXPECT_EQ(cause_of(child), "why");
}

TEST(CTX_053, a_done_of_its_own_hides_the_tree_inside) {
  auto [root, cancel] = dh::with_cancel(dh::with_value(dh::background(), number_key, 7));
  const auto own = dh::make_context<own_done>(root);
  auto [child, cancel_child] = dh::with_cancel(own);
  auto [below_value, cancel_below] = dh::with_cancel(dh::with_value(own, number_key, 8));
  auto [below_wrapper, cancel_wrapper] = dh::with_cancel(dh::make_context<wrapper>(own));
  EXPECT_EQ(*child.value(number_key), 7) << "values are found";
  EXPECT_EQ(registrations(root), 0u);
  cancel();
  for (const dh::context& ctx : {child, below_value, below_wrapper}) EXPECT_TRUE(is_open(ctx));
  own->end(canceled());
  for (const dh::context& ctx : {child, below_value, below_wrapper}) {
    ctx.done().recv();
    EXPECT_EQ(ctx.err(), canceled());
  }
}

TEST(CTX_054, a_parent_that_calls_back_is_asked_to_and_told_to_stop) {
  const auto parent = dh::make_context<calls_back>();
  auto [child, cancel_child] = dh::with_cancel(parent);
  EXPECT_EQ(parent->callbacks(), 1u);
  EXPECT_EQ(dh::count_goroutines(), 0u);
  cancel_child();
  EXPECT_EQ(parent->callbacks(), 0u);
  EXPECT_EQ(parent->ever_made(), 1);
  EXPECT_EQ(dh::count_goroutines(), 0u);
}

// deviates: no goroutine waits on both; a registration hangs on the parent's done and goes with the child.
TEST(CTX_055, otherwise_a_registration_on_its_done_that_ends_with_either) {
  auto [root, cancel] = dh::with_cancel(dh::background());
  const auto parent = dh::make_context<own_channel>(root);
  auto [first, cancel_first] = dh::with_cancel(parent);
  auto [second, cancel_second] = dh::with_cancel(parent);
  EXPECT_EQ(registrations(parent), 2u);
  EXPECT_EQ(dh::count_goroutines(), 0u);
  cancel_first();
  EXPECT_EQ(registrations(parent), 1u) << "released by the child";
  cancel();
  EXPECT_TRUE(is_open(second));
  parent->close();
  second.done().recv();
  EXPECT_EQ(second.err(), canceled());
  EXPECT_EQ(registrations(parent), 0u) << "released by the parent";
}

TEST(CTX_056, callbacks_of_with_cancel_are_counted_2_0) {
  const auto parent = dh::make_context<calls_back>();
  auto [a, cancel_a] = dh::with_cancel(parent);
  auto [b, cancel_b] = dh::with_cancel(parent);
  EXPECT_EQ(parent->callbacks(), 2u);
  cancel_a();
  EXPECT_EQ(parent->callbacks(), 1u);
  cancel_b();
  EXPECT_EQ(parent->callbacks(), 0u);
}

TEST(CTX_056, callbacks_of_with_timeout_are_counted_1_0) {
  by_hand time;
  const auto parent = dh::make_context<calls_back>();
  auto [ctx, cancel] = dh::with_timeout(parent, 1h);
  EXPECT_EQ(parent->callbacks(), 1u);
  cancel();
  EXPECT_EQ(parent->callbacks(), 0u);
  auto [fires, cancel_fires] = dh::with_timeout(parent, 1s);
  EXPECT_EQ(parent->callbacks(), 1u);
  time.pass(1s);
  EXPECT_EQ(fires.err(), late());
  // User code is not run where time passes: stop may follow a little later.
  wait_until([&] { return parent->callbacks() == 0; });
}

TEST(CTX_056, callbacks_of_after_func_are_counted_1_0) {
  const auto parent = dh::make_context<calls_back>();
  const dh::registration r = dh::after_func(parent, [] { ADD_FAILURE(); });
  EXPECT_EQ(parent->callbacks(), 1u);
  EXPECT_TRUE(r.stop());
  EXPECT_EQ(parent->callbacks(), 0u);
}

TEST(CTX_057, the_end_of_a_parent_that_calls_back_reaches_everything) {
  const auto parent = dh::make_context<calls_back>();
  auto [child, cancel_child] = dh::with_cancel(parent);
  auto [timed, cancel_timed] = dh::with_timeout(parent, 1h);
  std::atomic<int> called{0};
  const dh::context same = parent;
  const dh::registration r = dh::after_func(parent, [&called, same] {
    EXPECT_EQ(same.err(), canceled());
    ++called;
  });
  EXPECT_EQ(parent->callbacks(), 3u);
  parent->end_and_call(canceled());
  child.done().recv();
  timed.done().recv();
  EXPECT_TRUE(has_ended(child, canceled()));
  EXPECT_TRUE(has_ended(timed, canceled()));
  wait_until([&] { return called == 1; });
  EXPECT_EQ(dh::clock::real().pending(), 0u);
}

// deviates: the child then hangs on the done, without a goroutine.
TEST(CTX_058, only_the_immediate_parent_is_asked_to_call_back) {
  const auto parent = dh::make_context<calls_back>();
  const dh::context value = dh::with_value(parent, number_key, 1);
  const dh::context wrapped = dh::make_context<wrapper>(parent);
  auto [a, cancel_a] = dh::with_cancel(value);
  auto [b, cancel_b] = dh::with_cancel(wrapped);
  const dh::registration r = dh::after_func(value, [] {});
  EXPECT_EQ(parent->ever_made(), 0);
  parent->end(canceled());  // closes its done and calls nobody
  a.done().recv();
  b.done().recv();
  EXPECT_EQ(a.err(), canceled());
}

struct linked_and_calls_back : dh::context_base {
  using context_base::context_base;
  std::function<bool()> after_func(std::function<void()>) {
    ++asked;
    return [] { return false; };
  }
  std::atomic<int> asked{0};
};

TEST(CTX_059, a_link_goes_before_a_callback) {
  auto [root, cancel] = dh::with_cancel(dh::background());
  const auto parent = dh::make_context<linked_and_calls_back>(root);
  auto [child, cancel_child] = dh::with_cancel(parent);
  const dh::registration r = dh::after_func(parent, [] {});
  EXPECT_EQ(registrations(root), 2u);
  cancel();
  EXPECT_TRUE(has_ended(child, canceled()));
  EXPECT_EQ(parent->asked, 0);
}

class calls_inline : public own_done {
 public:
  std::function<bool()> after_func(std::function<void()> f) {
    end(canceled());
    f();  // against the rules
    return [this] {
      ++stopped;
      return false;
    };
  }
  std::atomic<int> stopped{0};
};

TEST(CTX_060, a_parent_that_calls_back_inline_does_no_harm) {
  {
    const auto parent = dh::make_context<calls_inline>();
    auto [child, cancel] = dh::with_cancel(parent);
    child.done().recv();
    EXPECT_TRUE(has_ended(child, canceled()));
  }
  {
    const auto parent = dh::make_context<calls_inline>();
    auto [timed, cancel] = dh::with_timeout(parent, 1h);
    timed.done().recv();
    EXPECT_TRUE(has_ended(timed, canceled()));
  }
  const auto parent = dh::make_context<calls_inline>();
  std::atomic<int> called{0};
  const dh::registration r = dh::after_func(parent, [&] { ++called; });
  wait_until([&] { return called == 1; });
  EXPECT_FALSE(r.stop());
}

TEST(CTX_061, the_end_of_a_user_written_parent_is_followed_not_waited_for) {
  // The one that ends it holds a lock which its err() needs: a cancel in place would never return.
  const auto parent = dh::make_context<own_done>(dh::background());
  auto [child, cancel_child] = dh::with_cancel(parent);
  auto [below, cancel_below] = dh::with_cancel(child);
  parent->end_under_lock(canceled());
  child.done().recv();
  EXPECT_TRUE(has_ended(child, canceled()));
  below.done().recv();
  EXPECT_TRUE(has_ended(below, canceled()));
}

TEST(CTX_061, also_that_of_one_that_calls_back) {
  const auto parent = dh::make_context<calls_back>();
  auto [child, cancel_child] = dh::with_cancel(parent);
  parent->end_and_call(late());
  child.done().recv();
  EXPECT_TRUE(has_ended(child, late()));
}

TEST(CTX_062, children_have_the_parents_err_verbatim) {
  const std::error_code codes[] = {canceled(), late(), std::make_error_code(std::errc::io_error),
                                   std::error_code{77, std::system_category()}};
  for (const std::error_code& code : codes) {
    SCOPED_TRACE(code.message());
    const auto plain = dh::make_context<own_done>();
    const auto asked = dh::make_context<calls_back>();
    auto [a, cancel_a] = dh::with_cancel(plain);
    auto [b, cancel_b] = dh::with_timeout(dh::with_value(plain, number_key, 1), 1h);
    auto [c, cancel_c] = dh::with_cancel(asked);
    auto [d, cancel_d] = dh::with_cancel(a);
    plain->end(code);
    asked->end_and_call(code);
    for (const dh::context& ctx : {a, b, c, d}) {
      ctx.done().recv();
      EXPECT_TRUE(has_ended(ctx, code));
    }
  }
}

struct never_says_why : dh::context_base {
  dh::recv_chan<void> done() const override { return channel; }
  std::error_code err() const override { return {}; }
  dh::chan<void> channel = dh::make_chan<void>(1);
};

TEST(CTX_063, a_done_without_an_err_ends_the_program) {
  testing::GTEST_FLAG(death_test_style) = "threadsafe";
  const char* text = "fatal error: context: internal error: missing cancel error";
  EXPECT_DEATH(
      {
        const auto parent = dh::make_context<never_says_why>();
        parent->channel.close();
        auto made = dh::with_cancel(parent);
      },
      text);
  EXPECT_DEATH(
      {
        const auto parent = dh::make_context<never_says_why>();
        auto made = dh::with_cancel(parent);
        parent->channel.close();
        made.ctx.done().recv();
      },
      text);
}

TEST(CTX_063, so_does_a_done_that_delivers_instead_of_closing) {
  testing::GTEST_FLAG(death_test_style) = "threadsafe";
  const char* text = "fatal error: context: internal error: missing cancel error";
  EXPECT_DEATH(
      {
        const auto parent = dh::make_context<never_says_why>();
        parent->channel.send();
        auto made = dh::with_cancel(parent);
      },
      text);
  EXPECT_DEATH(
      {
        const auto parent = dh::make_context<never_says_why>();
        auto made = dh::with_timeout(parent, 1h);
        parent->channel.send();
        made.ctx.done().recv();
      },
      text);
}

TEST(CTX_064, without_our_own_above_err_and_cause_are_its_err) {
  const auto parent = dh::make_context<own_done>();
  auto [child, cancel_child] = dh::with_cancel(parent);
  EXPECT_EQ(cause_of(parent), "none");
  parent->end(canceled());
  EXPECT_EQ(parent.err(), canceled());
  EXPECT_EQ(cause_of(parent), "canceled");
  child.done().recv();
  EXPECT_EQ(child.err(), canceled());
  EXPECT_EQ(cause_of(child), "canceled");
}

TEST(CTX_065, a_child_cancelled_with_a_cause_leaves_the_parent_alone) {
  const auto parent = dh::make_context<own_done>();
  auto [child, cancel] = dh::with_cancel_cause(parent);
  cancel(because("mine"));
  EXPECT_TRUE(has_ended(child, canceled()));
  EXPECT_EQ(cause_of(child), "mine");
  EXPECT_EQ(parent.err(), std::error_code{});
  EXPECT_EQ(cause_of(parent), "none");
  EXPECT_TRUE(is_open(parent));
}

TEST(CTX_066, the_end_of_the_parent_afterwards_changes_nothing) {
  const auto parent = dh::make_context<own_done>();
  auto [child, cancel] = dh::with_cancel_cause(parent);
  cancel(because("mine"));
  parent->end(late());
  EXPECT_EQ(parent.err(), late());
  EXPECT_EQ(cause_of(parent), "late") << "its err";
  EXPECT_TRUE(has_ended(child, canceled()));
  EXPECT_EQ(cause_of(child), "mine");
}

// Cancels its child by its own hand, once its lock is free.
class cancels_child : public own_done {
 public:
  void adopt(dh::cancel_func stop) { stop_ = std::move(stop); }
  void end_with_child() {
    end(canceled());
    stop_();
  }

 private:
  dh::cancel_func stop_;
};

TEST(CTX_067, a_parent_may_cancel_its_child_from_its_own_cancel) {
  for (int i = 0; i < downhaul_test::rounds(100); ++i) {
    const auto parent = dh::make_context<cancels_child>();
    auto [child, cancel] = dh::with_cancel(parent);
    parent->adopt(cancel);
    parent->end_with_child();
    child.done().recv();
    EXPECT_TRUE(has_ended(child, canceled()));
    EXPECT_EQ(cause_of(child), "canceled");
    EXPECT_EQ(parent.err(), canceled());
    EXPECT_EQ(cause_of(parent), "canceled");
    parent->adopt({});  // it owns its child's memory, and the child the parent's
  }
}

TEST(CTX_068, a_done_of_its_own_and_the_err_of_its_parent_give_the_inner_cause) {
  auto [root, cancel] = dh::with_cancel_cause(dh::background());
  const auto parent = dh::make_context<own_channel>(root);
  auto [child, cancel_child] = dh::with_cancel(parent);
  cancel(because("inner"));
  EXPECT_FALSE(is_closed(child.done()));
  EXPECT_EQ(child.err(), std::error_code{});
  parent->close();
  child.done().recv();
  EXPECT_TRUE(has_ended(child, canceled()));
  EXPECT_EQ(cause_of(child), "inner");
}

TEST(CTX_069, the_cause_of_one_that_ends_below_an_open_one_is_its_err) {
  auto [root, cancel] = dh::with_cancel_cause(dh::background());
  const auto parent = dh::make_context<own_done>(root);
  auto [child, cancel_child] = dh::with_cancel(parent);
  const dh::context value = dh::with_value(parent, number_key, 1);
  parent->end(canceled());
  EXPECT_TRUE(is_open(root));
  EXPECT_EQ(cause_of(parent), "canceled") << "not none";
  EXPECT_EQ(cause_of(value), "canceled");
  child.done().recv();
  EXPECT_EQ(cause_of(child), "canceled");
}

TEST(CTX_070, no_err_means_no_cause) {
  auto [root, cancel] = dh::with_cancel_cause(dh::background());
  const auto hides = dh::make_context<own_done>(root);  // its err is not its parent's
  const dh::context value = dh::with_value(hides, number_key, 1);
  cancel(because("hidden"));
  EXPECT_EQ(hides.err(), std::error_code{});
  EXPECT_EQ(hides.cause(), nullptr);
  EXPECT_EQ(value.cause(), nullptr);
  EXPECT_EQ(hides.reason(), "");
  class with_cause_only : public own_done {
   public:
    std::exception_ptr cause() const override {
      return std::make_exception_ptr(because("too early"));
    }
  };
  const auto eager = dh::make_context<with_cause_only>();
  EXPECT_EQ(eager.cause(), nullptr) << "err is asked first";
  eager->end(canceled());
  EXPECT_EQ(cause_of(eager), "too early");
}

// A new channel at each call.
class forgetful : public dh::context_base {
 public:
  dh::recv_chan<void> done() const override {
    made_.push_back(dh::make_chan<void>());
    return made_.back();
  }
  std::error_code err() const override { return ended_ ? canceled() : std::error_code{}; }
  void end() {
    ended_ = true;
    for (const dh::chan<void>& c : made_) c.close();
  }
  std::size_t calls() const { return made_.size(); }

 private:
  mutable std::vector<dh::chan<void>> made_;
  std::atomic<bool> ended_{false};
};

// deviates: done() is asked once, by make_context; so all see one channel.
TEST(CTX_071, a_done_that_would_be_new_at_each_call_is_asked_for_once) {
  auto [root, cancel_root] = dh::with_cancel(dh::background());
  const auto parent = dh::make_context<forgetful>();
  EXPECT_EQ(parent->calls(), 1u);
  auto [a, cancel_a] = dh::with_cancel(parent);
  auto [b, cancel_b] = dh::with_timeout(parent, 1h);
  EXPECT_EQ(parent.done(), parent.done());
  EXPECT_EQ(parent->calls(), 1u);
  EXPECT_EQ(dh::count_goroutines(), 0u);
  cancel_a();
  EXPECT_TRUE(is_open(b));
  parent->end();
  b.done().recv();
  EXPECT_EQ(b.err(), canceled());
  EXPECT_EQ(parent->calls(), 1u);
}

// Each member uses the library on the very context that asks it: it would deadlock, or fail the check of
// lock order, if a lock were held.
class busy : public calls_back {
 public:
  explicit busy(const dh::context& parent) : calls_back{parent} {}

  void know(const dh::context* self) { self_ = self; }
  std::optional<dh::time_point> deadline() const override {
    use(parent());
    return parent().deadline();
  }
  dh::recv_chan<void> done() const override {
    use(parent());
    return own_done::done();
  }
  std::error_code err() const override {
    use(parent());
    if (const dh::context* self = self_.exchange(nullptr)) {
      use(*self);
      self_ = self;
    }
    ++asked;
    return own_done::err();
  }
  std::exception_ptr cause() const override {
    use(parent());
    return std::make_exception_ptr(because("busy"));
  }
  const void* find(const dh::key_base& k) const noexcept override {
    use(parent());
    return calls_back::find(k);
  }
  std::string to_string() const override {
    use(parent());
    return parent().to_string() + ".Busy";
  }
  std::function<bool()> after_func(std::function<void()> f) {
    use(parent());
    return [this, stop = calls_back::after_func(std::move(f))] {
      use(parent());
      return stop();
    };
  }

  mutable std::atomic<int> asked{0};

 private:
  static void use(const dh::context& ctx) {
    auto [child, cancel] = dh::with_timeout(dh::with_value(ctx, number_key, 1), 1h);
    const dh::registration r = dh::after_func(child, [] {});
    r.stop();
    cancel();
  }

  mutable std::atomic<const dh::context*> self_{nullptr};
};

TEST(CTX_072, members_of_a_user_written_context_are_called_without_a_lock) {
  auto [root, cancel] = dh::with_cancel(dh::background());
  const auto parent = dh::make_context<busy>(root);
  const dh::context self = parent;
  parent->know(&self);
  auto [child, cancel_child] = dh::with_cancel(parent);
  auto [timed, cancel_timed] = dh::with_timeout(parent, 1h);
  auto [merged, cancel_merged] = dh::merge(parent, child);
  const dh::registration r = dh::after_func(parent, [] {});
  EXPECT_EQ(parent.deadline(), std::nullopt);
  EXPECT_EQ(child.value(downhaul_test::name_key), nullptr);
  EXPECT_EQ(to_string(child), "context.Background.WithCancel.Busy.WithCancel");
  cancel_timed();
  EXPECT_EQ(parent.err(), std::error_code{});
  parent->end_and_call(canceled());
  child.done().recv();
  merged.done().recv();
  EXPECT_EQ(cause_of(child), "busy");
  auto [born_ended_child, cancel_born] = dh::with_cancel(parent);
  EXPECT_EQ(cause_of(born_ended_child), "busy");
  EXPECT_GT(parent->asked, 0);
  parent->know(nullptr);
}

}  // namespace
