// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors

#include "platform/stack.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "platform/guard.hpp"
#include "platform/sanitizer.hpp"

namespace downhaul::impl {
namespace {

/// Whether a system call can read the byte, asked without faulting.
bool readable(const std::byte* address) {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) ADD_FAILURE() << "pipe2";
  const bool can = ::write(ends[1], address, 1) == 1;
  EXPECT_TRUE(can || errno == EFAULT);
  ::close(ends[0]);
  ::close(ends[1]);
  return can;
}

std::size_t mappings() {
  std::ifstream maps{"/proc/self/maps"};
  std::size_t lines = 0;
  for (std::string line; std::getline(maps, line);) ++lines;
  return lines;
}

std::size_t resident_bytes() {
  std::ifstream statm{"/proc/self/statm"};
  std::size_t total = 0;
  std::size_t resident = 0;
  statm >> total >> resident;
  return resident * page_size();
}

struct forced_guard {
  explicit forced_guard(guard_kind kind) { force_guard(kind); }
  ~forced_guard() { force_guard(std::nullopt); }
};

TEST(platform_stack, is_usable_from_end_to_end_and_as_large_as_asked) {
  for (const std::size_t asked : {std::size_t{1}, std::size_t{16'384}, std::size_t{70'000},
                                  default_stack_size, std::size_t{80} << 20}) {
    stack_pool pool{asked};
    EXPECT_EQ(pool.stack_size() % page_size(), 0u);
    EXPECT_GE(pool.stack_size(), std::max(asked, smallest_stack_size));
    EXPECT_LT(pool.stack_size(), std::max(asked, smallest_stack_size) + page_size());
    stack* const s = pool.acquire();
    ASSERT_NE(s, nullptr);
    EXPECT_EQ(s->size(), pool.stack_size());
    std::memset(s->limit, 1, s->size());
    pool.release(s);
  }
}

class platform_stack_guard : public testing::TestWithParam<guard_kind> {};

TEST_P(platform_stack_guard, refuses_access_just_below_the_stack_and_32_kib_further) {
  const forced_guard forced{GetParam()};
  stack_pool pool{64 * 1024};
  std::array<stack*, 3> taken{};
  for (stack*& s : taken) {
    s = pool.acquire();
    ASSERT_NE(s, nullptr);
    if (s->guard != GetParam()) {
      for (stack* t : taken)
        if (t != nullptr) pool.release(t);
      GTEST_SKIP() << "this kernel has no guard regions";
    }
  }
  for (stack* const s : taken) {
    EXPECT_FALSE(readable(s->limit - 1));
    EXPECT_FALSE(readable(s->limit - guard_size));
    EXPECT_TRUE(readable(s->limit));
    EXPECT_TRUE(readable(s->top - 1));
  }
  for (stack* const s : taken) pool.release(s);
  while (pool.trim()) {
  }
  for (stack* const s : taken) EXPECT_FALSE(readable(s->limit - 1)) << "the guard outlives a trim";
}

INSTANTIATE_TEST_SUITE_P(platform, platform_stack_guard,
                         testing::Values(guard_kind::guard_region, guard_kind::mprotect));

TEST(platform_stack, which_guard_is_in_force_can_be_asked) {
  stack_pool pool;
  const guard_kind expected = guard_in_force();
  stack* const s = pool.acquire();
  ASSERT_NE(s, nullptr);
  EXPECT_EQ(s->guard, expected);
  EXPECT_NE(s->guard, guard_kind::canary);
  EXPECT_TRUE(canary_intact(*s));
  pool.release(s);
}

TEST(platform_stack_canary, shows_that_the_low_end_was_written_to) {
  const forced_guard forced{guard_kind::canary};
  stack_pool pool{64 * 1024};
  stack* s = pool.acquire();
  ASSERT_NE(s, nullptr);
  EXPECT_TRUE(canary_intact(*s));
  std::memset(s->limit + 256, 0, s->size() - 256);
  EXPECT_TRUE(canary_intact(*s));
  s->limit[100] ^= std::byte{1};
  EXPECT_FALSE(canary_intact(*s));
  s->limit[100] ^= std::byte{1};
  pool.release(s);
  EXPECT_FALSE(pool.trim());
  s = pool.acquire();
  EXPECT_TRUE(canary_intact(*s)) << "written anew after its page was given back";
  pool.release(s);
}

TEST(platform_stack_canary, stands_in_when_mappings_run_out_and_leaves_some_to_others) {
  const forced_guard forced{guard_kind::mprotect};
  stack_pool pool{smallest_stack_size};
  std::vector<stack*> taken;
  while (taken.size() < 200'000) {
    stack* const s = pool.acquire();
    ASSERT_NE(s, nullptr);
    taken.push_back(s);
    if (s->guard == guard_kind::canary) break;
  }
  EXPECT_EQ(taken.back()->guard, guard_kind::canary);
  EXPECT_GE(taken.size(), 1000u);
  std::vector<void*> others;
  for (int i = 0; i < 1000; ++i) {  // alternating protection, so that they do not merge
    void* const other = ::mmap(nullptr, page_size(), i % 2 == 0 ? PROT_READ : PROT_NONE,
                               MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ASSERT_NE(other, MAP_FAILED);
    others.push_back(other);
  }
  for (void* const other : others) ::munmap(other, page_size());
  for (stack* const s : taken) pool.release(s);
}

TEST(platform_stack_pool, gives_the_hottest_stack_first) {
  stack_pool pool;
  stack* const a = pool.acquire();
  stack* const b = pool.acquire();
  EXPECT_EQ(pool.in_use(), 2u);
  pool.release(a);
  pool.release(b);
  EXPECT_EQ(pool.in_use(), 0u);
  EXPECT_EQ(pool.acquire(), b);
  EXPECT_EQ(pool.acquire(), a);
  pool.release(a);
  pool.release(b);
}

TEST(platform_stack_pool, trims_the_coldest_a_bounded_number_at_a_time) {
  stack_pool pool{64 * 1024};
  std::vector<stack*> taken;
  for (int i = 0; i < 100; ++i) {
    taken.push_back(pool.acquire());
    taken.back()->top[-1] = std::byte{7};
  }
  for (stack* const s : taken) pool.release(s);
  ASSERT_TRUE(pool.trim());
  EXPECT_EQ(taken.front()->top[-1], std::byte{0}) << "released first, trimmed first";
  EXPECT_EQ(taken.back()->top[-1], std::byte{7});
  int calls = 1;
  while (pool.trim()) ++calls;
  EXPECT_GT(calls, 1);
  EXPECT_EQ(taken.back()->top[-1], std::byte{0});
  EXPECT_FALSE(pool.trim());
}

TEST(platform_stack_pool, serves_threads_at_once) {
  stack_pool pool{64 * 1024};
  std::vector<std::thread> team;
  for (int i = 0; i < 4; ++i)
    team.emplace_back([&pool] {
      for (int round = 0; round < 500; ++round) {
        std::array<stack*, 3> mine{};
        for (stack*& s : mine) {
          s = pool.acquire();
          s->top[-1] = std::byte{1};
          EXPECT_EQ(find_stack(s->top - 1), s);
        }
        for (stack* const s : mine) pool.release(s);
        if (round % 50 == 0) pool.trim();
      }
    });
  for (std::thread& member : team) member.join();
  EXPECT_EQ(pool.in_use(), 0u);
}

TEST(platform_stack_pool, unmaps_everything_once_all_stacks_are_back) {
  std::byte* limit = nullptr;
  {
    stack_pool pool;
    stack* const s = pool.acquire();
    limit = s->limit;
    pool.release(s);
  }
  EXPECT_EQ(find_stack(limit), nullptr);
  EXPECT_FALSE(readable(limit));
}

TEST(platform_stack_pool, leaves_abandoned_stacks_mapped) {
  stack* abandoned = nullptr;
  {
    stack_pool pool{smallest_stack_size};
    abandoned = pool.acquire();
    abandoned->top[-1] = std::byte{9};
  }
  EXPECT_EQ(abandoned->top[-1], std::byte{9});
  EXPECT_EQ(find_stack(abandoned->limit - 1), abandoned);
}

#if !DOWNHAUL_ASAN && !DOWNHAUL_TSAN  // their shadow memory does not fit below a limit
TEST(platform_stack_pool_death, gives_nothing_when_the_system_gives_no_memory) {
  const auto acquire_until_refused = [] {
    const rlimit limit{std::size_t{1} << 30, std::size_t{1} << 30};
    if (::setrlimit(RLIMIT_AS, &limit) != 0) std::_Exit(2);
    stack_pool pool{1024 * 1024};
    std::vector<stack*> taken;
    for (int i = 0; i < 2'000; ++i) {
      stack* const s = pool.acquire();
      if (s == nullptr) break;
      taken.push_back(s);
    }
    // Nearly all of the gigabyte was usable: regions shrink before the pool gives up.
    const bool refused = taken.size() > 700 && taken.size() < 2'000;
    pool.release(taken.back());
    std::_Exit(refused && pool.acquire() == taken.back() ? 0 : 1);
  };
  EXPECT_EXIT(acquire_until_refused(), testing::ExitedWithCode(0), "");
}
#endif

TEST(platform_find_stack, knows_guard_and_stack_and_nothing_else) {
  stack_pool small{64 * 1024};
  stack_pool large{1024 * 1024};
  for (stack_pool* const pool : {&small, &large}) {
    std::vector<stack*> taken;
    for (int i = 0; i < 40; ++i) taken.push_back(pool->acquire());
    for (const stack* const s : taken) {
      EXPECT_EQ(find_stack(s->limit - guard_size), s);
      EXPECT_EQ(find_stack(s->limit - 1), s);
      EXPECT_EQ(find_stack(s->limit), s);
      EXPECT_EQ(find_stack(s->top - 1), s);
    }
    for (stack* const s : taken) pool->release(s);
  }
  const int local = 0;
  EXPECT_EQ(find_stack(&local), nullptr);
  EXPECT_EQ(find_stack(nullptr), nullptr);
}

TEST(platform_stack_pool, many_stacks_cost_a_page_each_when_used_and_few_mappings) {
#if DOWNHAUL_ASAN || DOWNHAUL_TSAN
  constexpr std::size_t count = 10'000;
#else
  constexpr std::size_t count = 100'000;
#endif
  stack_pool pool{64 * 1024};
  const std::size_t mappings_before = mappings();
  const std::size_t resident_before = resident_bytes();
  std::vector<stack*> taken(count);
  for (stack*& s : taken) {
    s = pool.acquire();
    ASSERT_NE(s, nullptr);
    s->top[-1] = std::byte{1};
  }
  const std::size_t mappings_after = mappings();
  const std::size_t resident_after = resident_bytes();
  if (guard_in_force() == guard_kind::guard_region) {
    EXPECT_LT(mappings_after, mappings_before + 400);
  }
  if (!DOWNHAUL_ASAN && !DOWNHAUL_TSAN) {  // their shadow memory counts as well
    EXPECT_LT((resident_after - resident_before) / count, page_size() + 128);
  }
  for (stack* const s : taken) pool.release(s);
  while (pool.trim()) {
  }
  if (!DOWNHAUL_ASAN && !DOWNHAUL_TSAN) {
    EXPECT_LT(resident_bytes(), resident_before + count * 128);
  }
}

}  // namespace
}  // namespace downhaul::impl
