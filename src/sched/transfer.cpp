// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
#include "downhaul/impl/coro_wait.hpp"
#include "sched/ready_coroutines.hpp"

namespace downhaul::impl {

#ifndef __clang__
std::coroutine_handle<> transfer_to(coroutine* root, std::coroutine_handle<> next) noexcept {
  if (root == nullptr) return next;
  carrier* const here = carrier::here();
  // One is waiting already where a coroutine was resumed by the code of another.
  if (here == nullptr || here->transfer) return next;
  here->transfer = next;
  return std::noop_coroutine();
}
#endif

}  // namespace downhaul::impl
