// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// downhaul/task.hpp — a coroutine that runs when it is awaited, or when go() starts it.
//
// Idea       dh::task<int> f() { …; co_return 1; }     const int one = co_await f();
//            dh::go(f_of_void()); or dh::go([=]() -> dh::task<> { … }): a goroutine without a stack.
// Ownership  A task owns its frame until it is awaited or started, as an rvalue, once. One that is dropped never
//            runs. A lambda that makes a task must live until that ends, for the task refers to what it has
//            captured: go(f) keeps it, a temporary in front of co_await lives long enough.
// Threads    It runs where it is awaited, and after a wait on a worker of the runtime if go() started what
//            awaits it: nothing bound to a thread may be held across a co_await.
// Cost       One allocation for the frame, from a few blocks that each thread keeps. go: 80 bytes more.
// Errors     An exception leaves at the co_await. From what go() started as from a goroutine: a
//            context_error ends just that; any other prints "panic: <type>: <message>" and where it was
//            started, and aborts.
// Source     P. McNellis' and L. Baker's lazy tasks with symmetric transfer.
//
// GCC 12 miscompiles a coroutine with a co_await in the condition of an if, switch or while and without
// any named local: it crashes when it goes on, whatever the optimisation. Clang is right. So give the
// result a name, which is also how it reads best:
//     const int which = co_await dh::async_select(…);
//     switch (which) { … }
#pragma once

#include <concepts>
#include <coroutine>
#include <functional>
#include <source_location>
#include <type_traits>
#include <utility>

#include "downhaul/error.hpp"
#include "downhaul/go.hpp"
#include "downhaul/impl/coro_block.hpp"
#include "downhaul/impl/coro_task.hpp"

namespace downhaul {

template <class T = void>
class [[nodiscard]] task {
 public:
  using promise_type = impl::task_promise<T>;

  task(task&& other) noexcept : frame_{std::exchange(other.frame_, nullptr)} {}
  task& operator=(task&& other) noexcept {
    std::swap(frame_, other.frame_);
    return *this;
  }
  ~task() {
    if (frame_) frame_.destroy();
  }

  impl::task_awaiter<T> operator co_await() && noexcept {
    return impl::task_awaiter<T>{std::exchange(frame_, nullptr)};
  }
  void operator co_await() & = delete;

  /// For the library: the frame, which the caller owns from now on.
  std::coroutine_handle<promise_type> release() noexcept { return std::exchange(frame_, nullptr); }

 private:
  friend promise_type;
  explicit task(std::coroutine_handle<promise_type> frame) noexcept : frame_{frame} {}

  std::coroutine_handle<promise_type> frame_;
};

namespace impl {

template <class R>
inline constexpr bool is_task = false;
template <class T>
inline constexpr bool is_task<task<T>> = true;
/// What awaiting an R, which is a task, gives; else R.
template <class R>
struct awaited_result {
  using type = R;
};
template <class T>
struct awaited_result<task<T>> {
  using type = T;
};

template <class T>
task<T> task_promise<T>::get_return_object() noexcept {
  return task<T>{std::coroutine_handle<task_promise>::from_promise(*this)};
}
inline task<void> task_promise<void>::get_return_object() noexcept {
  return task<void>{std::coroutine_handle<task_promise>::from_promise(*this)};
}

template <class F>
concept task_maker =
    std::is_constructible_v<std::decay_t<F>, F> && std::is_invocable_v<std::decay_t<F>&> &&
    std::same_as<std::invoke_result_t<std::decay_t<F>&>, task<void>>;

/// What a wait group runs as a coroutine.
template <class F>
concept task_like = task_maker<F> || std::same_as<F, task<void>>;

template <class F>
auto task_of(F& f) {
  if constexpr (is_task<F>) {
    return F{std::move(f)};
  } else {
    return std::invoke(f);
  }
}

inline void start_task(coroutine* prepared, task<void>&& body, kept_function* kept) noexcept {
  const auto frame = body.release();
  if (!frame) fatal_go_of_nil();
  frame.promise().root = prepared;
  start_coroutine(prepared, frame, kept);
}

/// What of the options a task can have.
inline const char* name_in(const go_options& options) {
  if (options.pinned) throw misuse{"go: a task cannot be pinned"};
  return options.name;
}

inline void go_task(runtime_core* in, task<void>&& body, std::source_location where,
                    const char* name = nullptr) {
  start_task(prepare_coroutine(in, where, {.owner = nullptr, .name = name}), std::move(body),
             nullptr);
}

template <class F>
void go_maker(runtime_core* in, F&& f, std::source_location where, const char* name = nullptr) {
  using kept = std::decay_t<F>;
  if constexpr (can_be_nil<kept>) {
    if (f == nullptr) fatal_go_of_nil();
  }
  coroutine* const prepared = prepare_coroutine(in, where, {.owner = nullptr, .name = name});
  kept_function_of<kept>* keeper = nullptr;
  try {
    if constexpr (std::is_empty_v<kept> || std::is_pointer_v<kept>) {
      start_task(prepared, std::invoke(f), nullptr);  // nothing that the task could refer to
    } else {
      keeper = new kept_function_of<kept>{std::forward<F>(f)};
      start_task(prepared, std::invoke(keeper->f), keeper);
    }
  } catch (...) {
    if (keeper != nullptr) keeper->destroy(keeper);
    discard_coroutine(prepared);
    throw;
  }
}

}  // namespace impl

/// Runs the task as a goroutine without a stack: it is listed and counted as one, runs on the workers of
/// the current runtime (from a plain thread: the default one), and is destroyed when it has ended.
/// Throws std::bad_alloc; then it is not started.
inline void go(task<void>&& body, std::source_location where = std::source_location::current()) {
  impl::go_task(nullptr, std::move(body), where);
}
/// Calls f() here, which makes the task, and keeps f until that has ended. Throws std::bad_alloc and what
/// f and copying or moving it throw; then nothing was started.
template <impl::task_maker F>
void go(F&& f, std::source_location where = std::source_location::current()) {
  impl::go_maker(nullptr, std::forward<F>(f), where);
}
/// With a name. The size of a stack means nothing to a task; throws misuse "go: a task cannot be pinned".
inline void go(const go_options& options, task<void>&& body,
               std::source_location where = std::source_location::current()) {
  impl::go_task(nullptr, std::move(body), where, impl::name_in(options));
}
template <impl::task_maker F>
void go(const go_options& options, F&& f,
        std::source_location where = std::source_location::current()) {
  impl::go_maker(nullptr, std::forward<F>(f), where, impl::name_in(options));
}
/// In that runtime.
inline void go(runtime& in, task<void>&& body,
               std::source_location where = std::source_location::current()) {
  impl::go_task(in.core(), std::move(body), where);
}
template <impl::task_maker F>
void go(runtime& in, F&& f, std::source_location where = std::source_location::current()) {
  impl::go_maker(in.core(), std::forward<F>(f), where);
}

}  // namespace downhaul
