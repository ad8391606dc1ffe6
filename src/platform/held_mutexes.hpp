// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// platform/held_mutexes.hpp — which of the system's mutexes a goroutine has locked.
//
// Idea       A std::mutex belongs to the thread that locked it, and a goroutine that waits goes on on
//            another. So checked builds put themselves before pthread_mutex_* and pthread_rwlock_*,
//            which is what the standard's mutexes call, and note what the goroutine running here locks
//            and where. The scheduler looks whenever a goroutine leaves its thread.
// Ownership  A ledger lies in the goroutine and moves with it. Entries come from a fixed store: the
//            allocator may itself lock a mutex.
// Threads    A ledger belongs to the thread that runs its goroutine.
// Cost       1 to 3 us a lock on a goroutine, for the backtrace; nothing to speak of elsewhere.
//            Checked builds only, glibc, linked dynamically.
// Source     dlsym(3), RTLD_NEXT.
#pragma once

#ifdef DOWNHAUL_CHECKED

namespace downhaul::impl {

struct held_mutex;

class mutex_ledger {
 public:
  bool empty() const noexcept { return first_ == nullptr; }
  void note_locked(const void* what, const char* kind) noexcept;
  void note_unlocked(const void* what) noexcept;
  /// Each mutex and where it was locked, to stderr.
  void print() const noexcept;

 private:
  held_mutex* first_ = nullptr;  // the last one locked
};

/// From now on what this thread locks is noted in `ledger`; null: it is nobody's.
void track_mutexes(mutex_ledger* ledger) noexcept;

}  // namespace downhaul::impl
#endif
