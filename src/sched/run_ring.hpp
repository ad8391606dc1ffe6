// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// sched/run_ring.hpp — a worker's queue of runnable goroutines: first in, first out.
//
// Idea       A bounded ring. Its owner pushes at the tail; the owner and thieves take at the head,
//            by compare-exchange; thieves take half at once. When it is full the owner moves half
//            to the runtime's common queue, whose links are in the goroutines.
// Threads    push, pop, take_half: the owner's thread. steal_half_into, size: anybody.
// Cost       push: two plain stores. pop: one compare-exchange. 8 KiB.
// Source     the bounded work-stealing queue of Go's and tokio's schedulers.
//
// [ring]  push:   S1 store slot; S2 store tail (release)
//   take:   T1 load head, tail (acquire); T2 load slots; T3 CAS head (release)
//   T1 sees S2, hence T2 sees S1. The owner overwrites a slot only after it has seen (acquire) the
//   head beyond it, that is after T3, so T2 read what was meant. head only grows, and a CAS that
//   succeeds from h to h+n hands out h … h+n-1 exactly once.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

#include "sched/goroutine.hpp"

namespace downhaul::impl {

class run_ring {
 public:
  static constexpr std::uint32_t capacity = 1024;
  static constexpr std::uint32_t most_stolen = 256;

  /// False when full.
  bool push(goroutine& g) noexcept {
    const std::uint32_t tail = tail_.load(std::memory_order_relaxed);  // [ring] own
    const std::uint32_t head = head_.load(std::memory_order_acquire);  // [ring] pairs with T3
    if (tail - head >= capacity) return false;
    at(tail).store(&g, std::memory_order_relaxed);     // S1 [ring] published by S2
    tail_.store(tail + 1, std::memory_order_release);  // S2 [ring]
    return true;
  }

  goroutine* pop() noexcept {
    std::uint32_t head = head_.load(std::memory_order_acquire);        // T1 [ring]
    const std::uint32_t tail = tail_.load(std::memory_order_relaxed);  // [ring] own
    while (head != tail) {
      goroutine* const g = at(head).load(std::memory_order_relaxed);  // T2 [ring] own store
      // T3 [ring]; ends: a failure means that a thief has taken some.
      if (head_.compare_exchange_weak(head, head + 1, std::memory_order_acq_rel,
                                      std::memory_order_acquire)) {
        return g;
      }
    }
    return nullptr;
  }

  /// Up to `most` from the head, appended to `to`; returns how many.
  std::uint32_t take(std::uint32_t most, goroutine_list& to) noexcept {
    std::uint32_t taken = 0;
    for (goroutine* g = nullptr; taken < most && (g = pop()) != nullptr; ++taken) to.push_back(*g);
    return taken;
  }

  /// Moves half of this ring, rounded up, to `thief`, which is empty and the caller's own, but for
  /// one that is returned to be run at once. Null when there was nothing.
  goroutine* steal_half_into(run_ring& thief) noexcept {
    std::uint32_t head = head_.load(std::memory_order_acquire);  // T1 [ring]
    // [ring] own: only the owner of `thief` pushes there.
    const std::uint32_t to = thief.tail_.load(std::memory_order_relaxed);
    for (;;) {
      const std::uint32_t tail = tail_.load(std::memory_order_acquire);  // T1 [ring]
      std::uint32_t n = tail - head;
      n -= n / 2;
      if (n == 0) return nullptr;
      if (n > capacity / 2) {  // head and tail of different moments: look again
        head = head_.load(std::memory_order_acquire);  // T1 [ring]
        continue;
      }
      if (n > most_stolen) n = most_stolen;
      goroutine* const first = at(head).load(std::memory_order_relaxed);  // T2 [ring]
      for (std::uint32_t i = 1; i < n; ++i) {
        // T2 [ring], S1 [ring] of the thief's own
        thief.at(to + i - 1)
            .store(at(head + i).load(std::memory_order_relaxed),
                   std::memory_order_relaxed);  // S1 [ring]
      }
      // T3 [ring]; ends: a failure means that somebody has taken some.
      if (head_.compare_exchange_strong(head, head + n, std::memory_order_acq_rel,
                                        std::memory_order_acquire)) {
        if (n > 1) thief.tail_.store(to + n - 1, std::memory_order_release);  // S2 [ring]
        return first;
      }
    }
  }

  /// At some recent instant.
  std::uint32_t size() const noexcept {
    const std::uint32_t head = head_.load(std::memory_order_acquire);  // [ring] a hint
    const std::uint32_t tail = tail_.load(std::memory_order_acquire);  // [ring] a hint
    return static_cast<std::int32_t>(tail - head) > 0 ? tail - head : 0;
  }
  bool empty() const noexcept { return size() == 0; }

 private:
  std::atomic<goroutine*>& at(std::uint32_t i) noexcept { return slots_[i % capacity]; }

  alignas(64) std::atomic<std::uint32_t> head_{0};  // [ring]
  alignas(64) std::atomic<std::uint32_t> tail_{0};  // [ring] written by the owner
  std::array<std::atomic<goroutine*>, capacity> slots_{};
};

}  // namespace downhaul::impl
