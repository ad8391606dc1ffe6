// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// EG-001 to 016: the group.
#include "downhaul/group.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <stdexcept>
#include <string>
#include <system_error>
#include <type_traits>
#include <vector>

#include "downhaul/chan.hpp"
#include "downhaul/context.hpp"
#include "downhaul/error.hpp"
#include "downhaul/runtime.hpp"
#include "support/crew.hpp"
#include "support/parked.hpp"

namespace {

namespace dh = downhaul;
using downhaul_test::all_places;
using downhaul_test::await_parked;
using downhaul_test::crew;
using downhaul_test::place;

template <class F>
std::string thrown_by(F&& f) {
  try {
    f();
  } catch (const std::exception& e) {
    return e.what();
  }
  return "nothing";
}
std::string cause_of(const dh::context& ctx) { return ctx.reason(); }

// deviates: There is no default-made group, for a group owns its context; one below background() has no limit.
TEST(EG_001, a_group_below_the_background_has_no_limit_and_no_deadline) {
  static_assert(!std::is_default_constructible_v<dh::group>);
  dh::group g{dh::background()};
  EXPECT_FALSE(g.ctx().deadline());
  EXPECT_FALSE(g.ctx().err());
  auto go_on = dh::make_chan<void>();
  std::atomic<int> running{0};
  for (int i = 0; i < 1000; ++i) {
    EXPECT_TRUE(g.try_go([&] {
      ++running;
      go_on.recv();
    }));
  }
  await_parked("chan receive", 1000);
  EXPECT_EQ(running.load(), 1000);
  go_on.close();
  g.wait();
}

TEST(EG_002, wait_blocks_until_all_have_returned_and_gives_the_first_failure_in_time) {
  for (const place where : all_places) {
    auto second_fails = dh::make_chan<void>();
    auto first_fails = dh::make_chan<void>();
    std::atomic<int> returned{0};
    dh::group g{dh::background()};
    g.go([&] {
      first_fails.recv();
      ++returned;
      throw std::runtime_error{"started first"};
    });
    g.go([&] {
      second_fails.recv();
      ++returned;
      throw std::runtime_error{"failed first"};
    });
    crew waiting{where};
    waiting.start([&] {
      EXPECT_EQ(thrown_by([&] { g.wait(); }), "failed first");
      EXPECT_EQ(returned.load(), 2);
    });
    await_parked("chan receive", 2);
    second_fails.close();
    g.ctx().done().recv();
    EXPECT_EQ(returned.load(), 1);
    first_fails.close();
    waiting.join();
  }
}

TEST(EG_003, each_wait_gives_the_first_failure_so_far) {
  const auto e1 = std::make_error_code(std::errc::io_error);
  const auto e2 = std::make_error_code(std::errc::no_link);
  struct line {
    std::vector<std::error_code> errors;
    std::error_code first;
  };
  const line lines[] = {{{}, {}},       {{{}}, {}},         {{e1}, e1},
                        {{e1, {}}, e1}, {{e1, {}, e2}, e1}, {{{}, e2, e1}, e2}};
  for (const auto& [errors, first] : lines) {
    dh::group g{dh::background()};
    std::error_code so_far;
    for (const std::error_code error : errors) {
      g.go([error] { return error; });
      if (!so_far) so_far = error;
      try {
        g.wait();
        EXPECT_FALSE(so_far);
      } catch (const std::system_error& e) {
        EXPECT_EQ(e.code(), so_far);
      }
    }
    EXPECT_EQ(so_far, first);
  }
}

TEST(EG_004, the_context_ends_with_the_first_failure_or_when_wait_returns) {
  dh::group fails{dh::background()};
  fails.go([](const dh::context& ctx) {
    EXPECT_FALSE(ctx.err());
    throw std::runtime_error{"e"};
  });
  fails.ctx().done().recv();
  EXPECT_THROW(fails.wait(), std::runtime_error);

  dh::group succeeds{dh::background()};
  auto go_on = dh::make_chan<void>();
  succeeds.go([&] { go_on.recv(); });
  EXPECT_FALSE(succeeds.ctx().err());
  go_on.close();
  succeeds.wait();
  EXPECT_EQ(succeeds.ctx().err(), dh::errc::canceled);
}

TEST(EG_005, its_cause_is_the_first_failure_and_its_err_is_canceled) {
  dh::group fails{dh::background()};
  fails.go([] { throw std::runtime_error{"out of paper"}; });
  EXPECT_EQ(thrown_by([&] { fails.wait(); }), "out of paper");
  EXPECT_EQ(fails.ctx().err(), dh::errc::canceled);
  EXPECT_EQ(cause_of(fails.ctx()), "out of paper");
  dh::group by_code{dh::background()};
  by_code.go([] { return std::make_error_code(std::errc::io_error); });
  EXPECT_THROW(by_code.wait(), std::system_error);
  EXPECT_EQ(by_code.ctx().err(), dh::errc::canceled);
  EXPECT_EQ(cause_of(by_code.ctx()),
            std::system_error{std::make_error_code(std::errc::io_error)}.what());
  dh::group succeeds{dh::background()};
  succeeds.go([] {});
  succeeds.wait();
  EXPECT_EQ(succeeds.ctx().err(), dh::errc::canceled);
  EXPECT_EQ(cause_of(succeeds.ctx()), "context canceled");
}

TEST(EG_006, siblings_are_cancelled_when_the_failing_one_returns) {
  dh::group g{dh::background()};
  std::atomic<int> stopped{0};
  for (int i = 0; i < 3; ++i) {
    g.go([&](const dh::context& ctx) {
      ctx.done().recv();  // would wait for ever if the failure waited for wait()
      ++stopped;
    });
  }
  g.go([] { throw std::runtime_error{"e"}; });
  EXPECT_THROW(g.wait(), std::runtime_error);
  EXPECT_EQ(stopped.load(), 3);
}

TEST(EG_007, later_failures_are_dropped) {
  dh::group g{dh::background()};
  g.go([] { throw std::runtime_error{"first"}; });
  g.ctx().done().recv();
  for (int i = 0; i < 10; ++i) g.go([] { throw std::runtime_error{"later"}; });
  EXPECT_EQ(thrown_by([&] { g.wait(); }), "first");
  EXPECT_EQ(thrown_by([&] { g.wait(); }), "first");
  EXPECT_EQ(cause_of(g.ctx()), "first");
}

TEST(EG_008, at_most_so_many_run_at_a_time_and_go_waits_for_a_place) {
  dh::group g{dh::background()};
  g.set_limit(10);
  std::atomic<int> active{0};
  std::atomic<int> ran{0};
  for (int i = 0; i < 1025; ++i) {
    g.go([&] {
      EXPECT_LE(++active, 10);
      dh::yield();
      --active;
      ++ran;
    });
  }
  g.wait();
  EXPECT_EQ(ran.load(), 1025);
}

TEST(EG_009, a_limit_of_none_starts_nothing_and_a_negative_one_is_no_limit) {
  dh::group none{dh::background()};
  none.set_limit(0);
  for (int i = 0; i < 10; ++i) EXPECT_FALSE(none.try_go([] { ADD_FAILURE(); }));
  none.set_limit(-1);
  std::atomic<int> ran{0};
  for (int i = 0; i < 100; ++i) EXPECT_TRUE(none.try_go([&] { ++ran; }));
  none.wait();
  EXPECT_EQ(ran.load(), 100);
}

TEST(EG_009, with_a_limit_of_none_go_waits_for_ever) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        dh::run([] {
          dh::group g{dh::background()};
          g.set_limit(0);
          g.go([] {});
        });
      },
      testing::KilledBySignal(SIGABRT), "all goroutines are asleep - deadlock!");
}

TEST(EG_010, the_limit_is_not_changed_while_tasks_are_active) {
  dh::group g{dh::background()};
  auto go_on = dh::make_chan<void>();
  for (int i = 0; i < 3; ++i) g.go([&] { go_on.recv(); });
  EXPECT_EQ(thrown_by([&] { g.set_limit(1); }),
            "errgroup: modify limit while 3 goroutines in the group are still active");
  EXPECT_THROW(g.set_limit(-1), dh::misuse);
  go_on.close();
  g.wait();
  g.set_limit(1);
  EXPECT_TRUE(g.try_go([] {}));
}

TEST(EG_011, try_go_starts_below_the_limit_only) {
  for (const int limit : {42, 1}) {
    dh::group g{dh::background()};
    g.set_limit(limit);
    auto go_on = dh::make_chan<void>();
    for (int i = 0; i < limit; ++i) EXPECT_TRUE(g.try_go([&] { go_on.recv(); })) << i;
    for (int i = 0; i < 3; ++i) EXPECT_FALSE(g.try_go([] { ADD_FAILURE(); }));
    go_on.close();
    g.wait();
    EXPECT_TRUE(g.try_go([] {}));
    g.wait();
  }
  dh::group none{dh::background()};
  none.set_limit(0);
  for (int i = 0; i < 1024; ++i) EXPECT_FALSE(none.try_go([] { ADD_FAILURE(); }));
}

TEST(EG_012, the_place_is_free_when_the_task_has_returned) {
  dh::group g{dh::background()};
  g.set_limit(1);
  auto go_on = dh::make_chan<void>();
  std::atomic<bool> returns{false};
  g.go([&] {
    go_on.recv();
    returns = true;
  });
  crew starting{place::goroutines};
  starting.start([&] {
    g.go([&] { EXPECT_TRUE(returns.load()); });  // waits for the place, not for a wait()
  });
  await_parked("semaphore.Acquire", 1);
  EXPECT_FALSE(g.try_go([] {}));
  go_on.close();
  starting.join();
  g.wait();
}

// deviates: An exception of a task is the group's failure and wait() throws it, as a parallel algorithm would in C++.
TEST(EG_013, an_exception_of_a_task_is_carried_to_wait) {
  dh::group g{dh::background()};
  g.go([] { throw 7; });
  try {
    g.wait();
    ADD_FAILURE();
  } catch (int seven) {
    EXPECT_EQ(seven, 7);
  }
}

TEST(EG_014, go_at_the_limit_waits_for_a_place_though_the_context_has_ended) {
  dh::group g{dh::background()};
  g.set_limit(1);
  auto go_on = dh::make_chan<void>();
  g.go([&] { go_on.recv(); });
  std::atomic<bool> ran{false};
  crew starting{place::goroutines};
  starting.start([&] { g.go([&] { ran = true; }); });
  await_parked("semaphore.Acquire", 1);
  g.cancel();
  EXPECT_EQ(downhaul_test::parked("semaphore.Acquire"), 1U);
  EXPECT_FALSE(ran.load());
  go_on.close();
  starting.join();
  g.wait();
  EXPECT_TRUE(ran.load());
}

TEST(EG_015, after_the_first_wait_tasks_get_a_context_that_has_ended) {
  dh::group g{dh::background()};
  g.wait();
  std::atomic<bool> ran{false};
  g.go([&](const dh::context& ctx) {
    EXPECT_EQ(ctx.err(), dh::errc::canceled);
    ran = true;
  });
  g.wait();
  EXPECT_TRUE(ran.load());
}

TEST(EG_016, is_neither_copied_nor_moved) {
  static_assert(!std::is_copy_constructible_v<dh::group>);
  static_assert(!std::is_move_constructible_v<dh::group>);
  static_assert(!std::is_copy_assignable_v<dh::group_of<int>>);
  static_assert(!std::is_move_constructible_v<dh::group_of<int>>);
}

}  // namespace
