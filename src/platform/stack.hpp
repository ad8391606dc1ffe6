// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// Idea       stacks of one size, cut from large mappings, each with a guard of 32 KiB below it that
//            costs no mapping of its own; kept hot in a LIFO list.
// Ownership  the pool owns mappings and descriptors, a taken stack is lent. A pool that dies while
//            stacks are out leaves its mappings and descriptors where they are (abandoned stacks).
// Threads    every function of stack_pool may be called concurrently; find_stack also from a
//            signal handler.
// Cost       acquire from the list 10 ns, a new stack 1.2 us (nearly all of it the guard) and
//            2 us more for its first page; a descriptor of 56 bytes. See docs/design/stacks.md.
// Source     madvise(2) MADV_GUARD_INSTALL, Linux 6.13.
//
//   one slot of a region, ascending addresses:
//     [ guard, 32 KiB | stack: limit ............ top ]
//
// Invariants (whenever mutex_ is free)
//   I1 a stack is lent, or in one of used_ and clean_, or being trimmed; in_use_ counts the lent
//   I2 only stacks in used_ may have pages or an idle context
//   I3 a region in open_ has at least one slot that was never cut
// Lock order: mutex_ is a leaf; mappings, guards and memory are made and given back outside it.

#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "platform/mutex.hpp"

namespace downhaul::impl {

/// What lies below a stack. A canary is a pattern at the low end of the stack itself: it does not
/// stop an overflow, it only shows that there was one.
enum class guard_kind : std::uint8_t { guard_region, mprotect, canary };

/// What a stack made now would get: guard regions where the kernel has them (probed once), else
/// mprotect until the process runs short of mappings, then the canary.
guard_kind guard_in_force() noexcept;
/// Tests only: overrules the choice for stacks made from now on; nullopt ends that.
void force_guard(std::optional<guard_kind> kind) noexcept;

struct stack {
  std::byte* limit;  // lowest usable byte; the guard ends here. Constant
  std::byte* top;    // one past the highest. Constant
  void*
      idle_context;  // where the trampoline left by the last task waits (stack_switch.hpp), or null
  void* tsan_fiber;  // made by make_execution, lives as long as the stack
  stack* older;      // guarded by the pool's lock
  stack* newer;      // guarded by the pool's lock
  guard_kind guard;  // constant once acquire has returned it
  bool touched;      // may have pages; owned by the holder, or by the pool while free
  unsigned valgrind_number;  // constant once acquire has returned it

  std::size_t size() const noexcept { return static_cast<std::size_t>(top - limit); }
};
static_assert(sizeof(stack) <= 64);

inline constexpr std::size_t default_stack_size = 256 * 1024;
inline constexpr std::size_t smallest_stack_size = 16 * 1024;
inline constexpr std::size_t guard_size = 32 * 1024;

namespace stacks {
struct region;
}

class stack_pool {
 public:
  /// `stack_size` is rounded up to whole pages and to at least smallest_stack_size.
  explicit stack_pool(std::size_t stack_size = default_stack_size) noexcept;
  ~stack_pool();
  stack_pool(const stack_pool&) = delete;
  stack_pool& operator=(const stack_pool&) = delete;

  /// nullptr when the system gives no more memory.
  stack* acquire() noexcept;
  /// Nothing runs or will run on `free` but the trampoline in its idle_context.
  void release(stack* free) noexcept;
  /// Gives the pages of up to 32 free stacks back to the system, the longest unused first.
  /// Returns whether more are left.
  bool trim() noexcept;

  std::size_t stack_size() const noexcept { return stack_size_; }
  /// Stacks acquired and not yet released.
  std::size_t in_use() noexcept;

 private:
  struct stack_list {
    stack* newest = nullptr;
    stack* oldest = nullptr;
    void push_newest(stack* s) noexcept;
    stack* pop_newest() noexcept;
    stack* pop_oldest() noexcept;
  };
  stack* take_free_or_cut(bool& is_new) noexcept DOWNHAUL_REQUIRES(mutex_);
  stacks::region* make_region() noexcept;

  const std::size_t stack_size_;
  ranked_mutex<rank::leaf> mutex_;
  stack_list used_ DOWNHAUL_GUARDED_BY(mutex_);
  stack_list clean_ DOWNHAUL_GUARDED_BY(mutex_);
  stacks::region* open_ DOWNHAUL_GUARDED_BY(mutex_) = nullptr;  // linked by next_open
  stacks::region* all_ DOWNHAUL_GUARDED_BY(mutex_) = nullptr;   // linked by next_of_pool
  std::size_t in_use_ DOWNHAUL_GUARDED_BY(mutex_) = 0;
  std::size_t next_region_stacks_ DOWNHAUL_GUARDED_BY(mutex_);
};

/// Whether the pattern at the low end of a `canary` stack is whole. True for every other kind.
bool canary_whole(const stack& s) noexcept;
inline bool canary_intact(const stack& s) noexcept {
  return s.guard != guard_kind::canary || canary_whole(s);
}

/// The stack whose guard or memory contains `address`, or nullptr; an address below `limit` lies in
/// the guard. Async-signal-safe, takes no lock.
const stack* find_stack(const void* address) noexcept;

}  // namespace downhaul::impl
