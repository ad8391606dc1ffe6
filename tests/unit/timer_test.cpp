// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors

#include "downhaul/timer.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <limits>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include "downhaul/context.hpp"
#include "downhaul/go.hpp"
#include "downhaul/select.hpp"
#include "downhaul/sleep.hpp"
#include "downhaul/testing/manual_clock.hpp"
#include "downhaul/wait_group.hpp"
#include "support/crew.hpp"
#include "support/seed.hpp"
#include "support/test_runtime.hpp"

namespace {

namespace dh = downhaul;
using namespace std::chrono_literals;
using dh::impl::wait_reason;
using downhaul_test::crew;
using downhaul_test::place;

static_assert(!std::is_copy_constructible_v<dh::timer>);
static_assert(std::is_nothrow_move_constructible_v<dh::timer>);
static_assert(!std::is_convertible_v<std::chrono::seconds, dh::timer>);
static_assert(std::is_same_v<decltype(std::declval<dh::timer&>().chan()),
                             const dh::recv_chan<dh::time_point>&>);
static_assert(
    std::is_same_v<decltype(std::declval<dh::timer>().chan()), dh::recv_chan<dh::time_point>>);

template <class F>
std::string misuse_of(F&& f) {
  try {
    f();
  } catch (const dh::misuse& e) {
    return e.what();
  }
  return "no misuse";
}

// A hand-advanced clock for this thread; nothing may be left on it.
class timer_on_a_manual_clock : public testing::Test {
 protected:
  void TearDown() override {
    EXPECT_EQ(hands.pending(), 0u);
    EXPECT_EQ(dh::impl::total(dh::impl::tally::timers), before);
  }
  const std::int64_t before = dh::impl::total(dh::impl::tally::timers);
  dh::manual_clock hands;
  const dh::use_clock here{hands};
  const dh::time_point start = hands.now();
};
using timer = timer_on_a_manual_clock;

TEST_F(timer, sends_the_time_it_was_due_once) {
  dh::timer t{10ms};
  EXPECT_FALSE(t.chan().try_recv());
  hands.advance(10ms - 1ns);
  EXPECT_FALSE(t.chan().try_recv());
  hands.advance(500ms);  // late reading does not matter
  EXPECT_EQ(t.chan().try_recv(), start + 10ms);
  hands.advance(1h);
  EXPECT_FALSE(t.chan().try_recv());
}

TEST_F(timer, is_ready_at_once_when_the_delay_is_zero_or_negative) {
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(dh::timer{0s}.chan().try_recv(), start);
  EXPECT_EQ(dh::timer{-5ms}.chan().try_recv(), start - 5ms);
  EXPECT_TRUE(dh::timer{std::chrono::hours::min()}.chan().try_recv());
  dh::timer t{1h};
  EXPECT_TRUE(t.reset(0s));
  EXPECT_EQ(t.chan().try_recv(), start);
}

TEST_F(timer, is_never_due_when_the_clock_cannot_count_so_far) {
  dh::timer t{std::chrono::hours::max()};
  EXPECT_EQ(hands.pending(), 0u);
  hands.advance(24h * 365 * 200);
  EXPECT_FALSE(t.chan().try_recv());
  EXPECT_FALSE(t.reset(24h * 365 * 200));  // beyond the end of time, from here
  hands.advance(24h * 365 * 80);
  EXPECT_FALSE(t.chan().try_recv());
}

TEST_F(timer, takes_fractions_of_seconds) {
  dh::timer t{0.5s};
  hands.advance(500ms);
  EXPECT_EQ(t.chan().try_recv(), start + 500ms);
}

TEST_F(timer, fires_in_the_order_of_the_due_times) {
  constexpr int slots[] = {5, 3, 6, 6, 6, 1, 1, 2, 7, 9, 4, 8, 0};
  std::vector<dh::timer> timers;
  for (const int s : slots) timers.emplace_back(s * 100ms);
  for (int s = 0; s < 10; ++s) {
    for (std::size_t i = 0; i < timers.size(); ++i) {
      EXPECT_EQ(timers[i].chan().try_recv().has_value(), slots[i] == s);
    }
    hands.advance(100ms);
  }
}

TEST_F(timer, has_a_channel_that_is_always_empty_and_never_closed) {
  dh::timer t{1s};
  EXPECT_EQ(t.chan().capacity(), 0);
  EXPECT_EQ(t.chan().size(), 0);
  hands.advance(1s);
  EXPECT_EQ(t.chan().size(), 0);
  EXPECT_TRUE(t.stop());
  std::error_code ec;
  EXPECT_FALSE(t.chan().try_recv(ec));
  EXPECT_EQ(ec, std::errc::operation_would_block);  // closed would be clear
}

TEST_F(timer, without_a_timer_has_no_channel_and_says_so) {
  dh::timer none;
  EXPECT_FALSE(none.chan());
  EXPECT_EQ(misuse_of([&] { none.stop(); }), "time: Stop called on uninitialized Timer");
  EXPECT_EQ(misuse_of([&] { none.reset(1s); }), "time: Reset called on uninitialized Timer");
  dh::timer t{1s};  // nothing is left locked
  dh::timer moved{std::move(t)};
  EXPECT_EQ(misuse_of([&] { t.stop(); }), "time: Stop called on uninitialized Timer");
  EXPECT_TRUE(moved.stop());
  none = std::move(moved);
  EXPECT_FALSE(none.stop());
}

TEST_F(timer, stops_once_before_it_is_due) {
  dh::timer t{1s};
  EXPECT_TRUE(t.stop());
  EXPECT_EQ(hands.pending(), 0u);
  EXPECT_FALSE(t.stop());
  hands.advance(1h);
  EXPECT_FALSE(t.chan().try_recv());
}

TEST_F(timer, withdraws_what_was_not_received_when_stopped) {
  dh::timer t{1s};
  hands.advance(2s);
  EXPECT_TRUE(t.stop());
  EXPECT_FALSE(t.chan().try_recv());
  EXPECT_FALSE(t.stop());
}

TEST_F(timer, cannot_be_stopped_after_it_was_received) {
  dh::timer t{1s};
  hands.advance(1s);
  EXPECT_TRUE(t.chan().try_recv());
  EXPECT_FALSE(t.stop());
  EXPECT_FALSE(t.reset(1s));
  hands.advance(1s);
  EXPECT_EQ(t.chan().try_recv(), start + 2s);
}

TEST_F(timer, moves_when_it_is_reset) {
  dh::timer t{2s};
  hands.advance(1s);
  EXPECT_TRUE(t.reset(3s));
  hands.advance(2s);
  EXPECT_FALSE(t.chan().try_recv());
  hands.advance(2s);
  EXPECT_TRUE(t.reset(1s));  // expired, but not received
  EXPECT_FALSE(t.chan().try_recv());
  hands.advance(1s);
  EXPECT_EQ(t.chan().try_recv(), start + 6s);
  EXPECT_FALSE(t.reset(50ms));
  EXPECT_TRUE(t.stop());
  EXPECT_FALSE(t.reset(50ms));
  EXPECT_TRUE(t.reset(std::chrono::hours::max()));
  EXPECT_FALSE(t.stop());
}

TEST_F(timer, never_gives_a_value_of_before_a_reset) {
  dh::timer t{0s};
  for (int i = 1; i <= 1000; ++i) {
    EXPECT_TRUE(t.reset(1ms));
    EXPECT_FALSE(t.chan().try_recv());
    hands.advance(1ms);
  }
  EXPECT_EQ(t.chan().try_recv(), start + 1s);
}

TEST_F(timer, is_not_lost_when_it_is_moved_earlier_again_and_again) {
  std::vector<dh::timer> timers;
  for (int i = 0; i < 100; ++i) timers.emplace_back(1h);
  for (int i = 0; i < 10; ++i) {
    for (dh::timer& t : timers) {
      EXPECT_TRUE(t.stop());
      EXPECT_FALSE(t.reset(-1s));
    }
  }
  for (dh::timer& t : timers) EXPECT_TRUE(t.chan().try_recv());
}

TEST_F(timer, fires_in_time_after_random_resets) {
  std::mt19937_64 random{downhaul_test::seed()};
  std::vector<dh::timer> timers(100);
  std::vector<std::optional<dh::time_point>> due(timers.size());
  for (std::size_t i = 0; i < timers.size(); ++i) {
    due[i] = hands.now() + 1h;
    timers[i] = dh::timer{1h};
  }
  for (int step = 0; step < 5000; ++step) {
    const std::size_t i = random() % timers.size();
    if (random() % 3 == 0) hands.advance(std::chrono::microseconds{random() % 1000});
    switch (random() % 3) {
      case 0: {
        const std::chrono::nanoseconds d{random() % (std::uint64_t{1} << (random() % 32))};
        ASSERT_EQ(timers[i].reset(d), due[i].has_value());
        due[i] = hands.now() + d;
        break;
      }
      case 1:
        ASSERT_EQ(timers[i].stop(), due[i].has_value());
        due[i].reset();
        break;
      default: {
        const bool ready = due[i] && *due[i] <= hands.now();
        const auto value = timers[i].chan().try_recv();
        ASSERT_EQ(value, ready ? due[i] : std::nullopt);
        if (ready) due[i].reset();
      }
    }
  }
}

TEST_F(timer, ends_with_its_object_though_somebody_holds_its_channel) {
  dh::recv_chan<dh::time_point> ch;
  {
    dh::timer t{1s};
    ch = t.chan();
  }
  EXPECT_EQ(hands.pending(), 0u);
  hands.advance(1h);
  EXPECT_FALSE(ch.try_recv());
  {
    dh::timer t{1s};
    ch = t.chan();
    hands.advance(1s);  // pending, and withdrawn
  }
  EXPECT_FALSE(ch.try_recv());
}

TEST_F(timer, detached_goes_on_while_its_channel_is_held) {
  dh::timer t{1s};
  dh::recv_chan<dh::time_point> ch = t.chan();
  t.detach();
  EXPECT_FALSE(t.chan());
  hands.advance(1s);
  EXPECT_TRUE(ch.try_recv());
}

TEST_F(timer, of_after_is_dropped_with_the_last_handle) {
  {
    dh::recv_chan<dh::time_point> ch = dh::after(1h);
    auto copy = ch;
    EXPECT_EQ(hands.pending(), 1u);
    ch = {};
    EXPECT_EQ(hands.pending(), 1u);
  }
  EXPECT_EQ(hands.pending(), 0u);
  for (int i = 0; i < 10'000; ++i) static_cast<void>(dh::after(1h));
  EXPECT_EQ(hands.pending(), 0u);
  EXPECT_EQ(dh::impl::total(dh::impl::tally::timers), before);
}

TEST_F(timer, is_a_case_of_select) {
  dh::timer delay{1s};
  auto ch = dh::make_chan<int>(1);
  ch.send(1);
  EXPECT_EQ(dh::select(dh::recv(delay), dh::recv(ch)), 1);
  hands.advance(1s);
  std::optional<dh::time_point> at;
  EXPECT_EQ(dh::select(dh::recv(delay, at), dh::recv(ch)), 0);
  EXPECT_EQ(at, start + 1s);
  EXPECT_EQ(dh::select(dh::recv(delay), dh::otherwise), 1);
  EXPECT_EQ(dh::select(dh::recv(dh::after(0s)), dh::recv(ch)), 0);
  EXPECT_EQ(dh::select(dh::recv(dh::timer{0s}), dh::recv(ch)), 0);
  ch.send(2);
  for (int i = 0; i < 100; ++i) {  // nothing piles up
    EXPECT_EQ(dh::select(dh::recv(dh::after(1h)), dh::recv(ch)), 1);
    ch.send(2);
  }
}

TEST_F(timer, or_context_whichever_fires_first_leaves_nothing_behind) {
  auto [ctx, cancel] = dh::with_timeout(dh::background(), 2s);
  dh::timer delay{1s};
  hands.advance(1s);
  EXPECT_EQ(dh::select(dh::recv(delay), dh::recv(ctx.done())), 0);
  EXPECT_FALSE(delay.reset(5s));
  hands.advance(1s);
  EXPECT_EQ(dh::select(dh::recv(delay), dh::recv(ctx.done())), 1);
}

TEST_F(timer, wakes_exactly_one_of_several_receivers) {
  for (const place where : downhaul_test::all_places) {
    SCOPED_TRACE(where);
    dh::timer t{1s};
    std::atomic<int> received{0};
    auto done = dh::make_chan<void>();
    crew receivers{where};
    for (int i = 0; i < 4; ++i) {
      receivers.start([&, ch = t.chan()] {
        if (dh::select(dh::recv(ch), dh::recv(done)) == 0) ++received;
      });
    }
    for (std::size_t i = 0; i < 4; ++i) receivers.wait_until_parked(i, wait_reason::select);
    hands.advance(1s);
    downhaul_test::wait_until([&] { return received == 1; });
    done.close();
    receivers.join();
    EXPECT_EQ(received, 1);
  }
}

TEST_F(timer, leaves_a_receiver_parked_over_stop_and_reset_to_later) {
  dh::timer t{1s};
  std::optional<dh::time_point> at;
  crew receiver{place::threads};
  receiver.start([&] { at = t.chan().recv(); });
  receiver.wait_until_parked(0, wait_reason::chan_receive);
  EXPECT_TRUE(t.stop());
  hands.advance(5s);
  EXPECT_FALSE(t.reset(10s));
  hands.advance(9s);
  receiver.wait_until_parked(0, wait_reason::chan_receive);
  EXPECT_TRUE(t.reset(1ms));
  hands.advance(1ms);
  receiver.join();
  EXPECT_EQ(at, start + 14s + 1ms);
}

TEST_F(timer, wakes_a_receiver_when_reset_to_now) {
  dh::timer t{1h};
  std::optional<dh::time_point> at;
  crew receiver{place::threads};
  receiver.start([&] { at = t.chan().recv(); });
  receiver.wait_until_parked(0, wait_reason::chan_receive);
  EXPECT_TRUE(t.reset(0s));
  receiver.join();
  EXPECT_EQ(at, start);
}

TEST(timer_race, is_decided_for_a_value_or_for_the_stop_but_never_for_both) {
  // real clock: firing races with stop and reset. If stop says false a value must be there, and if
  // it says true there must be none.
  downhaul_test::test_runtime rt{2};
  rt.run([&] {
    dh::wait_group wg;
    for (int g = 0; g < downhaul_test::rounds(100); ++g) {
      wg.go([g] {
        for (int i = 0; i < 50; ++i) {
          dh::timer a{1ms};
          dh::timer b{1ms};
          dh::timer* loser = nullptr;
          switch (dh::select(dh::recv(a), dh::recv(b))) {
            case 0: loser = &b; break;
            default: loser = &a; break;
          }
          const bool prevented = (g + i) % 2 == 0 ? loser->stop() : loser->reset(1h);
          // False would mean received already, and nobody has.
          ASSERT_TRUE(prevented);
          ASSERT_FALSE(loser->chan().try_recv());
        }
      });
    }
    wg.wait();
  });
}

TEST(timer_race, between_many_resets_and_receivers_corrupts_nothing) {
  // real clock: under load, with firings in between.
  downhaul_test::test_runtime rt{2};
  rt.run([&] {
    dh::timer t{1h};
    std::atomic<int> received{0};
    dh::wait_group readers;
    dh::wait_group writers;
    auto done = dh::make_chan<void>();
    for (int i = 0; i < 4; ++i) {
      readers.go([&] {
        while (dh::select(dh::recv(t), dh::recv(done)) == 0) ++received;
      });
      writers.go([&, i] {
        for (int n = 0; n < downhaul_test::rounds(5000); ++n) {
          t.reset(std::chrono::nanoseconds{(n * 37 + i) % 3000});
          if (n % 16 == 0) dh::yield();
        }
      });
    }
    writers.wait();
    t.reset(0s);
    downhaul_test::wait_until([&] { return received > 0; });
    done.close();
    readers.wait();
  });
}

TEST(timer_late, is_not_early_and_ten_in_a_row_take_their_time) {
  // real clock: that is what is tested.
  downhaul_test::test_runtime rt{2};
  rt.run([] {
    const dh::time_point start = dh::now();
    for (int i = 1; i <= 10; ++i) {
      const auto at = dh::after(2ms).recv();
      EXPECT_GE(*at, start + i * 2ms);
      EXPECT_GE(dh::now(), *at);
    }
  });
}

TEST(timer_late, fires_while_every_worker_computes) {
  // real clock: the watch stands in.
  downhaul_test::test_runtime rt{1};
  rt.run([] {
    dh::timer t{1ms};
    while (!t.chan().try_recv()) {
    }
  });
}

TEST(timer_new, a_million_due_at_once_are_all_received) {
  constexpr int count = downhaul_test::sanitized ? 10'000 : 1'000'000;
  for (int i = 0; i < count; ++i) ASSERT_TRUE(dh::timer{0s}.chan().try_recv());
}

}  // namespace
