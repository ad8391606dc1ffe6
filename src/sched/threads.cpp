// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
#include "sched/threads.hpp"

#include <atomic>
#include <memory>
#include <system_error>

#include "platform/fatal.hpp"
#include "platform/thread.hpp"

namespace downhaul::impl {
namespace {

constinit std::atomic<int> live_threads{0};

struct start {
  const char* name;
  void (*body)(void*);
  void* arg;
};

void* run_thread(void* arg) {
  const start s = *std::unique_ptr<start>{static_cast<start*>(arg)};
  name_this_thread(s.name);
  s.body(s.arg);
  live_threads.fetch_sub(1, std::memory_order_relaxed);  // a count
  return nullptr;
}

pthread_t start_thread(const start& s, bool detached) {
  // A count.
  if (live_threads.fetch_add(1, std::memory_order_relaxed) >= most_threads) {
    write_text(2, "downhaul: program exceeds 10000-thread limit\n");
    fatal("thread exhaustion");
  }
  auto own = std::make_unique<start>(s);
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  if (detached) pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  pthread_t id{};
  const int error = pthread_create(&id, &attributes, run_thread, own.get());
  pthread_attr_destroy(&attributes);
  if (error != 0) {
    live_threads.fetch_sub(1, std::memory_order_relaxed);  // a count
    throw std::system_error{error, std::generic_category(), "downhaul: cannot start a thread"};
  }
  static_cast<void>(own.release());  // the thread's now
  return id;
}

}  // namespace

void start_detached_thread(const char* name, void (*body)(void*), void* arg) {
  start_thread({name, body, arg}, true);
}

pthread_t start_joinable_thread(const char* name, void (*body)(void*), void* arg) {
  return start_thread({name, body, arg}, false);
}

}  // namespace downhaul::impl
