// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
#include "downhaul/clock.hpp"

#include <algorithm>
#include <bit>
#include <mutex>
#include <new>
#include <thread>

#include "platform/fatal.hpp"
#include "platform/monotonic.hpp"
#include "time/clock_state.hpp"
#include "time/watch.hpp"

namespace downhaul {
namespace impl {
namespace {

std::size_t real_shards() noexcept {
  const std::size_t cpus = std::thread::hardware_concurrency();
  return std::bit_ceil(std::clamp<std::size_t>(cpus, 1, clock_state::most_shards));
}

}  // namespace

clock_state::clock_state(std::int64_t now, std::size_t count)
    : shard_count{count}, shard_mask{static_cast<std::uint32_t>(count) - 1}, manual_now{now} {
  for (std::size_t i = 0; i < count; ++i) shards[i] = new timer_shard{now};
}

clock_state::~clock_state() {
  for (timer_shard* s : shards) delete s;
}

std::int64_t clock_state::first_deadline() const noexcept {
  std::int64_t first = never;
  for (std::size_t i = 0; i < shard_count; ++i) {
    first = std::min(first, shards[i]->next.load(std::memory_order_seq_cst));  // L2 [deadline]
  }
  return first;
}

}  // namespace impl

using impl::clock_state;
using impl::keeper;
using impl::never;
using impl::timer_entry;
using impl::timer_shard;

clock::clock()
    : is_real_{true}, state_{new clock_state{impl::steady_now_ns(), impl::real_shards()}} {}

clock::clock(manual_start start) : is_real_{false}, state_{new clock_state{start.ns, 1}} {}

clock::~clock() {
  if (pending() != 0) impl::fatal("downhaul: a clock was destroyed before the timers on it");
  delete state_;
}

clock& clock::real() noexcept {
  static clock& never_destroyed = []() -> clock& {
    try {
      return *new clock;
    } catch (const std::bad_alloc&) {
      impl::fatal("out of memory: no queue for timers");
    }
  }();
  return never_destroyed;
}

std::int64_t clock::now_ns() const noexcept {
  if (is_real_) return impl::steady_now_ns();
  return state_->manual_now.load(std::memory_order_acquire);  // [manual] pairs with pass_until
}

bool clock::arm_quietly(timer_entry& e, std::int64_t when) noexcept {
  timer_shard& s = state_->adopt(e, *this);
  if (when == never) return false;
  const impl::lock_scope lock{s.mu};
  return s.arm(e, when);
}

void clock::arm(timer_entry& e, std::int64_t when) noexcept {
  if (arm_quietly(e, when)) attend(when);
}

bool clock::disarm(timer_entry& e) noexcept {
  timer_shard& s = state_->shard(e);
  const impl::lock_scope lock{s.mu};
  return s.queue.remove(e);
}

void clock::attend(std::int64_t when) noexcept {
  if (!is_real_) {
    // Time may have passed between the reading that `when` came from and the arming.
    const std::int64_t now = now_ns();
    if (when <= now) pass_until(now);
    return;
  }
  if (state_->look_at.load(std::memory_order_seq_cst) <= when) return;  // A2 [deadline]
  keeper* k = nullptr;
  {
    const impl::lock_scope lock{state_->keep_mu};
    k = state_->current_keeper.load(std::memory_order_relaxed);  // written under keep_mu
    if (k != nullptr) {
      // Owner and kickers write it under keep_mu; the keeper reads it when it is kicked.
      if (k->wake_at.load(std::memory_order_relaxed) <= when) return;
      k->wake_at.store(when, std::memory_order_release);       // pairs with the keeper's load
      state_->look_at.store(when, std::memory_order_seq_cst);  // L1 [deadline] on its behalf
      k->kicks.fetch_add(1, std::memory_order_relaxed);        // [kick] published by keep_mu
    }
  }
  if (k != nullptr) {
    k->kick(*k);
    k->kicks.fetch_sub(1, std::memory_order_release);  // [kick] pairs with ~keeper: the last touch
    return;
  }
  impl::watch::cover(state_->polled() ? impl::add_saturated(when, impl::watch_grace_ns) : when);
}

std::int64_t clock::next_deadline() const noexcept {
  return is_real_ ? state_->first_deadline() : never;
}

std::int64_t clock::earliest() const noexcept { return state_->first_deadline(); }

std::int64_t clock::serve(std::int64_t now) noexcept {
  if (!is_real_) return never;
  constexpr std::size_t most = 16;
  timer_entry* due[most];
  state_->note_attended();
  for (;;) {
    // The shard that comes first, and how far it may go before another does.
    timer_shard* first = nullptr;
    std::int64_t first_at = never;
    std::int64_t limit = now;
    for (std::size_t i = 0; i < state_->shard_count; ++i) {
      timer_shard* s = state_->shards[i];
      const std::int64_t at = s->next.load(std::memory_order_seq_cst);  // L2 [deadline]
      if (first == nullptr || at < first_at) {
        limit = std::min(limit, first_at);
        first = s;
        first_at = at;
      } else {
        limit = std::min(limit, at);
      }
    }
    if (first == nullptr || first_at > now) return first_at;
    std::size_t count = 0;
    {
      const impl::lock_scope lock{first->mu};
      while (count < most) {
        impl::timer_node* n = first->queue.pop_due(limit);
        if (n == nullptr) break;
        auto* e = static_cast<timer_entry*>(n);
        if (e->try_ref(*e)) due[count++] = e;
      }
      // [settle] Under mu, hence before whoever finds the entries gone can call settle.
      if (count > 0) state_->firing.fetch_add(1, std::memory_order_relaxed);
      // Under mu, from the queue itself: what was armed before is in it.
      first->next.store(first->queue.next(), std::memory_order_seq_cst);  // [deadline]
    }
    for (std::size_t i = 0; i < count; ++i) due[i]->fire(*due[i], now);
    // [settle] release: pairs with settle
    if (count > 0) state_->firing.fetch_sub(1, std::memory_order_release);
  }
}

void clock::settle() const noexcept {
  // [settle] acquire: what the firings did, and let go of, is done.
  while (state_->firing.load(std::memory_order_acquire) != 0) std::this_thread::yield();
}

void clock::pass_until(std::int64_t target) noexcept {
  timer_shard& s = *state_->shards[0];
  for (;;) {
    timer_entry* e = nullptr;
    std::int64_t instant = target;
    {
      const impl::lock_scope lock{s.mu};
      e = static_cast<timer_entry*>(s.queue.pop_due(target));
      s.next.store(s.queue.next(), std::memory_order_seq_cst);  // [deadline] for earliest()
      if (e != nullptr) instant = e->when;
      // [manual] release: who reads the time sees what was done up to it; written under s.mu.
      if (instant > state_->manual_now.load(std::memory_order_relaxed)) {
        state_->manual_now.store(instant, std::memory_order_release);  // [manual]
      }
      if (e == nullptr) return;
      if (!e->try_ref(*e)) continue;
    }
    e->fire(*e, now_ns());
  }
}

std::size_t clock::pending() noexcept {
  std::size_t n = 0;
  for (std::size_t i = 0; i < state_->shard_count; ++i) {
    const impl::lock_scope lock{state_->shards[i]->mu};
    n += state_->shards[i]->queue.size();
  }
  return n;
}

bool clock::try_keep(keeper& k) noexcept {
  if (!is_real_) return false;
  const impl::lock_scope lock{state_->keep_mu};
  if (state_->current_keeper.load(std::memory_order_relaxed) != nullptr) {  // written under keep_mu
    return false;
  }
  state_->current_keeper.store(&k, std::memory_order_relaxed);  // under keep_mu; a hint outside
  state_->note_attended();
  std::int64_t next = state_->first_deadline();
  for (;;) {
    k.wake_at.store(next, std::memory_order_relaxed);        // under keep_mu, see attend
    state_->look_at.store(next, std::memory_order_seq_cst);  // L1 [deadline]
    const std::int64_t again = state_->first_deadline();     // L2
    if (again >= next) return true;
    next = again;
  }
}

void clock::stop_keeping(keeper& k) noexcept {
  {
    const impl::lock_scope lock{state_->keep_mu};
    if (state_->current_keeper.load(std::memory_order_relaxed) != &k) return;  // see try_keep
    state_->current_keeper.store(nullptr, std::memory_order_relaxed);          // under keep_mu
    k.wake_at.store(never, std::memory_order_relaxed);                         // under keep_mu
    state_->look_at.store(never, std::memory_order_seq_cst);                   // L1 [deadline]
  }
  const std::int64_t next = state_->first_deadline();  // L2, on behalf of whoever looks next
  if (next != never) impl::watch::cover(impl::add_saturated(next, impl::watch_grace_ns));
}

void clock::attach_workers(int n) noexcept {
  state_->workers.fetch_add(n, std::memory_order_seq_cst);  // [deadline] they look on their own
}

void clock::detach_workers(int n) noexcept {
  const int before = state_->workers.fetch_sub(n, std::memory_order_seq_cst);  // L1 [deadline]
  if (is_real_ && before == n) {
    const std::int64_t next = state_->first_deadline();  // L2
    if (next != never) impl::watch::cover(next);
  }
}

time_point now() noexcept { return impl::clock_of_here().now(); }

}  // namespace downhaul
