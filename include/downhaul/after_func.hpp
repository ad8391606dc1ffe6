// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// downhaul/after_func.hpp — do something when a context ends.
//
// Idea       after_func(ctx, f): f runs in a goroutine of its own once ctx has ended; at once if it
//            has already. after_func(inplace, ctx, f): a short f that cannot throw, without one.
// Ownership  The registration keeps f and keeps ctx's memory. Its end unregisters f and waits for one
//            that runs, unless it is f itself that ends it; detach() gives both up.
// Threads    Everything from anywhere. A registration is not destroyed while another thread uses it.
// Cost       Register and stop: one allocation, one lock each, and for a goroutine the taking of a
//            control block. Cancelling allocates nothing.
// Order      f sees what the canceller did before; in f the context has ended. Callbacks of one cancel
//            start after all descendants have ended, in no particular order.
// Source     Go context.AfterFunc; [stopcallback]. Differs from Go: the registration unregisters.
#pragma once

#include <concepts>
#include <memory>
#include <source_location>
#include <type_traits>
#include <utility>

#include "downhaul/context.hpp"
#include "downhaul/impl/callback.hpp"

namespace downhaul {

struct inplace_t {
  explicit inplace_t() = default;
};
/// after_func(inplace, …): no goroutine.
inline constexpr inplace_t inplace{};

class [[nodiscard]] registration {
 public:
  /// Of nothing.
  registration() noexcept = default;
  registration(registration&& other) noexcept
      : callback_{std::exchange(other.callback_, nullptr)} {}
  /// Unregisters what it held before, like the destructor.
  registration& operator=(registration&& other) noexcept {
    registration taken{std::move(other)};
    std::swap(callback_, taken.callback_);
    return *this;
  }
  /// Unregisters f. Waits until a running f has ended, unless called by f. Not cancellable.
  ~registration() {
    if (callback_ == nullptr) return;
    callback_->stop();
    callback_->leave(true);
  }

  /// True if this call prevented f: it will never run and its captures are gone. False if f runs,
  /// has run, or was stopped before. Never waits.
  bool stop() const noexcept { return callback_ != nullptr && callback_->stop(); }
  /// Gives the unregistering and the waiting up: f will run if ctx ends. Until then f keeps ctx's
  /// memory, and with it ctx's deadline and its place below its parent.
  void detach() noexcept {
    if (callback_ != nullptr) std::exchange(callback_, nullptr)->leave(false);
  }

 private:
  friend struct impl::context_access;
  explicit registration(impl::callback* c) noexcept : callback_{c} {}

  impl::callback* callback_ = nullptr;  // a share
};

/// Runs f in a goroutine of its own once `ctx` has ended. A context_error that leaves f ends that
/// goroutine, any other exception the program. Throws std::bad_alloc, and what copying f throws.
template <class F>
registration after_func(const context& ctx, F&& f,
                        std::source_location where = std::source_location::current()) {
  static_assert(std::invocable<std::decay_t<F>&>, "f is called without arguments");
  auto made = std::make_unique<impl::callback_of<std::decay_t<F>>>(std::forward<F>(f));
  return impl::context_access::make<registration>(
      impl::callback::hang(std::move(made), ctx, &where));
}

/// Runs f, which is noexcept, outside all locks on the goroutine or thread that cancels `ctx`, before
/// its cancel returns; on a goroutine if a deadline or a signal cancels, or a goroutine that requests
/// the stop of a std::stop_token; here if ctx has ended.
/// It should be short: it holds up the canceller.
template <class F>
registration after_func(inplace_t, const context& ctx, F&& f) {
  static_assert(std::is_nothrow_invocable_v<std::decay_t<F>&>,
                "in place: f is noexcept and is called without arguments");
  auto made = std::make_unique<impl::callback_of<std::decay_t<F>>>(std::forward<F>(f));
  return impl::context_access::make<registration>(
      impl::callback::hang(std::move(made), ctx, nullptr));
}

}  // namespace downhaul
