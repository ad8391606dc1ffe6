// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// ORACLE: the truth table of stop and reset, as a balance. Each arming of a timer — its making and each
// reset — comes to just one end: its value is received (its function runs), or a later stop or reset
// returns true. So when all is quiet: armings = receives (runs) + trues. And nothing is stale: a receive
// that begins after a reset has returned gets a time that is due by that reset or a later one. A
// ticker's ticks ascend, in whole periods from its last reset.
//
// Timers with a channel and with a function are reset and stopped by several goroutines and threads
// while they fire: on the real clock, with time-outs of some microseconds, and on a clock that a thread
// moves by hand as fast as it can.

#include <gmock/gmock.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <optional>
#include <random>
#include <thread>
#include <vector>

#include "downhaul/downhaul.hpp"
#include "downhaul/testing/manual_clock.hpp"
#include "stress/length.hpp"

namespace dh = downhaul;
using namespace std::chrono_literals;
using downhaul_test::deadline_of_test;
using downhaul_test::random_source;

namespace {

class stress_timers : public testing::TestWithParam<int> {
 protected:
  // Runs f(round) until the time is over: half of it with the real clock, half with one that a thread
  // moves on.
  template <class F>
  static void run(F f) {
    const int workers = GetParam();
    const auto rounds = [&f] {
      const deadline_of_test end{0.3, 0.5};
      for (std::uint64_t round = 0; !end.over() && !HasFailure(); ++round) f(round);
    };
    downhaul_test::run_on(workers, [&] { rounds(); });
    dh::manual_clock hands;
    std::atomic<bool> stop{false};
    std::thread mover{[&] {
      auto rng = random_source(99);
      while (!stop) hands.advance(std::chrono::microseconds{rng() % 40});
    }};
    downhaul_test::run_on(workers, [&] { rounds(); }, &hands);
    stop = true;
    mover.join();
    EXPECT_EQ(hands.pending(), 0u);
  }
  static std::chrono::microseconds soon(std::mt19937_64& rng) {
    return std::chrono::microseconds{rng() % 50};
  }
};
INSTANTIATE_TEST_SUITE_P(workers, stress_timers, testing::Values(1, 4),
                         testing::PrintToStringParamName());

TEST_P(stress_timers, each_arming_of_a_channel_is_received_or_called_off_once) {
  std::atomic<long> received_in_all{0};
  std::atomic<long> called_off_in_all{0};
  run([&](std::uint64_t round) {
    auto rng = random_source(round);
    dh::timer t{soon(rng)};
    std::atomic<long> armed{1};
    std::atomic<long> called_off{0};
    std::atomic<long> received{0};
    auto quit = dh::make_chan<void>();
    dh::wait_group readers;
    for (int i = 0; i < 2; ++i) {
      readers.go([&, i] {
        for (;;) {
          if (i == 0) {
            if (dh::select(dh::recv(t), dh::recv(quit)) == 1) return;
            ++received;
          } else {
            if (t.chan().try_recv()) ++received;
            if (dh::select(dh::recv(quit), dh::otherwise) == 0) return;
            downhaul_test::give_way();
          }
        }
      });
    }
    dh::wait_group writers;
    for (std::uint64_t i = 0; i < 3; ++i) {
      writers.go([&, i] {
        auto mine = random_source(round * 10 + i);
        for (int n = 0; n < 40; ++n) {
          if (mine() % 3 == 0) {
            called_off += t.stop() ? 1 : 0;
          } else {
            ++armed;
            called_off += t.reset(soon(mine)) ? 1 : 0;
          }
          if (mine() % 2 == 0) dh::yield();
          if (mine() % 8 == 0) dh::sleep(soon(mine));
        }
      });
    }
    writers.wait();
    called_off += t.stop() ? 1 : 0;
    EXPECT_FALSE(t.stop());
    EXPECT_FALSE(t.chan().try_recv()) << "received after stop";
    quit.close();
    readers.wait();
    ASSERT_EQ(armed, received + called_off);
    received_in_all += received;
    called_off_in_all += called_off;
  });
  EXPECT_GT(received_in_all, 0);
  EXPECT_GT(called_off_in_all, 0);
}

TEST_P(stress_timers, each_arming_of_a_function_runs_or_is_called_off_once) {
  std::atomic<long> runs_in_all{0};
  std::atomic<long> called_off_in_all{0};
  run([&](std::uint64_t round) {
    auto rng = random_source(round);
    std::atomic<long> armed{1};
    std::atomic<long> called_off{0};
    std::atomic<long> runs{0};
    {
      dh::timer t{soon(rng), [&] { ++runs; }};
      dh::wait_group writers;
      for (std::uint64_t i = 0; i < 3; ++i) {
        writers.go([&, i] {
          auto mine = random_source(round * 10 + i);
          for (int n = 0; n < 40; ++n) {
            if (mine() % 3 == 0) {
              called_off += t.stop() ? 1 : 0;
            } else {
              ++armed;
              called_off += t.reset(soon(mine)) ? 1 : 0;
            }
            if (mine() % 2 == 0) dh::yield();
            if (mine() % 8 == 0) dh::sleep(soon(mine));
          }
        });
      }
      writers.wait();
      if (rng() % 2 == 0) {
        called_off += t.stop() ? 1 : 0;
        ASSERT_FALSE(t.stop());
      } else {
        // What is still pending is called off by the end of the timer, which says nothing.
        const bool pending = t.reset(24h);
        called_off += pending ? 1 : 0;
      }
    }  // waits for what runs
    ASSERT_EQ(armed, runs + called_off);
    runs_in_all += runs;
    called_off_in_all += called_off;
  });
  EXPECT_GT(runs_in_all, 0);
  EXPECT_GT(called_off_in_all, 0);
}

TEST_P(stress_timers, no_receive_gets_what_was_due_before_the_last_reset) {
  run([&](std::uint64_t round) {
    auto rng = random_source(round);
    constexpr auto delay = 20us;
    dh::timer t{delay};
    // Due times ascend, for the delay is always the same: what is due by a reset is not earlier.
    std::atomic<std::int64_t> earliest{0};
    auto quit = dh::make_chan<void>();
    dh::wait_group readers;
    for (int i = 0; i < 2; ++i) {
      readers.go([&] {
        for (;;) {
          const std::int64_t bound = earliest;
          std::optional<dh::time_point> due;
          if (dh::select(dh::recv(t, due), dh::recv(quit)) == 1) return;
          if (due->time_since_epoch().count() < bound) ADD_FAILURE() << "a stale value";
        }
      });
    }
    for (int n = 0; n < 60; ++n) {
      const auto before = dh::now();
      t.reset(delay);
      earliest = (before + delay).time_since_epoch().count();
      if (rng() % 4 != 0) dh::sleep(soon(rng));
    }
    quit.close();
    readers.wait();
  });
}

TEST_P(stress_timers, ticks_ascend_in_whole_periods_and_end_with_stop) {
  std::atomic<long> ticks_in_all{0};
  run([&](std::uint64_t round) {
    auto rng = random_source(round);
    const std::chrono::nanoseconds period{1000 + static_cast<int>(rng() % 20'000)};
    dh::ticker t{period};
    auto quit = dh::make_chan<void>();
    dh::wait_group reading;
    const auto start_reader = [&] {
      reading.go([&] {
        std::optional<dh::time_point> last;
        for (;;) {
          std::optional<dh::time_point> due;
          if (dh::select(dh::recv(t, due), dh::recv(quit)) == 1) return;
          ++ticks_in_all;
          if (last && *due <= *last) ADD_FAILURE() << "a tick that is not after the last";
          if (last && (*due - *last) % period != 0ns) ADD_FAILURE() << "another phase";
          last = due;
        }
      });
    };
    for (int laps = 0; laps < 10; ++laps) {
      start_reader();
      dh::sleep(soon(rng) * 2);
      t.stop();
      if (t.chan().try_recv()) ADD_FAILURE() << "a tick after stop";
      quit.close();
      reading.wait();
      if (t.chan().try_recv()) ADD_FAILURE() << "a tick after stop";
      quit = dh::make_chan<void>();
      t.reset(period);
    }
  });
  EXPECT_GT(ticks_in_all, 0);
}

// Sleeps and after() by the hundred, beside timers that are dropped while they fire.
TEST_P(stress_timers, nothing_wakes_early_and_nothing_stays) {
  run([&](std::uint64_t round) {
    dh::wait_group all;
    for (std::uint64_t i = 0; i < 100; ++i) {
      all.go([&, i] {
        auto mine = random_source(round * 1000 + i);
        for (int n = 0; n < 5; ++n) {
          const auto delay = soon(mine);
          const auto begun = dh::now();
          switch (mine() % 4) {
            case 0: dh::sleep(delay); break;
            case 1: {
              const auto due = dh::after(delay).recv();
              if (*due < begun + delay) ADD_FAILURE() << "due too early";
              break;
            }
            case 2: {
              auto [ctx, cancel] = dh::with_timeout({}, delay);
              ctx.done().recv();
              if (ctx.err() != dh::errc::deadline_exceeded) ADD_FAILURE() << ctx.err().message();
              break;
            }
            case 3: {
              const dh::timer dropped{delay};
              const dh::timer dropped_too{delay, [] {}};
              dh::yield();
              continue;
            }
          }
          if (dh::now() < begun + delay) ADD_FAILURE() << "woken too early";
        }
      });
    }
    all.wait();
  });
}

}  // namespace
