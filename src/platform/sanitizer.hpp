// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// Idea       one place that knows which sanitizer this build runs under, for GCC and Clang alike.
// Ownership  none, but for the copies that show_to_leak_checker keeps for ever.
// Threads    every function may be called from any thread.
// Cost       nothing in a plain build.
// Source     sanitizer/common_interface_defs.h, asan_interface.h, valgrind.h.

#pragma once

#include <cstddef>
#include <span>

#if defined(__SANITIZE_ADDRESS__)
#define DOWNHAUL_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define DOWNHAUL_ASAN 1
#endif
#endif
#ifndef DOWNHAUL_ASAN
#define DOWNHAUL_ASAN 0
#endif

#if defined(__SANITIZE_THREAD__)
#define DOWNHAUL_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define DOWNHAUL_TSAN 1
#endif
#endif
#ifndef DOWNHAUL_TSAN
#define DOWNHAUL_TSAN 0
#endif

#ifndef DOWNHAUL_VALGRIND
#define DOWNHAUL_VALGRIND 0
#endif

// A function that changes stacks must carry no instrumentation at all, not even function entry and
// exit: its entry would be recorded on one stack and its exit on another. Clang's
// no_sanitize("thread") keeps entry and exit, so the stronger attribute is needed there.
#if defined(__clang__)
#define DOWNHAUL_UNINSTRUMENTED                               \
  __attribute__((noinline, disable_sanitizer_instrumentation, \
                 no_sanitize("address", "thread", "undefined")))
#else
#define DOWNHAUL_UNINSTRUMENTED \
  __attribute__((noinline, no_sanitize("address", "thread", "undefined")))
#endif

// Keeps the address of a thread-local from being remembered across a switch to another thread.
#define DOWNHAUL_NOINLINE __attribute__((noinline))

#if DOWNHAUL_ASAN
#include <sanitizer/asan_interface.h>
#endif
#if DOWNHAUL_VALGRIND
#include <valgrind/valgrind.h>
#endif

namespace downhaul::impl {

#if DOWNHAUL_ASAN
/// What the words of `memory` point to counts as reachable from now on, for the leak checker. It keeps
/// a copy of them: a root region each would have it read the list of all mappings for each, and ten
/// thousand stacks of ten thousand mappings take minutes. Without memory for the copy: no effect.
void show_to_leak_checker(std::span<const std::byte> memory) noexcept;
#endif

/// Tells Valgrind that `[limit, top)` is a stack, so that a switch to it is not taken for a long jump
/// of the stack pointer. Returns the number to unregister it with.
inline unsigned valgrind_register_stack([[maybe_unused]] const void* limit,
                                        [[maybe_unused]] const void* top) noexcept {
#if DOWNHAUL_VALGRIND
  return VALGRIND_STACK_REGISTER(limit, top);
#else
  return 0;
#endif
}

inline void valgrind_unregister_stack([[maybe_unused]] unsigned number) noexcept {
#if DOWNHAUL_VALGRIND
  VALGRIND_STACK_DEREGISTER(number);
#endif
}

}  // namespace downhaul::impl
