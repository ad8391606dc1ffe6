// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// real clock: the watch is about real time; each wait here is for an event that it brings about.

#include "time/watch.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <memory>
#include <thread>

#include "downhaul/chan.hpp"
#include "downhaul/context.hpp"
#include "downhaul/select.hpp"
#include "downhaul/time.hpp"
#include "time/clock_state.hpp"

namespace {

namespace dh = downhaul;
namespace watch = dh::impl::watch;
using namespace std::chrono_literals;

// In a process of its own: whether the thread is there, before and after the first timer.
[[noreturn]] void look_for_the_thread() {
  auto ch = dh::make_chan<int>(1);
  ch.send(1);
  dh::sleep(1ms);
  {
    auto [ctx, cancel] = dh::with_cancel(dh::background());
    cancel();
    ctx.done().recv();
  }
  const dh::timer unarmed{std::chrono::hours::max()};
  if (watch::started()) std::_Exit(1);
  const dh::timer armed{1h};
  std::_Exit(watch::started() ? 0 : 2);
}

TEST(watch_death, does_not_exist_until_a_timer_has_nobody_else) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(look_for_the_thread(), testing::ExitedWithCode(0), "");
}

TEST(watch, fires_timers_of_plain_threads_without_a_runtime) {
  const dh::time_point start = dh::now();
  const auto value = dh::timer{2ms}.chan().recv();
  EXPECT_GE(*value, start + 2ms);
  EXPECT_GE(dh::now(), *value);
}

TEST(watch, fires_an_earlier_timer_armed_after_a_later_one) {
  dh::timer later{1h};
  for (int i = 0; i < 20; ++i) {
    EXPECT_TRUE(dh::after(1h / 3600000).recv());
    EXPECT_FALSE(later.chan().try_recv());
  }
}

TEST(watch, stands_in_for_workers_and_keepers_that_do_not_look) {
  dh::clock& real = dh::clock::real();
  real.attach_workers(1);  // somebody who never serves
  EXPECT_TRUE(dh::after(1ms).recv());
  real.detach_workers(1);
  EXPECT_TRUE(dh::after(1ms).recv());
}

TEST(watch, is_late_for_workers_that_do_not_look_once_and_not_always) {
  dh::clock& real = dh::clock::real();
  real.attach_workers(1);  // as above
  std::chrono::nanoseconds shortest = 1h;
  for (int i = 0; i < 20; ++i) {
    const dh::time_point start = dh::now();
    EXPECT_TRUE(dh::after(1us).recv());
    shortest = std::min(shortest, dh::now() - start);
  }
  real.detach_workers(1);
  EXPECT_LT(shortest, 10ms);
}

TEST(watch, takes_over_when_the_last_worker_leaves) {
  dh::clock& real = dh::clock::real();
  dh::impl::keeper k{[](dh::impl::keeper&) noexcept {}};
  real.attach_workers(1);
  ASSERT_TRUE(real.try_keep(k));  // asleep, and late
  dh::timer t{1ms};
  real.stop_keeping(k);
  real.detach_workers(1);
  EXPECT_TRUE(t.chan().recv());
}

struct tick_counter {
  std::atomic<int> n{0};
  static void tick(void* arg) noexcept {
    static_cast<tick_counter*>(arg)->n.fetch_add(1);
    static_cast<tick_counter*>(arg)->n.notify_all();
  }
  void wait_for(int least) {
    for (int seen = n; seen < least; seen = n) n.wait(seen);
  }
};

TEST(watch, ticks_while_there_is_activity_and_sleeps_when_there_is_none) {
  tick_counter ticks;
  watch::add_tick(tick_counter::tick, &ticks);
  ticks.wait_for(5);
  // Without activity it stops by itself, after ten looks or so.
  int seen = -1;
  while (seen != ticks.n) {
    seen = ticks.n;
    std::this_thread::sleep_for(5 * std::chrono::nanoseconds{watch::look_every_ns});  // real clock:
  }
  EXPECT_LE(seen, 40);
  watch::note_activity();
  ticks.wait_for(seen + 1);
  watch::remove_tick(tick_counter::tick, &ticks);
  const int last = ticks.n;
  watch::note_activity();
  EXPECT_TRUE(dh::after(30ms).recv());
  EXPECT_EQ(ticks.n, last);
}

TEST(watch, has_left_a_tick_when_it_is_removed) {
  for (int i = 0; i < 3; ++i) {
    auto ticks = std::make_unique<tick_counter>();
    watch::add_tick(tick_counter::tick, ticks.get());
    ticks->wait_for(1);
    watch::remove_tick(tick_counter::tick, ticks.get());
  }
}

TEST(watch, costs_nothing_while_nothing_is_due_soon) {
  dh::timer far{1h};
  EXPECT_TRUE(dh::after(1ms).recv());
  const std::uint64_t before = watch::looks();
  EXPECT_TRUE(dh::after(100ms).recv());
  EXPECT_LE(watch::looks() - before, 15u);  // some may remain from ticks of before
}

}  // namespace
