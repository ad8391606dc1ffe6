// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// support/socket_pair.hpp — two sockets of Asio, connected with each other over loopback.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <utility>

namespace downhaul_test {

struct connected_pair {
  boost::asio::ip::tcp::socket near;
  boost::asio::ip::tcp::socket far;
};

inline connected_pair connected(boost::asio::io_context& io) {
  using boost::asio::ip::tcp;
  tcp::acceptor acceptor{io, {boost::asio::ip::address_v4::loopback(), 0}};
  tcp::socket near{io};
  near.connect(acceptor.local_endpoint());
  return {std::move(near), acceptor.accept()};
}

}  // namespace downhaul_test
