// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// TIME-069 to 073: after, tick, and what timers cost.

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "conformance/time/manual_time.hpp"
#include "downhaul/chan.hpp"
#include "downhaul/go.hpp"
#include "downhaul/select.hpp"
#include "downhaul/time.hpp"
#include "downhaul/wait_group.hpp"
#include "support/crew.hpp"
#include "support/test_runtime.hpp"

namespace {

namespace dh = downhaul;
using namespace std::chrono_literals;
using dh::impl::wait_reason;
using downhaul_test::crew;
using downhaul_test::manual_time;
using downhaul_test::place;

TEST(TIME_069, ten_thousand_that_nobody_holds_leave_nothing) {
  manual_time time;
  for (int i = 0; i < 10'000; ++i) {
    static_cast<void>(dh::after(1h));
    static_cast<void>(dh::tick(1h));
    static_cast<void>(dh::timer{1h});
    static_cast<void>(dh::ticker{1h});
    ASSERT_EQ(time.pending(), 0u);
    ASSERT_EQ(time.timers(), 0);
  }
}

TEST(TIME_069, the_last_handle_takes_the_timer_out_of_the_queue) {
  manual_time time;
  auto once = dh::after(1h);
  auto again = dh::tick(1h);
  const auto copy = once;
  once = {};
  EXPECT_EQ(time.pending(), 2u);
  again = {};
  EXPECT_EQ(time.pending(), 1u);
  EXPECT_EQ(time.timers(), 1);
  time.advance(1h);
  EXPECT_EQ(copy.try_recv(), time.start() + 1h);  // the copy was enough
}

TEST(TIME_069, an_object_that_goes_ends_its_timer_whoever_holds_the_channel) {
  manual_time time;
  dh::recv_chan<dh::time_point> once;
  dh::recv_chan<dh::time_point> again;
  dh::recv_chan<dh::time_point> ready;
  {
    dh::timer t{1h};
    dh::ticker beat{1h};
    dh::timer at_once{0s};
    once = t.chan();
    again = beat.chan();
    ready = at_once.chan();
  }
  EXPECT_EQ(time.pending(), 0u);
  time.advance(2h);
  for (const auto& ch : {once, again, ready}) EXPECT_FALSE(ch.try_recv());
}

TEST(TIME_069, a_receiver_keeps_what_it_waits_for) {
  manual_time time;
  std::optional<dh::time_point> value;
  crew reader{place::goroutines};
  reader.start([&value, ch = dh::after(1s)]() mutable {
    value = std::exchange(ch, {}).recv();  // no other handle
  });
  reader.wait_until_parked(0, wait_reason::chan_receive);
  EXPECT_EQ(time.pending(), 1u);
  time.advance(1s);
  reader.join();
  EXPECT_EQ(value, time.start() + 1s);
}

// deviates: a channel timer has its place in the queue whether or not somebody waits; leaving it out would make each look at the channel read the clock.
TEST(TIME_070, a_timer_that_nobody_waits_on_behaves_as_one_that_is_waited_on) {
  manual_time time;
  dh::timer alone{1s};
  dh::timer watched{1s};
  std::optional<dh::time_point> value;
  crew reader{place::threads};
  reader.start([&] { value = watched.chan().recv(); });
  reader.wait_until_parked(0, wait_reason::chan_receive);
  EXPECT_EQ(time.pending(), 2u);
  time.advance(1s - 1ns);
  EXPECT_FALSE(alone.chan().try_recv());
  time.advance(1h);
  reader.join();
  EXPECT_EQ(alone.chan().try_recv(), value);
  EXPECT_EQ(alone.stop(), watched.stop());
  EXPECT_EQ(alone.reset(1s), watched.reset(1s));
}

TEST(TIME_071, after_as_a_case_in_a_loop_does_not_pile_up) {
  manual_time time;
  auto ch = dh::make_chan<int>(1);
  for (int i = 0; i < 10'000; ++i) {
    ch.send(i);
    ASSERT_EQ(dh::select(dh::recv(ch), dh::recv(dh::after(1h))), 0);
    ASSERT_EQ(time.pending(), 0u);
    ASSERT_EQ(time.timers(), 0);
  }
  EXPECT_EQ(dh::select(dh::recv(ch), dh::recv(dh::after(0s))), 1);
}

TEST(TIME_072, timers_of_a_busy_worker_are_served_by_others) {
  // real clock: a worker that never comes to a scheduling point.
  downhaul_test::test_runtime rt{2};
  rt.run([] {
    for (int i = 0; i < 10; ++i) {
      std::atomic<int> ran{0};
      dh::timer channel{100us};
      dh::timer function{200us, [&] { ++ran; }};
      while (!channel.chan().try_recv()) {
      }
      while (ran == 0) {
      }
      EXPECT_FALSE(channel.stop());
      EXPECT_FALSE(function.stop());
    }
  });
}

TEST(TIME_072, timers_of_a_busy_thread_are_served_by_others) {
  // real clock: as above, from a plain thread, which nobody else need ever look after.
  std::atomic<int> ran{0};
  dh::timer channel{100us};
  dh::timer function{200us, [&] { ++ran; }};
  while (!channel.chan().try_recv()) {
  }
  while (ran == 0) {
  }
  EXPECT_FALSE(function.stop());
}

TEST(TIME_073, ten_in_a_row_take_their_time) {
  // real clock: that is what is tested.
  constexpr auto delta = 3ms;
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(dh::after(delta).recv());
  EXPECT_GE(std::chrono::steady_clock::now() - start, 10 * delta * 9 / 10);
}

}  // namespace
