// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// SCHED-050 to 054: deadlocks, and the list of goroutines.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <pthread.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>

#include "downhaul/blocking.hpp"
#include "downhaul/chan.hpp"
#include "downhaul/condition_variable.hpp"
#include "downhaul/context.hpp"
#include "downhaul/go.hpp"
#include "downhaul/mutex.hpp"
#include "downhaul/once.hpp"
#include "downhaul/pin.hpp"
#include "downhaul/runtime.hpp"
#include "downhaul/select.hpp"
#include "downhaul/shared_mutex.hpp"
#include "downhaul/signal.hpp"
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
using namespace std::chrono_literals;

constexpr auto report = "^fatal error: all goroutines are asleep - deadlock!\n\n";
// real clock: how long the check, which looks twice 20 ms apart, is kept waiting.
constexpr auto longer_than_the_check_takes = 80ms;

void die_threadsafe() { GTEST_FLAG_SET(death_test_style, "threadsafe"); }

template <class Main>
void run_and_exit(Main main) {
  dh::run(main);
  std::_Exit(0);
}

const testing::KilledBySignal aborts{SIGABRT};

// deviates: the process aborts instead of ending with status 2, as after every fatal error.
TEST(SCHED_050, main_that_waits_for_nothing_is_a_deadlock) {
  die_threadsafe();
  EXPECT_EXIT(run_and_exit([] { dh::select(); }), aborts, testing::ContainsRegex(report));
  EXPECT_EXIT(run_and_exit([] { dh::make_chan<int>().recv(); }), aborts,
              testing::ContainsRegex(report));
  EXPECT_EXIT(run_and_exit([] { dh::chan<int>{}.send(1); }), aborts,
              testing::ContainsRegex(report));
}

TEST(SCHED_050, so_is_one_that_waits_for_others_who_wait_for_it) {
  die_threadsafe();
  const auto child = [] {
    dh::mutex first;
    dh::mutex second;
    auto have = dh::make_chan<void>();
    dh::wait_group wg;
    const auto lock_both = [&, have](dh::mutex& a, dh::mutex& b) {
      a.lock();
      have.send();
      b.lock();
    };
    wg.go([&] { lock_both(first, second); });
    wg.go([&] { lock_both(second, first); });
    have.recv();
    have.recv();
    wg.wait();
  };
  EXPECT_EXIT(run_and_exit(child), aborts, testing::ContainsRegex(report));
}

const char* const tried_before_main = std::getenv("DOWNHAUL_TEST_DEADLOCK_BEFORE_MAIN");

// Initialisation in C++ is what runs before main(): a static object whose constructor uses run().
const bool waits_before_main = [] {
  if (tried_before_main != nullptr) dh::run([] { dh::select(); });
  return true;
}();

TEST(SCHED_050, also_during_initialisation) {
  die_threadsafe();
  ASSERT_TRUE(waits_before_main);
  // The child is this program, started anew.
  ASSERT_EQ(::setenv("DOWNHAUL_TEST_DEADLOCK_BEFORE_MAIN", "1", 1), 0);
  EXPECT_EXIT(std::_Exit(0), aborts, testing::ContainsRegex(report));
  ::unsetenv("DOWNHAUL_TEST_DEADLOCK_BEFORE_MAIN");
}

TEST(SCHED_050, also_when_main_is_pinned_and_when_another_is) {
  die_threadsafe();
  EXPECT_EXIT(run_and_exit([] {
                const dh::pin own;
                dh::select();
              }),
              aborts, testing::ContainsRegex(report));
  EXPECT_EXIT(run_and_exit([] {
                dh::go({.pinned = true}, [] { dh::select(); });
                dh::make_chan<int>().recv();
              }),
              aborts, testing::ContainsRegex(report));
  EXPECT_EXIT(run_and_exit([] {
                const dh::pin own;
                dh::go({.pinned = true}, [] { dh::select(); });
                dh::make_chan<int>().recv();
              }),
              aborts, testing::ContainsRegex(report));
}

TEST(SCHED_051, a_pending_timer_or_a_sleeping_goroutine_is_none) {
  EXPECT_TRUE(dh::run([] {
    const dh::timer t{longer_than_the_check_takes};
    return t.chan().recv().has_value();
  }));
  EXPECT_TRUE(dh::run([] {
    auto c = dh::make_chan<int>();
    dh::go([c] {
      dh::sleep(longer_than_the_check_takes);
      c.send(1);
    });
    return c.recv().has_value();
  }));
  EXPECT_FALSE(dh::run([] {
    auto [ctx, cancel] = dh::with_timeout(dh::background(), longer_than_the_check_takes);
    return ctx.done().recv();
  }));
}

TEST(SCHED_051, nor_is_a_call_that_blocks) {
  EXPECT_TRUE(dh::run([] {
    auto c = dh::make_chan<int>();
    dh::go([c] {
      // real clock: longer than the check takes
      dh::blocking([] { std::this_thread::sleep_for(longer_than_the_check_takes); });
      c.send(1);
    });
    return c.recv().has_value();
  }));
  // One that was not announced keeps its worker.
  EXPECT_TRUE(dh::run([&] {
    auto c = dh::make_chan<int>();
    dh::go([c] {
      // real clock: longer than the check takes
      std::this_thread::sleep_for(longer_than_the_check_takes);
      c.send(1);
    });
    return c.recv().has_value();
  }));
}

TEST(SCHED_051, nor_is_a_subscription_to_a_signal) {
  EXPECT_EQ(dh::run([] {
              const dh::signal_channel signals{SIGUSR1};
              std::thread other{[] {
                // real clock: see above. This thread does not use the library: only the
                // subscription tells that something may still come.
                std::this_thread::sleep_for(longer_than_the_check_takes);
                ::kill(::getpid(), SIGUSR1);
              }};
              const auto got = signals.recv();
              other.join();
              return got.value_or(0);
            }),
            SIGUSR1);
}

// The thread that called run() is stopped by a signal's handler when main ends: nobody but it has
// anything to do, and it takes longer to notice than the check takes.
TEST(SCHED_051, nor_is_a_main_that_has_ended_while_its_caller_has_not_noticed) {
  struct sigaction slow{};
  struct sigaction before{};
  slow.sa_handler = [](int) {
    timespec rest{.tv_sec = 0, .tv_nsec = 200'000'000};
    while (::nanosleep(&rest, &rest) != 0) {  // real clock: longer than the check takes
    }
  };
  ASSERT_EQ(::sigaction(SIGUSR2, &slow, &before), 0);
  const pthread_t caller = ::pthread_self();
  const int result = dh::run([caller] {
    ::pthread_kill(caller, SIGUSR2);
    return 7;
  });
  EXPECT_EQ(result, 7);
  ASSERT_EQ(::sigaction(SIGUSR2, &before, nullptr), 0);
}

// deviates: the check is made while run(main) is, and only then; any plain thread, other than the caller of run, turns it off: it may use the library next.
TEST(SCHED_052, without_run_nothing_is_reported) {
  auto never = dh::make_chan<int>();
  dh::go([never] { never.recv(); });
  await_parked("chan receive", 1);
  std::this_thread::sleep_for(longer_than_the_check_takes);  // real clock: see above
  EXPECT_EQ(downhaul_test::parked("chan receive"), 1U);
  never.close();
}

TEST(SCHED_052, a_plain_thread_that_uses_the_library_may_still_act) {
  auto c = dh::make_chan<int>();
  auto ready = dh::make_chan<void>();
  std::thread other{[c, ready] {
    ready.recv();
    std::this_thread::sleep_for(longer_than_the_check_takes);  // real clock: see above
    c.send(7);
  }};
  EXPECT_EQ(dh::run([c, ready] {
              ready.send();
              return *c.recv();
            }),
            7);
  other.join();
}

TEST(SCHED_052, a_plain_thread_that_has_not_used_the_library_yet_may_act) {
  auto c = dh::make_chan<int>();
  std::thread other{[c] {
    std::this_thread::sleep_for(longer_than_the_check_takes);  // real clock: see above
    c.send(7);
  }};
  EXPECT_EQ(dh::run([c] { return *c.recv(); }), 7);
  other.join();
}

TEST(SCHED_053, a_deadlock_of_some_is_not_detected_while_others_get_on) {
  auto never = dh::make_chan<int>();
  const bool got_on = dh::run([never] {
    dh::wait_group stuck;
    for (int i = 0; i < 2; ++i) stuck.go([never] { never.recv(); });
    await_parked("chan receive", 2);
    for (int i = 0; i < 8; ++i)
      dh::sleep(longer_than_the_check_takes / 8);  // real clock: see above
    const bool still_stuck = downhaul_test::parked("chan receive") == 2;
    never.close();
    stuck.wait();
    return still_stuck;
  });
  EXPECT_TRUE(got_on);
}

// One goroutine for each way to wait; prints the list and ends the process, for some never end.
void list_all_ways_to_wait() {
  static dh::mutex mu;
  static dh::shared_mutex read;
  static dh::shared_mutex written;
  static dh::condition_variable cv;
  static dh::mutex of_cv;
  static dh::wait_group wg;
  static dh::once once;
  static auto full = dh::make_chan<int>();
  static auto empty = dh::make_chan<int>();
  static std::atomic<bool> over{false};
  mu.lock();
  read.lock_shared();
  written.lock();
  wg.add();
  dh::go({.name = "chan receive"}, [] { empty.recv(); });
  dh::go({.name = "chan send"}, [] { full.send(1); });
  dh::go({.name = "chan receive (nil chan)"}, [] { dh::chan<int>{}.recv(); });
  dh::go({.name = "chan send (nil chan)"}, [] { dh::chan<int>{}.send(1); });
  dh::go({.name = "select"}, [] { dh::select(dh::recv(empty), dh::send(full, 1)); });
  dh::go({.name = "select (no cases)"}, [] { dh::select(); });
  dh::go({.name = "sleep"}, [] { dh::sleep(1h); });
  dh::go({.name = "sync.Mutex.Lock"}, [] { mu.lock(); });
  dh::go({.name = "sync.RWMutex.RLock"}, [] { written.lock_shared(); });
  dh::go({.name = "sync.RWMutex.Lock"}, [] { read.lock(); });
  dh::go({.name = "sync.Cond.Wait"}, [] {
    of_cv.lock();
    cv.wait(of_cv);
  });
  dh::go({.name = "sync.WaitGroup.Wait"}, [] { wg.wait(); });
  dh::go({.name = "sync.Once.Do"}, [] { once.call([] { once.call([] {}); }); });
  dh::go({.name = "running"}, [] {
    while (!over.load()) std::this_thread::yield();  // the thread's: it stays on its worker
  });
  await_parked(13);
  const auto runs = [](const dh::goroutine_info& g) { return g.reason == "running"; };
  while (std::ranges::none_of(dh::list_goroutines(), runs)) dh::yield();
  for (const dh::goroutine_info& g : dh::list_goroutines()) {
    std::fprintf(stderr, "%s waits for %s: %s\n", g.name.c_str(), std::string{g.reason}.c_str(),
                 to_string(g).c_str());
  }
  std::_Exit(0);
}

// deviates: there is no "IO wait" and no "semacquire", for there is nothing of the kind; "sync.Once.Do", "blocking call" and a few more are named instead; who started a goroutine is told by the line, not by an id.
TEST(SCHED_054, the_list_has_every_goroutine_with_what_it_waits_for_and_where_it_was_started) {
  die_threadsafe();
  const auto line = [](const std::string& reason) {
    const std::string literal = [&] {
      std::string escaped;
      for (const char c : reason) {
        if (c == '(' || c == ')' || c == '.') escaped += '\\';
        escaped += c;
      }
      return escaped;
    }();
    return testing::ContainsRegex(literal + " waits for " + literal + ": goroutine \"" + literal +
                                  "\" \\[" + literal +
                                  "(, [0-9]+ ms)?\\] started at .*deadlock_test.cpp:[0-9]+ ");
  };
  EXPECT_EXIT(
      list_all_ways_to_wait(), testing::ExitedWithCode(0),
      testing::AllOf(line("chan receive"), line("chan send"), line("chan receive (nil chan)"),
                     line("chan send (nil chan)"), line("select"), line("select (no cases)"),
                     line("sleep"), line("sync.Mutex.Lock"), line("sync.RWMutex.RLock"),
                     line("sync.RWMutex.Lock"), line("sync.Cond.Wait"), line("sync.WaitGroup.Wait"),
                     line("sync.Once.Do"), line("running")));
}

TEST(SCHED_054, so_does_the_report_of_a_deadlock) {
  die_threadsafe();
  const auto child = [] {
    auto c = dh::make_chan<int>();
    dh::go({.name = "sender"}, [c] { c.send(1); });
    dh::go([] { dh::select(); });
    dh::chan<int>{}.recv();
  };
  EXPECT_EXIT(
      run_and_exit(child), aborts,
      testing::AllOf(HasSubstr("goroutine \"main\" [chan receive (nil chan)"),
                     HasSubstr("goroutine \"sender\" [chan send"),
                     HasSubstr("goroutine [select (no cases)"), HasSubstr("deadlock_test.cpp:")));
}

TEST(SCHED_054, the_line_is_the_one_that_started_it) {
  test_runtime rt;
  auto c = dh::make_chan<int>();
  const unsigned line = __LINE__ + 1;
  rt.go([c] { c.recv(); });
  rt.run_until_parked();
  const auto list = dh::list_goroutines();
  ASSERT_EQ(list.size(), 1U);
  EXPECT_EQ(list.front().where.line(), line);
  EXPECT_EQ(list.front().doing, dh::goroutine_info::state::waiting);
  EXPECT_EQ(list.front().reason, "chan receive");
  c.close();
}

}  // namespace
