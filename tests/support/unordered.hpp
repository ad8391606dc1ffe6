// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// support/unordered.hpp — telling another task something without ordering anything.
//
// Idea       In a test of one happens-before edge nothing else may order the accesses: the tasks are
//            threads, all started before the first access, and learn when to go on from a `sign`, which
//            is relaxed. A ThreadSanitizer build is the judge; the values are checked in every build.
//            A goroutine is ordered by its worker's queues besides, hence the threads.
// Ownership  a sign outlives the tasks that use it.
// Threads    any.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <utility>

#include "platform/sanitizer.hpp"
#include "support/crew.hpp"

namespace downhaul_test {

// Aligned, for the race detector remembers only a few accesses to each 8 bytes: those who look at a
// sign would make it forget the plain variable beside it.
class alignas(64) sign {
 public:
  void raise() noexcept { up_.store(true, std::memory_order_relaxed); }
  bool is_up() const noexcept { return up_.load(std::memory_order_relaxed); }
  void await() const noexcept {
    while (!is_up()) give_way();
  }

 private:
  std::atomic<bool> up_{false};
};

/// Runs a() and b() on threads of their own. The library knows both threads before either begins, so
/// that making themselves known does not order them.
template <class A, class B>
void on_two_threads(A a, B b) {
  std::atomic<int> known{0};
  const auto meet = [&known] {
    static_cast<void>(downhaul::impl::this_waiter());
    known.fetch_add(1);
    wait_until([&] { return known.load() == 2; });
  };
  crew both{place::threads};
  both.start([meet, a = std::move(a)]() mutable { meet(), a(); });
  both.start([meet, b = std::move(b)]() mutable { meet(), b(); });
}

/// The same; when b() is parked for `why`, a() is told so by the sign, which orders nothing.
template <class A, class B>
void once_parked(downhaul::impl::wait_reason why, A a, B b) {
  sign parked;
  crew both{place::threads};
  both.start([&parked, a = std::move(a)]() mutable {
    static_cast<void>(downhaul::impl::this_waiter());
    parked.await();
    a();
  });
  both.start(std::move(b));
  both.wait_until_parked(1, why);
  parked.raise();
}

/// In a ThreadSanitizer build: f(), in a process of its own, is reported as a race. So what is said
/// to order nothing does order nothing, and the judge can see it: one report proves it. A try without
/// one proves nothing, for the judge forgets accesses and others may order the two by chance, so there
/// are many tries.
template <class F>
void expect_race([[maybe_unused]] F f) {
#if DOWNHAUL_TSAN
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        for (int i = 0; i < 100; ++i) f();
        std::exit(0);
      },
      testing::ExitedWithCode(66), "ThreadSanitizer: data race");
#endif
}

}  // namespace downhaul_test
