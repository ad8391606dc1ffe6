// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// A million contexts below one root, all ended by one call.
// The number can be given: million_contexts 10000
#include <downhaul/downhaul.hpp>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <vector>

namespace dh = downhaul;

int main(int argc, char** argv) {
  const int count = argc > 1 ? std::atoi(argv[1]) : 1'000'000;
  auto [root, cancel] = dh::with_cancel(dh::background());

  std::vector<dh::cancelable> children;
  children.reserve(static_cast<std::size_t>(count));
  const auto begun = std::chrono::steady_clock::now();
  for (int i = 0; i < count; ++i) children.push_back(dh::with_cancel(root));
  const auto made = std::chrono::steady_clock::now();
  cancel();
  const auto ended = std::chrono::steady_clock::now();

  const auto done = std::ranges::count_if(
      children, [](const dh::cancelable& c) { return c.ctx.err() == dh::errc::canceled; });
  const auto milliseconds = [](auto d) {
    return std::chrono::duration<double, std::milli>(d).count();
  };
  const auto each = [&](auto d) { return milliseconds(d) * 1e6 / count; };
  std::printf("%d contexts made in %.1f ms, %.0f ns each\n", count, milliseconds(made - begun),
              each(made - begun));
  std::printf("cancelled by one call in %.1f ms, %.0f ns each\n", milliseconds(ended - made),
              each(ended - made));
  std::printf("all are done: %s\n", done == count ? "yes" : "no");
}

// Output:
//   <count> contexts made in <time> ms, <time> ns each
//   cancelled by one call in <time> ms, <time> ns each
//   all are done: yes
