// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// Invariant, under mutex_: tokens_ ≤ burst_ are there at settled_; refilled(t) says how many there are at
// a later t. Time that goes back adds none. A debt (tokens_ < 0) is what has been reserved ahead.
#include "downhaul/rate_limiter.hpp"

#include <algorithm>
#include <cmath>
#include <mutex>
#include <string>

#include "downhaul/context.hpp"
#include "downhaul/error.hpp"
#include "downhaul/sleep.hpp"

namespace downhaul {

namespace {

constexpr double ns_per_second = 1e9;

std::int64_t ns_of(time_point t) noexcept { return t.time_since_epoch().count(); }

double expect_rate(double per_second) {
  if (!(per_second >= 0)) throw misuse{"rate: not a rate"};
  return per_second;
}
std::ptrdiff_t expect_burst(std::ptrdiff_t burst) {
  if (burst < 0) throw misuse{"rate: negative burst"};
  return burst;
}
void expect_tokens(std::ptrdiff_t n) {
  if (n < 0) throw misuse{"rate: negative number of tokens"};
}

}  // namespace

rate_limiter::rate_limiter(double per_second, std::ptrdiff_t burst)
    : per_second_{expect_rate(per_second)},
      burst_{expect_burst(burst)},
      tokens_{static_cast<double>(burst)} {}

double rate_limiter::tokens_in(std::int64_t ns) const noexcept {
  return static_cast<double>(ns) / ns_per_second * per_second_;
}

std::int64_t rate_limiter::time_for(double tokens) const noexcept {
  if (tokens <= 0) return 0;
  if (per_second_ <= 0) return impl::never;
  return impl::saturated_from_float(tokens / per_second_ * ns_per_second);
}

double rate_limiter::refilled(std::int64_t at) const noexcept {
  const auto full = static_cast<double>(burst_);
  if (per_second_ == unlimited) return full;
  // Before the first look it is full; settled_ is long ago then.
  const std::int64_t passed =
      std::max<std::int64_t>(0, impl::subtract_saturated(at, std::min(settled_, at)));
  return std::min(full, tokens_ + tokens_in(passed));
}

void rate_limiter::settle(std::int64_t at) noexcept {
  tokens_ = refilled(at);
  settled_ = at;
}

rate_limiter::reservation rate_limiter::take(std::int64_t at, std::ptrdiff_t n,
                                             std::int64_t patience) {
  expect_tokens(n);
  const std::lock_guard held{mutex_};
  reservation r;
  if (per_second_ == unlimited) {
    r.from_ = this;
    r.tokens_ = n;
    r.act_at_ = at;
    r.per_second_ = per_second_;
    return r;
  }
  const double left = refilled(at) - static_cast<double>(n);
  const std::int64_t wait = time_for(-left);
  if (n > burst_ || wait > patience || (wait == impl::never && left < 0)) return r;
  settled_ = at;
  tokens_ = left;
  last_event_ = impl::add_saturated(at, wait);
  r.from_ = this;
  r.tokens_ = n;
  r.act_at_ = last_event_;
  r.per_second_ = per_second_;
  return r;
}

bool rate_limiter::allow_at(time_point at, std::ptrdiff_t n) { return take(ns_of(at), n, 0).ok(); }

rate_limiter::reservation rate_limiter::reserve(std::ptrdiff_t n) { return reserve_at(now(), n); }

rate_limiter::reservation rate_limiter::reserve_at(time_point at, std::ptrdiff_t n) {
  return take(ns_of(at), n, impl::never);
}

duration rate_limiter::reservation::delay_at(time_point at) const noexcept {
  if (!ok()) return duration::max();
  return duration{std::max<std::int64_t>(0, impl::subtract_saturated(act_at_, ns_of(at)))};
}

void rate_limiter::reservation::cancel_at(time_point at) const {
  if (!ok() || per_second_ == unlimited || tokens_ == 0 || act_at_ < ns_of(at)) return;
  const std::lock_guard held{from_->mutex_};
  const std::int64_t time = ns_of(at);
  // Those who have reserved since have counted on the tokens that come until then.
  const double counted_on = from_->tokens_in(impl::subtract_saturated(from_->last_event_, act_at_));
  const double restored = static_cast<double>(tokens_) - counted_on;
  if (restored <= 0) return;
  from_->settle(time);
  from_->tokens_ = std::min(static_cast<double>(from_->burst_), from_->tokens_ + restored);
  if (act_at_ == from_->last_event_) {
    const std::int64_t before =
        impl::subtract_saturated(act_at_, from_->time_for(static_cast<double>(tokens_)));
    if (before >= time) from_->last_event_ = before;
  }
}

rate_limiter::refusal rate_limiter::wait_for(const context& ctx, std::ptrdiff_t n,
                                             std::error_code& ec) {
  expect_tokens(n);
  ec.clear();
  {
    const std::lock_guard held{mutex_};
    if (n > burst_ && per_second_ != unlimited) {
      ec = std::make_error_code(std::errc::invalid_argument);
      return refusal::burst;
    }
  }
  if (ec = ctx.err(); ec) return refusal::ended;
  const std::optional<duration> left = ctx.remaining();
  const reservation mine = take(ns_of(now()), n, left ? left->count() : impl::never);
  if (!mine.ok()) {
    ec = errc::deadline_exceeded;
    return refusal::deadline;
  }
  if (const duration delay = mine.delay(); delay > duration::zero()) sleep(ctx, delay, ec);
  if (!ec) return refusal::none;
  mine.cancel();
  return refusal::ended;
}

void rate_limiter::wait(const context& ctx, std::ptrdiff_t n) {
  std::error_code ec;
  switch (wait_for(ctx, n, ec)) {
    case refusal::none: return;
    case refusal::ended: impl::throw_done(ctx);
    case refusal::burst:
      throw std::system_error{ec, "rate: Wait(n=" + std::to_string(n) +
                                      ") exceeds limiter's burst " + std::to_string(burst())};
    case refusal::deadline:
      throw std::system_error{
          ec, "rate: Wait(n=" + std::to_string(n) + ") would exceed context deadline"};
  }
}

void rate_limiter::wait(const context& ctx, std::ptrdiff_t n, std::error_code& ec) {
  static_cast<void>(wait_for(ctx, n, ec));
}

void rate_limiter::set_limit_at(time_point at, double per_second) {
  expect_rate(per_second);
  const std::lock_guard held{mutex_};
  settle(ns_of(at));
  per_second_ = per_second;
}

void rate_limiter::set_burst_at(time_point at, std::ptrdiff_t burst) {
  expect_burst(burst);
  const std::lock_guard held{mutex_};
  settle(ns_of(at));
  burst_ = burst;
}

double rate_limiter::limit() const {
  const std::lock_guard held{mutex_};
  return per_second_;
}

std::ptrdiff_t rate_limiter::burst() const {
  const std::lock_guard held{mutex_};
  return burst_;
}

double rate_limiter::tokens_at(time_point at) const {
  const std::lock_guard held{mutex_};
  return refilled(ns_of(at));
}

}  // namespace downhaul
