// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// downhaul/once.hpp — do a thing once, whoever comes first.
//
// Idea       once::call(f) runs the first f and makes all others wait until it has ended.
//            once_func(f) and once_value(f) wrap f itself: called often, it runs once.
// Ownership  once is neither copied nor moved; it may be destroyed as soon as a call has returned.
//            Copies of a once_func or once_value share one f, which is destroyed after its run.
// Threads    every member from goroutines and plain threads, concurrently.
// Cost       after the first time: one load. once_func, once_value: one allocation when made.
// Errors     An f that throws has run: it is not tried again. call() lets the exception pass to the
//            caller that ran f; once_func and once_value throw it to every caller.
// Source     Go sync.Once, OnceFunc, OnceValue. Unlike std::call_once, which would try again.
#pragma once

#include <atomic>
#include <concepts>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

namespace downhaul {

class once {
 public:
  constexpr once() noexcept = default;
  once(const once&) = delete;
  once& operator=(const once&) = delete;

  /// Calls `f` if this is the first call of all, else waits until that one's f has ended; what it
  /// did is visible then. Calling it from inside f waits for ever.
  template <class F>
    requires std::invocable<F>
  void call(F&& f) {
    // R [once] acquire: pairs with the exchange in finish()
    if (state_.load(std::memory_order_acquire) == finished) [[likely]]
      return;
    if (!begin()) return;
    const ending end{*this};
    std::invoke(std::forward<F>(f));
  }

 private:
  // The word:  fresh   running, and nobody waits   finished   else the last of a chain of waiters
  static constexpr std::uintptr_t fresh = 0;
  static constexpr std::uintptr_t running = 1;
  static constexpr std::uintptr_t finished = 2;

  struct ending {
    once& of;
    ~ending() { of.finish(); }
  };
  /// True for the caller that is to run f; false after it has been run.
  bool begin() noexcept;
  void finish() noexcept;

  std::atomic<std::uintptr_t> state_{fresh};  // [once]
};

namespace impl {

/// See runtime.hpp: for the race detector.
void keep_reachable(const std::exception_ptr& e);

template <class R>
struct once_result {
  std::optional<R> value;
  template <class F>
  void fill(F& f) {
    value.emplace(std::invoke(f));
  }
  const R& get() const { return *value; }
};
template <>
struct once_result<void> {
  template <class F>
  void fill(F& f) {
    std::invoke(f);
  }
  void get() const noexcept {}
};

template <class F>
class once_callable {
  using result = once_result<std::invoke_result_t<F&>>;
  struct shared {
    explicit shared(F made) : f{std::in_place, std::move(made)} {}
    once ran;
    std::optional<F> f;
    std::exception_ptr thrown;
    [[no_unique_address]] result outcome;
  };

 public:
  explicit once_callable(F f) : shared_{std::make_shared<shared>(std::move(f))} {}

  /// Runs f if it is the first call; returns what f returned, or throws what f threw.
  decltype(auto) operator()() const {
    shared& s = *shared_;
    s.ran.call([&s] {
      try {
        s.outcome.fill(*s.f);
      } catch (...) {
        s.thrown = std::current_exception();
        keep_reachable(s.thrown);
      }
      s.f.reset();
    });
    if (s.thrown) std::rethrow_exception(s.thrown);
    return s.outcome.get();
  }

 private:
  std::shared_ptr<shared> shared_;
};

}  // namespace impl

/// A copyable callable that runs `f` at its first call only.
template <class F>
  requires std::is_void_v<std::invoke_result_t<std::decay_t<F>&>>
[[nodiscard]] auto once_func(F&& f) {
  return impl::once_callable<std::decay_t<F>>{std::forward<F>(f)};
}
/// The same for an f that returns a value; every call returns a reference to it, which lives as
/// long as a copy of the callable.
template <class F>
  requires(!std::is_void_v<std::invoke_result_t<std::decay_t<F>&>>)
[[nodiscard]] auto once_value(F&& f) {
  return impl::once_callable<std::decay_t<F>>{std::forward<F>(f)};
}

}  // namespace downhaul
