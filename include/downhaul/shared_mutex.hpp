// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// downhaul/shared_mutex.hpp — many readers or one writer.
//
// Idea       a count of readers and a writer's bit in one word; two queues. A waiting writer keeps
//            new readers out; its end lets all readers in that wait then, before the next writer.
//            It is handed over, never raced for: nobody starves.
// Ownership  neither copied nor moved; may be destroyed as mutex may.
// Threads    goroutines and plain threads, mixed. It belongs to nobody. Not recursive: a reader
//            that reads again while a writer waits in between waits for ever.
// Cost       without contention one RMW each. Else one park.
// Source     Go sync.RWMutex. A standard SharedLockable: std::shared_lock, std::unique_lock; a
//            std::shared_lock of it is also the lockable that a condition_variable takes.
#pragma once

#include <atomic>
#include <cstdint>
#include <system_error>

#include "downhaul/fwd.hpp"
#include "downhaul/impl/observer.hpp"
#include "downhaul/impl/source.hpp"

namespace downhaul {

class shared_mutex {
 public:
  constexpr shared_mutex() noexcept = default;
  shared_mutex(const shared_mutex&) = delete;
  shared_mutex& operator=(const shared_mutex&) = delete;

  /// Parks the goroutine — not its thread — until it is the only holder. What happened before an
  /// earlier unlock() or unlock_shared() is visible after it.
  void lock() noexcept {
    std::uint64_t free = 0;
    // L [share] acquire: pairs with the releases of all earlier holders
    if (!state_.compare_exchange_strong(free, writer, std::memory_order_acquire,
                                        std::memory_order_relaxed)) [[unlikely]]
      static_cast<void>(lock_slow(nullptr));
  }
  /// Cancellation: throws context_error if `ctx` has ended, or ends first; then it is not locked,
  /// and readers that waited behind it come in.
  void lock(const context& ctx);
  /// Cancellation: sets `ec` to ctx.err() instead; locked exactly when `ec` is clear.
  void lock(const context& ctx, std::error_code& ec);
  bool try_lock() noexcept {
    std::uint64_t free = 0;
    // L [share] acquire: as in lock
    return state_.compare_exchange_strong(free, writer, std::memory_order_acquire,
                                          std::memory_order_relaxed);
  }
  /// Fatal if no writer has it: "sync: Unlock of unlocked RWMutex".
  void unlock() noexcept {
    std::uint64_t held = writer;
    // U [share] release: for all later holders
    if (!state_.compare_exchange_strong(held, 0, std::memory_order_release,
                                        std::memory_order_relaxed)) [[unlikely]]
      unlock_slow();
  }

  /// Parks the goroutine — not its thread — until no writer has it or waits for it. What happened
  /// before an earlier unlock() is visible after it.
  void lock_shared() noexcept {
    if (!try_lock_shared()) [[unlikely]]
      static_cast<void>(lock_shared_slow(nullptr));
  }
  /// Cancellation: throws context_error if `ctx` has ended, or ends first; then it is not locked.
  void lock_shared(const context& ctx);
  /// Cancellation: sets `ec` to ctx.err() instead; locked exactly when `ec` is clear.
  void lock_shared(const context& ctx, std::error_code& ec);
  /// False while a writer has it or waits for it.
  bool try_lock_shared() noexcept {
    std::uint64_t now = state_.load(std::memory_order_relaxed);  // the exchange decides
    while ((now & (writer | queued)) == 0) {
      // L [share] acquire: pairs with U. Ends: each turn somebody else has come or gone.
      if (state_.compare_exchange_weak(now, now + reader, std::memory_order_acquire,
                                       std::memory_order_relaxed))
        return true;
    }
    return false;
  }
  /// Fatal if no reader has it: "sync: RUnlock of unlocked RWMutex".
  void unlock_shared() noexcept {
    std::uint64_t now = state_.load(std::memory_order_relaxed);  // the exchange decides
    while (now >= reader && ((now & queued) == 0 || now >= 2 * reader)) {
      // U [share] release: for the next writer. Ends: each turn somebody else has come or gone.
      if (state_.compare_exchange_weak(now, now - reader, std::memory_order_release,
                                       std::memory_order_relaxed))
        return;
    }
    unlock_shared_slow();
  }

 private:
  // The word, 0 when free:
  //   writer   a writer has it
  //   queued   somebody waits; set and cleared under the queues' lock. While no writer has it this
  //            means that a writer waits for the readers to leave
  //   the rest counts the readers that have it
  static constexpr std::uint64_t writer = 1;
  static constexpr std::uint64_t queued = 2;
  static constexpr std::uint64_t reader = 4;

  bool lock_slow(impl::source* done) noexcept;
  bool lock_shared_slow(impl::source* done) noexcept;
  void unlock_slow() noexcept;
  void unlock_shared_slow() noexcept;
  /// See shared_mutex.cpp.
  struct queues;

  std::atomic<std::uint64_t> state_{0};  // [share]
  impl::wait_list writers_;              // guarded by the lock of this address, see queue_lock.hpp
  impl::wait_list readers_;              // guarded likewise
};

}  // namespace downhaul
