// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// support/failing_allocations.hpp — an operator new that fails when a test says so.
//
// Idea       Link a test with downhaul_test_failing_allocations: that replaces all forms of the
//            program's operator new and delete, in sanitized builds too, where malloc is the
//            sanitizer's. fail_allocation makes one allocation of its thread fail.
// Threads    Each thread has counts of its own. A fail_allocation may be destroyed on another thread
//            than the one that made it: a goroutine that made it may have moved.
// Cost       two increments an allocation.
#pragma once

#include <atomic>

namespace downhaul_test {

struct thread_allocations {
  std::atomic<long> made{0};           // calls of operator new that succeeded
  std::atomic<long> freed{0};          // blocks deleted, whoever made them
  std::atomic<long> until_failure{0};  // 1: the next one fails; 0: none does
};

/// Those of the calling thread.
thread_allocations& allocations_here() noexcept;
/// Calls of operator new that succeeded, on whatever thread.
long allocations_anywhere() noexcept;

/// The nth allocation of this thread from now on fails: std::bad_alloc, or null where the caller
/// asked for that. Only that one, and none once this is gone.
class fail_allocation {
 public:
  explicit fail_allocation(long nth) noexcept : at_{allocations_here()} { at_.until_failure = nth; }
  fail_allocation(const fail_allocation&) = delete;
  fail_allocation& operator=(const fail_allocation&) = delete;
  ~fail_allocation() { at_.until_failure = 0; }

  bool has_failed() const noexcept { return at_.until_failure == 0; }

 private:
  thread_allocations& at_;
};

}  // namespace downhaul_test
