// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// [once]  word: fresh → running → (chain of waiters →)* finished
//   The first caller takes it from fresh to running. Later ones hang their node before the last
//   one's, by a compare-exchange, and park. finish() exchanges in `finished`, which takes the whole
//   chain and is its last touch of the object; then it notifies, the earliest first.
#include "downhaul/once.hpp"

#include "wait/waiter.hpp"

namespace downhaul {

// The chain runs through `prev`, from the latest node to the earliest; node addresses are multiples
// of 8, so that they differ from the three states.
bool once::begin() noexcept {
  std::uintptr_t now = state_.load(std::memory_order_acquire);  // [once] pairs with finish
  if (now == fresh) {
    // [once] acquire: for a failure, which reads `finished` or a chain; pairs with finish
    if (state_.compare_exchange_strong(now, running, std::memory_order_acquire,
                                       std::memory_order_acquire))  // [once] as above
      return true;
  }
  if (now == finished) return false;
  impl::waiter& me = impl::this_waiter();
  impl::wait_node node;
  node.who = &me;
  me.prepare();
  while (now != finished) {
    node.prev = now == running ? nullptr : reinterpret_cast<impl::wait_node*>(now);
    // [once] release: finish sees the node; ends: each failure is another waiter, or the end
    if (state_.compare_exchange_weak(now, reinterpret_cast<std::uintptr_t>(&node),
                                     std::memory_order_release,
                                     std::memory_order_acquire)) {  // [once] pairs with finish
      me.park(impl::wait_reason::once_call);
      return false;
    }
  }
  return false;
}

void once::finish() noexcept {
  // [once] release: what f did, for all callers; acquire: the nodes. The last touch.
  const std::uintptr_t latest = state_.exchange(finished, std::memory_order_acq_rel);
  if (latest == running) return;
  impl::list_node* n = reinterpret_cast<impl::wait_node*>(latest);
  impl::list_node* later = nullptr;
  for (; n != nullptr; n = n->prev) {
    n->next = later;
    later = n;
  }
  while (later != nullptr) {
    impl::list_node* const next = later->next;  // before the notify: then the node may vanish
#ifdef DOWNHAUL_CHECKED
    later->next = nullptr;  // a node that ends must not look linked
#endif
    static_cast<impl::wait_node*>(later)->who->notify();
    later = next;
  }
}

}  // namespace downhaul
