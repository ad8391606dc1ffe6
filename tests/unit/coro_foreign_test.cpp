// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// Coroutines of another type than ours: where they go on, and that they may be destroyed while they wait.
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <optional>
#include <random>
#include <thread>
#include <utility>
#include <vector>

#include "downhaul/coro.hpp"
#include "platform/cpu.hpp"
#include "support/crew.hpp"
#include "support/hand_executor.hpp"
#include "support/leaves_nothing.hpp"
#include "support/parked.hpp"
#include "support/plain_coroutine.hpp"
#include "support/seed.hpp"
#include "wait/thread_record.hpp"

namespace dh = downhaul;
using downhaul_test::hand_executor;
using downhaul_test::plain_coroutine;
using namespace std::chrono_literals;

namespace {

class coro_foreign : public downhaul_test::leaves_nothing {};

void await_end(const plain_coroutine& c) {
  downhaul_test::wait_until([&] { return c.done(); });
}

TEST_F(coro_foreign, awaits_everything_that_ours_awaits) {
  const auto in = dh::make_chan<int>();
  const auto out = dh::make_chan<int>();
  const auto echo = [](dh::chan<int> from, dh::chan<int> to) -> plain_coroutine {
    for (;;) {
      const std::optional<int> v = co_await dh::async_recv(from);
      if (!v) co_return;
      std::optional<int> other;
      const int which = co_await dh::async_select(dh::recv(from, other), dh::send(to, *v * 2));
      EXPECT_EQ(which, 1);
      co_await dh::async_sleep(1us);
    }
  };
  plain_coroutine c = echo(in, out);
  for (int i = 0; i < 10; ++i) {
    in.send(i);
    EXPECT_EQ(out.recv(), i * 2);
  }
  in.close();
  await_end(c);
}

TEST_F(coro_foreign, goes_on_on_the_runtime_unless_told_otherwise) {
  const auto ch = dh::make_chan<void>();
  bool on_goroutine = false;
  const auto body = [&]() -> plain_coroutine {
    co_await dh::async_recv(ch);
    on_goroutine = dh::impl::on_goroutine();
  };
  plain_coroutine c = body();
  ch.send();
  await_end(c);
  EXPECT_TRUE(on_goroutine);
}

TEST_F(coro_foreign, goes_on_on_the_wakers_thread_when_its_call_has_let_go) {
  const auto ch = dh::make_chan<void>();
  const auto next = dh::make_chan<void>();
  std::thread::id where;
  const auto body = [&]() -> plain_coroutine {
    co_await dh::async_recv(ch).on(dh::resume_on::waker());
    where = std::this_thread::get_id();
    co_await dh::async_send(next).on(dh::resume_on::waker());
  };
  const auto second = [&]() -> plain_coroutine {
    co_await dh::async_recv(next).on(dh::resume_on::waker());
  };
  plain_coroutine d = second();
  plain_coroutine c = body();
  EXPECT_FALSE(c.done());
  ch.send();
  EXPECT_TRUE(c.done());
  EXPECT_TRUE(d.done());
  EXPECT_EQ(where, std::this_thread::get_id());
}

TEST_F(coro_foreign, goes_on_on_the_executor_it_was_given) {
  hand_executor exec;
  const auto ch = dh::make_chan<int>();
  int got = 0;
  const auto body = [&]() -> plain_coroutine {
    const std::optional<int> v = co_await dh::async_recv(ch).on(dh::resume_on::executor(exec));
    got = *v;
  };
  plain_coroutine c = body();
  ch.send(4);
  EXPECT_FALSE(c.done());
  EXPECT_TRUE(exec.run_one());
  EXPECT_TRUE(c.done());
  EXPECT_EQ(got, 4);
}

TEST_F(coro_foreign, destroyed_while_it_waits_is_on_no_list) {
  auto [ctx, cancel] = dh::with_cancel(dh::background());
  const auto ch = dh::make_chan<int>();
  const auto receives = [](dh::chan<int> from) -> plain_coroutine {
    static_cast<void>(co_await dh::async_recv(from));
  };
  const auto sends = [](dh::chan<int> to) -> plain_coroutine { co_await dh::async_send(to, 1); };
  const auto selects = [](dh::context c, dh::chan<int> from) -> plain_coroutine {
    static_cast<void>(co_await dh::async_select(c, dh::recv(from), dh::recv(c.done())));
  };
  const auto sleeps = [](dh::context c) -> plain_coroutine { co_await dh::async_sleep(c, 1h); };
  const auto waits = [](dh::context c) -> plain_coroutine { co_await c.done(); };
  {
    const plain_coroutine a = receives(ch);
    const plain_coroutine b = selects(ctx, ch);
    const plain_coroutine c = sleeps(ctx);
    const plain_coroutine d = waits(ctx);
  }
  EXPECT_FALSE(ch.try_send(1));
  {
    const plain_coroutine e = sends(ch);
  }
  EXPECT_FALSE(ch.try_recv().has_value());
}

TEST_F(coro_foreign, destroyed_while_a_task_of_it_waits_takes_the_task_along) {
  const auto ch = dh::make_chan<int>();
  auto kept = std::make_shared<int>(1);
  const std::weak_ptr<int> watch = kept;
  const auto inner = [](dh::chan<int> from, std::shared_ptr<int>) -> dh::task<int> {
    const std::optional<int> v = co_await dh::async_recv(from);
    co_return *v;
  };
  const auto outer = [&](std::shared_ptr<int> held) -> plain_coroutine {
    const int got = co_await inner(ch, std::move(held));
    EXPECT_EQ(got, 7);
  };
  {
    const plain_coroutine c = outer(std::move(kept));
  }
  EXPECT_TRUE(watch.expired());
  EXPECT_FALSE(ch.try_send(1));
  plain_coroutine d = outer(nullptr);
  ch.send(7);
  await_end(d);
}

TEST_F(coro_foreign, says_by_its_promise_where_it_goes_on) {
  const auto ch = dh::make_chan<void>();
  const auto body = [&]() -> downhaul_test::waker_coroutine { co_await dh::async_recv(ch); };
  const downhaul_test::waker_coroutine c = body();
  ch.send();
  EXPECT_TRUE(c.done());
}

TEST_F(coro_foreign, destroyed_between_its_wake_and_its_resumption_does_not_run) {
  hand_executor exec;
  const auto ch = dh::make_chan<std::unique_ptr<int>>();
  const auto body = [&]() -> plain_coroutine {
    static_cast<void>(co_await dh::async_recv(ch).on(dh::resume_on::executor(exec)));
    ADD_FAILURE() << "it ran";
  };
  {
    plain_coroutine c = body();
    ch.send(std::make_unique<int>(1));  // arrives in the frame, and goes with it
    EXPECT_EQ(exec.waiting(), 1u);
  }
  EXPECT_TRUE(exec.run_one());
}

TEST_F(coro_foreign, one_that_is_resumed_may_destroy_others_that_are_being_woken) {
  auto [ctx, cancel] = dh::with_cancel(dh::background());
  constexpr int many = 8;
  std::vector<plain_coroutine> all;
  int ran = 0;
  const auto body = [&](dh::context c) -> plain_coroutine {
    static_cast<void>(co_await dh::async_recv(c.done()).on(dh::resume_on::waker()));
    ++ran;
    // All but the one that runs.
    for (int i = 1; i < many; ++i) all[static_cast<std::size_t>(i)].destroy();
  };
  all.reserve(many);
  for (int i = 0; i < many; ++i) all.push_back(body(ctx));
  cancel();
  EXPECT_EQ(ran, 1);
}

// Destroyed on one thread while others wake it in every way there is. The oracle: what was sent was either
// received by somebody or destroyed with the frame, and the sanitizers see no touch of a frame that is gone.
TEST_F(coro_foreign, destroyed_while_it_is_being_woken_by_another_thread) {
  std::mt19937_64 rng{downhaul_test::seed()};
  const int turns = downhaul_test::rounds(5'000);
  hand_executor exec;
  for (int i = 0; i < turns; ++i) {
    const auto ch = dh::make_chan<std::shared_ptr<int>>();
    auto [ctx, cancel] = dh::with_cancel(dh::background());
    const int how = static_cast<int>(rng() % 3);
    const auto selects = [&](dh::context c) -> plain_coroutine {
      std::error_code ec;
      static_cast<void>(
          co_await dh::async_select(c, ec, dh::recv(ch)).on(dh::resume_on::executor(exec)));
    };
    const auto receives = [&]() -> plain_coroutine {
      static_cast<void>(co_await dh::async_recv(ch).on(dh::resume_on::executor(exec)));
    };
    auto value = std::make_shared<int>(i);
    const std::weak_ptr<int> watch = value;
    {
      std::optional<plain_coroutine> c{rng() % 2 == 0 ? selects(ctx) : receives()};
      std::atomic<bool> go{false};
      std::thread waker{[&] {
        while (!go.load()) {
        }
        if (how == 0) cancel();
        if (how == 1) static_cast<void>(ch.try_send(std::move(value)));
        if (how == 2) ch.close();
      }};
      go = true;
      for (auto spin = rng() % 200; spin > 0; --spin) dh::impl::cpu_pause();
      c.reset();
      waker.join();
    }
    while (exec.run_one()) {
    }
    value.reset();
    EXPECT_TRUE(watch.expired());
  }
}

}  // namespace
