// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// sync/queue_lock.hpp — the locks that guard the queues of mutexes, wait groups and their like.
//
// Idea       The lock of an object's queue is not in the object: it is one of a fixed number, chosen
//            by the object's address. So the object stays small, and letting go of the lock touches
//            nothing that a waiter who was just released might have destroyed meanwhile.
// Ownership  static, never destroyed.
// Threads    any. Nothing is taken inside, and nobody takes two.
// Cost       as any lock. Two busy objects share one in 1 of 64 cases; sections are a few lines.
#pragma once

#include "platform/mutex.hpp"
#include "wait/context_wait.hpp"
#include "wait/waiter.hpp"

namespace downhaul::impl {

using queue_mutex = ranked_mutex<rank::sync>;

queue_mutex& queue_lock_of(const void* object) noexcept;

/// Takes the first node off `queue` whose waiter has not been decided by another source, and elects
/// it; null if there is none. Under the queue's lock; the caller notifies after it.
inline wait_node* take_elected(wait_list& queue) noexcept {
  while (wait_node* n = queue.pop_front()) {
    if (!n->elect || n->who->try_win(*n)) return n;  // [elect] a loser stays off: its context ended
  }
  return nullptr;
}

/// True if `done` (null: never) has ended by now.
inline bool has_ended(source* done) noexcept { return done != nullptr && done->ready(); }

}  // namespace downhaul::impl
