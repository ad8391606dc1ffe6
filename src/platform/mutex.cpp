// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors

#include "platform/mutex.hpp"

#include <sched.h>

#include "platform/cpu.hpp"
#include "platform/fatal.hpp"
#include "platform/futex.hpp"
#include "platform/sanitizer.hpp"

#ifdef DOWNHAUL_CHECKED
#include <array>
#include <cstddef>
#include <cstdlib>
#include <functional>
#include <string_view>

#include "platform/backtrace.hpp"
#endif

namespace downhaul::impl {
namespace {

// About 4 us of pauses: less than a sleep and a wake cost (30 us), more than any section guarded
// by a lock of this library. With one CPU the holder cannot run while we spin.
constexpr int spins = 100;
// About 60 us: what it takes to wake a thread, and some more.
constexpr int pauses_for_sleepers = 1500;

// Asks the kernel alone: the first to fight for a lock may hold others, and available_cpus() reads
// files and allocates. A mask that does not fit has many CPUs.
int spins_here() noexcept {
  static const int limit = [] {
    cpu_set_t mask;
    return ::sched_getaffinity(0, sizeof mask, &mask) == 0 && CPU_COUNT(&mask) == 1 ? 0 : spins;
  }();
  return limit;
}

}  // namespace

void mutex::lock_slow() noexcept {
  for (int left = spins_here(); left > 0; --left) {
    // Only a hint; try_take synchronizes.
    const std::uint32_t seen = word_.load(std::memory_order_relaxed);
    if (seen == 2) break;  // others sleep already: the section is long
    if (seen == 0 && try_take()) return;
    cpu_pause();
  }
  // R [lock], pairs with the exchange in unlock. Taking the lock with 2 may cost one needless wake
  // later, and is what keeps a sleeper from being forgotten. Ends: each turn sleeps while held.
  while (word_.exchange(2, std::memory_order_acquire) != 0) futex_wait(word_, 2);
}

void mutex::unlock_and_give_way() noexcept {
  // W [lock], read by the next holder's acquire
  if (word_.exchange(0, std::memory_order_release) != 2) return;
  wake_one(word_);
  if (spins_here() == 0) {  // one CPU: he cannot run while we spin
    ::sched_yield();
    return;
  }
  // A hint: the lock has been taken. By whom does not matter, it was not by us.
  for (int left = pauses_for_sleepers; left > 0; --left) {
    if (word_.load(std::memory_order_relaxed) != 0) return;  // a hint, see above
    cpu_pause();
  }
}

void mutex::wake_one(std::atomic<std::uint32_t>& word) noexcept { futex_wake_one(word); }

#ifdef DOWNHAUL_CHECKED
namespace {

constexpr std::size_t rank_count = static_cast<std::size_t>(rank::leaf) + 1;
constexpr std::array<std::string_view, rank_count> rank_names{
    "registry", "channel", "context", "timers", "run queue", "sync queue", "leaf"};
// What has the same level is never held together, but for channels.
constexpr std::array<int, rank_count> levels{0, 1, 2, 2, 3, 4, 4};

struct held_locks {
  std::array<std::uint32_t, rank_count> count{};
  const void* highest_channel = nullptr;  // of those held; kept until the last one is given back
};

DOWNHAUL_NOINLINE held_locks& held_by_this_thread() noexcept {
  static thread_local held_locks held;
  asm volatile("" ::: "memory");
  return held;
}

std::size_t index_of(rank r) noexcept { return static_cast<std::size_t>(r); }

[[noreturn]] void out_of_order(rank wanted, rank held) noexcept {
  say({"fatal error: lock order: ", rank_names[index_of(wanted)], " lock wanted while a ",
       rank_names[index_of(held)], " lock is held\n"});
  say_place("wanted at", place::here());
  std::abort();
}

}  // namespace

void check_lock_order(rank r, const void* lock) noexcept {
  const held_locks& held = held_by_this_thread();
  for (std::size_t i = rank_count; i-- > 0;) {
    if (held.count[i] == 0 || levels[i] < levels[index_of(r)]) continue;
    const bool next_channel =
        r == rank::channel && i == index_of(r) && std::less<>{}(held.highest_channel, lock);
    if (!next_channel) out_of_order(r, static_cast<rank>(i));
  }
}

void note_locked(rank r, const void* lock) noexcept {
  held_locks& held = held_by_this_thread();
  ++held.count[index_of(r)];
  if (r == rank::channel && std::less<>{}(held.highest_channel, lock)) held.highest_channel = lock;
}

void note_unlocked(rank r) noexcept {
  held_locks& held = held_by_this_thread();
  if (held.count[index_of(r)] == 0)
    fatal(
        {"lock order: a ", rank_names[index_of(r)], " lock is given back on a thread without it"});
  if (--held.count[index_of(r)] == 0 && r == rank::channel) held.highest_channel = nullptr;
}

void assert_no_locks_held() noexcept {
  const held_locks& held = held_by_this_thread();
  for (std::size_t i = 0; i < rank_count; ++i)
    if (held.count[i] != 0) fatal({"lock order: a ", rank_names[i], " lock is held here"});
}
#endif

}  // namespace downhaul::impl
