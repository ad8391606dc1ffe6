// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
#include "downhaul/retry.hpp"

#include <algorithm>

#include "downhaul/error.hpp"
#include "wait/thread_record.hpp"

namespace downhaul::impl {

backoff::backoff(const retry_policy& p)
    : delay_{static_cast<double>(p.first_delay.count())},
      longest_{static_cast<double>(p.longest_delay.count())},
      factor_{p.factor},
      jitter_{p.jitter},
      random_{static_cast<std::uint32_t>(p.seed != 0 ? p.seed : this_thread().choice.next())} {
  if (p.tries < 0) throw misuse{"retry: negative number of tries"};
  if (delay_ < 0 || longest_ < 0) throw misuse{"retry: negative delay"};
  if (!(factor_ >= 1)) throw misuse{"retry: a factor below 1"};
  if (!(jitter_ >= 0 && jitter_ <= 1)) throw misuse{"retry: a jitter outside of 0 to 1"};
}

std::int64_t backoff::next() noexcept {
  const double whole = std::min(delay_, longest_);
  delay_ = std::min(delay_ * factor_, longest_);
  const double part = std::generate_canonical<double, 32>(random_);
  return saturated_from_float(whole * (1 - jitter_ * part));
}

bool wait_for_next_try(const context& ctx, const retry_policy& policy, backoff& delays, int tried,
                       const std::exception_ptr& failed) {
  if (ctx.err()) throw_done(ctx);
  if (policy.tries != 0 && tried >= policy.tries) return false;
  if (policy.again && !policy.again(failed)) return false;
  const std::int64_t delay = delays.next();
  if (const auto left = ctx.remaining(); left && left->count() <= delay) return false;
  sleep(ctx, std::chrono::nanoseconds{delay});
  return true;
}

}  // namespace downhaul::impl
