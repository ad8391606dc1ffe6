// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// Whole programs of goroutines and channels, as in bench/rivals/go/sched.go; and a million parked
// goroutines released by one cancel. Rows named parked say nothing unless run alone in a fresh
// process, for they read its memory before and after.
#include <unistd.h>

#include <chrono>
#include <downhaul/coro.hpp>
#include <downhaul/downhaul.hpp>
#include <initializer_list>
#include <optional>
#include <string>
#include <vector>

#include "rows.hpp"

namespace dh = downhaul;
using sizes = std::initializer_list<std::size_t>;
using namespace std::chrono_literals;

namespace {

using numbers = dh::chan<long>;

double sieve(bool with_quit) {
  constexpr int primes = 2000;
  const auto start = bench::now();
  auto quit = dh::make_chan<void>();
  numbers in = dh::make_chan<long>();
  // Without a quit the filters stay parked after the last prime, in every rival.
  if (with_quit) {
    dh::go([out = in, quit] {
      for (long i = 2; dh::select(dh::send(out, i), dh::recv(quit)) == 0; ++i) {
      }
    });
  } else {
    dh::go([out = in] {
      for (long i = 2;; ++i) out.send(i);
    });
  }
  long p = 0;
  for (int i = 0; i < primes; ++i) {
    p = *in.recv();
    numbers out = dh::make_chan<long>();
    if (with_quit) {
      dh::go([in, out, p, quit] {
        std::optional<long> v;
        while (dh::select(dh::recv(in, v), dh::recv(quit)) == 0) {
          if (*v % p != 0 && dh::select(dh::send(out, *v), dh::recv(quit)) != 0) return;
        }
      });
    } else {
      dh::go([in, out, p] {
        for (;;) {
          const long v = *in.recv();
          if (v % p != 0) out.send(v);
        }
      });
    }
    in = out;
  }
  quit.close();
  if (p != 17389) std::abort();
  return bench::since(start) / 1e6;
}

double fan_out_and_in() {
  constexpr long n = 100'000;
  const auto start = bench::now();
  auto ch = dh::make_chan<long>(128);
  for (long i = 0; i < n; ++i) dh::go([ch, i] { ch.send(i); });
  long sum = 0;
  for (long i = 0; i < n; ++i) sum += *ch.recv();
  if (sum != n * (n - 1) / 2) std::abort();
  return bench::since(start) / 1e6;
}

void skynet(const numbers& answer, long number, long size) {
  if (size == 1) {
    answer.send(number);
    return;
  }
  auto parts = dh::make_chan<long>();
  const long part = size / 10;
  for (long i = 0; i < 10; ++i) {
    dh::go([parts, first = number + i * part, part] { skynet(parts, first, part); });
  }
  long sum = 0;
  for (int i = 0; i < 10; ++i) sum += *parts.recv();
  answer.send(sum);
}

void skynet_wg(std::uint64_t& answer, long number, long size) {
  if (size == 1) {
    answer = static_cast<std::uint64_t>(number);
    return;
  }
  dh::wait_group wg;
  std::uint64_t parts[10];
  const long part = size / 10;
  for (long i = 0; i < 10; ++i) {
    wg.go([&out = parts[i], first = number + i * part, part] { skynet_wg(out, first, part); });
  }
  wg.wait();
  answer = 0;
  for (const auto p : parts) answer += p;
}

struct parked_costs {
  std::vector<double> memory, spawn, call, all;
};

// What all that wait share.
struct parked_round {
  dh::context ctx;
  dh::wait_group ready, done;
};

// start(all) starts one that is ready, waits for the end of ctx, and is done.
template <class Start>
void park_round(std::size_t n, bool first, parked_costs& costs, Start start) {
  auto [ctx, cancel] = dh::with_cancel(dh::background());
  parked_round all{ctx, {}, {}};
  all.ready.add(static_cast<std::ptrdiff_t>(n));
  all.done.add(static_cast<std::ptrdiff_t>(n));
  const double before = bench::rss();
  const auto t0 = bench::now();
  for (std::size_t i = 0; i < n; ++i) start(all);
  all.ready.wait();
  const double spawned = bench::since(t0);
  dh::sleep(20ms);  // the last ones park
  // Only the first round starts from a bare heap.
  if (first) costs.memory.push_back((bench::rss() - before) / static_cast<double>(n));
  const auto t1 = bench::now();
  cancel();
  costs.call.push_back(bench::since(t1) / 1e6);
  all.done.wait();
  costs.all.push_back(bench::since(t1) / 1e6);
  costs.spawn.push_back(spawned / static_cast<double>(n));
}

void parked(std::size_t n) {
  const auto name = std::to_string(n);
  parked_costs costs;
  // The smallest stacks that are of use: what is not touched costs no memory, but a million of the
  // default size are a quarter of a terabyte of addresses.
  for (int r = 0; r < bench::at_most(5); ++r) {
    park_round(n, r == 0, costs, [](parked_round& all) {
      dh::go({.stack = 64 * 1024}, [&all] {
        all.ready.done();
        all.ctx.done().recv();
        all.done.done();
      });
    });
  }
  bench::emit("parked_rss", name, costs.memory, "B/goroutine");
  bench::emit("parked_spawn", name, costs.spawn, "ns/goroutine");
  bench::emit("parked_cancel_call", name, costs.call, "ms");
  bench::emit("parked_cancel_all_exited", name, costs.all, "ms");
}

// What waits for a context without a stack.
dh::task<> wait_for_end(parked_round& all) {
  all.ready.done();
  co_await all.ctx.done();
  all.done.done();
}

void parked_stackless(std::size_t n) {
  const auto name = std::to_string(n);
  parked_costs costs;
  for (int r = 0; r < bench::at_most(5); ++r) {
    park_round(n, r == 0, costs, [](parked_round& all) { dh::go(wait_for_end(all)); });
  }
  bench::emit("parked_rss_stackless", name, costs.memory, "B/goroutine");
  bench::emit("parked_spawn_stackless", name, costs.spawn, "ns/goroutine");
  bench::emit("parked_cancel_all_exited_stackless", name, costs.all, "ms");
}

void rows() {
  bench::fixed("sieve", "2000 primes, select on quit", "ms", 5, [] { return sieve(true); });
  bench::fixed("sieve", "2000 primes, plain", "ms", 5, [] { return sieve(false); });
  bench::fixed("fanout_fanin", "1e5 via chan cap 128", "ms", 7, fan_out_and_in);
  bench::fixed("skynet", "1e6 leaves", "ms", 7, [] {
    const auto start = bench::now();
    auto answer = dh::make_chan<long>();
    dh::go([answer] { skynet(answer, 0, 1'000'000); });
    if (answer.recv() != 499'999'500'000) std::abort();
    return bench::since(start) / 1e6;
  });
  bench::fixed("skynet_wg", "1e6 leaves", "ms", 7, [] {
    const auto start = bench::now();
    std::uint64_t answer = 0;
    skynet_wg(answer, 0, 1'000'000);
    if (answer != 499'999'500'000) std::abort();
    return bench::since(start) / 1e6;
  });
  for (const std::size_t n : sizes{100'000, 1'000'000}) {
    if (bench::want("parked", std::to_string(n))) parked(n);
    if (bench::want("parked_stackless", std::to_string(n))) parked_stackless(n);
  }
}

}  // namespace

int main(int argc, char** argv) {
  bench::init("downhaul", argc, argv);
  {
    dh::runtime rt{{.workers = bench::workers}};
    rt.run(rows);
  }
  std::fflush(stdout);
  _exit(0);  // the filters of the sieve are still parked
}
