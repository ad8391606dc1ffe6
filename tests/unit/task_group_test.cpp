// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// Tasks in wait groups and groups, and tasks with names.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "downhaul/coro.hpp"
#include "downhaul/current_context.hpp"
#include "downhaul/group.hpp"
#include "downhaul/runtime.hpp"
#include "downhaul/task.hpp"
#include "downhaul/testing/manual_clock.hpp"
#include "downhaul/wait_group.hpp"
#include "sched/registry.hpp"
#include "support/crew.hpp"
#include "support/leaves_nothing.hpp"
#include "support/parked.hpp"

namespace dh = downhaul;
using namespace std::chrono_literals;

namespace {

using downhaul_test::await_parked;
using downhaul_test::crew;
using downhaul_test::place;
using downhaul_test::text_of;

class task_name : public downhaul_test::leaves_nothing {};
class task_in_wait_group : public downhaul_test::leaves_nothing {};
class task_in_group : public downhaul_test::leaves_nothing {};
class task_in_group_of : public downhaul_test::leaves_nothing {};

// Says when it is gone.
struct witness {
  explicit witness(std::atomic<bool>& g) : gone{&g} {}
  witness(witness&& other) noexcept : gone{std::exchange(other.gone, nullptr)} {}
  ~witness() {
    if (gone != nullptr) *gone = true;
  }
  std::atomic<bool>* gone;
};

std::vector<std::string> names() {
  std::vector<std::string> all;
  for (const dh::goroutine_info& g : dh::list_goroutines()) all.push_back(g.name);
  return all;
}

dh::task<> receive(dh::chan<void> from) { co_await dh::async_recv(from); }

template <class Wait>
std::string thrown_by(Wait wait) {
  try {
    wait();
  } catch (...) {
    return text_of(std::current_exception());
  }
  return {};
}

// --- names ---

TEST_F(task_name, is_shown_as_that_of_a_goroutine_is) {
  const auto ch = dh::make_chan<void>();
  dh::go(dh::go_options{.name = "of a task"}, receive(ch));
  dh::go(dh::go_options{.name = "of a function"}, [ch]() -> dh::task<> { return receive(ch); });
  dh::go(dh::go_options{.name = "of one that captures"},
         [ch]() -> dh::task<> { co_await dh::async_recv(ch); });
  await_parked("chan receive", 3);
  std::vector<std::string> all = names();
  std::sort(all.begin(), all.end());
  EXPECT_EQ(all, (std::vector<std::string>{"of a function", "of a task", "of one that captures"}));
  ch.close();
}

TEST_F(task_name, may_be_looked_at_while_tasks_come_and_go) {
  std::atomic<bool> over{false};
  crew c{place::threads};
  c.start([&] {
    while (!over) {
      for (const std::string& name : names()) EXPECT_TRUE(name.empty() || name == "short-lived");
    }
  });
  dh::wait_group tasks;
  for (int i = 0; i < downhaul_test::rounds(10'000); ++i) {
    tasks.go(dh::go_options{.name = i % 2 == 0 ? "short-lived" : nullptr},
             []() -> dh::task<> { co_return; });
    if (i % 100 == 99) tasks.wait();
  }
  tasks.wait();
  over = true;
}

TEST_F(task_name, is_all_that_a_task_can_have_of_the_options) {
  const dh::go_options pinned{.pinned = true};
  EXPECT_THROW(dh::go(pinned, receive({})), dh::misuse);
  EXPECT_THROW(dh::go(pinned, []() -> dh::task<> { co_return; }), dh::misuse);
  dh::wait_group tasks;
  EXPECT_THROW(tasks.go(pinned, receive({})), dh::misuse);
  tasks.wait();
  dh::group g{dh::background()};
  g.set_limit(1);
  EXPECT_THROW(g.go(pinned, receive({})), dh::misuse);
  EXPECT_TRUE(g.try_go([] {})) << "the place was not given back";
  g.wait();
}

// --- wait groups ---

TEST_F(task_in_wait_group, counts_until_it_has_ended_and_its_function_is_gone) {
  std::atomic<bool> gone{false};
  const auto ch = dh::make_chan<void>();
  dh::wait_group tasks;
  tasks.go([ch, w = witness{gone}]() -> dh::task<> { co_await dh::async_recv(ch); });
  await_parked("chan receive", 1);
  EXPECT_EQ(tasks.unfinished(), 1);
  EXPECT_FALSE(gone);
  ch.close();
  tasks.wait();
  EXPECT_TRUE(gone);
}

TEST_F(task_in_wait_group, may_be_given_as_it_is) {
  const auto ch = dh::make_chan<void>();
  dh::wait_group tasks;
  tasks.go(receive(ch));
  tasks.go(dh::go_options{.name = "named"}, receive(ch));
  await_parked("chan receive", 2);
  ch.close();
  tasks.wait();
}

TEST_F(task_in_wait_group, may_stop_by_a_context_error) {
  const auto ctx = dh::with_cancel(dh::background());
  dh::wait_group tasks;
  tasks.go([&]() -> dh::task<> { co_await dh::async_recv(ctx.ctx, dh::chan<int>{}); });
  ctx.cancel();
  tasks.wait();
}

TEST_F(task_in_wait_group, may_start_others_and_wait_for_them) {
  dh::wait_group tasks;
  std::atomic<int> ran{0};
  tasks.go([&]() -> dh::task<> {
    dh::wait_group inner;
    for (int i = 0; i < 10; ++i) {
      inner.go([&ran]() -> dh::task<> {
        ++ran;
        co_return;
      });
    }
    co_await dh::async_wait(inner);
    EXPECT_EQ(ran, 10);
  });
  tasks.wait();
}

TEST_F(task_in_wait_group, that_could_not_be_made_is_not_counted) {
  struct refuses {
    refuses() = default;
    refuses(const refuses&) { throw std::runtime_error{"no copies"}; }
    dh::task<> operator()() const { co_return; }
  };
  dh::wait_group tasks;
  const refuses f;
  EXPECT_EQ(thrown_by([&] { tasks.go(f); }), "runtime_error: no copies");
  EXPECT_EQ(tasks.unfinished(), 0);
}

TEST_F(task_in_wait_group, has_no_stack_while_it_waits) {
  constexpr std::size_t count = 1'000;
  const auto ch = dh::make_chan<void>();
  dh::wait_group tasks;
  dh::group g{dh::background()};
  for (std::size_t i = 0; i < count; ++i) {
    tasks.go([ch]() -> dh::task<> { co_await dh::async_recv(ch); });
    g.go([ch](const dh::context&) -> dh::task<> { co_await dh::async_recv(ch); });
  }
  await_parked("chan receive", 2 * count);
  std::size_t have_run_on_a_stack_of_their_own = 0;
  dh::impl::for_each_goroutine([&](const dh::impl::goroutine_facts& each) {
    if (each.reason != dh::impl::wait_reason::chan_receive) return;
    have_run_on_a_stack_of_their_own += each.at != nullptr ? 1 : 0;
  });
  EXPECT_EQ(have_run_on_a_stack_of_their_own, 0u);
  ch.close();
  tasks.wait();
  g.wait();
}

TEST_F(task_in_wait_group, is_on_its_list) {
  const auto ch = dh::make_chan<void>();
  dh::wait_group tasks;
  dh::wait_group others;
  tasks.go(receive(ch));
  tasks.go(dh::go_options{.name = "named"}, receive(ch));
  others.go(receive(ch));
  EXPECT_EQ(dh::impl::list_goroutines_of(&tasks).size(), 2u);
  EXPECT_EQ(dh::impl::list_goroutines_of(&others).size(), 1u);
  ch.close();
  tasks.wait();
  others.wait();
}

TEST(task_in_wait_group_death, that_throws_ends_the_program_and_says_where) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(
      {
        dh::wait_group tasks;
        tasks.go([]() -> dh::task<> {
          throw std::runtime_error{"out"};
          co_return;
        });
        tasks.wait();
      },
      "panic: std::runtime_error: out");
}

// --- groups ---

TEST_F(task_in_group, is_called_with_the_context_or_without) {
  std::atomic<int> ran{0};
  const auto plain = [&]() -> dh::task<> {
    ++ran;
    co_return;
  };
  const auto with = [&](const dh::context& ctx) -> dh::task<> {
    EXPECT_FALSE(ctx.err());
    ++ran;
    co_return;
  };
  const auto with_code = [&](const dh::context&) -> dh::task<std::error_code> {
    ++ran;
    co_return std::error_code{};
  };
  const auto returns_code = [&]() -> dh::task<std::error_code> {
    ++ran;
    co_return std::error_code{};
  };
  dh::group g{dh::background()};
  g.go(plain);
  g.go(with);
  g.go(with_code);
  g.go(returns_code);
  g.go(plain());
  g.go(returns_code());
  g.go(dh::go_options{.name = "named"}, with);
  EXPECT_TRUE(g.try_go(with_code));
  g.wait();
  EXPECT_EQ(ran, 8);
}

TEST_F(task_in_group, fails_it_by_an_exception_and_cancels_the_others) {
  dh::group g{dh::background()};
  std::error_code ended;
  g.go([&](const dh::context& ctx) -> dh::task<> {
    co_await dh::async_recv(ctx.done());
    ended = ctx.err();
  });
  g.go([]() -> dh::task<> {
    throw std::runtime_error{"first"};
    co_return;
  });
  EXPECT_EQ(thrown_by([&] { g.wait(); }), "runtime_error: first");
  EXPECT_EQ(ended, dh::errc::canceled);
  EXPECT_EQ(g.ctx().reason(), "first");
}

TEST_F(task_in_group, fails_it_by_an_error_code) {
  dh::group g{dh::background()};
  g.go([]() -> dh::task<std::error_code> { co_return std::make_error_code(std::errc::io_error); });
  try {
    g.wait();
    ADD_FAILURE();
  } catch (const std::system_error& e) {
    EXPECT_EQ(e.code(), std::errc::io_error);
  }
}

TEST_F(task_in_group, fails_it_if_the_function_that_makes_it_does) {
  dh::group g{dh::background()};
  g.go([]() -> dh::task<> { throw std::runtime_error{"not made"}; });
  EXPECT_EQ(thrown_by([&] { g.wait(); }), "runtime_error: not made");
}

TEST_F(task_in_group, stops_by_a_context_error_without_failing_it) {
  const auto parent = dh::with_cancel(dh::background());
  dh::group g{parent.ctx};
  g.go([](const dh::context& ctx) -> dh::task<> { co_await dh::async_recv(ctx, dh::chan<int>{}); });
  parent.cancel();
  EXPECT_EQ(thrown_by([&] { g.wait(); }), "");
}

TEST_F(task_in_group, has_the_groups_context_as_its_current_one_through_waits) {
  dh::group g{dh::background()};
  const auto ch = dh::make_chan<void>();
  for (int i = 0; i < 2; ++i) {
    g.go([&]() -> dh::task<> {
      EXPECT_EQ(dh::current_context(), g.ctx());
      co_await dh::async_recv(ch);
      EXPECT_EQ(dh::current_context(), g.ctx());
    });
  }
  await_parked("chan receive", 2);
  EXPECT_EQ(dh::current_context(), dh::background());
  ch.close();
  g.wait();
}

TEST_F(task_in_group, has_its_function_until_it_has_ended_and_no_longer) {
  std::atomic<bool> gone{false};
  const auto ch = dh::make_chan<void>();
  dh::group g{dh::background()};
  g.set_limit(1);
  g.go([ch, w = witness{gone}](const dh::context&) -> dh::task<> { co_await dh::async_recv(ch); });
  EXPECT_FALSE(g.try_go([]() -> dh::task<> { co_return; }));
  await_parked("chan receive", 1);
  EXPECT_FALSE(gone);
  ch.send();
  g.go([&]() -> dh::task<> {  // waits for the place
    EXPECT_TRUE(gone);
    co_return;
  });
  g.wait();
}

TEST_F(task_in_group, is_cancelled_and_joined_by_the_end_of_the_scope) {
  bool ended = false;
  {
    dh::group g{dh::background()};
    g.go([&](const dh::context& ctx) -> dh::task<> {
      co_await dh::async_recv(ctx.done());
      ended = true;
    });
  }
  EXPECT_TRUE(ended);
}

TEST_F(task_in_group, is_named_if_it_goes_on_too_long_after_the_end) {
  dh::manual_clock hands;
  testing::internal::CaptureStderr();
  {
    dh::runtime on{dh::runtime_options{.workers = 1, .clock = &hands}};
    const auto go_on = dh::make_chan<void>();
    dh::wait_group joining;
    on.run([&] {
      joining.go([&] {
        dh::group g{dh::background()};
        g.set_patience(3s);
        g.go({.name = "deaf"}, [&]() -> dh::task<> { co_await dh::async_recv(go_on); });
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
  EXPECT_THAT(said, testing::HasSubstr("goroutine \"deaf\" [chan receive"));
  EXPECT_THAT(said, testing::HasSubstr("task_group_test.cpp:"));
}

TEST_F(task_in_group, may_be_one_among_goroutines_and_many) {
  dh::group g{dh::background()};
  std::atomic<int> ran{0};
  const auto ch = dh::make_chan<int>(1);
  const int n = downhaul_test::rounds(10'000);
  for (int i = 0; i < n; ++i) {
    g.go([&, ch](const dh::context& ctx) -> dh::task<> {
      co_await dh::async_send(ctx, ch, 1);
      ++ran;
    });
    g.go([&, ch](const dh::context& ctx) {
      ch.recv(ctx);
      ++ran;
    });
  }
  g.wait();
  EXPECT_EQ(ran, 2 * n);
}

// --- groups of results ---

TEST_F(task_in_group_of, returns_results_in_the_order_of_the_calls) {
  dh::group_of<std::string> g{dh::background()};
  const auto ch = dh::make_chan<void>();
  g.go([ch]() -> dh::task<std::string> {
    co_await dh::async_recv(ch);
    co_return "first";
  });
  g.go([] { return "second"; });
  g.go([ch](const dh::context&) -> dh::task<const char*> {
    ch.close();
    co_return "third";
  });
  g.go([]() -> dh::task<std::string> { co_return "fourth"; }());
  EXPECT_EQ(g.wait(), (std::vector<std::string>{"first", "second", "third", "fourth"}));
}

TEST_F(task_in_group_of, takes_results_that_only_move) {
  dh::group_of<std::unique_ptr<int>> g{dh::background()};
  g.go([]() -> dh::task<std::unique_ptr<int>> { co_return std::make_unique<int>(7); });
  EXPECT_EQ(*g.wait().at(0), 7);
}

TEST_F(task_in_group_of, fails_as_a_group_does) {
  dh::group_of<int> g{dh::background()};
  g.go([]() -> dh::task<int> {
    throw std::runtime_error{"none"};
    co_return 1;
  });
  g.go([](const dh::context& ctx) -> dh::task<int> {
    co_await dh::async_recv(ctx.done());
    co_return 2;
  });
  EXPECT_EQ(thrown_by([&] { static_cast<void>(g.wait()); }), "runtime_error: none");
}

}  // namespace
