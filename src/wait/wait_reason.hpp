// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// wait/wait_reason.hpp — why a goroutine is not running, in the words that Go programmers know.
//
// One value per place that parks; never reuse one for another place.
#pragma once

#include <cstdint>
#include <string_view>

namespace downhaul::impl {

enum class wait_reason : std::uint8_t {
  none,
  chan_receive,
  chan_send,
  chan_receive_nil,
  chan_send_nil,
  select,
  select_no_cases,
  sleep,
  mutex_lock,
  shared_mutex_lock,
  shared_mutex_lock_shared,
  once_call,
  condition_wait,
  wait_group_wait,
  semaphore_acquire,
  blocking_call,
  callback_wait,  // a registration's or timer's destructor waits for its running callback
  pin_thread,     // on its way to a thread of its own, or back
  runtime_run,    // the caller of run()
  coroutine_end,  // a coroutine is destroyed that somebody is waking
};

/// The text shown in lists of goroutines, e.g. "chan receive".
std::string_view to_string(wait_reason reason) noexcept;

}  // namespace downhaul::impl
