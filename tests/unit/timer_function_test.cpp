// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <chrono>
#include <memory>
#include <optional>
#include <random>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "downhaul/chan.hpp"
#include "downhaul/go.hpp"
#include "downhaul/runtime.hpp"
#include "downhaul/select.hpp"
#include "downhaul/sleep.hpp"
#include "downhaul/testing/manual_clock.hpp"
#include "downhaul/timer.hpp"
#include "downhaul/wait_group.hpp"
#include "support/crew.hpp"
#include "support/parked.hpp"
#include "support/seed.hpp"
#include "support/test_runtime.hpp"
#include "wait/thread_record.hpp"

namespace {

namespace dh = downhaul;
using namespace std::chrono_literals;
using dh::impl::wait_reason;
using downhaul_test::crew;
using downhaul_test::place;

// A hand-advanced clock for this thread; nothing may be left on it. Functions run in the default
// runtime.
class timer_function_on_a_manual_clock : public testing::Test {
 protected:
  void TearDown() override {
    downhaul_test::await_no_goroutines();
    EXPECT_EQ(hands.pending(), 0u);
    EXPECT_EQ(dh::impl::total(dh::impl::tally::timers), before);
  }
  const std::int64_t before = dh::impl::total(dh::impl::tally::timers);
  dh::manual_clock hands;
  const dh::use_clock here{hands};
};
using timer_function = timer_function_on_a_manual_clock;

TEST_F(timer_function, runs_in_a_goroutine_of_its_own_when_due) {
  auto ran = dh::make_chan<bool>(1);
  dh::timer t{1s, [ran] { ran.send(dh::impl::on_goroutine()); }};
  EXPECT_FALSE(t.chan());
  hands.advance(1s - 1ns);
  EXPECT_FALSE(ran.try_recv());
  hands.advance(1ns);
  EXPECT_EQ(ran.recv(), true);
  EXPECT_FALSE(t.stop());
}

TEST_F(timer_function, runs_at_once_when_the_delay_is_zero_or_negative) {
  auto ran = dh::make_chan<void>();
  dh::timer a{0s, [ran] { ran.send(); }};
  dh::timer b{-1h, [ran] { ran.send(); }};
  EXPECT_TRUE(ran.recv());
  EXPECT_TRUE(ran.recv());
  EXPECT_FALSE(a.reset(0s));
  EXPECT_TRUE(ran.recv());
}

TEST_F(timer_function, is_never_due_when_the_clock_cannot_count_so_far) {
  dh::timer t{std::chrono::hours::max(), [] { ADD_FAILURE(); }};
  hands.advance(24h * 365 * 200);
  EXPECT_FALSE(t.stop());
}

TEST_F(timer_function, may_block_and_make_timers_without_delaying_others) {
  auto go_on = dh::make_chan<void>();
  auto ran = dh::make_chan<int>(2);
  dh::timer slow{1s, [=] {
                   go_on.recv();
                   ran.send(1);
                 }};
  dh::timer quick{1s, [=] { dh::timer inner{0s, [=] { ran.send(2); }}; }};
  hands.advance(1s);
  EXPECT_EQ(ran.recv(), 2);
  go_on.close();
  EXPECT_EQ(ran.recv(), 1);
}

TEST_F(timer_function, does_not_run_when_stopped_in_time) {
  for (int i = 0; i < 100; ++i) {
    dh::timer t{2ms, [] { ADD_FAILURE() << "stopped, but ran"; }};
    hands.advance(1ms);
    EXPECT_TRUE(t.stop());
    EXPECT_FALSE(t.stop());
    hands.advance(5ms);
  }
}

TEST_F(timer_function, runs_again_after_a_reset) {
  auto ran = dh::make_chan<void>();
  dh::timer t{1s, [ran] { ran.send(); }};
  for (int i = 0; i < 5; ++i) {
    EXPECT_TRUE(t.reset(2s));
    hands.advance(1s);
    EXPECT_FALSE(ran.try_recv());
    hands.advance(1s);
    EXPECT_TRUE(ran.recv());
    EXPECT_FALSE(t.reset(1s));
  }
  EXPECT_TRUE(t.stop());
  EXPECT_FALSE(t.reset(std::chrono::hours::max()));
  EXPECT_FALSE(t.stop());
}

TEST_F(timer_function, may_overlap_with_an_earlier_run) {
  auto go_on = dh::make_chan<void>();
  std::atomic<int> inside{0};
  dh::timer t{0s, [&, go_on] {
                ++inside;
                go_on.recv();
              }};
  EXPECT_FALSE(t.reset(0s));
  EXPECT_FALSE(t.reset(1s));
  hands.advance(1s);
  downhaul_test::wait_until([&] { return inside == 3; });
  go_on.close();
}

TEST_F(timer_function, is_unregistered_by_the_end_of_its_object) {
  const auto held = std::make_shared<int>();
  {
    dh::timer t{1s, [held] { ADD_FAILURE(); }};
  }
  EXPECT_EQ(held.use_count(), 1);
  hands.advance(1h);
}

TEST_F(timer_function, goes_at_once_when_its_object_ends_after_a_stop) {
  const auto held = std::make_shared<int>();
  {
    dh::timer t{1s, [held] { ADD_FAILURE(); }};
    EXPECT_TRUE(t.stop());
  }
  EXPECT_EQ(held.use_count(), 1);
  hands.advance(1h);
}

TEST_F(timer_function, that_is_reset_after_a_stop_is_unregistered_by_the_end_of_its_object) {
  const auto held = std::make_shared<int>();
  {
    dh::timer t{1s, [held] { ADD_FAILURE(); }};
    EXPECT_TRUE(t.stop());
    EXPECT_FALSE(t.reset(1s));
  }
  EXPECT_EQ(held.use_count(), 1);
  hands.advance(1h);
}

TEST_F(timer_function, that_is_stopped_while_it_runs_is_waited_for_by_the_end_of_its_object) {
  auto go_on = dh::make_chan<void>();
  auto inside = dh::make_chan<void>();
  std::atomic<bool> ended{false};
  std::optional<dh::timer> t;
  t.emplace(0s, [&ended, go_on, inside] {
    inside.send();
    go_on.recv();
    ended = true;
  });
  inside.recv();
  EXPECT_FALSE(t->stop());
  crew owner{place::threads};
  owner.start([&] {
    t.reset();
    EXPECT_TRUE(ended);
  });
  owner.wait_until_parked(0, wait_reason::callback_wait);
  go_on.close();
  owner.join();
}

TEST_F(timer_function, that_runs_is_waited_for_by_the_end_of_its_object) {
  for (const place where : downhaul_test::all_places) {
    SCOPED_TRACE(where);
    auto go_on = dh::make_chan<void>();
    std::atomic<bool> ended{false};
    std::optional<dh::timer> t;
    t.emplace(0s, [&ended, go_on] {
      go_on.recv();
      ended = true;
    });
    crew owner{where};
    owner.start([&] {
      t.reset();
      EXPECT_TRUE(ended);
    });
    owner.wait_until_parked(0, wait_reason::callback_wait);
    EXPECT_FALSE(ended);
    go_on.close();
    owner.join();
  }
}

TEST_F(timer_function, may_end_its_own_object) {
  const auto held = std::make_shared<int>();
  auto done = dh::make_chan<void>();
  auto mine = std::make_unique<std::optional<dh::timer>>();
  auto& t = *mine;
  t.emplace(1s, [&t, done, held] {
    t.reset();
    EXPECT_GE(held.use_count(), 2);  // the function lives until it has returned
    done.send();
  });
  hands.advance(1s);
  EXPECT_TRUE(done.recv());
  downhaul_test::wait_until([&] { return held.use_count() == 1; });
}

TEST_F(timer_function, may_reset_its_own_timer) {
  auto ran = dh::make_chan<int>();
  std::atomic<int> n{0};
  dh::timer t;
  t = dh::timer{1s, [&] {
                  if (++n < 5) t.reset(1s);
                  ran.send(n);
                }};
  for (int i = 1; i <= 5; ++i) {
    hands.advance(1s);
    EXPECT_EQ(ran.recv(), i);
  }
  hands.advance(1h);
  EXPECT_EQ(n, 5);
}

TEST_F(timer_function, that_is_detached_runs_and_then_goes) {
  const auto held = std::make_shared<int>();
  auto ran = dh::make_chan<void>();
  dh::timer{1s, [held, ran] { ran.send(); }}.detach();
  EXPECT_EQ(held.use_count(), 2);
  hands.advance(1s);
  EXPECT_TRUE(ran.recv());
  downhaul_test::wait_until([&] { return held.use_count() == 1; });
}

TEST_F(timer_function, goes_when_it_is_detached_and_not_armed_any_more) {
  const auto held = std::make_shared<int>();
  dh::timer stopped{1s, [held] { ADD_FAILURE(); }};
  EXPECT_TRUE(stopped.stop());
  stopped.detach();
  EXPECT_EQ(held.use_count(), 1);

  auto go_on = dh::make_chan<void>();
  dh::timer running{0s, [held, go_on] { go_on.recv(); }};
  running.detach();
  EXPECT_EQ(held.use_count(), 2);
  go_on.close();
  downhaul_test::wait_until([&] { return held.use_count() == 1; });
}

TEST_F(timer_function, may_be_large_over_aligned_or_only_movable) {
  struct alignas(128) big {
    std::array<int, 1000> values{};
    std::unique_ptr<int> owned = std::make_unique<int>(7);
    dh::send_chan<int> out;
    void operator()() {
      EXPECT_EQ(reinterpret_cast<std::uintptr_t>(this) % 128, 0u);
      out.send(*owned + values[999]);
    }
  };
  auto ran = dh::make_chan<int>();
  big f;
  f.values[999] = 35;
  f.out = ran;
  dh::timer t{1s, std::move(f)};
  hands.advance(1s);
  EXPECT_EQ(ran.recv(), 42);
}

TEST_F(timer_function, whose_copy_throws_leaves_nothing_behind) {
  struct thrower {
    thrower() = default;
    thrower(const thrower&) { throw std::runtime_error{"no copy"}; }
    void operator()() {}
  };
  const thrower f;
  EXPECT_THROW(static_cast<void>(dh::timer{1s, f}), std::runtime_error);
}

TEST_F(timer_function, sees_what_was_done_before_and_shows_what_it_did) {
  int before_the_timer = 1;
  int in_the_function = 0;
  auto ran = dh::make_chan<void>();
  dh::timer t{1s, [&, ran] {
                in_the_function = before_the_timer;
                ran.send();
              }};
  hands.advance(1s);
  ran.recv();
  EXPECT_EQ(in_the_function, 1);
}

TEST_F(timer_function, moves_with_its_object) {
  auto ran = dh::make_chan<void>();
  dh::timer a{1s, [ran] { ran.send(); }};
  dh::timer b{std::move(a)};
  EXPECT_THROW(a.stop(), dh::misuse);
  dh::timer c{1h, [] { ADD_FAILURE(); }};
  c = std::move(b);
  hands.advance(1s);
  EXPECT_TRUE(ran.recv());
}

TEST(timer_function_race, ends_with_every_run_started_or_prevented) {
  // real clock: stop races with the firing. started + prevented must be all.
  downhaul_test::test_runtime rt{2};
  rt.run([] {
    std::atomic<int> ran{0};
    int prevented = 0;
    constexpr int count = downhaul_test::rounds(5000);
    std::mt19937_64 random{downhaul_test::seed()};
    for (int i = 0; i < count; ++i) {
      dh::timer t{std::chrono::nanoseconds{random() % 50'000}, [&] { ++ran; }};
      for (std::uint64_t n = random() % 8; n > 0; --n) dh::yield();
      if (random() % 4 == 0) dh::sleep(20us);
      if (t.stop()) ++prevented;
    }  // each destructor waits for its run
    EXPECT_EQ(ran + prevented, count);
  });
}

TEST(timer_function_race, of_resets_and_firings_loses_no_run) {
  // real clock: true means one run was replaced, false that one was added.
  downhaul_test::test_runtime rt{2};
  rt.run([] {
    std::atomic<int> ran{0};
    int expected = 1;
    std::mt19937_64 random{downhaul_test::seed()};
    {
      dh::timer t{1us, [&] { ++ran; }};
      for (int i = 0; i < downhaul_test::rounds(5000); ++i) {
        for (std::uint64_t n = random() % 4; n > 0; --n) dh::yield();
        if (!t.reset(std::chrono::nanoseconds{random() % 30'000})) ++expected;
      }
      if (t.stop()) --expected;
    }
    EXPECT_EQ(ran, expected);
  });
}

TEST(timer_function_starvation, does_not_occur_beside_a_talking_pair_on_one_worker) {
  // real clock: a timer must get its turn however busy the worker is.
  downhaul_test::test_runtime rt{1};
  rt.run([] {
    auto ping = dh::make_chan<void>(1);
    auto pong = dh::make_chan<void>(1);
    std::atomic<bool> stop{false};
    dh::wait_group wg;
    wg.go([=, &stop] {
      while (!stop) {
        ping.send();
        pong.recv();
      }
      ping.close();
    });
    wg.go([=] {
      while (ping.recv()) pong.send();
    });
    dh::timer t{1us, [&] { stop = true; }};
    wg.wait();
  });
}

TEST(timer_function_runtime, runs_in_the_runtime_that_armed_it) {
  downhaul_test::test_runtime rt{1};
  std::atomic<bool> inside{false};
  auto ran = dh::make_chan<void>();
  dh::timer t;
  rt.run([&] {
    t = dh::timer{1ms, [&, ran] {
                    inside = rt.goroutines() > 0;
                    ran.send();
                  }};
  });
  ran.recv();
  EXPECT_TRUE(inside);
  t = {};
}

// Whoever arms it again.
TEST(timer_function_runtime, runs_there_again_when_somebody_else_resets_it_after_it_has_fired) {
  downhaul_test::test_runtime maker{1};
  downhaul_test::test_runtime other{1};
  auto ran_in = dh::make_chan<dh::impl::runtime_core*>();
  dh::timer t;
  maker.run(
      [&] { t = dh::timer{1us, [ran_in] { ran_in.send(dh::impl::this_thread().at->core); }}; });
  EXPECT_EQ(ran_in.recv(), maker.get().core());
  t.reset(1us);  // from a plain thread
  EXPECT_EQ(ran_in.recv(), maker.get().core());
  other.run([&] { t.reset(0s); });
  EXPECT_EQ(ran_in.recv(), maker.get().core());
  t = {};
}

TEST(timer_function_runtime, runs_in_the_default_one_when_its_own_has_ended) {
  auto ran_in = dh::make_chan<dh::impl::runtime_core*>(1);
  dh::timer t;
  {
    dh::runtime maker{dh::runtime_options{.workers = 1}};
    maker.run(
        [&] { t = dh::timer{1us, [ran_in] { ran_in.send(dh::impl::this_thread().at->core); }}; });
    EXPECT_EQ(ran_in.recv(), maker.core());
    while (maker.goroutines() != 0) std::this_thread::yield();
  }
  t.reset(0s);
  EXPECT_EQ(ran_in.recv(), &dh::impl::default_core());
  t = {};
  downhaul_test::await_no_goroutines();
}

}  // namespace
