// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// Idea       a 32-bit word that threads sleep on. std::atomic::wait has no deadline, this has.
// Ownership  the caller's word; it may be freed as soon as nobody waits on it. A wake on a word
//            that is gone already is harmless: it wakes nobody, or somebody who looks again.
// Threads    all functions may be called concurrently.
// Cost       one system call each: 0.25 us for a wake without a sleeper, 8 to 14 us with one.
// Source     futex(2), private futexes; FUTEX_WAIT_BITSET takes an absolute CLOCK_MONOTONIC time.

#pragma once

#include <atomic>
#include <cstdint>

namespace downhaul::impl {

enum class futex_result : std::uint8_t { woken, timed_out };

/// Sleeps while `word == expected`. May return for no reason: the caller looks at the word again.
void futex_wait(std::atomic<std::uint32_t>& word, std::uint32_t expected) noexcept;

/// The same until `steady_ns` nanoseconds on CLOCK_MONOTONIC. A time in the past times out at
/// once, INT64_MAX never does. `woken` may again mean "for no reason".
futex_result futex_wait_until(std::atomic<std::uint32_t>& word, std::uint32_t expected,
                              std::int64_t steady_ns) noexcept;

void futex_wake_one(std::atomic<std::uint32_t>& word) noexcept;
void futex_wake_all(std::atomic<std::uint32_t>& word) noexcept;

}  // namespace downhaul::impl
