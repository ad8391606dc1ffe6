// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
#include "sched/threads.hpp"

#include <atomic>
#include <system_error>

#include "platform/fatal.hpp"
#include "platform/thread.hpp"

namespace downhaul::impl {
namespace {

constinit std::atomic<int> live_threads{0};

pthread_t start_thread(thread_entry entry, void* arg, bool detached) {
  // A count.
  if (live_threads.fetch_add(1, std::memory_order_relaxed) >= most_threads) {
    write_text(2, "downhaul: program exceeds 10000-thread limit\n");
    fatal("thread exhaustion");
  }
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  if (detached) pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  pthread_t id{};
  const int error = pthread_create(&id, &attributes, entry, arg);
  pthread_attr_destroy(&attributes);
  if (error != 0) {
    live_threads.fetch_sub(1, std::memory_order_relaxed);  // a count
    throw std::system_error{error, std::generic_category(), "downhaul: cannot start a thread"};
  }
  return id;
}

}  // namespace

void start_detached_thread(thread_entry entry, void* arg) { start_thread(entry, arg, true); }

pthread_t start_joinable_thread(thread_entry entry, void* arg) {
  return start_thread(entry, arg, false);
}

counted_thread::counted_thread(const char* name) noexcept { name_this_thread(name); }

counted_thread::~counted_thread() {
  live_threads.fetch_sub(1, std::memory_order_relaxed);  // a count
}

}  // namespace downhaul::impl
