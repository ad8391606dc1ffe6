// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
#include "downhaul/impl/callback.hpp"

#include "context/cancel.hpp"
#include "context/cancel_node.hpp"
#include "wait/thread_record.hpp"
#include "wait/waiter.hpp"

namespace downhaul::impl {

/// What its goroutine runs.
struct callback_run {
  callback* c;
  void operator()() const { c->run(); }
};

void* callback::operator new(std::size_t size) { return this_thread().blocks.take(size); }

void callback::operator delete(void* place, std::size_t size) noexcept {
#ifdef DOWNHAUL_CHECKED
  retire(place, size, 0, freed::callback);
#else
  this_thread().blocks.give(place, size);
#endif
}

callback* callback::hang(std::unique_ptr<callback> made, const context& ctx,
                         const std::source_location* where) {
  callback& c = *made;
  if (source* done = node_access::done_of(context_access::node(ctx))) {
    if (!links_directly(context_access::node(ctx))) {
      c.below_ = hangable(ctx);
      done = node_access::done_of(context_access::node(c.below_));
    }
    c.on_ = source_ref<source>::share(done);
  }
  if (where != nullptr) {
    c.reserved_ = reserve_goroutine(*where);
  } else {
    c.in_place_ = true;
  }
  // From here on nothing throws.
  made.release();
  if (!c.on_) return &c;
  c.shares_.store(2, std::memory_order_relaxed);  // not seen by others yet
  if (!cancel_node::of(c.on_.get()).add(c)) c.in_place_ ? c.run_here() : c.start();
  return &c;
}

bool callback::entrust(callback& c, source& done) noexcept {
  c.in_place_ = true;
  c.entrusted_ = true;
  return cancel_node::of(&done).add(c);
}

void callback::abandon() noexcept {
  forget();
  delete this;
}

bool callback::stop_pending() noexcept {
  if (on_) {
    if (cancel_node::of(on_.get()).remove(*this)) {  // [fire]
      // Both shares are the handle's now, and no run will come.
      shares_.store(1, std::memory_order_relaxed);
    } else if (!in_place_ || !claim()) {
      return false;
    }
  } else {
    // [fire] only to decide among several stops
    if (stopped_.exchange(true, std::memory_order_relaxed)) return false;
  }
  if (goroutine* g = std::exchange(reserved_, nullptr)) discard_reserved(g);
  forget();
  // [ran] release: another stop() or leave() that finds it ended sees f gone.
  state_.store(ended, std::memory_order_release);
  if (context_head* relay = context_access::node(below_)) cancel(relay);
  return true;
}

void callback::join() noexcept {
  std::uintptr_t state = state_.load(std::memory_order_acquire);  // [ran] pairs with E1
  if (!on_ || state == ended) return;
  waiter& me = this_waiter();
  // Written by f's own goroutine or thread before f began: seen for certain by f itself.
  if (runner_.load(std::memory_order_relaxed) == &me) return;
  me.prepare();
  // J1 [ran] release: publishes the waiter; acquire on failure: pairs with E1. In place it is
  // claimed, for stop() was called before: only the end can have come between.
  if (state_.compare_exchange_strong(state, reinterpret_cast<std::uintptr_t>(&me),
                                     std::memory_order_release, std::memory_order_acquire)) {
    me.park(wait_reason::callback_wait);
  }
}

void callback::start() noexcept {
  goroutine* g = std::exchange(reserved_, nullptr);
  prepare_reserved(g, closure_ops_for<callback_run>);
  static_assert(sizeof(callback_run) <= size_of_reserved);
  ::new (closure_storage(g)) callback_run{this};
  start_goroutine(g);
}

bool callback::claim() noexcept {
  std::uintptr_t unclaimed = pending;
  // F1 [fire] only decides; what f did is published by E1, the object's end by its shares
  return state_.compare_exchange_strong(unclaimed, claimed, std::memory_order_relaxed,
                                        std::memory_order_relaxed);  // [fire] as above
}

void callback::run_here() noexcept { claim() ? run() : give_up_share(); }

void callback::run() {
  runner_.store(&this_waiter(), std::memory_order_relaxed);  // for f itself: see leave
  // Also when a context_error leaves f.
  struct at_end {
    callback& c;
    ~at_end() { c.end(); }
  } const end_of_run{*this};
  call();
}

void callback::end() noexcept {
  forget();
  // E1 [ran] release: what f did; acquire: the waiter's preparation.
  const std::uintptr_t joiner = state_.exchange(ended, std::memory_order_acq_rel);
  if (joiner != pending && joiner != claimed) reinterpret_cast<waiter*>(joiner)->notify();
  give_up_share();
}

}  // namespace downhaul::impl
