// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// [share]  The word is described in the header.
//   While `queued` is set, the fast ways in are shut, and the last holder's way out fails and leads
//   here: the word then changes only under the queues' lock, but that some of several readers leave.
//   So whoever finds it blocked and sets `queued` under that lock is seen by the last holder.
//   Who leaves last hands over before he lets go: the word goes from his to the next holders' in one
//   step, which is his last touch of the object; the lock is not in it.
//   Writers acquire all earlier holders: by the word where they take it themselves, and where it is
//   handed to them by the one who does so, who acquired the word, and by the notify.
//   Model: tests/models/shared_mutex.pml
#include "downhaul/shared_mutex.hpp"

#include "downhaul/impl/context_seam.hpp"
#include "platform/fatal.hpp"
#include "sync/queue_lock.hpp"

namespace downhaul {

using impl::lock_scope;
using impl::queue_lock_of;

// What is done under the queues' lock.
struct shared_mutex::queues {
  shared_mutex& of;
  impl::wake_list& let_in;  // to be notified after the lock

  // All waiting readers; the word's share of them.
  std::uint64_t admit_readers() noexcept {
    std::uint64_t share = 0;
    while (impl::wait_node* n = impl::take_elected(of.readers_)) {
      let_in.push(*n);
      share += reader;
    }
    return share;
  }
  // The next writer, if there is one; the word's share of it.
  std::uint64_t admit_writer() noexcept {
    impl::wait_node* const n = impl::take_elected(of.writers_);
    if (n == nullptr) return 0;
    let_in.push(*n);
    return writer;
  }
  std::uint64_t still_queued() const noexcept {
    return of.writers_.empty() && of.readers_.empty() ? 0 : queued;
  }
};

bool shared_mutex::lock_slow(impl::source* done) noexcept {
  impl::waiter& me = impl::this_waiter();
  impl::wait_node node;
  node.who = &me;
  node.elect = done != nullptr;
  me.prepare();
  {
    const lock_scope held{queue_lock_of(this)};
    std::uint64_t now = state_.load(std::memory_order_relaxed);  // the exchange decides
    while ((now & queued) == 0) {
      // [share] L acquire if it is free, else only the mark. Ends: a holder has come or gone.
      if (state_.compare_exchange_weak(now, now == 0 ? writer : now | queued,
                                       std::memory_order_acquire, std::memory_order_relaxed)) {
        if (now == 0) return true;
        break;
      }
    }
    writers_.push_back(node);
  }
  if (impl::park_with_source(me, node, done, impl::wait_reason::shared_mutex_lock) ==
      impl::wait_result::woken)
    return true;
  impl::wake_list let_in;
  {
    const lock_scope held{queue_lock_of(this)};
    if (node.linked()) impl::wait_list::remove(node);
    // Readers that waited only for this writer come in. Two readers may leave meanwhile by the fast
    // way: hence the loop; it ends, for each leaves once.
    std::uint64_t now = state_.load(std::memory_order_relaxed);  // the exchange decides
    if (writers_.empty() && (now & writer) == 0) {
      queues q{*this, let_in};
      const std::uint64_t share = q.admit_readers();
      // [share] acquire: of the last writer's release, for those let in; release: keeps the chain
      while (!state_.compare_exchange_weak(now, (now & ~queued) + share, std::memory_order_acq_rel,
                                           std::memory_order_relaxed)) {
      }
    }
  }
  let_in.notify_all();
  return false;
}

bool shared_mutex::lock_shared_slow(impl::source* done) noexcept {
  impl::waiter& me = impl::this_waiter();
  impl::wait_node node;
  node.who = &me;
  node.elect = done != nullptr;
  me.prepare();
  {
    const lock_scope held{queue_lock_of(this)};
    std::uint64_t now = state_.load(std::memory_order_relaxed);  // the exchange decides
    while ((now & queued) == 0) {
      const bool free = (now & writer) == 0;
      // [share] L acquire if no writer has it, else only the mark. Ends: a holder has come or gone.
      if (state_.compare_exchange_weak(now, free ? now + reader : now | queued,
                                       std::memory_order_acquire, std::memory_order_relaxed)) {
        if (free) return true;
        break;
      }
    }
    readers_.push_back(node);
  }
  if (impl::park_with_source(me, node, done, impl::wait_reason::shared_mutex_lock_shared) ==
      impl::wait_result::woken)
    return true;
  // A mark without a queue costs the writer that has it one slow unlock.
  const lock_scope held{queue_lock_of(this)};
  if (node.linked()) impl::wait_list::remove(node);
  return false;
}

void shared_mutex::unlock_slow() noexcept {
  impl::wake_list let_in;
  {
    const lock_scope held{queue_lock_of(this)};
    // Stable: see [share].
    if ((state_.load(std::memory_order_relaxed) & writer) == 0)
      impl::fatal("sync: Unlock of unlocked RWMutex");
    queues q{*this, let_in};
    std::uint64_t next = q.admit_readers();
    if (next == 0) next = q.admit_writer();
    state_.store(next | q.still_queued(), std::memory_order_release);  // U [share] the last touch
  }
  let_in.notify_all();
}

void shared_mutex::unlock_shared_slow() noexcept {
  impl::wake_list let_in;
  {
    const lock_scope held{queue_lock_of(this)};
    std::uint64_t now = state_.load(std::memory_order_acquire);  // [share] of the other readers' U
    for (;;) {
      if (now < reader) impl::fatal("sync: RUnlock of unlocked RWMutex");
      if ((now & queued) != 0 && now < 2 * reader) break;
      // U [share] release: for the next writer. Ends: another reader has come or gone.
      if (state_.compare_exchange_weak(now, now - reader, std::memory_order_release,
                                       std::memory_order_acquire))  // [share] as the load above
        return;
    }
    // The last reader, and somebody waits: the word is stable now.
    queues q{*this, let_in};
    std::uint64_t next = q.admit_writer();
    if (next == 0) next = q.admit_readers();
    state_.store(next | q.still_queued(), std::memory_order_release);  // U [share] the last touch
  }
  let_in.notify_all();
}

void shared_mutex::lock(const context& ctx) {
  impl::source* const done = impl::done_of(ctx);
  if (impl::has_ended(done) || (!try_lock() && !lock_slow(done))) impl::throw_done(ctx);
}

void shared_mutex::lock(const context& ctx, std::error_code& ec) {
  ec.clear();
  impl::source* const done = impl::done_of(ctx);
  if (impl::has_ended(done) || (!try_lock() && !lock_slow(done))) ec = impl::err_of(ctx);
}

void shared_mutex::lock_shared(const context& ctx) {
  impl::source* const done = impl::done_of(ctx);
  if (impl::has_ended(done) || (!try_lock_shared() && !lock_shared_slow(done)))
    impl::throw_done(ctx);
}

void shared_mutex::lock_shared(const context& ctx, std::error_code& ec) {
  ec.clear();
  impl::source* const done = impl::done_of(ctx);
  if (impl::has_ended(done) || (!try_lock_shared() && !lock_shared_slow(done)))
    ec = impl::err_of(ctx);
}

}  // namespace downhaul
