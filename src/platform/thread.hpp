// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// Idea       what a thread of the library sets for itself when it starts; how many there are.
// Threads    any; what sets something acts on the calling thread.
// Source     man proc: each thread is a directory in /proc/self/task, so a link to it.

#pragma once

#include <pthread.h>
#include <sys/prctl.h>
#include <sys/stat.h>

namespace downhaul::impl {

/// The name debuggers and top show; at most 15 characters, longer ones are refused by the kernel.
inline void name_this_thread(const char* name) noexcept {
  static_cast<void>(::pthread_setname_np(::pthread_self(), name));
}

/// Sleeps end when they should instead of up to 50 us later.
inline void set_timer_slack_1ns() noexcept {
  static_cast<void>(::prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0));
}

/// All threads of the process, whoever started them; -1 where /proc cannot be read.
inline int threads_of_process() noexcept {
  struct stat tasks{};
  if (::stat("/proc/self/task", &tasks) != 0 || tasks.st_nlink < 3) return -1;
  return static_cast<int>(tasks.st_nlink) - 2;  // but "." and the name in the parent
}

}  // namespace downhaul::impl
