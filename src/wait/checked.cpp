// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// How checked builds say that the rules of this room were broken. Compiled in these only.
#include <cstdlib>

#include "downhaul/impl/observer.hpp"
#include "downhaul/impl/source.hpp"
#include "platform/backtrace.hpp"
#include "wait/done_source.hpp"
#include "wait/waiter.hpp"

namespace downhaul::impl {
namespace {

[[noreturn]] void die(std::string_view what) noexcept {
  say({"fatal error: ", what, "\n"});
  say_place("found at", place::here());
  std::abort();
}

}  // namespace

void source::die_of_dead_reference(source_kind kind) noexcept {
  die(kind == source_kind::channel ? "a reference to a channel was used that nobody owns"
                                   : "a reference to a context was used that nobody owns");
}

void die_of_torn_list() noexcept { die("a list of waiters is torn"); }

void waiter::expect_prepared() const noexcept {
  expect_used();
  const std::uint32_t word = state_.load(std::memory_order_relaxed);  // [park] ours, or notified
  if (word != parking && word != notified) die("a wait was not prepared");
}

void done_source::check_invariants() noexcept {
  observers_.check([this](observer& o) { check_observer(o); });
  // A2 [done]; neither bit is ever cleared.
  const std::uintptr_t word = word_.load(std::memory_order_acquire);
  if (!observers_.empty() && (word & observed_bit) == 0) {
    die("context: something hangs on a done that does not say so");
  }
}

}  // namespace downhaul::impl
