// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// downhaul/runtime.hpp — the workers that run goroutines, and lists of goroutines.
//
// Idea       A runtime is a set of worker threads. There is a default one, started by the first
//            goroutine; a runtime object has its own workers, clock and stacks, and what is started
//            inside one stays in it. run(main) makes a whole program: main is a goroutine, and if
//            everything sleeps for ever the program says so and aborts.
// Ownership  ~runtime stops its workers at their next scheduling point and joins them. Goroutines
//            that are still parked are abandoned: never resumed, not unwound, their memory kept.
//            The default runtime is stopped at process exit and never destroyed.
// Threads    Every member may be called concurrently, but for the destructor.
// Cost       A runtime starts its threads when they are first needed. Idle workers sleep in the
//            kernel.
// Source     Go's scheduler, GOMAXPROCS, runtime.NumGoroutine.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <source_location>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "downhaul/go.hpp"

namespace downhaul {

class clock;

/// A goroutine that has kept its worker for long while others waited: it computes, or is stuck in
/// a call that was not announced by blocking().
struct stall {
  std::source_location where;         ///< where the goroutine was started
  std::string name;                   ///< its name, or empty
  std::chrono::nanoseconds lasted{};  ///< so far, at least
};

struct runtime_options {
  int workers = 0;        ///< 0: the CPUs that this process may use
  std::size_t stack = 0;  ///< bytes for each goroutine, rounded up to pages; 0: 256 KiB
  downhaul::clock* clock =
      nullptr;             ///< what sleeps, timers and deadlines go by; null: the real one
  std::uint64_t seed = 0;  ///< not 0: goroutines run in an order drawn from it, to find races
  /// Called, at most once for each stall, on a thread of the library; must not throw or block.
  std::function<void(const stall&)> on_stall{};
};

namespace impl {

/// What a function returned or threw, carried from one stack to another.
template <class R>
class outcome {
  static constexpr bool is_void = std::is_void_v<R>;
  static constexpr bool is_reference = std::is_reference_v<R>;
  struct nothing {};
  using stored =
      std::conditional_t<is_void, nothing,
                         std::conditional_t<is_reference, std::remove_reference_t<R>*, R>>;

 public:
  template <class F>
  void capture(F& f) noexcept {
    try {
      if constexpr (is_void) {
        f();
      } else if constexpr (is_reference) {
        value_.emplace(std::addressof(f()));
      } else {
        value_.emplace(f());
      }
    } catch (...) {
      error_ = std::current_exception();
    }
  }
  /// Once.
  R take();

  bool has_error() const noexcept { return error_ != nullptr; }

 private:
  std::optional<stored> value_;
  std::exception_ptr error_;
};

/// Does nothing, but where the race detector has to be kept from seeing the end of `e` as a race.
void keep_reachable(const std::exception_ptr& e);

template <class R>
R outcome<R>::take() {
  if (error_ != nullptr) {
    keep_reachable(error_);
    std::rethrow_exception(std::exchange(error_, nullptr));
  }
  if constexpr (is_reference) {
    return static_cast<R>(**value_);
  } else if constexpr (!is_void) {
    return std::move(*value_);
  }
}

struct run_request {
  void (*body)(void* arg);  // does not throw
  void* arg;
  go_options options;
  std::source_location where;
  bool reports_deadlock;
};
/// Runs it as a goroutine of `in` (null: the default runtime) and waits until that has ended.
void run_and_wait(runtime_core* in, const run_request& request);

template <class F>
decltype(auto) run_in(runtime_core* in, F& f, go_options options, bool reports_deadlock,
                      std::source_location where) {
  using result = std::invoke_result_t<F&>;
  struct call {
    F* f;
    outcome<result> out;
  } c{std::addressof(f), {}};
  run_and_wait(in, {[](void* arg) {
                      auto& me = *static_cast<call*>(arg);
                      me.out.capture(*me.f);
                    },
                    &c, options, where, reports_deadlock});
  return c.out.take();
}

}  // namespace impl

class runtime {
 public:
  /// Throws std::bad_alloc. Starts no thread yet.
  runtime() : runtime{runtime_options{}} {}
  explicit runtime(runtime_options options);
  /// Stops and joins the workers; waits for goroutines that run to reach their next wait, yield or
  /// end. Fatal when called by one of its own goroutines. Does nothing in a child after fork.
  ~runtime();
  runtime(const runtime&) = delete;
  runtime& operator=(const runtime&) = delete;

  /// Like downhaul::go, in this runtime.
  template <impl::goroutine_body F>
  void go(F&& f, std::source_location where = std::source_location::current()) {
    impl::go_in(core_, go_options{}, std::forward<F>(f), where);
  }
  template <impl::goroutine_body F>
  void go(const go_options& options, F&& f,
          std::source_location where = std::source_location::current()) {
    impl::go_in(core_, options, std::forward<F>(f), where);
  }
  /// Runs f() as a goroutine of this runtime, waits until it has ended and returns its result or
  /// throws its exception. Others that it started may still run. Cancellation: none; f's affair.
  template <std::invocable F>
  std::invoke_result_t<F&> run(F&& f,
                               std::source_location where = std::source_location::current()) {
    return impl::run_in(core_, f, go_options{}, false, where);
  }

  /// How many workers run goroutines; threads that stand in for stuck ones are not counted.
  int workers() const noexcept;
  /// Changes it, from now on; at least 1.
  void workers(int n);
  /// Goroutines of this runtime that have been started and have not ended.
  std::size_t goroutines() const;
  /// How often a worker was found stuck so far.
  std::uint64_t stalls() const noexcept;

  /// The way into a runtime for the rest of the library.
  impl::runtime_core* core() const noexcept { return core_; }

 private:
  impl::runtime_core* const core_;
};

struct run_options {
  std::size_t stack = 8 * 1024 * 1024;  ///< for main; only what is touched takes memory
  runtime* in = nullptr;                ///< null: the default runtime
};

/// Runs `main` as a goroutine, waits for it alone, and returns its result or throws its exception.
/// While it runs, a program in which everything waits for ever is ended: "fatal error: all
/// goroutines are asleep - deadlock!", a list of goroutines, abort. A pending timer, a blocking
/// call, a signal subscription or any thread but the callers of run and the library's own means
/// that something may still happen.
template <std::invocable F>
std::invoke_result_t<F&> run(F&& main,
                             std::source_location where = std::source_location::current()) {
  return impl::run_in(nullptr, main, go_options{.stack = run_options{}.stack, .name = "main"}, true,
                      where);
}
template <std::invocable F>
std::invoke_result_t<F&> run(const run_options& options, F&& main,
                             std::source_location where = std::source_location::current()) {
  return impl::run_in(options.in != nullptr ? options.in->core() : nullptr, main,
                      go_options{.stack = options.stack, .name = "main"}, true, where);
}

/// One goroutine, as it was at some instant while the list was made.
struct goroutine_info {
  enum class state { runnable, running, waiting };
  std::source_location where;  ///< the line that started it
  std::string name;            ///< or empty
  state doing;
  std::string_view reason;         ///< "chan receive", "select", "sleep", …; "running", "runnable"
  std::chrono::nanoseconds age{};  ///< of the wait; roughly, to some milliseconds
};

/// "goroutine [chan send, 3 ms] started at main.cpp:12 (int main())".
std::string to_string(const goroutine_info& g);

/// All goroutines of all runtimes that have been started and have not ended.
std::vector<goroutine_info> list_goroutines();
/// How many there are; exact when none starts or ends meanwhile.
std::size_t count_goroutines() noexcept;

}  // namespace downhaul
