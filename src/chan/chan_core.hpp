// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// chan/chan_core.hpp — the channel itself: a lock, a ring, two queues of waiters.
//
// Idea       An operation locks the channel and either finds its partner at once or hangs a node on
//            a queue and parks. A partner fills the node in, takes it off, unlocks, and wakes.
// Ownership  Counted by handles and by parked operations. Nodes live with their waiters.
// Threads    Everything under mu_, save the hint.
// Cost       One lock for an operation that need not wait; one park for one that does.
// Source     Go runtime/chan.go, for the rules; crossbeam-channel for the try forms.
//
// Invariants (true whenever mu_ is free)
//   I1  count_ > 0         => nobody who could still take it waits in receivers_
//   I2  count_ < capacity_ => nobody who could still fill it waits in senders_
//   I3  closed_            => both queues are empty
//   I4  receivers_ and senders_ hold no two nodes that could serve each other, except nodes of one
//       and the same select
//   "could still": a node of a select that has won elsewhere may rest here until its owner, or a
//   partner that fails to elect it, takes it off.
//   I5  hint_ says recv_ready if a receive would find something to do, and send_ready likewise; it
//       may say so wrongly only because of nodes of the kind just named.
//
// [ready]  hint_ is written under mu_ as the last act of each change and read without it. A reader
//   that finds a bit clear has seen a state in which the operation would have had to wait, at one
//   instant: hint_ is one word. It orders nothing else, and need not: such an operation fails.
//   Above the bits it counts its changes, so that who finds the same word twice knows that nothing
//   became ready between: see impl/glance.hpp.
//
// Lock order  channels by ascending address; then one context node or one timer queue. Under mu_
//   only: relocations of elements (see impl/element.hpp), elections, list surgery.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "downhaul/impl/channel.hpp"
#include "platform/mutex.hpp"
#include "wait/waiter.hpp"

namespace downhaul::impl {

class chan_core : public chan_head {
 public:
  using channel_mutex = ranked_mutex<rank::channel, chan_core>;

  /// One reference, the caller's.
  static chan_core* make(std::ptrdiff_t capacity, const element_ops& ops);

  channel_mutex& mu() noexcept DOWNHAUL_RETURN_CAPABILITY(mu_) { return mu_; }
  /// Whether the operation might not have to wait. [ready]
  bool maybe_ready(std::uint64_t bit) const noexcept { return (hint() & bit) != 0; }

  // --- under mu() ---

  /// value: moved, and `wake` is to be notified after unlocking if not null. closed. blocked.
  passed send_locked(void* element, waiter*& wake) noexcept DOWNHAUL_REQUIRES(mu_);
  passed recv_locked(void* slot, waiter*& wake) noexcept DOWNHAUL_REQUIRES(mu_);
  /// send_locked, out of line: for callers whose element the compiler sees, and then believes that
  /// elements of other sizes are copied from it.
  passed offer_locked(void* element, waiter*& wake) noexcept DOWNHAUL_REQUIRES(mu_);
  void enqueue_sender(wait_node& n) noexcept DOWNHAUL_REQUIRES(mu_);
  void enqueue_receiver(wait_node& n) noexcept DOWNHAUL_REQUIRES(mu_);
  /// Takes a node off its queue if it is still there. Returns whether it was.
  bool dequeue(wait_node& n) noexcept DOWNHAUL_REQUIRES(mu_);
  bool closed_locked() const noexcept DOWNHAUL_REQUIRES(mu_) { return closed_; }

#ifdef DOWNHAUL_CHECKED
  /// The lock is about to be given back: aborts where I1 … I5 do not hold.
  void check_invariants() noexcept DOWNHAUL_NO_THREAD_SAFETY_ANALYSIS;
#endif

  // --- without it ---

  void close();
  bool ready() noexcept override;
  bool watch(wait_node& node) noexcept override;
  void unwatch(wait_node& node) noexcept override;
  virtual std::ptrdiff_t size() noexcept;
  virtual std::ptrdiff_t capacity() const noexcept {
    return static_cast<std::ptrdiff_t>(capacity_);
  }

 protected:
  /// For channels with a ring of their own making: `ring` outlives the channel.
  chan_core(const element_ops& ops, std::size_t capacity, std::byte* ring) noexcept;
  ~chan_core();

  /// Under mu_: drops what is queued. Only for elements that need no destruction.
  void drain_locked() noexcept DOWNHAUL_REQUIRES(mu_);
  std::size_t count_locked() const noexcept DOWNHAUL_REQUIRES(mu_) { return count_; }

 private:
  void dispose() noexcept override;
  void move(void* to, void* from) const noexcept;
  void push(void* element) noexcept DOWNHAUL_REQUIRES(mu_);
  void pop(void* slot) noexcept DOWNHAUL_REQUIRES(mu_);
  std::byte* place(std::size_t index) const noexcept { return ring_ + index * ops_.size; }
  /// Under mu_: whether a receive would find something to do now; exact, unlike the hint.
  bool can_receive_locked() noexcept DOWNHAUL_REQUIRES(mu_);
  /// The first of `queue` that is ready to be served, off the queue and elected; or null.
  static wait_node* take(wait_list& queue) noexcept;
  void update_hint() noexcept DOWNHAUL_REQUIRES(mu_);

  channel_mutex mu_{this};
  bool closed_ DOWNHAUL_GUARDED_BY(mu_) = false;
  std::size_t count_ DOWNHAUL_GUARDED_BY(mu_) = 0;
  std::size_t first_ DOWNHAUL_GUARDED_BY(mu_) = 0;  // index of the oldest element
  wait_list receivers_ DOWNHAUL_GUARDED_BY(mu_);
  wait_list senders_ DOWNHAUL_GUARDED_BY(mu_);
};

// --- what every operation runs: inline, since a call more is a tenth of its cost ---

inline void chan_core::move(void* to, void* from) const noexcept {
  if (ops_.move != nullptr) return ops_.move(to, from);
  switch (ops_.size) {  // fixed sizes become single instructions
    case 0: return;
    case 4: std::memcpy(to, from, 4); return;
    case 8: std::memcpy(to, from, 8); return;
    default: std::memcpy(to, from, ops_.size); return;
  }
}

inline void chan_core::push(void* element) noexcept {
  std::size_t at = first_ + count_;
  if (at >= capacity_) at -= capacity_;
  move(place(at), element);
  ++count_;
}

inline void chan_core::pop(void* slot) noexcept {
  std::byte* from = place(first_);
  if (slot != nullptr) move(slot, from);
  // A boxed element's pointer moves by copy: the box now belongs to the slot.
  if (ops_.move != nullptr) ops_.destroy(from);
  if (++first_ == capacity_) first_ = 0;
  --count_;
}

inline wait_node* chan_core::take(wait_list& queue) noexcept {
  while (wait_node* n = queue.pop_front()) {
    if (!n->elect || n->who->try_win(*n)) return n;  // a loser stays off: its select has won
  }
  return nullptr;
}

inline void chan_core::update_hint() noexcept {
  std::uint64_t now = 0;
  if (closed_ || count_ > 0 || !senders_.empty()) now |= recv_ready;
  if (closed_ || count_ < capacity_ || !receivers_.empty()) now |= send_ready;
  constexpr std::uint64_t both = recv_ready | send_ready;
  // Read back what this lock's holders wrote: relaxed.
  const std::uint64_t before = hint_.load(std::memory_order_relaxed);
  if ((before & both) != now) {
    // [ready] pairs with hint(). The next number, and the bits.
    hint_.store((before | both) + 1 + now, std::memory_order_release);
  }
}

inline passed chan_core::send_locked(void* element, waiter*& wake) noexcept {
  if (closed_) return passed::closed;
  passed result = passed::blocked;
  if (wait_node* n = take(receivers_)) {
    if (n->slot != nullptr) move(n->slot, element);
    n->ok = true;
    wake = n->who;
    result = passed::value;
  } else if (count_ < capacity_) {
    push(element);
    result = passed::value;
  }
  update_hint();
  return result;
}

inline passed chan_core::recv_locked(void* slot, waiter*& wake) noexcept {
  passed result = passed::blocked;
  if (count_ > 0) {
    pop(slot);
    // The freed place goes to the oldest sender, in the same step: order holds, nobody overtakes.
    if (wait_node* n = take(senders_)) {
      push(n->slot);
      n->ok = true;
      wake = n->who;
    }
    result = passed::value;
  } else if (wait_node* n = take(senders_)) {
    if (slot != nullptr) move(slot, n->slot);
    n->ok = true;
    wake = n->who;
    result = passed::value;
  } else if (closed_) {
    result = passed::closed;
  }
  update_hint();
  return result;
}

inline void chan_core::enqueue_sender(wait_node& n) noexcept {
  senders_.push_back(n);
  update_hint();
}

inline void chan_core::enqueue_receiver(wait_node& n) noexcept {
  receivers_.push_back(n);
  update_hint();
}

inline chan_core& as_channel(source* s) noexcept { return *static_cast<chan_core*>(s); }

}  // namespace downhaul::impl
