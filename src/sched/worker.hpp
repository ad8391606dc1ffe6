// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// sched/worker.hpp — a thread that runs goroutines.
//
// Idea       A goroutine that parks, yields or ends switches straight to the next one of its worker;
//            only when there is none at hand, or the worker has other duties, to the thread's own
//            stack, where the scheduling loop runs. What must be done off the stack that was left
//            (the last step of parking, giving the stack back) is done by whoever is arrived at.
// Ownership  The runtime_core owns its workers until it goes itself.
// Threads    A worker belongs to its thread; see pool_worker for what others touch.
// Source     Go's scheduler for the ring, the hand-off slot and the common queue. Differs: no
//            pre-emption; others may take the slot only when it has been there for a while.
#pragma once

#include <pthread.h>

#include <array>
#include <atomic>
#include <cstdint>

#include "sched/goroutine.hpp"
#include "sched/run_ring.hpp"
#include "time/timer_entry.hpp"
#include "wait/thread_record.hpp"

namespace downhaul::impl {

class runtime_core;

/// What a goroutine wanted when it left the CPU.
enum class leaving : std::uint8_t {
  parked,   // it waits, or goes on at once if it was notified meanwhile
  locked,   // it waits, and is parked before `to_unlock` is given back
  yielded,  // it is runnable, behind the others
  ended,    // its closure is gone; stack and block are free
  moving,   // it wants to go on at goroutine::seat, or in the pool where that is null
};

enum class worker_kind : std::uint8_t {
  pool,    // runs whatever is runnable
  pinned,  // runs one goroutine only
  helper,  // runs no goroutine: a thread that works for one (blocking)
};

class worker {
 public:
  worker(runtime_core& of, worker_kind k) noexcept : core{&of}, kind{k} {}
  worker(const worker&) = delete;
  worker& operator=(const worker&) = delete;

  runtime_core* const core;
  const worker_kind kind;
  goroutine* leaver = nullptr;     // who left and is not settled yet
  leaving left = leaving::parked;  // how
  mutex* to_unlock = nullptr;      // who left is `locked`: to be unlocked
  waiter* joiner = nullptr;        // to be told when the goroutine that ended here is gone
  execution own;                   // this thread's stack, while a goroutine runs
  thread_record* me = nullptr;     // of the thread; constant while it runs

  /// The calling thread becomes this worker, or ceases to be it.
  void take_seat() noexcept;
  void leave_seat() noexcept;
  /// Switches from the thread's own stack to `g`. Returns when a goroutine has left for this stack.
  void resume(goroutine& g) noexcept;
  /// `g`, which runs here, is about to leave: where to switch to. On its stack.
  execution& leave(goroutine& g, leaving how) noexcept;
  /// Finishes, off its stack, what the one who left has begun. First thing after each switch.
  void arrive() noexcept;
  /// The one who leaves is `locked`: it shall be `parked` instead, and its lock is given back now.
  void unlock_early() noexcept;
  void unlock_held() noexcept;

#ifdef DOWNHAUL_CHECKED
 private:
  // See checked_slices.cpp.
  /// `g` runs here from now on: what it locks is its own.
  static void note_runs(goroutine& g, const thread_record& here) noexcept;
  /// `g` leaves this thread: aborts if it has locked what belongs to the thread.
  void note_leaves(const goroutine& g, leaving how) const noexcept;
#endif
};

/// The closure of a goroutine that somebody waits for (goroutine::joined).
struct run_closure {
  void (*body)(void* arg);
  void* arg;
  waiter* caller;
  void operator()() const { body(arg); }
};

/// As start_goroutine, for one that resumes coroutines. It is not counted.
void start_carrier_goroutine(goroutine* prepared) noexcept;

/// Where a goroutine's stack begins and where it returns to when it ends.
execution& goroutine_entry(void* goroutine_block);

/// A worker that takes part in stealing.
class alignas(64) pool_worker final : public worker {
 public:
  /// Throws std::bad_alloc.
  explicit pool_worker(runtime_core& of, std::uint64_t seed);

  /// The thread's whole life.
  void work() noexcept;

  // For the goroutine that runs here, or code on this thread's own stack.
  /// Runs `g` next; who had that place goes to the tail.
  void push_next(goroutine& g) noexcept;
  /// Runs `g` after all that wait now.
  void push_back(goroutine& g) noexcept;

  // For anybody.
  bool has_work() const noexcept {
    // Hints: whoever acts on them looks again by taking.
    return !ring_.empty() || slot_.load(std::memory_order_relaxed) != nullptr;
  }
  std::uint32_t ticks() const noexcept {
    return tick_.load(std::memory_order_relaxed);  // a sample: does it still move?
  }
  /// Makes the loop look at what the core wants of it.
  void call_attention() noexcept {
    attention_.store(true, std::memory_order_release);  // W [attention], read in next()
  }
  void wake() noexcept;

  block_cache blocks;          // the thread's own
  std::int64_t held_refs = 0;  // the thread's own share of runtime_core's count
  std::int64_t now = 0;        // the thread's own: steady ns, refreshed now and then

 private:
  friend class runtime_core;

  friend class worker;

#ifdef DOWNHAUL_CHECKED
  // See checked_slices.cpp.
  /// Brings `g` to a thread on which it did not run last: returns when this one is to run another.
  /// Null: this thread is to end.
  goroutine* change_threads(goroutine& g) noexcept;
  goroutine* await_turn(std::uint32_t mine) noexcept;
  void work_beside() noexcept;
  void pass_turn(std::uint32_t to) noexcept;
  void end_turns() noexcept;

  // [turn] who of the worker's two threads is the worker. Passing releases what the worker is made
  //        of, taking it acquires that. The futex.
  enum : std::uint32_t { first_thread, second_thread, no_thread };
  std::atomic<std::uint32_t> turn_{first_thread};
  goroutine* passed_ = nullptr;     // with the turn: who is to run
  goroutine* kept_back_ = nullptr;  // taken from the queue, but not to run on this thread
  bool beside_ = false;             // the second thread exists
  pthread_t second_{};              // if it does
#endif

  goroutine* next() noexcept;
  goroutine* next_at_hand() noexcept;
  goroutine* take_local() noexcept;
  void settle(goroutine& g, leaving how) noexcept;
  goroutine* find_work() noexcept;
  goroutine* take_slot() noexcept;
  goroutine* search() noexcept;
  goroutine* look_around(bool first) noexcept;
  goroutine* rob(pool_worker& victim) noexcept;
  void judge_robbery() noexcept;
  leaving look_closer(goroutine& g, leaving how) noexcept;
  void bind(goroutine& g) noexcept;
  void finish(goroutine& g) noexcept;
  void serve_clock() noexcept;
  void refresh_now() noexcept;
  void overflow(goroutine& g) noexcept;
  void stop_searching(bool found) noexcept;
  goroutine* sleep() noexcept;
  std::int64_t sleep_until(bool looks, std::int64_t patience) noexcept;
  void hint_work() noexcept;
  /// False: this thread is to end.
  bool attend() noexcept;
  bool attend_again() noexcept;
  /// Out of work for good, until somebody else gets stuck; ours goes to the common queue.
  void retire() noexcept;
  void note_cpu_clock() noexcept;
  static void kick_keeper(keeper& k) noexcept;

  static constexpr std::uint32_t common_period = 61;  // odd: no rhythm with the user's own loops
  static constexpr int most_slot_runs = 32;
  static constexpr int most_cached_stacks = 32;

  // The thread's own.
  int slot_runs_ = 0;
  std::int64_t suspects_since_ = 0;  // that everybody sleeps for ever; 0: does not
  std::int64_t robbed_at_ = 0;       // when it took others' goroutines; 0: judged already
  std::uint32_t robbed_tick_ = 0;    // its own, then
  const pool_worker* robbed_ = nullptr;
  std::uint32_t victims_tick_ = 0;  // of robbed_, then
  std::int64_t pause_ = 0;          // ns between robberies, since the last ones did not pay
  std::int64_t pause_until_ = 0;
  bool searching_ = false;  // counted in core.searching_
  int hints_ = 0;           // pushes since the last wake
  random choice_;
  bool shuffle_ = false;  // seeded runtimes: order is random on purpose
  std::array<stack*, most_cached_stacks> stacks_{};
  int stack_count_ = 0;

  // [doze]  asleep: set by the thread under the core's lock. asleep → kicked: the clock's keeper is
  //         to read its deadline again. Any → awake: roused by whoever took it off its list.
  //   kicker: set keeper_.wake_at; K1 exchange to kicked.  keeper: K2 CAS kicked→asleep; read wake_at.
  //   K1 and K2 are in the word's own order: the keeper reads what was set, or K1 finds it asleep.
  //   A wake or a kick may come late: when its thread has woken by itself, and sleeps or is retired
  //   once more. A sleeper looks again at all there is; a retired one at retired_.
  //   Model: tests/models/worker_doze.pml
  enum : std::uint32_t { awake, asleep, kicked };

  // Shared.
  alignas(64) std::atomic<goroutine*> slot_{nullptr};  // [slot]
  std::atomic<std::uint32_t> tick_{0};                 // written by the thread
  std::atomic<bool> attention_{false};                 // [attention]
  std::atomic<std::uint32_t> patience_{0};  // how many pushes wake nobody; thieves adjust it
  std::atomic<std::uint32_t> doze_{awake};  // [doze] the futex
  std::atomic<bool> stuck_{false};          // the monitor's verdict; a hint
  std::atomic<clockid_t> cpu_clock_{0};     // of the thread; 0: it has none yet
  run_ring ring_;

  struct clock_keeper : keeper {
    explicit clock_keeper(pool_worker& w) noexcept : keeper{kick_keeper}, owner{&w} {}
    pool_worker* const owner;
  };
  clock_keeper keeper_{*this};

  // Guarded by the core's lock.
  pool_worker* next_sleeper_ = nullptr;
  bool asleep_ = false;    // on the list of sleepers
  bool started_ = false;   // has a thread
  bool relieved_ = false;  // was found stuck; another one may take its place
  bool computes_ = false;  // relieved, though it used the CPU
  bool retired_ = false;   // on the list of spares
  pool_worker* next_joinable_ = nullptr;
  pthread_t thread_{};  // to be joined, while on that list; then of the one who joins
  pool_worker* woken_by_ = nullptr;

  // The lookout's notes about this worker; used by the one lookout only.
  std::uint32_t seen_tick_ = 0;
  bool seen_slot_ = false;

  // The monitor's notes, its thread's own.
  std::uint32_t watched_tick_ = 0;
  int unchanged_looks_ = 0;
  std::int64_t cpu_time_ = 0;
  std::int64_t stuck_since_ = 0;

 public:
  pool_worker* next_worker = nullptr;  // all workers of the core; constant once published
};

// In line: it is run at each wake-up.
inline void pool_worker::push_next(goroutine& g) noexcept {
  if (shuffle_ && choice_.below(2) == 0) return push_back(g);
  goroutine* before = slot_.load(std::memory_order_relaxed);  // [slot] only we make it non-null
  if (before == nullptr) {
    slot_.store(&g, std::memory_order_release);  // W [slot], read by take_slot and the lookout
    return;
  }
  // [slot] release for the new one; acquire: nobody else has taken the one that we get back.
  before = slot_.exchange(&g, std::memory_order_acq_rel);
  if (before != nullptr) push_back(*before);
}

}  // namespace downhaul::impl
