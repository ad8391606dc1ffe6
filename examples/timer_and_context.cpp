// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// A timer and a context in one select: whichever fires first, nothing of the other is left behind.
#include <downhaul/downhaul.hpp>

#include <chrono>
#include <iostream>
#include <thread>

namespace dh = downhaul;
using namespace std::chrono_literals;

void one_second_or_done(const dh::context& ctx) {
  dh::timer delay{1s};  // stops itself on every way out
  switch (dh::select(dh::recv(delay), dh::recv(ctx.done()))) {
    case 0: std::cout << "one second passed\n"; break;
    case 1: std::cout << ctx.err().message() << '\n'; break;
  }
}

// The same with a case that owns its timer.
bool within(dh::duration limit, const dh::context& ctx) {
  return dh::select(dh::recv(dh::after(limit)), dh::recv(ctx.done())) == 1;
}

int main() {
  one_second_or_done(dh::background());

  {
    auto [ctx, cancel] = dh::with_timeout(dh::background(), 100ms);
    one_second_or_done(ctx);
  }
  {
    auto [ctx, cancel] = dh::with_cancel(dh::background());
    std::thread someone{[stop = dh::cancel_func{cancel}] { stop(); }};
    one_second_or_done(ctx);  // cancelled by another thread while this one waits
    someone.join();
    std::cout << "done within an hour: " << std::boolalpha << within(1h, ctx) << '\n';
  }
}

// Output:
//   one second passed
//   context deadline exceeded
//   context canceled
//   done within an hour: true
