// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// wait/context_wait.hpp — one wait on a list of one's own that a context may end.
//
// Use
//   waiter& w = this_waiter();  wait_node node;
//   w.prepare();  node.who = &w;  node.elect = done != nullptr;
//   lock; link node; unlock;
//   if (park_with_source(w, node, done, why) == wait_result::done) { lock; unlink node if linked; unlock; }
#pragma once

#include "wait/waiter.hpp"

namespace downhaul::impl {

enum class wait_result : std::uint8_t { woken, done };

/// Waits until `node` is woken or `done` (null: never) has ended, whichever is first. On `done`
/// the node may still be linked: the caller unlinks it under its own lock. `node.elect` must be
/// true when `done` is not null. `done` must be of kind done or channel, kept alive by the caller.
wait_result park_with_source(waiter& w, wait_node& node, source* done, wait_reason why) noexcept;

/// The first half, for a waiter that rests in another way: hangs `on_done` on `done`. False: it has
/// ended already and is the winner, so that nobody will notify.
bool watch_too(waiter& w, source& done, wait_node& on_done) noexcept;
/// The second half, after the wait.
wait_result unwatch_too(const waiter& w, source& done, wait_node& on_done) noexcept;

}  // namespace downhaul::impl
