// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// downhaul/current_context.hpp — the context of who runs here, for loggers and tracers.
//
// Idea       scoped_context here{ctx}; and until the end of the scope current_context() is ctx, for
//            the goroutine or the thread that said so, through all waits. A group says so for its
//            tasks. It is opt-in and for what cannot be given a parameter; the parameter stays the rule.
// Ownership  scoped_context holds its context. Scopes nest; each ends where it began.
// Threads    each goroutine and each thread has its own. go() starts one without.
// Cost       a thread-local load and a few more; making a scope counts a reference.
#pragma once

#include "downhaul/context.hpp"

namespace downhaul {

class [[nodiscard]] scoped_context {
 public:
  explicit scoped_context(context ctx) noexcept;
  scoped_context(const scoped_context&) = delete;
  scoped_context& operator=(const scoped_context&) = delete;
  /// The one before is current again.
  ~scoped_context();

 private:
  friend context current_context() noexcept;

  const context ctx_;
  const scoped_context* const outer_;
};

/// The innermost scope's; background() outside of all.
context current_context() noexcept;

}  // namespace downhaul
