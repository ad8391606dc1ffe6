// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// impl/poison.hpp (room: platform) — what a freed object looks like in checked builds.
//
// Idea       Freed memory is filled with a word that says what it was, and is kept for a while before
//            the allocator gets it back. Whoever looks at a word that tells whether the object lives
//            (a count of references, a lock, a state) finds that word and aborts; whoever writes is
//            found when the memory leaves.
// Threads    any.
// Cost       Outside checked builds there is nothing here.
#pragma once

#ifdef DOWNHAUL_CHECKED
#include <cstddef>
#include <cstdint>

namespace downhaul::impl {

/// The upper half is the same for all; no count, lock or state ever gets there.
enum class freed : std::uint32_t {
  channel = 0xDEAD'C4A7,
  context = 0xDEAD'C073,
  callback = 0xDEAD'CA11,
  timer = 0xDEAD'71E3,
  goroutine = 0xDEAD'60E5,
  wait_node = 0xDEAD'4A17,
};

constexpr std::uint32_t poison_of(freed what) noexcept { return static_cast<std::uint32_t>(what); }
constexpr bool is_poison(std::uint32_t word) noexcept { return word >> 16 == 0xDEAD; }

/// Aborts: "<what> was used after it was freed".
[[noreturn]] void die_of_use_after_free(std::uint32_t word) noexcept;
/// Aborts: "<what> was freed while <how>".
[[noreturn]] void die_of_early_free(freed what, const char* how) noexcept;

/// For a word that the object changes while it lives.
inline void expect_alive(std::uint32_t word) noexcept {
  if (is_poison(word)) [[unlikely]]
    die_of_use_after_free(word);
}

/// operator delete for what has been destroyed. Memory of `size` bytes, from operator new with this
/// alignment.
void retire(void* place, std::size_t size, std::size_t align, freed what) noexcept;
/// Only fills it in: for memory that stays.
void poison(void* place, std::size_t size, freed what) noexcept;
/// Aborts if anybody has written to freed memory that is still kept. Returns how many bytes are.
std::size_t check_retired() noexcept;

}  // namespace downhaul::impl
#endif
