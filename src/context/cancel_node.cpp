// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
#include "context/cancel_node.hpp"

#include <memory>
#include <new>

#include "downhaul/impl/callback.hpp"
#include "downhaul/impl/view_node.hpp"
#include "platform/fatal.hpp"
#include "wait/thread_record.hpp"

namespace downhaul::impl {

// --- heads ---

void node_access::set_done(context_head& h, source* s) noexcept {
  // Refers without counting, and is never destroyed: whoever owns h owns s through h.
  ::new (static_cast<void*>(h.done_))
      recv_chan<void>{make_recv_chan<void>(source_ref<source>::adopt(s))};
}

void node_access::show(context_head& h, context_head* parent) noexcept {
  h.parent_ = parent;
  if (parent == nullptr) {
    h.end_ = &fixed().never;
    set_done(h, nullptr);
    return;
  }
  parent->ref();
  h.direct_ = parent->direct_;
  h.end_ = parent->end_;
  h.deadline_ = parent->deadline_;
  h.values_ = parent->values_;
  set_done(h, done_of(parent));
}

view_node::view_node(context_form form, context_head* parent) noexcept : context_head{1} {
  form_ = form;
  node_access::show(*this, parent);
  count(tally::contexts, 1);
}

view_node::~view_node() {
  if (parent_ != nullptr) drop(parent_);
  count(tally::contexts, -1);
}

void view_node::show_nothing() noexcept {
  node_access::set_end(*this, &fixed().never);
  node_access::set_done(*this, nullptr);
  node_access::set_direct(*this, true);
  node_access::set_deadline(*this, nullptr);
}

// --- cancel nodes ---

cancel_node::cancel_node(context_form form, context_head* parent, shape s,
                         std::uint32_t refs) noexcept
    : done_source{address_of(fixed().open), refs}, child_link{s} {
  form_ = form;
  end_ = &word_;
  node_access::set_done(*this, this);
  parent_ = parent;
  if (parent != nullptr) {
    parent->ref();
    deadline_ = parent->deadline();
    values_ = parent->values();
  }
}

cancel_node::~cancel_node() {
  // Still here: only what belongs to the list. Everything else owns this node.
  while (observer* o = observers_.pop_front()) static_cast<callback*>(o)->abandon();
  const end_record& last = why();
  if (last.owner == this) free_record(&last);
  if (parent_ != nullptr) drop(parent_);
}

void* cancel_node::operator new(std::size_t size) {
  thread_record& me = this_thread();
  void* place = me.blocks.take(size);
  count(me, tally::contexts, 1);
  return place;
}

void cancel_node::operator delete(void* place, std::size_t size) noexcept {
  thread_record& me = this_thread();
#ifdef DOWNHAUL_CHECKED
  retire(place, size, 0, freed::context);
#else
  me.blocks.give(place, size);
#endif
  count(me, tally::contexts, -1);
}

cancel_node& cancel_node::parents_done() const noexcept {
  return of(node_access::done_of(parent_));
}

void cancel_node::attach() noexcept {
  source* s = node_access::done_of(parent_);
  if (s == nullptr) return;
  linked_ = true;  // before it can be seen: the one who closes this reads it
  if (of(s).add(*this)) return;
  linked_ = false;
  bool observed = false;
  close(of(s).why(), 0, observed);  // R1 [cancel] was refused
}

#ifdef DOWNHAUL_CHECKED
// A child says that it hangs, and here. Its memory is there, by K4.
void cancel_node::check_observer(const observer& o) noexcept {
  switch (o.what) {
    case observer_kind::waiter:
      if (static_cast<const wait_node&>(o).who == nullptr) fatal({"context: nobody's node hangs"});
      return;
    case observer_kind::callback: return;
    case observer_kind::child: {
      auto& l = const_cast<child_link&>(static_cast<const child_link&>(o));
      if (&l.above() != this) fatal({"context: a child hangs on another's list"});
      if (l.how != shape::arm && !l.node().linked_) fatal({"context: a child hangs unawares"});
      return;
    }
  }
  fatal({"context: what hangs on a list is of no kind"});
}
#endif

// --- makers ---

cancel_node* make_cancel_node(context_form form, context_head* parent, std::uint32_t refs) {
  if (links_directly(parent)) {
    auto* n = new plain_node{form, parent, refs};
    n->attach();
    return n;
  }
  return make_foreign_child(form, parent, refs);
}

context hangable(const context& ctx) {
  context_head* h = context_access::node(ctx);
  if (links_directly(h)) return ctx;
  return context_access::adopt(make_cancel_node(context_form::relay, h, 1));
}

void drop(context_head* n) noexcept {
  switch (n->form()) {
    case context_form::todo: n->unref(); return;
    case context_form::value:
    case context_form::without_cancel:
    case context_form::user:  // nobody refers to these without owning them
      n->unref_settled();
      return;
    default:
      // Closed and owned: off its parent's list and without a timer, by K3.
      static_cast<cancel_node*>(n)->closed() ? n->unref_settled() : n->unref();
  }
}

}  // namespace downhaul::impl
