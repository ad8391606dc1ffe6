// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
#include "downhaul/task.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>

#include "downhaul/coro.hpp"
#include "downhaul/current_context.hpp"
#include "downhaul/runtime.hpp"
#include "support/crew.hpp"
#include "support/leaves_nothing.hpp"
#include "support/parked.hpp"

namespace dh = downhaul;

namespace {

class coro_task : public downhaul_test::leaves_nothing {};

// Runs it to its end from a plain thread.
template <class F>
void run_task(F f) {
  const auto ended = dh::make_chan<void>(1);
  dh::go([&]() -> dh::task<> {
    co_await f();
    ended.send();
  });
  ended.recv();
}

dh::task<int> number(int n) { co_return n; }
dh::task<int> sum_up_to(int n) {
  if (n == 0) co_return 0;
  const int rest = co_await sum_up_to(n - 1);
  co_return rest + n;
}

TEST_F(coro_task, returns_what_it_computes) {
  int got = 0;
  run_task([&]() -> dh::task<> { got = co_await number(42); });
  EXPECT_EQ(got, 42);
}

TEST_F(coro_task, runs_only_when_it_is_awaited) {
  bool ran = false;
  const auto body = [&]() -> dh::task<> {
    ran = true;
    co_return;
  };
  {
    auto dropped = body();
  }
  EXPECT_FALSE(ran);
  run_task([&]() -> dh::task<> {
    auto later = body();
    EXPECT_FALSE(ran);
    co_await std::move(later);
    EXPECT_TRUE(ran);
  });
}

TEST_F(coro_task, throws_where_it_is_awaited) {
  std::string text;
  const auto thrower = []() -> dh::task<int> {
    throw std::runtime_error{"out"};
    co_return 1;
  };
  run_task([&]() -> dh::task<> {
    try {
      static_cast<void>(co_await thrower());
    } catch (const std::runtime_error& e) {
      text = e.what();
    }
  });
  EXPECT_EQ(text, "out");
}

TEST_F(coro_task, carries_results_that_only_move_and_references) {
  int object = 7;
  const auto box = []() -> dh::task<std::unique_ptr<int>> { co_return std::make_unique<int>(5); };
  const auto ref = [&]() -> dh::task<int&> { co_return object; };
  run_task([&]() -> dh::task<> {
    const std::unique_ptr<int> five = co_await box();
    EXPECT_EQ(*five, 5);
    int& same = co_await ref();
    EXPECT_EQ(&same, &object);
  });
}

TEST_F(coro_task, nests_deeply_without_growing_the_stack) {
  constexpr int depth = downhaul_test::sanitized ? 1'000 : 100'000;
  int got = 0;
  run_task([&]() -> dh::task<> { got = co_await sum_up_to(depth); });
  EXPECT_EQ(static_cast<unsigned>(got), unsigned{depth} * (depth + 1u) / 2);
}

TEST_F(coro_task, awaits_in_a_loop_without_growing_the_stack) {
  const int turns = downhaul_test::rounds(1'000'000);
  long sum = 0;
  run_task([&]() -> dh::task<> {
    for (int i = 0; i < turns; ++i) sum += co_await number(1);
  });
  EXPECT_EQ(sum, turns);
}

TEST_F(coro_task, is_counted_and_listed_where_it_was_started) {
  const auto gate = dh::make_chan<int>();
  const std::size_t before = dh::count_goroutines();
  dh::go([gate]() -> dh::task<> { static_cast<void>(co_await dh::async_recv(gate)); });
  const unsigned line = __LINE__ - 1;
  downhaul_test::await_parked("chan receive", 1);
  EXPECT_EQ(dh::count_goroutines(), before + 1);
  bool found = false;
  for (const dh::goroutine_info& g : dh::list_goroutines()) {
    if (g.where.line() == line && g.reason == "chan receive") found = true;
  }
  EXPECT_TRUE(found);
  gate.send(1);
  downhaul_test::await_no_goroutines();
}

TEST_F(coro_task, keeps_what_made_it_until_its_end) {
  const auto gate = dh::make_chan<void>();
  auto kept = std::make_shared<int>(3);
  const std::weak_ptr<int> watch = kept;
  std::atomic<int> seen{0};
  dh::go([gate, kept = std::move(kept), &seen]() -> dh::task<> {
    co_await dh::async_recv(gate);
    seen = *kept;
  });
  downhaul_test::await_parked("chan receive", 1);
  EXPECT_FALSE(watch.expired());
  gate.send();
  downhaul_test::await_no_goroutines();
  EXPECT_TRUE(watch.expired());
  EXPECT_EQ(seen, 3);
}

TEST_F(coro_task, ends_by_a_context_error_alone) {
  auto [ctx, cancel] = dh::with_cancel(dh::background());
  const auto never = dh::make_chan<int>();
  std::atomic<bool> unwound{false};
  dh::go([&, c = ctx]() -> dh::task<> {
    struct note {
      std::atomic<bool>& set;
      ~note() { set = true; }
    } const end{unwound};
    static_cast<void>(co_await dh::async_recv(c, never));
    ADD_FAILURE() << "went on";
  });
  downhaul_test::await_parked("select", 1);
  cancel();
  downhaul_test::await_no_goroutines();
  EXPECT_TRUE(unwound);
}

TEST_F(coro_task, has_a_current_context_of_its_own_through_waits) {
  auto [ctx, cancel] = dh::with_cancel(dh::background());
  const auto gate = dh::make_chan<void>();
  std::atomic<bool> mine{false};
  std::atomic<bool> others_clean{true};
  dh::go([&]() -> dh::task<> {
    const dh::scoped_context here{ctx};
    co_await dh::async_recv(gate);
    mine = dh::current_context() == ctx;
  });
  downhaul_test::await_parked("chan receive", 1);
  dh::go([&]() -> dh::task<> {
    others_clean = dh::current_context() == dh::background();
    co_await dh::async_send(gate);
    others_clean = others_clean && dh::current_context() == dh::background();
  });
  downhaul_test::await_no_goroutines();
  EXPECT_TRUE(mine);
  EXPECT_TRUE(others_clean);
}

// GCC 12 crashes where the co_await is in the condition and no local is named: see task.hpp.
TEST_F(coro_task, switches_on_a_result_that_has_a_name) {
  const auto a = dh::make_chan<int>();
  const auto b = dh::make_chan<int>();
  std::atomic<int> taken{-1};
  dh::go([&]() -> dh::task<> {
    const int which = co_await dh::async_select(dh::recv(a), dh::recv(b));
    switch (which) {
      case 0: taken = 0; break;
      default: taken = 1; break;
    }
  });
  downhaul_test::await_parked("select", 1);
  b.send(1);
  downhaul_test::await_no_goroutines();
  EXPECT_EQ(taken, 1);
}

using coro_task_death = coro_task;

TEST_F(coro_task_death, of_another_exception_says_what_and_where) {
  testing::GTEST_FLAG(death_test_style) = "threadsafe";
  const auto die = [] {
    dh::go([]() -> dh::task<> {
      throw std::runtime_error{"lost"};
      co_return;
    });
    downhaul_test::await_no_goroutines();
  };
  EXPECT_DEATH(die(), "panic: std::runtime_error: lost\ncoroutine started at .*task_test.cpp");
}

TEST_F(coro_task_death, of_waiting_for_ever_names_the_coroutine) {
  testing::GTEST_FLAG(death_test_style) = "threadsafe";
  const auto die = [] {
    dh::run([] {
      const auto never = dh::make_chan<void>();
      dh::go([never]() -> dh::task<> { co_await dh::async_recv(never); });
      never.recv();
    });
  };
  EXPECT_DEATH(die(), "all goroutines are asleep - deadlock!(.|\n)*chan receive.*task_test.cpp");
}

#ifdef DOWNHAUL_CHECKED
TEST_F(coro_task_death, of_a_blocking_form_says_where) {
  testing::GTEST_FLAG(death_test_style) = "threadsafe";
  const auto die = [] {
    const auto never = dh::make_chan<void>();
    dh::go([never]() -> dh::task<> {
      never.recv();
      co_return;
    });
    downhaul_test::await_no_goroutines();
  };
  EXPECT_DEATH(die(), "a coroutine blocks its worker \\(chan receive\\)");
}
#else
TEST_F(coro_task, that_blocks_its_carrier_does_not_hold_up_others) {
  const auto slow = dh::make_chan<void>();
  const auto ended = dh::make_chan<void>();
  constexpr int blockers = 10;
  dh::runtime rt{{.workers = 1}};
  for (int i = 0; i < blockers; ++i) {
    dh::go(rt, [&]() -> dh::task<> {
      slow.recv();
      ended.send();
      co_return;
    });
  }
  dh::go(rt, [&]() -> dh::task<> {
    for (int i = 0; i < blockers; ++i) co_await dh::async_send(slow);
    co_return;
  });
  for (int i = 0; i < blockers; ++i) ended.recv();
  downhaul_test::await_no_goroutines();
}
#endif

}  // namespace
