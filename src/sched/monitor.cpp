// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// sched/monitor.cpp — workers that are stuck, and memory that is idle.
//
// Idea       The watch thread calls tick every 10 ms while something runs. A worker whose schedule
//            count has not moved between two looks is stuck: its goroutine computes, or is in a call
//            that was not announced. If goroutines wait and nobody else could run them, another
//            worker takes its place; when it is back at a scheduling point, one too many runs, and
//            retires. Whoever only computes gets a stand-in too, so that short goroutines are not
//            held up, but not more of these than there are workers: more would only share the CPUs.
#include <ctime>

#include <exception>
#include <new>
#include <stdexcept>
#include <utility>

#include "platform/futex.hpp"
#include "platform/monotonic.hpp"
#include "sched/registry.hpp"
#include "sched/runtime_core.hpp"
#include "time/watch.hpp"

namespace downhaul::impl {
namespace {

constexpr int looks_before_trim = 5;
constexpr int trims_per_look = 8;

}  // namespace

void pool_worker::note_cpu_clock() noexcept {
  clockid_t id{};
  if (pthread_getcpuclockid(pthread_self(), &id) == 0) {
    cpu_clock_.store(id, std::memory_order_relaxed);  // a value of its own, nothing else with it
  }
}

void runtime_core::start_monitor() noexcept {
  try {
    watch::add_tick(tick, this);
  } catch (const std::exception&) {
    // No memory for an entry of 16 bytes: the runtime works, but stuck workers are not relieved.
  }
}

void runtime_core::stop_monitor() noexcept { watch::remove_tick(tick, this); }

void runtime_core::tick(void* core) noexcept {
  auto& me = *static_cast<runtime_core*>(core);
  // A hint: one look more or less.
  if (me.busy_.load(std::memory_order_relaxed) > 0) {
    me.idle_looks_ = 0;
    watch::note_activity();
    me.look_at_workers(steady_now_ns());
    return;
  }
  if (++me.idle_looks_ < looks_before_trim) return;
  for (int i = 0; i < trims_per_look; ++i) {
    if (!me.trim_stacks()) return;
  }
  watch::note_activity();  // there is more
}

bool runtime_core::trim_stacks() noexcept {
  bool more = false;
  for (auto& p : pools_) {
    stack_pool* const pool = p.load(std::memory_order_acquire);  // [pools]
    if (pool != nullptr && pool->trim()) more = true;
  }
  return more;
}

void runtime_core::look_at_workers(std::int64_t now) noexcept {
  // Hint.
  bool work_waits = size_.load(std::memory_order_relaxed) != 0;
  // [workers] acquire
  for (pool_worker* w = all_.load(std::memory_order_acquire); w != nullptr; w = w->next_worker) {
    if (w->has_work()) work_waits = true;
  }
  bool wakes = false;
  for (pool_worker* w = all_.load(std::memory_order_acquire); w != nullptr;  // [workers]
       w = w->next_worker) {
    const clockid_t clock = w->cpu_clock_.load(std::memory_order_relaxed);  // a value of its own
    if (clock == 0) continue;                                               // not started
    const std::uint32_t tick = w->ticks();
    const bool moved = tick != std::exchange(w->watched_tick_, tick);
    const std::int64_t cpu = clock_ns(clock);
    const std::int64_t used = cpu - std::exchange(w->cpu_time_, cpu);
    bool runs = false;
    {
      const lock_scope held{mu_};
      runs = !w->asleep_ && !w->retired_;
    }
    if (moved || !runs) {
      w->unchanged_looks_ = 0;
      w->stuck_since_ = now;
      w->stuck_.store(false, std::memory_order_relaxed);  // a hint for thieves
      continue;
    }
    ++w->unchanged_looks_;
    if (w->unchanged_looks_ == 1) {
      w->stuck_.store(true, std::memory_order_relaxed);  // a hint for thieves
      report_stall(*w, now - w->stuck_since_);
    }
    if (!work_waits) continue;
    // Written under mu_; here a hint.
    if (sleeping_.load(std::memory_order_relaxed) > 0) {
      wakes = true;
    } else {
      relieve(*w, used * 5 > watch::look_every_ns);
    }
  }
  if (wakes) wake_one(nullptr);
}

void runtime_core::report_stall(pool_worker& w, std::int64_t lasted) noexcept {
  stalls_.fetch_add(1, std::memory_order_relaxed);  // a count
  if (!on_stall_) return;
  stall s;
  s.lasted = std::chrono::nanoseconds{lasted};
  for_each_goroutine([&](const goroutine_facts& g) {
    if (g.doing != activity::running || g.at != &w) return;
    s.where = g.where;
    try {
      s.name = g.name;
    } catch (const std::bad_alloc&) {  // the place must do
    }
  });
  on_stall_(s);
}

void runtime_core::relieve(pool_worker& w, bool computes) noexcept {
  pool_worker* stand_in = nullptr;
  {
    const lock_scope held{mu_};
    if (w.relieved_ || w.asleep_ || w.retired_ || stopping_) return;
    if (computes && computing_ >= workers()) return;
    stand_in = spares_;
    if (stand_in != nullptr) {
      spares_ = stand_in->next_sleeper_;
      stand_in->retired_ = false;
    } else {
      try {
        stand_in = &add_worker();
      } catch (const std::bad_alloc&) {
        return;
      }
    }
    w.relieved_ = true;
    w.computes_ = computes;
    if (computes) ++computing_;
    stand_in->woken_by_ = nullptr;
    add_busy(1);
  }
  w.call_attention();
  rouse(*stand_in);
}

bool pool_worker::attend() noexcept {
  attention_.store(false,
                   std::memory_order_relaxed);  // [attention] what is wanted is looked up now
  bool surplus = false;
  {
    const lock_scope held{core->mu_};
    if (core->stopping_) return false;
    if (relieved_) {
      relieved_ = false;
      if (computes_) --core->computing_;
      ++core->active_;
    }
    surplus = core->active_ > core->workers();
    if (surplus) --core->active_;
  }
  if (!surplus) return true;
  retire();
  return attend_again();
}

void pool_worker::retire() noexcept {
  stop_searching(false);
  goroutine_list rest;
  std::uint32_t n = 0;
  if (goroutine* g = take_slot()) {
    rest.push_back(*g);
    ++n;
  }
  n += ring_.take(run_ring::most_capacity, rest);
  bool quiet = false;
  pool_worker* taken = nullptr;
  {
    const lock_scope held{core->mu_};
    if (n != 0) {
      core->queue_.append(rest);
      core->size_.fetch_add(n, std::memory_order_seq_cst);  // P1 [idle]
    }
    if (core->stopping_) return;
    // We may have been woken for what is in the queue: then somebody else has to be. Under mu_.
    if (core->size_.load(std::memory_order_relaxed) != 0) taken = core->pop_sleeper(nullptr);
    doze_.store(asleep, std::memory_order_relaxed);  // [doze] published by mu_
    retired_ = true;
    next_sleeper_ = core->spares_;
    core->spares_ = this;
    core->add_busy(-1);
    quiet = core->is_quiet();
  }
  if (taken != nullptr) core->rouse(*taken);
  if (quiet) futex_wake_all(core->progress_);
  // Who woke us from an earlier sleep, or kicked us in it, may come only now: retired_ decides.
  for (;;) {
    if (doze_.load(std::memory_order_acquire) == asleep) {  // [doze] pairs with wake
      futex_wait(doze_, asleep);
      continue;
    }
    const lock_scope held{core->mu_};
    if (!retired_) break;
    doze_.store(asleep, std::memory_order_relaxed);  // [doze] whoever takes us off stores later
  }
  refresh_now();
}

bool pool_worker::attend_again() noexcept {
  // Somebody is stuck, and we are active in its place.
  const lock_scope held{core->mu_};
  return !core->stopping_;
}

void runtime_core::set_workers(int n) {
  if (n < 1) throw std::invalid_argument{"downhaul: a runtime needs at least one worker"};
  int missing = 0;
  int before = 0;
  {
    const lock_scope held{mu_};
    before = target_.exchange(n, std::memory_order_relaxed);  // under mu_
    missing = n - active_;
  }
  if (missing > 0) {
    try {
      add_workers(missing);
    } catch (...) {
      const lock_scope held{mu_};
      target_.store(before, std::memory_order_relaxed);  // under mu_
      throw;
    }
    return;
  }
  // [workers] acquire. They look at their next scheduling point, sleepers when they are woken.
  for (pool_worker* w = all_.load(std::memory_order_acquire); w != nullptr; w = w->next_worker) {
    w->call_attention();
  }
}

}  // namespace downhaul::impl
