// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// wait/done_source.hpp — a source that closes once: the done of a context.
//
// Idea       One word says open or closed; a list holds who is to be told. Waiters, child contexts
//            and callbacks hang on the same list. Closing it — publishing the word, walking the
//            list, telling each — belongs to the context room, which derives from this.
// Ownership  Counted, see source. It begins with the head of its context: one object, one count.
// Threads    closed(), add(), remove(): anybody.
// Cost       closed(): one load. add, remove: one lock each.
//
// The word   bit 0  closed      set once, by the one who closes; never cleared
//            bit 1  observed    set under mu before the first observer is linked; while it is clear
//                               and bit 0 is too, the list is empty and closing needs no lock
//            bit 2  detached    set together with closed by a parent's walk: off the parent's list
//            rest   for the context room: which record says why (see impl/context_head.hpp)
//
// [done]  add:    A1 lock; A2 set observed unless closed (CAS); A3 link; unlock
//         close:  C1 set closed (CAS on the whole word); C2 if observed was set: lock, take the list
//   If C1 precedes A2 in the word's order, A2 fails and the observer is told by its own caller.
//   Else C1's CAS sees observed and C2 waits for the lock, hence sees the link.
//   Model: tests/models/cancel_and_register.pml
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "downhaul/impl/context_head.hpp"
#include "downhaul/impl/observer.hpp"
#include "platform/mutex.hpp"

namespace downhaul::impl {

class done_source : public done_head {
 public:
  static constexpr std::uintptr_t observed_bit = 2;
  static constexpr std::uintptr_t detached_bit = 4;

  /// False if closed already: then the observer is not linked and the caller tells it himself.
  bool add(observer& o) noexcept;
  /// Unlinks the observer if it is still linked. Returns whether it was.
  bool remove(observer& o) noexcept;
  bool ready() noexcept final { return closed(); }
  bool watch(wait_node& node) noexcept final { return add(node); }
  void unwatch(wait_node& node) noexcept final { remove(node); }
  /// How many observers hang here. For tests.
  std::size_t observers() noexcept;
#ifdef DOWNHAUL_CHECKED
  /// Under mu_, which is about to be given back. Aborts if the list and the word do not fit together.
  void check_invariants() noexcept DOWNHAUL_NO_THREAD_SAFETY_ANALYSIS;
#endif

 protected:
  explicit done_source(std::uintptr_t open_word, std::uint32_t refs = 1) noexcept
      : done_head{open_word, refs} {}
  ~done_source() = default;

#ifdef DOWNHAUL_CHECKED
  /// Under mu_: aborts if `o`, which hangs here, does not say so.
  virtual void check_observer(const observer&) noexcept {}
#endif

  ranked_mutex<rank::context, done_source> mu_{this};  // one node's at a time
  observer_list<observer> observers_ DOWNHAUL_GUARDED_BY(mu_);
};

}  // namespace downhaul::impl
