// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
#include "downhaul/current_context.hpp"

#include <utility>

#include "wait/thread_record.hpp"

namespace downhaul {

scoped_context::scoped_context(context ctx) noexcept
    : ctx_{std::move(ctx)}, outer_{std::exchange(impl::this_waiter().scope, this)} {}

scoped_context::~scoped_context() { impl::this_waiter().scope = outer_; }

context current_context() noexcept {
  const impl::waiter* const me = impl::this_thread().current;
  // Null on a scheduler's stack, where in-place callbacks of deadlines do not run.
  if (me == nullptr || me->scope == nullptr) return {};
  return me->scope->ctx_;
}

}  // namespace downhaul
