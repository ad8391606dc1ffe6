// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// faults/each_allocation.hpp — a call with its first allocation failing, then its second, …
//
// Idea       fail_each_allocation(attempt) runs attempt() as it is, then again and again with one
//            allocation more succeeding, until none fails. After each failure nothing may be left: no
//            context, goroutine (prepared ones included), timer, pending deadline, or block of memory.
//            That later attempts succeed with the same objects shows that nothing was left locked.
// Threads    The attempt's allocations on the calling thread fail. On a plain thread what the library
//            keeps for reuse is taken away before each attempt, so that it allocates all it ever may.
#pragma once

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <thread>

#include "downhaul/clock.hpp"
#include "sched/goroutine.hpp"
#include "support/failing_allocations.hpp"
#include "support/parked.hpp"
#include "wait/thread_record.hpp"

namespace downhaul_test {

/// Holds all free control blocks that are not in some worker's cache, and frees the small blocks that
/// the calling thread keeps.
class nothing_spare {
 public:
  nothing_spare() noexcept {
    forget_small_blocks();
    const fail_allocation fault{1};
    try {
      for (;;) hoard_.give(*downhaul::impl::take_block());
    } catch (const std::bad_alloc&) {
    }
  }
  nothing_spare(const nothing_spare&) = delete;
  nothing_spare& operator=(const nothing_spare&) = delete;
  ~nothing_spare() {
    while (hoard_.first != nullptr) downhaul::impl::give_block(*hoard_.take());
  }

  /// How many control blocks it holds.
  int held() const noexcept { return hoard_.count; }

  static void forget_small_blocks() noexcept {
    constexpr std::size_t sizes[] = {100, 140, 170,
                                     200};  // one of each class: see spare_blocks.hpp
    constexpr std::size_t most = 8;
    for (const std::size_t size : sizes) {
      void* taken[most];
      for (void*& p : taken) p = downhaul::impl::this_thread().blocks.take(size);
      for (void* const p : taken) ::operator delete(p);
    }
  }

 private:
  downhaul::impl::block_batch hoard_;
};

inline std::size_t blocks_in_use() {
  std::size_t n = 0;
  downhaul::impl::for_each_block(
      [](void* n, downhaul::impl::goroutine&, std::uint32_t) { ++*static_cast<std::size_t*>(n); },
      &n);
  return n;
}

/// What an attempt that failed must not change.
struct left_behind {
  std::int64_t contexts = 0;
  std::int64_t timers = 0;
  std::size_t deadlines = 0;
  std::size_t goroutines = 0;  // prepared ones too
  long memory = 0;             // blocks; of the calling thread

  static left_behind now() {
    using downhaul::impl::tally;
    using downhaul::impl::total;
    await_nothing_under_way();
    left_behind all;
    all.contexts = total(tally::contexts);
    all.timers = total(tally::timers);
    all.deadlines = downhaul::clock::real().pending();
    // One that has ended is no longer counted a moment before its block is free.
    for (int looks = 1000; looks > 0 && (all.goroutines = blocks_in_use()) != 0; --looks) {
      std::this_thread::yield();
    }
    nothing_spare::forget_small_blocks();
    const thread_allocations& mine = allocations_here();
    all.memory = mine.made - mine.freed;
    return all;
  }
};

struct failures {
  int thrown = 0;    // std::bad_alloc came out
  int absorbed = 0;  // the call succeeded nevertheless

  friend bool operator==(const failures&, const failures&) = default;
  friend std::ostream& operator<<(std::ostream& out, const failures& f) {
    return out << f.thrown << " thrown, " << f.absorbed << " absorbed";
  }
};

/// attempt() makes the call and lets go of what it made; check(threw) looks at the objects that the
/// call was given, after each attempt in which an allocation failed. No goroutine may be alive.
template <class Attempt, class Check>
failures fail_each_allocation(Attempt attempt, Check check) {
  attempt();  // what is made once in a process is there
  failures seen;
  for (long nth = 1;; ++nth) {
    const left_behind before = left_behind::now();
    bool failed = false;
    bool threw = false;
    int spare = 0;
    {
      const nothing_spare cold;
      spare = cold.held();
      const fail_allocation fault{nth};
      try {
        attempt();
      } catch (const std::bad_alloc&) {
        threw = true;
      }
      failed = fault.has_failed();
    }
    const left_behind after = left_behind::now();
    const testing::ScopedTrace which{__FILE__, __LINE__, "allocation " + std::to_string(nth)};
    EXPECT_EQ(after.contexts, before.contexts);
    EXPECT_EQ(after.timers, before.timers);
    EXPECT_EQ(after.deadlines, before.deadlines);
    EXPECT_EQ(after.goroutines, before.goroutines);
    if (!failed) {
      EXPECT_FALSE(threw);
      return seen;
    }
    // Slabs of 63 control blocks are kept for ever.
    const long slabs = (nothing_spare{}.held() - spare) / 63;
#ifndef DOWNHAUL_CHECKED  // which keeps for a while what was freed
    if (threw) {
      EXPECT_EQ(after.memory, before.memory + slabs);
    }
#else
    static_cast<void>(slabs);
#endif
    ++(threw ? seen.thrown : seen.absorbed);
    check(threw);
    if (nth >= 1000) {
      ADD_FAILURE() << "it allocates for ever";
      return seen;
    }
  }
}

template <class Attempt>
failures fail_each_allocation(Attempt attempt) {
  return fail_each_allocation(attempt, [](bool) {});
}

}  // namespace downhaul_test
