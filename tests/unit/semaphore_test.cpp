// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
#include "downhaul/semaphore.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <random>
#include <string>
#include <type_traits>

#include "downhaul/context.hpp"
#include "downhaul/error.hpp"
#include "downhaul/runtime.hpp"
#include "support/crew.hpp"
#include "support/leaves_nothing.hpp"
#include "support/seed.hpp"

namespace {

namespace dh = downhaul;
using namespace std::chrono_literals;
using dh::impl::wait_reason;
using downhaul_test::all_places;
using downhaul_test::crew;
using downhaul_test::place;
using downhaul_test::rounds;

class semaphore : public downhaul_test::leaves_nothing {};

static_assert(!std::is_copy_constructible_v<dh::semaphore>);
static_assert(!std::is_move_constructible_v<dh::semaphore>);

template <class F>
std::string misuse_of(F&& f) {
  try {
    f();
  } catch (const dh::misuse& e) {
    return e.what();
  }
  return "no misuse";
}

TEST_F(semaphore, refuses_negative_numbers) {
  EXPECT_EQ(misuse_of([] { dh::semaphore s{-1}; }), "semaphore: negative units");
  dh::semaphore s{1};
  EXPECT_EQ(misuse_of([&] { s.acquire(-1); }), "semaphore: negative units");
  EXPECT_EQ(misuse_of([&] { s.acquire(dh::background(), -1); }), "semaphore: negative units");
  EXPECT_EQ(misuse_of([&] { static_cast<void>(s.try_acquire(-1)); }), "semaphore: negative units");
  EXPECT_EQ(misuse_of([&] { s.release(-1); }), "semaphore: negative units");
  EXPECT_TRUE(s.try_acquire());
}

TEST_F(semaphore, what_is_released_is_what_somebody_acquired_whoever_that_was) {
  dh::semaphore s{1};
  crew other{place::threads};
  other.start([&] { s.acquire(); });
  other.join();
  EXPECT_FALSE(s.try_acquire());
  s.release();
  EXPECT_TRUE(s.try_acquire());
}

TEST_F(semaphore, orders_what_its_holders_do) {
  for (const place where : all_places) {
    dh::semaphore s{3};
    int writers = 0;  // all three units held
    crew tasks{where};
    for (int i = 0; i < 4; ++i) {
      tasks.start([&] {
        for (int n = 0; n < rounds(2'000); ++n) {
          s.acquire(3);
          ++writers;
          s.release(3);
          s.acquire(1);
          EXPECT_GT(writers, 0);
          s.release(1);
        }
      });
    }
    tasks.join();
    EXPECT_EQ(writers, 4 * rounds(2'000));
  }
}

// The units are counted by an oracle beside it; contexts end at random.
TEST_F(semaphore, never_lets_in_more_than_there_are_and_loses_none) {
  constexpr int units = 10;
  for (const place where : all_places) {
    dh::semaphore s{units};
    std::atomic<int> held{0};
    crew tasks{where};
    for (std::uint64_t i = 0; i < 6; ++i) {
      tasks.start([&, i] {
        std::mt19937_64 rng{downhaul_test::seed() + i};
        for (int n = 0; n < rounds(1'000); ++n) {
          const int want = 1 + static_cast<int>(rng() % units);
          auto [ctx, cancel] =
              dh::with_timeout(dh::background(), std::chrono::microseconds{rng() % 200});
          std::error_code ec;
          s.acquire(ctx, want, ec);
          if (ec) continue;
          EXPECT_LE(held.fetch_add(want) + want, units);
          if (n % 4 == 0) dh::yield();
          held.fetch_sub(want);
          s.release(want);
        }
      });
    }
    tasks.join();
    EXPECT_TRUE(s.try_acquire(units)) << "all have come back";
  }
}

TEST_F(semaphore, may_be_destroyed_by_the_one_that_a_release_let_in) {
  for (int i = 0; i < rounds(1'000); ++i) {
    auto s = std::make_unique<dh::semaphore>(1);
    s->acquire();
    crew last{i % 2 == 0 ? place::threads : place::goroutines};
    dh::semaphore* const seen = s.get();
    last.start([&] {
      seen->acquire();
      s.reset();
    });
    last.wait_until_parked(0, wait_reason::semaphore_acquire);
    seen->release();
    last.join();
  }
}

}  // namespace
