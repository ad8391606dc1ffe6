// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// Ten goroutines work until Ctrl-C, and the program ends when the last of them has: first by sharing
// memory (a wait group counts them), then by communicating (each sends a signal when it is through).
#include <downhaul/downhaul.hpp>

#include <chrono>
#include <csignal>
#include <cstdio>

namespace dh = downhaul;
using namespace std::chrono_literals;

void work(const dh::context& ctx) {
  for (bool done = false; !done;) {
    std::puts("Doing something...");
    dh::sleep(1s);
    dh::select(dh::recv(ctx.done(), [&] { done = true; }), dh::otherwise);
  }
}

void by_sharing_memory() {
  auto [ctx, cancel] = dh::with_cancel(dh::background());
  dh::wait_group wg;
  for (int i = 0; i < 10; ++i) wg.go([ctx] { work(ctx); });

  dh::signal_channel interrupts{SIGINT};  // unsubscribes at the end of the scope
  std::puts("press Ctrl-C");
  interrupts.recv();
  cancel();
  wg.wait();
  std::puts("the wait group is empty");
}

void by_communicating() {
  auto [ctx, cancel] = dh::with_cancel(dh::background());
  auto finished = dh::make_chan<void>();
  for (int i = 0; i < 10; ++i) {
    dh::go([ctx, finished] {
      work(ctx);
      finished.send();
    });
  }

  dh::signal_channel interrupts{SIGINT};
  std::puts("press Ctrl-C again");
  interrupts.recv();
  cancel();
  for (int i = 0; i < 10; ++i) finished.recv();
  std::puts("ten have said that they are through");
}

int main() {
  by_sharing_memory();
  by_communicating();
}

// Output:
//   20* Doing something...
//   press Ctrl-C
//   the wait group is empty
//   press Ctrl-C again
//   ten have said that they are through
