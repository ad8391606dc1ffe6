// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// A result or a time-out, whichever is first. The channel has room for one value, so the goroutine
// that computes it never blocks on a receiver who has left, and never leaks.
#include <downhaul/downhaul.hpp>

#include <chrono>
#include <iostream>
#include <optional>
#include <string>
#include <system_error>

namespace dh = downhaul;
using namespace std::chrono_literals;

std::string foo(const dh::context& ctx) {
  auto ch = dh::make_chan<std::string>(1);
  dh::go([ch] {
    dh::sleep(1s);
    ch.send("foo");
  });
  std::optional<std::string> result;
  switch (dh::select(dh::recv(ctx.done()), dh::recv(ch, result))) {
    case 0: throw std::system_error{ctx.err(), "foo"};
    default: return *result;
  }
}

void foo_within(dh::duration limit) {
  auto [ctx, cancel] = dh::with_timeout(dh::background(), limit);  // leaving the scope cancels
  try {
    const std::string result = foo(ctx);
    std::cout << "result: " << result << '\n';
  } catch (const std::system_error& e) {
    std::cout << "error: " << e.what() << '\n';
    if (e.code() == std::errc::timed_out) std::cout << "which the standard calls timed_out\n";
  }
}

int main() {
  foo_within(200ms);
  foo_within(3s);
}

// Output:
//   error: foo: context deadline exceeded
//   which the standard calls timed_out
//   result: foo
