// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// ORACLE: for each race what must hold whoever is faster, written above it; looked at after each round,
// and by the race detector, since what is ordered is also written without any lock.
//
// The other half of races_stress_test.cpp: timers, sync, signals and the memory model.

#include <gmock/gmock.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <vector>

#include "downhaul/downhaul.hpp"
#include "stress/races.hpp"

namespace dh = downhaul;
using namespace std::chrono_literals;
using downhaul_test::for_rounds;
using downhaul_test::rounds;
using downhaul_test::stress_races;
using downhaul_test::together;

namespace {

// --- timers -----------------------------------------------------------------------------------------

// Two timers of the same length: one is received, the other stopped. False means that its value has been
// received by somebody or is to be had; here nobody else receives, so true it is, or there is no value.
TEST_P(stress_races, TIME_031_036_stop_against_fire_is_decided_once) {
  race([](int i) {
    dh::timer a{std::chrono::microseconds{i % 5}};
    dh::timer b{std::chrono::microseconds{i % 5}};
    dh::timer& loser = dh::select(dh::recv(a), dh::recv(b)) == 0 ? b : a;
    if (i % 2 == 0) {
      EXPECT_TRUE(loser.stop()) << "nobody has received it";
    } else {
      EXPECT_TRUE(loser.reset(24h)) << "nobody has received it";
    }
    EXPECT_FALSE(loser.chan().try_recv());
  });
}

// A receiver, and one who stops: either has it, not both, not neither.
TEST_P(stress_races, TIME_033_036_a_value_is_received_or_withdrawn) {
  race([](int i) {
    dh::timer t{std::chrono::microseconds{i % 3}};
    bool received = false;
    bool withdrawn = false;
    const auto quit = dh::make_chan<void>();
    together([&] { received = dh::select(dh::recv(t), dh::recv(quit)) == 0; },
             [&] {
               withdrawn = i % 2 == 0 ? t.stop() : t.reset(24h);
               quit.close();
             });
    // After quit both of its cases may be ready, and then it may have chosen to quit: only if withdrawn.
    EXPECT_NE(received, withdrawn);
    EXPECT_FALSE(t.chan().try_recv());
  });
}

// Two goroutines that keep one worker busy with each other do not keep a timer from being served.
TEST_P(stress_races, TIME_054_a_timer_is_served_beside_a_ping_pong) {
  downhaul_test::run_on(1, [] {
    const auto ping = dh::make_chan<bool>(1);
    dh::wait_group players;
    const auto play = [ping] {
      while (const auto on = ping.recv()) {
        if (!*on) break;
        ping.send(true);
      }
      ping.send(false);
    };
    players.go(play);
    players.go(play);
    ping.send(true);
    for_rounds(10'000, [](int) {
      const auto ran = dh::make_chan<void>(1);
      dh::timer t{1us, [ran] { ran.send(); }};
      ran.recv();
    });
    // The ball goes out.
    while (ping.recv() != true) {
    }
    ping.send(false);
    players.wait();
    ping.recv();
  });
}

// --- sync -------------------------------------------------------------------------------------------

// The group is gone as soon as the wait has returned, while the last done is still on its way out.
TEST_P(stress_races, SYNC_014_a_wait_group_ends_with_its_wait) {
  race([](int) {
    int written = 0;
    auto group = std::make_unique<dh::wait_group>();
    group->add(2);
    dh::wait_group& g = *group;
    dh::go([&written, &g] {
      written = 1;
      g.done();
    });
    dh::go([&g] { g.done(); });
    group->wait();
    EXPECT_EQ(written, 1);
    group.reset();
  });
}

// The first function runs, even if it throws: the others wait for its end and do not run theirs.
TEST_P(stress_races, SYNC_022_a_throw_counts_as_done) {
  race([](int) {
    dh::once o;
    int runs = 0;
    std::atomic<int> thrown{0};
    const auto call = [&] {
      try {
        o.call([&] {
          ++runs;
          throw std::runtime_error{"once"};
        });
      } catch (const std::runtime_error&) {
        ++thrown;
      }
      EXPECT_EQ(runs, 1);
    };
    together(call, call, call);
    EXPECT_EQ(thrown, 1);
    o.call([] { ADD_FAILURE() << "a second time"; });
  });
}

// One who locks again at once does not keep the others out: all of them get their share.
TEST_P(stress_races, SYNC_044_a_mutex_starves_nobody) {
  downhaul_test::run_on(GetParam(), [] {
    dh::mutex mu;
    long greedy = 0;
    std::atomic<bool> stop{false};
    dh::wait_group all;
    all.go([&] {
      while (!stop) {
        const std::lock_guard lock{mu};
        ++greedy;
      }
    });
    for_rounds(10'000, [&](int i) {
      const std::lock_guard lock{mu};
      ++greedy;
      if (i % 100 == 0) dh::yield();
    });
    stop = true;
    all.wait();
    EXPECT_GT(greedy, rounds(10'000) - 1);
  });
}

// Readers share, writers do not; a writer that waits gets in although readers come all the time.
TEST_P(stress_races, SYNC_062_a_writer_gets_in_between_readers) {
  downhaul_test::run_on(GetParam(), [] {
    dh::shared_mutex mu;
    long value = 0;
    std::atomic<bool> stop{false};
    dh::wait_group all;
    for (int r = 0; r < 3; ++r) {
      all.go([&] {
        long last = 0;
        while (!stop) {
          mu.lock_shared();
          EXPECT_GE(value, last);
          last = value;
          dh::yield();  // they overlap, so that there is always one
          mu.unlock_shared();
        }
      });
    }
    for_rounds(10'000, [&](int) {
      mu.lock();
      ++value;
      mu.unlock();
    });
    stop = true;
    all.wait();
    EXPECT_GE(value, rounds(10'000));
  });
}

// So many wake as were notified, and nobody for any other reason; those who wait are woken in their order.
TEST_P(stress_races, SYNC_071_073_each_notify_wakes_one_who_waits_in_order) {
  race([](int) {
    dh::mutex mu;
    dh::condition_variable cv;
    int waiting = 0;
    int permits = 0;
    std::vector<int> woken;
    dh::wait_group all;
    for (int i = 0; i < 3; ++i) {
      all.go([&] {
        std::unique_lock lock{mu};
        const int number = waiting++;
        cv.wait(lock);
        EXPECT_GT(permits, 0) << "woken without a notify";
        --permits;
        woken.push_back(number);
      });
    }
    for (int sent = 0; sent < 3;) {
      {
        const std::lock_guard lock{mu};
        // Only when somebody waits, and the one before has run: then the order can be seen.
        if (waiting > sent && static_cast<int>(woken.size()) == sent) {
          ++permits;
          ++sent;
          cv.notify_one();
        }
      }
      dh::yield();
    }
    all.wait();
    EXPECT_EQ(woken, (std::vector{0, 1, 2}));
    EXPECT_EQ(permits, 0);
  });
}

// --- the memory model -------------------------------------------------------------------------------

// Without room: what happened before the receive is visible after the send, and the other way round.
TEST_P(stress_races, SCHED_043_a_meeting_orders_both_sides) {
  race([](int) {
    const auto ch = dh::make_chan<void>();
    int of_sender = 0;
    int of_receiver = 0;
    together(
        [&] {
          of_sender = 1;
          ch.send();
          EXPECT_EQ(of_receiver, 1);
        },
        [&] {
          of_receiver = 1;
          ch.recv();
          EXPECT_EQ(of_sender, 1);
        });
  });
}

// With one place: the channel is a mutex, whichever way it is used.
TEST_P(stress_races, SCHED_044_a_channel_with_one_place_is_a_mutex) {
  downhaul_test::run_on(GetParam(), [] {
    const auto ch = dh::make_chan<void>(1);
    const auto never = dh::make_chan<int>();
    long guarded = 0;
    const int n = rounds(10'000);
    const auto work = [&](int how) {
      for (int i = 0; i < n; ++i) {
        if ((i + how) % 3 == 0) {
          dh::select(dh::send(ch), dh::recv(never));
        } else {
          ch.send();
        }
        ++guarded;
        if (i % 64 == 0) dh::yield();
        if ((i + how) % 2 == 0) {
          dh::select(dh::recv(never), dh::recv(ch));
        } else {
          ch.recv();
        }
      }
    };
    together([&] { work(0); }, [&] { work(1); }, [&] { work(2); });
    EXPECT_EQ(guarded, 3L * n);
  });
}

// With C places: the k-th receive comes before the end of the (k + C)-th send, so that a ring of C + 2
// cells is enough for what travels beside the channel.
TEST_P(stress_races, SCHED_044_a_ring_beside_the_channel_is_never_overrun) {
  downhaul_test::run_on(GetParam(), [] {
    constexpr std::size_t places = 3;
    const auto ch = dh::make_chan<void>(places);
    std::array<int, places + 2> ring{};
    const int n = rounds(10'000);
    together(
        [&] {
          for (int i = 0; i < n; ++i) {
            ring[static_cast<std::size_t>(i) % ring.size()] = i;
            ch.send();
          }
          ch.close();
        },
        [&] {
          // One behind: the cell of a value is read only before the receive of the next one.
          ch.recv();
          for (int i = 0; i < n; ++i) {
            EXPECT_EQ(ring[static_cast<std::size_t>(i) % ring.size()], i) << "overwritten";
            ch.recv();
          }
        });
  });
}

// --- signals ----------------------------------------------------------------------------------------

// After stop has returned nothing comes any more, and the channel is closed, while signals rain.
TEST_P(stress_races, SIG_004_008_nothing_comes_after_stop) {
  // For what arrives when nobody listens any more.
  for (const int signal : {SIGUSR1, SIGUSR2}) std::signal(signal, [](int) {});
  const dh::signal_channel never_read{SIGUSR1, SIGUSR2};  // holds up nobody
  race([](int) {
    dh::signal_channel c{SIGUSR1};
    int after_stop = 0;
    together(
        [] {
          ::kill(::getpid(), SIGUSR1);
          ::kill(::getpid(), SIGUSR2);
        },
        [&] {
          c.stop();
          while (c.recv()) {
          }
          after_stop = c.try_recv() ? 1 : 0;
        });
    EXPECT_EQ(after_stop, 0);
    EXPECT_FALSE(c.recv());
  });
}

}  // namespace
