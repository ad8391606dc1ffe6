// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
#include "sched/worker.hpp"

#include <utility>

#include "platform/fatal.hpp"
#include "platform/monotonic.hpp"
#include "platform/overflow.hpp"
#include "platform/thread.hpp"
#include "sched/last_words.hpp"
#include "sched/registry.hpp"
#include "sched/runtime_core.hpp"
#include "time/timer_entry.hpp"
#include "time/watch.hpp"

namespace downhaul::impl {

void worker::take_seat() noexcept {
  mark_runtime_thread();
  me = &this_thread();
  me->at = this;
  me->current = nullptr;
  me->clock = core->clock();
  adopt_thread_stack(own);
}

void worker::leave_seat() noexcept {
  me->at = nullptr;
  me->current = &me->self;
  me->clock = nullptr;
}

void worker::resume(goroutine& g) noexcept {
  assert_no_locks_held();
  g.seen_at.store(this, std::memory_order_relaxed);  // its own, and a snapshot for the monitor
  me->current = &g;
  g.on_cpu.store(true, std::memory_order_relaxed);  // for lists
#ifdef DOWNHAUL_CHECKED
  note_runs(g, *me);
#endif
  switch_to(own, g.run);
  me->current = nullptr;
}

goroutine* pool_worker::take_slot() noexcept {
  // [slot] only we make it non-null: null here is final.
  if (slot_.load(std::memory_order_relaxed) == nullptr) return nullptr;
  return slot_.exchange(nullptr, std::memory_order_acq_rel);  // R [slot]; null: the lookout took it
}

// In line: it is run at each switch.
[[gnu::always_inline]] inline goroutine* pool_worker::take_local() noexcept {
  if (slot_runs_ < most_slot_runs) {
    if (goroutine* g = take_slot()) {
      ++slot_runs_;
      return g;
    }
  }
  slot_runs_ = 0;
  if (goroutine* g = ring_.pop()) {
    ring_.prefetch_next();
    return g;
  }
  return take_slot();
}

// On a goroutine's stack: no duties, no sleep, no search. Those are for the loop.
[[gnu::always_inline]] inline goroutine* pool_worker::next_at_hand() noexcept {
  const std::uint32_t tick = tick_.load(std::memory_order_relaxed) + 1;  // written by us alone
  if (tick % common_period == 0) return nullptr;
  if (attention_.load(std::memory_order_relaxed)) return nullptr;  // [attention] next() looks
  goroutine* const g = take_local();
  if (g != nullptr) tick_.store(tick, std::memory_order_relaxed);  // a sample for others
  return g;
}

execution& worker::leave(goroutine& g, leaving how) noexcept {
  assert_no_locks_held();
#ifdef DOWNHAUL_CHECKED
  note_leaves(g, how);
#endif
  leaver = &g;
  left = how;
  g.on_cpu.store(false, std::memory_order_relaxed);  // for lists
  if (kind != worker_kind::pool) return own;
  auto& here = static_cast<pool_worker&>(*this);
  goroutine* const n = here.next_at_hand();
  if (n == nullptr) return own;
#ifdef DOWNHAUL_CHECKED
  if (n->last_thread == me) {
    here.kept_back_ = n;
    return own;
  }
#endif
  if (!n->has_stack()) {
    here.unlock_early();
    here.bind(*n);
  }
  n->seen_at.store(this, std::memory_order_relaxed);  // its own, and a snapshot for the monitor
  n->on_cpu.store(true, std::memory_order_relaxed);   // for lists
  me->current = n;
#ifdef DOWNHAUL_CHECKED
  note_runs(*n, *me);
#endif
  return n->run;
}

void worker::arrive() noexcept {
  // A seat's loop settles its guest itself: it decides whether the thread goes on.
  if (leaver == nullptr || kind != worker_kind::pool) return;
  static_cast<pool_worker*>(this)->settle(*std::exchange(leaver, nullptr), left);
}

pool_worker::pool_worker(runtime_core& of, std::uint64_t seed)
    : worker{of, worker_kind::pool}, choice_{random{seed}}, shuffle_{of.shuffles()} {}

void pool_worker::work() noexcept {
  const alternate_stack for_overflows;
  core->take_signal_mask();
  set_timer_slack_1ns();
  take_seat();
  refresh_now();
  note_cpu_clock();
  clock_of(*me).attach_workers(1);
  while (goroutine* g = next()) {
#ifdef DOWNHAUL_CHECKED
    g = change_threads(*g);
    if (g == nullptr) break;
#endif
    if (!g->has_stack()) bind(*g);
    resume(*g);
    arrive();
  }
#ifdef DOWNHAUL_CHECKED
  end_turns();
#endif
  // Nobody else pushes here any more; what is left is abandoned, but others may look at it.
  for (int i = 0; i < stack_count_; ++i)
    core->pool(0).release(stacks_[static_cast<std::size_t>(i)]);
  stack_count_ = 0;
  blocks.clear();
  clock_of(*me).detach_workers(1);
  leave_seat();
  core->thread_ended(*this);
}

void pool_worker::refresh_now() noexcept { now = steady_now_ns(); }

void pool_worker::push_back(goroutine& g) noexcept {
  if (!ring_.push(g)) return overflow(g);
  hint_work();
}

void pool_worker::overflow(goroutine& g) noexcept {
  goroutine_list some;
  const std::uint32_t n = ring_.take(run_ring::most_stolen, some);
  some.push_back(g);
  core->push_common(some, n + 1);
}

goroutine* pool_worker::next() noexcept {
#ifdef DOWNHAUL_CHECKED
  if (kept_back_ != nullptr) return std::exchange(kept_back_, nullptr);
#endif
  const std::uint32_t tick = tick_.load(std::memory_order_relaxed) + 1;  // written by us alone
  tick_.store(tick, std::memory_order_relaxed);                          // a sample for others
  if (attention_.load(std::memory_order_relaxed)) [[unlikely]] {  // [attention] attend() looks
    if (!attend()) return nullptr;
  }
  if (tick % common_period == 0) [[unlikely]] {
    serve_clock();
    if (goroutine* g = core->take_common(ring_)) return g;
  }
  if (goroutine* g = take_local()) return g;
  return find_work();
}

void pool_worker::settle(goroutine& g, leaving how) noexcept {
  if (g.watched) [[unlikely]]
    how = look_closer(g, how);
  switch (how) {
    case leaving::parked:
      g.since.store(now, std::memory_order_relaxed);  // for lists
      if (!g.commit_park()) push_next(g);             // notified meanwhile: it goes on
      return;
    case leaving::locked:
      g.since.store(now, std::memory_order_relaxed);  // for lists
      g.set_parked();
      unlock_held();  // from here on somebody else may run it
      return;
    case leaving::yielded: push_back(g); return;
    case leaving::ended: finish(g); return;
    case leaving::moving: core->move(g); return;
  }
}

// On another stack than that of `g`, which is not to be run by anybody before it is settled.
leaving pool_worker::look_closer(goroutine& g, leaving how) noexcept {
  if (g.canary && !canary_intact(*g.run.on)) die_of_overflow(g);
  if (!g.carries || how == leaving::yielded || how == leaving::ended) return how;
  if (how == leaving::locked) {
    unlock_held();  // what comes takes long
    how = leaving::parked;
  }
  core->coroutines.leaves_service(g);
  return how;
}

void worker::unlock_held() noexcept DOWNHAUL_NO_THREAD_SAFETY_ANALYSIS { to_unlock->unlock(); }

// What takes long is not done under the lock of the one who leaves.
void worker::unlock_early() noexcept {
  if (left != leaving::locked) return;
  left = leaving::parked;
  unlock_held();
}

void pool_worker::bind(goroutine& g) noexcept {
  stack* s = nullptr;
  if (g.pool == 0 && stack_count_ > 0) {
    s = stacks_[static_cast<std::size_t>(--stack_count_)];
  } else {
    s = core->pool(g.pool).acquire();
    if (s == nullptr) fatal("out of memory: no stack for a goroutine");
  }
  g.canary = s->guard == guard_kind::canary;
  g.watched = g.canary || g.carries;
  make_execution(g.run, *s, goroutine_entry, &g);
}

void pool_worker::finish(goroutine& g) noexcept {
  stack* const s = g.run.on;
  g.run.on = nullptr;
  if (g.pool == 0 && stack_count_ < most_cached_stacks) {
    stacks_[static_cast<std::size_t>(stack_count_++)] = s;
  } else {
    core->pool(g.pool).release(s);
  }
  if (!g.carries) [[likely]]
    count(*me, tally::goroutines, -1);
  forget(g);
  blocks.give(g);
  --held_refs;
  if (joiner != nullptr) [[unlikely]]
    std::exchange(joiner, nullptr)->notify();
}

void pool_worker::serve_clock() noexcept {
  refresh_now();
  downhaul::clock& clock = clock_of(*me);
  if (clock.next_deadline() <= now) clock.serve(now);
  watch::note_activity();
}

}  // namespace downhaul::impl
