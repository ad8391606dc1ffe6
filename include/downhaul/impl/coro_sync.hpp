// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// impl/coro_sync.hpp (room: coro) — what async_wait, async_lock, async_acquire and async_blocking return. See
// impl/coro_chan.hpp for the rule.
#pragma once

#include <coroutine>
#include <mutex>
#include <type_traits>
#include <utility>

#include "downhaul/blocking.hpp"
#include "downhaul/condition_variable.hpp"
#include "downhaul/group.hpp"
#include "downhaul/impl/coro_blocking.hpp"
#include "downhaul/impl/coro_chan.hpp"
#include "downhaul/impl/coro_wait.hpp"
#include "downhaul/mutex.hpp"
#include "downhaul/semaphore.hpp"
#include "downhaul/task.hpp"
#include "downhaul/wait_group.hpp"

namespace downhaul::impl {

/// A wait on the queue of something, and on a context.
template <class Node>
struct queue_wait_of {
  source* done = nullptr;
  wait_phase phase = wait_phase::before;
  bool woken = true;  // else the context ended
  Node node;
  wait_node on_done;
};
using queue_wait = queue_wait_of<wait_node>;

/// The way into those for coroutines. resume: whether it was woken; else the context ended.
struct coro_access {
  static bool suspend(queue_wait& w, wait_group& on, const suspender& who);
  static bool resume(queue_wait& w, wait_group& on) noexcept;
  static void abandon(queue_wait& w, wait_group& on) noexcept;
  static wait_group& tasks_of(group& g) noexcept;
  static void finish(group& g);

  /// It is handed the lock, in the order of arrival, since it cannot try again in await_resume.
  static bool suspend(queue_wait& w, downhaul::mutex& on, const suspender& who);
  static bool resume(queue_wait& w, downhaul::mutex& on) noexcept;
  static void abandon(queue_wait& w, downhaul::mutex& on) noexcept;

  using units_wait = queue_wait_of<semaphore::request>;
  static bool suspend(units_wait& w, semaphore& on, const suspender& who);
  static bool resume(units_wait& w, semaphore& on) noexcept;
  static void abandon(units_wait& w, semaphore& on) noexcept;

  /// Unlocks `held` when it hangs. A notification that came too late to be had goes to the next one.
  static bool suspend(queue_wait& w, condition_variable& on, const suspender& who,
                      std::unique_lock<downhaul::mutex>& held);
  static bool resume(queue_wait& w, condition_variable& on) noexcept;
  static void abandon(queue_wait& w, condition_variable& on) noexcept;
};
using units_wait = coro_access::units_wait;

template <class Self, class On, class Wait = queue_wait>
class [[nodiscard]] queue_awaiter {
 public:
  queue_awaiter& operator=(const queue_awaiter&) = delete;
  ~queue_awaiter() {
    if (wait_.phase == wait_phase::waits) coro_access::abandon(wait_, on_);
  }

  Self&& on(resume_on place) && noexcept {
    where_ = place;
    return static_cast<Self&&>(*this);
  }
  awaiter_of<Self> operator co_await() && noexcept { return {static_cast<Self&>(*this)}; }
  void operator co_await() & = delete;

  bool await_ready() const noexcept { return false; }
  template <class P>
  bool await_suspend(std::coroutine_handle<P> h) {
    return coro_access::suspend(wait_, on_, where_(h));
  }

 protected:
  /// Throws context_error.
  bool end_wait() {
    const bool woken = coro_access::resume(wait_, on_);
    if (end_.ctx != nullptr) end_.report(!woken);
    return woken;
  }
  On& on_;
  Wait wait_;

 private:
  friend Self;

  queue_awaiter(On& on, ending end) noexcept : on_{on}, end_{end} {
    if (end.ctx != nullptr) wait_.done = done_of(*end.ctx);
  }
  queue_awaiter(const queue_awaiter&) = delete;

  asked_place where_;
  ending end_;
};

class [[nodiscard]] wait_awaiter : public queue_awaiter<wait_awaiter, wait_group> {
 public:
  wait_awaiter(wait_group& wg, ending end) noexcept : queue_awaiter{wg, end} {}
  void await_resume() { end_wait(); }
};

class [[nodiscard]] group_awaiter : public queue_awaiter<group_awaiter, wait_group> {
 public:
  group_awaiter(group& g, ending end) noexcept
      : queue_awaiter{coro_access::tasks_of(g), end}, group_{g} {}
  void await_resume() {
    if (end_wait()) coro_access::finish(group_);
  }

 private:
  group& group_;
};

class [[nodiscard]] lock_awaiter : public queue_awaiter<lock_awaiter, downhaul::mutex> {
 public:
  lock_awaiter(downhaul::mutex& m, ending end) noexcept : queue_awaiter{m, end} {}
  std::unique_lock<downhaul::mutex> await_resume() {
    if (!end_wait()) return std::unique_lock<downhaul::mutex>{on_, std::defer_lock};
    return std::unique_lock<downhaul::mutex>{on_, std::adopt_lock};
  }
};

class [[nodiscard]] units_awaiter : public queue_awaiter<units_awaiter, semaphore, units_wait> {
 public:
  units_awaiter(semaphore& s, std::ptrdiff_t n, ending end) : queue_awaiter{s, end} {
    if (n < 0) throw misuse{"semaphore: negative units"};
    wait_.node.units = n;
  }
  void await_resume() { end_wait(); }
};

/// The part of a wait for a condition in which the lock is not held: true, or the context has ended.
class [[nodiscard]] notified_awaiter {
 public:
  notified_awaiter(condition_variable& on, std::unique_lock<downhaul::mutex>& held,
                   source* done) noexcept
      : on_{on}, held_{held} {
    wait_.done = done;
  }
  notified_awaiter(const notified_awaiter&) = delete;
  notified_awaiter& operator=(const notified_awaiter&) = delete;
  ~notified_awaiter() {
    if (wait_.phase == wait_phase::waits) coro_access::abandon(wait_, on_);
  }

  bool await_ready() const noexcept { return false; }
  template <class P>
  bool await_suspend(std::coroutine_handle<P> h) {
    return coro_access::suspend(wait_, on_, asked_place{}(h), held_);
  }
  bool await_resume() noexcept { return coro_access::resume(wait_, on_); }

 private:
  condition_variable& on_;
  std::unique_lock<downhaul::mutex>& held_;
  queue_wait wait_;
};

/// `held` is locked again when it ends, also by an exception.
template <class P>
task<void> wait_for_condition(condition_variable& on, std::unique_lock<downhaul::mutex>& held,
                              ending end, P holds) {
  source* const done = end.ctx != nullptr ? done_of(*end.ctx) : nullptr;
  bool ended = done != nullptr && done->ready();
  // The condition goes first once notified, as in the blocking form.
  while (!ended && !holds()) {
    const bool notified = co_await notified_awaiter{on, held, done};
    if (!held.owns_lock()) held = co_await lock_awaiter{*held.mutex(), ending{}};
    ended = !notified;
  }
  if (end.ctx != nullptr) end.report(ended);
}

template <class F>
class [[nodiscard]] blocking_awaiter {
 public:
  explicit blocking_awaiter(F& f) noexcept : body_{f} {}
  blocking_awaiter(const blocking_awaiter&) = delete;
  blocking_awaiter& operator=(const blocking_awaiter&) = delete;
  ~blocking_awaiter() {
    if (wait_.waits) abandon_blocking(wait_);
  }

  blocking_awaiter&& on(resume_on place) && noexcept {
    where_ = place;
    return std::move(*this);
  }
  awaiter_of<blocking_awaiter> operator co_await() && noexcept { return {*this}; }
  void operator co_await() & = delete;

  bool await_ready() const noexcept { return false; }
  template <class P>
  bool await_suspend(std::coroutine_handle<P> h) {
    const suspender who = where_(h);
    return suspend_blocking(wait_, body_.call(), who.handle, who.root, who.where);
  }
  decltype(auto) await_resume() {
    resume_blocking(wait_);
    return body_.take();
  }

 private:
  asked_place where_;
  blocking_body<F> body_;
  blocking_wait wait_;
};

}  // namespace downhaul::impl
