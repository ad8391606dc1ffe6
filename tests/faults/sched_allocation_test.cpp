// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// Every call of the scheduling headers with each of its allocations failing.

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <functional>
#include <optional>
#include <stdexcept>
#include <string>
#include <system_error>
#include <vector>

#include "downhaul/blocking.hpp"
#include "downhaul/chan.hpp"
#include "downhaul/context.hpp"
#include "downhaul/pin.hpp"
#include "downhaul/runtime.hpp"
#include "downhaul/wait_group.hpp"
#include "faults/each_allocation.hpp"

namespace {

using namespace downhaul;
using downhaul_test::fail_allocation;
using downhaul_test::fail_each_allocation;
using downhaul_test::failures;

// Goroutines started in an attempt have ended with it.
void wait_for_all() {
  while (count_goroutines() != 0) yield();
}

TEST(sched_allocation, go) {
  std::atomic<int> ran{0};
  int before = 0;
  const failures f = fail_each_allocation(
      [&] {
        before = ran;
        go([&] { ++ran; });
        wait_for_all();
      },
      [&](bool) { EXPECT_EQ(ran, before) << "it was said not to have started"; });
  EXPECT_EQ(f, (failures{1, 0}));
}

TEST(sched_allocation, go_with_a_name_and_a_closure_that_does_not_fit) {
  std::atomic<int> ran{0};
  int before = 0;
  const failures f = fail_each_allocation(
      [&] {
        before = ran;
        go(go_options{.name = "a name"}, [&ran, large = std::array<char, 1000>{}] {
          static_cast<void>(large);
          ++ran;
        });
        wait_for_all();
      },
      [&](bool) { EXPECT_EQ(ran, before); });
  EXPECT_EQ(f, (failures{3, 0}));
}

TEST(sched_allocation, go_with_a_closure_whose_copy_throws) {
  const std::string text(200, 'x');
  const auto f = [text] { EXPECT_EQ(text.size(), 200u); };
  EXPECT_EQ(fail_each_allocation([&] {
              go(f);
              wait_for_all();
            }),
            (failures{2, 0}));
}

// Its pool of stacks is made by the first that asks for the size: a runtime of its own, each time.
TEST(sched_allocation, go_with_a_stack_of_another_size) {
  std::atomic<int> ran{0};
  const failures f = fail_each_allocation([&] {
    runtime rt{{.workers = 1}};
    const int before = ran;
    try {
      rt.go(go_options{.stack = 64 * 1024}, [&] { ++ran; });
    } catch (...) {
      EXPECT_EQ(ran, before);
      throw;
    }
    wait_for_all();
  });
  EXPECT_GE(f.thrown, 6);
}

TEST(sched_allocation, wait_group_go) {
  wait_group all;
  std::atomic<int> ran{0};
  const failures f = fail_each_allocation(
      [&] {
        all.go([&ran, large = std::array<char, 1000>{}] {
          static_cast<void>(large);
          ++ran;
        });
        all.wait();
        wait_for_all();
      },
      [&](bool) { all.wait(); });  // the task that was not started is not waited for
  EXPECT_EQ(f, (failures{2, 0}));
  EXPECT_EQ(ran, 2);
}

TEST(sched_allocation, a_runtime) {
  const failures f = fail_each_allocation([] {
    runtime rt{{.workers = 3, .on_stall = [large = std::array<char, 100>{}](const stall&) {
                  static_cast<void>(large);
                }}};
  });
  EXPECT_GE(f.thrown, 8);
  EXPECT_EQ(f.absorbed, 0);
}

TEST(sched_allocation, more_workers_or_as_many_as_before) {
  runtime rt{{.workers = 1}};
  int wanted = 1;
  const failures f = fail_each_allocation(
      [&] {
        wanted = rt.workers() + 2;
        rt.workers(wanted);
      },
      [&](bool threw) {
        EXPECT_TRUE(threw);
        EXPECT_EQ(rt.workers(), wanted - 2);
      });
  EXPECT_GE(f.thrown, 4);
  EXPECT_EQ(rt.workers(), wanted);
  rt.run([] { yield(); });
}

TEST(sched_allocation, run) {
  runtime rt{{.workers = 1}};
  rt.run([] {});
  bool ran = false;
  const failures f = fail_each_allocation(
      [&] {
        ran = false;
        rt.run([&] { ran = true; });
        wait_for_all();
      },
      [&](bool) { EXPECT_FALSE(ran); });
  EXPECT_EQ(f, (failures{1, 0}));
  EXPECT_EQ(fail_each_allocation([&] { downhaul::run([] {}); }).absorbed, 0);
}

TEST(sched_allocation, lists_of_goroutines) {
  auto open = make_chan<void>();
  wait_group all;
  constexpr int n = 20;
  for (int i = 0; i < n; ++i) {
    all.go(go_options{.name = "a goroutine with a name of some length"}, [open] { open.recv(); });
  }
  std::size_t listed = 0;
  std::string text;
  // Not by fail_each_allocation: goroutines are alive.
  int failed = 0;
  for (long nth = 1;; ++nth) {
    const fail_allocation fault{nth};
    try {
      const auto list = list_goroutines();
      listed = list.size();
      text = to_string(list.front());
      static_cast<void>(runtime{}.goroutines());
    } catch (const std::bad_alloc&) {
    }
    if (!fault.has_failed()) break;
    ++failed;
  }
  EXPECT_GE(failed, 20);
  EXPECT_EQ(listed, std::size_t{n});
  EXPECT_NE(text.find("a goroutine with a name"), std::string::npos);
  open.close();
  all.wait();
}

// While it lives, threads for blocking calls are busy: the next call needs one more. The threads of
// earlier calls stay for some seconds.
class busy_helpers {
 public:
  busy_helpers() {
    for (int i = 0; i < n_; ++i) {
      calls_.go([this] {
        blocking([this] {
          ++occupied_;
          end_.recv();
        });
      });
    }
    while (occupied_ != n_) yield();
  }
  busy_helpers(const busy_helpers&) = delete;
  busy_helpers& operator=(const busy_helpers&) = delete;
  ~busy_helpers() {
    end_.close();
    calls_.wait();
  }

 private:
  // More than those before have left: one each time makes one more.
  static int next_number() noexcept {
    static int last = 4;
    return last += 4;
  }

  const int n_ = next_number();
  wait_group calls_;
  std::atomic<int> occupied_{0};
  chan<void> end_ = make_chan<void>();
};

// On the only worker, whose thread the goroutine keeps across its waits: there allocations fail.
TEST(sched_allocation, blocking_without_a_thread_at_hand) {
  runtime rt{{.workers = 1}};
  rt.run([] {
    const busy_helpers no_thread_at_hand;
    int ran = 0;
    bool refused = false;
    {
      const fail_allocation fault{1};
      try {
        blocking([&] { ++ran; });
      } catch (const std::bad_alloc&) {
        refused = true;
      }
    }
    EXPECT_TRUE(refused);
    EXPECT_EQ(ran, 0);
    blocking([&] { ++ran; });
    EXPECT_EQ(ran, 1);
  });
}

TEST(sched_allocation, blocking_with_an_interrupt_on_a_plain_thread) {
  int ran = 0;
  const auto c = with_cancel(background());
  const busy_helpers no_thread_at_hand;
  bool refused = false;
  {
    const fail_allocation fault{1};
    try {
      blocking(c.ctx, [&] { ++ran; }, [] {});
    } catch (const std::bad_alloc&) {
      refused = true;
    }
  }
  EXPECT_TRUE(refused);
  EXPECT_EQ(ran, 0);
  blocking(c.ctx, [&] { ++ran; }, [] {});
  EXPECT_EQ(ran, 1);
}

// f ends only when it is interrupted, and there is no memory for a thread that does that.
TEST(sched_allocation, an_interrupt_runs_also_without_memory_for_its_thread) {
#ifdef DOWNHAUL_CHECKED
  GTEST_SKIP() << "a checked build changes the thread, and the allocation is refused on one";
#endif
  runtime rt{{.workers = 1}};
  rt.run([] {
    const busy_helpers no_thread_at_hand;
    const auto c = with_cancel(background());
    auto running = make_chan<void>(1);
    auto interrupted = make_chan<void>(1);
    int interrupts = 0;
    bool ended = false;
    std::optional<fail_allocation> fault;
    go([&] {
      running.recv();
      fault.emplace(1);  // the same thread as below
      c.cancel();
    });
    try {
      blocking(
          c.ctx,
          [&] {
            running.send();
            interrupted.recv();
            ended = true;
          },
          [&] {
            ++interrupts;
            interrupted.send();
          });
    } catch (const std::exception& e) {
      ADD_FAILURE() << e.what();
    }
    EXPECT_TRUE(fault->has_failed());
    fault.reset();
    EXPECT_TRUE(ended) << "blocking returned while f ran";
    EXPECT_EQ(interrupts, 1);
  });
}

TEST(sched_allocation, pin) {
  runtime rt{{.workers = 1}};
  rt.run([] {
    bool refused = false;
    {
      const fail_allocation fault{1};
      try {
        const pin own;
      } catch (const std::bad_alloc&) {
        refused = true;
      }
    }
    EXPECT_TRUE(refused);
    const pin own;
    yield();
  });
}

}  // namespace
