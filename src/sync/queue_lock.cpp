// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
#include "sync/queue_lock.hpp"

#include <array>
#include <cstddef>
#include <cstdint>

namespace downhaul::impl {
namespace {

constexpr unsigned bits = 6;

struct alignas(64) padded {
  queue_mutex mu;
};
constinit std::array<padded, std::size_t{1} << bits> locks;

}  // namespace

queue_mutex& queue_lock_of(const void* object) noexcept {
  // Fibonacci hashing: neighbours, and the same member of neighbouring objects, get distinct locks.
  constexpr std::uint64_t golden = 0x9E37'79B9'7F4A'7C15;
  const std::uint64_t key = reinterpret_cast<std::uintptr_t>(object) >> 3;
  return locks[(key * golden) >> (64 - bits)].mu;
}

}  // namespace downhaul::impl
