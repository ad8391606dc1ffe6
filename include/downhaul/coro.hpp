// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// downhaul/coro.hpp — every wait, awaited.
//
// Idea       co_await dh::async_recv(ch) is ch.recv() for a coroutine: of ours (task.hpp) or of any other
//            type. Threads, goroutines and coroutines meet on the same channels, contexts and locks,
//            and in the same select.
// Ownership  An awaitable is awaited once, by the expression that makes it. It borrows channels, contexts and
//            cases that are named, as the blocking form does. A coroutine that is destroyed while it waits
//            unlinks itself, whoever is waking it; what arrived for it is destroyed.
// Threads    Where it goes on: a task that go() started, on the workers of its runtime. Any other
//            coroutine there too, unless told otherwise: see resume_on, and .on(place) of each awaitable.
// Cost       A wait that need not wait costs what the blocking form does. No allocation; else a switch of
//            coroutines. The blocking forms work in a coroutine, but keep the stack of whoever runs it;
//            a checked build aborts and says where.
// Errors     As the blocking forms; forms with a context throw context_error or set an error_code.
//
// GCC 12 miscompiles a co_await in the condition of an if, switch or while: see task.hpp.
#pragma once

#include <chrono>
#include <concepts>
#include <coroutine>
#include <system_error>
#include <type_traits>
#include <utility>

#include "downhaul/chan.hpp"
#include "downhaul/context.hpp"
#include "downhaul/impl/coro_chan.hpp"
#include "downhaul/impl/coro_resume.hpp"
#include "downhaul/impl/coro_select.hpp"
#include "downhaul/impl/coro_sleep.hpp"
#include "downhaul/impl/coro_sync.hpp"
#include "downhaul/select.hpp"
#include "downhaul/task.hpp"

namespace downhaul {

// --- receive ---

/// The next value; empty (void: false) once the channel is closed and drained. `from`: a channel, a done, a
/// timer, a ticker, signals.
template <impl::receivable H>
[[nodiscard]] auto async_recv(const H& from) {
  using T = impl::received_t<H>;
  return impl::recv_awaiter<T>{impl::chan_access::get(impl::handle_of(from))};
}
/// Cancellation: throws context_error if `ctx` has ended, or ends first; then nothing was taken.
template <impl::receivable H>
[[nodiscard]] auto async_recv(const context& ctx, const H& from) {
  using T = impl::received_t<H>;
  return impl::recv_or_end_awaiter<T>{impl::chan_access::get(impl::handle_of(from)), {&ctx}};
}
/// Cancellation: empty with `ec` set to ctx.err(). Empty with `ec` clear: closed.
template <impl::receivable H>
[[nodiscard]] auto async_recv(const context& ctx, const H& from, std::error_code& ec) {
  using T = impl::received_t<H>;
  return impl::recv_or_end_awaiter<T>{impl::chan_access::get(impl::handle_of(from)), {&ctx, &ec}};
}

/// co_await ctx.done(): until the context has ended. Of any other channel: async_recv.
template <impl::receiver_handle H>
[[nodiscard]] auto operator co_await(const H& from) {
  return impl::recv_awaiter<impl::received_t<H>>{impl::chan_access::get(from)};
}

// --- send ---

namespace impl {

/// As chan<T>::send: an lvalue is copied, an rvalue is moved from only when it is taken, anything else is
/// converted.
template <class Awaiter, class H, class V, class... End>
Awaiter make_send(const H& to, V&& value, End... end) {
  if constexpr (std::is_same_v<V&&, sent_t<H>&&>) {
    return Awaiter{chan_access::get(to), end..., std::forward<V>(value)};
  } else {
    return Awaiter{chan_access::get(to), end..., std::in_place, std::forward<V>(value)};
  }
}
template <class H, class V>
concept sendable =
    sender_handle<H> && !std::is_void_v<sent_t<H>> && std::convertible_to<V, sent_t<H>>;
template <class H>
concept signalable = sender_handle<H> && std::is_void_v<sent_t<H>>;

}  // namespace impl

/// Throws misuse "send on closed channel" if the channel is or gets closed.
template <class H, class V>
  requires impl::sendable<H, V>
[[nodiscard]] auto async_send(const H& to, V&& value) {
  return impl::make_send<impl::send_awaiter<impl::sent_t<H>>>(to, std::forward<V>(value));
}
template <class H>
  requires impl::signalable<H>
[[nodiscard]] auto async_send(const H& to) {
  return impl::send_awaiter<void>{impl::chan_access::get(to)};
}
/// Cancellation: throws context_error if `ctx` has ended, or ends first; then nothing was sent.
template <class H, class V>
  requires impl::sendable<H, V>
[[nodiscard]] auto async_send(const context& ctx, const H& to, V&& value) {
  return impl::make_send<impl::send_or_end_awaiter<impl::sent_t<H>>>(to, std::forward<V>(value),
                                                                     impl::ending{&ctx});
}
template <class H>
  requires impl::signalable<H>
[[nodiscard]] auto async_send(const context& ctx, const H& to) {
  return impl::send_or_end_awaiter<void>{impl::chan_access::get(to), impl::ending{&ctx}};
}
/// Cancellation: sets `ec` to ctx.err(); cleared when sent.
template <class H, class V>
  requires impl::sendable<H, V>
[[nodiscard]] auto async_send(const context& ctx, const H& to, V&& value, std::error_code& ec) {
  return impl::make_send<impl::send_or_end_awaiter<impl::sent_t<H>>>(to, std::forward<V>(value),
                                                                     impl::ending{&ctx, &ec});
}
template <class H>
  requires impl::signalable<H>
[[nodiscard]] auto async_send(const context& ctx, const H& to, std::error_code& ec) {
  return impl::send_or_end_awaiter<void>{impl::chan_access::get(to), impl::ending{&ctx, &ec}};
}

// --- select ---

/// As select, without `otherwise`: that never waits. Named cases are read after it.
template <impl::waiting_case... Cases>
[[nodiscard]] auto async_select(Cases&&... cases) {
  return impl::select_awaiter<std::remove_reference_t<Cases>...>{impl::ending{}, cases...};
}
/// Cancellation: throws context_error if `ctx` has ended, or ends first. `ctx` has no index.
template <impl::waiting_case... Cases>
[[nodiscard]] auto async_select(const context& ctx, Cases&&... cases) {
  return impl::select_awaiter<std::remove_reference_t<Cases>...>{impl::ending{&ctx}, cases...};
}
/// Cancellation: -1 with `ec` set to ctx.err(); `ec` is clear otherwise.
template <impl::waiting_case... Cases>
[[nodiscard]] auto async_select(const context& ctx, std::error_code& ec, Cases&&... cases) {
  return impl::select_awaiter<std::remove_reference_t<Cases>...>{impl::ending{&ctx, &ec}, cases...};
}

// --- sleep ---

/// Goes on after at least `d`; without a wait if that is zero or negative.
template <class Rep, class Period>
[[nodiscard]] auto async_sleep(std::chrono::duration<Rep, Period> d) noexcept {
  return impl::sleep_awaiter{impl::to_ns(d), false, impl::ending{}};
}
/// Cancellation: throws context_error if `ctx` has ended, or ends first.
template <class Rep, class Period>
[[nodiscard]] auto async_sleep(const context& ctx, std::chrono::duration<Rep, Period> d) noexcept {
  return impl::sleep_awaiter{impl::to_ns(d), false, impl::ending{&ctx}};
}
/// Cancellation: sets `ec` to ctx.err(); clear when the time has passed.
template <class Rep, class Period>
[[nodiscard]] auto async_sleep(const context& ctx, std::chrono::duration<Rep, Period> d,
                               std::error_code& ec) noexcept {
  return impl::sleep_awaiter{impl::to_ns(d), false, impl::ending{&ctx, &ec}};
}
/// Goes on once now() is at least `t`.
template <class Duration>
[[nodiscard]] auto async_sleep_until(
    std::chrono::time_point<std::chrono::steady_clock, Duration> t) noexcept {
  return impl::sleep_awaiter{impl::to_ns(t), true, impl::ending{}};
}
template <class Duration>
[[nodiscard]] auto async_sleep_until(
    const context& ctx, std::chrono::time_point<std::chrono::steady_clock, Duration> t) noexcept {
  return impl::sleep_awaiter{impl::to_ns(t), true, impl::ending{&ctx}};
}

// --- wait groups, groups, locks ---

/// Goes on when the counter is zero.
[[nodiscard]] inline auto async_wait(wait_group& wg) noexcept {
  return impl::wait_awaiter{wg, impl::ending{}};
}
/// Cancellation: throws context_error if `ctx` has ended, or ends first; the tasks go on running.
[[nodiscard]] inline auto async_wait(const context& ctx, wait_group& wg) noexcept {
  return impl::wait_awaiter{wg, impl::ending{&ctx}};
}
/// Cancellation: sets `ec` to ctx.err(); cleared when the counter was zero.
[[nodiscard]] inline auto async_wait(const context& ctx, wait_group& wg,
                                     std::error_code& ec) noexcept {
  return impl::wait_awaiter{wg, impl::ending{&ctx, &ec}};
}

/// As group::wait: when all tasks have ended, throws the first failure if there was one. It does not
/// say which tasks are late.
[[nodiscard]] inline auto async_wait(group& g) noexcept {
  return impl::group_awaiter{g, impl::ending{}};
}
[[nodiscard]] inline auto async_wait(const context& ctx, group& g) noexcept {
  return impl::group_awaiter{g, impl::ending{&ctx}};
}
[[nodiscard]] inline auto async_wait(const context& ctx, group& g, std::error_code& ec) noexcept {
  return impl::group_awaiter{g, impl::ending{&ctx, &ec}};
}

/// Returns a std::unique_lock that holds it. One that has to wait is handed the lock in its turn.
[[nodiscard]] inline auto async_lock(mutex& m) noexcept {
  return impl::lock_awaiter{m, impl::ending{}};
}
/// Cancellation: throws context_error if `ctx` has ended, or ends first; then it is not locked.
[[nodiscard]] inline auto async_lock(const context& ctx, mutex& m) noexcept {
  return impl::lock_awaiter{m, impl::ending{&ctx}};
}
/// Cancellation: sets `ec` to ctx.err() instead, and returns a lock that does not hold it.
[[nodiscard]] inline auto async_lock(const context& ctx, mutex& m, std::error_code& ec) noexcept {
  return impl::lock_awaiter{m, impl::ending{&ctx, &ec}};
}

/// Waits until it has `n` units. Throws misuse "semaphore: negative units" right here for a negative n.
[[nodiscard]] inline auto async_acquire(semaphore& s, std::ptrdiff_t n = 1) {
  return impl::units_awaiter{s, n, impl::ending{}};
}
/// Cancellation: throws context_error if `ctx` has ended, or ends first; then nothing is taken.
[[nodiscard]] inline auto async_acquire(const context& ctx, semaphore& s, std::ptrdiff_t n = 1) {
  return impl::units_awaiter{s, n, impl::ending{&ctx}};
}
/// Cancellation: sets `ec` to ctx.err() instead; n units are held exactly when `ec` is clear.
[[nodiscard]] inline auto async_acquire(const context& ctx, semaphore& s, std::ptrdiff_t n,
                                        std::error_code& ec) {
  return impl::units_awaiter{s, n, impl::ending{&ctx, &ec}};
}
[[nodiscard]] inline auto async_acquire(const context& ctx, semaphore& s, std::error_code& ec) {
  return impl::units_awaiter{s, 1, impl::ending{&ctx, &ec}};
}

/// Unlocks `held`, waits until notified, and locks it again. The caller keeps `held` and the condition
/// variable where they are.
inline task<void> async_wait(condition_variable& on, std::unique_lock<mutex>& held) {
  return impl::wait_for_condition(on, held, impl::ending{}, [notified = false]() mutable {
    return std::exchange(notified, true);
  });
}
/// Waits until `holds()` returns true; calls it under the lock.
template <std::predicate P>
task<void> async_wait(condition_variable& on, std::unique_lock<mutex>& held, P holds) {
  return impl::wait_for_condition(on, held, impl::ending{}, std::move(holds));
}
/// Cancellation: throws context_error if `ctx` has ended, whatever `holds` would say, or ends before a
/// notification; `held` is locked again by then.
template <std::predicate P>
task<void> async_wait(const context& ctx, condition_variable& on, std::unique_lock<mutex>& held,
                      P holds) {
  return impl::wait_for_condition(on, held, impl::ending{&ctx}, std::move(holds));
}
/// Cancellation: sets `ec` to ctx.err() instead; it is clear exactly when `holds()` was true.
template <std::predicate P>
task<void> async_wait(const context& ctx, condition_variable& on, std::unique_lock<mutex>& held,
                      P holds, std::error_code& ec) {
  return impl::wait_for_condition(on, held, impl::ending{&ctx, &ec}, std::move(holds));
}

// --- calls that block ---

/// Runs f() on a thread with a full-size stack; its result or exception is that of the co_await. Throws
/// std::system_error when no thread can be had. A coroutine that is destroyed meanwhile waits for f.
template <std::invocable F>
[[nodiscard]] auto async_blocking(F&& f) noexcept {
  return impl::blocking_awaiter<std::remove_reference_t<F>>{f};
}

}  // namespace downhaul
