// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// SCHED-020 to 030: parallelism, fairness, limits.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <fstream>
#include <limits>
#include <mutex>
#include <optional>
#include <random>
#include <semaphore>
#include <set>
#include <shared_mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "downhaul/blocking.hpp"
#include "downhaul/chan.hpp"
#include "downhaul/go.hpp"
#include "downhaul/mutex.hpp"
#include "downhaul/runtime.hpp"
#include "downhaul/select.hpp"
#include "downhaul/sleep.hpp"
#include "downhaul/timer.hpp"
#include "downhaul/wait_group.hpp"
#include "support/crew.hpp"
#include "support/parked.hpp"
#include "support/scheduler_parts.hpp"
#include "support/seed.hpp"
#include "support/test_runtime.hpp"

namespace {

namespace dh = downhaul;
using dh::impl::goroutine;
using dh::impl::run_ring;
using downhaul_test::rounds;
using downhaul_test::sanitized;
using downhaul_test::test_runtime;
using testing::HasSubstr;
using namespace std::chrono_literals;

void die_threadsafe() { GTEST_FLAG_SET(death_test_style, "threadsafe"); }

// Four goroutines take turns in strict rotation, and none gives way: they have to run in parallel.
int rotate(test_runtime& rt, int turns) {
  std::atomic<int> next{0};
  for (int i = 0; i < 4; ++i) {
    rt.go([&next, i, turns] {
      for (int t = 0; t < turns; ++t) {
        while (next.load() != t * 4 + i) std::this_thread::yield();  // the thread's, not ours
        ++next;
      }
    });
  }
  rt.run_until_parked();
  return next.load();
}

TEST(SCHED_020, as_many_goroutines_as_workers_run_truly_in_parallel) {
  test_runtime rt{4};
  EXPECT_EQ(rotate(rt, 25), 100);  // the threads are started for it
  EXPECT_EQ(rotate(rt, 25), 100);  // and were idle before it
}

TEST(SCHED_020, also_while_timers_and_other_goroutines_come_and_go) {
  test_runtime rt{4};
  std::atomic<bool> over{false};
  rt.go([&] {
    while (!over.load()) dh::sleep(100us);  // real clock: the workers look after it
  });
  std::atomic<int> next{0};
  dh::wait_group wg;
  for (int i = 0; i < 3; ++i) {
    wg.go([] {});  // of the default runtime: another set of workers
    rt.go([&, i] {
      for (int t = 0; t < 20; ++t) {
        while (next.load() != t * 3 + i) std::this_thread::yield();
        ++next;
      }
      if (i == 2) over = true;
    });
  }
  wg.wait();
  while (rt.goroutines() != 0) std::this_thread::yield();
  EXPECT_EQ(next.load(), 60);
}

// deviates: goroutines are not pre-empted; they give way where they wait or yield, and a computing one is noticed within 20 ms and the others go on on another thread.
TEST(SCHED_021, who_waits_behind_a_computing_goroutine_gets_on) {
  test_runtime one{1};
  std::atomic<bool> flag{false};
  one.go([&] {
    while (!flag.load()) {
    }
  });
  one.go([&] { flag = true; });
  one.run_until_parked();
  EXPECT_TRUE(flag.load());
}

TEST(SCHED_021, two_pairs_that_talk_on_one_worker_share_it_within_a_factor_of_twenty) {
  test_runtime one{1};
  const int enough = rounds(100'000);
  std::atomic<bool> over{false};
  std::array<std::atomic<int>, 2> turns{};
  for (auto& mine : turns) {
    auto there = dh::make_chan<void>();
    auto back = dh::make_chan<void>();
    one.go([=] {
      while (there.recv()) back.send();
    });
    one.go([=, &mine, &over] {
      while (!over.load()) {
        there.send();
        back.recv();
        if (++mine == enough) over = true;
      }
      there.close();
    });
  }
  one.run_until_parked();
  EXPECT_GT(turns[0].load() * 20, turns[1].load());
  EXPECT_GT(turns[1].load() * 20, turns[0].load());
}

TEST(SCHED_021, a_timer_fires_while_goroutines_keep_each_other_busy) {
  test_runtime one{1};
  one.run([] {
    auto busy = dh::make_chan<int>();
    auto over = dh::make_chan<void>();
    dh::wait_group wg;
    for (int i = 0; i < 2; ++i) {
      wg.go([=] {
        while (dh::select(dh::send(busy, 1), dh::recv(over)) == 0) {
        }
      });
    }
    const dh::timer alarm{20ms};  // real clock: so long does the pair keep the worker
    long received = 0;
    while (dh::select(dh::recv(busy), dh::recv(alarm.chan())) == 0) ++received;
    EXPECT_GT(received, 0);
    over.close();
    wg.wait();
  });
}

TEST(SCHED_021, a_chain_of_timer_callbacks_does_not_starve_a_goroutine) {
  test_runtime one{1};
  std::atomic<bool> over{false};
  std::atomic<long> runs{0};
  auto ended = dh::make_chan<void>();
  std::optional<dh::timer> chain;
  one.run([&] {
    auto armed = dh::make_chan<void>();
    chain.emplace(0s, [&, armed, ended] {
      if (runs++ == 0) armed.recv();
      if (over.load()) {
        ended.send();
      } else {
        chain->reset(0s);
      }
    });
    armed.send();
    for (int i = 0; i < 5; ++i) dh::sleep(1ms);  // real clock: beside the chain
    over = true;
    ended.recv();
    chain->stop();
    chain.reset();
  });
  EXPECT_GT(runs.load(), 0);
}

TEST(SCHED_022, the_common_queue_does_not_starve_while_local_ones_are_busy) {
  test_runtime one{1};
  for (int round = 0; round < 10; ++round) {
    std::atomic<bool> over{false};
    auto there = dh::make_chan<int>();
    auto back = dh::make_chan<int>();
    one.go([=] {  // a talking pair lives in the hand-off slot
      while (auto v = there.recv()) back.send(*v);
    });
    one.go([=, &over] {
      while (!over.load()) {
        there.send(1);
        back.recv();
      }
      there.close();
    });
    one.go([&over] {  // a yielding loop lives in the ring
      while (!over.load()) dh::yield();
    });
    one.go([&over] { over = true; });  // comes from outside, through the common queue
    one.run_until_parked();
    EXPECT_TRUE(over.load());
  }
}

TEST(SCHED_023, a_queue_and_its_thieves_hand_out_each_goroutine_exactly_once) {
  const auto n = static_cast<std::size_t>(rounds(100'000));
  std::vector<goroutine> g(n);
  std::vector<std::atomic<int>> taken(n);
  const auto take = [&](goroutine* one) { ++taken[static_cast<std::size_t>(one - g.data())]; };
  run_ring ring;
  std::atomic<bool> over{false};
  {
    downhaul_test::crew thieves{downhaul_test::place::threads};
    for (int t = 0; t < 2; ++t) {
      thieves.start([&] {
        run_ring mine;
        while (!over.load()) {
          for (goroutine* one = ring.steal_half_into(mine); one != nullptr; one = mine.pop())
            take(one);
          std::this_thread::yield();
        }
      });
    }
    std::mt19937_64 random{downhaul_test::seed()};
    for (std::size_t i = 0; i < n;) {
      for (auto k = random() % 50; k > 0 && i < n && ring.push(g[i]); --k) ++i;
      for (auto k = random() % 30; k > 0; --k) {
        if (goroutine* one = ring.pop()) take(one);
      }
    }
    while (goroutine* one = ring.pop()) take(one);
    over = true;
  }
  for (std::size_t i = 0; i < n; ++i) ASSERT_EQ(taken[i].load(), 1) << i;
}

TEST(SCHED_023, each_goroutine_runs_once_and_goes_on_once_for_each_wake) {
  const auto n = static_cast<std::size_t>(rounds(100'000));
  constexpr std::size_t batch = 1'000;
  std::vector<std::atomic<int>> ran(n);
  std::vector<std::atomic<int>> woken(n);
  test_runtime rt{4};
  rt.run([&] {
    auto gate = dh::make_chan<void>();
    dh::wait_group wg;
    for (std::size_t first = 0; first < n; first += batch) {
      for (std::size_t i = first; i < first + batch && i < n; ++i) {
        wg.go([&, i, gate] {
          ++ran[i];
          gate.recv();
          ++woken[i];
          dh::yield();
        });
      }
      for (std::size_t i = first; i < first + batch && i < n; ++i) gate.send();
    }
    wg.wait();
  });
  for (std::size_t i = 0; i < n; ++i) {
    ASSERT_EQ(ran[i].load(), 1) << i;
    ASSERT_EQ(woken[i].load(), 1) << i;
  }
}

TEST(SCHED_024, a_system_call_does_not_stop_the_others_on_its_worker) {
  for (const bool announced : {true, false}) {
    test_runtime one{1};
    std::binary_semaphore other_has_run{0};
    std::atomic<bool> returned{false};
    auto started = dh::make_chan<void>();
    one.go([&, announced] {
      const auto call = [&] {
        started.send();
        other_has_run.acquire();  // blocks the thread; would hang
        returned = true;
      };
      announced ? dh::blocking(call) : call();
    });
    started.recv();
    one.go([&] { other_has_run.release(); });
    while (one.goroutines() != 0) std::this_thread::yield();
    EXPECT_TRUE(returned.load()) << (announced ? "blocking()" : "not announced");
  }
}

TEST(SCHED_025, the_number_of_workers_can_be_changed_while_goroutines_run) {
  test_runtime rt{1};
  EXPECT_EQ(rt.get().workers(), 1);
  rt.get().workers(4);
  EXPECT_EQ(rt.get().workers(), 4);
  EXPECT_EQ(rotate(rt, 10), 40);  // needs four at once
  rt.get().workers(1);
  EXPECT_EQ(rt.get().workers(), 1);
  for (int i = 0; i < 100; ++i) rt.run([] { dh::yield(); });
  EXPECT_THROW(rt.get().workers(0), std::invalid_argument);
}

// deviates: the quota is read when a runtime is made and not again, for a program that changes it can set workers().
TEST(SCHED_025, by_default_there_are_as_many_as_the_affinity_mask_and_the_quota_allow) {
  EXPECT_EQ(dh::runtime{}.workers(), dh::impl::available_cpus());
  EXPECT_LE(dh::impl::available_cpus(), static_cast<int>(std::thread::hardware_concurrency()));
  EXPECT_EQ(dh::impl::cpus_of_cpu_max("150000 100000\n"), 2);  // rounded up
  EXPECT_EQ(dh::impl::cpus_of_cpu_max("max 100000\n"), std::nullopt);
}

long resident_bytes() {
  std::ifstream statm{"/proc/self/statm"};
  long size = 0;
  long resident = 0;
  statm >> size >> resident;
  return resident * ::sysconf(_SC_PAGESIZE);
}

TEST(SCHED_026, a_hundred_thousand_parked_goroutines_are_an_ordinary_program) {
  constexpr int n = sanitized ? 10'000 : 100'000;
  test_runtime rt{2};
  std::atomic<int> woken{0};
  auto gate = dh::make_chan<void>();
  const long before = resident_bytes();
  rt.run([&] {
    for (int i = 0; i < n; ++i) {
      dh::go([&woken, gate] {
        gate.recv();
        ++woken;
      });
    }
  });
  rt.run_until_parked();
  EXPECT_EQ(rt.goroutines(), static_cast<std::size_t>(n));
  if (!sanitized) {
    EXPECT_LT((resident_bytes() - before) / n, 10 * 1024) << "a few KiB each";
  }
  gate.close();
  rt.run_until_parked();
  EXPECT_EQ(woken.load(), n);
}

std::atomic<bool> goes_on{true};

int overflow(volatile int* deeper) {
  volatile int here[64] = {};
  here[0] = deeper != nullptr ? *deeper : 0;
  return goes_on ? overflow(here) + here[0] : 0;
}

// deviates: stacks do not grow; each has a fixed size, which can be chosen, and a guard beside it, and an overflow aborts and names the goroutine.
TEST(SCHED_027, a_stack_overflow_is_a_clean_end_that_names_the_goroutine) {
  die_threadsafe();
  const auto child = [](std::size_t stack) {
    dh::go({.stack = stack, .name = "deep"}, [] { overflow(nullptr); });
    dh::make_chan<int>().recv();
  };
  const auto text =
      "fatal error: stack overflow\ngoroutine \"deep\" started at .*fairness_test.cpp:[0-9]+ ";
  EXPECT_EXIT(child(0), testing::KilledBySignal(SIGABRT), text);
  EXPECT_EXIT(child(1024 * 1024), testing::KilledBySignal(SIGABRT), text);
}

TEST(SCHED_027, a_goroutine_may_ask_for_a_larger_stack) {
  test_runtime rt;
  std::atomic<int> sum{0};
  rt.go({.stack = 4 * 1024 * 1024}, [&] {
    volatile char much[3'500'000];
    much[0] = 1;
    much[sizeof much - 1] = 2;
    sum = much[0] + much[sizeof much - 1];
  });
  rt.run_until_parked();
  EXPECT_EQ(sum.load(), 3);
}

TEST(SCHED_028, more_than_ten_thousand_threads_are_fatal) {
  if (sanitized) GTEST_SKIP() << "a sanitizer cannot have so many threads";
  die_threadsafe();
  const auto child = [] {
    auto never = dh::make_chan<int>();
    for (int i = 0; i < 10'100; ++i) dh::go({.pinned = true}, [never] { never.recv(); });
  };
  EXPECT_EXIT(child(), testing::KilledBySignal(SIGABRT),
              "program exceeds 10000-thread limit\nfatal error: thread exhaustion\n");
}

TEST(SCHED_029, a_select_may_have_65536_cases_and_no_more) {
  auto c = dh::make_chan<int>(1);
  auto ready = dh::make_chan<int>(1);
  std::vector<dh::select_case> cases;
  cases.reserve(65'537);
  for (int i = 0; i < 65'535; ++i) cases.emplace_back(dh::recv(c));
  ready.send(7);
  std::optional<int> got;
  cases.emplace_back(dh::recv(ready, got));
  EXPECT_EQ(dh::select(std::span{cases}), 65'535);
  EXPECT_EQ(got, 7);
  cases.emplace_back(dh::recv(c));
  try {
    dh::select(std::span{cases});
    FAIL() << "65537 cases";
  } catch (const dh::misuse& e) {
    EXPECT_STREQ(e.what(), "reflect.Select: too many cases (max 65536)");
  }
}

TEST(SCHED_029, a_channels_capacity_is_limited_by_memory_alone) {
  const auto c = dh::make_chan<void>(std::numeric_limits<std::ptrdiff_t>::max());
  EXPECT_EQ(c.capacity(), std::numeric_limits<std::ptrdiff_t>::max());
  c.send();
  EXPECT_EQ(c.size(), 1);
  const auto large = dh::make_chan<char>(10'000'000);
  EXPECT_EQ(large.capacity(), 10'000'000);
  EXPECT_THROW(static_cast<void>(dh::make_chan<int>(std::numeric_limits<std::ptrdiff_t>::max())),
               dh::misuse);
}

TEST(SCHED_029, many_wait_for_one_mutex) {
  constexpr int n = sanitized ? 1'000 : 20'000;
  test_runtime rt{dh::runtime_options{.workers = 2, .stack = 64 * 1024}};
  dh::mutex mu;
  int count = 0;  // guarded by mu
  mu.lock();
  for (int i = 0; i < n; ++i) {
    rt.go([&] {
      const std::lock_guard held{mu};
      ++count;
    });
  }
  rt.run_until_parked();
  EXPECT_EQ(downhaul_test::parked("sync.Mutex.Lock"), static_cast<std::size_t>(n));
  mu.unlock();
  rt.run_until_parked();
  EXPECT_EQ(count, n);
}

std::string order_with(std::uint64_t seed) {
  test_runtime one{dh::runtime_options{.workers = 1, .seed = seed}};
  std::string order;
  one.run([&] {
    for (char c = 'a'; c <= 'z'; ++c) dh::go([&order, c] { order += c; });
  });
  one.run_until_parked();
  return order;
}

TEST(SCHED_030, a_seed_randomises_the_order_and_repeats_it) {
  std::set<std::string> orders;
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    const std::string order = order_with(seed);
    EXPECT_EQ(order.size(), 26U);
    EXPECT_EQ(order_with(seed), order);
    orders.insert(order);
  }
  EXPECT_GT(orders.size(), 5U);
}

}  // namespace
