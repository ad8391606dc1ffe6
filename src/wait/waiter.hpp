// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// wait/waiter.hpp — who waits: a thread, a goroutine, a coroutine.
//
// Idea       A wait is: prepare(), hang nodes on sources, park(). A waker takes a node off a list
//            under the source's lock, elects it if the waiter has several (try_win), fills it in,
//            unlocks, and calls notify(). Exactly one notify belongs to each park.
// Ownership  Waiters are type-stable: goroutine control blocks and thread records come from free
//            lists and are never unmapped, so a late touch of the state word is harmless.
// Threads    prepare, park: the waiter itself. try_win, notify: anybody who took its node.
// Cost       notify of one that has not parked yet: one RMW. Of a parked goroutine: a push on a run
//            queue. Of a parked thread: a futex wake.
//
// [park]  state: running → parking → parked, or → notified
//   owner:  P0 store parking; publish the nodes; leave the stack; P1 CAS parking→parked
//   or, with one node only (park_and_unlock): P0; lock; publish; leave the stack; P2 store parked;
//           unlock. Nobody can have found the node before P2, so P2 needs no CAS.
//   waker:  N0 load; parked: store notified. Else N1 exchange(notified)
//   P1 fails: it was notified meanwhile and goes on at once. N0 or N1 saw parked: the waker queues
//   it, exactly once. N1 saw parking: P1 will fail; nobody queues it. After N1 the waker touches the
//   waiter no more unless it saw parked, in which case the waiter cannot run before make_ready.
//   N0: one notify belongs to each park, so once it is parked nobody else changes the word.
//   P2 and N0 save a locked instruction each; no gain was measured: docs/design/performance.md.
//   P1 is done off the goroutine's stack (on the worker's), so that whoever resumes it finds the
//   stack left. N1 release / P1 acquire, and N1 acquire / P1 release: what the waker wrote into the
//   node is visible after park; what the owner saved is visible to the one who resumes it.
//   Models: tests/models/park_and_wake.pml for goroutines, thread_park.pml for threads.
//
// [elect]  winner: null → the node that fires
//   Reset by the owner in prepare(), before any node is published (the sources' locks publish it).
//   try_win runs under the lock of the source whose list the node is on, hence never after the
//   owner has unlinked all nodes. acq_rel CAS; read by the owner after park. A coroutine that is
//   destroyed while it waits elects a node that hangs nowhere: then no other wins.
//   Model: tests/models/winner_election.pml
#pragma once

#include <atomic>
#include <cstdint>

#include "downhaul/impl/observer.hpp"
#include "downhaul/impl/source.hpp"
#include "platform/mutex.hpp"
#include "wait/wait_reason.hpp"

namespace downhaul {
class scoped_context;
}

namespace downhaul::impl {

class waiter;

struct waiter_ops {
  /// Returns when the state is notified. Called by the waiter itself, state is parking. `held`, if
  /// not null, is the lock of the one source on which the waiter hangs, and is given back.
  void (*park)(waiter&, mutex* held) noexcept;
  /// The state went parked → notified: queue it, wake its thread. Called once per such change.
  void (*make_ready)(waiter&) noexcept;
  /// make_ready for the owners of all nodes of a chain, linked by `next`. Null: one by one, since
  /// the waiter may go on, and its node vanish, as soon as its state has changed.
  void (*make_all_ready)(list_node* first) noexcept = nullptr;
  /// Called once after make_all_ready, when all of a loop have been told; may run user code.
  void (*all_told)() noexcept = nullptr;
};

/// What was released while a release was under way here: see source::release.
class release_queue {
 public:
  /// Disposes of `last` and of everything that this releases, in a loop.
  void run(source* last) noexcept;

 private:
  static constexpr std::uintptr_t idle = 0;
  static constexpr std::uintptr_t running = 1;  // and nothing is queued

  // One word, for each goroutine has one: idle, running, or the source
  // that was released last while it runs.
  std::uintptr_t head_ = idle;
};

class waiter {
 public:
  enum state : std::uint32_t { running, parking, parked, notified };

  explicit waiter(const waiter_ops& ops) noexcept : ops_{&ops} {}
  waiter(const waiter&) = delete;
  waiter& operator=(const waiter&) = delete;

  /// Begins a wait; before any node is published.
  void prepare() noexcept {
    winner_.store(nullptr, std::memory_order_relaxed);  // [elect] published by the sources' locks
    state_.store(parking, std::memory_order_relaxed);   // P0 [park] published by the sources' locks
  }
  /// Waits for the notify that belongs to this wait. `why` shows in lists of goroutines.
  void park(wait_reason why) noexcept {
    expect_prepared();
    reason_.store(why, std::memory_order_relaxed);  // for the registry only
    ops_->park(*this, nullptr);
    reason_.store(wait_reason::none, std::memory_order_relaxed);  // for the registry only
  }
  /// park, for a waiter with one node, which hangs on what `held` guards: gives the lock back when
  /// the waiter is parked, which saves that from being decided by a compare-exchange.
  template <class Lock>
  void park_and_unlock(Lock& held, wait_reason why) noexcept DOWNHAUL_RELEASE(held) {
#ifdef DOWNHAUL_CHECKED
    // There no lock may be held when stacks are switched.
    held.unlock();
    park(why);
#else
    reason_.store(why, std::memory_order_relaxed);  // for the registry only
    ops_->park(*this, &held.handed_on());
    reason_.store(wait_reason::none, std::memory_order_relaxed);  // for the registry only
#endif
  }
  /// [elect] True for the one node that decides the wait. Under the lock of the node's source.
  bool try_win(wait_node& n) noexcept {
    expect_used();
    wait_node* none = nullptr;
    // [elect] release: the owner that reads winner() sees the node; acquire: pairs with others' CAS
    return winner_.compare_exchange_strong(none, &n, std::memory_order_acq_rel,
                                           std::memory_order_relaxed);
  }
  /// The node that won, or null. For the owner.
  wait_node* winner() const noexcept {
    return winner_.load(std::memory_order_acquire);  // [elect] pairs with try_win
  }
  /// Ends the wait. Outside all locks; the last touch of the waiter by the waker.
  void notify() noexcept {
    if (end_wait()) ops_->make_ready(*this);
  }
  /// The first half of notify: true if the waiter is to be made ready.
  bool end_wait() noexcept {
    expect_used();
    if (state_.load(std::memory_order_acquire) == parked) {  // N0 [park] pairs with P1 and P2
      state_.store(notified, std::memory_order_release);     // N0 [park]
      return true;
    }
    return state_.exchange(notified, std::memory_order_acq_rel) == parked;  // N1 [park]
  }
  const waiter_ops& ops() const noexcept { return *ops_; }
  /// P1 [park], by the one who runs on another stack (or thread) of the waiter's own: true if it is
  /// parked now, false if it was notified and goes on.
  bool commit_park() noexcept {
    std::uint32_t expected = parking;
    return state_.compare_exchange_strong(expected, parked, std::memory_order_acq_rel,  // P1 [park]
                                          std::memory_order_acquire);  // P1 failed: pairs with N1
  }
  /// P2 [park], off the waiter's stack, under the lock of the only source that knows its node.
  void set_parked() noexcept {
    state_.store(parked, std::memory_order_release);  // P2 [park] pairs with N0
  }
  std::atomic<std::uint32_t>& state_word() noexcept { return state_; }
  wait_reason reason() const noexcept {
    return reason_.load(std::memory_order_relaxed);  // a snapshot
  }
  void set_reason(wait_reason why) noexcept {
    reason_.store(why, std::memory_order_relaxed);  // for the registry only
  }

#ifdef DOWNHAUL_CHECKED
  /// The owner has ended, and its block waits for the next: who touches it now is wrong.
  void mark_freed() noexcept {
    expect_used();
    state_.store(poison_of(freed::goroutine), std::memory_order_relaxed);  // [park] nobody waits
  }
  void mark_used() noexcept {
    state_.store(running, std::memory_order_relaxed);  // [park] nobody else knows the block yet
  }
#endif

  const scoped_context* scope = nullptr;  // owned by the waiter itself; the innermost

 private:
#ifdef DOWNHAUL_CHECKED
  void expect_used() const noexcept {
    expect_alive(state_.load(std::memory_order_relaxed));  // [park] any value will do
  }
  void expect_prepared() const noexcept;
#else
  void expect_used() const noexcept {}
  void expect_prepared() const noexcept {}
#endif

  std::atomic<std::uint32_t> state_{running};           // [park]
  std::atomic<wait_reason> reason_{wait_reason::none};  // written by the owner
  std::atomic<wait_node*> winner_{nullptr};             // [elect]
  const waiter_ops* const ops_;                         // constant
};

/// A goroutine or a thread: what runs code, also that of a coroutine.
class running_waiter : public waiter {
 public:
  using waiter::waiter;

  release_queue released;  // owned by the goroutine or thread itself
};

/// The goroutine running here, else this thread. Aborts on the scheduler's own stack, where nothing
/// may wait. The result must not be kept across a park by anything that can change threads — a
/// goroutine's own waiter is stable, which is all that waits use.
waiter& this_waiter() noexcept;
/// True inside a goroutine.
bool on_goroutine() noexcept;

/// Notifies, after the locks are gone, what was taken off lists under them.
/// A chain through the nodes' `next`: the nodes are off their lists and their owners still parked.
class wake_list {
 public:
  void push(wait_node& n) noexcept {
    n.prev = nullptr;
    n.next = nullptr;
    *tail_ = &n;
    tail_ = &n.next;
  }
  bool empty() const noexcept { return head_ == nullptr; }
  /// Notifies all. A node may vanish as soon as its owner is notified; but not one whose owner is
  /// made ready together with others, before that is done.
  void notify_all() noexcept {
    list_node* n = head_;
    head_ = nullptr;
    tail_ = &head_;
    wake_list together;
    const waiter_ops* of = nullptr;  // of those in `together`
    void (*all_told)() noexcept = nullptr;
    int chained = 0;
    while (n != nullptr) {
      auto& node = static_cast<wait_node&>(*n);
      n = n->next;
      node.next = nullptr;
      waiter& who = *node.who;
      if (!who.end_wait()) continue;
      const waiter_ops& ops = who.ops();
      if (ops.make_all_ready == nullptr) {
        ops.make_ready(who);
        continue;
      }
      if (&ops != of || chained == most_together) {
        if (of != nullptr) together.make_all_ready();
        of = &ops;
        chained = 0;
        if (ops.all_told != nullptr) all_told = ops.all_told;
      }
      together.push(node);
      ++chained;
    }
    if (of != nullptr) together.make_all_ready();
    if (all_told != nullptr) all_told();
  }

 private:
  // So that the first ones run while the last ones are being told.
  static constexpr int most_together = 256;

  // All of one kind.
  void make_all_ready() noexcept {
    list_node* const first = head_;
    head_ = nullptr;
    tail_ = &head_;
    static_cast<wait_node*>(first)->who->ops().make_all_ready(first);
  }

  list_node* head_ = nullptr;
  list_node** tail_ = &head_;
};

}  // namespace downhaul::impl
