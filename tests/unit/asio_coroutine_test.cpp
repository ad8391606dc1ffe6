// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// Coroutines on both sides: waits of ours in those of Asio, operations of Asio in tasks.

#include <gtest/gtest.h>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <chrono>
#include <memory>
#include <mutex>
#include <optional>
#include <system_error>
#include <utility>

#include "downhaul/adapt/asio.hpp"
#include "downhaul/chan.hpp"
#include "downhaul/context.hpp"
#include "downhaul/coro.hpp"
#include "downhaul/go.hpp"
#include "downhaul/mutex.hpp"
#include "downhaul/select.hpp"
#include "downhaul/wait_group.hpp"
#include "support/held_operation.hpp"
#include "support/leaves_nothing.hpp"

namespace {

namespace asio = boost::asio;
using namespace std::chrono_literals;
using downhaul::as_asio;
using downhaul::asio_thread;
using downhaul::background;
using downhaul::make_chan;
using downhaul::use_goroutine;
using downhaul::use_task;
using downhaul::with_cancel;
using downhaul_test::leaves_nothing;

// What as_asio is given most.
template <class Channel>
auto receive_from(const Channel& ch) {
  return [ch](const downhaul::context& ctx) { return downhaul::async_recv(ctx, ch); };
}

class as_asio_wait : public leaves_nothing {};
class use_task_wait : public leaves_nothing {};

// Runs it on the thread of `io` and waits for its end, and its exception.
template <class F>
auto run_there(asio_thread& io, F&& f) {
  return asio::co_spawn(io.get_executor(), std::forward<F>(f), use_goroutine);
}

TEST_F(as_asio_wait, receives_and_sends_and_goes_on_where_the_coroutine_runs) {
  asio_thread io;
  auto in = make_chan<int>();
  auto out = make_chan<int>();
  downhaul::wait_group wg;
  wg.go([=] {
    in.send(20);
    EXPECT_EQ(out.recv(), 21);
  });
  run_there(io, [&]() -> asio::awaitable<void> {
    const auto v = co_await as_asio(receive_from(in));
    EXPECT_TRUE(io.get_executor().running_in_this_thread());
    const int more = *v + 1;
    co_await as_asio(
        [&](const downhaul::context& c) { return downhaul::async_send(c, out, more); });
    EXPECT_TRUE(io.get_executor().running_in_this_thread());
  });
  wg.wait();
}

TEST_F(as_asio_wait, selects_sleeps_locks_and_waits_for_groups) {
  asio_thread io;
  auto ch = make_chan<int>(1);
  auto other = make_chan<int>();
  downhaul::mutex m;
  downhaul::wait_group wg;
  auto [ctx, cancel] = downhaul::with_timeout(background(), 1ms);
  run_there(io, [&, &c = ctx]() -> asio::awaitable<void> {
    auto a = downhaul::recv(ch);
    auto b = downhaul::recv(other);
    ch.send(7);
    const int which = co_await as_asio(
        [&](const downhaul::context& mine) { return downhaul::async_select(mine, a, b); });
    EXPECT_EQ(which, 0);
    EXPECT_EQ(a.value(), 7);
    co_await as_asio(
        [](const downhaul::context& mine) { return downhaul::async_sleep(mine, 1ms); });
    {
      const auto held = co_await as_asio(
          [&](const downhaul::context& mine) { return downhaul::async_lock(mine, m); });
      EXPECT_TRUE(held.owns_lock());
      EXPECT_FALSE(m.try_lock());
    }
    wg.go([] { downhaul::yield(); });
    co_await as_asio([&](const downhaul::context& mine) { return downhaul::async_wait(mine, wg); });
    co_await as_asio(receive_from(c.done()));
    EXPECT_TRUE(c.err());
  });
}

TEST_F(as_asio_wait, throws_what_the_wait_throws) {
  asio_thread io;
  auto ch = make_chan<int>();
  auto [ctx, cancel] = downhaul::with_timeout(background(), 1ms);
  const auto receive = [&, &c = ctx]() -> asio::awaitable<void> {
    co_await as_asio(c, receive_from(ch));
  };
  EXPECT_THROW(run_there(io, receive), downhaul::context_error);
}

TEST_F(as_asio_wait, ends_when_the_coroutine_is_cancelled) {
  asio_thread io;
  auto ch = make_chan<int>();
  auto [ctx, cancel] = downhaul::with_timeout(background(), 1ms);
  const auto receive = [&]() -> asio::awaitable<void> {
    co_await as_asio([&](const downhaul::context& mine) { return downhaul::async_recv(mine, ch); });
  };
  EXPECT_THROW(asio::co_spawn(io.get_executor(), receive, use_goroutine(ctx)),
               downhaul::context_error);
}

TEST_F(as_asio_wait, loses_to_a_timer_and_leaves_the_message_to_others) {
  using namespace asio::experimental::awaitable_operators;
  asio_thread io;
  auto ch = make_chan<int>();
  const auto receive = [&]() -> asio::awaitable<std::optional<int>> {
    co_return co_await as_asio(receive_from(ch));
  };
  const auto which = run_there(io, [&]() -> asio::awaitable<std::size_t> {
    asio::steady_timer timer{co_await asio::this_coro::executor, 1ms};
    const auto first = co_await (receive() || timer.async_wait(asio::use_awaitable));
    co_return first.index();
  });
  EXPECT_EQ(which, 1u);
  EXPECT_FALSE(ch.try_send(1));  // nobody waits there any more
}

TEST_F(as_asio_wait, is_unlinked_by_the_end_of_its_io_context) {
  auto io = std::make_unique<asio::io_context>();
  auto ch = make_chan<int>();
  auto kept = std::make_shared<int>(1);
  asio::co_spawn(
      *io,
      [&, kept]() -> asio::awaitable<void> {
        co_await as_asio(receive_from(ch));
        ADD_FAILURE() << "it went on";
      },
      asio::detached);
  io->poll();
  EXPECT_EQ(kept.use_count(), 2);
  downhaul_test::await_parked(1);
  io.reset();
  EXPECT_EQ(kept.use_count(), 1);
  EXPECT_FALSE(ch.try_send(1));
}

TEST_F(as_asio_wait, is_unlinked_also_when_it_was_about_to_go_on) {
  for (const bool on_strand : {false, true}) {
    auto io = std::make_unique<asio::io_context>();
    auto ch = make_chan<int>();
    const auto receive = [&]() -> asio::awaitable<void> {
      co_await as_asio(receive_from(ch));
      ADD_FAILURE() << "it went on";
    };
    if (on_strand) {
      asio::co_spawn(asio::make_strand(*io), receive, asio::detached);
    } else {
      asio::co_spawn(*io, receive, asio::detached);
    }
    io->poll();
    ch.send(1);
    downhaul_test::await_no_goroutines();  // the handler is in the queue of `io`
    io.reset();
  }
}

TEST_F(as_asio_wait, keeps_the_io_context_at_work) {
  asio::io_context io;
  auto ch = make_chan<int>();
  bool went_on = false;
  asio::co_spawn(
      io,
      [&]() -> asio::awaitable<void> {
        co_await as_asio(receive_from(ch));
        went_on = true;
      },
      asio::detached);
  io.poll();
  EXPECT_FALSE(io.stopped());
  downhaul::go([=] { ch.send(1); });
  io.run();
  EXPECT_TRUE(went_on);
}

TEST_F(as_asio_wait, awaits_a_task_too) {
  asio_thread io;
  auto ch = make_chan<int>(2);
  ch.send(1);
  ch.send(2);
  const auto sum_of_two = [&](const downhaul::context& ctx) -> downhaul::task<int> {
    const auto a = co_await downhaul::async_recv(ctx, ch);
    const auto b = co_await downhaul::async_recv(ctx, ch);
    co_return *a + *b;
  };
  const int sum = run_there(io, [&]() -> asio::awaitable<int> {
    co_return co_await as_asio([&](const downhaul::context& ctx) { return sum_of_two(ctx); });
  });
  EXPECT_EQ(sum, 3);
}

TEST_F(as_asio_wait, takes_any_completion_token) {
  asio_thread io;
  auto ch = make_chan<int>();
  auto got = make_chan<int>(1);
  as_asio(receive_from(ch),
          asio::bind_executor(io.get_executor(), [=](std::exception_ptr, std::optional<int> v) {
            got.send(v.value_or(0));
          }));
  ch.send(3);
  EXPECT_EQ(got.recv(), 3);
}

TEST_F(as_asio_wait, passes_many_values_between_a_goroutine_and_a_coroutine) {
  asio_thread io;
  auto ch = make_chan<int>();
  constexpr int many = 500;
  downhaul::wait_group wg;
  wg.go([=] {
    for (int i = 0; i < many; ++i) ch.send(i);
    ch.close();
  });
  run_there(io, [&]() -> asio::awaitable<void> {
    for (int i = 0;; ++i) {
      const auto v = co_await as_asio(receive_from(ch));
      EXPECT_EQ(v.value_or(many), i);
      if (!v) break;
    }
  });
  wg.wait();
}

// A task, and its end.
template <class F>
void run_task(F f) {
  downhaul::wait_group wg;
  wg.add();
  downhaul::go([&]() -> downhaul::task<> {
    co_await f();
    wg.done();
  });
  wg.wait();
}

TEST_F(use_task_wait, returns_the_result_on_the_runtime) {
  asio_thread io;
  downhaul_test::held_operation op{io.get_executor()};
  downhaul::wait_group wg;
  wg.go([&] {
    op.await_started();
    asio::post(io.get_executor(), [&] { op.complete({}, 5); });
  });
  run_task([&]() -> downhaul::task<> {
    const int v = co_await op.async_run(use_task(background()));
    EXPECT_EQ(v, 5);
    EXPECT_FALSE(io.get_executor().running_in_this_thread());
  });
  wg.wait();
}

TEST_F(use_task_wait, is_cancelled_by_its_context) {
  asio_thread io;
  auto [ctx, cancel] = downhaul::with_timeout(background(), 1ms);
  run_task([&, &c = ctx]() -> downhaul::task<> {
    asio::steady_timer timer{io, 1h};
    std::error_code ec;
    co_await timer.async_wait(use_task(c, ec).on(io.get_executor()));
    EXPECT_EQ(ec, downhaul::errc::deadline_exceeded);
    co_await timer.async_wait(use_task(c, ec));  // nothing is started
    EXPECT_EQ(ec, downhaul::errc::deadline_exceeded);
    bool threw = false;
    try {
      co_await timer.async_wait(use_task(c));
    } catch (const downhaul::context_error&) {
      threw = true;
    }
    EXPECT_TRUE(threw);
  });
}

TEST_F(use_task_wait, starts_when_it_is_awaited_and_not_before) {
  asio_thread io;
  downhaul_test::held_operation op{io.get_executor()};
  {
    const auto dropped = op.async_run(use_task);
  }
  EXPECT_FALSE(op.started());
}

}  // namespace
