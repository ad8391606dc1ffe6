// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// downhaul/hedge.hpp — ask again before the first answer is late, and take the first that comes.
//
// Idea       hedge(ctx, 20ms, 3, f) starts f; if it has not answered after 20 ms a second f beside it,
//            then a third. The first answer wins and the others are cancelled. A failure does not
//            wait: the next one starts at once.
// Ownership  f is copied into each goroutine. When hedge returns, all of them have ended: a loser that
//            ignores its context holds it up, and is named as late tasks of a group are.
// Threads    any goroutine or plain thread; the fs run concurrently.
// Cost       a group, a goroutine for each f, a channel, a timer.
// Errors     when all have failed, the first failure is thrown.
// Source     "The Tail at Scale" (Dean, Barroso 2013).
#pragma once

#include <chrono>
#include <concepts>
#include <cstddef>
#include <exception>
#include <optional>
#include <type_traits>
#include <utility>

#include "downhaul/chan.hpp"
#include "downhaul/context.hpp"
#include "downhaul/error.hpp"
#include "downhaul/group.hpp"
#include "downhaul/select.hpp"
#include "downhaul/timer.hpp"

namespace downhaul {

namespace impl {

/// What one of them came to.
template <class T>
struct hedge_answer {
  std::optional<T> value;
  std::exception_ptr failure;
};

}  // namespace impl

/// Calls f(context) or f() at most `n` times, a `delay` apart, and returns the first answer. Throws
/// misuse "hedge: nothing to start" for an n below 1. Cancellation: throws context_error if `ctx` has
/// ended, or ends first; the contexts of the fs end with it.
template <class Rep, class Period, impl::task_body F>
  requires std::copy_constructible<std::decay_t<F>>
auto hedge(const context& ctx, std::chrono::duration<Rep, Period> delay, int n, const F& f)
    -> impl::task_result<std::decay_t<const F>> {
  using answer = impl::task_result<std::decay_t<const F>>;
  static_assert(std::is_object_v<answer> && std::movable<answer>);
  if (n < 1) throw misuse{"hedge: nothing to start"};
  ctx.check();
  // Room for all: who comes second does not wait to be read.
  auto answers = make_chan<impl::hedge_answer<answer>>(n);
  group all{ctx};
  const auto start = [&] {
    all.go([answers, g = f](const context& own) mutable {
      impl::hedge_answer<answer> a;
      try {
        a.value.emplace(impl::call_task(g, own));
      } catch (...) {
        a.failure = std::current_exception();
        impl::keep_reachable(a.failure);
      }
      answers.send(std::move(a));
    });
  };
  std::exception_ptr first_failure;
  int started = 0;
  int failed = 0;
  start();
  ++started;
  timer late{delay};
  for (;;) {
    std::optional<impl::hedge_answer<answer>> a;
    const int which = select(ctx, recv(answers, a), recv(late));
    if (which == 0) {
      if (a->value) return std::move(*a->value);
      if (first_failure == nullptr) first_failure = a->failure;
      if (++failed == n) std::rethrow_exception(first_failure);
    }
    if (started == n) continue;
    start();
    ++started;
    if (started < n) late.reset(delay);
  }
}

}  // namespace downhaul
