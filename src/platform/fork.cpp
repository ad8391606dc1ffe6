// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors

#include "platform/fork.hpp"

#include <pthread.h>

#include "platform/fatal.hpp"

namespace downhaul::impl {

constinit std::atomic<bool> forked_flag{false};

void watch_forks() noexcept {
  static const int registered = ::pthread_atfork(nullptr, nullptr, [] {
    forked_flag.store(true, std::memory_order_relaxed);  // the child has one thread, see forked()
  });
  static_cast<void>(registered);
}

void abort_forked() noexcept { fatal("used after fork"); }

}  // namespace downhaul::impl
