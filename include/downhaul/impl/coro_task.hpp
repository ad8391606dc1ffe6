// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// impl/coro_task.hpp (room: sched) — the insides of task<T>.
//
// Idea       A task that is awaited writes its result, or its exception, straight into the awaitable in the
//            frame that awaits it, and hands control there. Its promise is two pointers.
// Ownership  Whoever holds the task, then whoever awaits it, destroys the frame; go() gives it to the
//            runtime, and the end of the task destroys it.
// Threads    A task runs on one thread at a time; which one may change at each wait.
// Cost       A frame comes from a few blocks kept by each thread, else from the allocator.
#pragma once

#include <concepts>
#include <coroutine>
#include <cstddef>
#include <exception>
#include <optional>
#include <type_traits>
#include <utility>

#include "downhaul/impl/coro_block.hpp"
#include "downhaul/impl/coro_wait.hpp"
#include "downhaul/runtime.hpp"

namespace downhaul {

template <class T>
class task;

namespace impl {

/// Who awaits a task, and what he gets.
struct awaited_base {
  std::coroutine_handle<> awaits;
  std::exception_ptr error;
};

template <class T>
struct awaited : awaited_base {
  std::optional<T> value;
  T take() { return std::move(*value); }
};
template <class T>
struct awaited<T&> : awaited_base {
  T* value = nullptr;
  T& take() noexcept { return *value; }
};
template <>
struct awaited<void> : awaited_base {
  void take() noexcept {}
};

template <class T>
class task_promise_base : public under_root {
 public:
  static void* operator new(std::size_t size) { return take_frame(size); }
  static void operator delete(void* frame, std::size_t size) noexcept { give_frame(frame, size); }

  std::suspend_always initial_suspend() const noexcept { return {}; }
  auto final_suspend() const noexcept { return at_end{}; }
  void unhandled_exception() noexcept {
    if (to != nullptr) {
      to->error = std::current_exception();
    } else {
      coroutine_threw(root);
    }
  }

  awaited<T>* to = nullptr;  // null: go() has started it

 private:
  struct at_end {
    bool await_ready() const noexcept { return false; }
    template <class P>
    std::coroutine_handle<> await_suspend(std::coroutine_handle<P> ended) const noexcept {
      P& p = ended.promise();
      coroutine* const root = p.root;
      if (p.to != nullptr) return transfer_to(root, p.to->awaits);
      ended.destroy();
      end_coroutine(root);
      return std::noop_coroutine();
    }
    void await_resume() const noexcept {}
  };
};

template <class T>
class task_promise final : public task_promise_base<T> {
 public:
  task<T> get_return_object() noexcept;

  template <class U>
    requires(!std::is_reference_v<T> && std::constructible_from<T, U>)
  void return_value(U&& value) {
    this->to->value.emplace(std::forward<U>(value));
  }
  void return_value(T value)
    requires std::is_reference_v<T>
  {
    this->to->value = std::addressof(value);
  }
};
template <>
class task_promise<void> final : public task_promise_base<void> {
 public:
  task<void> get_return_object() noexcept;
  void return_void() const noexcept {}
};

/// co_await of a task: starts it, and has its result.
template <class T>
class [[nodiscard]] task_awaiter : awaited<T> {
 public:
  using handle = std::coroutine_handle<task_promise<T>>;

  explicit task_awaiter(handle h) noexcept : task_{h} {}
  task_awaiter(const task_awaiter&) = delete;
  task_awaiter& operator=(const task_awaiter&) = delete;
  ~task_awaiter() {
    if (task_) task_.destroy();
  }

  bool await_ready() const noexcept { return false; }
  template <class P>
  std::coroutine_handle<> await_suspend(std::coroutine_handle<P> awaits) noexcept {
    this->awaits = awaits;
    task_.promise().to = this;
    task_.promise().root = root_of(awaits);
    return transfer_to(task_.promise().root, task_);
  }
  T await_resume() {
    if (this->error != nullptr) {
      keep_reachable(this->error);
      std::rethrow_exception(std::exchange(this->error, nullptr));
    }
    return this->take();
  }

 private:
  handle task_;
};

}  // namespace impl
}  // namespace downhaul
