// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
#include "downhaul/group.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <system_error>
#include <vector>

#include "downhaul/chan.hpp"
#include "downhaul/go.hpp"
#include "downhaul/runtime.hpp"
#include "downhaul/select.hpp"
#include "downhaul/testing/manual_clock.hpp"
#include "support/crew.hpp"
#include "support/fragile.hpp"
#include "support/leaves_nothing.hpp"
#include "support/parked.hpp"

namespace {

namespace dh = downhaul;
using namespace std::chrono_literals;
using downhaul_test::await_parked;
using downhaul_test::crew;
using downhaul_test::place;
using downhaul_test::rounds;

class group : public downhaul_test::leaves_nothing {};

template <class F>
concept starts = requires(dh::group& g, F f) { g.go(std::move(f)); };
static_assert(starts<void (*)()>);
static_assert(starts<std::error_code (*)(const dh::context&)>);
static_assert(!starts<int (*)()>, "a result that nobody would see");
static_assert(!starts<void (*)(int)>);

TEST_F(group, a_task_may_take_the_groups_context_or_nothing) {
  dh::group g{dh::background()};
  std::atomic<int> ran{0};
  g.go([&] { ++ran; });
  g.go([&](const dh::context& ctx) {
    EXPECT_EQ(ctx, g.ctx());
    ++ran;
  });
  g.go([&]() -> std::error_code {
    ++ran;
    return {};
  });
  g.go([&, moved = std::make_unique<int>(1)] { ran += *moved; });
  g.wait();
  EXPECT_EQ(ran.load(), 4);
}

TEST_F(group, the_end_of_its_scope_cancels_and_joins) {
  std::atomic<int> ended{0};
  {
    dh::group g{dh::background()};
    for (int i = 0; i < 5; ++i) {
      g.go([&](const dh::context& ctx) {
        ctx.done().recv();
        ++ended;
      });
    }
  }
  EXPECT_EQ(ended.load(), 5);
}

TEST_F(group, an_exception_on_the_way_out_of_the_scope_cancels_and_joins) {
  std::atomic<bool> ended{false};
  try {
    dh::group g{dh::background()};
    g.go([&](const dh::context& ctx) {
      ctx.done().recv();
      ended = true;
    });
    throw std::runtime_error{"e"};
  } catch (const std::runtime_error&) {
    EXPECT_TRUE(ended.load());
  }
}

TEST_F(group, ends_with_its_parent) {
  auto [parent, cancel] = dh::with_cancel_cause(dh::background());
  dh::group g{parent};
  g.go([](const dh::context& ctx) { dh::make_chan<void>().recv(ctx); });
  cancel(std::runtime_error{"closing time"});
  g.wait();  // a context_error after the end is the normal way to stop
  EXPECT_EQ(g.ctx().reason(), "closing time");
}

TEST_F(group, a_context_error_before_its_end_is_a_failure) {
  dh::group g{dh::background()};
  g.go([] {
    auto [ctx, cancel] = dh::with_cancel(dh::background());
    cancel();
    ctx.check();
  });
  EXPECT_THROW(g.wait(), dh::context_error);
}

TEST_F(group, cancel_is_no_failure) {
  dh::group g{dh::background()};
  g.go([](const dh::context& ctx) { dh::make_chan<void>().recv(ctx); });
  g.cancel();
  g.wait();
  EXPECT_EQ(g.ctx().err(), dh::errc::canceled);
}

TEST_F(group, a_caller_may_wait_as_long_as_its_own_context) {
  auto [mine, cancel] = dh::with_cancel(dh::background());
  auto go_on = dh::make_chan<void>();
  dh::group g{dh::background()};
  g.go([&] { go_on.recv(); });
  cancel();
  EXPECT_THROW(g.wait(mine), dh::context_error);
  std::error_code ec;
  g.wait(mine, ec);
  EXPECT_EQ(ec, dh::errc::canceled);
  EXPECT_FALSE(g.ctx().err()) << "the tasks go on";
  go_on.close();
  g.wait(dh::background(), ec);
  EXPECT_FALSE(ec);
}

TEST_F(group, a_task_may_start_others_and_they_are_waited_for) {
  dh::group g{dh::background()};
  std::atomic<int> ran{0};
  std::function<void(int)> split = [&](int depth) {
    ++ran;
    if (depth == 0) return;
    for (int i = 0; i < 2; ++i) g.go([&split, depth] { split(depth - 1); });
  };
  g.go([&] { split(6); });
  g.wait();
  EXPECT_EQ(ran.load(), 127);
}

TEST_F(group, a_task_that_cannot_be_copied_into_place_is_not_started_and_holds_no_place) {
  dh::group g{dh::background()};
  g.set_limit(1);
  struct refuses {
    refuses() = default;
    refuses(const refuses&) { throw std::runtime_error{"no copy"}; }
    void operator()() const { ADD_FAILURE(); }
  };
  const refuses f;
  EXPECT_THROW(g.go(f), std::runtime_error);
  std::atomic<bool> ran{false};
  EXPECT_TRUE(g.try_go([&] { ran = true; }));
  g.wait();
  EXPECT_TRUE(ran.load());
}

TEST_F(group, what_a_task_captured_is_gone_when_wait_returns) {
  for (int i = 0; i < rounds(200); ++i) {
    const auto alive = std::make_shared<int>();
    dh::group g{dh::background()};
    for (int n = 0; n < 4; ++n) g.go([alive] {});
    g.wait();
    ASSERT_EQ(alive.use_count(), 1);
  }
}

TEST_F(group, of_failures_that_race_one_is_thrown_and_is_the_cause) {
  for (int i = 0; i < rounds(1'000); ++i) {
    dh::group g{dh::background()};
    for (int n = 0; n < 4; ++n) {
      g.go([n] { throw std::runtime_error{std::to_string(n)}; });
    }
    std::string thrown;
    try {
      g.wait();
    } catch (const std::runtime_error& e) {
      thrown = e.what();
    }
    ASSERT_EQ(thrown, g.ctx().reason());
    ASSERT_FALSE(thrown.empty());
  }
}

TEST_F(group, may_be_waited_for_by_several) {
  auto go_on = dh::make_chan<void>();
  dh::group g{dh::background()};
  g.go([&] {
    go_on.recv();
    throw std::runtime_error{"e"};
  });
  crew all{place::mixed};
  for (std::size_t i = 0; i < 4; ++i) {
    all.start([&] { EXPECT_THROW(g.wait(), std::runtime_error); });
    all.wait_until_parked(i, dh::impl::wait_reason::wait_group_wait);
  }
  go_on.close();
  all.join();
}

TEST_F(group, names_the_tasks_that_go_on_after_its_end) {
  dh::manual_clock hands;
  testing::internal::CaptureStderr();
  {
    dh::runtime on{dh::runtime_options{.workers = 1, .clock = &hands}};
    auto go_on = dh::make_chan<void>();
    dh::wait_group joining;
    on.run([&] {
      joining.go([&] {
        dh::group g{dh::background()};
        g.set_patience(3s);
        g.go({.name = "deaf"}, [&] { go_on.recv(); });
        g.go([](const dh::context& ctx) { ctx.done().recv(); });
      });
      while (hands.pending() != 1) dh::yield();  // its patience
    });
    const auto contexts = dh::count_contexts();
    hands.advance(3s);
    while (dh::count_contexts() == contexts)
      dh::yield();  // that of its patience, after it has spoken
    go_on.close();
    joining.wait();
  }
  const std::string said = testing::internal::GetCapturedStderr();
  EXPECT_THAT(said,
              testing::HasSubstr("downhaul: a group waits for tasks that go on although their "
                                 "context has ended:\n\tgoroutine \"deaf\" [chan receive"));
  EXPECT_THAT(said, testing::HasSubstr("group_test.cpp:"));
}

TEST_F(group, says_nothing_when_it_has_no_patience_to_lose) {
  testing::internal::CaptureStderr();
  {
    dh::group g{dh::background()};
    g.set_patience(dh::duration::max());
    g.go([](const dh::context& ctx) { ctx.done().recv(); });
  }
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
}

TEST_F(group, of_results_gives_them_in_the_order_of_go) {
  dh::group_of<std::string> g{dh::background()};
  auto first_may = dh::make_chan<void>();
  g.go([&] {
    first_may.recv();
    return std::string{"first"};
  });
  g.go([&](const dh::context&) {
    first_may.close();
    return "second";
  });
  EXPECT_THAT(g.wait(), testing::ElementsAre("first", "second"));
  EXPECT_TRUE(g.wait().empty());
}

TEST_F(group, of_results_takes_what_can_only_be_moved) {
  dh::group_of<std::unique_ptr<int>> g{dh::background()};
  for (int i = 0; i < 10; ++i) g.go([i] { return std::make_unique<int>(i); });
  const auto results = g.wait();
  ASSERT_EQ(results.size(), 10U);
  for (std::size_t i = 0; i < 10; ++i) EXPECT_EQ(*results[i], static_cast<int>(i));
}

TEST_F(group, of_results_throws_the_first_failure) {
  dh::group_of<int> g{dh::background()};
  g.go([] { return 1; });
  g.go([]() -> int { throw std::runtime_error{"e"}; });
  EXPECT_THROW(static_cast<void>(g.wait()), std::runtime_error);
}

}  // namespace
