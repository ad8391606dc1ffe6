// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// The first program of a user: a goroutine sends numbers until its context ends.

#include <cstdio>

#if __has_include(<downhaul/downhaul.hpp>)
#include <downhaul/downhaul.hpp>

namespace dh = downhaul;

int main() {
  auto [ctx, cancel] = dh::with_cancel(dh::background());
  auto numbers = dh::make_chan<int>();
  dh::wait_group wg;
  wg.go([numbers, in = ctx] {
    for (int i = 1;; ++i) numbers.send(in, i);  // a canceled send ends the goroutine
  });

  int sum = 0;
  for (int i = 0; i < 10; ++i) sum += numbers.recv().value_or(0);
  cancel();
  wg.wait();

  const std::string_view version = dh::version();
  std::printf("downhaul %.*s: %d\n", static_cast<int>(version.size()), version.data(), sum);
  return sum == 55 && ctx.err() == dh::errc::canceled ? 0 : 1;
}
#else
#include <downhaul/version.hpp>

int main() { std::printf("downhaul %s\n", downhaul::version().data()); }
#endif
