// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// A goroutine sends numbers until its context ends: one cancel stops it where it waits.
#include <downhaul/downhaul.hpp>

#include <iostream>

namespace dh = downhaul;

int main() {
  auto [ctx, cancel] = dh::with_cancel(dh::background());
  auto numbers = dh::make_chan<int>();
  dh::wait_group wg;
  wg.go([ctx, numbers] {
    for (int i = 1;; ++i) numbers.send(ctx, i);
  });

  for (int i = 0; i < 3; ++i) std::cout << *numbers.recv() << '\n';
  cancel();   // leaving the scope would do it too
  wg.wait();  // the goroutine has ended: nothing is left behind
  std::cout << ctx.err().message() << '\n';
}

// Output:
//   1
//   2
//   3
//   context canceled
