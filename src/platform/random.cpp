// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors

#include "platform/random.hpp"

#include <sys/random.h>
#include <cstdlib>

#include "platform/monotonic.hpp"

namespace downhaul::impl {
namespace {

std::uint64_t mixed(std::uint64_t x) noexcept {  // the finalizer of splitmix64
  x = (x ^ (x >> 30)) * 0xbf58'476d'1ce4'e5b9;
  x = (x ^ (x >> 27)) * 0x94d0'49bb'1331'11eb;
  return x ^ (x >> 31);
}

std::uint64_t choose_seed() noexcept {
  if (const char* given = std::getenv("DOWNHAUL_SEED"); given != nullptr && *given != '\0')
    return std::strtoull(given, nullptr, 0);
  std::uint64_t seed = 0;
  if (::getrandom(&seed, sizeof seed, GRND_NONBLOCK) != sizeof seed)
    seed = static_cast<std::uint64_t>(steady_now_ns());
  return seed;
}

}  // namespace

std::uint64_t process_seed() noexcept {
  static const std::uint64_t seed = choose_seed();
  return seed;
}

random random::stream(std::uint64_t number) noexcept {
  return random{mixed(process_seed() + (number + 1) * 0x9e37'79b9'7f4a'7c15)};
}

}  // namespace downhaul::impl
