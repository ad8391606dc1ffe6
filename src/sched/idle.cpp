// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// sched/idle.cpp — looking for work, sleeping and waking.
//
// Idea       Waking a sleeping thread costs the waker 8 to 14 us, as much as hundreds of switches,
//            and pulling a talking pair of goroutines apart costs more. So nobody is woken for the
//            hand-off slot, and for a worker's own ring only as often as thieves found it
//            worthwhile lately (patience_). Nor is a ring robbed whose goroutines run for less than
//            a microsecond each, unless it is very long: such goroutines talk to each other, and on
//            two CPUs every value they exchange costs 65 to 350 ns instead of 9 to 40. One
//            sleeper, the lookout, looks around now and then while others run: after 50 us, then
//            doubling to 2 ms.
#include <algorithm>
#include <limits>
#include <utility>

#include "platform/cpu.hpp"
#include "platform/futex.hpp"
#include "platform/monotonic.hpp"
#include "sched/deadlock.hpp"
#include "sched/runtime_core.hpp"
#include "time/timer_entry.hpp"

namespace downhaul::impl {
namespace {

constexpr std::int64_t first_look = 50'000;
constexpr std::int64_t last_look = 2'000'000;
// What makes robbing a ring worth while: how long its goroutines run, in ns, or how long they have to
// wait for their worker.
constexpr std::int64_t long_slice = 1'000;
constexpr std::int64_t long_wait = 100'000;
constexpr std::int64_t sample = 2'500;  // ns for which a worker is watched before it is robbed
// Goroutines that were taken and ran for less than this, on average, were not worth it.
constexpr std::int64_t short_slice = 350;
constexpr std::uint32_t most_patience = 16'384;
constexpr int search_rounds = 3;
constexpr int pauses_between_rounds = 40;
constexpr std::int64_t deadlock_confirmed = 20'000'000;
constexpr std::int64_t deadlock_period = 500'000'000;

}  // namespace

// A hint, see [idle]: somebody asleep might take part of our ring.
void pool_worker::hint_work() noexcept {
  // Hints: a stale one costs time, not work; see [idle].
  if (core->sleeping_.load(std::memory_order_relaxed) == 0) return;
  // Hint, as above: who searches will find it.
  if (core->searching_.load(std::memory_order_relaxed) != 0) return;
  // Tuning; any value is right.
  if (static_cast<std::uint32_t>(++hints_) <= patience_.load(std::memory_order_relaxed)) return;
  hints_ = 0;
  core->wake_one(this);
}

void pool_worker::stop_searching(bool found) noexcept {
  if (!searching_) return;
  searching_ = false;
  core->searching_.fetch_sub(1, std::memory_order_seq_cst);  // F1 [idle]
  if (pool_worker* const waker = std::exchange(woken_by_, nullptr)) {
    // Tuning; any value is right.
    const std::uint32_t patience = waker->patience_.load(std::memory_order_relaxed);
    waker->patience_.store(found ? patience / 2 : std::min(patience * 2 + 1, most_patience),
                           std::memory_order_relaxed);  // tuning
  }
}

// Watches `victim`, which has something in its ring, and takes half of that if it pays.
goroutine* pool_worker::rob(pool_worker& victim) noexcept {
  const std::int64_t begin = steady_now_ns();
  const std::uint32_t tick = victim.ticks();
  std::int64_t elapsed = 0;
  std::uint32_t moved = 0;
  do {
    cpu_pause();
    moved = victim.ticks() - tick;
    elapsed = steady_now_ns() - begin;
  } while (elapsed < sample && elapsed >= moved * long_slice);
  const std::int64_t slice = elapsed / (moved + 1);
  if (slice < long_slice && slice * victim.ring_.size() < long_wait) return nullptr;
  goroutine* const g = victim.ring_.steal_half_into(ring_);
  if (g == nullptr) return nullptr;
  victim.patience_.store(0, std::memory_order_relaxed);  // tuning; any value is right
  robbed_at_ = begin + elapsed;
  robbed_tick_ = ticks();
  robbed_ = &victim;
  victims_tick_ = tick + moved;
  return g;
}

// What was taken last has run: if that took no longer than the taking did, there is a pause now; but
// not if nobody else would have run it, for who was robbed still does what he did then.
void pool_worker::judge_robbery() noexcept {
  if (robbed_at_ == 0) return;
  const std::int64_t slices = static_cast<std::uint32_t>(ticks() - robbed_tick_);
  const bool paid = robbed_->ticks() == victims_tick_ || now - robbed_at_ >= slices * short_slice;
  robbed_at_ = 0;
  pause_ = paid ? 0 : std::clamp(2 * pause_, first_look, last_look);
  pause_until_ = now + pause_;
}

goroutine* pool_worker::search() noexcept {
  judge_robbery();
  const bool may_rob = now >= pause_until_;
  if (!searching_) {
    // Half of the busy ones may search: more would only be in each other's way. A hint.
    if (2 * core->searching_.load(std::memory_order_relaxed) >=
        core->busy_.load(std::memory_order_relaxed)) {  // a hint
      return nullptr;
    }
    searching_ = true;
    core->searching_.fetch_add(1, std::memory_order_acq_rel);  // [idle]
  }
  for (int round = 0; round < search_rounds; ++round) {
    pool_worker* const start = next_worker != nullptr
                                   ? next_worker
                                   : core->all_.load(std::memory_order_acquire);  // pairs with add
    pool_worker* victim = start;
    do {
      if (victim != this) {
        if (may_rob && !victim->ring_.empty()) {
          if (goroutine* g = rob(*victim)) return g;
        }
        if (victim->stuck_.load(std::memory_order_relaxed)) {  // a hint of the monitor
          // R [slot] acquire
          if (goroutine* g = victim->slot_.exchange(nullptr, std::memory_order_acq_rel)) return g;
        }
      }
      victim = victim->next_worker != nullptr
                   ? victim->next_worker
                   : core->all_.load(std::memory_order_acquire);  // pairs with add
    } while (victim != start);
    for (int i = 0; i < pauses_between_rounds; ++i) cpu_pause();
    if (goroutine* g = core->take_common(ring_)) return g;
  }
  return nullptr;
}

goroutine* pool_worker::find_work() noexcept {
  for (;;) {
    // [attention] attend() looks closer
    if (attention_.load(std::memory_order_relaxed) && !attend()) return nullptr;
    serve_clock();
    goroutine* g = take_slot();  // the clock may have made some ready
    if (g == nullptr) g = ring_.pop();
    if (g == nullptr) g = core->take_common(ring_);
    if (g == nullptr) g = search();
    // Also where it was our own: while we run it nobody must count on us.
    stop_searching(g != nullptr);
    if (g == nullptr) {
      g = sleep();
      if (g == nullptr) continue;
      stop_searching(true);
    }
    // F2 [idle] Somebody may have woken nobody because we searched.
    if (core->size_.load(std::memory_order_seq_cst) != 0 &&
        // [idle] who sleeps did so before what is in the queue came: that load has made it visible
        core->sleeping_.load(std::memory_order_relaxed) != 0) {
      core->wake_one(nullptr);
    }
    return g;
  }
}

// The lookout's round: what waits behind somebody slow is taken; what moves on by itself stays.
goroutine* pool_worker::look_around(bool first) noexcept {
  // Pairs with the publication of workers in the constructor and the monitor.
  for (pool_worker* v = core->all_.load(std::memory_order_acquire); v != nullptr;
       v = v->next_worker) {
    if (v == this) continue;
    const std::uint32_t tick = v->ticks();
    const std::uint32_t moved = tick - v->seen_tick_;
    goroutine* g = v->slot_.load(std::memory_order_relaxed);  // [slot] the exchange below decides
    const bool stale = moved == 0 && v->seen_slot_;
    v->seen_tick_ = tick;
    v->seen_slot_ = g != nullptr;
    if (first) continue;
    if (!v->ring_.empty()) {
      if (goroutine* stolen = rob(*v)) return stolen;
    }
    // R [slot] acquire. The one we saw, or the next that was put there: either may run here.
    if (stale && g != nullptr) g = v->slot_.exchange(nullptr, std::memory_order_acq_rel);
    if (stale && g != nullptr) return g;
  }
  return nullptr;
}

void pool_worker::kick_keeper(keeper& k) noexcept {
  pool_worker& me = *static_cast<clock_keeper&>(k).owner;
  std::uint32_t seen = me.doze_.load(std::memory_order_relaxed);  // the exchange decides
  // K1 [doze] release: pairs with the acquire in sleep, which then reads keeper_.wake_at. Also over a
  // kick that was not seen yet: a mere look would not be in order with what wake_at was set to.
  // Awake: it reads wake_at before it sleeps again. Ends: each turn it was woken or kicked.
  while (seen != awake &&
         !me.doze_.compare_exchange_weak(seen, kicked, std::memory_order_release,
                                         std::memory_order_relaxed)) {  // [doze] looked at again
  }
  if (seen == asleep) futex_wake_one(me.doze_);
}

// Until when to sleep, given what there is to do meanwhile.
std::int64_t pool_worker::sleep_until(bool looks, std::int64_t patience) noexcept {
  std::int64_t until = keeper_.wake_at.load(std::memory_order_acquire);  // pairs with the kicker
  if (deadlock_check_wanted()) {
    const bool suspects = suspects_since_ != 0;
    until =
        std::min(until, suspects ? suspects_since_ + deadlock_confirmed : now + deadlock_period);
  }
  if (!looks) return until;
  // A hint: if it is wrong the monitor looks, 10 ms later.
  const bool alone = core->busy_.load(std::memory_order_relaxed) == 0;
  return alone && patience >= last_look ? until : std::min(until, now + patience);
}

goroutine* pool_worker::sleep() noexcept {
  const bool looks = core->may_sleep(*this);
  // Our own store, unless somebody has taken us off the list since: then what he wrote, and whether
  // we are the lookout, is settled under the lock.
  if (doze_.load(std::memory_order_relaxed) == awake) {
    core->woke_up(*this);
    return nullptr;
  }
  downhaul::clock& clock = clock_of(*me);
  clock.try_keep(keeper_);
  refresh_now();
  judge_robbery();
  std::int64_t patience = std::max(first_look, pause_);
  suspects_since_ = deadlock_check_wanted() && nothing_can_happen() ? now : 0;
  goroutine* found = looks ? look_around(true) : nullptr;
  // [doze] acquire: pairs with rouse and kick_keeper
  while (found == nullptr && doze_.load(std::memory_order_acquire) != awake) {
    std::uint32_t was_kicked = kicked;
    // K2 [doze] acquire: pairs with K1; a failure means asleep or awake
    doze_.compare_exchange_strong(was_kicked, asleep, std::memory_order_acquire,
                                  std::memory_order_relaxed);  // [doze]
    const std::int64_t until = sleep_until(looks, patience);
    if (futex_wait_until(doze_, asleep, until) != futex_result::timed_out) continue;
    if (keeper_.wake_at.load(std::memory_order_relaxed) <= until) break;  // find_work serves it
    refresh_now();
    if (looks) found = look_around(false);
    patience = std::min(patience * 2, last_look);
    if (found != nullptr || !deadlock_check_wanted()) continue;
    if (!nothing_can_happen()) {
      suspects_since_ = 0;
    } else if (suspects_since_ == 0) {
      suspects_since_ = now;
    } else if (now - suspects_since_ >= deadlock_confirmed) {
      die_of_deadlock();
    }
  }
  core->woke_up(*this);
  clock.stop_keeping(keeper_);
  refresh_now();
  return found;
}

void pool_worker::wake() noexcept {
  doze_.store(awake, std::memory_order_release);  // W [doze], read in sleep
  futex_wake_one(doze_);
}

// Sets doze_ unless there is a reason not to sleep. True: this worker is the lookout now.
bool runtime_core::may_sleep(pool_worker& w) noexcept {
  bool quiet = false;
  bool looks = false;
  {
    const lock_scope held{mu_};
    // Written under mu_.
    if (size_.load(std::memory_order_relaxed) != 0 || stopping_) return false;
    w.doze_.store(pool_worker::asleep, std::memory_order_relaxed);  // [doze] published by mu_
    w.asleep_ = true;
    w.next_sleeper_ = sleepers_;
    sleepers_ = &w;
    looks = lookout_ == nullptr;
    if (looks) lookout_ = &w;
    sleeping_.fetch_add(1, std::memory_order_seq_cst);  // I1; [idle] a hint outside mu_
    add_busy(-1);
    quiet = is_quiet();
  }
  if (quiet) futex_wake_all(progress_);
  return looks;
}

void runtime_core::woke_up(pool_worker& w) noexcept {
  const lock_scope held{mu_};
  w.doze_.store(pool_worker::awake, std::memory_order_relaxed);  // [doze] its own thread
  if (lookout_ == &w) lookout_ = nullptr;
  if (!w.asleep_) return;  // somebody took us off the list
  pool_worker** link = &sleepers_;
  while (*link != &w) link = &(*link)->next_sleeper_;
  *link = w.next_sleeper_;
  w.asleep_ = false;
  sleeping_.fetch_sub(1, std::memory_order_relaxed);  // I1, under mu_
  add_busy(1);
}

pool_worker* runtime_core::pop_sleeper(pool_worker* waker) noexcept {
  // P2 [idle] somebody who searches will look at queue_ before it sleeps, or wake the next.
  if (sleepers_ == nullptr || searching_.load(std::memory_order_seq_cst) != 0) return nullptr;
  pool_worker* const w = sleepers_;
  sleepers_ = w->next_sleeper_;
  w->asleep_ = false;
  w->searching_ = true;
  w->woken_by_ = waker;
  searching_.fetch_add(1, std::memory_order_acq_rel);  // [idle]
  sleeping_.fetch_sub(1, std::memory_order_relaxed);   // I1, under mu_
  add_busy(1);
  return w;
}

void runtime_core::rouse(pool_worker& taken) noexcept {
  if (!taken.started_) return start_thread(taken);
  taken.wake();
}

void runtime_core::wake_one(pool_worker* waker) noexcept {
  pool_worker* taken = nullptr;
  {
    const lock_scope held{mu_};
    taken = pop_sleeper(waker);
  }
  if (taken != nullptr) rouse(*taken);
}

}  // namespace downhaul::impl
