// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// Threads and goroutines meet on the same channels, wait groups and contexts; nothing has to be told
// which is which.
#include <downhaul/downhaul.hpp>

#include <iostream>
#include <thread>
#include <vector>

namespace dh = downhaul;

constexpr int producers = 4;
constexpr int values_each = 10'000;

int main() {
  auto [ctx, cancel] = dh::with_cancel(dh::background());
  auto values = dh::make_chan<int>();  // unbuffered: each send meets its receiver
  auto sums = dh::make_chan<long>();

  const auto produce = [values] {
    for (int i = 1; i <= values_each; ++i) values.send(i);
  };
  const auto consume = [values, sums] {
    long sum = 0;
    for (int v : values) sum += v;
    sums.send(sum);
  };

  dh::wait_group producing;
  std::vector<std::thread> threads;
  for (int i = 0; i < producers; i += 2) {
    producing.go(produce);
    producing.add();
    threads.emplace_back([&] {
      produce();
      producing.done();
    });
  }
  dh::go(consume);
  threads.emplace_back(consume);
  threads.emplace_back([ctx] { ctx.done().recv(); });  // a thread that waits for the end

  producing.wait();
  values.close();
  const long sum = *sums.recv() + *sums.recv();
  std::cout << "two goroutines and two threads have sent: " << sum << '\n';

  cancel();
  for (std::thread& t : threads) t.join();
  std::cout << "all threads have ended\n";
}

// Output:
//   two goroutines and two threads have sent: 200020000
//   all threads have ended
