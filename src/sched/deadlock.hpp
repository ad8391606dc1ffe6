// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// sched/deadlock.hpp — "all goroutines are asleep".
//
// Idea       While somebody is inside run(), a worker that finds its runtime quiet asks whether
//            anything in the process can still happen: another runtime, a timer, a blocking call, a
//            signal, a plain thread. If not, and still not some milliseconds later, it is over.
// Threads    Any.
#pragma once

#include <atomic>

namespace downhaul::impl {

/// The sum of runtime_core::busy_ over all runtimes.
extern std::atomic<int> busy_anywhere;

/// While one lives, something outside the goroutines may wake them: a signal subscription, a
/// blocking call.
class hold_deadlock_check {
 public:
  hold_deadlock_check() noexcept;
  ~hold_deadlock_check();
  hold_deadlock_check(const hold_deadlock_check&) = delete;
  hold_deadlock_check& operator=(const hold_deadlock_check&) = delete;
};

/// run(main)'s goroutine is between these: not its caller, who may be slow to begin and to notice the
/// end while nobody else has anything to do. `by_thread`: the caller is a plain thread.
void begin_deadlock_check(bool by_thread) noexcept;
void end_deadlock_check(bool by_thread) noexcept;
bool deadlock_check_wanted() noexcept;

/// True if nothing that is known of can wake a goroutine any more. `busy`: see runtime_core.
bool nothing_can_happen() noexcept;

/// Prints the report and aborts.
[[noreturn]] void die_of_deadlock() noexcept;

}  // namespace downhaul::impl
