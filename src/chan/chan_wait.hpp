// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// chan/chan_wait.hpp — the first half of a send or receive, for a waiter that rests in another way
// than by park.
#pragma once

#include "downhaul/impl/channel.hpp"
#include "wait/waiter.hpp"

namespace downhaul::impl {

/// Sends from, or receives into, `place`: value or closed; or blocked, and then `node` hangs on `s`
/// (null: nowhere, for ever) and somebody will notify `me`, once node.ok says what happened. The caller
/// has set node.elect. `s` is a channel or, where it receives, a done.
passed begin_pass(source* s, wait_node& node, waiter& me, void* place, bool sends) noexcept;

}  // namespace downhaul::impl
