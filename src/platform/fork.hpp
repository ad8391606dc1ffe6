// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// Idea       what happens to a process that used the library and then forked: its workers are gone,
//            so the child must not use it (exec is fine).
// Threads    any.
// Cost       forked(): one load.

#pragma once

#include <atomic>

namespace downhaul::impl {

extern std::atomic<bool> forked_flag;

/// From now on a fork marks the child. To be called before the first thread of the library starts;
/// calling it again does nothing.
void watch_forks() noexcept;

/// True in a child forked after watch_forks().
inline bool forked() noexcept {
  // Written only while the child has a single thread: program order suffices.
  return forked_flag.load(std::memory_order_relaxed);
}

[[noreturn]] void abort_forked() noexcept;

/// Aborts with "used after fork" in such a child.
inline void abort_if_forked() noexcept {
  if (forked()) [[unlikely]]
    abort_forked();
}

}  // namespace downhaul::impl
