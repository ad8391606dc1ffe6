// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// Echo over loopback: goroutines that wait for operations of Asio, each of which a context could end. Once as
// it comes, and once with each write tried without waiting first, as Go's net does.
#include <array>
#include <boost/asio.hpp>
#include <downhaul/adapt/asio.hpp>
#include <downhaul/downhaul.hpp>

#include "echo_rows.hpp"

namespace dh = downhaul;
namespace asio = boost::asio;
using asio::ip::tcp;

namespace {

// What is written at once needs no way to the thread of Asio and back.
std::size_t try_to_write(tcp::socket& peer, asio::const_buffer text) {
  boost::system::error_code ec;
  const std::size_t n = peer.write_some(text, ec);
  return ec ? 0 : n;
}

void echo(const dh::context& ctx, tcp::socket peer, bool tries) {
  peer.set_option(tcp::no_delay{true});
  peer.non_blocking(true);
  std::array<char, 4096> buffer;
  boost::system::error_code ec;
  for (;;) {
    const std::size_t n = peer.async_read_some(asio::buffer(buffer), dh::use_goroutine(ctx, ec));
    if (ec) return;
    auto text = asio::const_buffer{buffer.data(), n};
    if (tries) text += try_to_write(peer, text);
    if (text.size() == 0) continue;
    asio::async_write(peer, text, dh::use_goroutine(ctx, ec));
    if (ec) return;
  }
}

class server {
 public:
  server(dh::runtime& rt, dh::asio_thread& io, bool tries)
      : acceptor_{io, {asio::ip::address_v4::loopback(), 0}} {
    all_.add();
    rt.go([this, tries] {
      for (boost::system::error_code ec;;) {
        auto peer = acceptor_.async_accept(dh::use_goroutine(open_.ctx, ec));
        if (ec) break;
        all_.go([this, tries, peer = std::move(*peer)]() mutable {
          echo(open_.ctx, std::move(peer), tries);
        });
      }
      all_.done();
    });
  }
  server(const server&) = delete;
  server& operator=(const server&) = delete;
  ~server() {
    open_.cancel();
    all_.wait();
  }
  int port() const { return acceptor_.local_endpoint().port(); }

 private:
  tcp::acceptor acceptor_;
  dh::cancelable open_{dh::with_cancel(dh::background())};
  dh::wait_group all_;
};

}  // namespace

int main(int argc, char** argv) {
  bench::init("downhaul", argc, argv);
  dh::runtime rt{{.workers = bench::workers}};
  dh::asio_thread io;
  {
    const server waits{rt, io, false};
    bench::echo_rows(bench::echo_load_in("."), waits.port());
  }
  const server tries{rt, io, true};
  bench::echo_rows(bench::echo_load_in("."), tries.port(), ", writes tried first");
}
