// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors

#include "platform/futex.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <cstdint>
#include <limits>
#include <thread>
#include <vector>

#include "platform/monotonic.hpp"

namespace downhaul::impl {
namespace {

TEST(platform_futex, returns_at_once_when_the_word_has_changed) {
  std::atomic<std::uint32_t> word{1};
  futex_wait(word, 0);
  EXPECT_EQ(futex_wait_until(word, 0, std::numeric_limits<std::int64_t>::max()),
            futex_result::woken);
}

TEST(platform_futex, times_out_not_before_the_deadline) {
  std::atomic<std::uint32_t> word{0};
  const std::int64_t deadline = steady_now_ns() + 3'000'000;
  while (futex_wait_until(word, 0, deadline) != futex_result::timed_out) {
  }
  EXPECT_GE(steady_now_ns(), deadline);
}

TEST(platform_futex, times_out_at_once_when_the_deadline_has_passed) {
  std::atomic<std::uint32_t> word{0};
  for (const std::int64_t past : {steady_now_ns(), std::int64_t{0}, std::int64_t{-1},
                                  std::numeric_limits<std::int64_t>::min()})
    EXPECT_EQ(futex_wait_until(word, 0, past), futex_result::timed_out);
}

TEST(platform_futex, wakes_one_sleeper_per_wake_and_all_at_the_end) {
  constexpr std::int64_t far = std::numeric_limits<std::int64_t>::max() - 1;
  std::atomic<std::uint32_t> word{0};
  std::vector<std::thread> sleepers;
  for (int i = 0; i < 4; ++i)
    sleepers.emplace_back([&word, i] {
      while (word.load() == 0)
        i % 2 == 0 ? futex_wait(word, 0) : (void)futex_wait_until(word, 0, far);
    });
  futex_wake_one(word);  // for no reason: everybody looks at the word and sleeps on
  word.store(1);
  futex_wake_all(word);
  for (std::thread& sleeper : sleepers) sleeper.join();
}

TEST(platform_clock, coarse_time_is_never_ahead_of_steady_time) {
  for (int i = 0; i < 1000; ++i) {
    const std::int64_t coarse = coarse_now_ns();
    EXPECT_LE(coarse, steady_now_ns());
  }
}

}  // namespace
}  // namespace downhaul::impl
