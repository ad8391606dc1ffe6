// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// context/foreign_link.hpp — how a context hangs below a user-written one with a done of its own.
//
// Idea       A callback on the parent's done: through the class's own after_func if it has one, else
//            as a waiter of a third kind, one that starts a goroutine when it is woken. That goroutine
//            reads the parent's err and cause, with no lock held, and ends the child. It is prepared
//            with the child, so whoever closes the done neither allocates nor runs foreign code.
// Ownership  Shared by the child, by the pending run, and by the callables handed to after_func. It
//            owns the parent; it does not own the child.
//
// [link]  who takes the pending run, run or detach, is decided once:
//   done:        the election of the waiter (waiter.hpp [elect]), in which detach takes part
//   after_func:  an exchange of prepared_ with null
// [child]  child_ under mu_: detach clears it before the child's memory goes; the run takes a
//   reference under it, or leaves.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>

#include "context/cancel_node.hpp"
#include "downhaul/impl/spawn.hpp"
#include "platform/mutex.hpp"
#include "wait/waiter.hpp"

namespace downhaul::impl {

class user_node;

class foreign_link {
 public:
#ifdef DOWNHAUL_CHECKED
  static void operator delete(void* place, std::size_t size) noexcept {
    retire(place, size, 0, freed::context);
  }
#endif
  foreign_link(const foreign_link&) = delete;
  foreign_link& operator=(const foreign_link&) = delete;

  /// Hangs `child` on `parent`, with the link in `place` before the first run; or, if the parent has
  /// ended, ends the child now and leaves `place` null. Throws std::bad_alloc, and what the class's
  /// after_func throws.
  static void hang(cancel_node& child, context_head& parent, foreign_link*& place);
  /// Ends `child`, which has no parent, when `done` closes, with errc::canceled and no cause. Throws
  /// std::bad_alloc.
  static void follow(cancel_node& child, source& done, foreign_link*& place);
  /// Gives up the child's share. Once.
  void detach() noexcept;

 private:
  struct wake_up final : waiter {
    explicit wake_up(foreign_link& l) noexcept;
    foreign_link& link;
  };
  class caller;  // what the class's after_func is given

  foreign_link(cancel_node& child, context_head* parent);
  ~foreign_link() = default;

  void hang_on_done(source& done) noexcept;
  void hang_on_after_func(user_node& parent);
  void start() noexcept;
  void run();
  void start_none() noexcept;
  void discard(goroutine* g) noexcept;
  void ref() noexcept { shares_.fetch_add(1, std::memory_order_relaxed); }  // [refs] as in source
  void unref() noexcept {
    if (shares_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;  // [refs] as in source
  }

  const context parent_;
  source_ref<source> followed_;                // instead of a parent
  std::atomic<std::uint32_t> shares_{2};       // [refs] the child's and the pending run's
  std::atomic<goroutine*> prepared_{nullptr};  // [link]
  source* done_ =
      nullptr;  // what node_ hangs on, kept by parent_ or followed_; null: after_func. Constant
  wake_up waiter_;
  wait_node node_;
  ranked_mutex<rank::leaf> mu_;
  cancel_node* child_;          // guarded by mu_
  std::function<bool()> stop_;  // guarded by mu_: the class's own
};

}  // namespace downhaul::impl
