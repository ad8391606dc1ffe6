// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// A generator: a goroutine that computes values as they are asked for, as long as anyone asks.
#include <downhaul/downhaul.hpp>

#include <iostream>
#include <utility>

namespace dh = downhaul;

// The receive end is all the caller gets. The goroutine ends with ctx; nobody has to drain anything.
dh::recv_chan<long> fibonacci(const dh::context& ctx) {
  auto out = dh::make_chan<long>();
  dh::go([ctx, out] {
    for (long a = 0, b = 1;; b += std::exchange(a, b)) out.send(ctx, a);
  });
  return out;
}

int main() {
  auto [ctx, cancel] = dh::with_cancel(dh::background());
  for (long number : fibonacci(ctx)) {
    if (number > 100) break;
    std::cout << number << ' ';
  }
  std::cout << '\n';
}  // the end of the scope cancels, and the generator ends

// Output:
//   0 1 1 2 3 5 8 13 21 34 55 89
