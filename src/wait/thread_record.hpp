// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// wait/thread_record.hpp — what the library knows about one OS thread: "who am I", and its counts.
//
// Idea       One record per thread that ever used the library; records outlive their threads in a
//            free list (type-stable) and are taken over by later threads.
// Ownership  The list of all records; never freed.
// Threads    Fields are the thread's own, except the tallies, which others read.
// Cost       this_thread(): a call and a thread-local load. A goroutine may move at any wait: ask
//            anew after each, never keep the reference across one.
//
// Tallies    Counts of live things, written by the owning thread alone (load and store, no RMW) and
//            summed over all records by readers. A thing counted up on one thread may be counted
//            down on another: only the sum means something.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "platform/random.hpp"
#include "wait/spare_blocks.hpp"
#include "wait/waiter.hpp"

namespace downhaul {
class clock;
}

namespace downhaul::impl {

enum class tally : std::uint8_t { contexts, goroutines, timers, count };

class worker;
class coroutine;

/// Free control blocks of coroutines.
struct spare_coroutines {
  coroutine* first = nullptr;
  int count = 0;
};
/// Coroutines that go on, on this thread, when the call that woke them has let go of everything.
struct woken_coroutines {
  coroutine* first = nullptr;
  coroutine* last = nullptr;  // meaningful while first is not null
  bool resuming = false;      // further down this stack: that one takes them all
};

struct thread_record {
  thread_record() noexcept;

  running_waiter self;               // constant: this thread as a waiter
  running_waiter* current = &self;   // the goroutine running here, self, or null: scheduler's stack
  worker* at = nullptr;              // sched: the worker this thread is, if it is one
  downhaul::clock* clock = nullptr;  // time: the clock of the runtime running here; null: the real
  std::int64_t coarse_now = 0;       // sched: steady ns, refreshed now and then; 0: ask the system
  random choice;                     // for select and stealing on this thread
  spare_blocks blocks;               // for small objects that come and go
  spare_coroutines coroutines;       // sched: control blocks
  woken_coroutines woken;            // sched: of a plain thread
  bool external = true;              // sched: false for the runtime's own threads
  std::array<std::atomic<std::int64_t>, static_cast<std::size_t>(tally::count)> tallies{};
  thread_record* next_record = nullptr;  // all records; constant once published
  thread_record* next_free = nullptr;    // guarded by the free list's lock
};

/// The record of the calling thread; made on first use. Never null.
thread_record& this_thread() noexcept;

inline void count(thread_record& me, tally what, std::int64_t by) noexcept {
  auto& cell = me.tallies[static_cast<std::size_t>(what)];
  // Written by this thread alone: relaxed load and store suffice, no RMW.
  cell.store(cell.load(std::memory_order_relaxed) + by, std::memory_order_relaxed);
}
inline void count(tally what, std::int64_t by) noexcept { count(this_thread(), what, by); }

/// Sched: the calling thread is the library's own and does not count as external.
void mark_runtime_thread() noexcept;

/// Sched: the worker that the calling thread was, if it is one whose goroutine has called exit; else
/// null. Its thread does not come back to it.
worker* worker_that_exits() noexcept;

/// The sum over all threads; exact when nothing runs meanwhile.
std::int64_t total(tally what) noexcept;
/// How many plain threads (not the runtime's own) have a record in use now.
int external_threads() noexcept;
/// How many of the runtime's own have one.
int runtime_threads() noexcept;

}  // namespace downhaul::impl
