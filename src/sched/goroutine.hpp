// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// sched/goroutine.hpp — the control block of a goroutine.
//
// Idea       One block holds everything but the stack: the waiter, where the stack was left, the
//            closure, where it was started. A stack is bound when the goroutine first runs and
//            unbound when it ends: what was spawned and has not run costs 256 bytes.
// Ownership  Blocks are type-stable: cut from slabs that are never freed, reused through free
//            lists. Whoever prepared one owns it until it is started; then the runtime does, and
//            frees the block when the goroutine ends.
// Threads    See each field. `life`, `where`, `name`, `since` are read by lists of goroutines at
//            any time; all else belongs to whoever runs or holds the goroutine.
// Cost       256 bytes, 80 of them for the closure; larger closures are allocated.
//
// [life]  generation << 2 | life_state. The generation grows when the block is freed: a reader that
//         sees the same word before and after has read one goroutine's fields. For that the fields
//         are stored with release and loaded with acquire: who sees a field of the next goroutine
//         sees the generation grown.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <source_location>

#include "downhaul/impl/spawn.hpp"
#include "platform/held_mutexes.hpp"
#include "platform/stack_switch.hpp"
#include "wait/waiter.hpp"

namespace downhaul::impl {

class worker;
class seat;
class runtime_core;
struct thread_record;

/// How park and make_ready work for a goroutine.
extern const waiter_ops goroutine_ops;

/// Who counts a goroutine (see spawn_request) and its name. Most have neither, some an owner and few
/// both, so it is one word: null, or the owner's address | 1, or a record's.
class goroutine_label {
 public:
  goroutine_label() noexcept = default;
  /// Copies the name. Throws std::bad_alloc.
  goroutine_label(const void* owner, const char* name);
  void free() noexcept;

  const void* owner() const noexcept {
    return is_record() ? as_record()->owner : reinterpret_cast<const void*>(word_ & ~no_record);
  }
  /// Null: none.
  const char* name() const noexcept { return is_record() ? as_record()->name() : nullptr; }
  bool is_record() const noexcept { return word_ != 0 && (word_ & no_record) == 0; }

 private:
  struct record {
    const void* owner;
    const char* name() const noexcept { return reinterpret_cast<const char*>(this + 1); }
  };
  static constexpr std::uintptr_t no_record = 1;
  record* as_record() const noexcept { return reinterpret_cast<record*>(word_); }

  std::uintptr_t word_ = 0;
};

enum class life_state : std::uint32_t { free, prepared, live };

class alignas(64) goroutine final : public running_waiter {
 public:
  static constexpr std::size_t inline_closure = 80;
  static constexpr std::size_t inline_align = 16;

  goroutine() noexcept : running_waiter{goroutine_ops} {}

  life_state state_of_life() const noexcept {
    return static_cast<life_state>(life.load(std::memory_order_relaxed) & 3);  // [life] own block
  }
  /// prepared → live, or anything → free with the next generation.
  void set_life(life_state to) noexcept {
    const std::uint32_t old = life.load(std::memory_order_relaxed);  // [life] only the owner writes
    const std::uint32_t generation = (old >> 2) + (to == life_state::free ? 1 : 0);
    // W [life] release: a reader that sees it live sees its fields.
    life.store(generation << 2 | static_cast<std::uint32_t>(to), std::memory_order_release);
  }
  runtime_core& core() const noexcept {
    return *in.load(std::memory_order_relaxed);  // [life] whoever asks holds the block
  }
  /// The worker that runs it; for the goroutine itself.
  worker& at() const noexcept {
    return *seen_at.load(std::memory_order_relaxed);  // our own thread's store
  }
  bool has_stack() const noexcept { return run.on != nullptr; }
  void* closure_address() noexcept {
    return boxed ? *reinterpret_cast<void**>(storage) : static_cast<void*>(storage);
  }

  /// What starting it will touch.
  void prefetch_free() const noexcept {
    __builtin_prefetch(&since, 1);
    __builtin_prefetch(static_cast<const void*>(&closure), 1);
  }
  /// What switching to it will touch, but for its stack.
  void prefetch_block() const noexcept {
    __builtin_prefetch(this, 1);
    __builtin_prefetch(&since, 1);
    __builtin_prefetch(static_cast<const void*>(&closure));
  }
  /// Reads where the stack was left: not in order with whoever runs it, hence not shown to the race
  /// detector. Any value will do.
  void prefetch_stack() const noexcept {
#if !DOWNHAUL_TSAN
    const auto* const top = static_cast<const std::byte*>(run.fctx);
    __builtin_prefetch(top, 1);
    __builtin_prefetch(top + 64, 1);
    __builtin_prefetch(top + 128, 1);
#endif
  }

  // The waiter, and what every switch touches: two cache lines.
  execution run;                          // the scheduler's while parked, else in use
  std::atomic<worker*> seen_at{nullptr};  // where it runs; written by whoever resumes it
  std::atomic<std::int64_t> since{0};     // steady ns of the last wait's begin, or of the start
  std::atomic<std::uint32_t> life{0};     // [life]
  std::atomic<bool> on_cpu{false};        // for lists
  std::uint8_t pool = 0;                  // which of the core's stack pools
  bool boxed : 1 = false;                 // the closure is allocated: see spawn.cpp
  bool canary : 1 = false;   // its stack has no guard: look at the pattern at each switch
  bool joined : 1 = false;   // run() waits for its end; its closure is a run_closure
  bool carries : 1 = false;  // it resumes coroutines; its closure is a carrier
  bool watched : 1 = false;  // canary or carries: when it leaves there is more to do
  std::uint8_t pins = 0;     // nested pins, and one for go_options::pinned

  // What its start and its end touch.
  goroutine* next = nullptr;               // the queue or free list it is on
  std::atomic<runtime_core*> in{nullptr};  // under [life]; the block holds a reference
  const closure_ops* closure = nullptr;
  std::atomic<std::source_location> where{};  // under [life]
  std::atomic<goroutine_label> label{};       // under [life]; what it points at is freed under the
                                              // registry's lock
  alignas(inline_align) std::byte storage[inline_closure];
  downhaul::impl::seat* seat = nullptr;  // the thread that it is pinned to, while pins != 0

#ifdef DOWNHAUL_CHECKED
  mutex_ledger mutexes;                        // what it has locked
  const thread_record* last_thread = nullptr;  // where it ran last; null: nowhere yet
#endif
};
#if !DOWNHAUL_ASAN && !DOWNHAUL_TSAN && !defined(DOWNHAUL_CHECKED)
static_assert(sizeof(goroutine) <= 256);
#endif

/// The owner of carriers' goroutines, in place of who counts them: they are in no list.
extern const char carriers;

/// A chain of goroutines, linked by `next`.
class goroutine_list {
 public:
  bool empty() const noexcept { return head_ == nullptr; }
  const goroutine* front() const noexcept { return head_; }
  void push_back(goroutine& g) noexcept {
    g.next = nullptr;
    (head_ == nullptr ? head_ : tail_->next) = &g;
    tail_ = &g;
  }
  goroutine* pop_front() noexcept {
    goroutine* g = head_;
    if (g != nullptr) head_ = g->next;
    return g;
  }
  void append(goroutine_list& other) noexcept {
    if (other.head_ == nullptr) return;
    (head_ == nullptr ? head_ : tail_->next) = other.head_;
    tail_ = other.tail_;
    other.head_ = nullptr;
  }

 private:
  goroutine* head_ = nullptr;
  goroutine* tail_ = nullptr;  // meaningful while head_ is not null
};

/// Some free blocks: taken and given one by one, handed on as a whole.
struct block_batch {
  goroutine* first = nullptr;
  int count = 0;

  goroutine* take() noexcept {
    goroutine* const g = first;
    first = g->next;
    --count;
    return g;
  }
  void give(goroutine& g) noexcept {
    g.next = first;
    first = &g;
    ++count;
  }
};

/// Free blocks of one worker; used by its thread alone. Two batches, so that neither a burst of
/// starts nor one of ends, nor their alternation, walks a list.
class block_cache {
 public:
  goroutine* take() {
    if (current_.first == nullptr) [[unlikely]]
      refill();
    goroutine* const g = current_.take();
    if (current_.first != nullptr) current_.first->prefetch_free();
    return g;
  }
  void give(goroutine& g) noexcept {
    if (current_.count == most) [[unlikely]]
      spill();
    current_.give(g);
  }
  /// Gives all to the common list.
  void clear() noexcept;

 private:
  static constexpr int most = 128;
  void refill();
  void spill() noexcept;

  block_batch current_;
  block_batch other_;
};

/// A free block from the common list, for threads without a cache. Throws std::bad_alloc.
goroutine* take_block();
void give_block(goroutine& g) noexcept;

/// Calls `see(g, life)` for every block that is prepared or live, at whatever instant; fields of g
/// are one goroutine's only if `g.life` is still `life` afterwards.
void for_each_block(void (*see)(void* arg, goroutine& g, std::uint32_t life), void* arg);

}  // namespace downhaul::impl
