// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// downhaul/adapt/asio/asio_thread.hpp — an io_context and the thread that runs it.
//
// Idea       dh::asio_thread io;  tcp::socket s{io};  …  s.async_connect(to, dh::use_goroutine(ctx));
// Ownership  It outlives the objects made with it, and the goroutines that use those. Its end stops the
//            io_context, joins the thread, and destroys handlers that are left.
// Threads    One runs handlers, so that its executor is as good as a strand.
// Errors     An exception that leaves a handler ends the program.
// Cost       A thread, asleep in epoll_wait while nothing happens.
#pragma once

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <thread>

namespace downhaul {

class asio_thread {
 public:
  using executor_type = boost::asio::io_context::executor_type;

  /// Throws std::system_error, or boost's.
  asio_thread() = default;
  asio_thread(const asio_thread&) = delete;
  asio_thread& operator=(const asio_thread&) = delete;
  ~asio_thread() {
    io_.stop();
    thread_.join();
  }

  boost::asio::io_context& io_context() noexcept { return io_; }
  operator boost::asio::io_context&() noexcept { return io_; }
  executor_type get_executor() noexcept { return io_.get_executor(); }

 private:
  boost::asio::io_context io_{1};
  boost::asio::executor_work_guard<executor_type> stays_{io_.get_executor()};
  std::thread thread_{[this] { io_.run(); }};
};

}  // namespace downhaul
