// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// support/held_operation.hpp — an Asio operation that ends when a test says so.
//
// Idea       held_operation op{ex};  op.async_run(token) has the signature void(error_code, int). The test calls
//            complete(), or drop() to destroy the handler; on_cancel is what the cancellation slot calls.
// Ownership  It outlives what was started on it.
// Threads    One at a time, but for started() and cancels().
#pragma once

#include <atomic>
#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/cancellation_type.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/error.hpp>
#include <boost/system/error_code.hpp>
#include <functional>
#include <memory>
#include <thread>
#include <type_traits>
#include <utility>

namespace downhaul_test {

template <class Executor>
class held_operation {
 public:
  explicit held_operation(Executor ex) : ex_{std::move(ex)} {}

  template <class Token>
  auto async_run(Token&& token) {
    return boost::asio::async_initiate<Token, void(boost::system::error_code, int)>(start{this},
                                                                                    token);
  }
  /// Calls the handler on its executor.
  void complete(boost::system::error_code ec, int value) {
    const auto handler = std::exchange(handler_, nullptr);
    if (handler) handler(ec, value);
  }
  void drop() { handler_ = nullptr; }

  void await_started() const noexcept { started_.wait(false); }
  bool started() const noexcept { return started_; }
  int cancels() const noexcept { return cancels_; }
  void await_cancel() const noexcept { cancels_.wait(0); }

  /// Called by the slot; by default it completes with operation_aborted.
  std::function<void(boost::asio::cancellation_type)> on_cancel{
      [this](boost::asio::cancellation_type) {
        complete(boost::asio::error::operation_aborted, 0);
      }};

 private:
  struct start {
    held_operation* op;

    using executor_type = Executor;
    executor_type get_executor() const noexcept { return op->ex_; }
    template <class Handler>
    void operator()(Handler&& given) const {
      auto handler = std::make_shared<std::decay_t<Handler>>(std::forward<Handler>(given));
      auto slot = boost::asio::get_associated_cancellation_slot(*handler);
      if (slot.is_connected()) {
        slot.assign([op = op](boost::asio::cancellation_type type) {
          ++op->cancels_;
          op->cancels_.notify_all();
          op->on_cancel(type);
        });
      }
      op->handler_ = [handler, ex = op->ex_](boost::system::error_code ec, int value) {
        const auto on = boost::asio::get_associated_executor(*handler, ex);
        boost::asio::dispatch(on, [handler, ec, value] { std::move (*handler)(ec, value); });
      };
      op->started_ = true;
      op->started_.notify_all();
    }
  };

  Executor ex_;
  std::function<void(boost::system::error_code, int)> handler_;
  std::atomic<bool> started_{false};
  std::atomic<int> cancels_{0};
};

}  // namespace downhaul_test
