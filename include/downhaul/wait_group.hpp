// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// downhaul/wait_group.hpp — wait for a set of goroutines to finish.
//
// Idea       a counter of unfinished tasks; wait() parks the caller until it is zero.
// Ownership  neither copied nor moved; lives where the tasks are started and outlives them. It may
//            be destroyed as soon as a wait() has returned, while the last done() is still on its
//            way out. Destroying it while tasks run aborts, saying where they were started.
// Threads    every member may be called concurrently, from goroutines and from plain threads.
// Cost       add, done: one atomic RMW. wait: at most one park. No allocation, but for go().
// Source     Go sync.WaitGroup (1.25). Differs: wait takes a context and can be canceled; it may be
//            used again as soon as one wait() has returned, for nobody is woken too late by it.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <new>
#include <optional>
#include <source_location>
#include <system_error>
#include <type_traits>
#include <utility>

#include "downhaul/error.hpp"
#include "downhaul/fwd.hpp"
#include "downhaul/go.hpp"
#include "downhaul/impl/observer.hpp"
#include "downhaul/impl/source.hpp"
#include "downhaul/impl/spawn.hpp"
#include "downhaul/task.hpp"

namespace downhaul {

namespace impl {
struct coro_access;  // how coroutines wait for it
}

class wait_group {
 public:
  constexpr wait_group() noexcept = default;
  wait_group(const wait_group&) = delete;
  wait_group& operator=(const wait_group&) = delete;
  /// Aborts if tasks are unfinished.
  ~wait_group() {
    // Orders nothing: whoever destroys it knows by other means that it is not in use.
    if (tasks(state_.load(std::memory_order_relaxed)) != 0) [[unlikely]]
      abandoned();
  }

  /// Adds `n` tasks; a negative `n` takes some away. Call it before starting them, and never first
  /// inside them. From zero, not while somebody waits.
  /// Throws misuse "sync: negative WaitGroup counter" when it would fall below zero (or exceed 2^31 -
  /// 1), "sync: WaitGroup misuse: Add called concurrently with Wait" where that is noticed; then
  /// nothing was added.
  void add(std::ptrdiff_t n = 1) {
    const std::uint64_t by = static_cast<std::uint64_t>(n) << 32;
    // A [count] acq_rel: all tasks' ends are chained to the last one's, see wait_group.cpp.
    const std::uint64_t old = state_.fetch_add(by, std::memory_order_acq_rel);
    const std::int64_t before = tasks(old);
    if (n > 0 && n <= most && before > 0 && before + n <= most) [[likely]]
      return;
    settle(old, n);
  }
  /// Finishes one task. What happened before done() is visible after the wait() that it releases.
  /// Throws misuse "sync: negative WaitGroup counter".
  void done() {
    // A [count] acq_rel: as in add.
    const std::uint64_t old = state_.fetch_sub(one, std::memory_order_acq_rel);
    if (tasks(old) > 1 || old == one) [[likely]]
      return;
    settle(old, -1);
  }

  /// Parks the goroutine — not its thread — until the counter is zero.
  /// A checked build throws misuse "sync: WaitGroup is reused before previous Wait has returned".
  void wait() {
    // R [count] acquire: pairs with every A, which form one release sequence.
    if (state_.load(std::memory_order_acquire) != 0) wait_slow(nullptr);
  }
  /// Cancellation: throws context_error if `ctx` has ended, or ends first; the tasks go on running.
  void wait(const context& ctx);
  /// Cancellation: sets `ec` to ctx.err() instead; cleared when the counter was zero.
  void wait(const context& ctx, std::error_code& ec);

  /// How many tasks are unfinished now: a snapshot. Zero is no leave to destroy it, a wait() is.
  std::ptrdiff_t unfinished() const noexcept {
    // [count] acquire: who sees zero sees what the tasks did, as after a wait()
    return static_cast<std::ptrdiff_t>(tasks(state_.load(std::memory_order_acquire)));
  }

  /// Adds a task that calls `f` in a new goroutine and is done when f has ended and is destroyed,
  /// also if it ended by a context_error. As for dh::go, f takes nothing and returns nothing. Any
  /// other exception of f ends the program before the task counts as done: no waiter hides it.
  /// Throws as add does, and std::bad_alloc; then f does not run.
  template <impl::goroutine_body F>
  void go(F&& f, std::source_location where = std::source_location::current()) {
    start(go_options{}, std::forward<F>(f), where);
  }
  template <impl::goroutine_body F>
  void go(const go_options& options, F&& f,
          std::source_location where = std::source_location::current()) {
    start(options, std::forward<F>(f), where);
  }
  /// The same with a coroutine: f returns a task<void>, or is one. f is called in the new coroutine, and
  /// kept until its task has ended; while that waits it has no stack. Of the options a task has the
  /// name; throws misuse "go: a task cannot be pinned".
  template <impl::task_like F>
  void go(F&& f, std::source_location where = std::source_location::current()) {
    start_maker(go_options{}, std::forward<F>(f), where);
  }
  template <impl::task_like F>
  void go(const go_options& options, F&& f,
          std::source_location where = std::source_location::current()) {
    start_maker(options, std::forward<F>(f), where);
  }

 private:
  friend class group;  // lists tasks that are late, and has coroutines of its own
  friend struct impl::coro_access;

  // The word:  bits 32..63  unfinished tasks, signed   by add, done
  //            bit 0        waited: somebody waits     set by a waiter, cleared by the release
  static constexpr std::uint64_t one = std::uint64_t{1} << 32;
  static constexpr std::uint64_t waited = 1;
  static constexpr std::int64_t most = 0x7fff'ffff;

  static constexpr std::int64_t tasks(std::uint64_t state) noexcept {
    return static_cast<std::int32_t>(state >> 32);
  }

  template <class F>
  struct member {
    wait_group* group;
    std::optional<F> f;

    void operator()() {
      // No guard that counts down while an exception passes: the crash must come first.
      try {
        std::invoke(*f);
      } catch (const context_error&) {
        // That is how a cancelled task stops.
      }
      f.reset();
      group->done();
    }
  };

  template <class F>
  void start(const go_options& options, F&& f, std::source_location where) {
    using kept = std::decay_t<F>;
    if constexpr (impl::can_be_nil<kept>) {
      if (f == nullptr) impl::fatal_go_of_nil();
    }
    impl::spawn_request request;
    request.size = sizeof(member<kept>);
    request.align = alignof(member<kept>);
    request.ops = &impl::closure_ops_for<member<kept>>;
    request.owner = this;
    request.where = where;
    request.name = options.name;
    request.stack = options.stack;
    request.pinned = options.pinned;
    add();
    impl::goroutine* g = nullptr;
    try {
      g = impl::prepare_goroutine(request);
      ::new (impl::closure_storage(g))
          member<kept>{this, std::optional<kept>{std::in_place, std::forward<F>(f)}};
    } catch (...) {
      if (g != nullptr) impl::discard_goroutine(g);
      done();
      throw;
    }
    impl::start_goroutine(g);
  }

  template <class F>
  static task<void> run(wait_group* group, std::optional<F> f) {
    try {
      co_await impl::task_of(*f);
    } catch (const context_error&) {
      // As above.
    }
    f.reset();
    group->done();
  }

  template <class F>
  void start_maker(const go_options& options, F&& f, std::source_location where) {
    using kept = std::decay_t<F>;
    if constexpr (impl::can_be_nil<kept>) {
      if (f == nullptr) impl::fatal_go_of_nil();
    }
    start_task(options, where,
               [&] { return run(this, std::optional<kept>{std::in_place, std::forward<F>(f)}); });
  }
  /// What make() returns says done() itself.
  template <class Make>
  void start_task(const go_options& options, std::source_location where, Make make) {
    const char* const name = impl::name_in(options);
    add();
    impl::coroutine* prepared = nullptr;
    try {
      prepared = impl::prepare_coroutine(nullptr, where, {.owner = this, .name = name});
      impl::start_task(prepared, make(), nullptr);
    } catch (...) {
      if (prepared != nullptr) impl::discard_coroutine(prepared);
      done();
      throw;
    }
  }

  /// What add and done leave to be done: nothing, the release, or the undoing of a misuse.
  void settle(std::uint64_t old, std::ptrdiff_t n);
  void release() noexcept;
  /// False if `done` came first.
  bool wait_slow(impl::source* done);
  /// Its halves: hangs `node`, false if the counter is zero; and gives the wait up.
  bool hang(impl::wait_node& node) noexcept;
  void take_off(impl::wait_node& node) noexcept;
  [[noreturn]] void abandoned() const noexcept;
  void list_tasks() const noexcept;  // those that go() started, on stderr

  std::atomic<std::uint64_t> state_{0};  // [count]
  impl::wait_list waiters_;              // guarded by the lock of this address, see queue_lock.hpp
};

}  // namespace downhaul
