// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// oneTBB task_group: spawn+join, and skynet without channels.  TBB tasks cannot block
// on each other, so there is no channel, select or parked-goroutine row; prodcons is two OS threads and
// a concurrent_bounded_queue, and the fan-in an unbounded queue that is emptied at the end.
#include <oneapi/tbb.h>
#include <thread>
#include "../../rows.hpp"
using namespace bench;
static std::uint64_t sky(long num, long size, long div) {
  if (size == 1) return std::uint64_t(num);
  std::uint64_t r[10];
  tbb::task_group g;
  for (long i = 0; i < div; ++i) {
    auto* q = r + i;
    long sub = num + i * (size / div), sz = size / div;
    g.run([=] { *q = sky(sub, sz, div); });
  }
  g.wait();
  std::uint64_t s = 0;
  for (long i = 0; i < div; ++i) s += r[i];
  return s;
}
int main(int argc, char** argv) {
  init("tbb", argc, argv);
  tbb::global_control gc(tbb::global_control::max_allowed_parallelism, std::size_t(workers));
  tbb::task_arena arena(workers);
  arena.execute([] {
    loop("spawn_join_1", "-", [](auto n) {
      tbb::task_group g;
      while (n--) {
        g.run([] {});
        g.wait();
      }
    });
    loop("spawn_join_batch", "1e5", [](auto n) {
      while (n) {
        auto k = std::min<std::uint64_t>(n, 100000);
        n -= k;
        tbb::task_group g;
        for (std::uint64_t i = 0; i < k; ++i) g.run([] {});
        g.wait();
      }
    });
    fixed("skynet_wg", "1e6 leaves", "ms", 7, [] {
      auto t = now();
      if (sky(0, 1000000, 10) != 499999500000ull) std::abort();
      return double(now() - t) / 1e6;
    });
    fixed("fanout_fanin", "1e5 via concurrent_queue", "ms", 7, [] {
      auto t = now();
      tbb::concurrent_queue<long> q;
      tbb::task_group g;
      for (long i = 0; i < 100000; ++i) g.run([&q, i] { q.push(i); });
      g.wait();
      long s = 0, v = 0;
      while (q.try_pop(v)) s += v;
      if (s != 4999950000) std::abort();
      return double(now() - t) / 1e6;
    });
    // task_group_context: TBB's cancellation tree
    loop("ctx_root_create_cancel", "-", [](auto n) {
      while (n--) {
        tbb::task_group_context c(tbb::task_group_context::isolated);
        c.cancel_group_execution();
      }
    });
  });
  for (int cap : {1, 100})
    loop("prodcons_1to1", "cap " + std::to_string(cap), [cap](auto n) {
      tbb::concurrent_bounded_queue<std::uint64_t> q;
      q.set_capacity(cap);
      std::thread t([&] {
        for (std::uint64_t i = 0; i < n; ++i) q.push(i);
      });
      std::uint64_t v = 0;
      for (std::uint64_t i = 0; i < n; ++i) q.pop(v);
      t.join();
    });
}
