// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
#include "downhaul/wait_group.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <limits>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <type_traits>
#include <vector>

#include "downhaul/chan.hpp"
#include "downhaul/context.hpp"
#include "downhaul/runtime.hpp"
#include "support/parked.hpp"

namespace {

namespace dh = downhaul;
using downhaul_test::await_no_goroutines;
using downhaul_test::await_parked;

static_assert(!std::is_copy_constructible_v<dh::wait_group>);
static_assert(!std::is_move_constructible_v<dh::wait_group>);
static_assert(!std::is_copy_assignable_v<dh::wait_group>);
constinit dh::wait_group made_before_main;

template <class F>
std::string misuse_of(F&& f) {
  try {
    f();
  } catch (const dh::misuse& e) {
    return e.what();
  }
  return "no misuse";
}

TEST(wait_group, returns_at_once_while_nothing_was_added) {
  dh::wait_group wg;
  wg.wait();
  made_before_main.wait();
}

TEST(wait_group, waits_for_every_task_and_shows_what_each_did) {
  std::array<int, 16> done{};
  dh::wait_group wg;
  for (int& d : done) wg.go([&d] { d = 1; });
  wg.wait();
  EXPECT_THAT(done, testing::Each(1));
  await_no_goroutines();
}

TEST(wait_group, may_be_used_again_and_again_as_a_barrier) {
  constexpr int n = 16;
  dh::wait_group one;
  dh::wait_group two;
  for (int round = 0; round < 8; ++round) {
    auto exited = dh::make_chan<bool>(n);
    one.add(n);
    two.add(n);
    for (int i = 0; i < n; ++i) {
      dh::go([&, exited] {
        one.done();
        two.wait();
        exited.send(true);
      });
    }
    one.wait();
    for (int i = 0; i < n; ++i) {
      EXPECT_EQ(exited.try_recv(), std::nullopt) << "released too early";
      two.done();
    }
    for (int i = 0; i < n; ++i) exited.recv();
  }
  await_no_goroutines();
}

TEST(wait_group, never_returns_before_both_of_two_tasks_are_done) {
  for (int round = 0; round < 1000; ++round) {
    dh::wait_group wg;
    std::atomic<int> n{0};
    wg.add(2);
    for (int i = 0; i < 2; ++i) {
      dh::go([&] {
        n.fetch_add(1);
        wg.done();
      });
    }
    wg.wait();
    ASSERT_EQ(n.load(), 2);
  }
  await_no_goroutines();
}

TEST(wait_group, releases_all_waiters_threads_and_goroutines_together) {
  dh::wait_group wg;
  dh::wait_group released;
  wg.add();
  for (int i = 0; i < 4; ++i) released.go([&] { wg.wait(); });
  std::thread plain{[&] { wg.wait(); }};
  await_parked("sync.WaitGroup.Wait", 4);
  wg.done();
  released.wait();
  plain.join();
  await_no_goroutines();
}

TEST(wait_group, says_what_is_wrong_with_a_negative_counter_and_stays_usable) {
  dh::wait_group wg;
  constexpr auto negative = "sync: negative WaitGroup counter";
  EXPECT_EQ(misuse_of([&] { wg.done(); }), negative);
  wg.add();
  wg.done();
  EXPECT_EQ(misuse_of([&] { wg.done(); }), negative);
  wg.add(3);
  EXPECT_EQ(misuse_of([&] { wg.add(-4); }), negative);
  EXPECT_EQ(misuse_of([&] { wg.add(std::numeric_limits<std::int32_t>::max()); }), negative);
  EXPECT_EQ(misuse_of([&] { wg.add(std::numeric_limits<std::ptrdiff_t>::max()); }), negative);
  EXPECT_EQ(misuse_of([&] { wg.add(std::numeric_limits<std::ptrdiff_t>::min()); }), negative);
  EXPECT_EQ(misuse_of([&] { wg.add(std::ptrdiff_t{1} << 32); }), negative);
  wg.add(-2);
  wg.done();
  wg.wait();
  wg.add(std::numeric_limits<std::int32_t>::max());
  wg.add(-std::numeric_limits<std::int32_t>::max());
  wg.wait();
}

TEST(wait_group, may_grow_while_somebody_waits_and_tasks_are_open) {
  dh::wait_group wg;
  std::atomic<int> ran{0};
  wg.go([&] {
    for (int i = 0; i < 10; ++i) wg.go([&] { ran.fetch_add(1); });
  });
  wg.wait();
  EXPECT_EQ(ran.load(), 10);
  await_no_goroutines();
}

// The waiter destroys the group at once, while the last done() is still on its way out. Sanitizers
// are the oracle.
TEST(wait_group, may_be_destroyed_as_soon_as_wait_returns) {
  for (int round = 0; round < 2000; ++round) {
    auto wg = std::make_unique<dh::wait_group>();
    wg->add(2);
    dh::go([w = wg.get()] { w->done(); });
    std::thread plain;
    if (round % 8 == 0) {
      plain = std::thread{[w = wg.get()] { w->done(); }};
    } else {
      dh::go([w = wg.get()] { w->done(); });
    }
    wg->wait();
    wg.reset();
    if (plain.joinable()) plain.join();
  }
  await_no_goroutines();
}

TEST(wait_group, counts_a_task_that_ends_by_a_context_error_as_done) {
  auto [ctx, cancel] = dh::with_cancel(dh::background());
  auto never = dh::make_chan<int>();
  dh::wait_group wg;
  for (int i = 0; i < 3; ++i) wg.go([never, c = ctx] { never.recv(c); });
  await_parked(3);
  cancel();
  wg.wait();
  await_no_goroutines();
}

TEST(wait_group, destroys_what_a_task_captured_before_it_is_done) {
  const auto captured = std::make_shared<int>(1);
  dh::wait_group wg;
  for (int i = 0; i < 100; ++i) {
    wg.go([captured] {});
    wg.wait();
    ASSERT_EQ(captured.use_count(), 1);
  }
  await_no_goroutines();
}

TEST(wait_group, runs_tasks_with_options_and_large_or_move_only_closures) {
  std::array<char, 500> large{};
  large.back() = 'x';
  auto only = std::make_unique<int>(7);
  std::atomic<int> sum{0};
  dh::wait_group wg;
  wg.go([large, &sum] { sum += large.back(); });
  wg.go({.stack = 64 * 1024, .name = "small"}, [only = std::move(only), &sum] { sum += *only; });
  wg.wait();
  EXPECT_EQ(sum.load(), 'x' + 7);
  await_no_goroutines();
}

struct throws_when_copied {
  throws_when_copied() = default;
  throws_when_copied(const throws_when_copied&) { throw std::runtime_error{"no copy"}; }
  void operator()() const {}
};

TEST(wait_group, adds_nothing_when_a_task_cannot_be_made) {
  const throws_when_copied task;
  dh::wait_group wg;
  EXPECT_THROW(wg.go(task), std::runtime_error);
  wg.wait();
  EXPECT_EQ(dh::count_goroutines(), 0U);
}

TEST(wait_group_context, goes_first_if_it_has_ended) {
  auto [ctx, cancel] = dh::with_cancel(dh::background());
  cancel();
  dh::wait_group wg;
  EXPECT_THROW(wg.wait(ctx), dh::context_error);
  std::error_code ec;
  wg.wait(ctx, ec);
  EXPECT_EQ(ec, dh::errc::canceled);
}

TEST(wait_group_context, ends_a_wait_while_the_tasks_go_on) {
  dh::wait_group wg;
  dh::wait_group ended;
  wg.add();
  auto [ctx, cancel] = dh::with_cancel(dh::background());
  for (int i = 0; i < 3; ++i) {
    ended.go([&, c = ctx] {
      std::error_code ec;
      wg.wait(c, ec);
      EXPECT_EQ(ec, dh::errc::canceled);
    });
  }
  await_parked("sync.WaitGroup.Wait", 3);
  cancel();
  ended.wait();
  ended.go([&] {
    std::error_code ec = dh::errc::canceled;
    wg.wait(dh::background(), ec);
    EXPECT_FALSE(ec);
  });
  await_parked("sync.WaitGroup.Wait", 1);
  wg.done();
  ended.wait();
  wg.add();  // and it is whole
  wg.done();
  wg.wait();
  await_no_goroutines();
}

TEST(wait_group_context, and_the_last_task_may_come_at_once) {
  for (int round = 0; round < 1000; ++round) {
    dh::wait_group wg;
    wg.add();
    auto [ctx, cancel] = dh::with_cancel(dh::background());
    dh::wait_group others;
    others.go([&] { cancel(); });
    others.go([&] { wg.done(); });
    std::error_code ec;
    wg.wait(ctx, ec);
    if (ec) {
      wg.wait();
    }
    others.wait();
  }
  await_no_goroutines();
}

#ifdef DOWNHAUL_CHECKED
TEST(wait_group, tells_a_waiter_in_a_checked_build_that_it_was_reused_too_early) {
  dh::runtime one{{.workers = 1}};
  std::string said;
  one.run([&] {
    dh::wait_group wg;
    dh::wait_group waiter;
    wg.add();
    waiter.go([&] { said = misuse_of([&] { wg.wait(); }); });
    dh::yield();
    wg.done();
    wg.add();  // before the waiter ran
    waiter.wait();
    wg.done();
  });
  EXPECT_EQ(said, "sync: WaitGroup is reused before previous Wait has returned");
}
#endif

TEST(wait_group_death, an_exception_ends_the_program_before_the_task_counts_as_done) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(
      {
        dh::wait_group wg;
        wg.go([] { throw std::runtime_error{"it broke"}; });
        wg.wait();
        std::_Exit(0);  // this must not come first
      },
      "panic: .*runtime_error.*it broke");
}

TEST(wait_group_death, names_the_lines_that_started_what_still_runs) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(
      {
        auto never = dh::make_chan<void>();
        dh::wait_group other;
        other.go([never] { never.recv(); });
        dh::wait_group wg;
        wg.go({.name = "stuck"}, [never] { never.recv(); });
        await_parked("chan receive", 2);
        wg.~wait_group();
      },
      "fatal error: wait_group destroyed while 1 of its tasks run\n"
      "\tgoroutine \"stuck\" .chan receive. started at .*wait_group_test.cpp:[0-9]+ [^\n]*\n$");
}

}  // namespace
