// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// [lock]  The word is described in the header. L: it goes from not locked to locked, acquire. U: the
//   reverse, release, and the last touch of the object but for the queue, which is touched only
//   while somebody is known to be inside lock().
//   waiter:  A1 lock the queue; A2 set queued, provided it is locked; A3 link; unlock; park.
//   holder:  B1 sees queued: lock the queue; take the first waiter; B2 hand over (leave it locked)
//            or let go and set woken (U); unlock the queue; notify.
//   A2 fails if the holder has let go before: then the waiter tries again. Else the holder's U, an
//   exchange of the word that A2 has changed, fails, and B1 finds the link.
//   Model: tests/models/mutex_queue.pml
#include "downhaul/mutex.hpp"

#include <unistd.h>

#include "downhaul/go.hpp"
#include "downhaul/impl/context_seam.hpp"
#include "platform/cpu.hpp"
#include "platform/fatal.hpp"
#include "platform/monotonic.hpp"
#include "sched/last_words.hpp"
#include "sync/queue_lock.hpp"

namespace downhaul {

using impl::lock_scope;
using impl::queue_lock_of;

namespace {

constexpr std::int64_t patience_ns = 1'000'000;

// About 1 us: the time of a short section on another CPU, less than a park. With one CPU the holder
// cannot run meanwhile.
int spins_here() noexcept {
  static const int spins = impl::available_cpus() > 1 ? 30 : 0;
  return spins;
}

}  // namespace

bool mutex::try_take(std::uint32_t flags) noexcept {
  std::uint32_t now = state_.load(std::memory_order_relaxed);  // the exchange decides
  while ((now & locked) == 0) {
    // L [lock] acquire: pairs with U. Ends: each turn somebody else has taken or freed it.
    if (state_.compare_exchange_weak(now, (now | locked) & ~flags, std::memory_order_acquire,
                                     std::memory_order_relaxed))
      return true;
  }
  return false;
}

// A2: false if it was let go.
bool mutex::announce(std::uint32_t set, std::uint32_t clear) noexcept {
  std::uint32_t now = state_.load(std::memory_order_relaxed);  // the exchange decides
  while ((now & locked) != 0) {
    // [lock] relaxed: the link is published by the queue's lock. Ends as try_take does.
    if (state_.compare_exchange_weak(now, (now | set) & ~clear, std::memory_order_relaxed,
                                     std::memory_order_relaxed))  // [lock] as above
      return true;
  }
  return false;
}

bool mutex::lock_slow(impl::source* done) noexcept {
  for (int left = spins_here(); left > 0; --left) {
    if (try_take(0)) return true;
    impl::cpu_pause();
  }
  impl::waiter& me = impl::this_waiter();
  impl::wait_node node;
  node.who = &me;
  node.elect = done != nullptr;
#ifdef DOWNHAUL_CHECKED
  report_double_lock();
#endif
  std::int64_t since = 0;
  bool starves = false;
  std::uint32_t was_woken = 0;
  for (;;) {
    if (try_take(was_woken)) return true;
    me.prepare();
    {
      const lock_scope held{queue_lock_of(this)};
      if (!announce(queued | (starves ? starving : 0), was_woken)) continue;
      was_woken != 0 ? queue_.push_front(node) : queue_.push_back(node);
    }
    if (since == 0) since = impl::steady_now_ns();
    if (impl::park_with_source(me, node, done, impl::wait_reason::mutex_lock) ==
        impl::wait_result::done) {
      withdraw(node);
      return false;
    }
    const bool waited_long = impl::steady_now_ns() - since > patience_ns;
    if (node.ok) {  // it was handed over: we hold it
      const bool last = (state_.load(std::memory_order_relaxed) & queued) == 0;  // a hint will do
      // [lock] a flag of the holder's; orders nothing
      if (last || !waited_long) state_.fetch_and(~starving, std::memory_order_relaxed);
      return true;
    }
    was_woken = woken;
    starves = waited_long;
  }
}

bool mutex::take_or_hang(impl::wait_node& node) noexcept {
  for (;;) {
    if (try_take(0)) return true;
    const lock_scope held{queue_lock_of(this)};
    if (!announce(queued, 0)) continue;
    node.slot = this;  // not null: to be handed over
    queue_.push_back(node);
    return false;
  }
}

void mutex::withdraw(impl::wait_node& node) noexcept {
  const lock_scope held{queue_lock_of(this)};
  if (node.linked()) impl::wait_list::remove(node);
  // [lock] flags under the queue's lock; they order nothing
  if (queue_.empty()) state_.fetch_and(~(queued | starving), std::memory_order_relaxed);
}

void mutex::unlock_slow() noexcept {
  std::uint32_t now = state_.load(std::memory_order_relaxed);  // the exchange decides
  for (;;) {
    if ((now & locked) == 0) impl::fatal("sync: unlock of unlocked mutex");
    const bool nobody_to_wake = (now & queued) == 0 || (now & (woken | starving)) == woken;
    if (!nobody_to_wake) break;
    const std::uint32_t next = now & ~(locked | ((now & queued) == 0 ? starving : 0));
    // U [lock] release: pairs with L. Ends: a failure means that a waiter has come or gone.
    if (state_.compare_exchange_weak(now, next, std::memory_order_release,
                                     std::memory_order_relaxed))
      return;
  }
  impl::wait_node* next = nullptr;
  bool hand_over = false;
  {
    const lock_scope held{queue_lock_of(this)};
    next = impl::take_elected(queue_);
    const std::uint32_t none_left = queue_.empty() ? queued : 0;
    now = state_.load(std::memory_order_relaxed);  // flags: changed by holders and under this lock
    hand_over = next != nullptr && ((now & starving) != 0 || next->slot != nullptr);
    if (hand_over) {
      next->ok = true;
      state_.fetch_and(~none_left, std::memory_order_relaxed);  // [lock] a flag; notify orders
    } else {
      const std::uint32_t set = next != nullptr ? woken : 0;
      const std::uint32_t clear = locked | starving | none_left;
      if (next != nullptr) next->ok = false;
      // U [lock] release: pairs with L; the last touch. Ends: only `woken` can change meanwhile.
      while (!state_.compare_exchange_weak(now, (now & ~clear) | set, std::memory_order_release,
                                           std::memory_order_relaxed)) {
      }
    }
  }
  if (next == nullptr) return;
  next->who->notify();
  // The one who was made to wait goes first.
  if (hand_over && impl::on_goroutine()) yield();
}

bool mutex::lock_or_end(const context& ctx) noexcept {
  impl::source* const done = impl::done_of(ctx);
  if (impl::has_ended(done) || (!take_free() && !lock_slow(done))) return false;
  note_holder();
  return true;
}

void mutex::lock(const context& ctx) {
  if (!lock_or_end(ctx)) impl::throw_done(ctx);
}

void mutex::lock(const context& ctx, std::error_code& ec) {
  ec.clear();
  if (!lock_or_end(ctx)) ec = impl::err_of(ctx);
}

#ifdef DOWNHAUL_CHECKED
void mutex::note_holder() noexcept {
  holder_.store(&impl::this_waiter(), std::memory_order_relaxed);  // a hint, orders nothing
}

void mutex::forget_holder() noexcept {
  holder_.store(nullptr, std::memory_order_relaxed);  // a hint, orders nothing
}

void mutex::report_double_lock() const noexcept {
  const impl::waiter& me = impl::this_waiter();
  if (holder_.load(std::memory_order_relaxed) != &me) return;  // our own store, if it is us
  impl::write_text(STDERR_FILENO,
                   "downhaul: a mutex is locked again by the one who locked it, and waits for "
                   "another to unlock it\n");
  if (impl::on_goroutine())
    impl::describe_goroutine(static_cast<const impl::goroutine&>(me), STDERR_FILENO);
}
#endif

}  // namespace downhaul
