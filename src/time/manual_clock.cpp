// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
#include "downhaul/testing/manual_clock.hpp"

#include "time/timer_entry.hpp"

namespace downhaul {

void manual_clock::advance_ns(std::int64_t ns) {
  if (ns > 0) pass_until(impl::add_saturated(now_ns(), ns));
}

bool manual_clock::advance_to_next() {
  const std::int64_t next = earliest();
  if (next == impl::never) return false;
  pass_until(next);
  return true;
}

std::optional<time_point> manual_clock::next() const noexcept {
  const std::int64_t next = earliest();
  if (next == impl::never) return std::nullopt;
  return impl::to_time_point(next);
}

use_clock::use_clock(clock& c) noexcept : before_{impl::this_thread().clock} {
  impl::this_thread().clock = &c;
}

use_clock::~use_clock() { impl::this_thread().clock = before_; }

}  // namespace downhaul
