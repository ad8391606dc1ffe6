// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// downhaul/group.hpp — tasks that end together: the first failure cancels the rest.
//
// Idea       a context, and goroutines, or coroutines, below it. The first task that fails ends the context, with its
//            failure as the cause; wait() returns when all tasks have ended and throws that failure.
//            The end of the scope cancels what still runs and waits for it: no task outlives its group.
// Failure    an exception that leaves the task, or a std::error_code it returns that is not zero. A
//            context_error is the ordinary way to stop once the group's context has ended, and a
//            failure before. Later failures are dropped.
// Ownership  neither copied nor moved; lives where the tasks are started. What tasks refer to and
//            was there before the group is there as long as they are.
// Threads    every member from goroutines and plain threads, concurrently; a task may start more.
// Cost       a context (one allocation), and for each task what wait_group::go costs. With a limit a
//            semaphore besides.
// Source     Go x/sync errgroup, and the nursery of structured concurrency. Differs: it owns its
//            context; an exception is a failure; it joins at its end.
#pragma once

#include <atomic>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <exception>
#include <functional>
#include <mutex>
#include <optional>
#include <source_location>
#include <system_error>
#include <type_traits>
#include <utility>
#include <vector>

#include "downhaul/context.hpp"
#include "downhaul/current_context.hpp"
#include "downhaul/go.hpp"
#include "downhaul/impl/duration.hpp"
#include "downhaul/mutex.hpp"
#include "downhaul/semaphore.hpp"
#include "downhaul/task.hpp"
#include "downhaul/wait_group.hpp"

namespace downhaul {

namespace impl {

template <class F>
decltype(auto) call_task(F& f, const context& ctx) {
  if constexpr (is_task<F>) {
    return F{std::move(f)};
  } else if constexpr (std::invocable<F&, const context&>) {
    return std::invoke(f, ctx);
  } else {
    return std::invoke(f);
  }
}
template <class F>
using task_result = decltype(impl::call_task(std::declval<F&>(), std::declval<const context&>()));

template <class F>
concept task_body = std::constructible_from<std::decay_t<F>, F> &&
                    (std::invocable<std::decay_t<F>&> ||
                     std::invocable<std::decay_t<F>&, const context&> || is_task<F>);
/// What f returns, or the task that it returns.
template <class F>
using group_result = typename awaited_result<task_result<std::decay_t<F>>>::type;
template <class F>
concept group_task = task_body<F> && (std::is_void_v<group_result<F>> ||
                                      std::same_as<group_result<F>, std::error_code>);

}  // namespace impl

class group {
 public:
  /// A context below `parent`; no limit. Throws std::bad_alloc.
  explicit group(const context& parent);
  group(const group&) = delete;
  group& operator=(const group&) = delete;
  /// Cancels, and waits for all tasks. A failure that no wait() has thrown is dropped.
  ~group();

  /// Ends with the parent, with the first failure, by cancel(), and when a wait() has returned.
  const context& ctx() const noexcept { return own_.ctx; }
  /// Ends ctx() with errc::canceled. That is not a failure.
  void cancel() const noexcept { own_.cancel(); }

  /// At most `n` tasks at a time; negative: no limit. Throws misuse "errgroup: modify limit while N
  /// goroutines in the group are still active".
  void set_limit(std::ptrdiff_t n);
  /// Tasks that have not ended so long after ctx() has, while a wait() or the destructor waits for
  /// them, are named on stderr. duration::max(): never. At first 10 s.
  template <class Rep, class Period>
  void set_patience(std::chrono::duration<Rep, Period> d) noexcept {
    patience_ns_.store(impl::to_ns(d), std::memory_order_relaxed);  // a setting, orders nothing
  }

  /// Runs f() or f(ctx()) in a goroutine; f returns nothing or a std::error_code. If it returns a task of
  /// one of these, or is such a task, in a coroutine, which has no stack while it waits; f is called
  /// there, and kept until the task has ended. At the limit it
  /// parks the caller until a task has ended, whether or not ctx() has ended meanwhile. It starts f
  /// even if ctx() has ended. Throws std::bad_alloc and what copying or moving f throws; then f does
  /// not run.
  template <impl::group_task F>
  void go(F&& f, std::source_location where = std::source_location::current()) {
    start({}, std::forward<F>(f), where);
  }
  template <impl::group_task F>
  void go(const go_options& options, F&& f,
          std::source_location where = std::source_location::current()) {
    start(options, std::forward<F>(f), where);
  }
  /// go(f) if that does not have to wait, else false.
  template <impl::group_task F>
  bool try_go(F&& f, std::source_location where = std::source_location::current()) {
    if (limit_ && !limit_->try_acquire()) return false;
    start_counted({}, std::forward<F>(f), where);
    return true;
  }

  /// Parks the caller until all tasks have ended, ends ctx(), and throws the first failure if there
  /// was one; so does each later call.
  void wait();
  /// Cancellation: throws context_error if `caller` has ended, or ends first; the tasks go on.
  void wait(const context& caller);
  /// Cancellation: sets `ec` to caller.err() instead. A failure of a task is thrown.
  void wait(const context& caller, std::error_code& ec);

 private:
  friend struct impl::coro_access;

  template <class F>
  struct member {
    group* of;
    std::optional<F> f;

    void operator()() {
      {
        const scoped_context here{of->ctx()};
        try {
          if constexpr (std::is_void_v<impl::task_result<F>>) {
            impl::call_task(*f, of->ctx());
          } else {
            if (const std::error_code failed = impl::call_task(*f, of->ctx())) {
              of->fail(std::make_exception_ptr(std::system_error{failed}));
            }
          }
        } catch (...) {
          of->caught();
        }
      }
      f.reset();  // before it counts as ended: what it captured may refer to the caller's locals
      of->free_place();
    }
  };

  // The same as a coroutine.
  template <class F>
  static task<void> run(group* of, std::optional<F> f) {
    {
      const scoped_context here{of->ctx()};
      try {
        if constexpr (std::is_void_v<impl::group_result<F>>) {
          co_await impl::call_task(*f, of->ctx());
        } else {
          const std::error_code failed = co_await impl::call_task(*f, of->ctx());
          if (failed) of->fail(std::make_exception_ptr(std::system_error{failed}));
        }
      } catch (...) {
        of->caught();
      }
    }
    f.reset();
    of->free_place();
    of->tasks_.done();
  }

  template <class F>
  void start(const go_options& options, F&& f, std::source_location where) {
    if (limit_) limit_->acquire();
    start_counted(options, std::forward<F>(f), where);
  }
  template <class F>
  void start_counted(const go_options& options, F&& f, std::source_location where) {
    using kept = std::decay_t<F>;
    if constexpr (impl::can_be_nil<kept>) {
      if (f == nullptr) impl::fatal_go_of_nil();
    }
    try {
      std::optional<kept> g{std::in_place, std::forward<F>(f)};
      if constexpr (impl::is_task<impl::task_result<kept>>) {
        tasks_.start_task(options, where, [&] { return run(this, std::move(g)); });
      } else {
        tasks_.go(options, member<kept>{this, std::move(g)}, where);
      }
    } catch (...) {
      free_place();
      throw;
    }
  }

  void caught() noexcept;  // in a handler
  void fail(std::exception_ptr why) noexcept;
  void free_place() noexcept;
  void join() noexcept;
  void finish();

  cancelable_cause own_;
  std::optional<semaphore> limit_;
  std::atomic<std::int64_t> patience_ns_;
  std::atomic<bool> failed_{false};  // [first] elects the one that writes failure_
  std::exception_ptr failure_;       // published by the end of the task that wrote it
  wait_group tasks_;
};

/// A group whose tasks return a T each; wait() returns them in the order of the calls of go().
template <class T>
class group_of {
 public:
  static_assert(std::is_object_v<T>);

  explicit group_of(const context& parent) : group_{parent} {}

  const context& ctx() const noexcept { return group_.ctx(); }
  void cancel() const noexcept { group_.cancel(); }
  void set_limit(std::ptrdiff_t n) { group_.set_limit(n); }
  template <class Rep, class Period>
  void set_patience(std::chrono::duration<Rep, Period> d) noexcept {
    group_.set_patience(d);
  }

  /// As group::go; f returns what a T is made from, or a task of that.
  template <impl::task_body F>
    requires std::constructible_from<T, impl::group_result<F>>
  void go(F&& f, std::source_location where = std::source_location::current()) {
    using kept = std::decay_t<F>;
    std::optional<T>& result = add_result();
    if constexpr (impl::is_task<impl::task_result<kept>>) {
      group_.go(
          [&result, g = kept(std::forward<F>(f))](const context& ctx) mutable -> task<void> {
            auto&& value = co_await impl::call_task(g, ctx);
            result.emplace(std::forward<decltype(value)>(value));
          },
          where);
    } else {
      group_.go([&result, g = kept(std::forward<F>(f))](
                    const context& ctx) mutable { result.emplace(impl::call_task(g, ctx)); },
                where);
    }
  }

  /// As group::wait, and returns the results. They are moved out: a later call returns those of later
  /// tasks.
  [[nodiscard]] std::vector<T> wait() {
    group_.wait();
    return take();
  }
  [[nodiscard]] std::vector<T> wait(const context& caller) {
    group_.wait(caller);
    return take();
  }

 private:
  std::optional<T>& add_result() {
    const std::lock_guard held{mutex_};
    return results_.emplace_back();
  }
  std::vector<T> take() {
    std::vector<T> all;
    const std::lock_guard held{mutex_};
    all.reserve(results_.size());
    for (std::optional<T>& result : results_) {
      if (result) all.push_back(std::move(*result));
    }
    results_.clear();
    return all;
  }

  mutex mutex_;
  std::deque<std::optional<T>> results_;  // grows under mutex_; each written by its task alone
  group group_;                           // the last: its end joins those that write results_
};

}  // namespace downhaul
