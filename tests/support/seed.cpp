// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors

#include "support/seed.hpp"

#include <cstdlib>
#include <random>

namespace downhaul_test {
namespace {

std::uint64_t choose() {
  if (const char* given = std::getenv("DOWNHAUL_SEED")) return std::strtoull(given, nullptr, 0);
  std::random_device entropy;
  return entropy();  // 32 bits: short enough to be typed in again
}

}  // namespace

std::uint64_t seed() {
  static const std::uint64_t chosen = choose();
  return chosen;
}

}  // namespace downhaul_test
