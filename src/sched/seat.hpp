// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// sched/seat.hpp — a thread that runs one goroutine only.
//
// Idea       A pinned goroutine has goroutine::seat set: waking it wakes its seat, and between its
//            waits the seat's thread sleeps. The thread ends when the goroutine ends or leaves.
// Ownership  The thread deletes its seat, unless the runtime was stopped while the goroutine was
//            parked: then the core keeps it, for late wake-ups find it through the goroutine.
// Threads    accept: anybody who made the goroutine runnable, under the core's protocol.
#pragma once

#include <atomic>
#include <cstdint>

#include "sched/worker.hpp"

namespace downhaul::impl {

class seat final : public worker {
 public:
  explicit seat(runtime_core& of) noexcept : worker{of, worker_kind::pinned} {}

  /// The thread's whole life; deletes the seat.
  void work() noexcept;
  /// `g` sits here and is runnable.
  void accept(goroutine& g) noexcept;
  /// Under the core's lock; the thread ends once its guest has parked.
  void tell_to_stop() noexcept;

  seat* next_seat = nullptr;  // guarded by the core's lock
  seat** link = nullptr;      // guarded by the core's lock

 private:
  enum : std::uint32_t { nobody, arrived, stop };
  goroutine* wait() noexcept;
  /// False when the goroutine is gone.
  bool run(goroutine& g) noexcept;

  goroutine* guest_ = nullptr;                // published by state_
  std::atomic<std::uint32_t> state_{nobody};  // [seat] the futex
};

}  // namespace downhaul::impl
