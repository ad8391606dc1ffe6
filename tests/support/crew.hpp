// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// support/crew.hpp — tasks of a test, on threads or on goroutines, and whether they are parked.
//
// Idea       crew c{place::goroutines}; c.start(f); c.wait_until_parked(0, reason); …; c.join().
//            The same test then runs with threads, with goroutines, and with both.
// Ownership  The end of a crew joins it: a test that forgets to wake a task hangs, and is killed by
//            the time-out of ctest. A joined crew has left no goroutine behind.
// Threads    One, which may be a goroutine only if no task is a thread.
#pragma once

#include <atomic>
#include <cstddef>
#include <deque>
#include <functional>
#include <ostream>
#include <thread>
#include <utility>

#include "downhaul/go.hpp"
#include "platform/sanitizer.hpp"
#include "wait/thread_record.hpp"
#include "wait/waiter.hpp"

namespace downhaul_test {

/// Where tasks run; mixed: every other one on a thread.
enum class place { threads, goroutines, mixed };

inline constexpr place all_places[] = {place::threads, place::goroutines, place::mixed};

inline std::ostream& operator<<(std::ostream& out, place p) {
  return out << (p == place::threads ? "threads" : p == place::goroutines ? "goroutines" : "mixed");
}

inline constexpr bool sanitized = DOWNHAUL_ASAN || DOWNHAUL_TSAN || DOWNHAUL_VALGRIND;

#ifdef DOWNHAUL_CHECKED
inline constexpr bool checked = true;
#else
inline constexpr bool checked = false;
#endif

/// Rounds of a long test: a tenth of them where a sanitizer makes each many times slower, or a checked
/// build, which changes threads at each wait.
constexpr int rounds(int plain) { return sanitized || checked ? (plain + 9) / 10 : plain; }

/// Gives way to other goroutines and, where the machine is busy, to other threads.
inline void give_way() {
  downhaul::yield();
  std::this_thread::yield();
}

template <class Condition>
void wait_until(Condition holds) {
  while (!holds()) give_way();
}

class crew {
 public:
  explicit crew(place where = place::threads) : where_{where} {}
  crew(const crew&) = delete;
  crew& operator=(const crew&) = delete;
  ~crew() { join(); }

  /// Runs f() as one more task; returns its number.
  template <class F>
  std::size_t start(F f) {
    const std::size_t number = members_.size();
    member& m = members_.emplace_back();
    auto body = [this, &m, f = std::move(f)]() mutable {
      m.who.store(&downhaul::impl::this_waiter());
      f();
      m.who.store(nullptr);
      left_.fetch_sub(1);
    };
    left_.fetch_add(1);
    const bool thread = where_ == place::threads || (where_ == place::mixed && number % 2 == 0);
    if (thread) {
      m.thread = std::thread{std::move(body)};
    } else {
      if (goroutines_ == 0) before_ = alive();
      ++goroutines_;
      downhaul::go(std::move(body));
    }
    return number;
  }

  /// Returns when task `number` waits for that; its nodes hang on their sources then. It may be
  /// woken right away, if the test has somebody who does so.
  void wait_until_parked(std::size_t number, downhaul::impl::wait_reason why) const {
    const member& m = members_[number];
    wait_until([&] {
      downhaul::impl::waiter* who = m.who.load();
      if (who == nullptr) return false;
      // Between its notify and its next wait a task still shows the reason of the last one.
      return who->state_word().load() == downhaul::impl::waiter::parked && who->reason() == why;
    });
  }
  void join() {
    for (member& m : members_) {
      if (m.thread.joinable()) m.thread.join();
    }
    wait_until([&] { return left_.load() == 0; });
    if (goroutines_ > 0) wait_until([&] { return alive() <= before_; });
    goroutines_ = 0;
  }

 private:
  struct member {
    std::atomic<downhaul::impl::waiter*> who{nullptr};
    std::thread thread;
  };

  static std::int64_t alive() { return downhaul::impl::total(downhaul::impl::tally::goroutines); }

  const place where_;
  std::deque<member> members_;  // stable addresses
  std::atomic<int> left_{0};
  int goroutines_ = 0;
  std::int64_t before_ = 0;
};

}  // namespace downhaul_test
