// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// support/context_links.hpp — what hangs on a context, and the lock it hangs there by.
//
// Idea       registrations(ctx) counts. locked_context holds{ctx}: whoever needs the lock of ctx waits.
// Ownership  a locked_context is shorter than its context.
// Threads    any; a locked_context belongs to the thread that made it.
#pragma once

#include <type_traits>
#include <utility>

#include "context/cancel_node.hpp"
#include "context/inspect.hpp"
#include "downhaul/context.hpp"
#include "platform/mutex.hpp"
#include "wait/done_source.hpp"

namespace downhaul_test {

/// How many children, callbacks and waiters hang on the done of `ctx`; 0 if that is a channel.
using downhaul::impl::registrations;

/// The lock of the nearest context at or above another that can end.
struct lock_in_context : downhaul::impl::done_source {
  static auto& of(const downhaul::context& ctx) {
    auto* done = static_cast<downhaul::impl::done_source*>(
        downhaul::impl::node_access::done_of(downhaul::impl::context_access::node(ctx)));
    return done->*(&lock_in_context::mu_);
  }
};

/// Holds that lock.
class locked_context {
 public:
  explicit locked_context(const downhaul::context& ctx) : held_{lock_in_context::of(ctx)} {}

 private:
  using lock = std::remove_reference_t<decltype(lock_in_context::of(
      std::declval<const downhaul::context&>()))>;

  downhaul::impl::lock_scope<lock> held_;
};

}  // namespace downhaul_test
