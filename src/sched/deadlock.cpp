// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
#include "sched/deadlock.hpp"

#include <unistd.h>

#include <cstdlib>
#include <string>
#include <thread>

#include "downhaul/clock.hpp"
#include "downhaul/runtime.hpp"
#include "platform/fatal.hpp"
#include "platform/sanitizer.hpp"
#include "platform/thread.hpp"
#include "time/clock_state.hpp"
#include "wait/thread_record.hpp"

namespace downhaul::impl {

constinit std::atomic<int> busy_anywhere{0};

namespace {

// All are hints: a deadlock is final, so that looking twice settles it.
constinit std::atomic<int> wanted{0};
constinit std::atomic<int> held{0};
constinit std::atomic<int> waiting_callers{0};  // plain threads inside run()

// ThreadSanitizer has a thread of its own.
constexpr int sanitizer_threads = DOWNHAUL_TSAN;

// A thread that has never used the library may do so next: nobody but the callers of run() is waited
// for, among all threads that there are. Where they cannot be counted, there may be others.
bool only_callers_wait() noexcept {
  const int callers = waiting_callers.load(std::memory_order_relaxed);  // see above
  if (external_threads() > callers) return false;
  const int all = threads_of_process();
  return all > 0 && all - runtime_threads() - sanitizer_threads <= callers;
}

}  // namespace

hold_deadlock_check::hold_deadlock_check() noexcept {
  held.fetch_add(1, std::memory_order_relaxed);  // see above
}
hold_deadlock_check::~hold_deadlock_check() {
  held.fetch_sub(1, std::memory_order_relaxed);  // see above
}

void begin_deadlock_check(bool by_thread) noexcept {
  if (by_thread) waiting_callers.fetch_add(1, std::memory_order_relaxed);  // see above
  wanted.fetch_add(1, std::memory_order_relaxed);                          // see above
}

void end_deadlock_check(bool by_thread) noexcept {
  if (by_thread) waiting_callers.fetch_sub(1, std::memory_order_relaxed);  // see above
  wanted.fetch_sub(1, std::memory_order_relaxed);                          // see above
}

bool deadlock_check_wanted() noexcept {
  return wanted.load(std::memory_order_relaxed) != 0;  // see above
}

bool nothing_can_happen() noexcept {
  const auto nobody_is_busy = [] {
    return busy_anywhere.load(std::memory_order_relaxed) == 0;  // see above
  };
  // What fires is in the queue, then being fired, then on a worker: asked in this order it
  // is not missed between two places.
  return nobody_is_busy() && held.load(std::memory_order_relaxed) == 0 &&  // see above
         clock::real().pending() == 0 &&
         clock_state::of(clock::real()).firing.load(std::memory_order_acquire) == 0 &&  // [settle]
         only_callers_wait() && nobody_is_busy();
}

void die_of_deadlock() noexcept {
  static std::atomic<bool> reporting{false};
  // One report; whoever comes second waits for its end.
  while (reporting.exchange(true, std::memory_order_relaxed))
    std::this_thread::yield();  // see above
  std::string text = "fatal error: all goroutines are asleep - deadlock!\n\n";
  for (const goroutine_info& g : list_goroutines()) text += to_string(g) + '\n';
  write_text(STDERR_FILENO, text);
  std::abort();
}

}  // namespace downhaul::impl
