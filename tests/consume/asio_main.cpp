// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// The first program of a user of Asio: a goroutine waits for a timer until its context ends.
#include <boost/asio/steady_timer.hpp>
#include <cstdio>
#include <downhaul/adapt/asio.hpp>
#include <downhaul/downhaul.hpp>

namespace dh = downhaul;
using namespace std::chrono_literals;

int main() {
  dh::asio_thread io;
  return dh::run([&] {
    boost::asio::steady_timer timer{io, 1h};
    auto [ctx, cancel] = dh::with_timeout(dh::background(), 1ms);
    std::error_code ec;
    timer.async_wait(dh::use_goroutine(ctx, ec));
    std::puts(ec.message().c_str());
    return ec == dh::errc::deadline_exceeded ? 0 : 1;
  });
}
