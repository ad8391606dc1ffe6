// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// Every call of the context headers with each of its allocations failing.

#include <gtest/gtest.h>

#include <chrono>
#include <exception>
#include <functional>
#include <optional>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <system_error>

#include "downhaul/after_func.hpp"
#include "downhaul/context.hpp"
#include "downhaul/context_base.hpp"
#include "downhaul/testing/manual_clock.hpp"
#include "faults/each_allocation.hpp"

namespace {

using namespace std::chrono_literals;
using namespace downhaul;
using downhaul_test::fail_each_allocation;
using downhaul_test::failures;

inline constexpr downhaul::key<std::string> name{"name"};
inline constexpr downhaul::key<int> number{"number"};

// A cause that needs no operator new to be copied: its text is counted.
std::exception_ptr some_cause() {
  static const std::exception_ptr cause =
      std::make_exception_ptr(std::runtime_error{"the disk is full, and so is the other one"});
  return cause;
}

// Not links: children hang on its done by a callback of ours.
class own_done : public context_base {
 public:
  using context_base::context_base;
  recv_chan<void> done() const override { return done_; }
  std::error_code err() const override { return err_; }
  void end(std::error_code why) {
    err_ = why;
    done_.close();
  }

 private:
  chan<void> done_ = make_chan<void>();
  std::error_code err_;
};

// Children register with it.
class own_after_func : public own_done {
 public:
  std::function<bool()> after_func(std::function<void()> f) {
    ++registered;
    pending_ = std::move(f);
    return [this] {
      --registered;
      pending_ = nullptr;
      return true;
    };
  }
  int registered = 0;

 private:
  std::function<void()> pending_;
};

// Linked directly: everything is the parent's.
class wrapper : public context_base {
 public:
  using context_base::context_base;
};

class context_allocation : public testing::Test {
 protected:
  void SetUp() override {
    go([] {});
  }  // the default runtime is there

  // Every maker of children below `parent`.
  void makes_children_or_nothing(const context& parent) {
    const auto makes = [&](const char* what, int least, auto make) {
      SCOPED_TRACE(what);
      const failures f = fail_each_allocation([&] { static_cast<void>(make()); },
                                              [&](bool) { EXPECT_FALSE(parent.err()); });
      EXPECT_GE(f.thrown, least);
      EXPECT_EQ(f.absorbed, 0);
    };
    makes("with_cancel", 1, [&] { return with_cancel(parent); });
    makes("with_cancel_cause", 1, [&] { return with_cancel_cause(parent); });
    makes("with_deadline", 1, [&] { return with_deadline(parent, now() + 1h); });
    makes("with_deadline, wall clock", 1,
          [&] { return with_deadline(parent, std::chrono::system_clock::now() + 1h); });
    makes("with_deadline, passed", 1, [&] { return with_deadline(parent, now() - 1s); });
    makes("with_timeout", 1, [&] { return with_timeout(parent, 1h); });
    makes("with_deadline_cause", 2,
          [&] { return with_deadline_cause(parent, now() + 1h, some_cause()); });
    makes("with_timeout_cause", 2, [&] {
      return with_timeout_cause(parent, 1h, std::runtime_error{"slower than allowed"});
    });
    makes("with_grace", 1, [&] { return with_grace(parent, 1h); });
    makes("without_cancel", 1, [&] { return without_cancel(parent); });
    makes("with_value", 1, [&] { return with_value(parent, number, 1); });
    makes("with_value of a string", 2,
          [&] { return with_value(parent, name, "longer than what a string keeps inside"); });
    makes("merge", 3, [&] { return merge(parent, parent); });
    makes("after_func", 1, [&] { return after_func(parent, [] {}); });
    makes("after_func in place", 1, [&] { return after_func(inplace, parent, []() noexcept {}); });
    makes("after_func of a long function", 1, [&] {
      return after_func(parent, [large = std::array<char, 500>{}] { static_cast<void>(large); });
    });
    makes("to_stop_token", parent == background() ? 0 : 3,
          [&] { return to_stop_token(with_cancel(parent).ctx); });
    makes("make_context", 1, [&] { return make_context<wrapper>(parent); });
    makes("a chain of all", 5, [&] {
      auto a = with_cancel(parent);
      auto b = with_timeout(with_value(a.ctx, number, 2), 1h);
      auto c = merge(b.ctx, parent, with_value(parent, name, "x"));
      auto d = with_grace(c.ctx, 1s);
      auto r = after_func(d.ctx, [] {});
      r.detach();
      return d;
    });
  }
};

TEST_F(context_allocation, below_the_background) { makes_children_or_nothing(background()); }

TEST_F(context_allocation, below_one_of_ours) {
  const auto parent = with_cancel(background());
  makes_children_or_nothing(parent.ctx);
}

TEST_F(context_allocation, below_one_with_a_deadline_and_values) {
  const auto parent = with_timeout(with_value(background(), name, "outer"), 2h);
  makes_children_or_nothing(parent.ctx);
}

TEST_F(context_allocation, below_a_wrapper) {
  const auto above = with_cancel(background());
  makes_children_or_nothing(make_context<wrapper>(above.ctx));
}

TEST_F(context_allocation, below_a_context_with_its_own_done) {
  const auto parent = make_context<own_done>();
  makes_children_or_nothing(parent);
  parent->end(errc::canceled);
}

TEST_F(context_allocation, below_a_context_with_its_own_after_func) {
  const auto parent = make_context<own_after_func>();
  makes_children_or_nothing(parent);
  EXPECT_EQ(parent->registered, 0);
}

TEST_F(context_allocation, below_one_that_has_ended) {
  const auto parent = with_cancel_cause(background());
  parent.cancel(some_cause());
  const failures f = fail_each_allocation([&] {
    const auto child = with_timeout(with_value(parent.ctx, number, 1), 1h);
    const auto merged = merge(child.ctx, background());
    const auto r = after_func(merged.ctx, [] {});
  });
  EXPECT_GE(f.thrown, 6);
}

TEST_F(context_allocation, below_a_foreign_one_that_has_ended) {
  const auto parent = make_context<own_done>();
  parent->end(std::make_error_code(std::errc::io_error));
  std::error_code err;
  const failures f = fail_each_allocation([&] {
    err = {};
    const auto child = with_cancel(parent);
    err = child.ctx.err();
  });
  EXPECT_GE(f.thrown, 2);
  EXPECT_EQ(f.absorbed, 0) << "the child of an io_error got another code";
  EXPECT_EQ(err, std::make_error_code(std::errc::io_error));
}

TEST_F(context_allocation, of_a_token) {
  std::stop_source source;
  const failures f = fail_each_allocation([&] { static_cast<void>(context{source.get_token()}); });
  EXPECT_GE(f.thrown, 1);
  EXPECT_EQ(f.absorbed, 0);
}

TEST_F(context_allocation, a_token_of_one_context_asked_for_again) {
  const auto parent = with_cancel(background());
  std::stop_token token;
  const failures f = fail_each_allocation([&] { token = to_stop_token(parent.ctx); });
  EXPECT_EQ(f.absorbed, 0);
  parent.cancel();
  EXPECT_TRUE(token.stop_requested());
}

TEST_F(context_allocation, a_token_of_a_context_with_its_own_done) {
  const failures f = fail_each_allocation(
      [] { static_cast<void>(to_stop_token(make_context<own_done>(background()))); });
  EXPECT_GE(f.thrown, 6);
  EXPECT_EQ(f.absorbed, 0);
}

TEST_F(context_allocation, cancel_needs_none) {
  std::optional<cancelable> tree;
  const long made = [&] {
    int ran = 0;
    tree = with_timeout(background(), 1h);
    const auto child = with_cancel(tree->ctx);
    const auto merged = merge(child.ctx, tree->ctx);
    const auto in_place = after_func(inplace, merged.ctx, [&ran]() noexcept { ++ran; });
    const auto waits = after_func(child.ctx, [] {});
    const long before = downhaul_test::allocations_here().made;
    tree->cancel();
    EXPECT_EQ(ran, 1);
    return downhaul_test::allocations_here().made - before;
  }();
  EXPECT_EQ(made, 0);
}

// The cancel happens, and the cause is lost with the memory for it.
TEST_F(context_allocation, cancel_with_a_cause_ends_the_context_all_the_same) {
  std::error_code err;
  std::exception_ptr cause;
  const std::exception_ptr wanted = some_cause();
  const failures f = fail_each_allocation(
      [&] {
        const auto c = with_cancel_cause(background());
        {
          c.cancel(wanted);
        }
        err = c.ctx.err();
        cause = c.ctx.cause();
      },
      [&](bool threw) {
        if (threw) return;
        EXPECT_EQ(err, errc::canceled);
        EXPECT_NE(cause, nullptr);
        EXPECT_NE(cause, wanted);
      });
  EXPECT_EQ(f, (failures{1, 1}));  // with_cancel_cause; the record of the cause
  EXPECT_EQ(cause, wanted);
}

TEST_F(context_allocation, a_deadline_with_a_cause_is_made_whole_or_not_at_all) {
  manual_clock hands;
  const use_clock here{hands};
  std::error_code err;
  std::exception_ptr cause;
  const failures f = fail_each_allocation([&] {
    const auto c = with_timeout_cause(background(), 1s, some_cause());
    hands.advance(1s);
    err = c.ctx.err();
    cause = c.ctx.cause();
  });
  EXPECT_EQ(f, (failures{2, 0}));
  EXPECT_EQ(err, errc::deadline_exceeded);
  EXPECT_EQ(cause, some_cause());
}

TEST_F(context_allocation, a_cause_asked_for) {
  const auto canceled = with_cancel(background());
  canceled.cancel();
  const auto foreign = make_context<own_done>();
  foreign->end(std::make_error_code(std::errc::io_error));
  for (const context& ctx : {canceled.ctx, static_cast<const context&>(foreign)}) {
    std::exception_ptr cause;
    fail_each_allocation([&] { cause = ctx.cause(); });
    EXPECT_NE(cause, nullptr);
  }
}

TEST_F(context_allocation, texts) {
  const auto a =
      with_timeout(with_value(background(), name, "a name that is not short at all"), 1h);
  const auto b = merge(a.ctx, make_context<own_done>());
  a.cancel();
  std::string text;
  EXPECT_GE(fail_each_allocation([&] { text = b.ctx.to_string(); }).thrown, 3);
  EXPECT_NE(text.find("WithValue"), std::string::npos);
  EXPECT_GE(fail_each_allocation([&] { text = a.ctx.reason(); }).thrown, 1);
  EXPECT_EQ(text, "context canceled");
}

// The exception that a cancelled wait throws has a text, which needs memory: std::bad_alloc instead.
TEST_F(context_allocation, an_operation_whose_context_has_ended) {
  const auto c = with_cancel(background());
  c.cancel();
  int ended = 0;
  const failures f = fail_each_allocation([&] {
    try {
      c.ctx.check();
    } catch (const context_error&) {
      ++ended;
    }
  });
  EXPECT_GE(f.thrown, 1);
  EXPECT_EQ(ended, 2);
}

}  // namespace
