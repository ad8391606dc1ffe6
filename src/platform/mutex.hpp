// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// Idea       the library's own lock: four bytes, one compare-exchange to take, one exchange to
//            give back; spins briefly, then sleeps on a futex. ranked_mutex adds a place in the
//            lock order, which checked builds enforce.
// Ownership  neither copied nor moved. It may be freed as soon as the last unlock has returned on
//            some other thread: unlock's last access to it is the exchange (see futex.hpp).
// Threads    lock and unlock on the same thread; never held over a switch of goroutines, so the
//            thread's record of held locks is the right one.
// Cost       5 ns lock + unlock without contention.
// Source     the three-state futex lock (Drepper, "Futexes are tricky", mutex2).
//
// Model      tests/models/futex_mutex.pml
//
// Lock order, first taken first:
//   registry > channel (many, by ascending address) > one context node or one timer queue
//   > run queue > the queue of one object of the sync room, or a leaf (nothing is taken inside)

#pragma once

#include <atomic>
#include <cstdint>
#include <type_traits>

#include "downhaul/impl/poison.hpp"
#include "platform/thread_annotations.hpp"

namespace downhaul::impl {

// The word:  0 free   1 held, nobody sleeps   2 held, somebody may sleep
// Set by     unlock   lock, try_lock          lock_slow
class DOWNHAUL_CAPABILITY("mutex") mutex {
 public:
  constexpr mutex() noexcept = default;
  mutex(const mutex&) = delete;
  mutex& operator=(const mutex&) = delete;

  void lock() noexcept DOWNHAUL_ACQUIRE() {
    if (!try_take()) [[unlikely]]
      lock_slow();
  }

  bool try_lock() noexcept DOWNHAUL_TRY_ACQUIRE(true) { return try_take(); }

  void unlock() noexcept DOWNHAUL_RELEASE() {
    // W [lock], read by the next holder's acquire
    if (word_.exchange(0, std::memory_order_release) == 2) [[unlikely]]
      wake_one(word_);
  }

  /// For who is going to take it again at once, and again: if somebody sleeps, waits until he has come
  /// in, or some 60 us. Without that the one who is awake would always be the first. The lock is looked
  /// at after it was given back: the caller keeps it alive.
  void unlock_and_give_way() noexcept DOWNHAUL_RELEASE();

  /// For who is about to free it and knows that nobody will come any more: returns when the last one
  /// has given it back.
  void await_free() noexcept {
    // R [lock], pairs with the exchange in unlock
    if (word_.load(std::memory_order_acquire) == 0) [[likely]]
      return;
    lock();
    unlock();
  }

#ifdef DOWNHAUL_CHECKED
  void expect_alive() const noexcept {
    impl::expect_alive(word_.load(std::memory_order_relaxed));  // any value will do
  }
#endif

 private:
  bool try_take() noexcept {
    std::uint32_t free = 0;
    // R [lock], pairs with the exchange in unlock; a failure reads nothing it relies on
    return word_.compare_exchange_strong(free, 1, std::memory_order_acquire,
                                         std::memory_order_relaxed);
  }
  void lock_slow() noexcept;
  static void wake_one(std::atomic<std::uint32_t>& word) noexcept;

  std::atomic<std::uint32_t> word_{0};
};
static_assert(sizeof(mutex) == 4);

/// Places in the lock order. Context and timers share one, and so do sync and leaf: a lock may be taken
/// only while all held ones come before it.
enum class rank : std::uint8_t { registry, channel, context, timers, run_queue, sync, leaf };

#ifdef DOWNHAUL_CHECKED
/// Aborts with a message if the calling thread may not wait for a lock of rank `r` at `lock` now.
void check_lock_order(rank r, const void* lock) noexcept;
void note_locked(rank r, const void* lock) noexcept;
void note_unlocked(rank r) noexcept;
#endif

/// Aborts if the calling thread holds a ranked lock: to be called before user code runs and before
/// stacks are switched. Does nothing outside checked builds.
#ifdef DOWNHAUL_CHECKED
void assert_no_locks_held() noexcept;
#else
inline void assert_no_locks_held() noexcept {}
#endif

/// `Owner`, if any, has check_invariants(): checked builds call it whenever the lock is given back.
template <rank R, class Owner = void>
class DOWNHAUL_CAPABILITY("mutex") ranked_mutex {
 public:
  constexpr ranked_mutex() noexcept = default;
#ifdef DOWNHAUL_CHECKED
  constexpr explicit ranked_mutex(Owner* owner) noexcept : owner_{owner} {}
#else
  constexpr explicit ranked_mutex(Owner*) noexcept {}
#endif

  void lock() noexcept DOWNHAUL_ACQUIRE() {
#ifdef DOWNHAUL_CHECKED
    mutex_.expect_alive();
    check_lock_order(R, this);
#endif
    mutex_.lock();
#ifdef DOWNHAUL_CHECKED
    note_locked(R, this);
#endif
  }

  /// Never waits, hence may be called out of order.
  bool try_lock() noexcept DOWNHAUL_TRY_ACQUIRE(true) {
#ifdef DOWNHAUL_CHECKED
    mutex_.expect_alive();
#endif
    const bool taken = mutex_.try_lock();
#ifdef DOWNHAUL_CHECKED
    if (taken) note_locked(R, this);
#endif
    return taken;
  }

  void unlock() noexcept DOWNHAUL_RELEASE() {
    note_given_back();
    mutex_.unlock();
  }

  void unlock_and_give_way() noexcept DOWNHAUL_RELEASE() {
    note_given_back();
    mutex_.unlock_and_give_way();
  }

  void await_free() noexcept { mutex_.await_free(); }

#ifndef DOWNHAUL_CHECKED
  /// For who gives a held lock to be unlocked elsewhere on the same thread: when a goroutine that
  /// waits has left its stack (waiter::park_and_unlock).
  mutex& handed_on() noexcept DOWNHAUL_RELEASE() DOWNHAUL_NO_THREAD_SAFETY_ANALYSIS {
    return mutex_;
  }
#endif

 private:
  // All that is done before the exchange: afterwards the lock may be gone.
  void note_given_back() noexcept {
#ifdef DOWNHAUL_CHECKED
    mutex_.expect_alive();
    if constexpr (!std::is_void_v<Owner>) {
      if (owner_ != nullptr) owner_->check_invariants();
    }
    note_unlocked(R);
#endif
  }

  mutex mutex_;
#ifdef DOWNHAUL_CHECKED
  Owner* owner_ = nullptr;
#endif
};

/// std::lock_guard with the annotations that Clang's analysis needs.
template <class Mutex>
class DOWNHAUL_SCOPED_CAPABILITY lock_scope {
 public:
  explicit lock_scope(Mutex& held) noexcept DOWNHAUL_ACQUIRE(held) : held_(held) { held_.lock(); }
  ~lock_scope() DOWNHAUL_RELEASE() { held_.unlock(); }
  lock_scope(const lock_scope&) = delete;
  lock_scope& operator=(const lock_scope&) = delete;

 private:
  Mutex& held_;
};

}  // namespace downhaul::impl
