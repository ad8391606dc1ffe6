// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// A server that sends each line back: a goroutine for each connection, which reads and writes as if it had
// a thread of its own. A client has so long to send a line and to take it back; one who dawdles is cut off.
// On SIGTERM nobody is let in any more, and those inside have the grace to finish.
//
//   echo_server [idle in ms] [grace in ms]
#include <downhaul/adapt/asio.hpp>
#include <downhaul/downhaul.hpp>

#include <array>
#include <atomic>
#include <boost/asio.hpp>
#include <csignal>
#include <cstdlib>
#include <iostream>
#include <string>

namespace dh = downhaul;
namespace asio = boost::asio;
using asio::ip::tcp;
using namespace std::chrono_literals;

namespace {

constexpr std::size_t longest_line = 64 * 1024;
constexpr int most_connections = 1000;

struct counts {
  std::atomic<int> ended{0};      // by the client
  std::atomic<int> idle{0};       // cut off for dawdling
  std::atomic<int> cut_short{0};  // by the end of the grace
  std::atomic<int> failed{0};     // reset, or a line too long
};

// Throws when the client is gone or too slow, or when `ctx` has ended.
void echo_lines(const dh::context& ctx, tcp::socket& peer, std::chrono::milliseconds idle) {
  std::string text;
  for (;;) {
    const auto [turn, end] = dh::with_timeout(ctx, idle);
    const std::size_t line = asio::async_read_until(peer, asio::dynamic_buffer(text, longest_line),
                                                    '\n', dh::use_goroutine(turn));
    asio::async_write(peer, asio::buffer(text, line), dh::use_goroutine(turn));
    text.erase(0, line);
  }
}

void serve(const dh::context& ctx, tcp::socket peer, std::chrono::milliseconds idle, counts& seen) {
  try {
    echo_lines(ctx, peer, idle);
  } catch (const dh::context_error&) {
    ++(ctx.err() ? seen.cut_short : seen.idle);
  } catch (const boost::system::system_error& e) {
    ++(e.code() == asio::error::eof ? seen.ended : seen.failed);
  }
}

int run(std::chrono::milliseconds idle, std::chrono::milliseconds grace) {
  dh::asio_thread io;
  tcp::acceptor acceptor{io, {asio::ip::address_v4::loopback(), 0}};
  std::cout << "listening on " << acceptor.local_endpoint().port() << std::endl;

  auto [serving, stop] = dh::notify_context(dh::background(), {SIGTERM, SIGINT});
  auto [working, give_up] = dh::with_grace(serving, grace);  // ends that much later
  counts seen;
  dh::semaphore room{most_connections};
  dh::wait_group connections;
  for (std::error_code ended; !ended;) {
    room.acquire(serving, 1, ended);
    if (ended) break;
    boost::system::error_code ec;
    auto peer = acceptor.async_accept(dh::use_goroutine(serving, ec));
    if (ec || !peer) {
      room.release(1);
      dh::sleep(serving, 10ms, ended);  // too many open files: some will be closed
      continue;
    }
    connections.go([&, working = working, peer = std::move(*peer)]() mutable {
      serve(working, std::move(peer), idle, seen);
      room.release(1);
    });
  }
  acceptor.close();
  std::cout << "draining " << connections.unfinished() << std::endl;
  connections.wait();
  std::cout << "ended " << seen.ended << ", idle " << seen.idle << ", cut short " << seen.cut_short
            << ", failed " << seen.failed << std::endl;
  return 0;
}

std::chrono::milliseconds argument(int count, char** arguments, int i,
                                   std::chrono::milliseconds otherwise) {
  return i < count ? std::chrono::milliseconds{std::atoi(arguments[i])} : otherwise;
}

}  // namespace

int main(int count, char** arguments) {
  const auto idle = argument(count, arguments, 1, 30s);
  const auto grace = argument(count, arguments, 2, 5s);
  return dh::run([=] { return run(idle, grace); });
}
