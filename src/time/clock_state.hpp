// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// time/clock_state.hpp — the inside of a clock: its queues, and who looks after them.
//
// Idea       Armed entries lie in a few shards, chosen by the arming CPU, so that threads do not
//            fight for one lock. Each shard publishes when it has to be looked at; the clock's next
//            deadline is the least of these.
// Threads    A shard's queue and its entries: under its lock, a leaf but for the run queue.
//
// [deadline]  shard.next: a lower bound of the shard's first due time
//   arm:    A1 store next := when (under the shard's lock);  A2 read who looks when, wake if too late
//   looker: L1 publish when he will look;                    L2 read next of every shard
//   Required: A2 sees L1 or L2 sees A1. All four are seq_cst. The looker is the keeper (look_at) or
//   the watch (watch.cpp). One that leaves publishes "never" and then does L2 on behalf of the next.
//   Model: tests/models/clock_lookers.pml
#pragma once

#include <sched.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "platform/mutex.hpp"
#include "time/timer_entry.hpp"

namespace downhaul::impl {

inline constexpr std::int64_t watch_grace_ns = 10'000'000;  // how late the watch may be for workers

struct alignas(64) timer_shard {
  using shard_mutex = ranked_mutex<rank::timers, timer_shard>;

  explicit timer_shard(std::int64_t now) noexcept : queue{now} {}

  /// Under mu: `when` was inserted. True: the clock's lookers may have to be told.
  bool lower(std::int64_t when) noexcept DOWNHAUL_REQUIRES(mu) {
    // Written under mu, which we hold: relaxed.
    if (when >= next.load(std::memory_order_relaxed)) return false;
    next.store(when, std::memory_order_seq_cst);  // A1 [deadline]
    return true;
  }
  bool arm(timer_entry& e, std::int64_t when) noexcept DOWNHAUL_REQUIRES(mu) {
    queue.insert(e, when);
    return lower(when);
  }

#ifdef DOWNHAUL_CHECKED
  void check_invariants() noexcept DOWNHAUL_NO_THREAD_SAFETY_ANALYSIS {
    queue.check(next.load(std::memory_order_relaxed));  // written under mu
  }
#endif

  shard_mutex mu{this};
  std::atomic<std::int64_t> next{never};  // [deadline]
  timer_queue queue DOWNHAUL_GUARDED_BY(mu);
};

struct clock_state {
  static constexpr std::size_t most_shards = 8;

  clock_state(std::int64_t now, std::size_t shard_count);
  ~clock_state();

  static clock_state& of(const clock& c) noexcept { return *c.state_; }

  timer_shard& shard(const timer_entry& e) noexcept { return *shards[e.shard]; }
  /// Gives an entry that is not armed its place on this clock.
  timer_shard& adopt(timer_entry& e, clock& c) noexcept {
    e.owner = &c;
    // By the CPU, not the thread: two threads that arm at the same time are on different ones.
    e.shard =
        shard_mask == 0
            ? std::uint16_t{0}
            : static_cast<std::uint16_t>(static_cast<std::uint32_t>(::sched_getcpu()) & shard_mask);
    return *shards[e.shard];
  }
  std::int64_t first_deadline() const noexcept;
  /// Whether workers look by themselves, so that the watch may be late.
  bool polled() const noexcept {
    return workers.load(std::memory_order_seq_cst) > 0 &&  // A2, L2 [deadline]
           !unattended.load(std::memory_order_relaxed);    // a hint
  }
  void note_attended() noexcept {
    if (unattended.load(std::memory_order_relaxed)) {  // a hint
      unattended.store(false, std::memory_order_relaxed);
    }
  }

  std::array<timer_shard*, most_shards> shards{};  // constant
  std::size_t shard_count;                         // constant, a power of two
  std::uint32_t shard_mask;                        // constant
  std::atomic<std::int64_t> manual_now;            // manual: written under the shard's lock

  std::atomic<std::int64_t> look_at{
      never};                   // [deadline] when the keeper will look; never: no keeper
  std::atomic<int> workers{0};  // [deadline] how many workers poll
  // A hint: workers > 0, but the watch had to fire for them. Set by the watch, cleared by a worker
  // that serves or keeps; a wrong one costs the grace once, or a look of the watch for nothing.
  std::atomic<bool> unattended{false};
  std::atomic<int> firing{0};  // [settle] batches popped whose firings have not ended
  ranked_mutex<rank::leaf> keep_mu;
  std::atomic<keeper*> current_keeper{nullptr};  // written under keep_mu
};

/// The shard of an entry that was armed or adopted once.
inline timer_shard& shard_of(const timer_entry& e) noexcept {
  return clock_state::of(*e.owner).shard(e);
}

}  // namespace downhaul::impl
