// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// TIME-001 to 005: sleep.

#include <gtest/gtest.h>
#include <pthread.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <filesystem>
#include <iterator>
#include <thread>

#include "conformance/time/manual_time.hpp"
#include "downhaul/chan.hpp"
#include "downhaul/context.hpp"
#include "downhaul/go.hpp"
#include "downhaul/time.hpp"
#include "downhaul/wait_group.hpp"
#include "support/crew.hpp"
#include "support/test_runtime.hpp"

namespace {

namespace dh = downhaul;
using namespace std::chrono_literals;
using downhaul_test::manual_time;

TEST(TIME_001, lasts_exactly_as_long_as_the_clock_says) {
  dh::manual_clock hands;
  downhaul_test::test_runtime rt{2, &hands};
  std::atomic<int> awake{0};
  rt.go([&] {
    dh::sleep(100ms);
    ++awake;
  });
  rt.run_until_parked();
  hands.advance(100ms - 1ns);
  rt.run_until_parked();
  EXPECT_EQ(awake, 0);
  hands.advance(1ns);
  rt.run_until_parked();
  EXPECT_EQ(awake, 1);
}

std::atomic<int> interruptions{0};
void count_interruption(int) { interruptions.fetch_add(1); }

// Sends SIGUSR2, which has a handler that restarts nothing, to a thread until told to stop.
class disturber {
 public:
  explicit disturber(pthread_t victim) {
    struct sigaction mine{};
    mine.sa_handler = count_interruption;
    ::sigaction(SIGUSR2, &mine, &before_);
    interruptions = 0;
    thread_ = std::thread{[this, victim] {
      while (!enough_) {
        ::pthread_kill(victim, SIGUSR2);
        std::this_thread::yield();
      }
    }};
  }
  disturber(const disturber&) = delete;
  disturber& operator=(const disturber&) = delete;
  ~disturber() {
    enough_ = true;
    thread_.join();
    ::sigaction(SIGUSR2, &before_, nullptr);
  }

 private:
  struct sigaction before_{};
  std::atomic<bool> enough_{false};
  std::thread thread_;
};

TEST(TIME_001, is_not_cut_short_by_signals_on_a_thread) {
  const disturber d{::pthread_self()};
  const auto start = std::chrono::steady_clock::now();
  dh::sleep(30ms);
  EXPECT_GE(std::chrono::steady_clock::now() - start, 30ms);
  EXPECT_GT(interruptions, 0);
}

TEST(TIME_001, is_not_cut_short_by_signals_on_a_worker) {
  if (downhaul_test::checked) GTEST_SKIP() << "goes on on another thread after the sleep";
  downhaul_test::test_runtime rt{1};
  rt.run([] {
    const disturber d{::pthread_self()};  // one worker: the thread that idles while we sleep
    const auto start = std::chrono::steady_clock::now();
    dh::sleep(30ms);
    EXPECT_GE(std::chrono::steady_clock::now() - start, 30ms);
    EXPECT_GT(interruptions, 0);
  });
}

TEST(TIME_002, of_zero_or_less_returns_at_once) {
  manual_time time;  // nobody moves it: a sleep that waited would never return
  dh::sleep(0s);
  dh::sleep(-1ns);
  dh::sleep(-1h);
  EXPECT_EQ(dh::now(), time.start());
  EXPECT_EQ(time.pending(), 0u);
}

TEST(TIME_002, of_zero_among_channel_operations_loses_no_goroutine) {
  for (const int workers : {1, 2}) {
    downhaul_test::test_runtime rt{workers};
    rt.run([] {
      auto ch = dh::make_chan<int>(1);
      dh::wait_group wg;
      wg.go([ch] {
        for (int i = 0; i < 100; ++i) {
          dh::sleep(0s);
          ch.send(i);
          dh::sleep(-1ns);
        }
        ch.close();
      });
      int expected = 0;
      for (const int i : ch) {
        dh::sleep(0s);
        EXPECT_EQ(i, expected++);
      }
      EXPECT_EQ(expected, 100);
      wg.wait();
    });
  }
}

TEST(TIME_003, of_the_longest_time_does_not_wrap_and_disturbs_no_other) {
  dh::manual_clock hands;
  downhaul_test::test_runtime rt{2, &hands};
  auto [ctx, cancel] = dh::with_cancel(dh::background());
  std::atomic<int> ended{0};
  std::atomic<int> others{0};
  const auto sleep_for_ever = [&, c = ctx](auto d) {
    return [&ended, c, d] {
      std::error_code ec;
      dh::sleep(c, d, ec);
      EXPECT_EQ(ec, dh::errc::canceled);
      ++ended;
    };
  };
  rt.go(sleep_for_ever(std::chrono::nanoseconds::max()));
  rt.go(sleep_for_ever(std::chrono::nanoseconds::max() - 1ns));
  rt.go(sleep_for_ever(std::chrono::hours::max()));
  rt.go([&] {
    dh::sleep(1s);
    ++others;
  });
  rt.run_until_parked();
  hands.advance(1s - 1ns);
  rt.run_until_parked();
  EXPECT_EQ(others, 0);
  hands.advance(1ns);
  rt.run_until_parked();
  EXPECT_EQ(others, 1);
  hands.advance(24h * 365 * 200);
  rt.run_until_parked();
  EXPECT_EQ(ended, 0);
  cancel();
  rt.run_until_parked();
  EXPECT_EQ(ended, 3);
}

// In a process of its own, which it need not leave behind tidy.
TEST(TIME_003, of_the_longest_time_never_returns_by_itself) {
  testing::GTEST_FLAG(death_test_style) = "threadsafe";
  EXPECT_EXIT(
      {
        dh::go([] {
          dh::sleep(std::chrono::nanoseconds::max());
          ::_exit(1);
        });
        std::thread{[] {
          dh::sleep(std::chrono::hours::max());
          ::_exit(2);
        }}.detach();
        dh::timer other{20ms};
        other.chan().recv();
        dh::sleep(10ms);
        ::_exit(7);
      },
      testing::ExitedWithCode(7), "");
}

TEST(TIME_003, of_the_shortest_time_returns_at_once) {
  manual_time time;
  dh::sleep(std::chrono::nanoseconds::min());
  dh::sleep(std::chrono::hours::min());
  dh::sleep_until(dh::time_point::min());
  EXPECT_EQ(time.pending(), 0u);
  EXPECT_EQ(dh::now(), time.start());
}

TEST(TIME_004, of_microseconds_wakes_every_one_of_thousands) {
  // real clock: the firing races with the parking.
  downhaul_test::test_runtime rt{2};
  constexpr int count = downhaul_test::rounds(5000);
  std::atomic<int> awake{0};
  rt.run([&] {
    dh::wait_group wg;
    for (int i = 0; i < count; ++i) {
      wg.go([&] {
        const dh::time_point start = dh::now();
        dh::sleep(10us);
        EXPECT_GE(dh::now() - start, 10us);
        ++awake;
      });
    }
    wg.wait();
  });
  EXPECT_EQ(awake, count);
}

std::ptrdiff_t threads_of_this_process() {
  return std::distance(std::filesystem::directory_iterator{"/proc/self/task"},
                       std::filesystem::directory_iterator{});
}

TEST(TIME_005, costs_no_thread) {
  dh::manual_clock hands;
  downhaul_test::test_runtime rt{2, &hands};
  rt.run([] {});  // its workers are there now
  const std::ptrdiff_t before = threads_of_this_process();
  std::atomic<int> awake{0};
  for (int i = 0; i < 1000; ++i) {
    rt.go([&] {
      dh::sleep(1s);
      ++awake;
    });
  }
  rt.run_until_parked();
  EXPECT_EQ(hands.pending(), 1000u);
  // The second worker, the watch, and stand-ins for workers that a busy machine has held up.
  EXPECT_LE(threads_of_this_process(), before + 20);
  hands.advance(1s);
  rt.run_until_parked();
  EXPECT_EQ(awake, 1000);
}

}  // namespace
