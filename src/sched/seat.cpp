// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
#include "sched/seat.hpp"

#include <sched.h>

#include <exception>
#include <utility>

#include "downhaul/pin.hpp"
#include "platform/fatal.hpp"
#include "platform/futex.hpp"
#include "platform/monotonic.hpp"
#include "platform/overflow.hpp"
#include "platform/thread.hpp"
#include "sched/last_words.hpp"
#include "sched/registry.hpp"
#include "sched/runtime_core.hpp"
#include "sched/threads.hpp"

namespace downhaul::impl {
namespace {

goroutine* pinnable_here() noexcept {
  thread_record& me = this_thread();
  if (me.current == nullptr || me.current == &me.self) return nullptr;
  return static_cast<goroutine*>(me.current);
}

}  // namespace

void seat::accept(goroutine& g) noexcept {
  guest_ = &g;
  state_.store(arrived, std::memory_order_release);  // W [seat], read in wait
  futex_wake_one(state_);
}

void seat::tell_to_stop() noexcept {
  std::uint32_t expected = nobody;
  // [seat] a guest that has arrived runs until its next wait first; then it finds the core stopped.
  if (state_.compare_exchange_strong(expected, stop, std::memory_order_relaxed,
                                     std::memory_order_relaxed)) {  // [seat] nothing to publish
    futex_wake_one(state_);
  }
}

goroutine* seat::wait() noexcept {
  for (;;) {
    std::uint32_t state = state_.load(std::memory_order_acquire);  // R [seat]
    if (state == stop) return nullptr;
    if (state == arrived) {
      state_.store(nobody, std::memory_order_relaxed);  // [seat] only one can arrive
      return guest_;
    }
    futex_wait(state_, nobody);
  }
}

void seat::work() noexcept {
  const alternate_stack for_overflows;
  core->take_signal_mask();
  take_seat();
  runtime_core& home = *core;
  bool guest_stays = true;
  while (goroutine* g = wait()) {
    guest_stays = run(*g);
    if (!guest_stays || !home.seat_idles()) break;
  }
  leave_seat();
  if (home.seat_ended(*this, guest_stays)) delete this;
}

bool seat::run(goroutine& g) noexcept {
  if (!g.has_stack()) {
    stack* const s = core->pool(g.pool).acquire();
    if (s == nullptr) fatal("out of memory: no stack for a goroutine");
    g.canary = s->guard == guard_kind::canary;
    make_execution(g.run, *s, goroutine_entry, &g);
  }
  for (;;) {
    resume(g);
    leaver = nullptr;
    if (g.canary && !canary_intact(*g.run.on)) die_of_overflow(g);
    switch (left) {
      case leaving::locked:  // of pool workers only
      case leaving::parked:
        g.since.store(steady_now_ns(), std::memory_order_release);  // for lists
        if (g.commit_park()) return true;
        break;
      case leaving::yielded: ::sched_yield(); break;
      case leaving::ended: {
        core->pool(g.pool).release(g.run.on);
        g.run.on = nullptr;
        count(*me, tally::goroutines, -1);
        waiter* const told = std::exchange(joiner, nullptr);
        forget(g);
        give_block(g);
        if (!core->is_default()) core->unref();
        if (told != nullptr) told->notify();
        return false;
      }
      case leaving::moving: core->move(g); return false;
    }
  }
}

// What the core does for seats.

seat* runtime_core::make_seat() {
  auto* const made = new seat{*this};
  {
    const lock_scope held{mu_};
    ++running_threads_;
    made->next_seat = seats_;
    made->link = &seats_;
    if (seats_ != nullptr) seats_->link = &made->next_seat;
    seats_ = made;
  }
  try {
    const auto entry = [](void* s) -> void* {
      const counted_thread here{"dh-pinned"};
      static_cast<seat*>(s)->work();
      return nullptr;
    };
    start_detached_thread(entry, made);
  } catch (...) {
    unlink(*made);
    delete made;
    throw;
  }
  return made;
}

void runtime_core::start_pinned(goroutine& g) noexcept {
  try {
    g.seat = make_seat();
  } catch (const std::exception& e) {
    fatal({"cannot start a thread for a pinned goroutine: ", e.what()});
  }
  call_guest(g);
}

void runtime_core::call_guest(goroutine& g) noexcept {
  {
    const lock_scope held{mu_};
    if (stopping_) return;
    add_busy(1);
  }
  g.seat->accept(g);
}

bool runtime_core::seat_idles() noexcept {
  bool quiet = false;
  bool goes_on = false;
  {
    const lock_scope held{mu_};
    goes_on = !stopping_;
    add_busy(-1);
    quiet = is_quiet();
  }
  if (quiet) futex_wake_all(progress_);
  return goes_on;
}

void runtime_core::unlink(seat& s) noexcept {
  const lock_scope held{mu_};
  *s.link = s.next_seat;
  if (s.next_seat != nullptr) s.next_seat->link = s.link;
  --running_threads_;
  progress_.fetch_add(1, std::memory_order_relaxed);  // under mu_, where its readers look again
}

bool runtime_core::seat_ended(seat& s, bool guest_stays) noexcept {
  bool told = false;
  {
    const lock_scope held{mu_};
    if (!guest_stays) {
      *s.link = s.next_seat;
      if (s.next_seat != nullptr) s.next_seat->link = s.link;
      add_busy(-1);
    }
    --running_threads_;
    progress_.fetch_add(1, std::memory_order_relaxed);  // under mu_, where its readers look again
    told = is_quiet() || stopping_;
  }
  // The core may be gone: only the word's address is used.
  if (told) futex_wake_all(progress_);
  return !guest_stays;
}

namespace {

void move_to_own_thread(goroutine& g) {
  g.seat = g.core().make_seat();
  switch_to(g.run, g.at().leave(g, leaving::moving));
  g.at().arrive();  // another worker
}

void move_to_workers(goroutine& g) noexcept {
  g.seat = nullptr;
  switch_to(g.run, g.at().leave(g, leaving::moving));
  g.at().arrive();  // another worker
}

}  // namespace
}  // namespace downhaul::impl

namespace downhaul {

pin::pin() {
  impl::goroutine* const g = impl::pinnable_here();
  if (g == nullptr) return;
  if (g->pins == 255) impl::fatal("more than 254 pins nested");
  if (g->pins == 0) impl::move_to_own_thread(*g);
  ++g->pins;
}

pin::~pin() {
  impl::goroutine* const g = impl::pinnable_here();
  if (g != nullptr && --g->pins == 0) impl::move_to_workers(*g);
}

}  // namespace downhaul
