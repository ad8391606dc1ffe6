// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// Goroutines, channels and select: the loops of bench/rivals/go/sched.go. Whole programs are in
// whole.cpp.
#include <algorithm>
#include <vector>

#include "scenario.hpp"

namespace dh = downhaul;

namespace {

void produce_and_consume(int producers, int consumers, std::ptrdiff_t capacity, std::int64_t n) {
  auto ch = dh::make_chan<std::int64_t>(capacity);
  dh::wait_group producing;
  dh::wait_group consuming;
  for (int p = 0; p < producers; ++p) {
    producing.go([=] {
      for (std::int64_t i = 0; i < n / producers; ++i) ch.send(i);
    });
  }
  for (int c = 0; c < consumers; ++c) {
    consuming.go([=] {
      for (auto v : ch) benchmark::DoNotOptimize(v);
    });
  }
  producing.wait();
  ch.close();
  consuming.wait();
}

template <std::size_t... I>
int receive_from_any(std::vector<dh::chan<std::int64_t>>& c, std::index_sequence<I...>) {
  return dh::select(dh::recv(c[I])...);
}

template <std::size_t N>
void select_uncontended(std::int64_t n) {
  std::vector<dh::chan<std::int64_t>> c;
  for (std::size_t i = 0; i < N; ++i) c.push_back(dh::make_chan<std::int64_t>(1));
  for (std::int64_t i = 0; i < n; ++i) {
    c[static_cast<std::size_t>(i) % N].send(i);
    receive_from_any(c, std::make_index_sequence<N>{});
  }
}

template <std::size_t N>
void select_contended(std::int64_t n) {
  std::vector<dh::chan<std::int64_t>> c;
  for (std::size_t i = 0; i < N; ++i) c.push_back(dh::make_chan<std::int64_t>());
  const auto each = n / static_cast<std::int64_t>(N);
  for (std::size_t i = 0; i < N; ++i) {
    dh::go([ch = c[i], each] {
      for (std::int64_t k = 0; k < each; ++k) ch.send(k);
    });
  }
  for (std::int64_t i = 0; i < each * static_cast<std::int64_t>(N); ++i) {
    receive_from_any(c, std::make_index_sequence<N>{});
  }
}

void yield_in_turn(int goroutines, std::int64_t n) {
  dh::wait_group wg;
  for (int g = 0; g < goroutines; ++g) {
    wg.go([each = n / goroutines] {
      for (std::int64_t i = 0; i < each; ++i) dh::yield();
    });
  }
  wg.wait();
}

int register_all() {
  using bench::scenario;

  scenario("spawn_join_1", "-", [](std::int64_t n) {
    auto done = dh::make_chan<void>();
    for (std::int64_t i = 0; i < n; ++i) {
      dh::go([&done] { done.send(); });
      done.recv();
    }
  });
  scenario("spawn_join_batch", "1e5", [](std::int64_t n) {
    while (n > 0) {
      const std::int64_t k = std::min<std::int64_t>(n, 100'000);
      n -= k;
      dh::wait_group wg;
      wg.add(k);
      for (std::int64_t i = 0; i < k; ++i) dh::go([&wg] { wg.done(); });
      wg.wait();
    }
  });
  scenario("yield", "2 goroutines", [](std::int64_t n) { yield_in_turn(2, n); });
  scenario("yield", "1000 goroutines", [](std::int64_t n) { yield_in_turn(1000, n); });
  scenario("pingpong", "round trip, 2 unbuffered chans", [](std::int64_t n) {
    auto a = dh::make_chan<std::int64_t>();
    auto b = dh::make_chan<std::int64_t>();
    dh::go([=] {
      for (std::int64_t i = 0; i < n; ++i) b.send(*a.recv());
    });
    for (std::int64_t i = 0; i < n; ++i) {
      a.send(i);
      b.recv();
    }
  });
  for (const int capacity : {0, 1, 100}) {
    const std::string cap = "cap " + std::to_string(capacity);
    scenario("prodcons_1to1", cap, [=](std::int64_t n) { produce_and_consume(1, 1, capacity, n); });
    scenario("prodcons_4to4", cap, [=](std::int64_t n) { produce_and_consume(4, 4, capacity, n); });
    scenario("prodcons_100to100", cap,
             [=](std::int64_t n) { produce_and_consume(100, 100, capacity, n); });
  }
  scenario("chan_buffered_same_goroutine", "send+recv cap 1", [](std::int64_t n) {
    auto c = dh::make_chan<std::int64_t>(1);
    for (std::int64_t i = 0; i < n; ++i) {
      c.send(i);
      c.recv();
    }
  });
  scenario("chan_make", "cap 0", [](std::int64_t n) {
    for (std::int64_t i = 0; i < n; ++i) benchmark::DoNotOptimize(dh::make_chan<std::int64_t>());
  });
  scenario("chan_make", "cap 100", [](std::int64_t n) {
    for (std::int64_t i = 0; i < n; ++i) {
      benchmark::DoNotOptimize(dh::make_chan<std::int64_t>(100));
    }
  });
  scenario("select_uncontended", "2", select_uncontended<2>);
  scenario("select_uncontended", "4", select_uncontended<4>);
  scenario("select_uncontended", "8", select_uncontended<8>);
  scenario("select_default_miss", "2", [](std::int64_t n) {
    auto a = dh::make_chan<int>(1);
    auto b = dh::make_chan<int>(1);
    for (std::int64_t i = 0; i < n; ++i) dh::select(dh::recv(a), dh::recv(b), dh::otherwise);
  });
  scenario("select_contended", "2", select_contended<2>);
  scenario("select_contended", "4", select_contended<4>);
  scenario("select_contended", "8", select_contended<8>);
  scenario("select_recv_or_ctx_done", "chan recv + ctx.Done, blocking", [](std::int64_t n) {
    auto [ctx, cancel] = dh::with_cancel(dh::background());
    auto ch = dh::make_chan<std::int64_t>();
    dh::go([=] {
      for (std::int64_t i = 0; i < n; ++i) ch.send(i);
    });
    for (std::int64_t i = 0; i < n; ++i) dh::select(dh::recv(ch), dh::recv(ctx.done()));
  });
  scenario("mutex_lock_unlock", "uncontended", [](std::int64_t n) {
    dh::mutex m;
    for (std::int64_t i = 0; i < n; ++i) {
      m.lock();
      m.unlock();
    }
  });
  scenario("mutex_lock_unlock", "4 goroutines", [](std::int64_t n) {
    dh::mutex m;
    std::int64_t x = 0;
    dh::wait_group wg;
    for (int g = 0; g < 4; ++g) {
      wg.go([&m, &x, n] {
        for (std::int64_t i = 0; i < n / 4; ++i) {
          m.lock();
          ++x;
          m.unlock();
        }
      });
    }
    wg.wait();
    benchmark::DoNotOptimize(x);
  });
  return 0;
}

[[maybe_unused]] const int registered = register_all();

}  // namespace
