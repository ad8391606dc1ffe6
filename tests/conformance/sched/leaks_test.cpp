// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// SCHED-101 and 103 to 105: goroutines that are left behind, as the list of goroutines shows them.
#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "downhaul/chan.hpp"
#include "downhaul/condition_variable.hpp"
#include "downhaul/context.hpp"
#include "downhaul/go.hpp"
#include "downhaul/mutex.hpp"
#include "downhaul/runtime.hpp"
#include "downhaul/select.hpp"
#include "downhaul/shared_mutex.hpp"
#include "downhaul/wait_group.hpp"
#include "support/crew.hpp"
#include "support/parked.hpp"
#include "support/test_runtime.hpp"

namespace {

namespace dh = downhaul;
using downhaul_test::parked;
using downhaul_test::sanitized;
using downhaul_test::test_runtime;

constexpr int many = sanitized ? 100 : 1'000;

// Whether all that are listed wait for `reason` and were started at `line` of this file.
testing::AssertionResult all_wait_for(std::string_view reason, unsigned line, std::size_t n) {
  const auto list = dh::list_goroutines();
  if (list.size() != n) return testing::AssertionFailure() << list.size() << " are listed";
  for (const dh::goroutine_info& g : list) {
    if (g.reason != reason || g.where.line() != line ||
        !std::string_view{g.where.file_name()}.ends_with("leaks_test.cpp"))
      return testing::AssertionFailure() << to_string(g);
  }
  return testing::AssertionSuccess();
}

// deviates: nothing proves yet that who waits cannot be woken any more; the list shows who waits, for what, how long and where it was started.
TEST(SCHED_101, goroutines_stuck_on_channels_are_listed_with_reason_and_line) {
  test_runtime rt{dh::runtime_options{.workers = 2, .stack = 64 * 1024}};
  std::vector<dh::chan<int>> channels;  // to end it
  const auto stuck = [&](std::string_view reason, unsigned line, auto start) {
    for (int i = 0; i < many; ++i) {
      channels.push_back(dh::make_chan<int>());
      start(channels.back());
    }
    rt.run_until_parked();
    EXPECT_TRUE(all_wait_for(reason, line, many));
    for (auto& c : std::exchange(channels, {})) {
      c.try_recv();
      c.close();
    }
    rt.run_until_parked();
  };
  stuck("chan receive", __LINE__, [&](const dh::chan<int>& c) { rt.go([c] { c.recv(); }); });
  stuck("chan send", __LINE__, [&](const dh::chan<int>& c) { rt.go([c] { c.send(1); }); });
  stuck("select", __LINE__ + 1, [&](const dh::chan<int>& c) {
    rt.go([c] { dh::select(dh::recv(c), dh::recv(dh::chan<int>{})); });
  });
}

template <class Lockable>
struct stuck_locks {
  std::vector<std::unique_ptr<Lockable>> locks;
  Lockable& add() { return *locks.emplace_back(std::make_unique<Lockable>()); }
};

// deviates: as above.
TEST(SCHED_101, goroutines_stuck_on_locks_are_listed_with_reason_and_line) {
  test_runtime rt{dh::runtime_options{.workers = 2, .stack = 64 * 1024}};
  stuck_locks<dh::mutex> mutexes;
  unsigned line = __LINE__ + 2;
  for (int i = 0; i < many; ++i) {
    rt.go([&mu = mutexes.add()] {
      mu.lock();
      mu.lock();  // for the second time
      mu.unlock();
    });
  }
  rt.run_until_parked();  // a checked build says so on stderr besides
  EXPECT_TRUE(all_wait_for("sync.Mutex.Lock", line, many));
  for (auto& mu : mutexes.locks) mu->unlock();
  rt.run_until_parked();

  for (const bool writes : {false, true}) {
    stuck_locks<dh::shared_mutex> shared;
    line = __LINE__ + 2;
    for (int i = 0; i < many; ++i) {
      rt.go([&mu = shared.add(), writes] {
        mu.lock();
        writes ? mu.lock() : mu.lock_shared();
        writes ? mu.unlock() : mu.unlock_shared();
      });
    }
    rt.run_until_parked();
    EXPECT_TRUE(all_wait_for(writes ? "sync.RWMutex.Lock" : "sync.RWMutex.RLock", line, many));
    for (auto& mu : shared.locks) mu->unlock();
    rt.run_until_parked();
  }
}

// deviates: as above.
TEST(SCHED_101, goroutines_stuck_on_groups_and_conditions_are_listed_with_reason_and_line) {
  test_runtime rt{dh::runtime_options{.workers = 2, .stack = 64 * 1024}};
  std::vector<std::unique_ptr<dh::wait_group>> groups;
  unsigned line = __LINE__ + 4;
  for (int i = 0; i < many; ++i) {
    auto& wg = *groups.emplace_back(std::make_unique<dh::wait_group>());
    wg.add();
    rt.go([&wg] { wg.wait(); });
  }
  rt.run_until_parked();
  EXPECT_TRUE(all_wait_for("sync.WaitGroup.Wait", line, many));
  for (auto& wg : groups) wg->done();
  rt.run_until_parked();

  dh::mutex mu;
  dh::condition_variable cv;
  line = __LINE__ + 2;
  for (int i = 0; i < many; ++i) {
    rt.go([&] {
      const std::lock_guard held{mu};
      cv.wait(mu);
    });
  }
  rt.run_until_parked();
  EXPECT_TRUE(all_wait_for("sync.Cond.Wait", line, many));
  cv.notify_all();
  rt.run_until_parked();
}

// deviates: as above; those on nil and without cases are in the test of SCHED-054, for they never end.
TEST(SCHED_101, a_group_that_waits_for_a_sender_shows_both) {
  test_runtime rt;
  auto c = dh::make_chan<int>();
  dh::wait_group wg;
  rt.go([&, c] {
    wg.go([c] { c.send(1); });
    wg.wait();
  });
  rt.run_until_parked();
  EXPECT_EQ(parked("chan send"), 1U);
  EXPECT_EQ(parked("sync.WaitGroup.Wait"), 1U);
  EXPECT_EQ(c.recv(), 1);
  rt.run_until_parked();  // before the group ends
}

// Each pattern twice: as it leaks, and as it does not. What leaks is ended by the test.
struct leak {
  test_runtime rt;
  std::size_t left_behind(std::string_view reason) {
    rt.run_until_parked();
    return parked(reason);
  }
};

// deviates: nothing proves yet that they leak; the list shows them.
TEST(SCHED_103, a_loop_over_a_channel_that_nobody_closes) {
  leak l;
  const auto produce = [&](bool close) {
    auto items = dh::make_chan<int>();
    l.rt.go([items] {
      for (const int i : items) static_cast<void>(i);
    });
    l.rt.run([=] {
      for (int i = 0; i < 3; ++i) items.send(i);
      if (close) items.close();
    });
    return items;
  };
  produce(true);
  EXPECT_EQ(l.left_behind("chan receive"), 0U);
  auto items = produce(false);
  EXPECT_EQ(l.left_behind("chan receive"), 1U);
  items.close();
}

// deviates: as above.
TEST(SCHED_103, a_worker_that_nobody_stops) {
  leak l;
  struct worker {
    dh::chan<int> jobs = dh::make_chan<int>();
    dh::chan<void> stop = dh::make_chan<void>();
    explicit worker(test_runtime& rt) {
      rt.go([jobs = jobs, stop = stop] {
        while (dh::select(dh::recv(jobs), dh::recv(stop)) == 0) {
        }
      });
    }
  };
  const worker forgotten{l.rt};
  forgotten.jobs.send(1);
  EXPECT_EQ(l.left_behind("select"), 1U);
  forgotten.stop.close();
  EXPECT_EQ(l.left_behind("select"), 0U);
  {
    // With a context the end of the scope stops it.
    auto [ctx, cancel] = dh::with_cancel(dh::background());
    auto jobs = dh::make_chan<int>();
    l.rt.go([jobs, in = ctx] {
      while (jobs.recv(in)) {
      }
    });
    jobs.send(1);
  }
  l.rt.run_until_parked();
  EXPECT_EQ(l.rt.goroutines(), 0U);
}

// deviates: as above.
TEST(SCHED_103, a_second_send_after_a_missing_return) {
  leak l;
  const auto answer = [&](bool returns) {
    auto c = dh::make_chan<int>();
    l.rt.go([c, returns] {
      const bool failed = true;
      if (failed) {
        c.send(-1);
        if (returns) return;
      }
      c.send(1);
    });
    EXPECT_EQ(c.recv(), -1);
    return c;
  };
  answer(true);
  EXPECT_EQ(l.left_behind("chan send"), 0U);
  auto c = answer(false);
  EXPECT_EQ(l.left_behind("chan send"), 1U);
  c.recv();
}

// deviates: as above.
TEST(SCHED_103, an_early_return_before_the_receive) {
  leak l;
  const auto call = [&](std::ptrdiff_t room) {
    auto result = dh::make_chan<int>(room);
    l.rt.go([result] { result.send(7); });
    return result;  // something else failed: nobody receives
  };
  call(1);  // room for the one result: the sender never waits
  EXPECT_EQ(l.left_behind("chan send"), 0U);
  auto result = call(0);
  EXPECT_EQ(l.left_behind("chan send"), 1U);
  result.recv();
}

// deviates: as above.
TEST(SCHED_103, many_senders_and_one_receive) {
  leak l;
  const auto fastest = [&](std::ptrdiff_t room) {
    auto results = dh::make_chan<int>(room);
    for (int i = 0; i < 5; ++i) l.rt.go([results, i] { results.send(i); });
    EXPECT_TRUE(results.recv().has_value());
    return results;
  };
  fastest(5);
  EXPECT_EQ(l.left_behind("chan send"), 0U);
  auto results = fastest(0);
  EXPECT_EQ(l.left_behind("chan send"), 4U);
  for (int i = 0; i < 4; ++i) results.recv();
}

// deviates: as above.
TEST(SCHED_103, the_way_of_the_time_out_abandons_the_sender) {
  leak l;
  const auto call = [&](std::ptrdiff_t room) {
    auto [ctx, cancel] = dh::with_timeout(dh::background(), std::chrono::nanoseconds{0});
    auto result = dh::make_chan<int>(room);
    auto begin = dh::make_chan<void>();
    l.rt.go([result, begin] {
      begin.recv();
      result.send(7);
    });
    EXPECT_EQ(dh::select(dh::recv(result), dh::recv(ctx.done())), 1);
    begin.send();
    return result;
  };
  call(1);
  EXPECT_EQ(l.left_behind("chan send"), 0U);
  auto result = call(0);
  EXPECT_EQ(l.left_behind("chan send"), 1U);
  result.recv();
}

// deviates: of the ways named, this is the list at the end of a test; a proof by a conservative scan of memory is to follow.
TEST(SCHED_104, at_the_end_of_a_test_all_that_still_wait_can_be_listed) {
  const std::size_t before = dh::list_goroutines().size();
  EXPECT_EQ(before, 0U);
  test_runtime rt;
  auto c = dh::make_chan<int>();
  const unsigned line = __LINE__ + 1;
  rt.go({.name = "forgotten"}, [c] { c.recv(); });
  rt.run_until_parked();
  const auto left = dh::list_goroutines();
  ASSERT_EQ(left.size(), 1U);
  EXPECT_EQ(left.front().name, "forgotten");
  EXPECT_EQ(left.front().where.line(), line);
  EXPECT_EQ(to_string(left.front()).find("goroutine \"forgotten\" [chan receive"), 0U);
  c.close();
  rt.run_until_parked();
  EXPECT_TRUE(dh::list_goroutines().empty());
}

TEST(SCHED_105, after_a_test_the_number_of_goroutines_is_what_it_was) {
  const std::size_t before = dh::count_goroutines();
  {
    auto c = dh::make_chan<int>();
    dh::wait_group wg;
    for (int i = 0; i < 10; ++i) wg.go([c] { c.recv(); });
    downhaul_test::await_parked("chan receive", 10);
    EXPECT_EQ(dh::count_goroutines(), before + 10);
    c.close();
    wg.wait();
  }
  downhaul_test::await_no_goroutines();  // the last may still be on their way out
  EXPECT_EQ(dh::count_goroutines(), before);
  EXPECT_EQ(dh::list_goroutines().size(), before);
}

}  // namespace
