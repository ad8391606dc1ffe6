// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// downhaul/blocking.hpp — a call that blocks its thread or needs a full-size stack.
//
// Idea       From a goroutine, f runs on a thread outside the workers while the goroutine waits, so
//            that the workers stay free; from a plain thread it runs right there.
// Ownership  f and interrupt stay the caller's; both have ended when the call returns.
// Threads    From anywhere. In f one is on a plain thread: waits block it, thread-locals are its
//            own; goroutines that f starts belong to the caller's runtime.
// Cost       Two thread switches, 10 to 40 us. Threads are kept for ten seconds after use.
// Source     Go hands the worker over at every system call; here the call is announced.
#pragma once

#include <concepts>
#include <memory>
#include <optional>
#include <system_error>
#include <type_traits>
#include <utility>

#include "downhaul/fwd.hpp"
#include "downhaul/impl/context_seam.hpp"
#include "downhaul/runtime.hpp"

namespace downhaul {

namespace impl {

struct blocking_call {
  void (*body)(void* arg) noexcept;
  void* arg;
};
void run_blocking(const blocking_call& call);
/// `interrupt` runs once if `ctx` ends before `call` has; returns when both have ended.
void run_blocking(const context& ctx, const blocking_call& call, const blocking_call& interrupt);

template <class F>
class blocking_body {
 public:
  explicit blocking_body(F& f) noexcept : f_{std::addressof(f)} {}
  blocking_call call() noexcept {
    return {[](void* arg) noexcept {
              auto& me = *static_cast<blocking_body*>(arg);
              me.out_.capture(*me.f_);
            },
            this};
  }
  decltype(auto) take() { return out_.take(); }

 private:
  F* f_;
  outcome<std::invoke_result_t<F&>> out_;
};

/// `ctx` was open.
template <class F, class Interrupt>
decltype(auto) run_interruptible(const context& ctx, F& f, Interrupt& interrupt) {
  blocking_body<F> body{f};
  const blocking_call stop{
      [](void* i) noexcept { static_cast<void>((*static_cast<Interrupt*>(i))()); },
      const_cast<void*>(static_cast<const volatile void*>(std::addressof(interrupt)))};
  run_blocking(ctx, body.call(), stop);
  return body.take();
}

}  // namespace impl

/// Runs f() on a thread with a full-size stack and returns its result or throws its exception.
/// Throws std::system_error when no thread can be had. Cancellation: none.
template <std::invocable F>
std::invoke_result_t<F&> blocking(F&& f) {
  impl::blocking_body<std::remove_reference_t<F>> body{f};
  impl::run_blocking(body.call());
  return body.take();
}

/// The same; if `ctx` ends while f runs, interrupt() runs once, on another thread, and has to make
/// f return. Returns when both have ended. interrupt must not throw.
/// Cancellation: throws context_error if `ctx` has ended at the call; then nothing was run. If f
/// was run, its result is returned and its exception thrown, also if `ctx` ended meanwhile.
template <std::invocable F, std::invocable Interrupt>
std::invoke_result_t<F&> blocking(const context& ctx, F&& f, Interrupt&& interrupt) {
  if (impl::err_of(ctx)) impl::throw_done(ctx);
  return impl::run_interruptible(ctx, f, interrupt);
}

/// Cancellation: sets `ec` to ctx.err() and returns nullopt (false where f returns void) if `ctx`
/// has ended at the call; else clears it. Exceptions of f are thrown.
template <std::invocable F, std::invocable Interrupt>
auto blocking(const context& ctx, F&& f, Interrupt&& interrupt, std::error_code& ec) {
  using result = std::invoke_result_t<F&>;
  ec = impl::err_of(ctx);
  if constexpr (std::is_void_v<result>) {
    if (ec) return false;
    impl::run_interruptible(ctx, f, interrupt);
    return true;
  } else {
    if (ec) return std::optional<std::decay_t<result>>{};
    return std::optional<std::decay_t<result>>{impl::run_interruptible(ctx, f, interrupt)};
  }
}

}  // namespace downhaul
