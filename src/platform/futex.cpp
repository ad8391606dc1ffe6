// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors

#include "platform/futex.hpp"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <cerrno>
#include <climits>
#include <ctime>
#include <limits>

namespace downhaul::impl {
namespace {

constexpr std::int64_t ns_per_second = 1'000'000'000;

long futex(std::atomic<std::uint32_t>& word, int operation, std::uint32_t value,
           const timespec* timeout, std::uint32_t bits) noexcept {
  static_assert(sizeof word == sizeof(std::uint32_t));
  return ::syscall(SYS_futex, &word, operation | FUTEX_PRIVATE_FLAG, value, timeout, nullptr, bits);
}

timespec to_timespec(std::int64_t steady_ns) noexcept {
  if (steady_ns < 0) return {0, 0};
  return {static_cast<std::time_t>(steady_ns / ns_per_second),
          static_cast<long>(steady_ns % ns_per_second)};
}

}  // namespace

void futex_wait(std::atomic<std::uint32_t>& word, std::uint32_t expected) noexcept {
  futex(word, FUTEX_WAIT, expected, nullptr, 0);
}

futex_result futex_wait_until(std::atomic<std::uint32_t>& word, std::uint32_t expected,
                              std::int64_t steady_ns) noexcept {
  if (steady_ns == std::numeric_limits<std::int64_t>::max()) {
    futex_wait(word, expected);
    return futex_result::woken;
  }
  const timespec deadline = to_timespec(steady_ns);
  const long failed = futex(word, FUTEX_WAIT_BITSET, expected, &deadline, FUTEX_BITSET_MATCH_ANY);
  return failed != 0 && errno == ETIMEDOUT ? futex_result::timed_out : futex_result::woken;
}

void futex_wake_one(std::atomic<std::uint32_t>& word) noexcept {
  futex(word, FUTEX_WAKE, 1, nullptr, 0);
}

void futex_wake_all(std::atomic<std::uint32_t>& word) noexcept {
  futex(word, FUTEX_WAKE, INT_MAX, nullptr, 0);
}

}  // namespace downhaul::impl
