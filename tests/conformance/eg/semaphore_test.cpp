// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// EG-020 to 028: the weighted semaphore.
#include "downhaul/semaphore.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <system_error>
#include <vector>

#include "downhaul/context.hpp"
#include "downhaul/error.hpp"
#include "support/crew.hpp"

namespace {

namespace dh = downhaul;
using dh::impl::wait_reason;
using downhaul_test::all_places;
using downhaul_test::crew;
using downhaul_test::place;
using downhaul_test::rounds;

// Units that are free: what can be taken one by one.
int free_units(dh::semaphore& s) {
  int n = 0;
  while (s.try_acquire()) ++n;
  if (n > 0) s.release(n);
  return n;
}

TEST(EG_020, acquire_takes_what_is_free_and_else_waits_in_the_order_of_arrival) {
  for (const place where : all_places) {
    dh::semaphore s{3};
    s.acquire(dh::background(), 2);
    s.acquire(dh::background());
    EXPECT_EQ(free_units(s), 0);
    std::vector<int> order;  // ordered by the releases
    crew waiting{where};
    for (int i = 0; i < 3; ++i) {
      waiting.start([&, i] {
        s.acquire(dh::background(), 2);
        order.push_back(i);
        s.release(2);
      });
      waiting.wait_until_parked(static_cast<std::size_t>(i), wait_reason::semaphore_acquire);
    }
    s.release(2);
    waiting.join();
    EXPECT_THAT(order, testing::ElementsAre(0, 1, 2));
    s.release();
    EXPECT_EQ(free_units(s), 3);
  }
}

TEST(EG_020, who_comes_while_somebody_waits_queues_though_it_would_fit) {
  dh::semaphore s{3};
  s.acquire(2);
  crew waiting{place::goroutines};
  waiting.start([&] { s.acquire(2); });
  waiting.wait_until_parked(0, wait_reason::semaphore_acquire);
  waiting.start([&] { s.acquire(1); });
  waiting.wait_until_parked(1, wait_reason::semaphore_acquire);
  s.release(2);
  waiting.join();
  s.release(3);
  EXPECT_EQ(free_units(s), 3);
}

TEST(EG_021, a_context_that_has_ended_wins_over_free_units) {
  dh::semaphore s{2};
  auto [ctx, cancel] = dh::with_cancel(dh::background());
  cancel();
  EXPECT_THROW(s.acquire(ctx, 1), dh::context_error);
  std::error_code ec;
  s.acquire(ctx, 1, ec);
  EXPECT_EQ(ec, dh::errc::canceled);
  s.acquire(ctx, ec);
  EXPECT_EQ(ec, dh::errc::canceled);
  EXPECT_EQ(free_units(s), 2);
}

TEST(EG_022, a_context_that_ends_meanwhile_leaves_the_units_as_they_were) {
  for (const place where : all_places) {
    dh::semaphore s{2};
    s.acquire(1);
    auto [ctx, cancel] = dh::with_cancel(dh::background());
    crew waiting{where};
    waiting.start([&, ctx = ctx] {
      std::error_code ec;
      s.acquire(ctx, 2, ec);
      EXPECT_EQ(ec, dh::errc::canceled);
    });
    waiting.wait_until_parked(0, wait_reason::semaphore_acquire);
    cancel();
    waiting.join();
    EXPECT_EQ(free_units(s), 1);
    s.release();
    EXPECT_EQ(free_units(s), 2);
  }
}

// deviates: A grant that came first is kept, though the context ends right after it: what completed is not undone.
TEST(EG_022, of_a_grant_and_a_cancel_that_race_one_wins_and_no_unit_is_lost) {
  int granted = 0;
  for (int round = 0; round < rounds(2'000); ++round) {
    dh::semaphore s{1};
    s.acquire();
    auto [ctx, cancel] = dh::with_cancel(dh::background());
    bool mine = false;
    crew racing{round % 2 == 0 ? place::goroutines : place::threads};
    racing.start([&, ctx = ctx] {
      std::error_code ec;
      s.acquire(ctx, 1, ec);
      mine = !ec;
    });
    racing.wait_until_parked(0, wait_reason::semaphore_acquire);
    racing.start([&] { s.release(); });
    cancel();
    racing.join();
    granted += mine ? 1 : 0;
    ASSERT_EQ(free_units(s), mine ? 0 : 1);
  }
  EXPECT_GE(granted, 0);
}

TEST(EG_023, when_the_first_in_line_gives_up_those_behind_it_that_fit_are_let_in) {
  for (const place where : all_places) {
    dh::semaphore s{10};
    s.acquire(1);
    auto [ctx, cancel] = dh::with_cancel(dh::background());
    crew waiting{where};
    waiting.start([&, ctx = ctx] { EXPECT_THROW(s.acquire(ctx, 10), dh::context_error); });
    waiting.wait_until_parked(0, wait_reason::semaphore_acquire);
    waiting.start([&] { s.acquire(5); });
    waiting.wait_until_parked(1, wait_reason::semaphore_acquire);
    waiting.start([&] { s.acquire(4); });
    waiting.wait_until_parked(2, wait_reason::semaphore_acquire);
    cancel();
    waiting.join();  // would hang
    EXPECT_EQ(free_units(s), 0);
    s.release(10);
  }
}

TEST(EG_024, a_request_for_more_than_there_are_waits_for_its_context_and_holds_up_nobody) {
  dh::semaphore s{2};
  auto [ctx, cancel] = dh::with_cancel(dh::background());
  crew waiting{place::goroutines};
  waiting.start([&, ctx = ctx] {
    std::error_code ec;
    s.acquire(ctx, 3, ec);
    EXPECT_EQ(ec, dh::errc::canceled);
  });
  waiting.wait_until_parked(0, wait_reason::semaphore_acquire);
  for (int i = 0; i < 10; ++i) {
    s.acquire(dh::background(), 2);
    EXPECT_FALSE(s.try_acquire());
    s.release(2);
  }
  cancel();
  waiting.join();
  EXPECT_EQ(free_units(s), 2);
}

TEST(EG_025, many_small_requests_do_not_overtake_a_large_one) {
  dh::semaphore s{4};
  s.acquire(1);
  std::atomic<bool> over{false};
  crew tasks{place::goroutines};
  tasks.start([&] {
    s.acquire(4);
    over = true;
    s.release(4);
  });
  tasks.wait_until_parked(0, wait_reason::semaphore_acquire);
  for (int i = 0; i < 4; ++i) {
    tasks.start([&] {
      while (!over) {  // ends only if the large one gets in between
        s.acquire();
        s.release();
      }
    });
  }
  EXPECT_FALSE(s.try_acquire());
  s.release();
  tasks.join();
  EXPECT_EQ(free_units(s), 4);
}

TEST(EG_026, try_acquire_never_waits) {
  dh::semaphore s{2};
  EXPECT_TRUE(s.try_acquire(2));
  EXPECT_FALSE(s.try_acquire());
  s.release(2);
  EXPECT_TRUE(s.try_acquire());
  s.acquire();
  EXPECT_FALSE(s.try_acquire());
  EXPECT_TRUE(s.try_acquire(0));
  s.release(2);
}

TEST(EG_026, try_acquire_fails_while_somebody_waits_though_units_are_free) {
  dh::semaphore s{2};
  s.acquire();
  crew waiting{place::goroutines};
  waiting.start([&] { s.acquire(2); });
  waiting.wait_until_parked(0, wait_reason::semaphore_acquire);
  EXPECT_FALSE(s.try_acquire());
  EXPECT_FALSE(s.try_acquire(0));
  s.release();
  waiting.join();
  s.release(2);
}

TEST(EG_027, releasing_more_than_is_held_throws_and_changes_nothing) {
  dh::semaphore s{2};
  try {
    s.release();
    ADD_FAILURE();
  } catch (const dh::misuse& e) {
    EXPECT_STREQ(e.what(), "semaphore: released more than held");
  }
  s.acquire();
  EXPECT_THROW(s.release(2), dh::misuse);
  EXPECT_EQ(free_units(s), 1) << "no lock is left held, no unit is lost";
  s.release();
}

TEST(EG_028, one_release_lets_in_all_that_fit_in_their_order) {
  dh::semaphore s{6};
  s.acquire(6);
  std::atomic<int> in{0};
  crew waiting{place::goroutines};
  const int wanted[] = {1, 2, 3, 1};
  for (std::size_t i = 0; i < 4; ++i) {
    waiting.start([&, n = wanted[i]] {
      s.acquire(n);
      ++in;
    });
    waiting.wait_until_parked(i, wait_reason::semaphore_acquire);
  }
  s.release(5);  // 1 and 2, but not 3, and so not the last
  downhaul_test::wait_until([&] { return in.load() == 2; });
  waiting.wait_until_parked(2, wait_reason::semaphore_acquire);
  waiting.wait_until_parked(3, wait_reason::semaphore_acquire);
  EXPECT_FALSE(s.try_acquire());
  s.release(1);
  downhaul_test::wait_until([&] { return in.load() == 3; });
  s.release(3);
  waiting.join();
  s.release(4);
  EXPECT_EQ(free_units(s), 6);
}

}  // namespace
