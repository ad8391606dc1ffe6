// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// An Asio operation that a thread waits for, with each of the thread's allocations failing in turn: either
// it throws and was not started, or it goes on and its cancel is tried again.

#include <gtest/gtest.h>

#include <boost/asio/async_result.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <new>
#include <system_error>
#include <utility>

#include "downhaul/adapt/asio/asio_thread.hpp"
#include "downhaul/adapt/asio/bind_context.hpp"
#include "downhaul/adapt/asio/use_goroutine.hpp"
#include "downhaul/chan.hpp"
#include "downhaul/context.hpp"
#include "support/failing_allocations.hpp"

namespace {

using namespace std::chrono_literals;

// Waits for ever, and is cancelled as soon as it has been started.
struct wait_and_cancel {
  boost::asio::steady_timer& timer;
  const downhaul::cancel_scope& cancel;

  auto get_executor() const noexcept { return timer.get_executor(); }
  void operator()(auto handler) const {
    timer.async_wait(std::move(handler));
    cancel();
  }
};

TEST(asio_allocation, that_fails_neither_hangs_nor_loses_a_wait_and_its_cancel) {
  downhaul::asio_thread io;
  int failures = 0;
  for (long nth = 1;; ++nth) {
    boost::asio::steady_timer timer{io, 1h};
    auto [ctx, cancel] = downhaul::with_cancel(downhaul::background());
    std::error_code ec;
    const auto token = downhaul::use_goroutine(ctx, ec);
    bool failed = false;
    try {
      const downhaul_test::fail_allocation fault{nth};
      boost::asio::async_initiate<decltype(token), void(boost::system::error_code)>(
          wait_and_cancel{timer, cancel}, token);
      failed = fault.has_failed();
      EXPECT_EQ(ec, downhaul::errc::canceled);
    } catch (const std::bad_alloc&) {
      failed = true;
    }
    if (!failed) break;
    ++failures;
  }
  EXPECT_GE(failures, 2);  // the request, and its way to the executor
}

TEST(asio_allocation, that_fails_leaves_no_operation_of_a_bound_context_behind) {
  downhaul::asio_thread io;
  for (long nth = 1;; ++nth) {
    boost::asio::steady_timer timer{io, 1h};
    auto [ctx, cancel] = downhaul::with_cancel(downhaul::background());
    auto over = downhaul::make_chan<bool>(1);
    bool failed = false;
    try {
      const downhaul_test::fail_allocation fault{nth};
      timer.async_wait(downhaul::bind_context(ctx, [over](boost::system::error_code ec) {
        over.send(ec == boost::asio::error::operation_aborted);
      }));
      failed = fault.has_failed();
    } catch (const std::bad_alloc&) {
      continue;
    }
    cancel();
    EXPECT_EQ(over.recv(), true);
    if (!failed) break;
  }
}

}  // namespace
