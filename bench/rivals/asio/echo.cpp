// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// The rows of bench/echo.cpp with the coroutines of Boost.Asio: one thread runs them.
#include <array>
#include <boost/asio.hpp>
#include <thread>

#include "../../echo_rows.hpp"

namespace asio = boost::asio;
using asio::ip::tcp;

namespace {

asio::awaitable<void> echo(tcp::socket peer) {
  peer.set_option(tcp::no_delay{true});
  std::array<char, 4096> buffer;
  try {
    for (;;) {
      const std::size_t n =
          co_await peer.async_read_some(asio::buffer(buffer), asio::use_awaitable);
      co_await asio::async_write(peer, asio::buffer(buffer.data(), n), asio::use_awaitable);
    }
  } catch (const boost::system::system_error&) {
  }
}

asio::awaitable<void> serve(tcp::acceptor& acceptor) {
  for (;;) {
    tcp::socket peer = co_await acceptor.async_accept(asio::use_awaitable);
    asio::co_spawn(acceptor.get_executor(), echo(std::move(peer)), asio::detached);
  }
}

}  // namespace

int main(int argc, char** argv) {
  bench::init("asio", argc, argv);
  asio::io_context io{1};
  tcp::acceptor acceptor{io, {asio::ip::address_v4::loopback(), 0}};
  asio::co_spawn(io, serve(acceptor), asio::detached);
  std::thread runs{[&] { io.run(); }};
  bench::echo_rows(bench::echo_load_in(".."), acceptor.local_endpoint().port());
  io.stop();
  runs.join();
}
