// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// sched/checked_slices.cpp — what checked builds do between two slices of a goroutine. Compiled in
// these only.
//
// Idea       A goroutine may go on on another thread after each wait, but seldom does where few
//            workers run: a program that keeps what is bound to a thread works for long. Here it
//            always does: a worker has two threads, one of which is the worker at a time, and when the
//            goroutine that comes next ran last on this one, the other takes the worker over. Pinned
//            goroutines stay where they are, as promised.
// Ownership  The first thread is the one that the runtime started; it starts the second when it is
//            first needed, and joins it.
// Threads    [turn] The worker's fields belong to the thread that turn_ names. What is bound to the
//            thread changes with it: take_seat and leave_seat.
// Cost       Two futex calls and a switch of threads for about every other slice, 10 to 20 us.
//            Without memory or permission for a second thread the goroutine goes on where it is.
#include <cstdlib>
#include <exception>

#include "platform/backtrace.hpp"
#include "platform/fatal.hpp"
#include "platform/futex.hpp"
#include "platform/overflow.hpp"
#include "platform/thread.hpp"
#include "sched/last_words.hpp"
#include "sched/runtime_core.hpp"
#include "sched/threads.hpp"

namespace downhaul::impl {

// --- what a goroutine must not take along ---

void worker::note_runs(goroutine& g, const thread_record& here) noexcept {
  g.last_thread = &here;
  track_mutexes(&g.mutexes);
}

// In a destructor that waits one does not know better.
static void expect_no_coroutine(const goroutine& g, leaving how) noexcept {
  if (!g.carries || how == leaving::yielded || how == leaving::ended) return;
  if (g.reason() == wait_reason::callback_wait || g.reason() == wait_reason::coroutine_end) return;
  if (carrier::of(const_cast<goroutine&>(g)).running == nullptr) return;
  say({"fatal error: a coroutine blocks its worker (", to_string(g.reason()),
       "): co_await the form for coroutines\n"});
  say_place("it waits at", place::here());
  describe_goroutine(g, 2);
  std::abort();
}

void worker::note_leaves(const goroutine& g, leaving how) const noexcept {
  track_mutexes(nullptr);
  expect_no_coroutine(g, how);
  const bool stays = kind == worker_kind::pinned && how != leaving::ended && how != leaving::moving;
  if (stays || g.mutexes.empty()) return;
  switch (how) {
    case leaving::parked:
    case leaving::locked:
      say({"fatal error: a goroutine waits (", to_string(g.reason()), ") and holds a mutex\n"});
      break;
    case leaving::yielded: say({"fatal error: a goroutine yields and holds a mutex\n"}); break;
    case leaving::ended: say({"fatal error: a goroutine ends and holds a mutex\n"}); break;
    case leaving::moving:
      say({"fatal error: a goroutine is pinned, or no more, and holds a mutex\n"});
      break;
  }
  say_place("it leaves its thread at", place::here());
  g.mutexes.print();
  describe_goroutine(g, 2);
  std::abort();
}

// --- the two threads of a worker ---

// Whoever calls it holds no lock and is no goroutine.
void pool_worker::pass_turn(std::uint32_t to) noexcept {
  leave_seat();
  turn_.store(to, std::memory_order_release);  // W [turn]
  futex_wake_all(turn_);
}

goroutine* pool_worker::await_turn(std::uint32_t mine) noexcept {
  for (;;) {
    const std::uint32_t turn = turn_.load(std::memory_order_acquire);  // R [turn]
    if (turn == mine) break;
    if (turn == no_thread) return nullptr;
    futex_wait(turn_, turn);
  }
  take_seat();
  note_cpu_clock();
  return std::exchange(passed_, nullptr);
}

goroutine* pool_worker::change_threads(goroutine& g) noexcept {
  if (g.last_thread != me) return &g;
  if (!beside_) {
    try {
      const auto entry = [](void* w) -> void* {
        const counted_thread here{"dh-worker-2"};
        static_cast<pool_worker*>(w)->work_beside();
        return nullptr;
      };
      second_ = start_joinable_thread(entry, this);
      beside_ = true;
    } catch (const std::exception&) {
      return &g;
    }
  }
  // Ours: only the one whose turn it is writes it.
  const std::uint32_t mine = turn_.load(std::memory_order_relaxed);
  passed_ = &g;
  pass_turn(mine == first_thread ? second_thread : first_thread);
  return await_turn(mine);
}

// The second thread's whole life.
void pool_worker::work_beside() noexcept {
  const alternate_stack for_overflows;
  set_timer_slack_1ns();
  core->take_signal_mask();
  goroutine* g = await_turn(second_thread);
  while (g != nullptr) {
    if (!g->has_stack()) bind(*g);
    resume(*g);
    arrive();
    g = next();
    if (g == nullptr) {  // the worker is to end: the first thread sees to that
      pass_turn(first_thread);
      return;
    }
    g = change_threads(*g);
  }
}

// On the first thread, after the last goroutine.
void pool_worker::end_turns() noexcept {
  if (!beside_) return;
  if (turn_.load(std::memory_order_relaxed) == first_thread) {  // [turn] ours
    turn_.store(no_thread, std::memory_order_release);          // W [turn]
    futex_wake_all(turn_);
  }
  pthread_join(second_, nullptr);
  beside_ = false;
}

// --- the common queue ---

void runtime_core::check_invariants() noexcept {
  int asleep = 0;
  for (const pool_worker* w = sleepers_; w != nullptr; w = w->next_sleeper_, ++asleep) {
    if (!w->asleep_) fatal({"run queue: a worker that is awake is on the list of sleepers"});
    if (asleep > worker_count_) fatal({"run queue: the list of sleepers is a ring"});
  }
  // All under mu_.
  if (asleep != sleeping_.load(std::memory_order_relaxed)) fatal({"run queue: I1 is broken"});
  if (busy_.load(std::memory_order_relaxed) < 0) fatal({"run queue: I2 is broken"});
  if (helped_ < 0 || running_threads_ < 0 || computing_ < 0 || quiet_waiters_ < 0) {
    fatal({"run queue: a count is below zero"});
  }
  constexpr std::uint32_t most_looked_at = 64;
  std::uint32_t queued = 0;
  const goroutine* g = queue_.front();
  for (; g != nullptr && queued < most_looked_at; g = g->next, ++queued) {
    if (g->state_of_life() != life_state::live) fatal({"run queue: what is queued is not alive"});
    if (g->pins != 0) fatal({"run queue: a pinned goroutine is queued"});
  }
  const std::uint32_t size = size_.load(std::memory_order_relaxed);  // under mu_
  if (g == nullptr ? size != queued : size < queued) fatal({"run queue: I3 is broken"});
}

}  // namespace downhaul::impl
