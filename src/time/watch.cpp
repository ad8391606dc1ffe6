// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
#include "time/watch.hpp"

#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstddef>
#include <mutex>
#include <vector>

#include "platform/fatal.hpp"
#include "platform/fork.hpp"
#include "platform/futex.hpp"
#include "platform/monotonic.hpp"
#include "platform/mutex.hpp"
#include "platform/thread.hpp"
#include "time/clock_state.hpp"

namespace downhaul::impl::watch {
namespace {

constexpr int looks_before_deep_sleep = 10;

struct tick {
  tick_function call;
  void* arg;
  bool operator==(const tick&) const = default;
};

struct watch_state {
  std::atomic<std::int64_t> look_at{never};  // [watch]
  std::atomic<std::uint32_t> bell{0};        // futex; rung by adding one
  std::atomic<bool> activity{false};         // [watch] noted since the last look
  std::atomic<bool> deep{true};              // [watch] the thread does not look every 10 ms
  std::atomic<bool> started{false};          // the thread exists; set once, under mu
  std::atomic<std::uint64_t> looks{0};

  ranked_mutex<rank::leaf> mu;
  std::vector<tick> ticks;               // guarded by mu
  tick running{nullptr, nullptr};        // guarded by mu
  std::atomic<std::uint32_t> ticked{0};  // futex; counts calls of ticks that have ended
};

watch_state& state() noexcept {
  static union place {
    place() noexcept : never_destroyed{} {}
    ~place() {}
    watch_state never_destroyed;
  } here;
  return here.never_destroyed;
}

void ring(watch_state& w) noexcept {
  w.bell.fetch_add(1, std::memory_order_release);  // pairs with the acquire in run
  futex_wake_one(w.bell);
}

// When the clock wants the watch to look, given who else does.
std::int64_t wanted_look() noexcept {
  clock_state& c = clock_state::of(clock::real());
  const std::int64_t next = c.first_deadline();  // L2 [deadline]
  if (next == never) return never;
  // L2 [deadline] A keeper that leaves calls cover itself; its sleep needs no second alarm.
  if (c.look_at.load(std::memory_order_seq_cst) <= next) return never;
  return c.polled() ? add_saturated(next, watch_grace_ns) : next;
}

void serve_overdue(std::int64_t now) noexcept {
  clock& real = clock::real();
  clock_state& c = clock_state::of(real);
  const bool looked_after =
      c.polled() || c.look_at.load(std::memory_order_relaxed) != never;  // hints: at worst early
  const std::int64_t grace = looked_after ? watch_grace_ns : 0;
  if (add_saturated(real.next_deadline(), grace) > now) return;
  real.serve(now);
  // They compute, or sleep since before the keeper left: the next deadline is ours, to the point.
  c.unattended.store(c.workers.load(std::memory_order_relaxed) > 0,
                     std::memory_order_relaxed);  // hints
}

bool call_ticks(watch_state& w) noexcept {
  for (std::size_t i = 0;; ++i) {
    tick t;
    {
      std::lock_guard lock{w.mu};
      if (i >= w.ticks.size()) return i > 0;
      w.running = t = w.ticks[i];
    }
    t.call(t.arg);
    {
      std::lock_guard lock{w.mu};
      w.running = {nullptr, nullptr};
    }
    w.ticked.fetch_add(1, std::memory_order_release);  // pairs with the acquire in remove_tick
    futex_wake_all(w.ticked);
  }
}

[[noreturn]] void run(watch_state& w) noexcept {
  int quiet = 0;
  for (;;) {
    const std::uint32_t bell = w.bell.load(std::memory_order_acquire);  // pairs with ring
    w.look_at.store(always, std::memory_order_seq_cst);                 // L1 [watch] awake
    w.looks.fetch_add(1, std::memory_order_relaxed);                    // for tests
    const std::int64_t now = steady_now_ns();
    serve_overdue(now);

    // [watch] Taken back before the ticks run: what is noted from here on counts for the next look.
    if (w.activity.exchange(false, std::memory_order_seq_cst)) {
      quiet = 0;
    } else if (quiet < looks_before_deep_sleep) {
      ++quiet;
    }
    bool ticking = false;
    if (quiet < looks_before_deep_sleep) ticking = call_ticks(w);
    w.deep.store(!ticking, std::memory_order_seq_cst);  // L1 [watch]

    const std::int64_t next_tick = ticking ? now + look_every_ns : never;
    const std::int64_t until = std::min(next_tick, wanted_look());
    w.look_at.store(until, std::memory_order_seq_cst);             // L1 [watch]
    if (wanted_look() < until) continue;                           // L2 [watch]
    if (!ticking && w.activity.load(std::memory_order_seq_cst)) {  // L2 [watch]
      quiet = 0;
      std::lock_guard lock{w.mu};
      if (!w.ticks.empty()) continue;
    }
    futex_wait_until(w.bell, bell, until);
  }
}

void* thread_main(void*) {
  name_this_thread("downhaul-watch");
  set_timer_slack_1ns();
  mark_runtime_thread();
  run(state());
}

void start(watch_state& w) noexcept {
  abort_if_forked();
  std::lock_guard lock{w.mu};
  if (w.started.load(std::memory_order_relaxed)) return;  // written under mu
  watch_forks();
  // Signals are for the program's own threads.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  pthread_t thread;
  const int failed = pthread_create(&thread, &attributes, thread_main, nullptr);
  pthread_attr_destroy(&attributes);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (failed != 0) fatal("downhaul: cannot start the thread that watches the clock");
  w.started.store(true, std::memory_order_release);  // pairs with the load in started
}

}  // namespace

bool started() noexcept {
  return state().started.load(std::memory_order_acquire);  // pairs with start
}

std::uint64_t looks() noexcept {
  return state().looks.load(std::memory_order_relaxed);  // for tests
}

void cover(std::int64_t when) noexcept {
  watch_state& w = state();
  if (!started()) start(w);
  std::int64_t at = w.look_at.load(std::memory_order_seq_cst);  // A2 [watch]
  while (at > when) {
    // One caller brings the look forward and rings; the others see it done. A2 [watch]
    if (w.look_at.compare_exchange_weak(at, when, std::memory_order_seq_cst)) {
      ring(w);
      return;
    }
  }
}

void note_activity() noexcept {
  watch_state& w = state();
  if (w.activity.load(std::memory_order_relaxed)) return;  // the last one to store it did the rest
  w.activity.store(true, std::memory_order_seq_cst);       // A1 [watch]
  if (w.deep.load(std::memory_order_seq_cst)) {            // A2 [watch]
    if (!started()) start(w);
    ring(w);
  }
}

void add_tick(tick_function call, void* arg) {
  watch_state& w = state();
  {
    std::lock_guard lock{w.mu};
    w.ticks.push_back({call, arg});
  }
  // Activity noted while there was no tick has not woken the thread.
  w.activity.store(false, std::memory_order_seq_cst);  // A1 [watch]
  note_activity();
}

void remove_tick(tick_function call, void* arg) noexcept {
  watch_state& w = state();
  const tick gone{call, arg};
  for (;;) {
    // Read before looking at `running`: a tick that ends in between changes it. Pairs with run.
    const std::uint32_t ticked = w.ticked.load(std::memory_order_acquire);
    {
      std::lock_guard lock{w.mu};
      std::erase(w.ticks, gone);
      if (!(w.running == gone)) return;
    }
    futex_wait(w.ticked, ticked);
  }
}

}  // namespace downhaul::impl::watch
