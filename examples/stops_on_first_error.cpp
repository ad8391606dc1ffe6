// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// Three stages, each waiting for the next when it is slower. The first failure of any of them ends
// them all, and is what wait() throws.
#include <downhaul/downhaul.hpp>

#include <iostream>
#include <stdexcept>
#include <string>

namespace dh = downhaul;

int main() {
  auto lines = dh::make_chan<std::string>(4);
  auto numbers = dh::make_chan<int>(4);
  int sum = 0;

  dh::group stages{dh::background()};
  stages.go([&](const dh::context& ctx) {
    for (int i = 1;; ++i) lines.send(ctx, i == 100 ? "many" : std::to_string(i));
  });
  stages.go([&](const dh::context& ctx) {
    while (const auto line = lines.recv(ctx)) {
      if (line->find_first_not_of("0123456789") != std::string::npos) {
        throw std::runtime_error{"not a number: " + *line};
      }
      numbers.send(ctx, std::stoi(*line));
    }
  });
  stages.go([&](const dh::context& ctx) {
    while (const auto n = numbers.recv(ctx)) sum += *n;
  });

  try {
    stages.wait();
  } catch (const std::runtime_error& e) {
    std::cout << e.what() << '\n';
  }
  std::cout << "the context says: " << stages.ctx().reason() << '\n';
  std::cout << "summed up until then: " << sum << '\n';
}

// Output:
//   not a number: many
//   the context says: not a number: many
//   summed up until then: <n>
