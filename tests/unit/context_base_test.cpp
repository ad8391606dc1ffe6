// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// Contexts written by users, and the three ways of hanging below one.

#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <map>
#include <mutex>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "context/inspect.hpp"
#include "downhaul/after_func.hpp"
#include "downhaul/chan.hpp"
#include "downhaul/context.hpp"
#include "downhaul/context_base.hpp"
#include "downhaul/go.hpp"
#include "downhaul/runtime.hpp"
#include "downhaul/select.hpp"
#include "support/crew.hpp"
#include "support/leaves_nothing.hpp"
#include "support/user_contexts.hpp"

namespace {

namespace dh = downhaul;
using namespace std::chrono_literals;
using dh::impl::registrations;
using downhaul_test::calls_back;
using downhaul_test::no_done;
using downhaul_test::own_done;
using downhaul_test::text_of;
using downhaul_test::wait_until;
using downhaul_test::wrapper;

class context_base : public downhaul_test::leaves_nothing {};

inline constexpr dh::key<int> number_key{"number"};
inline constexpr dh::key<std::string> name_key{"name"};

std::error_code canceled() { return dh::errc::canceled; }

// --- what is not overridden is the parent's ---

TEST_F(context_base, a_plain_wrapper_is_what_it_wraps) {
  auto [root, cancel] = dh::with_cancel_cause(dh::with_value(dh::background(), number_key, 7));
  auto [timed, cancel_timed] = dh::with_timeout(root, 1h);
  const dh::context_of<wrapper> ctx = dh::make_context<wrapper>(timed);
  EXPECT_EQ(ctx.deadline(), timed.deadline());
  EXPECT_EQ(ctx.done(), timed.done());
  EXPECT_EQ(*ctx.value(number_key), 7);
  EXPECT_FALSE(ctx.err());
  cancel(std::runtime_error{"why"});
  EXPECT_EQ(ctx.err(), canceled());
  EXPECT_EQ(ctx.reason(), "why");
  EXPECT_EQ(ctx->parent(), timed);
}

TEST_F(context_base, children_of_a_plain_wrapper_link_directly) {
  auto [root, cancel] = dh::with_cancel(dh::background());
  const auto ctx = dh::make_context<wrapper>(root);
  const auto goroutines = dh::count_goroutines();
  auto [child, cancel_child] = dh::with_cancel(ctx);
  auto [timed, cancel_timed] = dh::with_timeout(ctx, 1h);
  EXPECT_EQ(registrations(root), 2u);
  EXPECT_EQ(dh::count_goroutines(), goroutines);
  cancel();
  EXPECT_TRUE(child.err());  // before cancel returned
  EXPECT_TRUE(timed.err());
}

TEST_F(context_base, a_handle_reaches_the_object_and_knows_its_class) {
  dh::context_of<own_done> ctx = dh::make_context<own_done>(dh::background());
  EXPECT_NE(ctx.get(), nullptr);
  EXPECT_EQ(&*ctx, ctx.operator->());
  const dh::context plain = ctx;
  EXPECT_EQ(plain, ctx);
  static_cast<dh::context&>(ctx) = dh::make_context<wrapper>();
  EXPECT_EQ(ctx.get(), nullptr);
  EXPECT_EQ(dh::context_of<own_done>{}.get(), nullptr);
}

// --- done ---

TEST_F(context_base, without_a_done_its_children_are_cut_off) {
  auto [root, cancel] = dh::with_cancel(dh::background());
  const auto ctx = dh::make_context<no_done>(root);
  auto [child, cancel_child] = dh::with_cancel(ctx);
  EXPECT_EQ(registrations(root), 0u);
  cancel();
  EXPECT_FALSE(child.err());
  EXPECT_FALSE(child.done().try_recv());
}

TEST_F(context_base, with_an_own_done_costs_one_registration_and_no_goroutine_a_child) {
  const auto ctx = dh::make_context<own_done>(dh::background());
  EXPECT_EQ(dh::count_goroutines(), 0u);
  {
    auto [a, cancel_a] = dh::with_cancel(ctx);
    auto [b, cancel_b] = dh::with_timeout(ctx, 1h);
    const dh::registration r = dh::after_func(ctx, [] {});
    auto [below, cancel_below] = dh::with_cancel(a);
    EXPECT_EQ(dh::count_goroutines(), 0u);
  }
  EXPECT_EQ(dh::count_contexts(), 1);
}

TEST_F(context_base, its_err_reaches_children_verbatim) {
  const auto ctx = dh::make_context<own_done>(dh::background());
  auto [child, cancel_child] = dh::with_cancel(ctx);
  auto [timed, cancel_timed] = dh::with_timeout(dh::with_value(ctx, number_key, 1), 1h);
  const dh::context value = dh::with_value(ctx, number_key, 1);
  EXPECT_FALSE(child.err());
  const std::error_code gone = std::make_error_code(std::errc::connection_aborted);
  ctx->end(gone);
  EXPECT_EQ(value.err(), gone);
  child.done().recv();
  timed.done().recv();
  EXPECT_EQ(child.err(), gone);
  EXPECT_EQ(timed.err(), gone);
  EXPECT_EQ(text_of(child.cause()), "context_error: " + gone.message());
  EXPECT_EQ(text_of(value.cause()), "context_error: " + gone.message());
}

TEST_F(context_base, an_ended_one_ends_its_children_at_birth) {
  const auto ctx = dh::make_context<own_done>(dh::background());
  ctx->end(canceled());
  auto [child, cancel_child] = dh::with_cancel(ctx);
  EXPECT_EQ(child.err(), canceled());
  auto [timed, cancel_timed] = dh::with_timeout(ctx, -1s);
  EXPECT_EQ(timed.err(), canceled());
}

TEST_F(context_base, children_can_end_before_it_and_then_no_more_change) {
  const auto ctx = dh::make_context<own_done>(dh::background());
  auto [child, cancel] = dh::with_cancel_cause(ctx);
  cancel(std::runtime_error{"mine"});
  EXPECT_EQ(child.reason(), "mine");
  EXPECT_FALSE(ctx.err());
  EXPECT_EQ(ctx.cause(), nullptr);
  ctx->end(canceled());
  EXPECT_EQ(child.reason(), "mine");
  EXPECT_EQ(text_of(ctx.cause()), "context_error: context canceled");
}

TEST_F(context_base, may_be_closed_under_its_own_lock) {
  const auto ctx = dh::make_context<own_done>(dh::background());
  auto [child, cancel] = dh::with_cancel(ctx);
  ctx->end_under_lock(canceled());
  child.done().recv();
  EXPECT_EQ(child.err(), canceled());
}

TEST_F(context_base, an_own_done_hides_the_tree_above_from_its_children) {
  auto [root, cancel] = dh::with_cancel_cause(dh::background());
  const auto ctx = dh::make_context<own_done>(root);
  auto [child, cancel_child] = dh::with_cancel(ctx);
  EXPECT_EQ(registrations(root), 0u);
  cancel(std::runtime_error{"inner"});
  EXPECT_FALSE(child.err());
  EXPECT_FALSE(ctx.err());
  EXPECT_EQ(ctx.cause(), nullptr);  // clear exactly while err() is
  ctx->end(canceled());
  child.done().recv();
  EXPECT_EQ(child.err(), canceled());
  EXPECT_EQ(child.reason(), "inner");  // the cause is the parent's, as it has one
}

class only_own_channel : public dh::context_base {
 public:
  using context_base::context_base;
  dh::recv_chan<void> done() const override { return done_; }
  void close() { done_.close(); }

 private:
  dh::chan<void> done_ = dh::make_chan<void>();
};

TEST_F(context_base, an_own_done_with_the_parents_err_gives_children_the_parents_cause) {
  auto [root, cancel] = dh::with_cancel_cause(dh::background());
  const auto ctx = dh::make_context<only_own_channel>(root);
  auto [child, cancel_child] = dh::with_cancel(ctx);
  cancel(std::runtime_error{"inner"});
  EXPECT_FALSE(child.err());
  ctx->close();
  child.done().recv();
  EXPECT_EQ(child.err(), canceled());
  EXPECT_EQ(child.reason(), "inner");
}

TEST_F(context_base, that_ends_while_its_ancestor_is_open_has_its_own_err_as_cause) {
  auto [root, cancel] = dh::with_cancel(dh::background());
  const auto ctx = dh::make_context<own_done>(root);
  ctx->end(canceled());
  EXPECT_EQ(text_of(ctx.cause()), "context_error: context canceled");
  auto [child, cancel_child] = dh::with_cancel(ctx);
  EXPECT_EQ(text_of(child.cause()), "context_error: context canceled");
}

TEST_F(context_base, with_a_done_of_its_own_goes_before_the_cases_of_a_select_that_does_not_wait) {
  const auto ctx = dh::make_context<own_done>(dh::background());
  auto ch = dh::make_chan<int>(1);
  std::error_code ec;
  EXPECT_EQ(dh::select(ctx, ec, dh::recv(ch), dh::otherwise), 1);
  EXPECT_FALSE(ec);
  ctx->end(canceled());
  EXPECT_EQ(dh::select(ctx, ec, dh::recv(ch), dh::otherwise), -1);
  EXPECT_EQ(ec, canceled());
  EXPECT_EQ(dh::select(ctx, ec, dh::send(ch, 1), dh::otherwise), -1);
  EXPECT_EQ(ch.size(), 0);
  EXPECT_THROW(dh::select(ctx, dh::recv(ch), dh::otherwise), dh::context_error);
  EXPECT_EQ(dh::select(dh::recv(ctx.done()), dh::otherwise), 0);
}

// --- its own after_func ---

TEST_F(context_base, with_after_func_is_asked_for_each_child_and_told_when_one_ends) {
  const auto ctx = dh::make_context<calls_back>(dh::background());
  {
    auto [a, cancel_a] = dh::with_cancel(ctx);
    auto [b, cancel_b] = dh::with_cancel(ctx);
    EXPECT_EQ(ctx->callbacks(), 2u);
    cancel_a();
    cancel_b();
    EXPECT_EQ(ctx->callbacks(), 0u);
  }
  {
    auto [c, cancel_c] = dh::with_timeout(ctx, 1h);
    EXPECT_EQ(ctx->callbacks(), 1u);
    cancel_c();
    EXPECT_EQ(ctx->callbacks(), 0u);
  }
  {
    const dh::registration r = dh::after_func(ctx, [] {});
    EXPECT_EQ(ctx->callbacks(), 1u);
    EXPECT_TRUE(r.stop());
    EXPECT_EQ(ctx->callbacks(), 0u);
  }
  {
    auto [d, cancel_d] = dh::with_cancel(ctx);
    cancel_d.detach();
  }
  EXPECT_EQ(ctx->callbacks(), 0u);
  EXPECT_EQ(dh::count_goroutines(), 0u);
}

TEST_F(context_base, with_after_func_ends_children_and_runs_callbacks) {
  const auto ctx = dh::make_context<calls_back>(dh::background());
  auto [child, cancel] = dh::with_cancel(ctx);
  auto [timed, cancel_timed] = dh::with_timeout(ctx, 1h);
  auto ran = dh::make_chan<void>();
  const dh::registration r = dh::after_func(ctx, [ran] { ran.send(); });
  auto [merged, cancel_merged] = dh::merge(dh::background(), ctx);
  EXPECT_EQ(ctx->ever_made(), 4);
  ctx->end_and_call(canceled());
  child.done().recv();
  timed.done().recv();
  merged.done().recv();
  ran.recv();
  EXPECT_EQ(child.err(), canceled());
  EXPECT_EQ(merged.err(), canceled());
}

TEST_F(context_base, only_the_immediate_parents_after_func_is_asked) {
  const auto ctx = dh::make_context<calls_back>(dh::background());
  const dh::context value = dh::with_value(ctx, number_key, 1);
  auto [child, cancel] = dh::with_cancel(value);
  EXPECT_EQ(ctx->callbacks(), 0u);
  ctx->end(canceled());
  child.done().recv();
}

class linked_with_after_func : public dh::context_base {
 public:
  using context_base::context_base;
  std::function<bool()> after_func(std::function<void()>) {
    ADD_FAILURE() << "children link directly";
    return {};
  }
};

TEST_F(context_base, direct_links_go_before_after_func) {
  auto [root, cancel] = dh::with_cancel(dh::background());
  const auto ctx = dh::make_context<linked_with_after_func>(root);
  auto [child, cancel_child] = dh::with_cancel(ctx);
  EXPECT_EQ(registrations(root), 1u);
}

class calls_at_once : public own_done {
 public:
  using own_done::own_done;
  std::function<bool()> after_func(std::function<void()> f) {
    end(canceled());
    f();  // against the rules, and harmless
    return [] { return false; };
  }
};

TEST_F(context_base, an_after_func_that_calls_inline_does_no_harm) {
  const auto ctx = dh::make_context<calls_at_once>(dh::background());
  auto [child, cancel] = dh::with_cancel(ctx);
  child.done().recv();
  EXPECT_EQ(child.err(), canceled());
}

class refuses : public own_done {
 public:
  using own_done::own_done;
  std::function<bool()> after_func(std::function<void()>) { throw std::runtime_error{"no"}; }
};

TEST_F(context_base, an_after_func_that_throws_leaves_nothing) {
  const auto ctx = dh::make_context<refuses>(dh::background());
  EXPECT_THROW(static_cast<void>(dh::with_cancel(ctx)), std::runtime_error);
  EXPECT_THROW(static_cast<void>(dh::with_timeout(ctx, 1h)), std::runtime_error);
  EXPECT_THROW(static_cast<void>(dh::merge(dh::background(), ctx)), std::runtime_error);
  EXPECT_THROW(static_cast<void>(dh::after_func(ctx, [] {})), std::runtime_error);
  EXPECT_EQ(dh::count_contexts(), 1);
}

// --- what the user's own cancel may do ---

TEST_F(context_base, may_cancel_its_child_from_its_own_end) {
  const auto ctx = dh::make_context<own_done>(dh::background());
  auto [child, cancel] = dh::with_cancel(ctx);
  ctx->end(canceled());
  cancel();
  EXPECT_EQ(child.err(), canceled());
  EXPECT_EQ(text_of(child.cause()), "context_error: context canceled");
}

struct broken : dh::context_base {
  using context_base::context_base;
  dh::recv_chan<void> done() const override { return done_; }
  std::error_code err() const override { return {}; }
  dh::chan<void> done_ = dh::make_chan<void>(1);
};

void close_without_err() {
  const auto ctx = dh::make_context<broken>(dh::background());
  auto [child, cancel] = dh::with_cancel(ctx);
  ctx->done_.close();
  child.done().recv();
}
void send_where_a_close_was_meant() {
  const auto ctx = dh::make_context<broken>(dh::background());
  ctx->done_.send();
  auto [child, cancel] = dh::with_cancel(ctx);
}

TEST(context_base_death, a_closed_done_without_an_err_is_fatal) {
  testing::GTEST_FLAG(death_test_style) = "threadsafe";
  const char* text = "fatal error: context: internal error: missing cancel error";
  EXPECT_DEATH(close_without_err(), text);
  EXPECT_DEATH(send_where_a_close_was_meant(), text);
}

TEST_F(context_base, racing_end_cancel_and_drop_are_harmless) {
  for (int i = 0; i < downhaul_test::rounds(200); ++i) {
    const auto plain = dh::make_context<own_done>(dh::background());
    const auto asked = dh::make_context<calls_back>(dh::background());
    std::vector<dh::cancelable> children;
    for (int n = 0; n < 4; ++n) {
      children.push_back(dh::with_cancel(plain));
      children.push_back(dh::with_timeout(asked, 1h));
      children.push_back(dh::merge(plain, asked));
      children.push_back(dh::with_grace(asked, 1ns));
      children.back().cancel.detach();
    }
    std::thread one{[&] { plain->end(canceled()); }};
    std::thread two{[&] { asked->end_and_call(canceled()); }};
    children.erase(children.begin(), children.begin() + 8);
    for (const dh::cancelable& c : children) c.ctx.done().recv();
    one.join();
    two.join();
  }
}

// --- values and texts ---

class with_number : public dh::context_base {
 public:
  with_number(const dh::context& parent, int number) : context_base{parent}, number_{number} {}
  const void* find(const dh::key_base& k) const noexcept override {
    if (&k == &number_key) return hidden_ ? nullptr : &number_;
    return context_base::find(k);
  }
  void hide() { hidden_ = true; }
  std::string to_string() const override { return parent().to_string() + ".Number"; }

 private:
  int number_;
  bool hidden_ = false;
};

TEST_F(context_base, answers_for_keys_and_passes_on_the_others) {
  const dh::context above =
      dh::with_value(dh::with_value(dh::background(), name_key, "Ann"), number_key, 1);
  const auto ctx = dh::make_context<with_number>(above, 2);
  const dh::context below = dh::with_value(ctx, name_key, "Bob");
  auto [merged, cancel] = dh::merge(ctx, below);
  EXPECT_EQ(*ctx.value(number_key), 2);
  EXPECT_EQ(*ctx.value(name_key), "Ann");
  EXPECT_EQ(*below.value(number_key), 2);
  EXPECT_EQ(*below.value(name_key), "Bob");
  EXPECT_EQ(*merged.value(name_key), "Ann");
  ctx->hide();
  EXPECT_EQ(below.value(number_key), nullptr);
}

TEST_F(context_base, prints_its_own_text_or_the_name_of_its_class) {
  const auto plain = dh::make_context<wrapper>(dh::background());
  auto [child, cancel] = dh::with_cancel(plain);
  EXPECT_EQ(to_string(child), "downhaul_test::wrapper.WithCancel");
  const auto own = dh::make_context<with_number>(dh::todo(), 1);
  EXPECT_EQ(to_string(dh::without_cancel(own)), "context.TODO.Number.WithoutCancel");
}

class with_deadline : public dh::context_base {
 public:
  with_deadline(const dh::context& parent, std::optional<dh::time_point> at)
      : context_base{parent}, at_{at} {}
  std::optional<dh::time_point> deadline() const override { return at_; }

 private:
  std::optional<dh::time_point> at_;
};

TEST_F(context_base, may_tell_its_own_deadline_which_children_respect) {
  const dh::time_point soon = dh::clock::real().now() + 1h;
  const auto ctx = dh::make_context<with_deadline>(dh::background(), soon);
  EXPECT_EQ(ctx.deadline(), soon);
  auto [child, cancel] = dh::with_timeout(ctx, 2h);
  EXPECT_EQ(child.deadline(), soon);
  auto [timed, cancel_timed] = dh::with_timeout(dh::background(), 1h);
  EXPECT_FALSE(dh::make_context<with_deadline>(timed, std::nullopt).deadline());
}

TEST_F(context_base, a_chain_of_plain_wrappers_is_as_good_as_none) {
  auto [root, cancel] = dh::with_cancel(dh::with_value(dh::background(), number_key, 7));
  dh::context last = root;
  for (int i = 0; i < 10'000; ++i) last = dh::make_context<wrapper>(last);
  auto [child, cancel_child] = dh::with_cancel(last);
  EXPECT_EQ(registrations(root), 1u);
  EXPECT_EQ(*child.value(number_key), 7);
  cancel();
  EXPECT_TRUE(child.err());
}

}  // namespace
