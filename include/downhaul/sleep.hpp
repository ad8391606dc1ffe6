// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// downhaul/sleep.hpp — do nothing for a while.
//
// Idea       sleep(d) parks the goroutine, not its thread; on a plain thread it sleeps the thread.
// Threads    Any.
// Cost       One park; no allocation. A wait of zero or less returns at once, without a switch.
// Source     Go time.Sleep. Differs: a context can end it.
#pragma once

#include <chrono>
#include <system_error>

#include "downhaul/clock.hpp"
#include "downhaul/fwd.hpp"

namespace downhaul {

namespace impl {
/// `delay` and `due` in ns; `due` on the clock of the caller's runtime.
void sleep_for(std::int64_t delay) noexcept;
void sleep_for(const context& ctx, std::int64_t delay);
void sleep_for(const context& ctx, std::int64_t delay, std::error_code& ec) noexcept;
void sleep_until(std::int64_t due) noexcept;
void sleep_until(const context& ctx, std::int64_t due);
void sleep_until(const context& ctx, std::int64_t due, std::error_code& ec) noexcept;
}  // namespace impl

/// Returns after at least `d`; at once if d is zero or negative, never if the clock cannot count it.
template <class Rep, class Period>
void sleep(std::chrono::duration<Rep, Period> d) noexcept {
  impl::sleep_for(impl::to_ns(d));
}
/// The same. Cancellation: throws context_error if `ctx` has ended, or ends first.
template <class Rep, class Period>
void sleep(const context& ctx, std::chrono::duration<Rep, Period> d) {
  impl::sleep_for(ctx, impl::to_ns(d));
}
/// The same. Cancellation: sets `ec` to ctx.err(); clear when the time has passed.
template <class Rep, class Period>
void sleep(const context& ctx, std::chrono::duration<Rep, Period> d, std::error_code& ec) noexcept {
  impl::sleep_for(ctx, impl::to_ns(d), ec);
}

/// Returns once now() is at least `t`.
template <class Duration>
void sleep_until(std::chrono::time_point<std::chrono::steady_clock, Duration> t) noexcept {
  impl::sleep_until(impl::to_ns(t));
}
/// The same. Cancellation: throws context_error if `ctx` has ended, or ends first.
template <class Duration>
void sleep_until(const context& ctx,
                 std::chrono::time_point<std::chrono::steady_clock, Duration> t) {
  impl::sleep_until(ctx, impl::to_ns(t));
}
/// The same. Cancellation: sets `ec` to ctx.err(); clear when the time has come.
template <class Duration>
void sleep_until(const context& ctx, std::chrono::time_point<std::chrono::steady_clock, Duration> t,
                 std::error_code& ec) noexcept {
  impl::sleep_until(ctx, impl::to_ns(t), ec);
}

}  // namespace downhaul
