// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// sched/threads.hpp — starting the library's threads.
//
// Idea       At most 10,000 of them: a program that needs more has lost control of its calls. Nothing
//            is allocated: a worker is started where nobody could be told that there is no memory.
// Threads    Any.
#pragma once

#include <pthread.h>

namespace downhaul::impl {

inline constexpr int most_threads = 10'000;

using thread_entry = void* (*)(void* arg);

/// Starts entry(arg) on a detached thread. Throws std::system_error. Fatal beyond most_threads:
/// "program exceeds 10000-thread limit".
void start_detached_thread(thread_entry entry, void* arg);
/// The same, to be joined.
pthread_t start_joinable_thread(thread_entry entry, void* arg);

/// The life of such a thread; the first thing in its entry.
class counted_thread {
 public:
  /// `name`: at most 15 characters.
  explicit counted_thread(const char* name) noexcept;
  counted_thread(const counted_thread&) = delete;
  counted_thread& operator=(const counted_thread&) = delete;
  ~counted_thread();
};

}  // namespace downhaul::impl
