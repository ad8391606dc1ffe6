// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// An Asio operation that a thread waits for, with each of the thread's allocations failing in turn: either
// it throws and was not started, or it goes on and its cancel is tried again.

#include <gtest/gtest.h>

#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <new>
#include <system_error>

#include "downhaul/adapt/asio/asio_thread.hpp"
#include "downhaul/adapt/asio/bind_context.hpp"
#include "downhaul/adapt/asio/use_goroutine.hpp"
#include "downhaul/chan.hpp"
#include "downhaul/context.hpp"
#include "support/failing_allocations.hpp"

namespace {

using namespace std::chrono_literals;

TEST(asio_allocation, that_fails_neither_hangs_nor_loses_a_wait_and_its_cancel) {
  downhaul::asio_thread io;
  int thrown = 0;
  int ended = 0;
  for (long nth = 1;; ++nth) {
    boost::asio::steady_timer timer{io, 1h};
    auto [ctx, cancel] = downhaul::with_timeout(downhaul::background(), 1ms);
    std::error_code ec;
    bool failed = false;
    try {
      const downhaul_test::fail_allocation fault{nth};
      timer.async_wait(downhaul::use_goroutine(ctx, ec));
      failed = fault.has_failed();
      ++ended;
      EXPECT_EQ(ec, downhaul::errc::deadline_exceeded);
    } catch (const std::bad_alloc&) {
      failed = true;
      ++thrown;
    }
    if (!failed) break;
  }
  EXPECT_GE(thrown, 1);  // the slot
  EXPECT_GE(ended, 2);   // the request that was tried again; and when none failed
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
