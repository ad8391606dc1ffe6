// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors

#include "downhaul/clock.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <random>
#include <thread>
#include <vector>

#include "downhaul/testing/manual_clock.hpp"
#include "support/crew.hpp"
#include "support/seed.hpp"
#include "support/test_runtime.hpp"
#include "time/clock_state.hpp"

namespace {

namespace dh = downhaul;
using namespace std::chrono_literals;
using dh::impl::never;
using dh::impl::timer_entry;

// Writes down when it fired.
struct probe : timer_entry {
  probe() noexcept
      : timer_entry{[](timer_entry& e, std::int64_t now) noexcept {
                      auto& p = static_cast<probe&>(e);
                      p.fired_at = now;
                      if (p.log != nullptr) p.log->push_back(&p);
                      p.fired.fetch_add(1);
                    },
                    [](timer_entry& e) noexcept { return static_cast<probe&>(e).alive; }} {}
  bool alive = true;
  std::int64_t fired_at = 0;
  std::vector<probe*>* log = nullptr;
  std::atomic<int> fired{0};
};

TEST(clock, is_the_steady_clock_unless_another_is_chosen) {
  const auto before = std::chrono::steady_clock::now();
  const dh::time_point now = dh::now();
  EXPECT_LE(before, now);
  EXPECT_LE(now, std::chrono::steady_clock::now());
  dh::manual_clock hands{dh::time_point{-5s}};
  {
    const dh::use_clock here{hands};
    EXPECT_EQ(dh::now(), hands.now());
    std::thread{[&] { EXPECT_GE(dh::now(), now); }}.join();  // ours alone has another clock
    {
      const dh::use_clock again{dh::clock::real()};
      EXPECT_NE(dh::now(), hands.now());
    }
    EXPECT_EQ(dh::now(), hands.now());
  }
  EXPECT_GE(dh::now(), now);
}

TEST(clock, of_a_runtime_is_what_its_goroutines_see) {
  dh::manual_clock hands{dh::time_point{77s}};
  downhaul_test::test_runtime rt{2, &hands};
  EXPECT_EQ(rt.run([] { return dh::now(); }), dh::time_point{77s});
  hands.advance(3s);
  EXPECT_EQ(rt.run([] { return dh::now(); }), dh::time_point{80s});
}

TEST(manual_clock, stands_still_until_it_is_told) {
  dh::manual_clock hands{dh::time_point{5s}};
  EXPECT_EQ(hands.now(), dh::time_point{5s});
  hands.advance(1500ms);
  EXPECT_EQ(hands.now(), dh::time_point{6500ms});
  hands.advance(-1h);
  hands.advance_to(dh::time_point{1s});
  EXPECT_EQ(hands.now(), dh::time_point{6500ms});
  hands.advance(std::chrono::hours::max());
  EXPECT_EQ(hands.now(), dh::time_point::max());
}

TEST(manual_clock, fires_what_is_due_in_order_each_at_its_instant) {
  dh::manual_clock hands{dh::time_point{0s}};
  std::vector<probe*> log;
  std::vector<probe> probes(1000);
  std::mt19937_64 random{downhaul_test::seed()};
  for (probe& p : probes) {
    p.log = &log;
    hands.arm(p, static_cast<std::int64_t>(random() % 1'000'000'000));
  }
  EXPECT_EQ(hands.pending(), probes.size());
  while (log.empty()) ASSERT_TRUE(hands.advance_to_next());
  EXPECT_EQ(hands.now_ns(), log.front()->when);
  hands.advance_to(dh::time_point{1s});
  ASSERT_EQ(log.size(), probes.size());
  EXPECT_TRUE(std::is_sorted(log.begin(), log.end(), [](const probe* a, const probe* b) {
    return a->when != b->when ? a->when < b->when : a < b;
  }));
  for (const probe& p : probes) EXPECT_EQ(p.fired_at, p.when);
  EXPECT_EQ(hands.now(), dh::time_point{1s});
  EXPECT_EQ(hands.next(), std::nullopt);
  EXPECT_FALSE(hands.advance_to_next());
}

TEST(manual_clock, fires_at_once_what_is_armed_in_the_past) {
  dh::manual_clock hands{dh::time_point{1h}};
  probe p;
  hands.arm(p, 5);
  EXPECT_EQ(p.fired, 1);
  EXPECT_EQ(p.fired_at, hands.now_ns());
  hands.arm(p, never);
  EXPECT_EQ(hands.pending(), 0u);
}

TEST(manual_clock, leaves_alone_what_was_disarmed_or_is_dying) {
  dh::manual_clock hands{dh::time_point{0s}};
  probe disarmed;
  probe dying;
  hands.arm(disarmed, 10);
  hands.arm(dying, 10);
  dying.alive = false;
  EXPECT_TRUE(hands.disarm(disarmed));
  EXPECT_FALSE(hands.disarm(disarmed));
  hands.advance(1s);
  EXPECT_EQ(disarmed.fired + dying.fired, 0);
  EXPECT_EQ(hands.pending(), 0u);
}

TEST(manual_clock_death, aborts_when_it_goes_before_its_timers) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(
      {
        probe p;
        dh::manual_clock hands;
        hands.arm(p, hands.now_ns() + 1);
      },
      "a clock was destroyed before the timers on it");
}

TEST(manual_clock, needs_nobody_to_look_after_it) {
  dh::manual_clock hands{dh::time_point{0s}};
  probe p;
  hands.arm(p, 10);
  EXPECT_EQ(hands.next_deadline(), never);
  EXPECT_EQ(hands.serve(1000), never);
  EXPECT_EQ(p.fired, 0);
  dh::impl::keeper k{[](dh::impl::keeper&) noexcept {}};
  EXPECT_FALSE(hands.try_keep(k));
  hands.stop_keeping(k);
  EXPECT_TRUE(hands.disarm(p));
}

struct counting_keeper : dh::impl::keeper {
  counting_keeper() noexcept
      : keeper{[](keeper& k) noexcept { static_cast<counting_keeper&>(k).kicked.fetch_add(1); }} {}
  std::atomic<int> kicked{0};
};

TEST(real_clock, has_one_keeper_that_is_kicked_for_what_is_due_earlier) {
  dh::clock& real = dh::clock::real();
  const std::int64_t hour = dh::impl::to_ns(1h);
  const std::int64_t now = real.now_ns();
  counting_keeper k;
  counting_keeper other;
  probe late;
  real.arm(late, now + 3 * hour);
  ASSERT_TRUE(real.try_keep(k));
  EXPECT_FALSE(real.try_keep(other));
  EXPECT_LE(k.wake_at, now + 3 * hour);

  probe later;
  real.arm(later, now + 4 * hour);
  EXPECT_EQ(k.kicked, 0);
  probe sooner;
  real.arm(sooner, now + hour);
  EXPECT_EQ(k.kicked, 1);
  EXPECT_EQ(k.wake_at, now + hour);
  probe not_sooner;
  real.arm(not_sooner, now + 2 * hour);
  EXPECT_EQ(k.kicked, 1);

  real.stop_keeping(other);  // it does not keep
  EXPECT_EQ(k.wake_at, now + hour);
  real.stop_keeping(k);
  EXPECT_EQ(k.wake_at, never);
  EXPECT_TRUE(real.try_keep(other));
  EXPECT_EQ(other.wake_at, now + hour);
  real.stop_keeping(other);
  for (probe* p : {&late, &later, &sooner, &not_sooner}) EXPECT_TRUE(real.disarm(*p));
}

TEST(real_clock, serves_in_order_whichever_thread_armed) {
  dh::clock& real = dh::clock::real();
  counting_keeper k;  // so that the watch leaves us alone: its grace is 10 ms
  ASSERT_TRUE(real.try_keep(k));
  const std::int64_t hour = dh::impl::to_ns(1h);
  const std::int64_t base = real.now_ns() + hour;
  std::vector<probe*> log;
  std::vector<probe> probes(400);
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (std::size_t i = t * 100; i < (t + 1) * 100; ++i) {
        probes[i].log = &log;
        real.arm(probes[i], base + static_cast<std::int64_t>((i * 7919) % 400));
      }
    });
  }
  for (std::thread& t : threads) t.join();
  EXPECT_EQ(real.pending(), 400u);
  EXPECT_LE(real.next_deadline(), base);
  EXPECT_EQ(real.serve(base - 1), base);
  EXPECT_TRUE(log.empty());
  EXPECT_EQ(real.serve(base + 199), base + 200);
  EXPECT_EQ(log.size(), 200u);
  EXPECT_EQ(real.serve(base + 400), never);
  ASSERT_EQ(log.size(), 400u);
  for (std::size_t i = 0; i < 400; ++i) {
    EXPECT_EQ(log[i]->when, base + static_cast<std::int64_t>(i));
  }
  real.stop_keeping(k);
}

// Two threads arm and disarm, a third serves: an entry fires once or is disarmed, never both.
TEST(real_clock, decides_a_race_of_firing_and_disarming_for_one) {
  dh::clock& real = dh::clock::real();
  constexpr int rounds = downhaul_test::rounds(20'000);
  std::atomic<bool> stop{false};
  std::thread server{[&] {
    while (!stop) real.serve(real.now_ns());
  }};
  std::vector<std::thread> threads;
  for (int t = 0; t < 2; ++t) {
    threads.emplace_back([&, t] {
      std::mt19937_64 random{downhaul_test::seed() + static_cast<std::uint64_t>(t)};
      probe p;
      int fired = 0;
      for (int i = 0; i < rounds; ++i) {
        real.arm(p, real.now_ns() + static_cast<std::int64_t>(random() % 2000));
        for (std::uint64_t n = random() % 100; n > 0; --n) dh::impl::cpu_pause();
        if (!real.disarm(p)) ++fired;
        downhaul_test::wait_until([&] { return p.fired == fired; });
      }
    });
  }
  for (std::thread& t : threads) t.join();
  stop = true;
  server.join();
  EXPECT_EQ(real.pending(), 0u);
}

}  // namespace
