// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// impl/timer_core.hpp (room: time) — timers behind their handles.
//
// Two kinds: a channel that the clock sends to, and a function that it runs in a goroutine. Delays
// are in ns on the clock of the caller's runtime; `never` is never due, zero or less is due at once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <source_location>
#include <type_traits>
#include <utility>

#include "downhaul/impl/duration.hpp"
#include "downhaul/impl/source.hpp"

namespace downhaul::impl {

/// A channel of time_point. One reference, the caller's; the last one stops the timer.
/// `period`: 0 for one value. Throws std::bad_alloc.
source* make_timer_channel(std::int64_t delay, std::int64_t period);
/// Withdraws what was not received yet. Whether there was anything to stop.
bool stop_timer_channel(source* timer) noexcept;
/// stop_timer_channel, and starts anew.
bool reset_timer_channel(source* timer, std::int64_t delay, std::int64_t period) noexcept;
/// The object that owns it goes away: stop_timer_channel, if others hold the channel. The
/// reference stays the caller's.
void leave_timer_channel(source* timer) noexcept;

struct timer_function_ops {
  void (*call)(void* function);
  void (*destroy)(void* function) noexcept;
  std::size_t size;
  std::size_t align;
};

class timer_function;

/// Not armed; the function is to be constructed in function_storage. `ops` has static storage.
/// Throws std::bad_alloc.
timer_function* make_timer_function(const timer_function_ops& ops, std::source_location where);
/// Arms it for the first time. Throws std::bad_alloc, then it is not armed.
void start_timer_function(timer_function* timer, std::int64_t delay);
void* function_storage(timer_function* timer) noexcept;
/// Its function was not constructed.
void discard_timer_function(timer_function* timer) noexcept;
/// Whether it prevented a run.
bool stop_timer_function(timer_function* timer) noexcept;
/// Arms it, whether armed before or not. Whether it was. Throws std::bad_alloc, then unchanged.
bool reset_timer_function(timer_function* timer, std::int64_t delay);
/// The handle goes away: stops the timer, waits for running functions unless called from one.
void drop_timer_function(timer_function* timer) noexcept;
/// The handle goes away; what is armed stays armed.
void detach_timer_function(timer_function* timer) noexcept;

template <class F>
inline constexpr timer_function_ops timer_function_ops_of{
    [](void* f) { (*static_cast<F*>(f))(); },
    [](void* f) noexcept { std::destroy_at(static_cast<F*>(f)); },
    sizeof(F),
    alignof(F),
};

template <class F>
timer_function* make_timer_function_with(F&& f, std::int64_t delay, std::source_location where) {
  using function = std::decay_t<F>;
  timer_function* t = make_timer_function(timer_function_ops_of<function>, where);
  if constexpr (std::is_nothrow_constructible_v<function, F&&>) {
    ::new (function_storage(t)) function(std::forward<F>(f));
  } else {
    try {
      ::new (function_storage(t)) function(std::forward<F>(f));
    } catch (...) {
      discard_timer_function(t);
      throw;
    }
  }
  try {
    start_timer_function(t, delay);
  } catch (...) {
    drop_timer_function(t);
    throw;
  }
  return t;
}

}  // namespace downhaul::impl
