// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// sched/registry.hpp — which goroutines there are.
//
// Idea       The slabs of control blocks are the registry: to list goroutines is to walk them, so
//            that starting and ending one costs nothing here.
// Threads    Any. A list is no snapshot: each entry was true at some instant during the walk.
#pragma once

#include <functional>
#include <vector>

#include "downhaul/runtime.hpp"
#include "sched/goroutine.hpp"

namespace downhaul::impl {

/// Takes an ended or discarded goroutine off the lists; the block may be reused from here on.
void forget(goroutine& ended) noexcept;

class coroutine;
/// Takes its name, if it has one, from the lists.
void forget_label(coroutine& ended) noexcept;

enum class activity : std::uint8_t { runnable, running, waiting };

struct goroutine_facts {
  std::source_location where;
  const char* name;   // "" when it has none; valid during the call only
  const void* owner;  // see spawn_request
  activity doing;
  wait_reason reason;  // where it waits
  std::int64_t since;  // steady ns: the begin of the wait, else the last time it was looked at
  const runtime_core* core;
  const worker* at;  // where it runs or ran
};

/// Calls `see` for each live goroutine, under a lock: `see` must not wait, start or end goroutines.
void for_each_goroutine(const std::function<void(const goroutine_facts&)>& see);

/// Those that `owner` counts. Throws std::bad_alloc.
std::vector<goroutine_info> list_goroutines_of(const void* owner);

}  // namespace downhaul::impl
