// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// downhaul/rate_limiter.hpp — so many a second on average, and so many at once at most.
//
// Idea       a bucket of tokens that starts full, holds `burst` of them and is refilled at `per_second`.
//            allow() takes tokens that are there; wait() parks until they would be; reserve() takes
//            them ahead of time and says when that is. Fractions of tokens are kept.
// Ownership  neither copied nor moved. A reservation refers to its limiter.
// Threads    every member from goroutines and plain threads, concurrently.
// Cost       a lock and some arithmetic; now() unless a time is given. No timer but in wait().
// Source     Go x/time/rate Limiter.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <system_error>

#include "downhaul/clock.hpp"
#include "downhaul/fwd.hpp"
#include "downhaul/impl/duration.hpp"
#include "downhaul/mutex.hpp"

namespace downhaul {

class rate_limiter {
 public:
  /// A rate at which everything is allowed, whatever the burst.
  static constexpr double unlimited = std::numeric_limits<double>::infinity();

  /// Once every `interval`, as a rate; `unlimited` if that is not positive.
  template <class Rep, class Period>
  static double every(std::chrono::duration<Rep, Period> interval) noexcept {
    const double seconds = std::chrono::duration<double>{interval}.count();
    return seconds > 0 ? 1 / seconds : unlimited;
  }

  /// A rate of 0 allows the first `burst` and nothing more. Throws misuse "rate: not a rate" for a
  /// negative rate and for one that is no number, "rate: negative burst".
  rate_limiter(double per_second, std::ptrdiff_t burst);
  rate_limiter(const rate_limiter&) = delete;
  rate_limiter& operator=(const rate_limiter&) = delete;

  // `n` tokens each; throw misuse "rate: negative number of tokens" for a negative n.

  /// Takes them if they are there, now or at the time `at`; else nothing happens. Always false for more
  /// than the burst.
  bool allow(std::ptrdiff_t n = 1) { return allow_at(now(), n); }
  bool allow_at(time_point at, std::ptrdiff_t n = 1);

  class reservation;
  /// Takes them ahead of time. Not ok() for more than the burst; then nothing happens.
  [[nodiscard]] reservation reserve(std::ptrdiff_t n = 1);
  [[nodiscard]] reservation reserve_at(time_point at, std::ptrdiff_t n = 1);

  /// Parks the goroutine — not its thread — until it has them. Throws, in this order: system_error
  /// with errc::invalid_argument "rate: Wait(n=N) exceeds limiter's burst B"; context_error if `ctx`
  /// has ended; at once, system_error with errc::deadline_exceeded "rate: Wait(n=N) would exceed
  /// context deadline". Cancellation: context_error if ctx ends first; the tokens are given back.
  void wait(const context& ctx, std::ptrdiff_t n = 1);
  /// Sets `ec` to those codes instead; clear: it has the tokens.
  void wait(const context& ctx, std::ptrdiff_t n, std::error_code& ec);
  void wait(const context& ctx, std::error_code& ec) { wait(ctx, 1, ec); }

  /// Tokens that have come until now stay. Reservations keep their times. Throw as the constructor.
  void set_limit(double per_second) { set_limit_at(now(), per_second); }
  void set_limit_at(time_point at, double per_second);
  void set_burst(std::ptrdiff_t burst) { set_burst_at(now(), burst); }
  void set_burst_at(time_point at, std::ptrdiff_t burst);
  double limit() const;
  std::ptrdiff_t burst() const;
  /// How many there are; negative: so many are reserved that have not come.
  double tokens() const { return tokens_at(now()); }
  double tokens_at(time_point at) const;

 private:
  enum class refusal : std::uint8_t { none, burst, deadline, ended };

  reservation take(std::int64_t at, std::ptrdiff_t n, std::int64_t patience);
  refusal wait_for(const context& ctx, std::ptrdiff_t n, std::error_code& ec);
  // Under mutex_.
  double refilled(std::int64_t at) const noexcept;
  void settle(std::int64_t at) noexcept;
  double tokens_in(std::int64_t ns) const noexcept;
  std::int64_t time_for(double tokens) const noexcept;

  mutable mutex mutex_;
  double per_second_;  // all guarded by mutex_
  std::ptrdiff_t burst_;
  double tokens_;                           // as of settled_
  std::int64_t settled_ = impl::always;     // ns
  std::int64_t last_event_ = impl::always;  // ns: when the latest reservation may act
};

/// Tokens taken ahead of time. A value that refers to its limiter.
class rate_limiter::reservation {
 public:
  /// False: they would never come, and nothing was taken.
  bool ok() const noexcept { return from_ != nullptr; }
  /// How long from now, or from `at`, until one may act; zero: at once; duration::max(): never.
  duration delay() const noexcept { return delay_at(now()); }
  duration delay_at(time_point at) const noexcept;
  /// One will not act: gives back what nobody has counted on since. Nothing if its time has come.
  void cancel() const { cancel_at(now()); }
  void cancel_at(time_point at) const;

 private:
  friend class rate_limiter;

  rate_limiter* from_ = nullptr;
  std::ptrdiff_t tokens_ = 0;
  std::int64_t act_at_ = impl::never;  // ns
  double per_second_ = 0;              // of its time
};

}  // namespace downhaul
