// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// downhaul/pin.hpp — keep a goroutine on one thread for a while.
//
// Idea       While a pin lives, its goroutine has an OS thread to itself: thread-locals, errno and
//            locks bound to the thread stay its own across waits.
// Ownership  A scope guard for the goroutine that made it; nests, the outermost one counts. If the
//            goroutine ends while pinned, the thread ends with it.
// Threads    On the goroutine itself only. On a plain thread it does nothing.
// Cost       A thread's start, about 20 us; each wait then sleeps and wakes a thread.
// Source     Go runtime.LockOSThread. Differs: a scope; the goroutine moves to another thread.
#pragma once

namespace downhaul {

class [[nodiscard]] pin {
 public:
  /// Moves the goroutine to a thread of its own. Throws std::system_error if there is none.
  /// Cancellation: none.
  pin();
  /// The outermost one moves the goroutine back to the workers.
  ~pin();
  pin(const pin&) = delete;
  pin& operator=(const pin&) = delete;
};

}  // namespace downhaul
