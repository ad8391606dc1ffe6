// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// time/timer_entry.hpp — what is armed on a clock, and who sleeps until a clock has work.
//
// Firing     Whoever serves the clock pops the entry and calls try_ref under the queue's lock, then
//            fire outside it. try_ref false: the owner is dying or was woken otherwise; it is left
//            alone. From try_ref on the owner must stay until fire has run. An owner disarms its
//            entry before its memory goes.
#pragma once

#include <atomic>
#include <cstdint>

#include "downhaul/clock.hpp"
#include "platform/cpu.hpp"
#include "platform/monotonic.hpp"
#include "time/timer_queue.hpp"
#include "wait/thread_record.hpp"

namespace downhaul::impl {

struct timer_entry : timer_node {
  using fire_function = void (*)(timer_entry&, std::int64_t now) noexcept;
  using try_ref_function = bool (*)(timer_entry&) noexcept;

  timer_entry() noexcept = default;
  timer_entry(fire_function f, try_ref_function t) noexcept : fire{f}, try_ref{t} {}

  fire_function fire = nullptr;  // outside all locks; `now` is the server's, not before `when`
  try_ref_function try_ref = nullptr;  // under the queue's lock: no other lock, no wake
  clock* owner = nullptr;              // set by arm
};

/// Somebody asleep until the next deadline. Its memory may go as soon as its destructor returned.
struct keeper {
  using kick_function = void (*)(keeper&) noexcept;

  explicit keeper(kick_function f) noexcept : kick{f} {}
  keeper() noexcept = default;
  keeper(const keeper&) = delete;
  keeper& operator=(const keeper&) = delete;
  ~keeper() {
    // [kick] acquire: pairs with the kicker's release; nobody is inside kick any more.
    while (kicks.load(std::memory_order_acquire) != 0) cpu_pause();
  }

  /// When it will serve, in ns; INT64_MAX: not keeping, or nothing to wait for.
  std::atomic<std::int64_t> wake_at{never};
  /// Wakes it, so that it reads wake_at again. May come late, when it keeps no more.
  kick_function kick = nullptr;
  std::atomic<int> kicks{0};  // [kick] how many threads are about to call kick
};

/// The clock of the runtime running here; on a plain thread the real one.
inline clock& clock_of(const thread_record& me) noexcept {
  return me.clock != nullptr ? *me.clock : clock::real();
}
/// c.now_ns(), without a call more where it is the real one.
inline std::int64_t now_on(const clock& c) noexcept {
  return c.is_real() ? steady_now_ns() : c.now_ns();
}
inline clock& clock_of_here() noexcept { return clock_of(this_thread()); }

}  // namespace downhaul::impl
