// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// sched/coroutine.hpp — the control block of a coroutine: the waiter that has no stack.
//
// Idea       What go(task) started has one for its life; a coroutine of somebody else's takes one for
//            each wait, then called a ticket. Its frame is elsewhere: the block knows the handle to
//            resume.
// Ownership  Blocks are type-stable, cut from slabs that are never freed. go's is freed when the
//            coroutine has ended, a ticket as [fate] says.
// Threads    See each field. Lists of goroutines read `life`, `where`, `in`, `since` at any time.
// Cost       80 bytes.
//
// [life]  as in goroutine.hpp: generation << 2 | state. The states live and running change without the
//         generation; readers compare that.
//
// [fate]  of a ticket, see docs/design/coroutines.md
//   waker      M1  CAS waiting → ready     then queues it; fails: D1 was first, notifies the destroyer
//   destroyer  D1  exchange (his waiter)   saw waiting: parks until M1's notify, frees the ticket
//                                          saw ready: the resumer will free it
//   resumer    R1  CAS ready → resumed     then resumes the handle; fails: D1 was first, frees the ticket
//   M1 release, D1 acquire: the node as the waker left it. D1 release, M1 acquire: the destroyer's waiter
//   is prepared. D1 release, R1 acquire: the ticket as the destroyer left it.
//   Model: tests/models/coroutine_fate.pml
#pragma once

#include <atomic>
#include <coroutine>
#include <cstdint>
#include <source_location>

#include "downhaul/impl/coro_block.hpp"
#include "downhaul/impl/coro_resume.hpp"
#include "wait/waiter.hpp"

namespace downhaul::impl {

class carrier;
class runtime_core;

/// A coroutine does not park; made ready, it is queued.
extern const waiter_ops coroutine_ops;

class coroutine final : public waiter {
 public:
  /// The two low bits of life.
  enum state : std::uint32_t { free, ticket, live, on_cpu };
  // Of fate; anything else is the address of the destroyer's waiter.
  static constexpr std::uintptr_t waiting = 0;
  static constexpr std::uintptr_t ready = 1;
  static constexpr std::uintptr_t resumed = 2;

  coroutine() noexcept : waiter{coroutine_ops} {}

  bool is_ticket() const noexcept {
    return (life.load(std::memory_order_relaxed) & 3) == ticket;  // [life] whoever asks holds it
  }
  /// Keeps the generation, or with `free` begins the next.
  void set_life(state to) noexcept {
    const std::uint32_t old = life.load(std::memory_order_relaxed);  // [life] only the owner writes
    const std::uint32_t generation = (old >> 2) + (to == free ? 1 : 0);
    // W [life] release: a reader that sees it live sees its fields.
    life.store(generation << 2 | to, std::memory_order_release);
  }
  /// Null for a ticket that is to be resumed elsewhere.
  runtime_core* core() const noexcept {
    const std::uintptr_t h = home.load(std::memory_order_relaxed);  // [life] whoever asks holds it
    return (h & elsewhere) != 0 ? nullptr : reinterpret_cast<runtime_core*>(h);
  }
  /// Of such a ticket; null: the waker's thread.
  resume_executor* executor() const noexcept {
    // [life] as above
    return reinterpret_cast<resume_executor*>(home.load(std::memory_order_relaxed) & ~elsewhere);
  }
  /// Of one that go started; null: none.
  kept_function* kept() const noexcept;
  std::atomic<std::uintptr_t>& fate() noexcept { return word; }

  static constexpr std::uintptr_t elsewhere = 1;
  // In `word`, of one that go started.
  static constexpr std::uintptr_t is_record = 1;
  static constexpr std::uintptr_t is_owner = 2;
  static constexpr std::uintptr_t tags = 3;
  static constexpr int since_shift = 25;  // 34 ms, and 4 years of uptime

  coroutine* next = nullptr;       // the queue or free list it is on
  std::coroutine_handle<> handle;  // what to resume; written by the one who suspends
  /// Under [life]. A runtime, to which it holds a reference; or of a ticket an executor, or nothing,
  /// | elsewhere.
  std::atomic<std::uintptr_t> home{0};
  std::atomic<std::source_location> where{};  // under [life]; go's
  /// Go's: what it keeps; or who owns it, | is_owner; or a record of both and its name, | is_record,
  /// written and read under the registry's lock. A ticket's: [fate].
  std::atomic<std::uintptr_t> word{0};
  std::atomic<std::uint32_t> life{0};   // [life]
  std::atomic<std::uint32_t> since{0};  // steady ns >> since_shift: the wait's begin, for lists
};
#ifndef DOWNHAUL_CHECKED
static_assert(sizeof(coroutine) == 80);
#endif

/// Of a coroutine that has a name, which follows it.
struct coroutine_record {
  const void* owner;
  kept_function* kept;

  const char* name() const noexcept { return reinterpret_cast<const char*>(this + 1); }
};

inline kept_function* coroutine::kept() const noexcept {
  const std::uintptr_t w = word.load(std::memory_order_relaxed);  // its owner's
  if ((w & tags) == 0) return reinterpret_cast<kept_function*>(w);
  return (w & is_record) != 0 ? reinterpret_cast<coroutine_record*>(w & ~tags)->kept : nullptr;
}

// --- blocks ---

/// A free block. Throws std::bad_alloc.
coroutine& take_coroutine();
void give_coroutine(coroutine& c) noexcept;
/// Calls `see` for each block that is live.
void for_each_coroutine(void (*see)(void* arg, coroutine& c, std::uint32_t life), void* arg);

// --- waits ---

/// Who waits: `root`, or where that is null a ticket for `h`. Throws std::bad_alloc.
coroutine& begin_wait(std::coroutine_handle<> h, coroutine* root, resume_on where);
/// The nodes hang: suspends. False: it was notified meanwhile, and goes on.
bool commit_wait(coroutine& me, wait_reason why) noexcept;
/// It goes on, or never waited: what was taken for the wait is given back.
void end_wait(coroutine& me) noexcept;
/// The frame of a ticket is being destroyed. First: from here on nobody wins any more; the winner, if
/// there is one, whose waker has taken it off its list. The caller takes off all others.
const wait_node* stop_waiting(coroutine& ticket) noexcept;
/// Then: returns when nobody will touch a node any more. True: a waker had won.
bool give_wait_up(coroutine& ticket) noexcept;

/// Resumes it, on this thread. What runs here is the carrier `by`, or (null) a plain thread.
void resume_coroutine(coroutine& c, carrier* by) noexcept;

}  // namespace downhaul::impl
