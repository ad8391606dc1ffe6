// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// sched/threads.hpp — starting the library's threads.
//
// Idea       At most 10,000 of them: a program that needs more has lost control of its calls.
// Threads    Any.
#pragma once

#include <pthread.h>

namespace downhaul::impl {

inline constexpr int most_threads = 10'000;

/// Starts body(arg) on a detached thread. Throws std::system_error. `name`: at most 15 characters,
/// static storage. Fatal beyond most_threads: "program exceeds 10000-thread limit".
void start_detached_thread(const char* name, void (*body)(void*), void* arg);
/// The same, to be joined.
pthread_t start_joinable_thread(const char* name, void (*body)(void*), void* arg);

}  // namespace downhaul::impl
