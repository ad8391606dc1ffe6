// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// context/cancel_node.hpp — a context that can end by itself.
//
// Idea       A done_source that also hangs, as an observer, on the done of its parent.
// Ownership  Owns its parent and the record it ended with, if that was made for it. The parent's list
//            refers to it without owning it.
// Threads    See cancel.hpp for closing. The rest is constant once published.
// Cost       120 bytes, one allocation, often a block that the thread has kept.
#pragma once

#include <cstddef>
#include <cstdint>

#include "context/records.hpp"
#include "downhaul/context.hpp"
#include "downhaul/impl/observer.hpp"
#include "wait/done_source.hpp"

namespace downhaul::impl {

class cancel_node;

/// How a context hangs on the done above it.
struct child_link : observer {
  enum class shape : std::uint8_t {
    plain,     // part of a cancel_node that needs nothing but its word set
    extended,  // part of a cancel_node with more to do when it, or its parent, ends
    arm,       // one of several, of a merge
  };
  explicit child_link(shape s) noexcept : observer{observer_kind::child}, how{s} {}

  inline cancel_node& node() noexcept;
  /// What it hangs on, or did.
  inline cancel_node& above() noexcept;

  const shape how;
};

class cancel_node : public done_source, public child_link {
 public:
  /// `parent` (null: background) gets one more reference. `refs` are the caller's.
  cancel_node(context_form form, context_head* parent, shape s, std::uint32_t refs) noexcept;

  // From the thread's own blocks; counts what is alive.
  static void* operator new(std::size_t size);
  static void operator delete(void* place, std::size_t size) noexcept;

  /// Hangs this on its parent's done, if that is one of ours; ends this if the parent has ended.
  void attach() noexcept;

  /// C1 [cancel]: true for the one who closes it; `observed` says whether its list needs a walk.
  bool close(const end_record& why, std::uintptr_t flags, bool& observed) noexcept {
    std::uintptr_t word = word_.load(std::memory_order_relaxed);  // [done] the CAS below decides
    do {
      if ((word & closed_bit) != 0) return false;
      // C1 [done] [end] release: the record and what the canceller did before; acquire: the list, if
      // observed is set, though the lock orders that too.
    } while (!word_.compare_exchange_weak(
        word, address_of(why) | closed_bit | flags | (word & observed_bit),
        std::memory_order_acq_rel, std::memory_order_relaxed));  // C1 failed: A2 or another C1
    observed = (word & observed_bit) != 0;
    return true;
  }
  const end_record& why() const noexcept {
    // [end] acquire: pairs with close.
    return *reinterpret_cast<const end_record*>(word_.load(std::memory_order_acquire) &
                                                ~word_flags);
  }
  /// Takes this off its parent's list; anybody, any number of times.
  void unlink() noexcept {
    if (linked_) parents_done().remove(*this);
  }

  /// Not for plain ones. It is closed: gives back timers and registrations. Once, by the closer.
  virtual void settle() noexcept {}
  /// Not for plain ones. What it hangs on has ended with `why`: what it ends with, now; null: it
  /// does not end now.
  virtual const end_record* ends_with(const end_record& why) noexcept { return &why; }

  bool plain() const noexcept { return how == shape::plain; }
  static cancel_node& of(source* done) noexcept {
    return static_cast<cancel_node&>(static_cast<done_source&>(*done));
  }

 protected:
  ~cancel_node();

  /// The first thing in dispose(): off the parent's list (K4).
  void take_leave() noexcept {
    if (!closed()) unlink();
  }

 private:
#ifdef DOWNHAUL_CHECKED
  void check_observer(const observer& o) noexcept override;
#endif
  friend class cancel_walk;
  friend struct child_link;
  cancel_node& parents_done() const noexcept;
};

class plain_node final : public cancel_node {
 public:
  plain_node(context_form form, context_head* parent, std::uint32_t refs) noexcept
      : cancel_node{form, parent, shape::plain, refs} {}

 private:
  void dispose() noexcept override {
    take_leave();
    delete this;
  }
};
#ifndef DOWNHAUL_CHECKED
static_assert(sizeof(plain_node) <= 120, "one size class of the allocator");
#endif

struct merge_arm : child_link {
  merge_arm() noexcept : child_link{shape::arm} {}
  cancel_node* part_of = nullptr;  // constant once hung
  cancel_node* on = nullptr;       // constant once hung
};

inline cancel_node& child_link::node() noexcept {
  if (how == shape::arm) return *static_cast<merge_arm*>(this)->part_of;
  return static_cast<cancel_node&>(*this);
}

inline cancel_node& child_link::above() noexcept {
  if (how == shape::arm) return *static_cast<merge_arm*>(this)->on;
  return static_cast<cancel_node&>(*this).parents_done();
}

/// The rest of the room's way into heads.
class node_access {
 public:
  static recv_chan<void>& done(context_head& h) noexcept {
    return *reinterpret_cast<recv_chan<void>*>(h.done_);
  }
  /// The done that waiters below hang on; null: it never ends. Borrowed.
  static source* done_of(const context_head* h) noexcept {
    if (h == nullptr) return nullptr;
    return chan_access::get(*static_cast<const recv_chan<void>*>(h->done_place()));
  }
  static void set_done(context_head& h, source* s) noexcept;
  /// `h` shows all that `parent` does.
  static void show(context_head& h, context_head* parent) noexcept;
  static bool direct(const context_head& h) noexcept { return h.direct_; }
  static void set_direct(context_head& h, bool direct) noexcept { h.direct_ = direct; }
  static void set_end(context_head& h, const std::atomic<std::uintptr_t>* end) noexcept {
    h.end_ = end;
  }
  static void set_deadline(context_head& h, const deadline_info* d) noexcept { h.deadline_ = d; }
  static void set_values(context_head& h, const value_entry* v) noexcept { h.values_ = v; }
  static void set_parent(context_head& h, context_head* p) noexcept { h.parent_ = p; }
};

/// True: the context's done is null, or of the nearest cancel node above: children link to it.
inline bool links_directly(const context_head* parent) noexcept {
  return parent == nullptr || node_access::direct(*parent);
}

/// A cancel node of form cancel or relay below `parent`.
cancel_node* make_cancel_node(context_form form, context_head* parent, std::uint32_t refs);
/// The same below a user-written context that nothing links to directly.
cancel_node* make_foreign_child(context_form form, context_head* parent, std::uint32_t refs);
/// One without a parent that ends when `done` closes, which it keeps.
context make_follower(source& done);
/// ctx itself if things can hang on its done directly, else a relay below it.
context hangable(const context& ctx);

}  // namespace downhaul::impl
