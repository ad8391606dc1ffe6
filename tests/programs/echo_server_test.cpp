// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// examples/echo_server and all sorts of clients.

#include <gtest/gtest.h>

#include <array>
#include <boost/asio.hpp>
#include <chrono>
#include <csignal>
#include <string>

#include "downhaul/adapt/asio.hpp"
#include "downhaul/context.hpp"
#include "downhaul/wait_group.hpp"
#include "support/spawned_process.hpp"

namespace {

namespace asio = boost::asio;
using namespace std::chrono_literals;
using asio::ip::tcp;
using downhaul::use_goroutine;
using downhaul_test::spawned_process;

constexpr auto patience = 60s;  // a client that waits longer has found a mistake
constexpr auto long_idle = "60000";
constexpr auto short_idle = "50";

class server {
 public:
  explicit server(const std::string& idle, const std::string& grace = "60000")
      : process_{{DOWNHAUL_ECHO_SERVER, idle, grace}} {
    const std::string first = process_.line();
    const std::string says = "listening on ";
    EXPECT_EQ(first.substr(0, says.size()), says);
    port_ = static_cast<unsigned short>(std::stoi(first.substr(says.size())));
  }
  tcp::endpoint where() const { return {asio::ip::address_v4::loopback(), port_}; }
  /// Returns when nobody is let in any more.
  std::string begin_to_stop() {
    process_.send(SIGTERM);
    return process_.line();
  }
  /// Its last line, when it has ended well.
  std::string last_words() {
    const std::string said = process_.line();
    EXPECT_EQ(process_.end(), "exit 0");
    return said;
  }
  std::string stop() {
    begin_to_stop();
    return last_words();
  }

 private:
  spawned_process process_;
  unsigned short port_ = 0;
};

// Each of its waits ends after `patience` at the latest.
class client {
  // On the thread of Asio: a client may read and write at a time.
  auto token() const { return use_goroutine(ctx_).on(io_->get_executor()); }

 public:
  client(downhaul::asio_thread& io, const server& to) : io_{&io}, socket_{io} {
    socket_.async_connect(to.where(), use_goroutine(ctx_));
  }
  void send(const std::string& text) { asio::async_write(socket_, asio::buffer(text), token()); }
  std::string line() {
    const std::size_t n =
        asio::async_read_until(socket_, asio::dynamic_buffer(unread_), '\n', token());
    const std::string first = unread_.substr(0, n);
    unread_.erase(0, n);
    return first;
  }
  std::string echo(const std::string& text) {
    send(text);
    return line();
  }
  /// Returns when the server has closed or reset the connection; what came before that.
  std::string rest() {
    boost::system::error_code ec;
    asio::async_read(socket_, asio::dynamic_buffer(unread_),
                     use_goroutine(ctx_, ec).on(io_->get_executor()));
    EXPECT_TRUE(ec == asio::error::eof || ec == asio::error::connection_reset) << ec.message();
    return unread_;
  }
  void end_sending() { socket_.shutdown(tcp::socket::shutdown_send); }
  void reset() {
    socket_.set_option(asio::socket_base::linger{true, 0});
    socket_.close();
  }
  void close() { socket_.close(); }
  tcp::socket& socket() noexcept { return socket_; }

 private:
  downhaul::asio_thread* io_;
  downhaul::cancelable limit_{downhaul::with_timeout(downhaul::background(), patience)};
  downhaul::context ctx_{limit_.ctx};
  tcp::socket socket_;
  std::string unread_;
};

// What a client does runs in a goroutine.
class echo_server : public testing::Test {
 protected:
  downhaul::asio_thread io;
};

TEST_F(echo_server, sends_the_lines_of_many_clients_back) {
  server s{long_idle};
  downhaul::wait_group wg;
  for (int c = 0; c < 32; ++c) {
    wg.go([&, c] {
      client me{io, s};
      for (int i = 0; i < 20; ++i) {
        const std::string text = std::to_string(c) + ":" + std::to_string(i) + '\n';
        EXPECT_EQ(me.echo(text), text);
      }
    });
  }
  wg.wait();
  EXPECT_EQ(s.stop(), "ended 32, idle 0, cut short 0, failed 0");
}

TEST_F(echo_server, puts_a_line_that_comes_in_pieces_together) {
  server s{long_idle};
  client slow{io, s};
  client other{io, s};
  for (const char* piece : {"a", "b", "c"}) {
    slow.send(piece);
    EXPECT_EQ(other.echo("x\n"), "x\n");  // it does not wait for the slow one
  }
  EXPECT_EQ(slow.echo("d\ne\n"), "abcd\n");
  EXPECT_EQ(slow.line(), "e\n");
}

TEST_F(echo_server, cuts_off_who_says_nothing_and_who_does_not_finish) {
  server s{short_idle};
  client dead{io, s};
  client never_ends{io, s};
  never_ends.send("no end of line");
  EXPECT_EQ(dead.rest(), "");
  EXPECT_EQ(never_ends.rest(), "");
  EXPECT_EQ(s.stop(), "ended 0, idle 2, cut short 0, failed 0");
}

TEST_F(echo_server, cuts_off_who_never_reads) {
  server s{"200"};
  client deaf{io, s};
  const std::string much(60'000, 'x');
  const auto send_until_it_is_cut_off = [&] {
    for (;;) deaf.send(much + '\n');
  };
  EXPECT_THROW(send_until_it_is_cut_off(), boost::system::system_error);
  EXPECT_EQ(s.stop(), "ended 0, idle 1, cut short 0, failed 0");
}

TEST_F(echo_server, finishes_for_who_has_closed_his_end_only) {
  server s{long_idle};
  client half{io, s};
  half.send("one\ntwo\nthree");
  half.end_sending();
  EXPECT_EQ(half.rest(), "one\ntwo\n");
  EXPECT_EQ(s.stop(), "ended 1, idle 0, cut short 0, failed 0");
}

TEST_F(echo_server, outlives_who_resets_the_connection) {
  server s{long_idle};
  for (int i = 0; i < 20; ++i) {
    client rude{io, s};
    EXPECT_EQ(rude.echo("hello\n"), "hello\n");
    rude.send("and no");
    rude.reset();
  }
  client polite{io, s};
  EXPECT_EQ(polite.echo("still there?\n"), "still there?\n");
  polite.close();
  EXPECT_EQ(s.stop(), "ended 1, idle 0, cut short 0, failed 20");
}

TEST_F(echo_server, refuses_a_line_that_does_not_end) {
  server s{long_idle};
  client huge{io, s};
  const auto send_until_it_is_refused = [&] {
    for (const std::string much(1'000'000, 'x');;) huge.send(much);
  };
  EXPECT_THROW(send_until_it_is_refused(), boost::system::system_error);
  EXPECT_EQ(s.stop(), "ended 0, idle 0, cut short 0, failed 1");
}

TEST_F(echo_server, stands_a_flood) {
  server s{long_idle};
  client flood{io, s};
  constexpr int lines = 5'000;
  downhaul::wait_group wg;
  wg.go([&] {
    std::string text;
    for (int i = 0; i < lines; ++i) text += std::to_string(i) + '\n';
    flood.send(text);
  });
  for (int i = 0; i < lines; ++i) ASSERT_EQ(flood.line(), std::to_string(i) + '\n');
  wg.wait();
}

TEST_F(echo_server, lets_those_inside_finish_when_it_is_stopped) {
  server s{long_idle};
  client inside{io, s};
  EXPECT_EQ(inside.echo("before\n"), "before\n");
  EXPECT_EQ(s.begin_to_stop(), "draining 1");
  EXPECT_EQ(inside.echo("after\n"), "after\n");
  EXPECT_THROW((client{io, s}), boost::system::system_error);  // refused
  inside.close();
  EXPECT_EQ(s.last_words(), "ended 1, idle 0, cut short 0, failed 0");
}

TEST_F(echo_server, cuts_off_who_is_inside_when_the_grace_is_over) {
  server s{long_idle, "50"};
  client inside{io, s};
  EXPECT_EQ(inside.echo("before\n"), "before\n");
  EXPECT_EQ(s.stop(), "ended 0, idle 0, cut short 1, failed 0");
  EXPECT_EQ(inside.rest(), "");
}

}  // namespace
