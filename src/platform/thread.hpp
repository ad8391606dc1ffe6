// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// Idea       what a thread of the library sets for itself when it starts.
// Threads    each acts on the calling thread.

#pragma once

#include <pthread.h>
#include <sys/prctl.h>

namespace downhaul::impl {

/// The name debuggers and top show; at most 15 characters, longer ones are refused by the kernel.
inline void name_this_thread(const char* name) noexcept {
  static_cast<void>(::pthread_setname_np(::pthread_self(), name));
}

/// Sleeps end when they should instead of up to 50 us later.
inline void set_timer_slack_1ns() noexcept {
  static_cast<void>(::prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0));
}

}  // namespace downhaul::impl
