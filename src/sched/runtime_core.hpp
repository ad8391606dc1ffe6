// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// sched/runtime_core.hpp — what the workers of one runtime share.
//
// Idea       A common queue for what becomes runnable outside the workers, the list of sleeping
//            workers, the stacks, and the life of the runtime: start, stop.
// Ownership  Counted: the runtime object, every prepared or live goroutine, and whoever queues one
//            from outside hold a reference. Workers count their own share without atomics
//            (pool_worker::held_refs) and fold it in when they end; until then a bias keeps the
//            count above zero. The default runtime is never destroyed.
// Threads    Everything from anywhere unless said otherwise.
//
// Invariants (whenever mu_ is free)
//   I1 a worker is on sleepers_ iff its asleep_ is set; sleeping_ is their number
//   I2 busy_ is the number of threads of this core that may be running a goroutine or looking for
//      one; a waker counts the worker that it takes off the list
//   I3 size_ is the length of queue_
// Lock order: mu_ has the rank of a run queue; inside it nothing but leaves is taken.
//
// [idle]  A worker goes to sleep only under mu_, having found queue_ empty there; whoever pushes to
//         queue_ under mu_ takes a sleeper off the list under the same lock, unless a searcher is
//         about, who will look at queue_ under the lock before it sleeps, and without it before it
//         runs anything. Hence no wake-up is lost.
//           pusher:    P1 size_ up           P2 read searching_; zero: take a sleeper
//           searcher:  F1 searching_ down    F2 before it runs what it found, there or in any later
//                                            round: read size_; not zero: wake one
//         Required: P2 sees F1 or F2 sees P1. All four are seq_cst: F1 and F2 are outside mu_.
//         A worker's own ring and slot are different: their owner is awake and will run them, so
//         that waking somebody is a matter of speed only; there a stale hint costs time, which the
//         lookout and the monitor bound.
// Model:  tests/models/worker_sleep.pml
#pragma once

#include <signal.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>

#include "downhaul/runtime.hpp"
#include "platform/mutex.hpp"
#include "platform/stack.hpp"
#include "sched/goroutine.hpp"
#include "sched/ready_coroutines.hpp"
#include "sched/worker.hpp"

namespace downhaul::impl {

struct core_options {
  int workers = 0;                   // 0: the CPUs this process may use
  std::size_t stack = 0;             // bytes; 0: default_stack_size
  downhaul::clock* clock = nullptr;  // null: the real one
  std::uint64_t seed = 0;            // not 0: run-queue order is random, and repeatable
  bool is_default = false;           // never destroyed
  std::function<void(const stall&)> on_stall{};
};

class runtime_core {
 public:
  /// Throws std::bad_alloc.
  explicit runtime_core(const core_options& options);

  // References.
  void ref() noexcept {
    refs_.fetch_add(1, std::memory_order_relaxed);  // [refs] count only: the caller knows it alive
  }
  void unref() noexcept {
    // [refs] release: what the holder did is visible to the one who deletes; acquire: he sees it
    if (refs_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
  }

  /// Sends `g`, which left its worker, to its seat or, where it has none, into the pool.
  void move(goroutine& g) noexcept;
  void start_pinned(goroutine& g) noexcept;

  /// A thread outside the workers runs a blocking call for one of ours; keeps the core meanwhile.
  void begin_help() noexcept;
  void end_help() noexcept;

  // Threads of pinned goroutines.
  /// A new thread that waits for its guest. Throws std::system_error, std::bad_alloc.
  seat* make_seat();
  /// Its guest has parked. False: the core has stopped.
  bool seat_idles() noexcept;
  /// True: the caller deletes it.
  bool seat_ended(seat& s, bool guest_stays) noexcept;
  void unlink(seat& s) noexcept;

  /// Queues `g`, which is runnable and nobody else's.
  void make_runnable(goroutine& g, thread_record& me) noexcept;
  /// The same for several that are bound for the common queue, under one lock.
  void inject_all(goroutine_list& some, std::uint32_t n) noexcept;
  /// Stops the workers at their next scheduling points and joins them; once. By the runtime object,
  /// not from one of its own goroutines.
  void stop() noexcept;
  /// Stops them, but waits no longer than `patience_ns` and joins nobody. At process exit.
  void stop_for_exit(std::int64_t patience_ns) noexcept;
  /// Waits, on a plain thread, until no goroutine of this core is runnable, running, or inside
  /// blocking().
  void wait_until_quiet() noexcept;

  stack_pool& pool(std::size_t index) noexcept;
  /// The pool whose stacks have at least `bytes`; 0 for the default size. Throws std::bad_alloc.
  std::uint8_t pool_for(std::size_t bytes);

  /// Gives the calling thread, which runs goroutines from now on, the signal mask of the thread that
  /// made the runtime. It was perhaps started by a thread of the library that blocks all.
  void take_signal_mask() const noexcept;

  ready_coroutines coroutines{*this};

  bool is_default() const noexcept { return default_; }
  int workers() const noexcept {
    return target_.load(std::memory_order_relaxed);  // written under mu_; else a hint
  }
  void set_workers(int n);
  std::uint64_t stalls() const noexcept {
    return stalls_.load(std::memory_order_relaxed);  // a count
  }
  /// Gives the memory of unused stacks back, some at a time; true: there is more.
  bool trim_stacks() noexcept;
  downhaul::clock* clock() const noexcept { return clock_; }
  bool shuffles() const noexcept { return seed_ != 0; }
  std::uint64_t seed() const noexcept { return seed_; }

#ifdef DOWNHAUL_CHECKED
  /// Under mu_, which is about to be given back. Aborts where I1 … I3 do not hold.
  void check_invariants() noexcept DOWNHAUL_NO_THREAD_SAFETY_ANALYSIS;
#endif

 private:
  friend class pool_worker;
  ~runtime_core();

  void inject(goroutine& g) noexcept;
  void call_guest(goroutine& g) noexcept;
  /// Some from the common queue: one to run, more into `ring`.
  goroutine* take_common(run_ring& ring) noexcept;
  void push_common(goroutine_list& some, std::uint32_t n) noexcept;
  /// Wakes one sleeper unless somebody searches already; `waker` may be null.
  void wake_one(pool_worker* waker) noexcept;
  pool_worker* pop_sleeper(pool_worker* waker) noexcept DOWNHAUL_REQUIRES(mu_);
  void rouse(pool_worker& taken) noexcept;
  void start_thread(pool_worker& w) noexcept;
  /// All, or none when it throws.
  void add_workers(int n);
  pool_worker& add_worker() DOWNHAUL_REQUIRES(mu_);
  std::uint64_t seed_of_worker(int number) const noexcept;
  void publish(pool_worker& w) noexcept DOWNHAUL_REQUIRES(mu_);
  /// When nobody else knows the core, or knows it any more: without a lock.
  void free_parts() noexcept DOWNHAUL_NO_THREAD_SAFETY_ANALYSIS;

  // The monitor: see monitor.cpp.
  void start_monitor() noexcept;
  void stop_monitor() noexcept;
  static void tick(void* core) noexcept;
  void look_at_workers(std::int64_t now) noexcept;
  void relieve(pool_worker& w, bool computes) noexcept;
  void report_stall(pool_worker& w, std::int64_t lasted) noexcept;
  void add_busy(int n) noexcept DOWNHAUL_REQUIRES(mu_);
  bool may_sleep(pool_worker& w) noexcept;
  void woke_up(pool_worker& w) noexcept;
  void tell_to_stop() noexcept;
  /// Whether to wake those who wait for progress_, after mu_ is free.
  bool is_quiet() noexcept DOWNHAUL_REQUIRES(mu_);
  bool rests() noexcept DOWNHAUL_REQUIRES(mu_);
  void thread_ended(pool_worker& w) noexcept;

  static constexpr std::int64_t running_bias = std::int64_t{1} << 40;

  const bool default_;
  const std::uint64_t seed_;
  sigset_t signal_mask_;  // constant once constructed
  downhaul::clock* const clock_;
  std::atomic<int> target_;  // how many workers are meant to run; written under mu_
  const std::function<void(const stall&)> on_stall_;
  std::atomic<std::int64_t> refs_{1 + running_bias};  // [refs]
  std::atomic<pool_worker*> all_{nullptr};            // push only

  alignas(64) ranked_mutex<rank::run_queue, runtime_core> mu_{this};
  goroutine_list queue_ DOWNHAUL_GUARDED_BY(mu_);
  pool_worker* lookout_ DOWNHAUL_GUARDED_BY(mu_) = nullptr;
  pool_worker* spares_ DOWNHAUL_GUARDED_BY(mu_) = nullptr;  // retired
  int active_ DOWNHAUL_GUARDED_BY(mu_) = 0;                 // workers neither retired nor relieved
  int computing_ DOWNHAUL_GUARDED_BY(mu_) = 0;              // relieved though they use the CPU
  pool_worker* sleepers_ DOWNHAUL_GUARDED_BY(mu_) = nullptr;
  bool stopping_ DOWNHAUL_GUARDED_BY(mu_) = false;
  int quiet_waiters_ DOWNHAUL_GUARDED_BY(mu_) = 0;
  int running_threads_ DOWNHAUL_GUARDED_BY(mu_) = 0;   // started and not ended
  int unjoined_threads_ DOWNHAUL_GUARDED_BY(mu_) = 0;  // started and not joined
  seat* seats_ DOWNHAUL_GUARDED_BY(mu_) = nullptr;     // all whose thread has not ended
  int helped_ DOWNHAUL_GUARDED_BY(mu_) = 0;            // blocking calls under way
  bool monitored_ DOWNHAUL_GUARDED_BY(mu_) = false;
  int worker_count_ DOWNHAUL_GUARDED_BY(mu_) = 0;  // ever made
  bool exit_waits_ DOWNHAUL_GUARDED_BY(mu_) = false;
  pool_worker* joinable_ DOWNHAUL_GUARDED_BY(mu_) = nullptr;  // threads to be joined

  std::atomic<std::uint32_t> size_{0};         // written under mu_; else a hint
  std::atomic<int> sleeping_{0};               // written under mu_; else a hint
  std::atomic<int> busy_{0};                   // written under mu_; else a hint
  alignas(64) std::atomic<int> searching_{0};  // workers that look for work, or are about to
  std::atomic<std::uint32_t> progress_{0};     // futex; written under mu_ when somebody waits

  std::atomic<std::uint64_t> stalls_{0};
  int idle_looks_ = 0;  // the monitor's own

  static constexpr std::size_t pool_count = 24;
  std::array<std::atomic<stack_pool*>, pool_count> pools_{};
};

inline void runtime_core::make_runnable(goroutine& g, thread_record& me) noexcept {
  if (g.pins != 0) [[unlikely]]
    return call_guest(g);
  worker* const here = me.at;
  if (here != nullptr && here->core == this && here->kind == worker_kind::pool) [[likely]] {
    static_cast<pool_worker*>(here)->push_next(g);
    return;
  }
  inject(g);
}

/// Makes goroutines runnable that were woken together: those that go to a common queue go there as
/// one chain. A cancel from a plain thread then takes that lock once for 256 of them.
class ready_batch {
 public:
  void add(goroutine& g, thread_record& me) noexcept;
  void flush() noexcept;

 private:
  runtime_core* core_ = nullptr;  // of all in list_; kept alive by them
  goroutine_list list_;
  std::uint32_t count_ = 0;
};

/// The default runtime; started by the first call.
runtime_core& default_core();

/// Records a stopping point for the process, see exit.cpp.
void stop_default_core_at_exit() noexcept;

}  // namespace downhaul::impl
