// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
#include "wait/done_source.hpp"

#include <mutex>

namespace downhaul::impl {

bool done_source::add(observer& o) noexcept {
  const lock_scope lock{mu_};
  std::uintptr_t word = word_.load(std::memory_order_acquire);  // [done] pairs with C1
  do {
    if ((word & closed_bit) != 0) return false;
    if ((word & observed_bit) != 0) break;
    // A2 [done] acq_rel: ordered with C1 in the word's own order; the link is guarded by mu_.
  } while (!word_.compare_exchange_weak(word, word | observed_bit, std::memory_order_acq_rel,
                                        std::memory_order_acquire));  // A2 failed: look again
  observers_.push_back(o);  // A3
  return true;
}

bool done_source::remove(observer& o) noexcept {
  const lock_scope lock{mu_};
  if (!o.linked()) return false;
  observer_list<observer>::remove(o);
  return true;
}

std::size_t done_source::observers() noexcept {
  const lock_scope lock{mu_};
  return observers_.count();
}

}  // namespace downhaul::impl
