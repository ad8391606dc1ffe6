// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// downhaul/mutex.hpp — mutual exclusion that parks goroutines, not threads.
//
// Idea       one word for the fast way, a queue in arrival order for the rest. Who comes while it is
//            free takes it, ahead of those who wait; but once somebody has waited for 1 ms it is
//            handed over in order, until the queue is empty or a wait was shorter.
// Ownership  neither copied nor moved. It may be destroyed as soon as the last unlock() has let
//            somebody else in, who knows that he is the last.
// Threads    goroutines and plain threads, mixed. It belongs to nobody: what locked it need not be
//            what unlocks it. Not recursive: locking it twice waits for another to unlock it, which
//            a checked build says on stderr. It may be held across a wait.
// Cost       lock + unlock without contention: one RMW each, 5 ns. Else at most one park a turn.
// Source     Go sync.Mutex. A standard Lockable: std::lock_guard, std::unique_lock, std::scoped_lock.
#pragma once

#include <atomic>
#include <cstdint>
#include <system_error>

#include "downhaul/fwd.hpp"
#include "downhaul/impl/observer.hpp"
#include "downhaul/impl/source.hpp"

namespace downhaul {

namespace impl {
struct coro_access;  // how coroutines wait for it
}

class mutex {
 public:
  constexpr mutex() noexcept = default;
  mutex(const mutex&) = delete;
  mutex& operator=(const mutex&) = delete;

  /// Parks the goroutine — not its thread — until it has the lock. What happened before an earlier
  /// unlock() is visible after it.
  void lock() noexcept {
    if (!take_free()) [[unlikely]]
      static_cast<void>(lock_slow(nullptr));
    note_holder();
  }
  /// Cancellation: throws context_error if `ctx` has ended, even if the mutex is free, or ends
  /// first; then it is not locked. A lock that was handed over first is kept.
  void lock(const context& ctx);
  /// Cancellation: sets `ec` to ctx.err() instead; locked exactly when `ec` is clear.
  void lock(const context& ctx, std::error_code& ec);
  /// Takes the lock if it is free. Orders nothing when it fails.
  bool try_lock() noexcept {
    if (!take_free() && !try_take(0)) return false;
    note_holder();
    return true;
  }
  /// Fatal if it is not locked: "sync: unlock of unlocked mutex".
  void unlock() noexcept {
    forget_holder();
    std::uint32_t held = locked;
    // U [lock] release: what this holder did, for the next one; fails where there is more to do
    if (!state_.compare_exchange_strong(held, 0, std::memory_order_release,
                                        std::memory_order_relaxed)) [[unlikely]]
      unlock_slow();
  }

 private:
  friend struct impl::coro_access;

  // The word, 0 when free and nobody waits:
  //   locked    set by who takes it, cleared by unlock; stays set when it is handed over
  //   queued    somebody may wait in queue_; set and cleared under the queue's lock
  //   woken     somebody was woken and has not tried yet: no need to wake another. Set by unlock,
  //             cleared by the woken
  //   starving  hand it over. Set under the queue's lock by a waiter; cleared by a holder or where
  //             the queue runs empty. starving => locked
  static constexpr std::uint32_t locked = 1;
  static constexpr std::uint32_t queued = 2;
  static constexpr std::uint32_t woken = 4;
  static constexpr std::uint32_t starving = 8;

  bool take_free() noexcept {
    std::uint32_t free = 0;
    // L [lock] acquire: pairs with U; a failure reads nothing it relies on
    return state_.compare_exchange_strong(free, locked, std::memory_order_acquire,
                                          std::memory_order_relaxed);
  }
  /// Takes it whatever else the word says, and clears `flags`. False if somebody has it.
  bool try_take(std::uint32_t flags) noexcept;
  /// False if `done` came first.
  bool lock_slow(impl::source* done) noexcept;
  bool lock_or_end(const context& ctx) noexcept;
  /// For who cannot try again once he is woken: takes the lock, or hangs `node` to be handed it (false).
  bool take_or_hang(impl::wait_node& node) noexcept;
  bool announce(std::uint32_t set, std::uint32_t clear) noexcept;
  void withdraw(impl::wait_node& node) noexcept;
  void unlock_slow() noexcept;

#ifdef DOWNHAUL_CHECKED
  void note_holder() noexcept;
  void forget_holder() noexcept;
  void report_double_lock() const noexcept;
  std::atomic<const void*> holder_{
      nullptr};  // the waiter that locked it, while it is locked; a hint
#else
  static void note_holder() noexcept {}
  static void forget_holder() noexcept {}
#endif

  std::atomic<std::uint32_t> state_{0};  // [lock]
  impl::wait_list queue_;                // guarded by the lock of this address, see queue_lock.hpp
};

}  // namespace downhaul
