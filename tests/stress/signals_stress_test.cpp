// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// ORACLE: counts of what was raised. Who listens all the time receives, after the last raise of a burst,
// at least one signal of each number in it, and over the whole test no more of a number than were raised.
// Who comes and goes receives nothing that was not raised while it listened, and nothing any more after
// stop() but what had come before; its channel is closed. A context made for signals ends with one in the
// burst.
//
// Bursts of two numbers, from several threads, at subscribers that are made, stopped and moved meanwhile.

#include <gmock/gmock.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <csignal>
#include <cstddef>
#include <optional>
#include <random>
#include <thread>
#include <vector>

#include "downhaul/downhaul.hpp"
#include "stress/length.hpp"

namespace dh = downhaul;
using downhaul_test::deadline_of_test;
using downhaul_test::random_source;

namespace {

constexpr std::array<int, 2> numbers{SIGUSR1, SIGUSR2};
std::size_t index_of(int signal) { return signal == SIGUSR1 ? 0 : 1; }

class stress_signals : public testing::TestWithParam<int> {
 protected:
  // What is raised last may arrive, on another thread, when nobody listens any more: then it comes here
  // instead of ending the program. While somebody listens it is called as well.
  static void SetUpTestSuite() {
    for (const int signal : numbers) std::signal(signal, [](int) {});
  }
};
INSTANTIATE_TEST_SUITE_P(workers, stress_signals, testing::Values(1, 4),
                         testing::PrintToStringParamName());

TEST_P(stress_signals, bursts_reach_everybody_who_listens) {
  std::array<std::atomic<long>, 2> raised{};
  downhaul_test::run_on(GetParam(), [&] {
    dh::signal_channel always{SIGUSR1, SIGUSR2};
    std::array<long, 2> received{};
    const deadline_of_test end;
    for (std::uint64_t round = 0; !end.over() && !HasFailure(); ++round) {
      std::atomic<bool> bursting{true};
      std::vector<std::thread> raisers;
      for (std::uint64_t t = 0; t < 2; ++t) {
        raisers.emplace_back([&, t] {
          auto rng = random_source(round * 10 + t);
          for (std::uint64_t i = 0, n = 1 + rng() % 30; i < n; ++i) {
            const int signal = numbers[rng() % 2];
            ++raised[index_of(signal)];
            ::kill(::getpid(), signal);
          }
          for (const int signal : numbers) {
            ++raised[index_of(signal)];
            ::kill(::getpid(), signal);
          }
        });
      }
      // Somebody who comes and goes meanwhile.
      dh::wait_group visitors;
      for (std::uint64_t v = 0; v < 2; ++v) {
        visitors.go([&, v] {
          auto rng = random_source(round * 10 + 5 + v);
          do {
            std::array<long, 2> before{};
            for (std::size_t i = 0; i < 2; ++i) before[i] = raised[i];
            dh::signal_channel visitor{SIGUSR1};
            if (rng() % 2 == 0) visitor.add({SIGUSR2});
            std::array<long, 2> got{};
            for (std::uint64_t i = 0, n = rng() % 4; i < n; ++i) {
              if (const auto s = visitor.try_recv()) ++got[index_of(*s)];
              dh::yield();
            }
            dh::signal_channel moved = std::move(visitor);
            moved.stop();
            for (const int s : moved) ++got[index_of(s)];
            std::error_code ec;
            EXPECT_FALSE(moved.try_recv(ec));
            EXPECT_FALSE(ec) << "not closed after stop";
            // One may have been raised before and arrive later: it is counted when it is raised.
            for (std::size_t i = 0; i < 2; ++i) EXPECT_LE(got[i], raised[i] - before[i] + 2 * 2);
          } while (bursting);
        });
      }
      for (auto& t : raisers) dh::blocking([&t] { t.join(); });
      bursting = false;
      visitors.wait();
      // The last of each thread was one of each number, and it may have been merged with others.
      std::array<bool, 2> seen{};
      while (!seen[0] || !seen[1]) {
        const int s = always.recv().value();
        ++received[index_of(s)];
        seen[index_of(s)] = true;
      }
      while (const auto s = always.try_recv()) ++received[index_of(*s)];
      for (std::size_t i = 0; i < 2; ++i) ASSERT_LE(received[i], raised[i]);
    }
    always.stop();
    for (const int s : always) ++received[index_of(s)];
    for (std::size_t i = 0; i < 2; ++i) EXPECT_LE(received[i], raised[i]);
  });
  EXPECT_GT(raised[0], 0);
}

TEST_P(stress_signals, contexts_end_with_a_burst_and_their_stop_is_safe_at_any_time) {
  downhaul_test::run_on(GetParam(), [&] {
    const deadline_of_test end;
    for (std::uint64_t round = 0; !end.over() && !HasFailure(); ++round) {
      auto rng = random_source(round);
      auto [parent, cancel_parent] = dh::with_cancel({});
      auto [ctx, cancel] = dh::notify_context(parent, {SIGUSR1});
      const auto signals_come = static_cast<int>(rng() % 4);
      const bool parent_ends = signals_come == 0 || rng() % 2 == 0;
      downhaul_test::together(
          [&] {
            for (int i = 0; i < signals_come; ++i) ::kill(::getpid(), SIGUSR1);
          },
          [&, ctx = ctx] {
            ctx.done().recv();
            EXPECT_EQ(ctx.err(), dh::errc::canceled);
            EXPECT_NE(ctx.cause(), nullptr);
          },
          [&] {
            if (parent_ends) cancel_parent();
          });
      downhaul_test::together([&] { cancel(); }, [&] { cancel(); },
                              [] { ::kill(::getpid(), SIGUSR1); });
      EXPECT_EQ(ctx.err(), dh::errc::canceled);
    }
  });
}

}  // namespace
