// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// Idea       A cancel node with an entry in a clock's queue: for a deadline armed at once, for a grace
//            when the parent has ended.
// Protocol   [arm-then-look], see cancel.hpp. The entry gets its place on the clock before the node
//            can be seen, so that taking it back needs no more than the lock of that place.
#include <algorithm>
#include <utility>

#include "context/cancel.hpp"
#include "context/foreign_child.hpp"
#include "time/clock_state.hpp"
#include "time/timer_entry.hpp"
#include "wait/thread_record.hpp"

namespace downhaul::impl {
namespace {

class timed_node final : public extended_node, public timer_entry {
 public:
  timed_node(context_form form, context_head* parent, clock& on, std::int64_t at) noexcept
      : extended_node{form, parent, 2},
        timer_entry{&fire_node, &try_ref_node},
        own_{at, &on},
        place_{clock_state::of(on).adopt(*this, on)} {}

  /// With a deadline; `cause` is what it ends with then. Throws std::bad_alloc.
  void make_deadline(std::int64_t now, std::exception_ptr cause) {
    ending_ = &record_or_throw(errc::deadline_exceeded, std::move(cause), *this);
    deadline_ = &own_;
    attach_anyhow();  // a parent that has ended goes before a deadline that has passed
    if (closed()) return;
    if (own_.at > now) {
      arm(own_.at);
    } else {
      cancel_tree(*this, *ending_, canceller::user);
    }
  }

  /// Ends `delay` ns after the parent.
  void make_grace(std::int64_t delay) noexcept {
    delay_ = delay;
    if (deadline_ != nullptr) {
      own_.on = deadline_->on;
      own_.at = due_after(deadline_->at, std::max<std::int64_t>(delay, 0));
      deadline_ = &own_;
    }
    source* above = node_access::done_of(parent_);
    if (above == nullptr) return;
    linked_ = true;
    if (of(above).add(*this)) return;
    linked_ = false;
    if (const end_record* why = ends_with(of(above).why())) {
      cancel_tree(*this, *why, canceller::user);
    }
  }

  const end_record* ends_with(const end_record& why) noexcept override {
    if (form() == context_form::deadline) {
      // A parent that expired at the same instant was only the first to be served.
      const bool both = why.err == errc::deadline_exceeded && own_.at <= owner->now_ns();
      return both ? ending_ : &why;
    }
    if (delay_ <= 0) return &why;
    ending_ = &why;  // once: read by fire, after the arming
    arm(due_after(owner->now_ns(), delay_));
    return nullptr;
  }

  void settle() noexcept override {
    disarm();
    extended_node::settle();
  }

  std::int64_t delay() const noexcept { return delay_; }

 private:
  ~timed_node() {
    if (ending_ != nullptr && ending_->owner == this && ending_ != &why()) free_record(ending_);
  }

  void arm(std::int64_t at) noexcept {
    if (at == never) return;
    bool look = false;
    {
      const lock_scope lock{place_.mu};
      look = place_.arm(*this, at);  // T1 [arm-then-look]
    }
    if (look) owner->attend(at);
    if (closed()) disarm();  // T2
  }
  void disarm() noexcept {
    const lock_scope lock{place_.mu};
    place_.queue.remove(*this);  // U2
  }

  static bool try_ref_node(timer_entry& e) noexcept {
    return static_cast<timed_node&>(e).source::try_ref();
  }
  static void fire_node(timer_entry& e, std::int64_t) noexcept {
    auto& n = static_cast<timed_node&>(e);
    cancel_tree(n, *n.ending_, canceller::clock);
    unref_elsewhere(n);
  }

  void dispose() noexcept override {
    take_leave();
    delete this;
  }

  deadline_info own_;
  timer_shard& place_;
  const end_record* ending_ = nullptr;  // deadline: constant. grace: written before the arming
  std::int64_t delay_ = 0;              // grace: ns. Constant
};

cancelable both_handles(context_head* n) noexcept {
  return {context_access::adopt(n), context_access::make<cancel_scope>(n)};
}

cancelable with_deadline_at(const context& parent, clock& on, std::int64_t at, std::int64_t now,
                            std::exception_ptr cause) {
  context_head* p = context_access::node(parent);
  const deadline_info* above = p != nullptr ? p->deadline() : nullptr;
  if (above != nullptr && above->on == &on && above->at < at) return with_cancel(parent);
  return both_handles(made_ready(new timed_node{context_form::deadline, p, on, at}, 2,
                                 [&](timed_node& n) { n.make_deadline(now, std::move(cause)); }));
}

}  // namespace

cancelable make_with_deadline(const context& parent, std::int64_t at, std::exception_ptr cause) {
  clock& on = clock_of_here();
  return with_deadline_at(parent, on, at, at == never ? always : on.now_ns(), std::move(cause));
}

cancelable make_with_timeout(const context& parent, std::int64_t ns, std::exception_ptr cause) {
  clock& on = clock_of_here();
  const std::int64_t now = on.now_ns();
  return with_deadline_at(parent, on, due_after(now, ns), now, std::move(cause));
}

cancelable make_with_grace(const context& parent, std::int64_t ns) {
  const context above = hangable(parent);
  auto* n = new timed_node{context_form::grace, context_access::node(above), clock_of_here(), 0};
  n->make_grace(ns);
  return both_handles(n);
}

std::int64_t grace_delay(const context_head& n) noexcept {
  return static_cast<const timed_node&>(n).delay();
}

}  // namespace downhaul::impl
