// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// sched/abandon.hpp — goroutines that will never run again.
#pragma once

namespace downhaul::impl {

class runtime_core;

/// `core` has stopped: shows the stacks of its parked goroutines to the leak checker, for what is
/// reachable from there only is not lost, just abandoned. Nothing in other builds.
void show_abandoned_to_leak_checker(const runtime_core& core) noexcept;

}  // namespace downhaul::impl
