// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// TIME-010 to 019: a timer and its channel.

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <optional>
#include <system_error>
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
using downhaul_test::misuse_of;

TEST(TIME_010, sends_one_value_and_not_before_its_time) {
  manual_time time;
  dh::timer t{1s};
  EXPECT_FALSE(t.chan().try_recv());
  time.advance(1s - 1ns);
  EXPECT_FALSE(t.chan().try_recv());
  time.advance(1ns);
  const auto value = t.chan().try_recv();
  ASSERT_TRUE(value);
  EXPECT_GE(*value, time.start() + 1s);
  time.advance(1h);
  EXPECT_FALSE(t.chan().try_recv());
}

TEST(TIME_010, is_not_early_on_the_real_clock) {
  // real clock: that is what is tested.
  for (int i = 0; i < 5; ++i) {
    const dh::time_point start = dh::now();
    dh::timer t{3ms};
    const auto value = t.chan().recv();
    const dh::time_point end = dh::now();
    ASSERT_TRUE(value);
    EXPECT_GE(*value, start + 3ms);
    EXPECT_GE(end, *value);
    EXPECT_FALSE(t.chan().try_recv());
  }
}

TEST(TIME_011, carries_the_time_it_was_due_however_late_it_is_read) {
  manual_time time;
  auto ch = dh::after(10ms);
  dh::timer t{10ms};
  time.advance(500ms);
  EXPECT_EQ(ch.try_recv(), time.start() + 10ms);
  EXPECT_EQ(t.chan().try_recv(), time.start() + 10ms);
}

TEST(TIME_011, carries_it_on_the_real_clock_too) {
  // real clock: whoever fires is late by some microseconds, which must not show.
  dh::timer first{2ms};
  dh::timer second{4ms};
  dh::sleep(20ms);
  const auto a = first.chan().try_recv();
  const auto b = second.chan().try_recv();
  ASSERT_TRUE(a);
  ASSERT_TRUE(b);
  // Made one after the other: the difference is 2 ms and what passed between the two lines.
  EXPECT_GE(*b - *a, 2ms);
  EXPECT_LE(*b, dh::now() - 16ms);
}

TEST(TIME_012, of_no_time_is_ready_at_once) {
  manual_time time;
  EXPECT_TRUE(dh::timer{0s}.chan().try_recv());
  EXPECT_TRUE(dh::timer{-1ns}.chan().try_recv());
  EXPECT_TRUE(dh::timer{std::chrono::hours::min()}.chan().try_recv());
  EXPECT_TRUE(dh::after(0s).try_recv());
  EXPECT_TRUE(dh::after(-1h).try_recv());
}

constexpr int very_many = downhaul_test::sanitized ? 10'000 : 1'000'000;

TEST(TIME_012, of_no_time_is_never_lost_with_a_channel) {
  // real clock: a timer that was lost would show as a channel without a value.
  for (int i = 0; i < very_many; ++i) {
    dh::timer t{0s};
    ASSERT_TRUE(t.chan().try_recv()) << i;
  }
}

TEST(TIME_012, of_no_time_is_never_lost_with_a_function) {
  // real clock: as above; here the receive would never return.
  downhaul_test::test_runtime rt{1};
  rt.run([] {
    int ran = 0;
    auto told = dh::make_chan<void>();
    for (int i = 0; i < very_many; ++i) {
      dh::timer t{0s, [&] {
                    ++ran;
                    told.send();
                  }};
      told.recv();
      ASSERT_EQ(ran, i + 1);
    }
  });
}

TEST(TIME_012, of_no_time_is_never_lost_when_a_timer_is_used_again) {
  // real clock: as above.
  dh::timer t{1h};
  ASSERT_TRUE(t.stop());
  for (int i = 0; i < very_many; ++i) {
    ASSERT_FALSE(t.reset(0s)) << i;
    ASSERT_TRUE(t.chan().try_recv()) << i;
  }
}

TEST(TIME_013, of_more_than_the_clock_can_count_is_never_due) {
  manual_time time;
  dh::timer longest{std::chrono::nanoseconds::max()};
  dh::timer nearly{std::chrono::nanoseconds::max() - 1ns};  // the sum with now wraps, if it can
  dh::timer hours{std::chrono::hours::max()};
  dh::timer fraction{std::chrono::duration<double>{1e300}};
  const auto ch = dh::after(std::chrono::nanoseconds::max());
  dh::timer usual{1s};
  EXPECT_FALSE(nearly.chan().try_recv());
  time.advance(1s);
  EXPECT_TRUE(usual.chan().try_recv());
  time.advance(24h * 365 * 250);
  for (const auto& c : {longest.chan(), nearly.chan(), hours.chan(), fraction.chan(), ch}) {
    EXPECT_FALSE(c.try_recv());
  }
}

constexpr int slots[] = {5, 3, 6, 6, 6, 1, 1, 2, 7, 9, 4, 8, 0};

TEST(TIME_014, fires_each_in_its_own_slot) {
  manual_time time;
  std::vector<dh::timer> timers;
  for (const int s : slots) timers.emplace_back(s * 100ms);
  for (int now = 0; now < 10; ++now) {
    for (std::size_t i = 0; i < timers.size(); ++i) {
      EXPECT_EQ(timers[i].chan().try_recv().has_value(), slots[i] == now) << i << " at " << now;
    }
    time.advance(100ms);
  }
}

TEST(TIME_014, fires_in_due_order_whatever_lies_between) {
  using std::chrono::nanoseconds;
  for (const nanoseconds unit :
       {nanoseconds{1}, nanoseconds{10us}, nanoseconds{1s}, nanoseconds{1000h}}) {
    manual_time time;
    std::vector<dh::timer> timers;
    for (const int s : slots) timers.emplace_back((s + 1) * unit);
    std::vector<int> order;
    while (time.hands().advance_to_next()) {
      for (std::size_t i = 0; i < timers.size(); ++i) {
        if (!timers[i].chan().try_recv()) continue;
        EXPECT_EQ(dh::now(), time.start() + (slots[i] + 1) * unit);
        order.push_back(slots[i]);
      }
    }
    EXPECT_EQ(order, (std::vector<int>{0, 1, 1, 2, 3, 4, 5, 6, 6, 6, 7, 8, 9}));
  }
}

TEST(TIME_015, has_a_channel_whose_size_and_capacity_say_nothing) {
  manual_time time;
  dh::timer t{1s};
  EXPECT_EQ(t.chan().size(), 0);
  EXPECT_EQ(t.chan().capacity(), 0);
  time.advance(1s);
  EXPECT_EQ(t.chan().size(), 0);
  EXPECT_EQ(t.chan().capacity(), 0);
  EXPECT_TRUE(t.chan().try_recv());  // though one was pending
  EXPECT_EQ(t.chan().size(), 0);
  EXPECT_EQ(dh::after(0s).size(), 0);
  EXPECT_EQ(dh::after(0s).capacity(), 0);
}

// Open, and nothing in it.
bool is_open_and_empty(const dh::recv_chan<dh::time_point>& ch) {
  std::error_code ec;
  return !ch.try_recv(ec) && ec == std::errc::operation_would_block;
}

TEST(TIME_016, never_closes_its_channel) {
  manual_time time;
  dh::timer t{1s};
  EXPECT_TRUE(is_open_and_empty(t.chan()));
  time.advance(1s);
  EXPECT_TRUE(t.chan().try_recv());
  EXPECT_TRUE(is_open_and_empty(t.chan()));
  EXPECT_FALSE(t.stop());
  EXPECT_TRUE(is_open_and_empty(t.chan()));
  EXPECT_FALSE(t.reset(1s));
  EXPECT_TRUE(t.stop());
  EXPECT_TRUE(is_open_and_empty(t.chan()));
  const auto kept = t.chan();
  t = {};
  EXPECT_TRUE(is_open_and_empty(kept));
}

TEST(TIME_017, without_a_timer_cannot_be_stopped_or_reset) {
  manual_time time;
  dh::timer none;
  EXPECT_EQ(misuse_of([&] { none.stop(); }), "time: Stop called on uninitialized Timer");
  EXPECT_EQ(misuse_of([&] { none.reset(1s); }), "time: Reset called on uninitialized Timer");
  dh::timer made{1s};
  none = std::move(made);
  EXPECT_EQ(misuse_of([&] { made.stop(); }), "time: Stop called on uninitialized Timer");
  EXPECT_EQ(misuse_of([&] { none.stop(); }), "no misuse");
  none.detach();
  EXPECT_EQ(misuse_of([&] { none.reset(0s); }), "time: Reset called on uninitialized Timer");
}

TEST(TIME_018, does_not_wait_for_a_reader) {
  manual_time time;  // we are who fires: had we to wait for a reader, this would never end
  dh::timer unread{1s};
  dh::ticker unread_ticks{1s};
  dh::timer last{1h};
  time.advance(1h);
  EXPECT_TRUE(last.chan().try_recv());
  EXPECT_TRUE(unread.chan().try_recv());
  EXPECT_TRUE(unread_ticks.chan().try_recv());
}

TEST(TIME_018, does_not_wait_for_a_reader_on_the_real_clock) {
  // real clock: its own thread fires.
  dh::timer unread{1us};
  dh::ticker unread_ticks{10us};
  for (int i = 0; i < 20; ++i) {
    dh::timer read{100us};
    EXPECT_TRUE(read.chan().recv());
  }
}

TEST(TIME_019, gives_its_value_to_exactly_one_of_several) {
  for (const auto where : downhaul_test::all_places) {
    SCOPED_TRACE(where);
    manual_time time;
    dh::timer t{1s};
    std::atomic<int> received{0};
    std::atomic<int> gave_up{0};
    auto done = dh::make_chan<void>();
    crew readers{where};
    for (int i = 0; i < 5; ++i) {
      readers.start([&, ch = t.chan()] {
        if (dh::select(dh::recv(ch), dh::recv(done)) == 0) {
          ++received;
        } else {
          ++gave_up;
        }
      });
    }
    for (std::size_t i = 0; i < 5; ++i) readers.wait_until_parked(i, wait_reason::select);
    time.advance(1s);
    downhaul_test::wait_until([&] { return received > 0; });
    done.close();
    readers.join();
    EXPECT_EQ(received, 1);
    EXPECT_EQ(gave_up, 4);
  }
}

}  // namespace
