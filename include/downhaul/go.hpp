// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// downhaul/go.hpp — start a goroutine.
//
// Idea       go(f) runs f concurrently, on a stack of its own, on the workers of a runtime: the one
//            that the caller runs in, from a plain thread the default one.
// Ownership  f is moved or copied into the goroutine and destroyed on it when it has run. What f
//            refers to must live as long. Nothing is returned: join with a wait_group or a channel.
// Threads    From goroutines and plain threads. What happened before go() is visible to f; the end
//            of f orders nothing by itself.
// Cost       Tens of nanoseconds and no allocation for closures of up to 80 bytes. 256 bytes until
//            it first runs, then a stack: 4 KiB of memory at least.
// Errors     A context_error that leaves f ends just this goroutine: that is how a cancelled one
//            stops. Any other exception ends the program: "panic: <type>: <message>" and where the
//            goroutine was started are printed, then abort, with nothing unwound.
// Source     Go's go statement. Differs: scheduling is cooperative. A goroutine gives way when it
//            waits or yields; one that computes for long, or blocks its thread, is noticed within
//            20 ms and another thread takes over the others.
//
// A goroutine may go on on another thread after a wait. What is bound to a thread must not be held
// across one: read errno at once, do not keep a std::mutex locked, do not keep the address of a
// thread_local. go_options::pinned and dh::pin give a goroutine a thread of its own.
#pragma once

#include <cstddef>
#include <source_location>
#include <type_traits>
#include <utility>

#include "downhaul/impl/spawn.hpp"

namespace downhaul {

struct go_options {
  std::size_t stack = 0;       ///< bytes, rounded up; 0: the runtime's default
  bool pinned = false;         ///< an OS thread of its own, for life
  const char* name = nullptr;  ///< shown in lists of goroutines; copied
};

namespace impl {

[[noreturn]] void fatal_go_of_nil() noexcept;

template <class F>
inline constexpr bool can_be_nil =
    std::is_pointer_v<F> || (std::is_class_v<F> && !std::is_convertible_v<F, void (*)()> &&
                             requires(const F& f) { static_cast<bool>(f == nullptr); });

template <class F>
concept goroutine_body =
    std::is_constructible_v<std::decay_t<F>, F> && std::is_invocable_v<std::decay_t<F>&> &&
    std::is_void_v<std::invoke_result_t<std::decay_t<F>&>>;

template <class F>
void go_in(runtime_core* in, const go_options& options, F&& f, std::source_location where) {
  if constexpr (can_be_nil<std::remove_cvref_t<F>>) {
    if (f == nullptr) fatal_go_of_nil();
  }
  spawn_request request;
  request.where = where;
  request.name = options.name;
  request.stack = options.stack;
  request.pinned = options.pinned;
  request.in = in;
  start_goroutine(prepare_goroutine_with(std::forward<F>(f), request));
}

}  // namespace impl

/// Runs f() in a goroutine of its own. f takes nothing and returns void. A null function pointer or
/// an empty std::function is fatal: "go of nil func value". Throws std::bad_alloc, and what copying
/// or moving f throws; then nothing was started.
template <impl::goroutine_body F>
void go(F&& f, std::source_location where = std::source_location::current()) {
  impl::go_in(nullptr, go_options{}, std::forward<F>(f), where);
}
template <impl::goroutine_body F>
void go(const go_options& options, F&& f,
        std::source_location where = std::source_location::current()) {
  impl::go_in(nullptr, options, std::forward<F>(f), where);
}

/// Lets others run first: the caller goes behind all goroutines that wait for its worker now. From
/// a plain thread: std::this_thread::yield(). Cancellation: none.
void yield() noexcept;

}  // namespace downhaul
