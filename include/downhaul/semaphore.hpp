// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// downhaul/semaphore.hpp — so many units, and each holder takes as many as it weighs.
//
// Idea       a count of units that are held, and a queue in arrival order. Who asks for many is not
//            overtaken by those who ask for few: while somebody waits, nobody else is let in.
// Ownership  neither copied nor moved. It may be destroyed as soon as the last release() has let
//            somebody in who knows that he is the last. Units belong to nobody: whoever likes
//            releases what another has acquired.
// Threads    every member from goroutines and plain threads, concurrently.
// Cost       a lock each, and at most one park. A release takes time for each waiter it lets in.
// Source     Go x/sync semaphore.Weighted. Differs: there is a form that waits without a context.
#pragma once

#include <cstddef>
#include <system_error>

#include "downhaul/fwd.hpp"
#include "downhaul/impl/observer.hpp"
#include "downhaul/impl/source.hpp"

namespace downhaul {

namespace impl {
class wake_list;
struct coro_access;  // how coroutines wait for it
}  // namespace impl

class semaphore {
 public:
  /// Throws misuse "semaphore: negative units" for a negative number.
  explicit semaphore(std::ptrdiff_t units);
  semaphore(const semaphore&) = delete;
  semaphore& operator=(const semaphore&) = delete;

  // All throw misuse "semaphore: negative units" for a negative n.

  /// Parks the goroutine — not its thread — until it has `n` units. More than there are in all: waits
  /// for ever, which holds up nobody else.
  void acquire(std::ptrdiff_t n = 1);
  /// Cancellation: throws context_error if `ctx` has ended, even if units are free, or ends first;
  /// then nothing is taken, and those who waited behind and fit are let in. What was granted first
  /// is kept.
  void acquire(const context& ctx, std::ptrdiff_t n = 1);
  /// Cancellation: sets `ec` to ctx.err() instead; n units are held exactly when `ec` is clear.
  void acquire(const context& ctx, std::ptrdiff_t n, std::error_code& ec);
  void acquire(const context& ctx, std::error_code& ec) { acquire(ctx, 1, ec); }
  /// Takes `n` units if they are free and nobody waits.
  bool try_acquire(std::ptrdiff_t n = 1);
  /// Gives `n` units back and lets in those who fit now, in their order. What happened before is
  /// visible to them. Throws misuse "semaphore: released more than held"; then nothing has changed.
  void release(std::ptrdiff_t n = 1);

 private:
  friend struct impl::coro_access;

  struct request : impl::wait_node {
    std::ptrdiff_t units = 0;
  };

  bool acquire_or_end(impl::source* done, std::ptrdiff_t n);
  /// Under the queue's lock: takes them if they are free and nobody waits.
  bool take_free(std::ptrdiff_t n) noexcept;
  /// Takes what `r` wants, else queues it; false: it waits.
  bool take_or_hang(request& r) noexcept;
  /// `r` has given up: takes it off, and lets in those behind it who fit.
  void withdraw(request& r) noexcept;
  /// Under the queue's lock: lets in those who fit when `free` units are.
  void let_in(std::ptrdiff_t free, impl::wake_list& granted) noexcept;

  const std::ptrdiff_t units_;
  std::ptrdiff_t held_ = 0;  // 0 ≤ held_ ≤ units_; with queue_ guarded by the queue's lock
  impl::wait_list queue_;    // of requests; the front one does not fit
};

}  // namespace downhaul
