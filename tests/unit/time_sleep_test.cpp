// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors

#include <gtest/gtest.h>
#include <pthread.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <random>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include "downhaul/chan.hpp"
#include "downhaul/context.hpp"
#include "downhaul/go.hpp"
#include "downhaul/testing/manual_clock.hpp"
#include "downhaul/time.hpp"
#include "downhaul/wait_group.hpp"
#include "support/crew.hpp"
#include "support/seed.hpp"
#include "support/test_runtime.hpp"
#include "wait/thread_record.hpp"

namespace {

namespace dh = downhaul;
using namespace std::chrono_literals;
using dh::impl::wait_reason;
using downhaul_test::crew;
using downhaul_test::place;

TEST(sleep, lasts_until_the_clock_has_moved_so_far_in_a_goroutine) {
  dh::manual_clock hands;
  downhaul_test::test_runtime rt{2, &hands};
  std::atomic<int> awake{0};
  for (int i = 1; i <= 100; ++i) {
    rt.go([&, i] {
      const dh::time_point start = dh::now();
      dh::sleep(i * 1s);
      EXPECT_EQ(dh::now() - start, i * 1s);
      ++awake;
    });
  }
  rt.run_until_parked();
  for (int i = 1; i <= 100; ++i) {
    hands.advance(1s - 1ns);
    rt.run_until_parked();
    EXPECT_EQ(awake, i - 1);
    hands.advance(1ns);
    rt.run_until_parked();
    EXPECT_EQ(awake, i);
  }
}

TEST(sleep, lasts_until_the_clock_has_moved_so_far_on_a_thread) {
  dh::manual_clock hands;
  std::atomic<bool> awake{false};
  crew sleeper{place::threads};
  sleeper.start([&] {
    const dh::use_clock here{hands};
    dh::sleep(1h);
    awake = true;
  });
  sleeper.wait_until_parked(0, wait_reason::sleep);
  hands.advance(1h - 1ns);
  sleeper.wait_until_parked(0, wait_reason::sleep);
  EXPECT_FALSE(awake);
  hands.advance(1ns);
  sleeper.join();
}

TEST(sleep, of_nothing_or_less_returns_at_once) {
  dh::manual_clock hands;
  const dh::use_clock here{hands};
  dh::sleep(0s);
  dh::sleep(-1h);
  dh::sleep(std::chrono::hours::min());
  dh::sleep(-0.5s);
  dh::sleep_until(hands.now());
  dh::sleep_until(dh::time_point::min());
  dh::sleep(dh::background(), 0s);
}

TEST(sleep, of_nothing_among_channel_operations_loses_no_goroutine) {
  downhaul_test::test_runtime rt{2};
  rt.run([] {
    auto ch = dh::make_chan<int>(1);
    dh::go([ch] {
      for (int i = 0; i < 100; ++i) {
        dh::sleep(0s);
        ch.send(i);
      }
    });
    for (int i = 0; i < 100; ++i) {
      dh::sleep(0s);
      EXPECT_EQ(ch.recv(), i);
    }
  });
}

TEST(sleep, for_ever_does_not_wrap_and_disturbs_no_other) {
  dh::manual_clock hands;
  downhaul_test::test_runtime rt{2, &hands};
  auto [ctx, cancel] = dh::with_cancel(dh::background());
  std::atomic<int> woken{0};
  rt.go([&, c = ctx] {
    std::error_code ec;
    dh::sleep(c, std::chrono::hours::max(), ec);
    EXPECT_EQ(ec, dh::errc::canceled);
    ++woken;
  });
  rt.go([&, c = ctx] {
    std::error_code ec;
    dh::sleep_until(c, dh::time_point::max(), ec);
    EXPECT_EQ(ec, dh::errc::canceled);
    ++woken;
  });
  rt.go([&] {
    dh::sleep(1s);
    ++woken;
  });
  rt.run_until_parked();
  hands.advance(24h * 365 * 100);
  rt.run_until_parked();
  EXPECT_EQ(woken, 1);
  cancel();
  rt.run_until_parked();
  EXPECT_EQ(woken, 3);
}

TEST(sleep, until_a_time_ends_then) {
  dh::manual_clock hands;
  crew sleeper{place::threads};
  const dh::time_point at = hands.now() + 5s;
  sleeper.start([&] {
    const dh::use_clock here{hands};
    dh::sleep_until(at);
    EXPECT_EQ(dh::now(), at);
  });
  sleeper.wait_until_parked(0, wait_reason::sleep);
  hands.advance_to(at);
  sleeper.join();
}

TEST(sleep_with_a_context, is_ended_by_it) {
  dh::manual_clock hands;
  for (const place where : {place::threads, place::goroutines}) {
    SCOPED_TRACE(where);
    auto [ctx, cancel] = dh::with_cancel(dh::background());
    crew sleepers{where};
    sleepers.start([c = ctx] {
      std::error_code ec;
      dh::sleep(c, 1h, ec);
      EXPECT_EQ(ec, std::errc::operation_canceled);
    });
    sleepers.start([c = ctx] { EXPECT_THROW(dh::sleep(c, 1h), dh::context_error); });
    sleepers.start(
        [c = ctx] { EXPECT_THROW(dh::sleep_until(c, dh::now() + 1h), dh::context_error); });
    for (std::size_t i = 0; i < 3; ++i) sleepers.wait_until_parked(i, wait_reason::sleep);
    cancel();
    sleepers.join();
  }
  EXPECT_EQ(dh::clock::real().pending(), 0u);
}

TEST(sleep_with_a_context, that_has_ended_returns_at_once_however_short) {
  auto [ctx, cancel] = dh::with_cancel(dh::background());
  cancel();
  std::error_code ec;
  dh::sleep(ctx, 1h, ec);
  EXPECT_EQ(ec, dh::errc::canceled);
  dh::sleep(ctx, 0s, ec);
  EXPECT_EQ(ec, dh::errc::canceled);
  EXPECT_THROW(dh::sleep(ctx, -1s), dh::context_error);
  EXPECT_THROW(dh::sleep_until(ctx, dh::time_point::min()), dh::context_error);
}

TEST(sleep_with_a_context, that_stays_open_lasts_its_time_and_clears_the_code) {
  dh::manual_clock hands;
  downhaul_test::test_runtime rt{2, &hands};
  auto [ctx, cancel] = dh::with_timeout(dh::background(), 24h);
  std::atomic<int> slept{0};
  for (int i = 0; i < 2; ++i) {
    rt.go([&, c = i == 0 ? dh::background() : ctx] {
      std::error_code ec = std::make_error_code(std::errc::io_error);
      dh::sleep(c, 1s, ec);
      EXPECT_FALSE(ec);
      dh::sleep(c, 1s);
      ++slept;
    });
  }
  rt.run_until_parked();
  hands.advance(1s);
  rt.run_until_parked();
  hands.advance(1s);
  rt.run_until_parked();
  EXPECT_EQ(slept, 2);
}

TEST(sleep_with_a_context, whose_deadline_comes_first_reports_it) {
  dh::manual_clock hands;
  downhaul_test::test_runtime rt{1, &hands};
  std::error_code ec;
  rt.go([&] {
    auto [ctx, cancel] = dh::with_timeout(dh::background(), 1s);
    dh::sleep(ctx, 1h, ec);
  });
  rt.run_until_parked();
  hands.advance(1s);
  rt.run_until_parked();
  EXPECT_EQ(ec, std::errc::timed_out);
  EXPECT_EQ(hands.pending(), 0u);
}

TEST(sleep_race, between_the_context_and_the_clock_has_one_winner) {
  // real clock: the two ends race.
  downhaul_test::test_runtime rt{2};
  rt.run([] {
    std::mt19937_64 random{downhaul_test::seed()};
    for (int i = 0; i < downhaul_test::rounds(3000); ++i) {
      auto [ctx, cancel] = dh::with_cancel(dh::background());
      const std::chrono::nanoseconds d{random() % 20'000};
      dh::wait_group wg;
      wg.go([c = ctx, d] {
        std::error_code ec;
        dh::sleep(c, d, ec);
      });
      const dh::time_point at = dh::now() + std::chrono::nanoseconds{random() % 20'000};
      do {
        dh::yield();
      } while (dh::now() < at);
      cancel();
      wg.wait();
    }
  });
}

TEST(sleep_real, of_very_short_times_never_misses_its_wake) {
  // real clock: the timer may be due before the goroutine has parked.
  downhaul_test::test_runtime rt{2};
  rt.run([] {
    dh::wait_group wg;
    for (int i = 0; i < downhaul_test::rounds(5000); ++i) {
      wg.go([] {
        const dh::time_point start = dh::now();
        dh::sleep(10us);
        EXPECT_GE(dh::now() - start, 10us);
      });
    }
    wg.wait();
  });
}

TEST(sleep_real, costs_no_thread) {
  // real clock: the sleepers are there while a timer of the same clock fires.
  downhaul_test::test_runtime rt{1};
  auto [ctx, cancel] = dh::with_cancel(dh::background());
  for (int i = 0; i < 1000; ++i) {
    rt.go([c = ctx] { dh::sleep(c, 1h); });
  }
  rt.run_until_parked();
  EXPECT_TRUE(rt.run([] { return dh::after(1ms).recv(); }));
  EXPECT_EQ(rt.goroutines(), 1000u);
  cancel();
}

TEST(sleep_real, on_a_thread_is_not_shortened_by_a_signal) {
  // real clock: signals interrupt the kernel's sleep.
  struct sigaction ignore_it{};
  struct sigaction before{};
  ignore_it.sa_handler = [](int) {};
  ASSERT_EQ(::sigaction(SIGUSR1, &ignore_it, &before), 0);
  std::atomic<bool> awake{false};
  std::thread sleeper{[&] {
    const dh::time_point start = dh::now();
    dh::sleep(20ms);
    EXPECT_GE(dh::now() - start, 20ms);
    awake = true;
  }};
  while (!awake) {
    ::pthread_kill(sleeper.native_handle(), SIGUSR1);
    std::this_thread::yield();
  }
  sleeper.join();
  ::sigaction(SIGUSR1, &before, nullptr);
}

TEST(sleep_real, ends_though_every_worker_is_busy) {
  // real clock: one worker, which computes until the other goroutine has slept.
  downhaul_test::test_runtime rt{1};
  std::atomic<bool> slept{false};
  rt.go([&] {
    dh::sleep(1ms);
    slept = true;
  });
  rt.run([&] {
    while (!slept) dh::yield();
  });
}

}  // namespace
