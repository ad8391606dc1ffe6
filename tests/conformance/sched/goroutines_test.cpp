// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// SCHED-001 to 012: goroutines.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <functional>
#include <memory>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>

#include "downhaul/blocking.hpp"
#include "downhaul/chan.hpp"
#include "downhaul/context.hpp"
#include "downhaul/defer.hpp"
#include "downhaul/error.hpp"
#include "downhaul/go.hpp"
#include "downhaul/pin.hpp"
#include "downhaul/runtime.hpp"
#include "downhaul/select.hpp"
#include "downhaul/sleep.hpp"
#include "downhaul/timer.hpp"
#include "downhaul/wait_group.hpp"
#include "support/parked.hpp"
#include "support/test_runtime.hpp"

namespace {

namespace dh = downhaul;
using downhaul_test::await_parked;
using downhaul_test::test_runtime;
using testing::HasSubstr;
using testing::Not;
using namespace std::chrono_literals;

pid_t thread_id() { return static_cast<pid_t>(::syscall(SYS_gettid)); }

void die_threadsafe() { GTEST_FLAG_SET(death_test_style, "threadsafe"); }

TEST(SCHED_001, the_function_and_its_arguments_are_evaluated_in_the_caller_at_the_statement) {
  test_runtime one{1};
  const auto here = thread_id();
  pid_t evaluated_on = 0;
  int x = 1;
  std::atomic<int> seen{0};
  const auto make = [&](int by_value) {
    evaluated_on = thread_id();
    return [by_value, &seen] { seen = by_value; };
  };
  one.go(make(x));
  EXPECT_EQ(evaluated_on, here) << "before go() returned";
  x = 2;
  one.run_until_parked();
  EXPECT_EQ(seen.load(), 1);
}

TEST(SCHED_001, what_is_moved_in_belongs_to_the_goroutine) {
  std::atomic<int> seen{0};
  std::weak_ptr<int> watched;
  {
    test_runtime rt;
    auto owned = std::make_unique<int>(7);
    auto shared = std::make_shared<int>(1);
    watched = shared;
    rt.go([owned = std::move(owned), shared = std::move(shared), &seen] { seen = *owned; });
  }
  EXPECT_EQ(seen.load(), 7);
  EXPECT_TRUE(watched.expired());
}

template <class F>
concept can_go = requires(F f) { dh::go(f); };

// deviates: a function with a result is refused, where Go discards the result: a result that nobody can get is a mistake more often than not.
TEST(SCHED_001, nothing_with_a_result_is_accepted) {
  static_assert(can_go<void (*)()>);
  static_assert(!can_go<int (*)()>);
  static_assert(!can_go<void (*)(int)>);
  std::atomic<bool> ran{false};
  test_runtime rt;
  rt.go([&] { ran = true; });
  rt.run_until_parked();
  EXPECT_TRUE(ran.load());
}

template <class F>
void not_catchable(F f) {
  try {
    f();
  } catch (...) {
    std::_Exit(0);
  }
  std::_Exit(0);
}

TEST(SCHED_002, starting_a_null_function_is_fatal_and_cannot_be_caught) {
  die_threadsafe();
  const testing::KilledBySignal aborts{SIGABRT};
  const auto text = testing::ContainsRegex("^fatal error: go of nil func value\n");
  void (*const null)() = nullptr;
  EXPECT_EXIT(not_catchable([&] { dh::go(null); }), aborts, text);
  EXPECT_EXIT(not_catchable([&] { dh::go(std::function<void()>{}); }), aborts, text);
  EXPECT_EXIT(not_catchable([&] { dh::wait_group{}.go(null); }), aborts, text);
  EXPECT_EXIT(not_catchable([&] { dh::runtime{}.go(null); }), aborts, text);
}

// A seed draws the order on one worker: both orders come, so neither is promised.
TEST(SCHED_003, a_new_goroutine_may_run_before_or_after_its_spawner_goes_on) {
  std::set<std::string> orders;
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    test_runtime one{dh::runtime_options{.workers = 1, .seed = seed}};
    std::string order;
    one.run([&] {
      dh::wait_group wg;
      wg.go([&] { order += 'a'; });
      wg.go([&] { order += 'b'; });
      dh::yield();
      order += 'm';
      wg.wait();
    });
    ASSERT_EQ(order.size(), 3U);
    orders.insert(order);
  }
  EXPECT_GT(orders.size(), 1U) << *orders.begin();
}

TEST(SCHED_004, run_returns_what_main_returns_without_waiting_for_goroutines) {
  auto never = dh::make_chan<int>();
  EXPECT_EQ(dh::run([never] {
              for (int i = 0; i < 3; ++i) dh::go([never] { never.recv(); });
              return 7;
            }),
            7);
  await_parked("chan receive", 3);  // they are still there
  never.close();
}

TEST(SCHED_004, the_process_ends_with_main_whatever_goroutines_do) {
  die_threadsafe();
  const auto child = [] {
    std::exit(dh::run([] {
      auto never = dh::make_chan<int>();
      auto started = dh::make_chan<void>();
      dh::go([=] {
        started.send();
        never.recv();
      });
      dh::go([=] {
        started.send();
        for (;;) dh::yield();
      });
      dh::go([=] {
        started.send();
        dh::sleep(1h);
      });
      for (int i = 0; i < 3; ++i) started.recv();
      return 7;
    }));
  };
  EXPECT_EXIT(child(), testing::ExitedWithCode(7), "");
}

struct tells {
  ~tells() { std::fputs("a destructor ran\n", stderr); }
};

// deviates: nothing is unwound, and the process aborts instead of ending with status 2: the core shows the throw, and no destructor hides it by waiting.
TEST(SCHED_005, an_exception_that_leaves_a_goroutine_ends_the_process_and_says_what_and_where) {
  die_threadsafe();
  const auto child = [] {
    dh::run([] {
      dh::go([] {
        const tells other;
        dh::make_chan<int>().recv();
      });
      await_parked("chan receive", 1);
      dh::go({.name = "thrower"}, [] {
        const tells own;
        throw std::out_of_range{"no such thing"};
      });
      dh::make_chan<int>().recv();
    });
  };
  EXPECT_EXIT(child(), testing::KilledBySignal(SIGABRT),
              testing::AllOf(testing::ContainsRegex(
                                 "^panic: std::out_of_range: no such thing\n"
                                 "goroutine \"thrower\" started at .*goroutines_test.cpp:[0-9]+ "),
                             Not(HasSubstr("a destructor ran"))));
}

TEST(SCHED_005, whatever_was_thrown) {
  die_threadsafe();
  const auto child = [](auto thrown) {
    dh::go([thrown] { throw thrown; });
    dh::make_chan<int>().recv();
  };
  const testing::KilledBySignal aborts{SIGABRT};
  EXPECT_EXIT(child(42), aborts, testing::ContainsRegex("^panic: int\ngoroutine started at "));
  EXPECT_EXIT(child(dh::misuse{"close of closed channel"}), aborts,
              testing::ContainsRegex("^panic: downhaul::misuse: close of closed channel\n"));
}

TEST(SCHED_006, only_the_goroutine_itself_can_catch_what_it_throws) {
  die_threadsafe();
  const auto child = [] {
    try {
      dh::wait_group wg;
      wg.go([] { throw std::runtime_error{"not yours"}; });
      wg.wait();
    } catch (...) {
      std::_Exit(0);
    }
  };
  EXPECT_EXIT(child(), testing::KilledBySignal(SIGABRT),
              HasSubstr("panic: std::runtime_error: not yours\n"));
  test_runtime rt;
  std::string caught;
  rt.go([&] {
    try {
      throw std::runtime_error{"mine"};
    } catch (const std::runtime_error& e) {
      caught = e.what();
    }
  });
  rt.run_until_parked();
  EXPECT_EQ(caught, "mine");
}

// deviates: to stop early is to let a context_error leave the goroutine, so that a catch clause on its way sees it, where Go's recover sees nothing of a Goexit.
TEST(SCHED_007, a_goroutine_that_stops_early_runs_what_it_deferred_and_others_go_on) {
  std::string order;
  std::atomic<bool> other{false};
  bool seen = false;
  {
    test_runtime one{1};
    one.go([&] {
      const dh::defer last{[&] { order += 'c'; }};
      const dh::defer middle{[&] { order += 'b'; }};
      try {
        const dh::defer first{[&] { order += 'a'; }};
        throw dh::context_error{dh::errc::canceled};
      } catch (const dh::context_error&) {
        seen = true;
        throw;
      }
    });
    one.go([&] { other = true; });
  }
  EXPECT_EQ(order, "abc");
  EXPECT_TRUE(other.load());
  EXPECT_TRUE(seen);
}

// deviates: run() throws a context_error of main to its caller, like any other exception of main: the caller is there to decide, and "no goroutines (main called runtime.Goexit) - deadlock!" has no place.
TEST(SCHED_008, main_may_stop_early_and_the_others_go_on) {
  auto go_on = dh::make_chan<void>();
  auto over = dh::make_chan<int>();
  EXPECT_THROW(dh::run([=] {
                 dh::go([=] {
                   go_on.recv();
                   over.send(7);
                 });
                 throw dh::context_error{dh::errc::canceled};
               }),
               dh::context_error);
  go_on.send();
  EXPECT_EQ(over.recv(), 7);
}

TEST(SCHED_009, a_loop_that_yields_lets_others_get_on) {
  test_runtime one{1};
  std::atomic<bool> flag{false};
  std::atomic<int> turns{0};
  one.go([&] {
    while (!flag.load()) {
      ++turns;
      dh::yield();
    }
  });
  one.go([&] {
    for (int i = 0; i < 100; ++i) dh::yield();
    flag = true;
  });
  one.run_until_parked();
  EXPECT_GE(turns.load(), 90) << "it took its turns too";
}

TEST(SCHED_009, also_when_it_is_pinned) {
  test_runtime one{1};
  std::atomic<bool> flag{false};
  one.go({.pinned = true}, [&] {
    while (!flag.load()) dh::yield();
  });
  one.go([&] {
    const dh::pin own;
    while (!flag.load()) dh::yield();
  });
  one.go([&] { flag = true; });
  one.run_until_parked();
  EXPECT_TRUE(flag.load());
}

// deviates: outside run() the count is 0, for a plain thread is no goroutine.
TEST(SCHED_010, main_is_the_only_goroutine_at_the_start_and_again_when_all_have_ended) {
  EXPECT_EQ(dh::count_goroutines(), 0U);
  dh::run([] {
    EXPECT_EQ(dh::count_goroutines(), 1U);
    auto leave = dh::make_chan<void>();
    for (std::size_t i = 0; i < 5; ++i) {
      dh::go([leave] { leave.recv(); });
      EXPECT_EQ(dh::count_goroutines(), 2 + i);
    }
    leave.close();
    while (dh::count_goroutines() != 1) dh::yield();
    EXPECT_EQ(dh::list_goroutines().size(), 1U);
    EXPECT_EQ(dh::list_goroutines().front().name, "main");
  });
  EXPECT_EQ(dh::count_goroutines(), 0U);
}

TEST(SCHED_010, no_helper_of_the_library_is_counted_or_listed) {
  dh::run([] {
    dh::sleep(1ms);       // the clock's watch, real clock: it is what is looked for
    dh::blocking([] {});  // a thread for calls that block
    const dh::pin own;    // a thread of our own
    auto [ctx, cancel] = dh::with_timeout(dh::background(), 1h);
    EXPECT_EQ(dh::select(dh::recv(ctx.done()), dh::recv(dh::after(1ms))), 1);
    EXPECT_EQ(dh::count_goroutines(), 1U);
    EXPECT_EQ(dh::list_goroutines().size(), 1U);
  });
  EXPECT_TRUE(dh::list_goroutines().empty());
}

// Not inlined: a compiler may keep the address of a thread-local across a wait.
[[gnu::noinline]] int& of_thread() {
  thread_local int value = 0;
  asm volatile("" ::: "memory");
  return value;
}

template <class Info>
concept has_an_id = requires(Info g) { g.id; } || requires(Info g) { g.number; };

TEST(SCHED_011, a_goroutine_has_no_id_and_thread_locals_do_not_follow_it) {
  static_assert(!has_an_id<dh::goroutine_info>);
  test_runtime one{1};
  one.run([] {
    of_thread() = 7;
    {
      const dh::pin elsewhere;  // goes on on another thread
      EXPECT_EQ(of_thread(), 0);
      of_thread() = 8;
      dh::yield();
      EXPECT_EQ(of_thread(), 8) << "pinned, it keeps its thread across waits";
    }
    EXPECT_EQ(of_thread(), 7);
  });
}

bool thread_exists(pid_t id) {
  return ::access(("/proc/self/task/" + std::to_string(id)).c_str(), F_OK) == 0;
}

TEST(SCHED_012, pinning_nests) {
  test_runtime one{1};
  pid_t own = 0;
  one.run([&] {
    const auto worker = thread_id();
    {
      const dh::pin outer;
      own = thread_id();
      EXPECT_NE(own, worker);
      for (int i = 0; i < 3; ++i) {
        const dh::pin inner;
        const dh::pin innermost;
        EXPECT_EQ(thread_id(), own);
      }
      dh::yield();
      EXPECT_EQ(thread_id(), own) << "pinned as long as the outermost";
    }
    dh::yield();
    EXPECT_NE(thread_id(), own);
  });
}

TEST(SCHED_012, a_goroutine_that_ends_while_pinned_takes_the_thread_with_it) {
  test_runtime one{1};
  std::atomic<pid_t> own{0};
  one.go({.pinned = true}, [&] {
    const dh::pin too;
    own = thread_id();
    throw dh::context_error{dh::errc::canceled};
  });
  one.run_until_parked();
  ASSERT_NE(own.load(), 0);
  while (thread_exists(own.load())) std::this_thread::yield();
  EXPECT_EQ(one.goroutines(), 0U);
}

TEST(SCHED_012, channels_block_and_wake_pinned_goroutines) {
  test_runtime one{1};
  auto there = dh::make_chan<int>();
  auto back = dh::make_chan<int>();
  int sum = 0;
  one.go({.pinned = true}, [=] {
    const auto own = thread_id();
    while (auto v = there.recv()) {
      EXPECT_EQ(thread_id(), own);
      back.send(*v);
    }
    back.close();
  });
  one.run([&] {
    const dh::pin mine;
    const auto own = thread_id();
    for (int i = 1; i <= 100; ++i) {
      there.send(i);
      std::optional<int> got;
      EXPECT_EQ(dh::select(dh::recv(back, got)), 0);
      sum += *got;
      EXPECT_EQ(thread_id(), own);
    }
    there.close();
    EXPECT_EQ(back.recv(), std::nullopt);
  });
  EXPECT_EQ(sum, 5050);
}

}  // namespace
