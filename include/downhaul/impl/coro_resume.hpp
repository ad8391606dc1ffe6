// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// impl/coro_resume.hpp (room: sched) — where a coroutine that is not a task of ours goes on.
//
// Idea       co_await dh::async_recv(ch).on(place); or, for all waits of a coroutine type, a
//            member of its promise: dh::resume_on downhaul_resumes_on().
//            Else it is resume_on::runtime(). A task that go() started always stays on its runtime.
// Ownership  An executor outlives what waits to be resumed by it, and what was destroyed as it was being
//            woken: the resumption of that, which does nothing, is posted all the same.
// Threads    Any.
#pragma once

#include <cstdint>

namespace downhaul {

namespace impl {
class coroutine;
}

/// What an executor is to call, once, to resume a coroutine; never calling it leaves that suspended. It
/// does nothing if the coroutine was destroyed meanwhile.
class resumption {
 public:
  explicit resumption(impl::coroutine& ticket) noexcept : ticket_{&ticket} {}
  void operator()() const;

 private:
  impl::coroutine* ticket_;
};

/// Somebody who can run things. post() is called outside locks, on a goroutine of the library or on the
/// plain thread that wakes; it may call the resumption right there.
class resume_executor {
 public:
  virtual void post(resumption r) noexcept = 0;

 protected:
  ~resume_executor() = default;
};

class resume_on {
 public:
  /// On the workers of the runtime in which it began to wait; on a plain thread, the default one.
  static resume_on runtime() noexcept { return resume_on{in_runtime}; }
  /// On the thread that wakes it, when its call that woke has let go of everything, if that is a plain
  /// thread; else on the runtime of the waker.
  static resume_on waker() noexcept { return resume_on{on_waker}; }
  static resume_on executor(resume_executor& e) noexcept {
    return resume_on{reinterpret_cast<std::uintptr_t>(&e)};
  }

  // For the library itself.
  bool is_runtime() const noexcept { return word_ == in_runtime; }
  /// Null: the waker's thread.
  resume_executor* to() const noexcept {
    return word_ == on_waker ? nullptr : reinterpret_cast<resume_executor*>(word_);
  }
  /// Not zero.
  std::uintptr_t word() const noexcept { return word_; }
  static resume_on from_word(std::uintptr_t word) noexcept { return resume_on{word}; }

 private:
  static constexpr std::uintptr_t in_runtime = 1;
  static constexpr std::uintptr_t on_waker = 2;
  explicit resume_on(std::uintptr_t word) noexcept : word_{word} {}

  std::uintptr_t word_;
};

}  // namespace downhaul
