// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
#include "downhaul/context.hpp"

#include <utility>

#include "context/cancel.hpp"
#include "context/cancel_node.hpp"
#include "downhaul/clock.hpp"
#include "downhaul/impl/view_node.hpp"
#include "wait/thread_record.hpp"

namespace downhaul {
namespace impl {
namespace {

// A view of the background, in static storage, never destroyed.
class todo_node final : public view_node {
 public:
  todo_node() noexcept : view_node{context_form::todo, nullptr} {
    count(tally::contexts, -1);  // not one of those that come and go
    ref();                       // one more than any handle gives back
  }
  ~todo_node() = default;

 private:
  void dispose() noexcept override {}
};
union todo_place {
  todo_place() : node{} {}
  ~todo_place() {}
  todo_node node;
};

class cut_node final : public view_node {
 public:
  explicit cut_node(context_head* parent) noexcept
      : view_node{context_form::without_cancel, parent} {
    show_nothing();
  }

 private:
  ~cut_node() = default;
  void dispose() noexcept override { delete this; }
};

}  // namespace

// --- the seam ---

source* done_of(const context& ctx) noexcept {
  return node_access::done_of(context_access::node(ctx));
}
std::error_code err_of(const context& ctx) noexcept { return ctx.err(); }
void throw_done(const context& ctx) {
  ending e = ending_of(context_access::node(ctx));
  throw context_error{e.err, std::move(e.cause)};
}

// --- handles ---

void cancel(context_head* n) noexcept {
  cancel_tree(static_cast<cancel_node&>(*n), fixed().canceled, canceller::user);
}

void cancel(context_head* n, cause_arg why) noexcept {
  auto& node = static_cast<cancel_node&>(*n);
  if (node.closed()) return;
  // Made before it is published; the loser of a race frees its own.
  const end_record& record = record_for(errc::canceled, std::move(why.ptr), node);
  if (!cancel_tree(node, record, canceller::user) && record.owner == n) free_record(&record);
}

void cancel_and_drop(context_head* n) noexcept {
  cancel(n);
  static_cast<cancel_node*>(n)->unref_settled();  // closed and owned: see drop
}

}  // namespace impl

std::optional<duration> context::remaining() const noexcept {
  const impl::deadline_info* d = node_ != nullptr ? node_->deadline() : nullptr;
  if (d == nullptr) return std::nullopt;
  const std::int64_t left = impl::subtract_saturated(d->at, d->on->now_ns());
  return d->at == impl::never ? duration{impl::never} : duration{left > 0 ? left : 0};
}

std::exception_ptr context::cause() const {
  impl::ending e = impl::ending_of(node_);
  if (!e.err) return nullptr;
  return e.cause != nullptr ? std::move(e.cause) : impl::plain_cause(e.err);
}

context todo() noexcept {
  static impl::todo_place place;
  return impl::context_access::share(&place.node);
}

cancelable with_cancel(const context& parent) {
  impl::context_head* n =
      impl::make_cancel_node(impl::context_form::cancel, impl::context_access::node(parent), 2);
  return {impl::context_access::adopt(n), impl::context_access::make<cancel_scope>(n)};
}

cancelable_cause with_cancel_cause(const context& parent) {
  impl::context_head* n =
      impl::make_cancel_node(impl::context_form::cancel, impl::context_access::node(parent), 2);
  return {impl::context_access::adopt(n), impl::context_access::make<cancel_cause_scope>(n)};
}

context without_cancel(const context& parent) {
  return impl::context_access::adopt(new impl::cut_node{impl::context_access::node(parent)});
}

std::int64_t count_contexts() noexcept { return impl::total(impl::tally::contexts); }

}  // namespace downhaul
