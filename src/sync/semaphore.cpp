// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// [units]  Everything is guarded by the queue's lock, which is not in the object. Invariant, when it is
//   free: the request at the front of the queue does not fit into what is free. So whoever changes what
//   is free (release) or what is at the front (a waiter that gives up) lets in those that fit then.
//   The last touch of the object is under the lock: a waiter that is let in may destroy it.
#include "downhaul/semaphore.hpp"

#include "downhaul/error.hpp"
#include "downhaul/impl/context_seam.hpp"
#include "sync/queue_lock.hpp"

namespace downhaul {

namespace {

void expect_not_negative(std::ptrdiff_t n) {
  if (n < 0) throw misuse{"semaphore: negative units"};
}

}  // namespace

semaphore::semaphore(std::ptrdiff_t units) : units_{units} { expect_not_negative(units); }

// Under the queue's lock.
bool semaphore::take_free(std::ptrdiff_t n) noexcept {
  if (n > units_ - held_ || !queue_.empty()) return false;
  held_ += n;
  return true;
}

void semaphore::let_in(std::ptrdiff_t free, impl::wake_list& granted) noexcept {
  while (impl::wait_node* n = queue_.front()) {
    const std::ptrdiff_t wanted = static_cast<request*>(n)->units;
    if (wanted > free) break;
    impl::wait_list::remove(*n);
    if (n->elect && !n->who->try_win(*n)) continue;  // [elect] its context ended
    free -= wanted;
    granted.push(*n);
  }
  held_ = units_ - free;
}

bool semaphore::take_or_hang(request& r) noexcept {
  const impl::lock_scope held{impl::queue_lock_of(this)};
  if (take_free(r.units)) return true;
  // What can never fit is not queued: it waits for its context alone and holds up nobody.
  if (r.units <= units_) queue_.push_back(r);
  return false;
}

void semaphore::withdraw(request& r) noexcept {
  impl::wake_list granted;
  {
    const impl::lock_scope held{impl::queue_lock_of(this)};
    if (r.linked()) {
      impl::wait_list::remove(r);
      let_in(units_ - held_, granted);
    }
  }
  granted.notify_all();
}

bool semaphore::acquire_or_end(impl::source* done, std::ptrdiff_t n) {
  expect_not_negative(n);
  if (impl::has_ended(done)) return false;
  impl::waiter& me = impl::this_waiter();
  request node;
  node.who = &me;
  node.elect = done != nullptr;
  node.units = n;
  me.prepare();
  if (take_or_hang(node)) return true;
  if (impl::park_with_source(me, node, done, impl::wait_reason::semaphore_acquire) ==
      impl::wait_result::woken)
    return true;
  withdraw(node);
  return false;
}

void semaphore::acquire(std::ptrdiff_t n) { static_cast<void>(acquire_or_end(nullptr, n)); }

void semaphore::acquire(const context& ctx, std::ptrdiff_t n) {
  if (!acquire_or_end(impl::done_of(ctx), n)) impl::throw_done(ctx);
}

void semaphore::acquire(const context& ctx, std::ptrdiff_t n, std::error_code& ec) {
  ec.clear();
  if (!acquire_or_end(impl::done_of(ctx), n)) ec = impl::err_of(ctx);
}

bool semaphore::try_acquire(std::ptrdiff_t n) {
  expect_not_negative(n);
  const impl::lock_scope held{impl::queue_lock_of(this)};
  return take_free(n);
}

void semaphore::release(std::ptrdiff_t n) {
  expect_not_negative(n);
  impl::wake_list granted;
  bool too_many = false;
  {
    const impl::lock_scope held{impl::queue_lock_of(this)};
    too_many = n > held_;
    if (!too_many) let_in(units_ - held_ + n, granted);
  }
  if (too_many) throw misuse{"semaphore: released more than held"};
  granted.notify_all();
}

}  // namespace downhaul
