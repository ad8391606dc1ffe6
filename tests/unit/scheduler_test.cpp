// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// What the scheduler promises: nobody is lost, nobody starves, nobody waits behind who is stuck.

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <time.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <random>
#include <thread>
#include <vector>

#include "downhaul/chan.hpp"
#include "downhaul/clock.hpp"
#include "downhaul/go.hpp"
#include "downhaul/runtime.hpp"
#include "downhaul/timer.hpp"
#include "platform/sanitizer.hpp"
#include "sched/run_ring.hpp"
#include "support/seed.hpp"
#include "support/test_runtime.hpp"
#include "time/timer_entry.hpp"

namespace {

using downhaul::go;
using downhaul::make_chan;
using downhaul::runtime_options;
using downhaul::impl::goroutine;
using downhaul::impl::goroutine_list;
using downhaul::impl::run_ring;
using downhaul_test::test_runtime;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr bool sanitized = DOWNHAUL_ASAN || DOWNHAUL_TSAN;
#ifdef DOWNHAUL_CHECKED
constexpr bool checked = true;
#else
constexpr bool checked = false;
#endif

// Blocks the thread, behind the scheduler's back.
void block_thread(milliseconds d) {
  // real clock: a blocking system call is what is tested
  std::this_thread::sleep_for(d);
}

TEST(run_ring, is_first_in_first_out_and_says_when_it_is_full) {
  run_ring ring;
  std::vector<goroutine> g(7);  // no power of two: a wrong index would show
  const auto one = [&](std::uint32_t i) -> goroutine& { return g[i % g.size()]; };
  EXPECT_EQ(ring.pop(), nullptr);
  for (std::uint32_t i = 0; i < run_ring::most_capacity; ++i) ASSERT_TRUE(ring.push(one(i)));
  EXPECT_FALSE(ring.push(g.back()));
  EXPECT_EQ(ring.size(), run_ring::most_capacity);
  for (std::uint32_t i = 0; i < run_ring::most_capacity; ++i) ASSERT_EQ(ring.pop(), &one(i));
  EXPECT_EQ(ring.pop(), nullptr);
}

TEST(run_ring, a_thief_takes_half_from_the_head) {
  run_ring ring;
  run_ring mine;
  std::vector<goroutine> g(8);
  EXPECT_EQ(ring.steal_half_into(mine), nullptr);
  for (goroutine& one : g) ring.push(one);
  EXPECT_EQ(ring.steal_half_into(mine), &g[0]);
  for (int i = 1; i < 4; ++i) EXPECT_EQ(mine.pop(), &g[static_cast<std::size_t>(i)]);
  EXPECT_TRUE(mine.empty());
  EXPECT_EQ(ring.size(), 4u);
  EXPECT_EQ(ring.pop(), &g[4]);
}

TEST(run_ring, owner_and_thieves_hand_out_each_exactly_once) {
  constexpr std::size_t n = sanitized ? 20'000 : 200'000;
  std::vector<goroutine> g(n);
  std::vector<std::atomic<int>> taken(n);
  const auto take = [&](goroutine* one) { ++taken[static_cast<std::size_t>(one - g.data())]; };
  run_ring ring;
  std::atomic<bool> over{false};
  std::vector<std::thread> thieves;
  for (int t = 0; t < 2; ++t) {
    thieves.emplace_back([&] {
      run_ring mine;
      while (!over) {
        for (goroutine* one = ring.steal_half_into(mine); one != nullptr; one = mine.pop())
          take(one);
      }
    });
  }
  std::mt19937_64 random{downhaul_test::seed()};
  for (std::size_t i = 0; i < n;) {
    for (auto k = random() % 100; k > 0 && i < n && ring.push(g[i]); --k) ++i;
    for (auto k = random() % 60; k > 0; --k) {
      if (goroutine* one = ring.pop()) take(one);
    }
  }
  while (goroutine* one = ring.pop()) take(one);
  over = true;
  for (auto& t : thieves) t.join();
  for (std::size_t i = 0; i < n; ++i) ASSERT_EQ(taken[i], 1) << i;
}

// The worker that is woken for what came from outside finds a timer due first, and runs its function.
// Then the others have to be told of the rest: who runs something searches no more.
TEST(scheduler, a_worker_woken_for_new_work_that_finds_a_timer_due_wakes_another_for_the_work) {
  for (int round = 0; round < 3; ++round) {
    test_runtime rt{3};
    std::atomic<bool> due{false};
    std::atomic<bool> ran{false};
    std::atomic<bool> in_time{false};
    std::atomic<bool> stop{false};
    const auto wait_for = [](const std::atomic<bool>& flag) {
      const auto until = steady_clock::now() + std::chrono::seconds{2};
      while (!flag && steady_clock::now() < until) std::this_thread::yield();
      return flag.load();
    };
    rt.go([&] {
      // Nobody looks at the clock: this worker is busy, the others have no thread yet, and the watch
      // leaves them 10 ms.
      const downhaul::timer t{milliseconds{1}, [&] {
                                in_time = wait_for(ran);  // never gives way
                                stop = true;
                              }};
      const auto at = steady_clock::now() + milliseconds{1};
      while (steady_clock::now() <= at) {
      }
      due = true;
      while (!stop) std::this_thread::yield();  // the thread's, not the goroutine's
    });
    while (!due) std::this_thread::yield();
    rt.go([&] { ran = true; });
    rt.run_until_parked();
    EXPECT_TRUE(in_time);
  }
}

TEST(scheduler, runs_each_goroutine_exactly_once) {
  constexpr std::size_t n = sanitized ? 10'000 : 200'000;
  std::vector<std::atomic<int>> runs(n);
  {
    test_runtime rt{4};
    rt.run([&] {
      for (std::size_t i = 0; i < n; i += 10) {
        go([&, i] {
          for (std::size_t k = i; k < i + 10; ++k) go([&, k] { ++runs[k]; });
        });
      }
    });
  }
  for (std::size_t i = 0; i < n; ++i) ASSERT_EQ(runs[i], 1) << i;
}

TEST(scheduler, takes_wakes_from_everywhere_and_loses_none) {
  constexpr int n = sanitized ? 500 : 5'000;
  test_runtime rt{2};
  auto c = make_chan<int>();
  std::atomic<int> sum{0};
  for (int i = 0; i < 8; ++i) {
    rt.go([&, c] {
      while (auto v = c.recv()) sum += *v;
    });
  }
  std::vector<std::thread> senders;
  for (int t = 0; t < 3; ++t) {
    senders.emplace_back([c] {
      for (int i = 0; i < n; ++i) c.send(1);
    });
  }
  rt.run([c] {
    for (int i = 0; i < n; ++i) c.send(1);
  });
  for (auto& t : senders) t.join();
  c.close();
  rt.run_until_parked();
  EXPECT_EQ(sum, 4 * n);
}

TEST(scheduler, four_spinning_goroutines_run_in_parallel) {
  test_runtime rt{4};
  std::atomic<int> next{0};
  constexpr int turns = 25;
  for (int i = 0; i < 4; ++i) {
    rt.go([&next, i] {
      for (int t = 0; t < turns; ++t) {
        while (next != t * 4 + i) std::this_thread::yield();  // the thread's, not the goroutine's
        ++next;
      }
    });
  }
  rt.run_until_parked();
  EXPECT_EQ(next, 4 * turns);
}

TEST(scheduler, the_common_queue_does_not_starve_while_local_ones_are_busy) {
  test_runtime rt{1};
  std::atomic<bool> stop{false};
  auto a = make_chan<int>();
  auto b = make_chan<int>();
  rt.go([=] {
    while (auto v = a.recv()) b.send(*v);
    b.close();
  });
  rt.go([&, a, b] {
    while (!stop) {
      a.send(1);
      b.recv();
    }
    a.close();
  });
  rt.go([&] {
    while (!stop) downhaul::yield();
  });
  rt.go([&] { stop = true; });  // from outside: through the common queue
}

TEST(scheduler, two_talking_pairs_on_one_worker_share_it) {
  test_runtime rt{1};
  std::atomic<bool> stop{false};
  std::array<std::atomic<int>, 2> turns{};
  for (auto& mine : turns) {
    rt.go([&mine, &stop, &turns] {
      auto there = make_chan<void>();
      auto back = make_chan<void>();
      go([there, back] {
        while (there.recv()) back.send();
      });
      while (!stop) {
        there.send();
        back.recv();
        if (++mine == 100'000) stop = true;
      }
      there.close();
      static_cast<void>(turns);
    });
  }
  rt.run_until_parked();
  EXPECT_GT(turns[0] * 20, turns[1].load());
  EXPECT_GT(turns[1] * 20, turns[0].load());
}

TEST(scheduler, who_waits_behind_a_busy_goroutine_is_run_by_another_worker) {
  test_runtime rt{2};
  for (int i = 0; i < 20; ++i) {
    rt.run([] {
      std::atomic<bool> ran{false};
      auto gone = make_chan<void>();
      go([&ran, gone] {
        ran = true;
        gone.close();
      });                                      // in the hand-off slot
      while (!ran) std::this_thread::yield();  // never gives way
      gone.recv();
    });
  }
}

TEST(scheduler, a_blocked_worker_is_relieved_and_reported) {
  std::atomic<int> stalls{0};
  unsigned line = 0;
  std::string name;
  test_runtime rt{runtime_options{.workers = 1, .on_stall = [&](const downhaul::stall& s) {
                                    line = s.where.line();
                                    name = s.name;
                                    ++stalls;
                                  }}};
  std::atomic<bool> blocked_is_over{false};
  std::atomic<bool> other_was_first{false};
  auto started = make_chan<void>();
  const unsigned expected = __LINE__ + 1;
  rt.go({.name = "stuck"}, [&] {
    started.send();
    block_thread(milliseconds{200});
    blocked_is_over = true;
  });
  started.recv();
  rt.go([&] { other_was_first = !blocked_is_over; });
  rt.run_until_parked();
  EXPECT_TRUE(other_was_first);
  EXPECT_GE(stalls, 1);
  EXPECT_EQ(line, expected);
  EXPECT_EQ(name, "stuck");
  EXPECT_EQ(rt.get().stalls(), static_cast<std::uint64_t>(stalls));
  // Afterwards one worker is enough again, and it works.
  for (int i = 0; i < 100; ++i) rt.run([] { downhaul::yield(); });
}

TEST(scheduler, a_computing_worker_is_relieved_too) {
  test_runtime rt{1};
  std::atomic<bool> flag{false};
  rt.go([&] {
    while (!flag) {
    }
  });
  rt.go([&] { flag = true; });
  rt.run_until_parked();
  EXPECT_TRUE(flag);
}

struct alarm : downhaul::impl::timer_entry {
  explicit alarm(downhaul::chan<steady_clock::time_point> c) : chan{c} {
    fire = [](timer_entry& e, std::int64_t) noexcept {
      static_cast<alarm&>(e).chan.try_send(steady_clock::now());
    };
    try_ref = [](timer_entry&) noexcept { return true; };
  }
  downhaul::chan<steady_clock::time_point> chan;
};

TEST(scheduler, deadlines_are_kept_while_all_workers_are_busy) {
  test_runtime rt{2};
  std::atomic<bool> stop{false};
  auto fired = make_chan<steady_clock::time_point>(1);
  for (int i = 0; i < 2; ++i) {
    rt.go([&] {
      while (!stop) {
      }
    });
  }
  alarm a{fired};
  const auto due = steady_clock::now() + milliseconds{30};
  downhaul::clock::real().arm(a, due.time_since_epoch().count());
  const auto at = *fired.recv();
  stop = true;
  EXPECT_GE(at, due);
  EXPECT_LT(at, due + std::chrono::seconds{1});  // other processes may be busy too
}

TEST(scheduler, an_idle_worker_keeps_deadlines) {
  test_runtime rt{1};
  auto fired = make_chan<steady_clock::time_point>(1);
  for (int i = 0; i < 5; ++i) {
    rt.run([&] {
      alarm a{fired};
      const auto due = steady_clock::now() + milliseconds{3};
      downhaul::clock::real().arm(a, due.time_since_epoch().count());
      EXPECT_GE(*fired.recv(), due);
    });
  }
}

double cpu_seconds() {
  rusage used{};
  getrusage(RUSAGE_SELF, &used);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6;
  };
  return seconds(used.ru_utime) + seconds(used.ru_stime);
}

TEST(scheduler, an_idle_runtime_uses_no_cpu) {
  test_runtime rt{2};
  auto never = make_chan<int>();
  for (int i = 0; i < 100; ++i) rt.go([never] { never.recv(); });
  rt.run_until_parked();
  block_thread(milliseconds{300});  // until lookout and watch have gone to sleep
  const double before = cpu_seconds();
  block_thread(milliseconds{1'000});
  EXPECT_LT(cpu_seconds() - before, 0.001 * (sanitized ? 10 : 1));  // the budget: 10 ms in 10 s
  never.close();
}

TEST(scheduler, a_million_parked_goroutines) {
  constexpr int n = sanitized ? 10'000 : checked ? 100'000 : 1'000'000;
  test_runtime rt{runtime_options{.workers = 2, .stack = 64 * 1024}};
  std::atomic<int> woken{0};
  auto gate = make_chan<void>();
  rt.run([&] {
    for (int i = 0; i < n; ++i) {
      go([&woken, gate] {
        gate.recv();
        ++woken;
      });
    }
  });
  rt.run_until_parked();
  EXPECT_EQ(rt.goroutines(), static_cast<std::size_t>(n));
  gate.close();
  rt.run_until_parked();
  EXPECT_EQ(woken, n);
}

TEST(scheduler, lists_may_be_made_while_goroutines_come_and_go) {
  test_runtime rt{2};
  std::atomic<bool> stop{false};
  std::thread lister{[&] {
    while (!stop) {
      for (const auto& g : downhaul::list_goroutines()) {
        ASSERT_TRUE(g.name.empty() || g.name == "named") << g.name;
      }
    }
  }};
  rt.run([&] {
    for (int i = 0; i < (sanitized ? 500 : 5'000); ++i) {
      auto done = make_chan<void>();
      go({.name = i % 3 == 0 ? "named" : nullptr}, [done] { done.send(); });
      done.recv();
    }
  });
  stop = true;
  lister.join();
}

}  // namespace
