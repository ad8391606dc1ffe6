// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// TIME-030 to 042: what stop and reset return, and that nothing stale is received.

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <optional>
#include <random>
#include <thread>
#include <vector>

#include "conformance/time/manual_time.hpp"
#include "downhaul/chan.hpp"
#include "downhaul/go.hpp"
#include "downhaul/select.hpp"
#include "downhaul/time.hpp"
#include "downhaul/wait_group.hpp"
#include "support/crew.hpp"
#include "support/seed.hpp"
#include "support/test_runtime.hpp"

namespace {

namespace dh = downhaul;
using namespace std::chrono_literals;
using dh::impl::wait_reason;
using downhaul_test::crew;
using downhaul_test::manual_time;
using downhaul_test::misuse_of;
using downhaul_test::place;
using downhaul_test::rounds;

TEST(TIME_030, stop_in_time_is_true_and_nothing_arrives_later) {
  manual_time time;
  dh::timer t{100ms};
  time.advance(100ms - 1ns);
  EXPECT_TRUE(t.stop());
  time.advance(200ms);
  EXPECT_FALSE(t.chan().try_recv());
  EXPECT_FALSE(t.stop());
  EXPECT_FALSE(t.stop());
}

TEST(TIME_031, stop_of_what_nobody_received_is_true_and_withdraws_it) {
  manual_time time;
  dh::timer t{1s};
  time.advance(2s);
  EXPECT_TRUE(t.stop());
  EXPECT_FALSE(t.chan().try_recv());
  dh::timer at_once{0s};
  EXPECT_TRUE(at_once.stop());
  EXPECT_FALSE(at_once.chan().try_recv());
}

TEST(TIME_032, stop_is_false_after_a_receive_and_after_a_stop_only) {
  manual_time time;
  dh::timer received{1s};
  dh::timer stopped{1s};
  dh::timer pending{2s};
  EXPECT_TRUE(stopped.stop());
  time.advance(1s);
  EXPECT_TRUE(received.chan().try_recv());
  EXPECT_FALSE(received.stop());
  EXPECT_FALSE(stopped.stop());
  EXPECT_TRUE(pending.stop());
}

TEST(TIME_033, nothing_of_before_is_received_after_stop_or_reset) {
  manual_time time;
  dh::timer t{1s};
  for (int i = 0; i < 100; ++i) {
    time.advance(5s);  // a value is ready
    t.reset(1s);
    EXPECT_FALSE(t.chan().try_recv());
    time.advance(1s);  // and again
    t.stop();
    EXPECT_FALSE(t.chan().try_recv());
    t.reset(1s);
    EXPECT_FALSE(t.chan().try_recv());
  }
  const dh::time_point armed = dh::now();
  time.advance(1s);
  EXPECT_EQ(t.chan().try_recv(), armed + 1s);
}

TEST(TIME_033, nothing_of_before_is_received_from_a_ticker) {
  manual_time time;
  dh::ticker t{1s};
  time.advance(10s);
  t.reset(3s);
  EXPECT_FALSE(t.chan().try_recv());
  time.advance(3s);
  t.stop();
  EXPECT_FALSE(t.chan().try_recv());
  time.advance(1h);
  EXPECT_FALSE(t.chan().try_recv());
}

TEST(TIME_033, nothing_of_before_is_received_while_it_fires) {
  // real clock: the firing is under way on another thread when reset is called. A value of before
  // would be due before the reset.
  dh::timer t{0s};
  std::mt19937_64 random{downhaul_test::seed()};
  for (int i = 0; i < rounds(2000); ++i) {
    t.reset(std::chrono::nanoseconds{1 + random() % 20'000});
    const dh::time_point until = dh::now() + std::chrono::nanoseconds{random() % 20'000};
    while (dh::now() < until) {
    }
    const dh::time_point before_reset = dh::now();
    t.reset(5us);
    const auto value = i % 100 == 0 ? t.chan().recv() : t.chan().try_recv();
    if (value) {
      ASSERT_GE(*value, before_reset + 5us);
    }
    t.stop();
    ASSERT_FALSE(t.chan().try_recv());
  }
}

TEST(TIME_033, nothing_of_before_is_received_when_the_firing_comes_after_the_stop) {
  // real clock: many are due at the same instant and are taken out of the queue together, so that
  // some are stopped between that and their sending.
  std::mt19937_64 random{downhaul_test::seed()};
  std::vector<dh::timer> timers(16);
  int prevented = 0;
  int late = 0;
  for (int i = 0; i < rounds(1000); ++i) {
    const dh::time_point due = dh::now() + 50us;
    for (dh::timer& t : timers) t = dh::timer{due - dh::now()};
    const dh::time_point until = due + std::chrono::nanoseconds{random() % 30'000};
    while (dh::now() < until) {
    }
    std::vector<bool> stopped(timers.size());
    for (std::size_t n = timers.size(); n-- > 0;) {
      if (timers[n].chan().try_recv()) {
        ++late;
      } else {
        stopped[n] = n % 2 == 0 ? timers[n].stop() : timers[n].reset(1h);
        prevented += stopped[n] ? 1 : 0;
      }
    }
    dh::clock::real().settle();  // whatever was under way has been sent, or called off
    for (std::size_t n = 0; n < timers.size(); ++n) {
      ASSERT_FALSE(timers[n].chan().try_recv()) << n << (stopped[n] ? ", stopped" : ", received");
    }
  }
  EXPECT_EQ(prevented + late, rounds(1000) * 16);
}

TEST(TIME_034, reset_is_true_when_something_was_there_to_be_replaced) {
  manual_time time;
  dh::timer t{1s};
  EXPECT_TRUE(t.reset(1s));  // pending
  time.advance(1s);
  EXPECT_TRUE(t.reset(1s));  // expired, not received
  time.advance(1s);
  EXPECT_TRUE(t.chan().try_recv());
  EXPECT_FALSE(t.reset(1s));  // received
  EXPECT_TRUE(t.stop());
  EXPECT_FALSE(t.reset(1s));  // stopped
  EXPECT_TRUE(t.reset(0s));
  EXPECT_TRUE(t.reset(1s));  // expired at once, not received
}

TEST(TIME_035, reset_moves_a_timer_and_arms_a_spent_one) {
  manual_time time;
  constexpr auto d = 50ms;
  dh::timer t{2 * d};
  time.advance(d);
  EXPECT_TRUE(t.reset(3 * d));
  time.advance(2 * d);
  EXPECT_FALSE(t.chan().try_recv());
  time.advance(2 * d);
  EXPECT_EQ(t.chan().try_recv(), time.start() + 4 * d);
  EXPECT_FALSE(t.reset(d));  // fired
  time.advance(d);
  EXPECT_EQ(t.chan().try_recv(), time.start() + 6 * d);
  EXPECT_FALSE(t.stop());
  EXPECT_FALSE(t.reset(d));
  EXPECT_TRUE(t.stop());
  EXPECT_FALSE(t.reset(d));  // stopped
  time.advance(d);
  EXPECT_EQ(t.chan().try_recv(), time.start() + 7 * d);
}

// deviates: false means that somebody has received the value already, or that the timer was stopped before; a value is never left to be received.
TEST(TIME_036, two_timers_and_the_loser_is_always_prevented) {
  // real clock: both fire at about the same time, and stop or reset comes in between.
  downhaul_test::test_runtime rt{2};
  std::atomic<int> ended{0};
  constexpr int goroutines = rounds(1000);
  rt.run([&] {
    dh::wait_group wg;
    for (int g = 0; g < goroutines; ++g) {
      wg.go([&, g] {
        for (int i = 0; i < 100; ++i) {
          dh::timer a{1ms};
          dh::timer b{1ms};
          dh::timer& loser = dh::select(dh::recv(a), dh::recv(b)) == 0 ? b : a;
          const bool prevented = (g + i) % 2 == 0 ? loser.stop() : loser.reset(1h);
          ASSERT_TRUE(prevented);  // nobody else has received from it
          ASSERT_FALSE(loser.chan().try_recv());
        }
        ++ended;
      });
    }
    wg.wait();
  });
  EXPECT_EQ(ended, goroutines);
}

// deviates: as above; the value that stop did not prevent is with the other goroutine.
TEST(TIME_036, stop_is_true_if_and_only_if_nobody_received) {
  // real clock: a reader, the firing and stop or reset all race.
  downhaul_test::test_runtime rt{2};
  rt.run([] {
    std::mt19937_64 random{downhaul_test::seed()};
    auto go_on = dh::make_chan<dh::recv_chan<dh::time_point>>();
    auto give_up = dh::make_chan<void>();
    auto said = dh::make_chan<bool>();
    dh::go([=] {
      for (const auto& ch : go_on) {
        said.send(dh::select(dh::recv(ch), dh::recv(give_up)) == 0);
      }
    });
    int prevented = 0;
    int received = 0;
    constexpr int count = rounds(10'000);
    for (int i = 0; i < count; ++i) {
      dh::timer t{std::chrono::nanoseconds{random() % 30'000}};
      go_on.send(t.chan());
      for (std::uint64_t n = random() % 16; n > 0; --n) dh::yield();
      if (random() % 8 == 0) dh::sleep(10us);
      const bool stopped = i % 2 == 0 ? t.stop() : t.reset(1h);
      bool got_it = false;
      if (dh::select(dh::send(give_up), dh::recv(said, [&](std::optional<bool> s) {
                       got_it = s.value_or(false);
                     })) == 0) {
        got_it = said.recv().value_or(false);
      }
      ASSERT_NE(stopped, got_it) << i;
      ++(stopped ? prevented : received);
    }
    go_on.close();
    EXPECT_EQ(prevented + received, count);
    EXPECT_GT(prevented, 0);
    EXPECT_GT(received, 0);
  });
}

TEST(TIME_037, code_that_drains_after_a_failed_stop_does_not_hang) {
  manual_time time;
  dh::timer t{1s};
  const auto stop_and_drain = [&] {
    if (!t.stop()) t.chan().recv();  // nobody would wake it
  };
  stop_and_drain();  // pending
  t.reset(1s);
  time.advance(2s);
  stop_and_drain();  // expired, not received
  EXPECT_FALSE(t.reset(1s));
  EXPECT_FALSE(t.chan().try_recv());
  EXPECT_TRUE(t.stop());
}

TEST(TIME_038, a_parked_reader_stays_parked_over_stop_and_a_reset_to_later) {
  for (const place where : {place::threads, place::goroutines}) {
    SCOPED_TRACE(where);
    manual_time time;
    dh::timer t{1s};
    std::optional<dh::time_point> value;
    crew reader{where};
    reader.start([&] { value = t.chan().recv(); });
    reader.wait_until_parked(0, wait_reason::chan_receive);
    EXPECT_TRUE(t.stop());
    time.advance(1h);
    EXPECT_FALSE(t.reset(1h));
    time.advance(59min);
    reader.wait_until_parked(0, wait_reason::chan_receive);
    EXPECT_TRUE(t.reset(10h));
    time.advance(9h);
    reader.wait_until_parked(0, wait_reason::chan_receive);
    EXPECT_TRUE(t.reset(1ms));
    const dh::time_point due = dh::now() + 1ms;
    time.advance(1ms);
    reader.join();
    EXPECT_EQ(value, due);
  }
}

TEST(TIME_038, a_parked_reader_is_woken_by_a_reset_to_now) {
  manual_time time;
  dh::timer t{1h};
  std::optional<dh::time_point> value;
  crew reader{place::goroutines};
  reader.start([&] { value = t.chan().recv(); });
  reader.wait_until_parked(0, wait_reason::chan_receive);
  EXPECT_TRUE(t.reset(0s));
  reader.join();
  EXPECT_EQ(value, time.start());
}

TEST(TIME_039, a_timer_moved_earlier_many_times_is_not_lost) {
  // real clock: whoever sleeps until the hour must be told each time.
  for (int i = 0; i < rounds(1000); ++i) {
    dh::timer t{1h};
    for (int n = 0; n < 10; ++n) {
      ASSERT_TRUE(t.stop()) << n;
      ASSERT_FALSE(t.reset(-1s));
    }
    const auto limit = dh::after(10s);
    ASSERT_EQ(dh::select(dh::recv(t), dh::recv(limit)), 0);
  }
}

TEST(TIME_039, a_timer_moved_before_all_others_is_not_lost) {
  // real clock: as above, with a time that is still to come.
  dh::timer t{1h};
  for (int i = 0; i < rounds(300); ++i) {
    for (int n = 10; n > 0; --n) ASSERT_EQ(t.reset(n * 10us), i == 0 || n < 10);
    ASSERT_TRUE(t.chan().recv());
  }
}

TEST(TIME_040, a_reset_to_now_fires_whatever_was_reset_before) {
  manual_time time;
  std::mt19937_64 random{downhaul_test::seed()};
  std::vector<dh::timer> timers;
  for (int i = 0; i < 100; ++i) timers.emplace_back(1h);
  for (int step = 0; step < 10'000; ++step) {
    dh::timer& t = timers[random() % timers.size()];
    switch (random() % 4) {
      case 0: t.reset(std::chrono::milliseconds{random() % 1000}); break;
      case 1: t.reset(std::chrono::hours{random() % 100'000}); break;
      case 2: time.advance(std::chrono::microseconds{random() % 5000}); break;
      default: t.reset(0s); ASSERT_EQ(t.chan().try_recv(), dh::now());
    }
  }
}

TEST(TIME_040, a_reset_to_now_fires_soon_on_the_real_clock) {
  // real clock: as above, with firings in between.
  downhaul_test::test_runtime rt{2};
  rt.run([] {
    dh::wait_group wg;
    for (int i = 0; i < 100; ++i) {
      wg.go([i] {
        std::mt19937_64 random{downhaul_test::seed() + static_cast<std::uint64_t>(i)};
        dh::timer t{1h};
        for (int step = 0; step < rounds(50); ++step) {
          t.reset(std::chrono::hours{1 + random() % 100});
          t.reset(std::chrono::microseconds{random() % 1000});
          t.reset(0s);
          const auto limit = dh::after(10s);
          ASSERT_EQ(dh::select(dh::recv(t), dh::recv(limit)), 0);
        }
      });
    }
    wg.wait();
  });
}

TEST(TIME_041, resets_from_several_goroutines_and_readers_corrupt_nothing) {
  // real clock: so that it fires meanwhile.
  downhaul_test::test_runtime rt{2};
  rt.run([] {
    std::vector<dh::timer> timers;
    for (int i = 0; i < 4; ++i) timers.emplace_back(1h);
    auto done = dh::make_chan<void>();
    std::atomic<int> received{0};
    dh::wait_group readers;
    dh::wait_group writers;
    for (int g = 0; g < 4; ++g) {
      readers.go([&] {
        while (dh::select(dh::recv(timers[0]), dh::recv(timers[1]), dh::recv(timers[2]),
                          dh::recv(timers[3]), dh::recv(done)) != 4) {
          ++received;
        }
      });
      writers.go([&, g] {
        std::mt19937_64 random{downhaul_test::seed() + static_cast<std::uint64_t>(g)};
        for (int n = 0; n < rounds(10'000); ++n) {
          dh::timer& t = timers[random() % 4];
          if (random() % 8 == 0) {
            t.stop();
          } else {
            t.reset(std::chrono::nanoseconds{random() % 20'000});
          }
          if (n % 32 == 0) dh::yield();
        }
      });
    }
    writers.wait();
    // All are whole: each can be armed once more, and is received from.
    for (dh::timer& t : timers) {
      const int before = received;
      t.stop();
      EXPECT_FALSE(t.reset(10us));
      downhaul_test::wait_until([&] { return received > before; });
    }
    done.close();
    readers.wait();
    for (dh::timer& t : timers) {
      t.stop();  // the last value may have been left by those who heard of the end first
      EXPECT_FALSE(t.reset(1h));
      EXPECT_TRUE(t.stop());
    }
  });
}

TEST(TIME_042, a_call_that_throws_leaves_nothing_locked) {
  manual_time time;
  std::vector<dh::timer> others;
  for (int i = 0; i < 100; ++i) {
    dh::timer none;
    dh::ticker no_ticks;
    EXPECT_NE(misuse_of([&] { none.stop(); }), "no misuse");
    EXPECT_NE(misuse_of([&] { none.reset(1s); }), "no misuse");
    EXPECT_NE(misuse_of([&] { no_ticks.reset(1s); }), "no misuse");
    EXPECT_NE(misuse_of([&] { no_ticks.reset(0s); }), "no misuse");
    others.emplace_back(1s);
  }
  dh::ticker ticks{1s};
  EXPECT_NE(misuse_of([&] { ticks.reset(0s); }), "no misuse");
  // From another thread too: a lock left behind would be ours, and might let us pass.
  std::thread{[&] {
    for (std::size_t i = 0; i < 50; ++i) EXPECT_TRUE(others[i].stop());
    ticks.stop();
    time.advance(1s);
  }}.join();
  for (std::size_t i = 50; i < 100; ++i) EXPECT_TRUE(others[i].chan().try_recv());
}

}  // namespace
