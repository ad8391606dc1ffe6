// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// A million goroutines wait for one context, each on a guarded stack of its own, and one cancel wakes
// them all. That takes about 5 GiB; with less, give a number: million_goroutines 10000
#include <downhaul/downhaul.hpp>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>

namespace dh = downhaul;
using namespace std::chrono_literals;

// Bytes that the process takes now, the kernel's page tables for it included.
double memory_in_use() {
  std::ifstream status{"/proc/self/status"};
  double kib = 0;
  for (std::string word; status >> word;) {
    if (double n = 0; (word == "VmRSS:" || word == "VmPTE:") && status >> n) kib += n;
  }
  return kib * 1024;
}

double milliseconds_since(std::chrono::steady_clock::time_point begin) {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin)
      .count();
}

int main(int argc, char** argv) {
  const int count = argc > 1 ? std::atoi(argv[1]) : 1'000'000;
  auto [ctx, cancel] = dh::with_cancel(dh::background());
  dh::wait_group wg;
  std::atomic<int> started = 0;
  const double before = memory_in_use();

  auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < count; ++i) {
    wg.go({.stack = 64 * 1024}, [&ctx, &started] {
      ++started;
      ctx.done().recv();
    });
  }
  while (started < count) dh::sleep(1ms);
  std::printf("%d goroutines started in %.0f ms, %.0f ns each\n", count, milliseconds_since(begin),
              milliseconds_since(begin) * 1e6 / count);
  std::printf("alive: %zu, %.0f bytes each\n", dh::count_goroutines(),
              (memory_in_use() - before) / count);

  begin = std::chrono::steady_clock::now();
  cancel();
  wg.wait();
  std::printf("woken by one cancel, and ended, in %.0f ms, %.0f ns each\n",
              milliseconds_since(begin), milliseconds_since(begin) * 1e6 / count);
}

// Output:
//   <count> goroutines started in <time> ms, <time> ns each
//   alive: <count>, <bytes> bytes each
//   woken by one cancel, and ended, in <time> ms, <time> ns each
