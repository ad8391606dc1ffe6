// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// downhaul/retry.hpp — try again, later each time, and never past the deadline.
//
// Idea       retry(ctx, policy, f) calls f until it returns; between two tries it sleeps, longer each
//            time and by an amount drawn at random, so that those who failed together do not come
//            back together.
// Ownership  f is called where it is, one try after the other, by the caller itself.
// Threads    any goroutine or plain thread.
// Cost       that of f and of the sleeps.
// Errors     A try fails by an exception. The last one is thrown when no try is left, when the policy
//            says that it is final, and when the deadline comes before the next try could.
// Source     what everybody writes by hand; the full jitter of "Exponential Backoff And Jitter".
#pragma once

#include <chrono>
#include <concepts>
#include <cstdint>
#include <exception>
#include <functional>
#include <random>
#include <type_traits>
#include <utility>

#include "downhaul/context.hpp"
#include "downhaul/impl/duration.hpp"
#include "downhaul/sleep.hpp"

namespace downhaul {

struct retry_policy {
  int tries = 0;  ///< at most so many in all; 0: as many as there is time for
  duration first_delay = std::chrono::milliseconds{100};  ///< before the second try
  duration longest_delay = std::chrono::seconds{10};
  double factor = 2;       ///< by which a delay is longer than the one before, at least 1
  double jitter = 1;       ///< the part of a delay that is drawn at random: 0 none, 1 all of it
  std::uint64_t seed = 0;  ///< not 0: what is drawn is the same each time
  /// False: trying again is of no use. Empty: it always is.
  std::function<bool(const std::exception_ptr&)> again{};
};

namespace impl {

/// The delays of one retry, one after the other.
class backoff {
 public:
  /// Throws misuse "retry: ..." for a policy that says nothing sensible.
  explicit backoff(const retry_policy& policy);
  /// The delay before the next try, with its jitter.
  std::int64_t next() noexcept;

 private:
  double delay_;  // ns
  const double longest_;
  const double factor_;
  const double jitter_;
  std::minstd_rand random_;
};

/// Sleeps before the next try. False: there is none; the caller throws its failure.
bool wait_for_next_try(const context& ctx, const retry_policy& policy, backoff& delays, int tried,
                       const std::exception_ptr& failed);

template <class F>
decltype(auto) call_try(F& f, const context& ctx) {
  if constexpr (std::invocable<F&, const context&>) {
    return std::invoke(f, ctx);
  } else {
    return std::invoke(f);
  }
}

}  // namespace impl

/// Calls f() or f(ctx) until it returns, and returns that. A context_error of f is a failure like any
/// other while `ctx` is open. Cancellation: throws context_error if ctx has ended, also between two
/// tries; f is not interrupted but by ctx itself.
template <class F>
  requires std::invocable<F&> || std::invocable<F&, const context&>
auto retry(const context& ctx, const retry_policy& policy, F&& f)
    -> decltype(impl::call_try(f, ctx)) {
  impl::backoff delays{policy};
  for (int tried = 1;; ++tried) {
    ctx.check();
    try {
      return impl::call_try(f, ctx);
    } catch (...) {
      if (!impl::wait_for_next_try(ctx, policy, delays, tried, std::current_exception())) throw;
    }
  }
}

}  // namespace downhaul
