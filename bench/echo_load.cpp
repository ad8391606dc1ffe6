// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// The client of the echo rows, the same for ours and the rivals: one thread, so many connections, each with one
// message of 64 bytes on its way.
//
//   bench_echo_load PORT CONNECTIONS MILLISECONDS    prints: ns for each message, p50 and p99 of its way in ns
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <vector>

namespace {

using clock_type = std::chrono::steady_clock;
constexpr std::size_t message = 64;

struct connection {
  int fd = -1;
  std::size_t got = 0;
  clock_type::time_point sent;
};

[[noreturn]] void fail(const char* what) {
  std::perror(what);
  std::exit(1);
}

int connect_to(int port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(static_cast<std::uint16_t>(port));
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof to) != 0) fail("connect");
  const int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return fd;
}

void send_to(connection& c) {
  static const std::array<char, message> text{};
  c.got = 0;
  c.sent = clock_type::now();
  if (::send(c.fd, text.data(), text.size(), MSG_NOSIGNAL) != ssize_t{message}) fail("send");
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 4) return 2;
  const int port = std::atoi(arguments[1]);
  std::vector<connection> all(static_cast<std::size_t>(std::atoi(arguments[2])));
  const std::chrono::milliseconds lasts{std::atoi(arguments[3])};

  const int epoll = ::epoll_create1(0);
  for (connection& c : all) {
    c.fd = connect_to(port);
    epoll_event interest{};
    interest.events = EPOLLIN;
    interest.data.ptr = &c;
    if (::epoll_ctl(epoll, EPOLL_CTL_ADD, c.fd, &interest) != 0) fail("epoll_ctl");
  }
  std::vector<std::int64_t> times;
  times.reserve(1 << 20);
  for (connection& c : all) send_to(c);
  const auto warm = clock_type::now() + lasts / 10;
  auto begun = clock_type::now();
  const auto end = warm + lasts;
  std::array<epoll_event, 64> ready{};
  for (auto now = begun; now < end;) {
    const int n = ::epoll_wait(epoll, ready.data(), static_cast<int>(ready.size()), 1000);
    if (n <= 0) fail("epoll_wait");
    for (int i = 0; i < n; ++i) {
      auto& c = *static_cast<connection*>(ready[static_cast<std::size_t>(i)].data.ptr);
      std::array<char, message> into;
      const ssize_t got = ::recv(c.fd, into.data(), message - c.got, 0);
      if (got <= 0) fail("recv");
      c.got += static_cast<std::size_t>(got);
      if (c.got < message) continue;
      now = clock_type::now();
      if (now >= warm) {
        if (times.empty()) begun = now;
        times.push_back(std::chrono::nanoseconds{now - c.sent}.count());
      }
      send_to(c);
    }
  }
  if (times.size() < 2) return 1;
  const std::chrono::nanoseconds took{clock_type::now() - begun};
  std::sort(times.begin(), times.end());
  std::printf("%.1f %.1f %.1f\n",
              static_cast<double>(took.count()) / static_cast<double>(times.size()),
              static_cast<double>(times[times.size() / 2]),
              static_cast<double>(times[times.size() * 99 / 100]));
}
