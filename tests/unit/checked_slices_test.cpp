// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// Checked builds: what a goroutine does after a wait it does on another thread.

#include <gtest/gtest.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <functional>
#include <ostream>
#include <string>
#include <vector>

#include "downhaul/blocking.hpp"
#include "downhaul/chan.hpp"
#include "downhaul/context.hpp"
#include "downhaul/go.hpp"
#include "downhaul/mutex.hpp"
#include "downhaul/pin.hpp"
#include "downhaul/select.hpp"
#include "downhaul/sleep.hpp"
#include "downhaul/wait_group.hpp"
#include "support/parked.hpp"
#include "support/test_runtime.hpp"

namespace {

using namespace std::chrono_literals;
using downhaul_test::await_parked;
using downhaul_test::test_runtime;
namespace dh = downhaul;

pid_t this_thread_id() { return static_cast<pid_t>(::syscall(SYS_gettid)); }

// Not inlined: the compiler must not know the address from before the wait.
[[gnu::noinline]] int& counter_of_thread() {
  thread_local int counter = 0;
  asm volatile("" ::: "memory");
  return counter;
}

// One goroutine waits, and whoever ends its wait begins when it does.
struct wait_kind {
  std::string name;
  std::function<void()> wait;
};

void PrintTo(const wait_kind& k, std::ostream* out) { *out << k.name; }

class checked_slices : public testing::TestWithParam<wait_kind> {};

TEST_P(checked_slices, run_on_another_thread_after_each_wait_with_one_worker) {
  test_runtime rt{1};
  rt.run([&] {
    for (int i = 0; i < 20; ++i) {
      const pid_t before = this_thread_id();
      GetParam().wait();
      EXPECT_NE(this_thread_id(), before) << "slice " << i;
    }
  });
}

INSTANTIATE_TEST_SUITE_P(
    , checked_slices,
    testing::Values(wait_kind{"yield", [] { dh::yield(); }},  //
                    wait_kind{"sleep", [] { dh::sleep(1us); }},
                    wait_kind{"receive",
                              [] {
                                auto ch = dh::make_chan<int>();
                                dh::go([ch] {
                                  await_parked("chan receive", 1);
                                  ch.send(1);
                                });
                                EXPECT_EQ(ch.recv(), 1);
                              }},
                    wait_kind{"select",
                              [] {
                                auto a = dh::make_chan<int>();
                                auto b = dh::make_chan<int>();
                                dh::go([b] {
                                  await_parked("select", 1);
                                  b.send(1);
                                });
                                EXPECT_EQ(dh::select(dh::recv(a), dh::recv(b)), 1);
                              }},
                    wait_kind{"wait_group",
                              [] {
                                dh::wait_group wg;
                                wg.go([] { await_parked("sync.WaitGroup.Wait", 1); });
                                wg.wait();
                              }},
                    wait_kind{"blocking",
                              [] { dh::blocking([] { await_parked("blocking call", 1); }); }}),
    [](const auto& test) { return test.param.name; });

TEST(checked_slice, runs_on_another_thread_with_many_goroutines_and_workers) {
  constexpr int goroutines = 16;
  test_runtime rt{3};
  std::atomic<int> stayed{0};
  rt.run([&] {
    dh::wait_group all;
    for (int g = 0; g < goroutines; ++g) {
      all.go([&, g] {
        for (int i = 0; i < 50; ++i) {
          const pid_t before = this_thread_id();
          (g + i) % 2 == 0 ? dh::yield() : dh::sleep(1us);
          if (this_thread_id() == before) ++stayed;
        }
      });
    }
    all.wait();
  });
  EXPECT_EQ(stayed.load(), 0);
}

TEST(checked_slice, finds_what_is_kept_of_a_thread) {
  test_runtime rt{1};
  rt.run([] {
    int& kept = counter_of_thread();  // the mistake
    kept = 1;
    dh::yield();
    EXPECT_NE(&counter_of_thread(), &kept);
    EXPECT_EQ(counter_of_thread(), 0);
  });
}

TEST(checked_slice, takes_a_lock_over_to_the_next_thread) {
  test_runtime rt{1};
  rt.run([] {
    dh::mutex mu;
    const pid_t before = this_thread_id();
    mu.lock();  // ours belongs to nobody: it may be held across a wait
    dh::yield();
    EXPECT_NE(this_thread_id(), before);
    mu.unlock();
  });
}

TEST(checked_slice, of_a_pinned_goroutine_stays_on_its_thread) {
  test_runtime rt{1};
  rt.run([] {
    pid_t own = 0;
    {
      const dh::pin stay;
      own = this_thread_id();
      for (int i = 0; i < 10; ++i) {
        dh::yield();
        dh::sleep(1us);
        EXPECT_EQ(this_thread_id(), own);
      }
    }
    EXPECT_NE(this_thread_id(), own);
  });
}

// The two threads of a worker are one worker: what it had to do goes along with the turn.
TEST(checked_slice, keeps_the_order_of_the_worker) {
  test_runtime rt{1};
  std::vector<int> order;
  rt.run([&] {
    dh::wait_group all;
    for (int g = 0; g < 3; ++g) {
      all.go([&order, g] {
        for (int i = 0; i < 4; ++i) {
          order.push_back(g);
          dh::yield();
        }
      });
    }
    all.wait();
  });
  ASSERT_EQ(order.size(), 12U);
  for (std::size_t i = 3; i < order.size(); ++i) EXPECT_EQ(order[i], order[i - 3]) << i;
}

TEST(checked_slice, lets_a_runtime_stop_whichever_thread_has_the_turn) {
  for (int slices = 0; slices < 4; ++slices) {
    test_runtime rt{1};
    rt.run([slices] {
      for (int i = 0; i < slices; ++i) dh::yield();
    });
  }
}

}  // namespace
