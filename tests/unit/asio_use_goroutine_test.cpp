// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors

#include "downhaul/adapt/asio/use_goroutine.hpp"

#include <gtest/gtest.h>

#include <array>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/write.hpp>
#include <chrono>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <tuple>

#include "downhaul/adapt/asio/asio_thread.hpp"
#include "downhaul/chan.hpp"
#include "downhaul/context.hpp"
#include "downhaul/wait_group.hpp"
#include "support/allocations.hpp"
#include "support/parked.hpp"
#include "support/socket_pair.hpp"
#include "support/test_runtime.hpp"

namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using downhaul::asio_thread;
using downhaul::background;
using downhaul::use_goroutine;
using downhaul::with_cancel;
using downhaul_test::connected;
using downhaul_test::test_runtime;

TEST(asio_use_goroutine, returns_the_result_when_the_handler_has_run) {
  test_runtime rt;
  asio_thread io;
  auto [near, far] = connected(io);
  std::array<char, 8> into{};
  rt.run([&] {
    EXPECT_EQ(asio::async_write(near, asio::buffer("hello", 5), use_goroutine), 5u);
    EXPECT_EQ(far.async_read_some(asio::buffer(into), use_goroutine(background())), 5u);
  });
  EXPECT_EQ(std::string(into.data(), 5), "hello");
}

TEST(asio_use_goroutine, leaves_the_worker_to_others_while_it_waits) {
  test_runtime rt{1};
  asio_thread io;
  auto [near, far] = connected(io);
  auto got = downhaul::make_chan<std::size_t>(1);
  rt.go([&, got] {
    std::array<char, 8> into;
    got.send(far.async_read_some(asio::buffer(into), use_goroutine));
  });
  rt.run_until_parked();
  rt.run([&] { asio::async_write(near, asio::buffer("x", 1), use_goroutine); });
  EXPECT_EQ(got.recv(), 1u);
}

TEST(asio_use_goroutine, serves_plain_threads_too) {
  asio_thread io;
  auto [near, far] = connected(io);
  std::array<char, 2> into;
  EXPECT_EQ(asio::async_write(near, asio::buffer("ab", 2), use_goroutine), 2u);
  EXPECT_EQ(asio::async_read(far, asio::buffer(into), use_goroutine(background())), 2u);
}

// A second read after the end of a stream is not to be asked for: Asio waits for more.
class at_end_of_stream {
 public:
  explicit at_end_of_stream(asio_thread& io) : pair_{connected(io)} { pair_.near.close(); }
  template <class Token>
  auto read(const Token& token) {
    return pair_.far.async_read_some(asio::buffer(into_), token);
  }

 private:
  downhaul_test::connected_pair pair_;
  std::array<char, 2> into_{};
};

TEST(asio_use_goroutine, throws_or_sets_what_the_operation_reports) {
  asio_thread io;
  try {
    at_end_of_stream{io}.read(use_goroutine);
    FAIL() << "it threw nothing";
  } catch (const boost::system::system_error& e) {
    EXPECT_EQ(e.code(), asio::error::eof);
  }
  boost::system::error_code boost_code;
  EXPECT_EQ(at_end_of_stream{io}.read(use_goroutine(boost_code)), 0u);
  EXPECT_EQ(boost_code, asio::error::eof);
  std::error_code std_code;
  EXPECT_EQ(at_end_of_stream{io}.read(use_goroutine(background(), std_code)), 0u);
  EXPECT_EQ(std_code, asio::error::make_error_code(asio::error::eof));
}

TEST(asio_use_goroutine, clears_the_error_code_of_what_went_well) {
  asio_thread io;
  auto [near, far] = connected(io);
  auto ec = std::make_error_code(std::errc::io_error);
  EXPECT_EQ(near.async_write_some(asio::buffer("x", 1), use_goroutine(ec)), 1u);
  EXPECT_FALSE(ec);
}

TEST(asio_use_goroutine, returns_values_of_any_number_and_kind) {
  asio_thread io;
  const auto ex = io.get_executor();
  const auto initiate = [&]<class Signature>(Signature*, auto with) {
    return asio::async_initiate<const downhaul::use_goroutine_t, Signature>(
        [&](auto handler) {
          asio::post(ex, [h = std::move(handler), &with]() mutable { with(h); });
        },
        use_goroutine);
  };
  initiate(static_cast<void (*)()>(nullptr), [](auto& h) { std::move(h)(); });
  EXPECT_EQ(initiate(static_cast<void (*)(int)>(nullptr), [](auto& h) { std::move(h)(7); }), 7);
  const auto two =
      initiate(static_cast<void (*)(boost::system::error_code, int, std::string)>(nullptr),
               [](auto& h) { std::move(h)(boost::system::error_code{}, 1, std::string{"two"}); });
  EXPECT_EQ(two, std::tuple(1, std::string{"two"}));
  const auto moved =
      initiate(static_cast<void (*)(std::exception_ptr, std::unique_ptr<int>)>(nullptr),
               [](auto& h) { std::move(h)(std::exception_ptr{}, std::make_unique<int>(3)); });
  EXPECT_EQ(*moved, 3);
  EXPECT_THROW(
      initiate(static_cast<void (*)(std::exception_ptr)>(nullptr),
               [](auto& h) { std::move(h)(std::make_exception_ptr(std::out_of_range{"f"})); }),
      std::out_of_range);
}

TEST(asio_use_goroutine, returns_an_optional_of_what_cannot_be_default_made) {
  test_runtime rt;
  asio_thread io;
  tcp::acceptor acceptor{io, {asio::ip::address_v4::loopback(), 0}};
  tcp::socket client{io};
  client.connect(acceptor.local_endpoint());
  std::error_code ec;
  std::optional<tcp::socket> met = acceptor.async_accept(use_goroutine(ec));
  EXPECT_TRUE(met && !ec);
  auto [ctx, cancel] = with_cancel(background());
  cancel();
  EXPECT_FALSE(acceptor.async_accept(use_goroutine(ctx, ec)).has_value());
  EXPECT_EQ(ec, downhaul::errc::canceled);
  client.close();
  tcp::socket another{io};
  another.connect(acceptor.local_endpoint());
  const tcp::socket plain = acceptor.async_accept(use_goroutine);
  EXPECT_TRUE(plain.is_open());
}

TEST(asio_use_goroutine, passes_on_what_the_start_of_an_operation_throws) {
  asio_thread io;
  const auto throws = [&](auto&& token) {
    asio::async_initiate<decltype(token), void()>(
        [](auto) { throw std::runtime_error{"not started"}; }, token);
  };
  EXPECT_THROW(throws(use_goroutine), std::runtime_error);
  EXPECT_THROW(throws(use_goroutine(background()).on(io.get_executor())), std::runtime_error);
}

TEST(asio_use_goroutine, starts_on_the_executor_it_is_told) {
  asio_thread io;
  const auto ex = io.get_executor();
  bool there = false;
  const auto run = [&](auto&& token) {
    return asio::async_initiate<decltype(token), void(int)>(
        [&](auto handler) {
          there = ex.running_in_this_thread();
          std::move(handler)(1);
        },
        token);
  };
  run(use_goroutine);
  EXPECT_FALSE(there);
  run(use_goroutine.on(ex));
  EXPECT_TRUE(there);
}

TEST(asio_use_goroutine, knows_the_executor_that_is_bound_to_it) {
  asio_thread io;
  const auto strand = asio::make_strand(io.io_context());
  bool there = false;
  const auto run = [&](auto&& token) {
    return asio::async_initiate<decltype(token), void()>(
        [&](auto handler) {
          EXPECT_FALSE(strand.running_in_this_thread());
          const auto on = asio::get_associated_executor(handler);
          asio::post(on, [&there, strand, h = std::move(handler)]() mutable {
            there = strand.running_in_this_thread();
            std::move(h)();
          });
        },
        token);
  };
  run(asio::bind_executor(strand, use_goroutine(background())));
  EXPECT_TRUE(there);
  there = false;
  run(asio::bind_executor(strand, use_goroutine));
  EXPECT_TRUE(there);
}

TEST(asio_use_goroutine, lets_one_read_and_another_write_a_socket_by_its_executor) {
  test_runtime rt;
  asio_thread io;
  auto [near, far] = connected(io);
  const auto both = [&](tcp::socket& s) {
    downhaul::wait_group wg;
    wg.go([&] {
      for (int i = 0; i < 100; ++i)
        asio::async_write(s, asio::buffer(&i, sizeof i), use_goroutine.on(io.get_executor()));
    });
    wg.go([&] {
      for (int i = 0; i < 100; ++i) {
        int got = -1;
        asio::async_read(s, asio::buffer(&got, sizeof got), use_goroutine.on(io.get_executor()));
        EXPECT_EQ(got, i);
      }
    });
    wg.wait();
  };
  rt.go([&, &s = far] { both(s); });
  rt.run([&, &s = near] { both(s); });
  downhaul_test::await_no_goroutines();
}

TEST(asio_use_goroutine, allocates_nothing_without_a_context_that_can_end) {
  asio_thread io;
  auto [near, far] = connected(io);
  std::array<char, 1> into;
  const auto turn = [&, &from = near, &to = far](const auto& token) {
    from.async_write_some(asio::buffer("x", 1), token);
    to.async_read_some(asio::buffer(into), token);
  };
  turn(use_goroutine);
  const long before = downhaul_test::allocations();
  turn(use_goroutine);
  turn(use_goroutine(background()));
  EXPECT_EQ(downhaul_test::allocations(), before);
  auto [ctx, cancel] = with_cancel(background());
  const long with_context = downhaul_test::allocations();
  turn(use_goroutine(ctx));
  EXPECT_LE(downhaul_test::allocations(), with_context + 2);  // the slot, of two operations
}

}  // namespace
