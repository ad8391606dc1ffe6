// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// Idea       small and fast random numbers for choosing among ready cases and victims of stealing.
//            Not for secrets.
// Ownership  a value; one per worker or thread.
// Threads    one at a time.
// Cost       1 ns a number, 8 bytes.
// Source     a Weyl sequence folded by a 64x64 -> 128 bit multiplication (the wyrand construction);
//            below() is Lemire's multiply-shift: its bias is at most n / 2^32.

#pragma once

#include <cstdint>

namespace downhaul::impl {

class random {
 public:
  /// Streams with different numbers are unrelated. With DOWNHAUL_SEED=<number> in the environment
  /// they are the same in every run.
  static random stream(std::uint64_t number) noexcept;
  explicit random(std::uint64_t seed) noexcept : state_(seed) {}

  std::uint64_t next() noexcept {
    __extension__ using wide = unsigned __int128;
    state_ += 0xa076'1d64'78bd'642f;
    const wide product = static_cast<wide>(state_) * (state_ ^ 0xe703'7ed1'a0b4'28db);
    return static_cast<std::uint64_t>(product >> 64) ^ static_cast<std::uint64_t>(product);
  }

  /// Uniform in [0, n); 0 for n == 0.
  std::uint32_t below(std::uint32_t n) noexcept {
    return static_cast<std::uint32_t>((next() >> 32) * n >> 32);
  }

 private:
  std::uint64_t state_;
};

/// DOWNHAUL_SEED, or else a number from the kernel chosen once per process.
std::uint64_t process_seed() noexcept;

}  // namespace downhaul::impl
