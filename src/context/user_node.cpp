// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
#include "downhaul/impl/user_node.hpp"

#include <typeinfo>

#include "context/cancel.hpp"
#include "context/cancel_node.hpp"
#include "downhaul/context_base.hpp"
#include "time/timer_entry.hpp"

namespace downhaul {

// What a user's class does not override is its parent's.
std::optional<time_point> context_base::deadline() const { return parent_.deadline(); }
recv_chan<void> context_base::done() const { return parent_.done(); }
std::error_code context_base::err() const { return parent_.err(); }
std::exception_ptr context_base::cause() const { return parent_.cause(); }
const void* context_base::find(const key_base& k) const noexcept {
  const impl::context_head* p = impl::context_access::node(parent_);
  return p != nullptr && p->values() != nullptr ? impl::find_value(*p, k) : nullptr;
}
std::string context_base::to_string() const { return impl::type_name(typeid(*this)); }

namespace impl {
namespace {

// The done of the nearest cancel node at or above `h`; null: none, or cut off by without_cancel.
source* nearest_own_done(const context_head* h) noexcept {
  for (; h != nullptr; h = h->parent()) {
    if (node_access::direct(*h)) return node_access::done_of(h);
    if (h->form() == context_form::user) return static_cast<const user_node*>(h)->nearest_done();
  }
  return nullptr;
}

}  // namespace

void user_node::show(const context_base& object, own_parts own) {
  object_ = &object;
  own_ = own;
  context_head* p = context_access::node(object.parent());
  node_access::show(*this, p);

  own_done_ = object.done();
  source* done = chan_access::get(own_done_);
  nearest_done_ = nearest_own_done(p);
  node_access::set_done(*this, done);
  node_access::set_direct(*this, done == nullptr || done == nearest_done_);
  if (own.err) {
    ask_.whom = this;
    // Not seen by others yet.
    ask_.word.store(closed_bit | ask_bit, std::memory_order_relaxed);
    node_access::set_end(*this, &ask_.word);
  }
  if (own.deadline) {
    const std::optional<time_point> at = object.deadline();
    if (at) own_deadline_ = {to_ns(*at), &clock_of_here()};
    node_access::set_deadline(*this, at ? &own_deadline_ : nullptr);
  }
  if (own.find) {
    own_entry_.tail = this;
    node_access::set_values(*this, &own_entry_);
  }
}

// The goroutine that would end the follower may not have come to it: who has ended is not dropped open.
user_node::~user_node() {
  context_head* const f = context_access::node(follower_);
  if (f != nullptr && chan_access::get(own_done_)->ready()) cancel(f);
}

const void* user_node::ask(const key_base& k) const noexcept { return object_->find(k); }

const user_node& asked(const context_head& node) noexcept {
  // The first member of a standard-layout struct has the address of the struct.
  return *static_cast<const user_node*>(reinterpret_cast<const ask_word*>(node.end())->whom);
}

std::error_code ask_err(const context_head& node) noexcept { return asked(node).object().err(); }

}  // namespace impl
}  // namespace downhaul
