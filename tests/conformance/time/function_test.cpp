// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// TIME-050 to 056: a timer that runs a function.

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <optional>
#include <vector>

#include "conformance/time/manual_time.hpp"
#include "downhaul/chan.hpp"
#include "downhaul/go.hpp"
#include "downhaul/runtime.hpp"
#include "downhaul/time.hpp"
#include "downhaul/wait_group.hpp"
#include "support/crew.hpp"
#include "support/parked.hpp"
#include "support/test_runtime.hpp"

namespace {

namespace dh = downhaul;
using namespace std::chrono_literals;
using dh::impl::wait_reason;
using downhaul_test::crew;
using downhaul_test::manual_time;
using downhaul_test::place;
using downhaul_test::rounds;

TEST(TIME_050, runs_f_in_a_goroutine_of_its_own) {
  manual_time time;
  auto ran = dh::make_chan<bool>(2);
  dh::timer a{1s, [ran] { ran.send(dh::impl::on_goroutine()); }};
  EXPECT_EQ(dh::count_goroutines(), 0u);
  time.advance(1s);
  EXPECT_EQ(ran.recv(), true);
}

TEST(TIME_050, is_not_held_up_by_an_f_that_blocks_sleeps_or_makes_timers) {
  dh::manual_clock hands;
  downhaul_test::test_runtime rt{1, &hands};
  auto go_on = dh::make_chan<void>();
  std::atomic<int> blocked{0};
  std::atomic<int> slept{0};
  std::atomic<int> chained{0};
  std::atomic<int> last{0};
  rt.go([&, go_on] {
    dh::timer blocks{1s, [&, go_on] {
                       go_on.recv();
                       ++blocked;
                     }};
    dh::timer sleeps{1s, [&] {
                       dh::sleep(1s);
                       ++slept;
                     }};
    dh::timer makes{1s, [&] {
                      dh::timer inner{500ms, [&] { ++chained; }};
                      dh::sleep(600ms);
                    }};
    dh::timer after_all{1s, [&] { ++last; }};
    go_on.recv();
  });
  rt.run_until_parked();
  hands.advance(1s);
  rt.run_until_parked();
  EXPECT_EQ(last, 1);
  EXPECT_EQ(blocked + slept + chained, 0);
  hands.advance(500ms);
  rt.run_until_parked();
  EXPECT_EQ(chained, 1);
  hands.advance(500ms);
  rt.run_until_parked();
  EXPECT_EQ(slept, 1);
  go_on.close();
  rt.run_until_parked();
  EXPECT_EQ(blocked, 1);
}

TEST(TIME_051, has_no_channel) {
  manual_time time;
  dh::timer t{1h, [] { ADD_FAILURE(); }};
  EXPECT_FALSE(t.chan());
  EXPECT_EQ(t.chan(), dh::recv_chan<dh::time_point>{});
  t.reset(2h);
  EXPECT_FALSE(t.chan());
}

TEST(TIME_052, stopped_half_way_never_runs_f) {
  manual_time time;
  std::atomic<int> ran{0};
  std::vector<dh::timer> timers;
  for (int i = 0; i < 100; ++i) timers.emplace_back(2s, [&] { ++ran; });
  time.advance(1s);
  for (dh::timer& t : timers) EXPECT_TRUE(t.stop());
  for (dh::timer& t : timers) EXPECT_FALSE(t.stop());  // already stopped
  time.advance(1h);
  downhaul_test::await_no_goroutines();
  EXPECT_EQ(ran, 0);
}

TEST(TIME_052, stop_is_false_once_f_was_started_and_does_not_wait_for_it) {
  manual_time time;
  auto started = dh::make_chan<void>();
  auto go_on = dh::make_chan<void>();
  std::atomic<bool> ended{false};
  dh::timer t{1s, [&, started, go_on] {
                started.send();
                go_on.recv();
                ended = true;
              }};
  time.advance(1s);
  started.recv();
  EXPECT_FALSE(t.stop());
  EXPECT_FALSE(ended);
  go_on.close();
}

TEST(TIME_052, stop_is_true_if_and_only_if_f_does_not_run) {
  // real clock: the stop races with the firing.
  downhaul_test::test_runtime rt{2};
  rt.run([] {
    int prevented = 0;
    int ran = 0;
    constexpr int count = rounds(10'000);
    for (int i = 0; i < count; ++i) {
      std::atomic<int> runs{0};
      bool stopped = false;
      {
        dh::timer t{std::chrono::nanoseconds{(i * 37) % 20'000}, [&] { ++runs; }};
        for (int n = i % 8; n > 0; --n) dh::yield();
        if (i % 8 == 0) dh::sleep(10us);
        stopped = t.stop();
      }  // waits for a run
      ASSERT_EQ(runs, stopped ? 0 : 1);
      ++(stopped ? prevented : ran);
    }
    EXPECT_GT(prevented, 0);
    EXPECT_GT(ran, 0);
  });
}

TEST(TIME_053, reset_is_true_when_it_moved_a_run) {
  manual_time time;
  auto ran = dh::make_chan<void>(10);
  dh::timer t{1s, [ran] { ran.send(); }};
  EXPECT_TRUE(t.reset(2s));
  time.advance(1s);
  EXPECT_EQ(dh::count_goroutines(), 0u);
  time.advance(1s);
  EXPECT_TRUE(ran.recv());
  EXPECT_FALSE(t.reset(1s));  // has run: once more
  time.advance(1s);
  EXPECT_TRUE(ran.recv());
  EXPECT_FALSE(t.stop());
  EXPECT_FALSE(t.reset(1s));
  EXPECT_TRUE(t.stop());
  EXPECT_FALSE(t.reset(1s));  // stopped: once more
  time.advance(1s);
  EXPECT_TRUE(ran.recv());
  EXPECT_EQ(ran.size(), 0);
}

TEST(TIME_053, the_old_and_the_new_run_may_overlap) {
  manual_time time;
  auto go_on = dh::make_chan<void>();
  std::atomic<int> inside{0};
  dh::timer t{1s, [&, go_on] {
                ++inside;
                go_on.recv();
              }};
  time.advance(1s);
  downhaul_test::wait_until([&] { return inside == 1; });
  EXPECT_FALSE(t.reset(1s));
  time.advance(1s);
  downhaul_test::wait_until([&] { return inside == 2; });  // hangs if the first had to end
  go_on.close();
}

TEST(TIME_054, f_runs_beside_a_pair_that_wakes_each_other_for_ever) {
  // real clock: time passes by itself while one worker is never idle.
  downhaul_test::test_runtime rt{1};
  rt.run([] {
    for (int i = 0; i < 100; ++i) {
      auto ping = dh::make_chan<bool>(1);
      auto pong = dh::make_chan<bool>(1);
      std::atomic<bool> stop{false};
      dh::wait_group wg;
      wg.go([=, &stop] {
        while (!stop) {
          ping.send(true);
          pong.recv();
        }
        ping.close();
      });
      wg.go([=] {
        while (ping.recv()) pong.send(true);
      });
      dh::timer t{1us, [&] { stop = true; }};
      wg.wait();
      EXPECT_FALSE(t.stop());
    }
  });
}

TEST(TIME_054, f_runs_beside_a_pair_that_never_waits) {
  // real clock: as above; each finds what it sent itself, so there is not even a wait.
  downhaul_test::test_runtime rt{1};
  rt.run([] {
    auto ball = dh::make_chan<bool>(1);
    std::atomic<bool> stop{false};
    dh::wait_group wg;
    dh::timer t{1us, [&] { stop = true; }};
    for (int side = 0; side < 2; ++side) {
      wg.go([ball, &stop] {
        while (!stop) {
          ball.send(true);
          ball.recv();
        }
      });
    }
    wg.wait();
    EXPECT_FALSE(t.stop());
  });
}

// deviates: dropping the handle does cancel f, and waits for an f that runs, unless detach() was called.
TEST(TIME_055, dropping_the_handle_unregisters_f) {
  manual_time time;
  const auto held = std::make_shared<int>();
  {
    dh::timer t{1s, [held] { ADD_FAILURE() << "ran after its handle had gone"; }};
    EXPECT_EQ(time.pending(), 1u);
  }
  EXPECT_EQ(time.pending(), 0u);
  EXPECT_EQ(held.use_count(), 1);
  time.advance(1h);
  downhaul_test::await_no_goroutines();
}

// deviates: as above.
TEST(TIME_055, dropping_the_handle_waits_for_an_f_that_runs) {
  manual_time time;
  auto go_on = dh::make_chan<void>();
  auto started = dh::make_chan<void>(1);
  std::atomic<bool> ended{false};
  std::optional<dh::timer> t;
  t.emplace(1s, [&, go_on, started] {
    started.send();
    go_on.recv();
    ended = true;
  });
  time.advance(1s);
  started.recv();
  crew owner{place::threads};
  owner.start([&] {
    t.reset();
    EXPECT_TRUE(ended);
  });
  owner.wait_until_parked(0, wait_reason::callback_wait);
  EXPECT_FALSE(ended);
  go_on.close();
  owner.join();
}

TEST(TIME_055, a_detached_f_runs_without_its_handle) {
  manual_time time;
  auto ran = dh::make_chan<void>();
  dh::timer{1s, [ran] { ran.send(); }}.detach();
  EXPECT_EQ(time.pending(), 1u);
  time.advance(1s);
  EXPECT_TRUE(ran.recv());
  downhaul_test::wait_until([&] { return time.timers() == 0; });
}

TEST(TIME_056, f_sees_what_was_done_before_and_its_receiver_what_f_did) {
  // Plain variables: a ThreadSanitizer build is the judge.
  downhaul_test::test_runtime rt{2};
  rt.run([] {
    for (int i = 0; i < rounds(500); ++i) {
      int before = i;
      int in_f = -1;
      auto told = dh::make_chan<void>(i % 2);
      dh::timer t{std::chrono::microseconds{i % 3}, [&, told] {
                    in_f = before + 1;
                    told.send();
                  }};
      told.recv();
      ASSERT_EQ(in_f, i + 1);
      before = 0;
    }
  });
}

TEST(TIME_056, f_sees_what_was_done_before_a_reset) {
  downhaul_test::test_runtime rt{2};
  rt.run([] {
    int before = 0;
    int in_f = 0;
    auto told = dh::make_chan<void>();
    dh::timer t{1h, [&, told] {
                  in_f = before;
                  told.send();
                }};
    for (int i = 1; i <= rounds(500); ++i) {
      before = i;
      t.reset(std::chrono::microseconds{i % 3});
      told.recv();
      ASSERT_EQ(in_f, i);
    }
  });
}

}  // namespace
