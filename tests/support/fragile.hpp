// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// support/fragile.hpp — an element whose moves throw when a test says so, and how many of them live.
//
// Threads    any; the fuse is one for all.
#pragma once

#include <atomic>
#include <stdexcept>
#include <utility>

namespace downhaul_test {

struct refused : std::runtime_error {
  refused() : runtime_error{"refused"} {}
};

/// Throws at the move numbered `fuse`, counted down; below zero: never.
struct fragile {
  static inline std::atomic<int> live{0};
  static inline std::atomic<int> fuse{-1};
  int value;

  explicit fragile(int v) : value{v} { ++live; }
  fragile(fragile&& other) : value{other.value} {
    burn();
    other.value = -1;
    ++live;
  }
  fragile& operator=(fragile&& other) {
    burn();
    value = std::exchange(other.value, -1);
    return *this;
  }
  ~fragile() { --live; }
  static void burn() {
    if (fuse >= 0 && fuse-- == 0) throw refused{};
  }
};

}  // namespace downhaul_test
