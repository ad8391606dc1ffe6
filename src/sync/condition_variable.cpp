// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// [cond]  waiting_ is 1 iff queue_ is not empty; written under the queue's lock, read without it.
//   waiter:    C1 lock queue; link; store 1; unlock queue; C2 user's lock.unlock(); park
//   notifier:  C3 user's lock.lock() … unlock(); Q load
//   A notifier that took the user's lock after C2 has C1 before Q, by that lock: relaxed will do. One
//   that did not take it cannot tell that it came after the waiter either.
#include "downhaul/condition_variable.hpp"

#include "sync/queue_lock.hpp"

namespace downhaul {

using impl::lock_scope;
using impl::queue_lock_of;

void condition_variable::enqueue(impl::wait_node& node, bool elect) noexcept {
  impl::waiter& me = impl::this_waiter();
  node.who = &me;
  node.elect = elect;
  me.prepare();
  hang(node);
}

void condition_variable::hang(impl::wait_node& node) noexcept {
  const lock_scope held{queue_lock_of(this)};
  queue_.push_back(node);
  waiting_.store(1, std::memory_order_relaxed);  // C1 [cond] pairs with Q by the user's lock
}

void condition_variable::take_off(impl::wait_node& node) noexcept {
  const lock_scope held{queue_lock_of(this)};
  if (node.linked()) impl::wait_list::remove(node);
  waiting_.store(queue_.empty() ? 0 : 1, std::memory_order_relaxed);  // [cond] see hang
}

bool condition_variable::park(impl::wait_node& node, impl::source* done) noexcept {
  if (impl::park_with_source(*node.who, node, done, impl::wait_reason::condition_wait) ==
      impl::wait_result::woken)
    return true;
  take_off(node);
  return false;
}

// The wait did not come about: the node goes, and a notification that found it goes to the next.
void condition_variable::withdraw(impl::wait_node& node) noexcept {
  {
    const lock_scope held{queue_lock_of(this)};
    if (node.linked()) {
      impl::wait_list::remove(node);
      waiting_.store(queue_.empty() ? 0 : 1, std::memory_order_relaxed);  // [cond] see hang
      return;
    }
  }
  // Nobody can have taken it but a notifier, whose notify is on its way.
  node.who->park(impl::wait_reason::condition_wait);
  notify_one();
}

void condition_variable::notify_slow(bool all) noexcept {
  impl::wake_list notified;
  {
    const lock_scope held{queue_lock_of(this)};
    while (impl::wait_node* n = impl::take_elected(queue_)) {
      notified.push(*n);
      if (!all) break;
    }
    // [cond] the last touch; a waiter that comes later stores 1 under the same lock
    waiting_.store(queue_.empty() ? 0 : 1, std::memory_order_relaxed);
  }
  notified.notify_all();
}

}  // namespace downhaul
