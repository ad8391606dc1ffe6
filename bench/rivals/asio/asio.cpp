// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// Standalone Asio steady_timer, and asio::post as the cheapest task switch.
#include <asio.hpp>
#include <memory>
#include <thread>
#include "../../rows.hpp"
using namespace bench;
using std::chrono::hours;
using std::chrono::nanoseconds;
int main(int argc, char** argv) {
  init("asio", argc, argv);
  asio::io_context io(1);
  auto far = [](std::uint64_t i) { return nanoseconds(hours(1)) + nanoseconds(i); };
  loop("timer_new_stop", "steady_timer+async_wait+cancel+run handler, 1h", [&](auto n) {
    while (n--) {
      asio::steady_timer t(io, hours(1));
      t.async_wait([](asio::error_code) {});
      t.cancel();
      io.poll();
      io.restart();
    }
  });
  loop("timer_new_stop", "same, handlers drained every 1000", [&](auto n) {
    for (std::uint64_t i = 0; i < n; ++i) {
      asio::steady_timer t(io, hours(1));
      t.async_wait([](asio::error_code) {});
      t.cancel();
      if (i % 1000 == 0) {
        io.poll();
        io.restart();
      }
    }
    io.poll();
    io.restart();
  });
  {
    asio::steady_timer t(io);
    loop("timer_reset", "expires_after+async_wait on a live timer, drained every 1000",
         [&](auto n) {
           for (std::uint64_t i = 0; i < n; ++i) {
             t.expires_after(far(i));
             t.async_wait([](asio::error_code) {});
             if (i % 1000 == 0) {
               io.poll();
               io.restart();
             }
           }
           t.cancel();
           io.poll();
           io.restart();
         });
  }
  loop("yield", "asio::post to itself", [&](auto n) {
    struct S {
      asio::io_context& io;
      std::uint64_t n;
      void operator()() {
        if (n--) asio::post(io, *this);
      }
    };
    asio::post(io, S{io, n});
    io.run();
    io.restart();
  });
  if (want("timer_1e6", "pending")) {
    const int n = 1000000;
    std::vector<double> c, r, s;
    for (int k = 0; k < 3; ++k) {
      std::vector<std::unique_ptr<asio::steady_timer>> v(n);
      std::uint64_t x = 88172645463325252ull;
      auto rnd = [&] {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        return x % 3600000000000ull;
      };
      auto t0 = now();
      for (auto& p : v) {
        p = std::make_unique<asio::steady_timer>(io, far(rnd()));
        p->async_wait([](asio::error_code) {});
      }
      auto t1 = now();
      for (auto& p : v) {
        p->expires_after(far(rnd()));
        p->async_wait([](asio::error_code) {});
      }
      io.poll();
      io.restart();
      auto t2 = now();
      for (auto& p : v) p->cancel();
      io.poll();
      io.restart();
      auto t3 = now();
      c.push_back(double(t1 - t0) / n);
      r.push_back(double(t2 - t1) / n);
      s.push_back(double(t3 - t2) / n);
    }
    emit("timer_1e6", "create", c, "ns/op");
    emit("timer_1e6", "reset", r, "ns/op");
    emit("timer_1e6", "stop", s, "ns/op");
  }
  if (want("timer_late", "1e4/s")) {
    const int n = 20000;
    std::vector<double> xs;
    std::vector<std::unique_ptr<asio::steady_timer>> v;
    auto base = std::chrono::steady_clock::now() + std::chrono::milliseconds(200);
    for (int i = 0; i < n; ++i) {
      auto due = base + std::chrono::microseconds(100) * i;
      v.push_back(std::make_unique<asio::steady_timer>(io, due));
      v.back()->async_wait([&xs, due](asio::error_code) {
        xs.push_back(
            std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - due)
                .count());
      });
    }
    io.run();
    io.restart();
    percentiles("timer_late", "1e4/s", xs);
  }
  for (long us : {50L, 1000L}) {
    if (!want("sleep_late", us == 50 ? "50us" : "1ms")) continue;
    std::vector<double> xs;
    for (int i = 0; i < 1000; ++i) {
      auto t = now();
      asio::steady_timer tm(io, std::chrono::microseconds(us));
      tm.async_wait(
          [&](asio::error_code) { xs.push_back((double(now() - t) - double(us) * 1000) / 1e3); });
      io.run();
      io.restart();
    }
    percentiles("sleep_late", us == 50 ? "50us" : "1ms", xs);
  }
}
