// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// CTX-001 to CTX-015: the roots, the two errors, and what every context promises.

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include "conformance/context/contexts.hpp"
#include "downhaul/context.hpp"
#include "downhaul/go.hpp"
#include "downhaul/runtime.hpp"
#include "downhaul/select.hpp"
#include "support/allocations.hpp"
#include "support/parked.hpp"

namespace dh = downhaul;
using namespace std::chrono_literals;
using downhaul_test::because;
using downhaul_test::by_hand;
using downhaul_test::canceled;
using downhaul_test::cause_of;
using downhaul_test::has_ended;
using downhaul_test::is_closed;
using downhaul_test::is_open;
using downhaul_test::late;
using downhaul_test::name_key;
using downhaul_test::number_key;
using downhaul_test::rounds;

namespace {

void expect_a_root(const dh::context& root) {
  EXPECT_EQ(root.deadline(), std::nullopt);
  EXPECT_EQ(root.remaining(), std::nullopt);
  EXPECT_FALSE(root.done()) << "nil";
  EXPECT_EQ(root.err(), std::error_code{});
  EXPECT_EQ(root.cause(), nullptr);
  EXPECT_EQ(root.value(number_key), nullptr);
  EXPECT_EQ(root.value(name_key), nullptr);
}

TEST(CTX_001, background_has_nothing_and_says_its_name) {
  expect_a_root(dh::background());
  EXPECT_EQ(to_string(dh::background()), "context.Background");
}

TEST(CTX_002, todo_has_nothing_and_says_its_name) {
  expect_a_root(dh::todo());
  EXPECT_EQ(to_string(dh::todo()), "context.TODO");
}

TEST(CTX_003, a_receive_that_does_not_wait_takes_the_default) {
  for (const dh::context& root : {dh::background(), dh::todo()}) {
    EXPECT_EQ(dh::select(dh::recv(root.done()), dh::otherwise), 1);
    std::error_code ec;
    EXPECT_FALSE(root.done().try_recv(ec));
    EXPECT_EQ(ec, std::errc::operation_would_block);
  }
}

TEST(CTX_003, as_the_only_case_of_a_select_it_waits_for_ever) {
  testing::GTEST_FLAG(death_test_style) = "threadsafe";
  const char* text = "fatal error: all goroutines are asleep - deadlock!";
  EXPECT_DEATH(dh::run([] { dh::select(dh::recv(dh::background().done())); }), text);
  EXPECT_DEATH(dh::run([] { dh::select(dh::recv(dh::todo().done())); }), text);
}

TEST(CTX_004, roots_equal_themselves_and_not_each_other) {
  EXPECT_TRUE(dh::background() == dh::background());
  EXPECT_TRUE(dh::todo() == dh::todo());
  EXPECT_FALSE(dh::background() == dh::todo());
  EXPECT_FALSE(dh::todo() == dh::background());
  EXPECT_TRUE(dh::context{} == dh::background());
}

TEST(CTX_005, roots_allocate_nothing) {
  const long before = downhaul_test::allocations();
  {
    const dh::context a = dh::background();
    const dh::context b = dh::todo();
    const dh::context copies[] = {a, b};
    for (const dh::context& c : copies) static_cast<void>(c.err());
  }
  EXPECT_EQ(downhaul_test::allocations() - before, 0);
  EXPECT_EQ(dh::count_contexts(), 0);
}

TEST(CTX_006, canceled_is_one_value_with_its_text) {
  EXPECT_EQ(canceled().message(), "context canceled");
  auto [a, cancel_a] = dh::with_cancel(dh::background());
  auto [b, cancel_b] = dh::with_cancel(dh::todo());
  cancel_a();
  cancel_b();
  EXPECT_EQ(a.err(), dh::errc::canceled);
  EXPECT_EQ(a.err(), b.err());
  EXPECT_EQ(&a.err().category(), &dh::context_category()) << "one category in the process";
  EXPECT_EQ(&b.err().category(), &dh::context_category());
  EXPECT_EQ(a.err(), std::errc::operation_canceled);
  EXPECT_NE(a.err(), std::make_error_code(std::errc::operation_canceled)) << "alike, not the same";
  EXPECT_NE(a.err(), late());
}

// deviates: an std::error_code has no Temporary; network code asks it for std::errc::timed_out.
TEST(CTX_007, deadline_exceeded_is_one_value_and_passes_as_a_timeout) {
  EXPECT_EQ(late().message(), "context deadline exceeded");
  auto [ctx, cancel] = dh::with_timeout(dh::background(), 0s);
  EXPECT_EQ(ctx.err(), dh::errc::deadline_exceeded);
  EXPECT_EQ(ctx.err(), std::errc::timed_out);
  EXPECT_EQ(&ctx.err().category(), &dh::context_category());
  EXPECT_NE(ctx.err(), canceled());
  EXPECT_NE(canceled(), std::errc::timed_out);
  try {
    ctx.check();
    FAIL() << "ended";
  } catch (const std::system_error& e) {
    EXPECT_EQ(e.code(), std::errc::timed_out);
  }
}

TEST(CTX_008, err_is_clear_canceled_or_deadline_exceeded_and_never_the_cause) {
  by_hand time;
  auto [open, cancel_open] = dh::with_cancel_cause(dh::background());
  EXPECT_EQ(open.err(), std::error_code{});
  auto [told, cancel_told] = dh::with_cancel_cause(dh::background());
  auto [below, cancel_below] = dh::with_timeout(told, 1h);
  cancel_told(std::make_error_code(std::errc::broken_pipe));
  EXPECT_EQ(told.err(), canceled());
  EXPECT_EQ(below.err(), canceled());
  auto [timed, cancel_timed] = dh::with_timeout_cause(dh::background(), 1s, canceled());
  auto [swapped, cancel_swapped] = dh::with_cancel_cause(dh::background());
  time.pass(1s);
  cancel_swapped(late());
  EXPECT_EQ(timed.err(), late()) << "although its cause is canceled";
  EXPECT_EQ(swapped.err(), canceled()) << "although its cause is a deadline";
  EXPECT_EQ(open.err(), std::error_code{});
}

TEST(CTX_009, err_comes_with_done_and_stays) {
  by_hand time;
  auto [ctx, cancel] = dh::with_cancel_cause(dh::background());
  auto [timed, cancel_timed] = dh::with_timeout(ctx, 1s);
  EXPECT_TRUE(is_open(ctx));
  EXPECT_TRUE(is_open(timed));
  time.pass(1s);
  EXPECT_TRUE(has_ended(timed, late()));
  EXPECT_TRUE(is_open(ctx));
  cancel(because("first"));
  EXPECT_TRUE(has_ended(ctx, canceled()));
  for (int i = 0; i < 3; ++i) {
    cancel(because("again"));
    cancel_timed();
    time.pass(1h);
    EXPECT_TRUE(has_ended(timed, late()));
    EXPECT_EQ(cause_of(timed), "late");
    EXPECT_TRUE(has_ended(ctx, canceled()));
    EXPECT_EQ(cause_of(ctx), "first");
  }
}

// CTX-010 has its storm in race_test.cpp.
TEST(CTX_011, done_is_the_same_channel_at_each_call_from_anywhere) {
  for (int i = 0; i < rounds(50); ++i) {
    auto [ctx, cancel] = dh::with_cancel(dh::background());
    const dh::context value = dh::with_value(ctx, number_key, 1);
    std::array<dh::recv_chan<void>, 4> seen;
    std::atomic<int> ready{0};
    std::vector<std::thread> threads;
    for (dh::recv_chan<void>& place : seen) {
      threads.emplace_back([&] {
        ++ready;
        downhaul_test::spin_until([&] { return ready == 4; });
        place = &place == &seen[0] ? value.done() : ctx.done();
      });
    }
    for (std::thread& t : threads) t.join();
    for (const dh::recv_chan<void>& done : seen) {
      ASSERT_TRUE(done);
      ASSERT_EQ(done, ctx.done());
    }
    cancel();
    EXPECT_EQ(ctx.done(), seen[0]) << "also once it has ended";
    EXPECT_TRUE(is_closed(seen[1]));
  }
}

TEST(CTX_012, deadline_and_value_are_stable) {
  by_hand time;
  auto [ctx, cancel] = dh::with_timeout(dh::with_value(dh::background(), number_key, 7), 1s);
  const std::optional<dh::time_point> deadline = ctx.deadline();
  const int* value = ctx.value(number_key);
  ASSERT_EQ(deadline, time.in(1s));
  ASSERT_EQ(*value, 7);
  const auto ask_again = [&, &ctx = ctx] {
    for (int i = 0; i < 3; ++i) {
      EXPECT_EQ(ctx.deadline(), deadline);
      EXPECT_EQ(ctx.value(number_key), value);
      EXPECT_EQ(*value, 7);
      EXPECT_EQ(ctx.value(name_key), nullptr);
    }
  };
  ask_again();
  time.pass(500ms);
  ask_again();
  time.pass(500ms);
  ask_again();
  EXPECT_TRUE(ctx.err());
}

TEST(CTX_013, everything_may_be_called_at_once_also_while_a_cancel_runs) {
  for (int round = 0; round < rounds(20); ++round) {
    auto [root, cancel] = dh::with_cancel_cause(dh::with_value(dh::background(), number_key, 7));
    std::vector<dh::cancelable> many;
    for (int i = 0; i < 200; ++i) many.push_back(dh::with_cancel(root));
    auto [timed, cancel_timed] = dh::with_timeout(root, 1h);
    const std::array<dh::context, 3> all{root, many[100].ctx, timed};
    downhaul_test::crew callers{downhaul_test::place::mixed};
    std::atomic<int> calling{0};
    for (int n = 0; n < 4; ++n) {
      callers.start([&, &timed = timed] {
        const std::optional<dh::time_point> deadline = timed.deadline();
        ++calling;
        for (bool ended = false; !ended;) {
          ended = true;
          for (const dh::context& ctx : all) {
            const bool had_ended = static_cast<bool>(ctx.err());
            const bool closed = is_closed(ctx.done());
            const std::string cause = cause_of(ctx);
            EXPECT_TRUE(closed || !had_ended);
            EXPECT_TRUE(cause == "why" || (cause == "none" && !closed)) << cause;
            EXPECT_EQ(*ctx.value(number_key), 7);
            EXPECT_EQ(ctx.deadline().has_value(), ctx == timed);
            EXPECT_FALSE(to_string(ctx).empty());
            ended = ended && had_ended;
          }
          EXPECT_EQ(timed.deadline(), deadline);
          downhaul_test::give_way();
        }
      });
    }
    downhaul_test::wait_until([&] { return calling == 4; });
    cancel(because("why"));
    callers.join();
  }
}

// deviates: done is the context itself, there from the beginning: asking for it makes nothing, and no
// two contexts share one, ended or not.
TEST(CTX_014, done_is_part_of_its_context) {
  auto [a, cancel_a] = dh::with_cancel(dh::background());
  auto [b, cancel_b] = dh::with_cancel(dh::background());
  const long before = downhaul_test::allocations();
  EXPECT_TRUE(a.done());
  const dh::recv_chan<void> early = a.done();
  cancel_a();
  cancel_b();
  EXPECT_NE(a.done(), b.done());
  EXPECT_EQ(a.done(), early);
  EXPECT_EQ(downhaul_test::allocations() - before, 0);
  EXPECT_TRUE(is_closed(a.done()) && is_closed(b.done()));
}

// deviates: there is no shared closed channel; each ended context has its own done, read without a lock
// all the same.
TEST(CTX_015, a_closed_done_is_read_without_a_lock) {
  auto [ctx, cancel] = dh::with_cancel(dh::background());
  cancel();
  const downhaul_test::locked_context held{ctx};
  std::atomic<bool> has_read{false};
  std::thread reader{[&, &ctx = ctx] {
    has_read = is_closed(ctx.done()) && ctx.err() == canceled() && cause_of(ctx) == "canceled" &&
               !ctx.done().recv() && dh::select(dh::recv(ctx.done()), dh::otherwise) == 0;
  }};
  reader.join();  // would wait for ever
  EXPECT_TRUE(has_read);
}

}  // namespace
