// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// A library function for callers with a context and for those without: the parameter comes first and
// background() stands for none. What is called without one, from an old callback for instance, may
// find the one of who runs there.
#include <downhaul/downhaul.hpp>

#include <iostream>
#include <string>

namespace dh = downhaul;
using namespace std::chrono_literals;

// The library.
std::string fetch(const dh::context& ctx, const std::string& what) {
  ctx.check();
  dh::sleep(ctx, 1ms);
  return what;
}
std::string fetch(const std::string& what) { return fetch(dh::current_context(), what); }

int main() {
  std::cout << fetch("without a context") << '\n';
  auto [ctx, cancel] = dh::with_timeout(dh::background(), 1h);
  std::cout << fetch(ctx, "with a context") << '\n';
  cancel();
  try {
    const dh::scoped_context here{ctx};
    fetch("below a scope whose context has ended");
  } catch (const dh::context_error& e) {
    std::cout << e.code().message() << '\n';
  }
}

// Output:
//   without a context
//   with a context
//   context canceled
