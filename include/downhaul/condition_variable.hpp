// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// downhaul/condition_variable.hpp — wait until a condition that a lock guards may have come true.
//
// Idea       wait() joins a queue, unlocks, parks, and locks again. A notification wakes the oldest
//            waiter, or all that wait then; it is not kept for later ones.
// Ownership  neither copied nor moved; it may be destroyed as soon as its waiters were notified.
// Threads    goroutines and plain threads, mixed. notify_one and notify_all with or without the lock.
// Cost       a notification that finds nobody: one load. wait: one park, two turns of the lock.
// Source     Go sync.Cond; std::condition_variable_any. Unlike the latter it never wakes for no
//            reason, and wakes in order; the condition may still have changed before the lock was had.
#pragma once

#include <atomic>
#include <concepts>
#include <cstdint>
#include <system_error>

#include "downhaul/fwd.hpp"
#include "downhaul/impl/context_seam.hpp"
#include "downhaul/impl/observer.hpp"
#include "downhaul/impl/source.hpp"

namespace downhaul {

namespace impl {
struct coro_access;  // how coroutines wait for it

template <class L>
concept basic_lockable = requires(L& l) {
  l.lock();
  l.unlock();
};
}  // namespace impl

class condition_variable {
 public:
  constexpr condition_variable() noexcept = default;
  condition_variable(const condition_variable&) = delete;
  condition_variable& operator=(const condition_variable&) = delete;

  /// Wakes the one that has waited longest, if somebody waits.
  void notify_one() noexcept {
    // Q [cond]: a notifier that must find a waiter holds or held the lock after it, see the .cpp.
    if (waiting_.load(std::memory_order_relaxed) != 0) notify_slow(false);
  }
  /// Wakes all that wait now.
  void notify_all() noexcept {
    if (waiting_.load(std::memory_order_relaxed) != 0) notify_slow(true);  // Q [cond]
  }

  /// Unlocks `lock`, parks the goroutine — not its thread — until notified, and locks it again.
  /// `lock`, which the caller holds, is any lockable: a mutex, std::unique_lock, std::shared_lock.
  template <impl::basic_lockable L>
  void wait(L& lock) {
    static_cast<void>(wait_once(lock, nullptr));
  }
  /// Waits until `holds()` returns true; calls it under the lock.
  template <impl::basic_lockable L, std::predicate P>
  void wait(L& lock, P holds) {
    while (!holds()) wait(lock);
  }
  /// Cancellation: throws context_error if `ctx` has ended, whatever `holds` would say, or ends
  /// before a notification; `lock` is held again by then.
  template <impl::basic_lockable L, std::predicate P>
  void wait(L& lock, const context& ctx, P holds) {
    if (!wait_until(lock, impl::done_of(ctx), holds)) impl::throw_done(ctx);
  }
  /// Cancellation: sets `ec` to ctx.err() instead; it is clear exactly when `holds()` was true.
  template <impl::basic_lockable L, std::predicate P>
  void wait(L& lock, const context& ctx, P holds, std::error_code& ec) {
    ec.clear();
    if (!wait_until(lock, impl::done_of(ctx), holds)) ec = impl::err_of(ctx);
  }

 private:
  friend struct impl::coro_access;

  template <class L, class P>
  bool wait_until(L& lock, impl::source* done, P& holds) {
    if (done != nullptr && done->ready()) return false;
    // The condition goes first once notified: a notification that is spent on us is not dropped.
    while (!holds()) {
      if (!wait_once(lock, done)) return false;
    }
    return true;
  }
  /// False if `done` came first.
  template <class L>
  bool wait_once(L& lock, impl::source* done) {
    impl::wait_node node;
    enqueue(node, done != nullptr);
    try {
      lock.unlock();
    } catch (...) {
      withdraw(node);
      throw;
    }
    const bool notified = park(node, done);
    lock.lock();
    return notified;
  }

  void enqueue(impl::wait_node& node, bool elect) noexcept;
  void hang(impl::wait_node& node) noexcept;
  void take_off(impl::wait_node& node) noexcept;
  bool park(impl::wait_node& node, impl::source* done) noexcept;
  void withdraw(impl::wait_node& node) noexcept;
  void notify_slow(bool all) noexcept;

  std::atomic<std::uint32_t> waiting_{0};  // [cond] written under the queue's lock
  impl::wait_list queue_;  // guarded by the lock of this address, see queue_lock.hpp
};

}  // namespace downhaul
