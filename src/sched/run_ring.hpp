// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// sched/run_ring.hpp — a worker's queue of runnable goroutines: first in, first out.
//
// Idea       A ring. Its owner pushes at the tail; the owner and thieves take at the head, by
//            compare-exchange; thieves take half at once. When it is full it doubles, up to a bound
//            (a chain through the goroutines themselves would be walked at one cache miss each);
//            then, or when there is no memory, the owner moves half to the runtime's common queue,
//            whose links are in the goroutines.
// Ownership  Buffers that were outgrown stay until the ring goes: a thief may still read them.
// Threads    push, pop, take: the owner's thread. steal_half_into, size: anybody.
// Cost       push: two plain stores. pop: one compare-exchange. 2 KiB; after a burst twice what the
//            most at one time needed, 16 MiB for a million.
// Source     the bounded work-stealing queue of Go's and tokio's schedulers; Chase and Lev for
//            growing.
//
// [ring]  push:   S1 store slot; S2 store tail (release)
//   grow:   G1 copy the slots; G2 store buffer (release), before the next S2
//   take:   T1 load head, tail, then buffer (acquire); T2 load slots; T3 CAS head (release)
//   T1 sees S2, hence T2 sees S1. Whoever sees a tail from after G2 sees the new buffer; with an
//   older tail the old buffer will do, since nobody writes there any more. The owner overwrites a slot only after it has seen (acquire) the
//   head beyond it, that is after T3, so T2 read what was meant. head only grows, and a CAS that
//   succeeds from h to h+n hands out h … h+n-1 exactly once.
//   Model: tests/models/run_ring.pml
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <new>
#include <utility>

#include "sched/goroutine.hpp"

namespace downhaul::impl {

class run_ring {
 public:
  static constexpr std::uint32_t first_capacity = 256;
  static constexpr std::uint32_t most_capacity = 1024 * 1024;
  static constexpr std::uint32_t most_stolen = 256;

  run_ring() : buffer_{buffer::make(first_capacity, nullptr)} {
    if (buffer_.load(std::memory_order_relaxed) == nullptr) throw std::bad_alloc{};  // ours alone
  }
  ~run_ring() {
    buffer* b = buffer_.load(std::memory_order_relaxed);  // nobody else is left
    while (b != nullptr) ::operator delete(std::exchange(b, b->older));
  }
  run_ring(const run_ring&) = delete;
  run_ring& operator=(const run_ring&) = delete;

  /// False when full.
  bool push(goroutine& g) noexcept {
    const std::uint32_t tail = tail_.load(std::memory_order_relaxed);  // [ring] own
    const std::uint32_t head = head_.load(std::memory_order_acquire);  // [ring] pairs with T3
    buffer* b = buffer_.load(std::memory_order_relaxed);               // [ring] own
    if (tail - head > b->mask) [[unlikely]] {
      b = grow(*b, head, tail);
      if (b == nullptr) return false;
    }
    b->at(tail).store(&g, std::memory_order_relaxed);  // S1 [ring] published by S2
    tail_.store(tail + 1, std::memory_order_release);  // S2 [ring]
    return true;
  }

  goroutine* pop() noexcept {
    std::uint32_t head = head_.load(std::memory_order_acquire);        // T1 [ring]
    const std::uint32_t tail = tail_.load(std::memory_order_relaxed);  // [ring] own
    buffer* const b = buffer_.load(std::memory_order_relaxed);         // [ring] own
    while (head != tail) {
      goroutine* const g = b->at(head).load(std::memory_order_relaxed);  // T2 [ring] own store
      // T3 [ring]; ends: a failure means that a thief has taken some.
      if (head_.compare_exchange_weak(head, head + 1, std::memory_order_acq_rel,
                                      std::memory_order_acquire)) {
        return g;
      }
    }
    return nullptr;
  }

  /// How many more can be pushed without growing. For the owner.
  std::uint32_t room() const noexcept {
    return buffer_.load(std::memory_order_relaxed)->mask + 1 - size();  // [ring] own
  }

  /// After a pop: fetches into the cache what the switches to the next two will touch.
  void prefetch_next() noexcept {
    // Hints, of which a stale one costs nothing: control blocks are never unmapped.
    const std::uint32_t head = head_.load(std::memory_order_relaxed);                 // a hint
    buffer* const b = buffer_.load(std::memory_order_relaxed);                        // [ring] own
    if (const goroutine* second = b->at(head + 1).load(std::memory_order_relaxed)) {  // a hint
      second->prefetch_block();
    }
    if (const goroutine* first = b->at(head).load(std::memory_order_relaxed)) {  // a hint
      first->prefetch_stack();
    }
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
    // [ring] own, both: only the owner of `thief` pushes there. It is empty: there is room.
    const std::uint32_t to = thief.tail_.load(std::memory_order_relaxed);
    buffer& mine = *thief.buffer_.load(std::memory_order_relaxed);
    for (;;) {
      const std::uint32_t tail = tail_.load(std::memory_order_acquire);  // T1 [ring]
      buffer& b = *buffer_.load(std::memory_order_acquire);              // T1 [ring]
      std::uint32_t n = tail - head;
      n -= n / 2;
      if (n == 0) return nullptr;
      if (n > most_capacity / 2) {  // head and tail of different moments: look again
        head = head_.load(std::memory_order_acquire);  // T1 [ring]
        continue;
      }
      if (n > most_stolen) n = most_stolen;
      goroutine* const first = b.at(head).load(std::memory_order_relaxed);  // T2 [ring]
      for (std::uint32_t i = 1; i < n; ++i) {
        goroutine* const g = b.at(head + i).load(std::memory_order_relaxed);  // T2 [ring]
        mine.at(to + i - 1).store(g, std::memory_order_relaxed);              // S1 [ring]
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
  struct buffer {
    static buffer* make(std::uint32_t capacity, buffer* outgrown) noexcept {
      void* const memory =
          ::operator new(sizeof(buffer) + capacity * sizeof(std::atomic<goroutine*>), std::nothrow);
      if (memory == nullptr) return nullptr;
      auto* const b = ::new (memory) buffer{capacity - 1, outgrown};
      for (std::uint32_t i = 0; i < capacity; ++i) {
        ::new (&b->at(i)) std::atomic<goroutine*>{nullptr};
      }
      return b;
    }
    std::atomic<goroutine*>& at(std::uint32_t i) noexcept {
      return reinterpret_cast<std::atomic<goroutine*>*>(this + 1)[i & mask];
    }
    const std::uint32_t mask;  // capacity - 1, a power of two less one
    buffer* const older;
  };

  [[gnu::noinline, gnu::cold]] buffer* grow(buffer& from, std::uint32_t head,
                                            std::uint32_t tail) noexcept {
    const std::uint32_t capacity = 2 * (from.mask + 1);
    if (capacity > most_capacity) return nullptr;
    buffer* const to = buffer::make(capacity, &from);
    if (to == nullptr) return nullptr;
    for (std::uint32_t i = head; i != tail; ++i) {
      goroutine* const g = from.at(i).load(std::memory_order_relaxed);  // G1 [ring] own stores
      to->at(i).store(g, std::memory_order_relaxed);                    // G1 [ring]
    }
    buffer_.store(to, std::memory_order_release);  // G2 [ring]
    return to;
  }

  alignas(64) std::atomic<std::uint32_t> head_{0};  // [ring]
  alignas(64) std::atomic<std::uint32_t> tail_{0};  // [ring] written by the owner
  std::atomic<buffer*> buffer_;                     // [ring] written by the owner
};

}  // namespace downhaul::impl
