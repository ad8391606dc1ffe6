// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors

#include "platform/mutex.hpp"

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace downhaul::impl {
namespace {

TEST(platform_mutex, lets_one_thread_in_at_a_time) {
  constexpr int threads = 4;
  constexpr int rounds = 20'000;
  mutex m;
  int counter = 0;  // a race on it is what this test would show, under TSan at the latest
  std::vector<std::thread> team;
  for (int i = 0; i < threads; ++i)
    team.emplace_back([&] {
      for (int round = 0; round < rounds; ++round) {
        const std::lock_guard held{m};
        ++counter;
      }
    });
  for (std::thread& member : team) member.join();
  EXPECT_EQ(counter, threads * rounds);
}

TEST(platform_mutex, try_lock_fails_while_held) {
  mutex m;
  ASSERT_TRUE(m.try_lock());
  std::thread{[&] { EXPECT_FALSE(m.try_lock()); }}.join();
  m.unlock();
  EXPECT_TRUE(m.try_lock());
  m.unlock();
}

TEST(platform_mutex, may_be_freed_right_after_the_unlock_that_let_us_in) {
  for (int round = 0; round < 200; ++round) {
    auto m = std::make_unique<mutex>();
    std::atomic<bool> inside{false};
    m->lock();
    std::thread other{[&] {
      inside.store(true);
      m->lock();
      m->unlock();
      m.reset();
    }};
    while (!inside.load()) std::this_thread::yield();
    m->unlock();
    other.join();
  }
}

TEST(platform_ranked_mutex, is_taken_in_rank_order_and_given_back_in_any) {
  ranked_mutex<rank::registry> registry;
  ranked_mutex<rank::timers> timers;
  ranked_mutex<rank::leaf> leaf;
  registry.lock();
  timers.lock();
  leaf.lock();
  registry.unlock();
  leaf.unlock();
  timers.unlock();
  assert_no_locks_held();
}

TEST(platform_ranked_mutex, channels_are_taken_by_ascending_address) {
  std::array<ranked_mutex<rank::channel>, 3> channels;
  for (auto& channel : channels) channel.lock();
  for (auto& channel : channels) channel.unlock();
  {
    const std::scoped_lock all{channels[0], channels[1], channels[2]};
  }
  assert_no_locks_held();
}

#ifdef DOWNHAUL_CHECKED
template <rank R>
void lock_two(std::size_t first, std::size_t second) {
  std::array<ranked_mutex<R>, 2> locks;
  locks[first].lock();
  locks[second].lock();
}

TEST(platform_lock_order_death, a_lower_rank_under_a_higher_aborts) {
  EXPECT_DEATH(
      {
        ranked_mutex<rank::channel> channel;
        ranked_mutex<rank::run_queue> queue;
        queue.lock();
        channel.lock();
      },
      "fatal error: lock order: channel lock wanted while a run queue lock is held");
}

TEST(platform_lock_order_death, two_context_nodes_abort) {
  EXPECT_DEATH(lock_two<rank::context>(0, 1), "context lock wanted while a context lock is held");
}

TEST(platform_lock_order_death, channels_by_descending_address_abort) {
  EXPECT_DEATH(lock_two<rank::channel>(1, 0), "channel lock wanted while a channel lock is held");
}

TEST(platform_lock_order_death, the_same_lock_twice_aborts) {
  EXPECT_DEATH(lock_two<rank::channel>(0, 0), "channel lock wanted while a channel lock is held");
  EXPECT_DEATH(lock_two<rank::leaf>(0, 0), "leaf lock wanted while a leaf lock is held");
}

TEST(platform_lock_order_death, user_code_under_a_lock_aborts) {
  EXPECT_DEATH(
      {
        ranked_mutex<rank::leaf> leaf;
        leaf.lock();
        assert_no_locks_held();
      },
      "a leaf lock is held here");
}

TEST(platform_lock_order_death, giving_back_what_another_thread_took_aborts) {
  EXPECT_DEATH(
      {
        ranked_mutex<rank::leaf> leaf;
        leaf.lock();
        std::thread{[&] { leaf.unlock(); }}.join();
      },
      "a leaf lock is given back on a thread without it");
}
#endif

}  // namespace
}  // namespace downhaul::impl
