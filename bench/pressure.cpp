// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// Under pressure, for as many seconds as -s says: more runnable goroutines than CPUs; a goroutine on
// each worker that computes without pause while timers and channels go on; a hundred plain threads and
// goroutines on one channel; and what doing nothing costs.
#include <time.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <downhaul/downhaul.hpp>
#include <string>
#include <thread>
#include <vector>

#include "rows.hpp"

namespace dh = downhaul;
using namespace std::chrono_literals;

namespace {

bool is_over(std::uint64_t start) { return bench::since(start) >= bench::seconds * 1e9; }

// A thousand goroutines for each worker take turns; one more notes how long it waits for its own.
void runnable() {
  const auto n = static_cast<std::size_t>(1000 * bench::workers);
  std::vector<std::uint64_t> turns(n);
  std::vector<double> waits;
  dh::wait_group wg;
  const auto start = bench::now();
  for (auto& mine : turns) {
    wg.go([&mine, start] {
      while (!is_over(start)) {
        ++mine;
        dh::yield();
      }
    });
  }
  while (!is_over(start)) {
    const auto before = bench::now();
    dh::yield();
    waits.push_back(bench::since(before) / 1e3);
  }
  wg.wait();
  std::uint64_t all = 0;
  for (const auto t : turns) all += t;
  const auto [least, most] = std::minmax_element(turns.begin(), turns.end());
  bench::emit("pressure_runnable", "a turn", {bench::since(start) / static_cast<double>(all)},
              "ns");
  bench::emit(
      "pressure_runnable", "turns, most by least",
      {static_cast<double>(*most) / static_cast<double>(std::max<std::uint64_t>(1, *least))}, "x");
  bench::percentiles("pressure_runnable", "wait for a turn", std::move(waits));
}

void computing() {
  std::atomic<bool> stop{false};
  dh::wait_group hogs;
  for (int w = 0; w < bench::workers; ++w) {
    hogs.go([&stop] {
      while (!stop.load()) bench::keep(stop);
    });
  }
  std::vector<double> late, round_trips;
  dh::wait_group wg;
  const auto start = bench::now();
  wg.go([&] {
    while (!is_over(start)) {
      const auto before = bench::now();
      dh::sleep(1ms);
      late.push_back((bench::since(before) - 1e6) / 1e3);
    }
  });
  wg.go([&] {
    auto there = dh::make_chan<int>();
    auto back = dh::make_chan<int>();
    dh::go([=] {
      for (const int v : there) back.send(v);
    });
    while (!is_over(start)) {
      const auto before = bench::now();
      there.send(1);
      back.recv();
      round_trips.push_back(bench::since(before) / 1e3);
    }
    there.close();
  });
  wg.wait();
  stop.store(true);
  hogs.wait();
  bench::percentiles("pressure_computing", "sleep 1ms late", std::move(late));
  bench::percentiles("pressure_computing", "round trip", std::move(round_trips));
}

// The same channel for threads and goroutines, each kind both sends and receives.
void threads() {
  constexpr int of_each = 50;
  auto ch = dh::make_chan<std::uint64_t>(16);
  std::atomic<std::uint64_t> sent{0};
  std::atomic<std::uint64_t> received{0};
  std::atomic<bool> stop{false};
  const auto send = [&] {
    std::uint64_t n = 0;
    while (!stop.load()) {
      ch.send(1);
      ++n;
    }
    sent += n;
  };
  const auto receive = [&] {
    std::uint64_t n = 0;
    while (ch.recv()) ++n;
    received += n;
  };
  dh::wait_group senders;
  dh::wait_group receivers;
  std::vector<std::thread> sending, receiving;
  const auto start = bench::now();
  for (int i = 0; i < of_each; ++i) {
    senders.go(send);
    receivers.go(receive);
    sending.emplace_back(send);
    receiving.emplace_back(receive);
  }
  dh::sleep(std::chrono::duration<double>{bench::seconds});
  stop.store(true);
  senders.wait();
  dh::blocking([&] {
    for (auto& t : sending) t.join();
  });
  ch.close();
  receivers.wait();
  dh::blocking([&] {
    for (auto& t : receiving) t.join();
  });
  const double took = bench::since(start);
  if (sent.load() != received.load()) std::abort();
  bench::emit("pressure_threads", "100 threads, 100 goroutines, cap 16",
              {took / static_cast<double>(received.load())}, "ns/value");
}

double cpu_ms() {
  timespec used{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
  return static_cast<double>(used.tv_sec) * 1e3 + static_cast<double>(used.tv_nsec) / 1e6;
}

// A hundred parked goroutines, and nothing that will wake them before `seconds` are over; with `ticking`
// one more that receives from a ticker. A plain thread reads the CPU time: a goroutine would have to wake
// for it. It waits half a second first, in which what has just run goes to sleep.
void idle(bool ticking) {
  auto never = dh::make_chan<void>();
  dh::wait_group parked;
  for (int i = 0; i < 100; ++i) parked.go([never] { never.recv(); });
  auto [ctx, cancel] = dh::with_cancel(dh::background());
  if (ticking) {
    parked.go([ctx = ctx] {
      const dh::ticker beat{1s};
      while (dh::select(dh::recv(ctx.done()), dh::recv(beat.chan())) == 1) {
      }
    });
  }
  const double seconds = std::max(bench::seconds, 3.0);
  const auto measured = dh::make_chan<double>(1);
  std::thread reader{[&] {
    std::this_thread::sleep_for(500ms);
    const double before = cpu_ms();
    std::this_thread::sleep_for(std::chrono::duration<double>{seconds});
    measured.send((cpu_ms() - before) / seconds);
  }};
  bench::emit("pressure_idle", ticking ? "one timer a second" : "nothing to do", {*measured.recv()},
              "ms CPU/s");
  reader.join();
  cancel();
  never.close();
  parked.wait();
}

void rows() {
  if (bench::want("pressure_runnable", "-")) runnable();
  if (bench::want("pressure_computing", "-")) computing();
  if (bench::want("pressure_threads", "-")) threads();
  if (bench::want("pressure_idle", "nothing to do")) idle(false);
  if (bench::want("pressure_idle", "one timer a second")) idle(true);
}

}  // namespace

int main(int argc, char** argv) {
  bench::init("downhaul", argc, argv);
  dh::runtime rt{{.workers = bench::workers}};
  rt.run(rows);
}
