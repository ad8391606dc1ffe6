// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// Memory: bytes for one of a hundred thousand, whether rounds of making and cancelling leave any, and
// whether stacks are given back after a burst. Each row is run alone in a fresh process, for it reads
// how much of that process is in RAM.
#include <algorithm>
#include <chrono>
#include <cstring>
#include <downhaul/downhaul.hpp>
#include <string>
#include <vector>

#include "rows.hpp"

namespace dh = downhaul;
using namespace std::chrono_literals;

namespace {

constexpr std::size_t many = 100'000;

// What `make` adds for each element of a vector that was there before.
template <class T, class Make>
void bytes_of(const std::string& what, Make make) {
  if (!bench::want("memory_bytes", what)) return;
  std::vector<T> kept(many);
  make(kept[0]);  // what is set up once is not counted
  const double before = bench::rss();
  for (auto& k : kept) make(k);
  bench::emit("memory_bytes", what, {(bench::rss() - before) / static_cast<double>(many)}, "B");
}

struct nothing {};

void elements() {
  static const auto root = dh::with_cancel(dh::background());
  static constexpr dh::key<std::int64_t> number{"number"};
  bytes_of<dh::cancelable>("with_cancel", [](auto& kept) { kept = dh::with_cancel(root.ctx); });
  bytes_of<dh::cancelable>("with_timeout",
                           [](auto& kept) { kept = dh::with_timeout(root.ctx, 1h); });
  bytes_of<dh::context>(
      "with_value", [](auto& kept) { kept = dh::with_value(root.ctx, number, std::int64_t{1}); });
  bytes_of<dh::registration>("after_func",
                             [](auto& kept) { kept = dh::after_func(root.ctx, [] {}); });
  bytes_of<dh::timer>("timer", [](auto& kept) { kept = dh::timer{1h}; });
  bytes_of<dh::timer>("timer of a function", [](auto& kept) { kept = dh::timer{1h, [] {}}; });
  bytes_of<dh::chan<std::int64_t>>("chan cap 0",
                                   [](auto& kept) { kept = dh::make_chan<std::int64_t>(); });
  bytes_of<dh::chan<std::int64_t>>("chan cap 16", [](auto& kept) {
    kept = dh::make_chan<std::int64_t>(16);
    for (int i = 0; i < 16; ++i) kept.send(i);
  });
  bytes_of<nothing>("goroutine, parked", [](auto&) {
    static auto never = dh::make_chan<void>();
    dh::go([] { never.recv(); });
    dh::yield();
  });
}

// What the second million of rounds adds to what the first has left.
void rounds() {
  const auto root = dh::with_cancel(dh::background());
  const auto million = [&] {
    for (int i = 0; i < 1'000'000; ++i) {
      auto [ctx, cancel] = dh::with_cancel(root.ctx);
      cancel();
    }
    return bench::rss();
  };
  const double before = million();
  bench::emit("memory_rounds", "1e6 create + cancel", {million() - before}, "B");
}

void touch_stack() {
  volatile char used[16 * 1024];
  std::memset(const_cast<char*>(used), 1, sizeof used);
  bench::keep(used[sizeof used / 2]);
}

// A hundred thousand goroutines touch 16 KiB of stack each, all at the same time, and end.
void burst() {
  const double before = bench::rss();
  {
    auto end = dh::make_chan<void>();
    dh::wait_group ready;
    dh::wait_group ended;
    ready.add(many);
    for (std::size_t i = 0; i < many; ++i) {
      ended.go([&ready, end] {
        touch_stack();
        ready.done();
        end.recv();
      });
    }
    ready.wait();
    const auto each = [&] { return (bench::rss() - before) / static_cast<double>(many); };
    bench::emit("memory_burst", "at its height", {each()}, "B/goroutine");
    end.close();
    ended.wait();
    bench::emit("memory_burst", "at its end", {each()}, "B/goroutine");
    dh::sleep(1s);
    bench::emit("memory_burst", "1 s later", {each()}, "B/goroutine");
    dh::sleep(4s);
    bench::emit("memory_burst", "5 s later", {each()}, "B/goroutine");
  }
}

void rows() {
  elements();
  if (bench::want("memory_rounds", "1e6 create + cancel")) rounds();
  if (bench::want("memory_burst", "-")) burst();
}

}  // namespace

int main(int argc, char** argv) {
  bench::init("downhaul", argc, argv);
  {
    dh::runtime rt{{.workers = bench::workers}};
    rt.run(rows);
  }
  std::fflush(stdout);
  std::_Exit(0);  // what was to stay parked still is
}
