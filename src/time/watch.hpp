// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// time/watch.hpp — one thread that stands in when nobody else looks at the real clock.
//
// Idea       Deadlines must be kept while every worker is busy, blocked, or not there at all. The
//            watch fires what is overdue itself, and calls the ticks that others (the scheduler's
//            monitor) registered. While something is going on it looks every 10 ms; after ten looks
//            without activity it sleeps until it is called.
// Ownership  Never destroyed; the thread is started when first needed and never ends.
// Threads    Every function may be called from anywhere, outside all locks.
// Cost       cover and note_activity: one load when there is nothing to do; a futex wake otherwise.
//
// [watch]  look_at: when the thread will look next; `always` while it is looking
//   caller: A1 publish a deadline, or that something goes on;  A2 read look_at, ring if too late
//   thread: L1 store look_at;                                  L2 read all of that again, then sleep
//   Required: A2 sees L1 or L2 sees A1: all are seq_cst.
//   Model: tests/models/clock_lookers.pml
#pragma once

#include <cstdint>

namespace downhaul::impl::watch {

using tick_function = void (*)(void*) noexcept;

inline constexpr std::int64_t look_every_ns = 10'000'000;

/// The watch will look at the real clock by `when` (ns) at the latest.
void cover(std::int64_t when) noexcept;
/// Something runs that ticks are for: look every 10 ms from now on.
void note_activity() noexcept;

/// `tick(arg)` is called at each look while there is activity.
void add_tick(tick_function tick, void* arg);
/// Returns when that tick is not running and will not be called again. Not from within it.
void remove_tick(tick_function tick, void* arg) noexcept;

/// Whether the thread exists. For tests.
bool started() noexcept;
/// How often it has looked. For tests.
std::uint64_t looks() noexcept;

}  // namespace downhaul::impl::watch
