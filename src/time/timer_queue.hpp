// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// time/timer_queue.hpp — pending timers in the order in which they are due.
//
// Idea       Most timers are far away and are stopped long before they are due, so far ones lie
//            unsorted in the slots of a hierarchical wheel, linked in and out in constant time. As
//            time comes near, a slot is emptied into the next finer level, and at last into a small
//            heap that knows the exact order.
// Ownership  Intrusive: nodes belong to their owners and are removed before they are freed.
// Threads    None of its own: the caller locks.
// Cost       insert, remove, move of a far timer: a few cache lines, 5 to 10 ns. A timer that does
//            fire is moved at most `levels` times, plus O(log n) of the timers due about then.
//            No allocation, ever: arming cannot fail.
// Source     G. Varghese, T. Lauck, "Hashed and hierarchical timing wheels" (1987); M. Fredman et
//            al., "The pairing heap" (1986).
//
// Units      A time is mapped to an unsigned number in the same order; its upper 48 bits are its
//            tick (65.5 us), six bits to each level: level 0 has one slot per tick, level 7 one per
//            9 years. The wheel's position is a tick, `base_`.
// Invariants
//   I1  a node whose tick is at most base_ is in the heap
//   I2  any other is in the wheel, at the level of the highest digit in which the slot's tick
//       differs from base_, hence slots of a lower level come before all of a higher one
//   I3  a node's time is not before the start of its slot (it may be later: see move)
//   I4  slot.earliest is in the slot's own range and not after the time of any node in it
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "downhaul/impl/poison.hpp"

namespace downhaul::impl {

struct timer_node {
  std::int64_t when = 0;       // constant while queued, but for move
  std::uint64_t sequence = 0;  // among equals, the first armed goes first
  timer_node* prev = nullptr;  // slot: the one before, of the first: the last. heap: see there
  timer_node* next = nullptr;
  timer_node* child = nullptr;  // heap only
  std::uint16_t place = 0;      // 0 not queued; 1 heap; else 2 + index of its slot
  std::uint16_t shard = 0;      // of its clock: which queue; constant while queued

  bool queued() const noexcept {
    expect_alive();
    return place != 0;
  }

#ifdef DOWNHAUL_CHECKED
  static constexpr std::uint16_t gone = 0xDEAD;
  timer_node() noexcept = default;
  timer_node(const timer_node&) = default;
  timer_node& operator=(const timer_node&) = default;
  ~timer_node() {
    expect_alive();
    if (place != 0) die_of_early_free(freed::timer, "it was armed");
    // Volatile: stores to what is about to end are left out otherwise.
    *const_cast<volatile std::uint16_t*>(&place) = gone;
  }
  void expect_alive() const noexcept {
    if (place == gone) die_of_use_after_free(poison_of(freed::timer));
  }
#else
  void expect_alive() const noexcept {}
#endif
};

/// A pairing heap: children in a list through `next`; `prev` is the sibling before or, of the
/// first child, the parent.
class timer_heap {
 public:
  timer_node* top() const noexcept { return root_; }
#ifdef DOWNHAUL_CHECKED
  /// Aborts if the first nodes, from the top, are out of order or do not name each other.
  void check() const noexcept;
#endif
  void push(timer_node& n) noexcept;
  void remove(timer_node& n) noexcept;

 private:
  static timer_node* meld(timer_node* a, timer_node* b) noexcept;
  static timer_node* meld_all(timer_node* first) noexcept;

  timer_node* root_ = nullptr;
};

class timer_queue {
 public:
  static constexpr std::int64_t never = std::numeric_limits<std::int64_t>::max();

  /// `now` is only a hint where time begins; any time may be inserted.
  explicit timer_queue(std::int64_t now) noexcept;
  timer_queue(const timer_queue&) = delete;
  timer_queue& operator=(const timer_queue&) = delete;
#ifdef DOWNHAUL_CHECKED
  ~timer_queue();  // what outlives the queue is not queued
#endif

  /// `n` is not queued. A time of `never` is not inserted. Past times are due at once.
  void insert(timer_node& n, std::int64_t when) noexcept;
  /// Whether it was queued.
  bool remove(timer_node& n) noexcept;
  /// remove and insert in one; cheaper when the time moves later. Whether it was queued.
  bool move(timer_node& n, std::int64_t when) noexcept;

  /// Takes out the first node whose time is not after `now`; null when there is none. Time may
  /// jump: the work is in proportion to what becomes due, not to the distance.
  timer_node* pop_due(std::int64_t now) noexcept;
  /// When to look again: not after the time of any queued node; `never` when empty. May be early
  /// when the first of them was removed or moved; a look then brings it nearer to the truth.
  std::int64_t next() const noexcept;
  std::size_t size() const noexcept { return size_; }
#ifdef DOWNHAUL_CHECKED
  /// Aborts where I1 … I4 do not hold, as far as it looks: at the first nodes of the heap and of the
  /// first slot of each level. None may be due before `bound`.
  void check(std::int64_t bound) const noexcept;
#endif

 private:
  static constexpr int digit_bits = 6;
  static constexpr int slots_per_level = 1 << digit_bits;
  static constexpr int levels = 8;
  static constexpr int tick_shift = 64 - levels * digit_bits;
  static constexpr std::uint16_t in_heap = 1;
  static constexpr std::uint16_t first_slot = 2;

  struct slot {
    timer_node* head = nullptr;
    std::int64_t earliest = 0;  // I4; meaningless while empty
  };

  static std::uint64_t tick_of(std::int64_t when) noexcept {
    return (static_cast<std::uint64_t>(when) ^ (std::uint64_t{1} << 63)) >> tick_shift;
  }
  static int digit(std::uint64_t tick, int level) noexcept {
    return static_cast<int>(tick >> (level * digit_bits)) & (slots_per_level - 1);
  }
  void place(timer_node& n) noexcept;
  void unlink(timer_node& n) noexcept;
  void advance(std::int64_t now) noexcept;
  timer_node* take_slot(int level, int index, timer_node* behind) noexcept;

  timer_heap heap_;
  std::uint64_t base_;
  std::uint64_t sequence_ = 0;
  std::size_t size_ = 0;
  std::uint32_t level_used_ = 0;                   // bit: the level has nodes
  std::array<std::uint64_t, levels> slot_used_{};  // bit: the slot has nodes
  std::array<slot, levels * slots_per_level> slots_{};
};

}  // namespace downhaul::impl
