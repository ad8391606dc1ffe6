// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
#include "downhaul/impl/callback.hpp"

#include "context/cancel.hpp"
#include "context/cancel_node.hpp"
#include "wait/thread_record.hpp"
#include "wait/waiter.hpp"

namespace downhaul::impl {

/// What the prepared goroutine runs: no more than a pointer, so that discarding it is all there is.
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
  if (source* done = done_of(ctx)) {
    if (!links_directly(context_access::node(ctx))) {
      c.below_ = hangable(ctx);
      done = done_of(c.below_);
    }
    c.on_ = source_ref<source>::share(done);
  }
  if (where != nullptr) {
    spawn_request request;
    request.where = *where;
    c.prepared_ = prepare_goroutine_with(callback_run{&c}, request);
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
  return cancel_node::of(&done).add(c);
}

void callback::abandon() noexcept {
  forget();
  delete this;
}

bool callback::stop() noexcept {
  // [ran] acquire: pairs with E1 and with the store below; spares the lock.
  if (state_.load(std::memory_order_acquire) == ended) return false;
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
  if (goroutine* g = std::exchange(prepared_, nullptr)) discard_goroutine(g);
  forget();
  // [ran] release: another stop() or leave() that finds it ended sees f gone.
  state_.store(ended, std::memory_order_release);
  if (context_head* relay = context_access::node(below_)) cancel(relay);
  return true;
}

void callback::leave(bool wait) noexcept {
  std::uintptr_t state = state_.load(std::memory_order_acquire);  // [ran] pairs with E1
  if (wait && on_ && state != ended) {
    waiter& me = this_waiter();
    // Written by f's own goroutine or thread before f began: seen for certain by f itself.
    if (runner_.load(std::memory_order_relaxed) != &me) {
      me.prepare();
      // J1 [ran] release: publishes the waiter; acquire on failure: pairs with E1. In place it is
      // claimed, for stop() was called before: only the end can have come between.
      if (state_.compare_exchange_strong(state, reinterpret_cast<std::uintptr_t>(&me),
                                         std::memory_order_release, std::memory_order_acquire)) {
        me.park(wait_reason::callback_wait);
      }
    }
  }
  give_up_share();
}

void callback::start() noexcept {
  goroutine* g = std::exchange(prepared_, nullptr);
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

void callback::give_up_share() noexcept {
  // [refs] as in source. One share left is the caller's own: no RMW.
  if (shares_.load(std::memory_order_acquire) == 1 ||
      shares_.fetch_sub(1, std::memory_order_acq_rel) == 1) {
    if (prepared_ != nullptr) discard_goroutine(prepared_);
    delete this;
  }
}

}  // namespace downhaul::impl
