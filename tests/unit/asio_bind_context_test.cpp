// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors

#include "downhaul/adapt/asio/bind_context.hpp"

#include <gtest/gtest.h>

#include <array>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/use_future.hpp>
#include <chrono>
#include <future>
#include <memory>
#include <stdexcept>
#include <system_error>

#include "downhaul/adapt/asio/asio_thread.hpp"
#include "downhaul/adapt/asio/use_goroutine.hpp"
#include "downhaul/context.hpp"
#include "support/held_operation.hpp"
#include "support/leaves_nothing.hpp"
#include "support/socket_pair.hpp"

namespace {

namespace asio = boost::asio;
using namespace std::chrono_literals;
using downhaul::asio_thread;
using downhaul::background;
using downhaul::bind_context;
using downhaul::with_cancel;
using held = downhaul_test::held_operation<asio::io_context::executor_type>;

constexpr auto ok = boost::system::error_code{};

struct not_started {
  asio_thread& io;
  auto get_executor() const noexcept { return io.get_executor(); }
  void operator()(auto) const { throw std::runtime_error{"not started"}; }
};

class asio_bind_context : public downhaul_test::leaves_nothing {};

TEST_F(asio_bind_context, cancels_an_operation_with_a_callback) {
  asio_thread io;
  auto [near, far] = downhaul_test::connected(io);
  auto [ctx, cancel] = with_cancel(background());
  std::array<char, 4> into;
  std::promise<boost::system::error_code> ended;
  asio::async_read(far, asio::buffer(into),
                   bind_context(ctx, [&](boost::system::error_code ec, std::size_t) {
                     EXPECT_TRUE(io.get_executor().running_in_this_thread());
                     ended.set_value(ec);
                   }));
  cancel();
  EXPECT_EQ(ended.get_future().get(), asio::error::operation_aborted);
}

TEST_F(asio_bind_context, cancels_what_is_started_after_the_end_of_the_context) {
  asio_thread io;
  asio::steady_timer timer{io, 1h};
  auto [ctx, cancel] = with_cancel(background());
  cancel();
  std::future<void> over = timer.async_wait(bind_context(ctx, asio::use_future));
  EXPECT_THROW(over.get(), std::exception);
}

TEST_F(asio_bind_context, leaves_alone_what_ends_by_itself) {
  asio_thread io;
  asio::steady_timer timer{io, 1ms};
  auto [ctx, cancel] = with_cancel(background());
  timer.async_wait(bind_context(ctx, asio::use_future)).get();
  timer.expires_after(1ms);
  timer.async_wait(bind_context(background(), asio::use_future)).get();
}

TEST_F(asio_bind_context, cancels_in_a_coroutine_that_keeps_its_own_slot) {
  asio_thread io;
  auto [ctx, cancel] = downhaul::with_timeout(background(), 1ms);
  const auto wait_for_ever = [&](const downhaul::context& c) -> asio::awaitable<void> {
    asio::steady_timer timer{co_await asio::this_coro::executor, 1h};
    co_await timer.async_wait(bind_context(c, asio::use_awaitable));
  };
  try {
    asio::co_spawn(io.get_executor(), wait_for_ever(ctx), downhaul::use_goroutine);
    FAIL() << "it threw nothing";
  } catch (const boost::system::system_error& e) {
    EXPECT_EQ(e.code(), asio::error::operation_aborted);
  }
}

TEST_F(asio_bind_context, lets_the_slot_of_the_token_cancel_too) {
  asio_thread io;
  auto [ctx, cancel] = with_cancel(background());
  auto [outer, cancel_outer] = downhaul::with_timeout(background(), 1ms);
  const auto wait_for_ever = [&](const downhaul::context& c) -> asio::awaitable<void> {
    asio::steady_timer timer{co_await asio::this_coro::executor, 1h};
    co_await timer.async_wait(bind_context(c, asio::use_awaitable));
  };
  EXPECT_THROW(
      asio::co_spawn(io.get_executor(), wait_for_ever(ctx), downhaul::use_goroutine(outer)),
      downhaul::context_error);
}

TEST_F(asio_bind_context, cancels_on_the_executor_bound_inside) {
  asio_thread io;
  const auto strand = asio::make_strand(io.io_context());
  held op{io.get_executor()};
  bool there = false;
  op.on_cancel = [&](asio::cancellation_type type) {
    there = strand.running_in_this_thread();
    EXPECT_EQ(type, asio::cancellation_type::total);
    op.complete(asio::error::operation_aborted, 0);
  };
  auto [ctx, cancel] = with_cancel(background());
  std::promise<void> ended;
  op.async_run(bind_context(ctx,
                            asio::bind_executor(strand,
                                                [&](boost::system::error_code, int) {
                                                  EXPECT_TRUE(strand.running_in_this_thread());
                                                  ended.set_value();
                                                }),
                            asio::cancellation_type::total));
  cancel();
  ended.get_future().get();
  EXPECT_TRUE(there);
}

TEST_F(asio_bind_context, asks_nothing_of_an_operation_whose_handler_was_called) {
  asio::io_context io;
  held op{io.get_executor()};
  auto [ctx, cancel] = with_cancel(background());
  int calls = 0;
  op.async_run(bind_context(ctx, [&](boost::system::error_code ec, int) {
    EXPECT_FALSE(ec);
    ++calls;
  }));
  op.complete(ok, 1);
  cancel();
  downhaul_test::await_nothing_under_way();  // the request waits in `io`, behind the handler
  io.run();
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(op.cancels(), 0);
}

TEST_F(asio_bind_context, forgets_an_operation_whose_handler_was_destroyed) {
  auto io = std::make_unique<asio::io_context>();
  held op{io->get_executor()};
  auto [ctx, cancel] = with_cancel(background());
  op.async_run(bind_context(ctx, [](boost::system::error_code, int) { FAIL(); }));
  op.drop();
  cancel();
  downhaul_test::await_nothing_under_way();
  EXPECT_EQ(op.cancels(), 0);
}

TEST_F(asio_bind_context, starts_nothing_that_throws) {
  asio_thread io;
  auto [ctx, cancel] = with_cancel(background());
  const auto token = bind_context(ctx, [] {});
  EXPECT_THROW((asio::async_initiate<decltype(token), void()>(not_started{io}, token)),
               std::runtime_error);
}

TEST_F(asio_bind_context, may_race_with_the_completion) {
  asio_thread io;
  int either[2] = {};
  for (int i = 0; i < 300; ++i) {
    asio::steady_timer timer{io, 1h};
    auto [ctx, cancel] = with_cancel(background());
    std::promise<void> ended;
    asio::post(io.get_executor(), [&, &ctx = ctx] {
      timer.async_wait(bind_context(ctx, [&](boost::system::error_code ec) {
        ++either[ec == asio::error::operation_aborted];
        ended.set_value();
      }));
      timer.cancel();
    });
    cancel();
    ended.get_future().get();
    asio::post(io.get_executor(), downhaul::use_goroutine);  // the timer is in use no more
  }
  EXPECT_EQ(either[0] + either[1], 300);
}

}  // namespace
