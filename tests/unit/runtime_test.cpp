// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors

#include "downhaul/runtime.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>

#include "downhaul/blocking.hpp"
#include "downhaul/chan.hpp"
#include "downhaul/pin.hpp"
#include "downhaul/select.hpp"
#include "platform/cpu.hpp"
#include "support/test_runtime.hpp"

namespace {

using downhaul::go;
using downhaul::go_options;
using downhaul::goroutine_info;
using downhaul::make_chan;
using downhaul::runtime;
using downhaul::runtime_options;
using downhaul_test::test_runtime;
using testing::HasSubstr;

TEST(runtime, has_as_many_workers_as_there_are_cpus_unless_told) {
  EXPECT_EQ(runtime{}.workers(), downhaul::impl::available_cpus());
  EXPECT_EQ(runtime{runtime_options{.workers = 3}}.workers(), 3);
}

TEST(runtime, run_returns_the_result) {
  runtime rt;
  EXPECT_EQ(rt.run([] { return 42; }), 42);
  EXPECT_EQ(*rt.run([] { return std::make_unique<int>(7); }), 7);
  int x = 0;
  int& same = rt.run([&]() -> int& { return x; });
  EXPECT_EQ(&same, &x);
}

TEST(runtime, run_throws_what_the_function_throws) {
  runtime rt;
  EXPECT_THROW(rt.run([] { throw std::out_of_range{"far"}; }), std::out_of_range);
}

TEST(runtime, run_leaves_no_goroutine_behind_at_its_return) {
  runtime rt;
  for (int i = 0; i < 1'000; ++i) {
    rt.run([] {});
    ASSERT_EQ(rt.goroutines(), 0u);
  }
}

TEST(runtime, what_is_started_inside_stays_inside) {
  test_runtime one{1};
  test_runtime two{1};
  std::set<std::thread::id> threads;
  one.run([&] {
    threads.insert(std::this_thread::get_id());
    auto done = make_chan<void>();
    go([&] {
      threads.insert(std::this_thread::get_id());
      done.send();
    });
    done.recv();
    downhaul::blocking([&] { go([&] { threads.insert(std::this_thread::get_id()); }); });
  });
  one.run_until_parked();
#ifdef DOWNHAUL_CHECKED
  EXPECT_LE(threads.size(), 2u);  // a worker has two threads there
#else
  EXPECT_EQ(threads.size(), 1u);
#endif
}

TEST(runtime, goroutines_of_two_runtimes_and_a_thread_meet_on_a_channel) {
  test_runtime one{1};
  test_runtime two{1};
  auto there = make_chan<int>();
  auto back = make_chan<int>();
  one.go([=] {
    while (auto v = there.recv()) back.send(*v + 1);
    back.close();
  });
  two.run([=] {
    for (int i = 0; i < 1'000; ++i) {
      there.send(i);
      EXPECT_EQ(back.recv(), i + 1);
    }
  });
  there.send(41);
  EXPECT_EQ(back.recv(), 42);
  there.close();
}

TEST(runtime, its_end_waits_for_running_goroutines_to_reach_a_wait) {
  std::atomic<bool> reached{false};
  {
    auto started = make_chan<void>();
    runtime rt{runtime_options{.workers = 1}};
    rt.go([&, started] {
      started.close();
      for (int i = 0; i < 1'000'000; i = i + 1) reached = i == 999'999;
    });
    started.recv();
  }
  EXPECT_TRUE(reached);
}

TEST(runtime, the_number_of_workers_can_be_changed_while_it_runs) {
  test_runtime rt{1};
  // Four goroutines that need each other at the same time, none of them yielding.
  const auto in_rotation = [&rt](int n, int turns) {
    std::atomic<int> next{0};
    for (int i = 0; i < n; ++i) {
      rt.go([&next, i, n, turns] {
        for (int t = 0; t < turns; ++t) {
          while (next != t * n + i) std::this_thread::yield();
          ++next;
        }
      });
    }
    rt.run_until_parked();
    EXPECT_EQ(next, n * turns);
  };
  rt.get().workers(4);
  EXPECT_EQ(rt.get().workers(), 4);
  in_rotation(4, 10);
  rt.get().workers(1);
  for (int i = 0; i < 100; ++i) rt.run([] { downhaul::yield(); });
  EXPECT_THROW(rt.get().workers(0), std::invalid_argument);
}

TEST(runtime, a_seed_shuffles_the_order) {
  const auto order = [](std::uint64_t seed) {
    test_runtime rt{runtime_options{.workers = 1, .seed = seed}};
    std::string order;
    rt.run([&] {
      for (char c = 'a'; c <= 'z'; ++c) go([&order, c] { order += c; });
    });
    rt.run_until_parked();
    return order;
  };
  EXPECT_EQ(order(7), order(7));
  EXPECT_NE(order(7), order(8));
}

TEST(list_goroutines, says_where_they_were_started_and_what_they_wait_for) {
  test_runtime rt;
  auto nobody = make_chan<int>();
  const unsigned line = __LINE__ + 1;
  rt.go([nobody] { nobody.send(1); });
  auto other = make_chan<int>();
  rt.go(go_options{.name = "reader"}, [other] { other.recv(); });
  rt.run_until_parked();
  const auto all = downhaul::list_goroutines();
  ASSERT_EQ(all.size(), 2u);
  const auto sender = std::find_if(all.begin(), all.end(), [](auto& g) { return g.name.empty(); });
  ASSERT_NE(sender, all.end());
  EXPECT_EQ(sender->where.line(), line);
  EXPECT_EQ(sender->reason, "chan send");
  EXPECT_EQ(sender->doing, goroutine_info::state::waiting);
  EXPECT_THAT(to_string(*sender), HasSubstr("goroutine [chan send"));
  EXPECT_THAT(to_string(*sender), HasSubstr("runtime_test.cpp:" + std::to_string(line)));
  EXPECT_EQ(nobody.recv(), 1);
  other.close();
}

TEST(count_goroutines, is_zero_outside_run_and_right_inside) {
  EXPECT_EQ(downhaul::count_goroutines(), 0u);
  test_runtime rt;
  rt.run([] {
    EXPECT_EQ(downhaul::count_goroutines(), 1u);
    auto done = make_chan<void>();
    go([done] { done.recv(); });
    EXPECT_EQ(downhaul::count_goroutines(), 2u);
    done.send();
  });
  rt.run_until_parked();
  EXPECT_EQ(downhaul::count_goroutines(), 0u);
}

TEST(run, gives_main_a_large_stack_and_returns_its_result) {
  EXPECT_EQ(downhaul::run([] {
              volatile char much[4'000'000];
              much[0] = 1;
              much[sizeof much - 1] = 2;
              return much[0] + much[sizeof much - 1];
            }),
            3);
  EXPECT_THROW(downhaul::run([] { throw std::runtime_error{"main"}; }), std::runtime_error);
}

TEST(run, waits_for_main_alone) {
  test_runtime rt;
  auto never = make_chan<int>();
  downhaul::run({.in = &rt.get()}, [never] { go([never] { never.recv(); }); });
  rt.run_until_parked();
  EXPECT_EQ(rt.goroutines(), 1u);
  never.close();
}

class deadlock_death_test : public testing::Test {
 protected:
  void SetUp() override { testing::FLAGS_gtest_death_test_style = "threadsafe"; }
};
constexpr auto report = "fatal error: all goroutines are asleep - deadlock!";

TEST_F(deadlock_death_test, main_waits_for_nobody) {
  EXPECT_DEATH(downhaul::run([] { make_chan<int>().recv(); }), report);
  EXPECT_DEATH(downhaul::run([] { downhaul::chan<int>{}.recv(); }),
               HasSubstr("[chan receive (nil chan)"));
}

TEST_F(deadlock_death_test, lists_everybody) {
  const auto child = [] {
    downhaul::run([] {
      auto c = make_chan<int>();
      go(go_options{.name = "other"}, [c] { c.send(1); });
      make_chan<int>().recv();
    });
  };
  EXPECT_DEATH(child(), testing::AllOf(HasSubstr(report), HasSubstr("\"main\" [chan receive"),
                                       HasSubstr("\"other\" [chan send")));
}

TEST_F(deadlock_death_test, main_is_pinned_and_so_is_another) {
  const auto child = [] {
    downhaul::run([] {
      const downhaul::pin mine;
      go([] {
        const downhaul::pin own;
        make_chan<int>().recv();
      });
      make_chan<int>().recv();
    });
  };
  EXPECT_DEATH(child(), report);
}

TEST(deadlock_check, a_plain_thread_may_still_act) {
  auto c = make_chan<int>();
  auto ready = make_chan<void>();
  std::thread other{[c, ready] {
    ready.recv();
    // real clock: longer than the check takes to make sure
    std::this_thread::sleep_for(std::chrono::milliseconds{100});
    c.send(1);
  }};
  EXPECT_EQ(downhaul::run([c, ready] {
              ready.send();
              return *c.recv();
            }),
            1);
  other.join();
}

TEST(deadlock_check, a_blocking_call_may_still_end) {
  downhaul::run([] {
    auto c = make_chan<int>();
    go([c] {
      // real clock: longer than the check takes to make sure
      downhaul::blocking([] { std::this_thread::sleep_for(std::chrono::milliseconds{100}); });
      c.send(1);
    });
    EXPECT_EQ(c.recv(), 1);
  });
}

}  // namespace
