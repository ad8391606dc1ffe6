// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// A pool of workers that stops on SIGTERM: it takes nothing new, finishes what is under way, and gives
// up what takes longer than the grace.
#include <downhaul/downhaul.hpp>

#include <atomic>
#include <csignal>
#include <iostream>

namespace dh = downhaul;
using namespace std::chrono_literals;

int main() {
  auto [serving, stop] = dh::notify_context(dh::background(), {SIGTERM});
  auto [working, give_up] = dh::with_grace(serving, 100ms);  // ends that much later
  auto jobs = dh::make_chan<std::chrono::milliseconds>();
  std::atomic<int> finished{0};
  std::atomic<int> given_up{0};

  dh::wait_group pool;
  for (int i = 0; i < 4; ++i) {
    pool.go([&, serving = serving, working = working] {
      while (const auto job = jobs.recv(serving)) {
        std::error_code ec;
        dh::sleep(working, *job, ec);
        ++(ec ? given_up : finished);
      }
    });
  }
  for (const auto takes : {1ms, 5ms, 10ms, 20ms}) jobs.send(takes);
  jobs.send(1h);  // taken by the first that is free
  std::raise(SIGTERM);
  pool.wait();
  std::cout << serving.reason() << '\n';
  std::cout << finished << " jobs finished, " << given_up << " given up\n";
}

// Output:
//   <what the signal is called>
//   4 jobs finished, 1 given up
