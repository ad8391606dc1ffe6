// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// What the end of a context, or of an executor, does to an operation that a goroutine waits for.

#include <gtest/gtest.h>

#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <memory>
#include <optional>
#include <stdexcept>
#include <system_error>
#include <thread>

#include "downhaul/adapt/asio/asio_thread.hpp"
#include "downhaul/adapt/asio/use_goroutine.hpp"
#include "downhaul/chan.hpp"
#include "downhaul/context.hpp"
#include "downhaul/go.hpp"
#include "downhaul/wait_group.hpp"
#include "support/held_operation.hpp"
#include "support/leaves_nothing.hpp"
#include "support/socket_pair.hpp"
#include "support/test_runtime.hpp"

namespace {

namespace asio = boost::asio;
using namespace std::chrono_literals;
using asio::ip::tcp;
using downhaul::asio_thread;
using downhaul::background;
using downhaul::context_error;
using downhaul::use_goroutine;
using downhaul::with_cancel;
using downhaul::with_cancel_cause;
using downhaul_test::connected;
using downhaul_test::test_runtime;
using held = downhaul_test::held_operation<asio::io_context::executor_type>;

constexpr auto ok = boost::system::error_code{};

// A goroutine that the test waits for, at the latest at its end.
class joined {
 public:
  template <class F>
  joined(test_runtime& rt, F f) {
    ended_.add();
    rt.go([this, f] {
      f();
      ended_.done();
    });
  }
  joined(const joined&) = delete;
  joined& operator=(const joined&) = delete;
  ~joined() { join(); }
  void join() const { ended_.wait(); }

 private:
  mutable downhaul::wait_group ended_;
};

// What a coroutine does that is cancelled.
struct throws_when_cancelled {
  asio_thread& io;
  std::shared_ptr<void>& keep;

  auto get_executor() const noexcept { return io.get_executor(); }
  void operator()(auto handler) const {
    auto kept = std::make_shared<decltype(handler)>(std::move(handler));
    kept->get_cancellation_slot().assign([h = kept.get()](asio::cancellation_type) {
      const boost::system::system_error aborted{asio::error::operation_aborted};
      std::move (*h)(std::make_exception_ptr(aborted));
    });
    keep = kept;
  }
};

TEST(asio_cancel, of_a_context_ends_a_read_with_its_error_and_cause) {
  test_runtime rt;
  asio_thread io;
  auto [near, far] = connected(io);
  auto [ctx, cancel] = with_cancel_cause(background());
  const joined waiter{rt, [&, &s = far, ctx = ctx] {
                        std::array<char, 1> into;
                        try {
                          s.async_read_some(asio::buffer(into), use_goroutine(ctx));
                          ADD_FAILURE() << "it threw nothing";
                        } catch (const context_error& e) {
                          EXPECT_EQ(e.code(), downhaul::errc::canceled);
                          EXPECT_EQ(downhaul_test::text_of(e.cause()), "runtime_error: why");
                        }
                      }};
  rt.run_until_parked();
  cancel(std::runtime_error{"why"});
}

TEST(asio_cancel, by_a_deadline_sets_the_error_code) {
  asio_thread io;
  asio::steady_timer timer{io, 1h};
  auto [ctx, cancel] = downhaul::with_timeout(background(), 1ms);
  std::error_code ec;
  timer.async_wait(use_goroutine(ctx, ec));
  EXPECT_EQ(ec, downhaul::errc::deadline_exceeded);
  boost::system::error_code boost_code;
  timer.async_wait(use_goroutine(ctx, boost_code));
  EXPECT_EQ(std::error_code{boost_code}, downhaul::errc::deadline_exceeded);
}

TEST(asio_cancel, before_the_call_starts_nothing) {
  asio_thread io;
  held op{io.get_executor()};
  auto [ctx, cancel] = with_cancel(background());
  cancel();
  EXPECT_THROW(op.async_run(use_goroutine(ctx)), context_error);
  std::error_code ec;
  EXPECT_EQ(op.async_run(use_goroutine(ctx, ec)), 0);
  EXPECT_EQ(ec, downhaul::errc::canceled);
  EXPECT_FALSE(op.started());
}

TEST(asio_cancel, happens_on_the_executor_of_the_operation) {
  test_runtime rt;
  asio_thread io;
  held op{io.get_executor()};
  bool there = false;
  auto seen = asio::cancellation_type::none;
  op.on_cancel = [&](asio::cancellation_type type) {
    there = io.get_executor().running_in_this_thread();
    seen = type;
    op.complete(asio::error::operation_aborted, 0);
  };
  auto [ctx, cancel] = with_cancel(background());
  const joined waiter{
      rt, [&, ctx = ctx] {
        EXPECT_THROW(op.async_run(use_goroutine(ctx).cancel_with(asio::cancellation_type::total)),
                     context_error);
      }};
  op.await_started();
  cancel();
  waiter.join();
  EXPECT_TRUE(there);
  EXPECT_EQ(seen, asio::cancellation_type::total);
}

TEST(asio_cancel, does_not_end_the_wait_before_the_handler_has_run) {
  test_runtime rt;
  asio_thread io;
  held op{io.get_executor()};
  op.on_cancel = [](asio::cancellation_type) {};  // it takes its time
  auto [ctx, cancel] = with_cancel(background());
  bool returned = false;
  const joined waiter{rt, [&, ctx = ctx] {
                        EXPECT_THROW(op.async_run(use_goroutine(ctx)), context_error);
                        returned = true;
                      }};
  op.await_started();
  cancel();
  op.await_cancel();
  rt.run_until_parked();
  EXPECT_FALSE(returned);
  op.complete(asio::error::operation_aborted, 0);
}

TEST(asio_cancel, loses_nothing_that_has_completed) {
  test_runtime rt;
  asio_thread io;
  held op{io.get_executor()};
  op.on_cancel = [&](asio::cancellation_type) { op.complete(ok, 7); };
  auto [ctx, cancel] = with_cancel(background());
  const joined waiter{rt, [&, ctx = ctx] { EXPECT_EQ(op.async_run(use_goroutine(ctx)), 7); }};
  op.await_started();
  cancel();
}

TEST(asio_cancel, returns_another_error_of_the_operation_as_it_is) {
  test_runtime rt;
  asio_thread io;
  held op{io.get_executor()};
  op.on_cancel = [&](asio::cancellation_type) { op.complete(asio::error::connection_reset, 0); };
  auto [ctx, cancel] = with_cancel(background());
  const joined waiter{rt, [&, ctx = ctx] {
                        boost::system::error_code ec;
                        op.async_run(use_goroutine(ctx, ec));
                        EXPECT_EQ(ec, asio::error::connection_reset);
                      }};
  op.await_started();
  cancel();
}

TEST(asio_cancel, by_somebody_else_is_operation_aborted) {
  test_runtime rt;
  asio_thread io;
  asio::steady_timer timer{io, 1h};
  auto [ctx, cancel] = with_cancel(background());
  const joined waiter{rt, [&, ctx = ctx] {
                        boost::system::error_code ec;
                        timer.async_wait(use_goroutine(ctx, ec));
                        EXPECT_EQ(ec, asio::error::operation_aborted);
                      }};
  rt.run_until_parked();
  asio::post(io.get_executor(), [&] { timer.cancel(); });
}

TEST(asio_cancel, is_not_asked_of_an_operation_that_has_completed) {
  test_runtime rt;
  asio::io_context io;
  held op{io.get_executor()};
  auto [ctx, cancel] = with_cancel(background());
  const joined waiter{rt, [&, ctx = ctx] { EXPECT_EQ(op.async_run(use_goroutine(ctx)), 7); }};
  op.await_started();
  rt.run_until_parked();
  op.complete(ok, 7);  // it waits for its turn in `io`
  cancel();
  rt.run_until_parked();  // so does the request now
  io.run();
  rt.run_until_parked();
  EXPECT_EQ(op.cancels(), 0);
}

TEST(asio_cancel, waits_for_no_executor_that_has_stopped) {
  test_runtime rt;
  asio::io_context io;
  held op{io.get_executor()};
  auto [ctx, cancel] = with_cancel(background());
  const joined waiter{rt, [&, ctx = ctx] { EXPECT_EQ(op.async_run(use_goroutine(ctx)), 7); }};
  op.await_started();
  rt.run_until_parked();
  op.complete(ok, 7);
  cancel();
  rt.run_until_parked();
  EXPECT_EQ(io.poll_one(), 1u);  // the handler; the request never is run
  rt.run_until_parked();
  EXPECT_EQ(rt.goroutines(), 0u);
  io.restart();
}

TEST(asio_cancel, runs_a_canceller_where_an_operation_has_no_slot) {
  test_runtime rt;
  asio_thread io;
  held op{io.get_executor()};
  int called = 0;
  auto [ctx, cancel] = with_cancel(background());
  const joined waiter{rt, [&, ctx = ctx] {
                        std::error_code ec;
                        op.async_run(use_goroutine(ctx, ec).cancel_by([&] {
                          ++called;
                          EXPECT_TRUE(io.get_executor().running_in_this_thread());
                          op.complete(asio::error::operation_aborted, 0);
                        }));
                        EXPECT_EQ(ec, downhaul::errc::canceled);
                      }};
  op.await_started();
  cancel();
  waiter.join();
  EXPECT_EQ(called, 1);
  EXPECT_EQ(op.cancels(), 0);
}

TEST(asio_cancel, of_an_exception_that_says_aborted_is_the_context_s) {
  test_runtime rt;
  asio_thread io;
  auto [ctx, cancel] = with_cancel(background());
  std::shared_ptr<void> keep;
  const joined waiter{rt, [&, ctx = ctx] {
                        const auto token = use_goroutine(ctx);
                        EXPECT_THROW(
                            (asio::async_initiate<decltype(token), void(std::exception_ptr)>(
                                throws_when_cancelled{io, keep}, token)),
                            context_error);
                      }};
  rt.run_until_parked();
  cancel();
}

TEST(asio_cancel, of_a_handler_that_is_destroyed_is_operation_aborted) {
  test_runtime rt;
  auto io = std::make_unique<asio::io_context>();
  const joined waiter{rt, [&] {
                        boost::system::error_code ec;
                        asio::post(*io, use_goroutine(ec));
                        EXPECT_EQ(ec, asio::error::operation_aborted);
                      }};
  held op{io->get_executor()};
  const joined another{
      rt, [&] { EXPECT_THROW(op.async_run(use_goroutine), boost::system::system_error); }};
  rt.run_until_parked();
  op.drop();
  io.reset();
}

TEST(asio_cancel, of_what_was_not_started_yet_is_operation_aborted) {
  test_runtime rt;
  auto io = std::make_unique<asio::io_context>();
  held op{io->get_executor()};
  auto [ctx, cancel] = with_cancel(background());
  const joined waiter{rt, [&, ctx = ctx] {
                        EXPECT_THROW(op.async_run(use_goroutine(ctx).on(io->get_executor())),
                                     boost::system::system_error);
                      }};
  rt.run_until_parked();
  cancel();
  rt.run_until_parked();
  io.reset();
  waiter.join();
  EXPECT_FALSE(op.started());
}

TEST(asio_cancel, may_race_with_the_completion) {
  test_runtime rt;
  asio_thread io;
  int either[2] = {};
  rt.run([&] {
    for (int i = 0; i < 400; ++i) {
      asio::steady_timer timer{io, 1h};
      auto [ctx, cancel] = with_cancel(background());
      downhaul::wait_group wg;
      wg.go([&, ctx = ctx] {
        std::error_code ec;
        timer.async_wait(use_goroutine(ctx, ec).on(io.get_executor()));
        ++either[ec == downhaul::errc::canceled];
      });
      if (i % 2 != 0) downhaul::yield();
      asio::post(io.get_executor(), [&] { timer.cancel(); });
      cancel();
      wg.wait();
      asio::post(io.get_executor(), use_goroutine);  // the timer is in use no more
    }
  });
  EXPECT_EQ(either[0] + either[1], 400);
}

// There the handler may be called while the cancel runs: the caller waits for the end of both.
TEST(asio_cancel, may_race_on_an_io_context_that_two_threads_run) {
  test_runtime rt;
  asio::io_context io;
  auto work = asio::make_work_guard(io);
  std::thread one{[&] { io.run(); }};
  std::thread two{[&] { io.run(); }};
  int either[2] = {};
  rt.run([&] {
    for (int i = 0; i < 300; ++i) {
      auto timer = std::make_unique<asio::steady_timer>(io, 50us);
      auto [ctx, cancel] = downhaul::with_timeout(background(), 50us);
      std::error_code ec;
      timer->async_wait(use_goroutine(ctx, ec));
      timer.reset();
      ++either[ec == downhaul::errc::deadline_exceeded];
    }
  });
  work.reset();
  one.join();
  two.join();
  EXPECT_EQ(either[0] + either[1], 300);
}

}  // namespace
