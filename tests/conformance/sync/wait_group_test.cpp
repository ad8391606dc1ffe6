// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// SYNC-001 to 014: the wait group.
#include "downhaul/wait_group.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <concepts>
#include <csignal>
#include <cstdint>
#include <cstring>
#include <limits>
#include <mutex>
#include <new>
#include <stdexcept>
#include <string>
#include <thread>
#include <type_traits>
#include <vector>

#include "downhaul/chan.hpp"
#include "downhaul/context.hpp"
#include "downhaul/runtime.hpp"
#include "support/crew.hpp"
#include "support/lock_words.hpp"
#include "support/parked.hpp"
#include "support/unordered.hpp"

namespace {

namespace dh = downhaul;
using dh::impl::wait_reason;
using downhaul_test::all_places;
using downhaul_test::await_parked;
using downhaul_test::crew;
using downhaul_test::place;
using downhaul_test::rounds;
using downhaul_test::sign;
using downhaul_test::wait_group_word;
using downhaul_test::wait_until;

constexpr auto negative = "sync: negative WaitGroup counter";
constexpr auto concurrently = "sync: WaitGroup misuse: Add called concurrently with Wait";
constexpr auto waits = "sync.WaitGroup.Wait";
constexpr std::ptrdiff_t most = std::numeric_limits<std::int32_t>::max();

template <class F>
std::string misuse_of(F&& f) {
  try {
    f();
  } catch (const dh::misuse& e) {
    return e.what();
  }
  return "no misuse";
}

TEST(SYNC_001, a_fresh_group_has_no_tasks_and_nobody_waits_for_it) {
  dh::wait_group wg;
  EXPECT_EQ(wait_group_word::tasks(wg), 0U);
  wg.wait();
  std::error_code ec = dh::errc::canceled;
  wg.wait(dh::background(), ec);
  EXPECT_FALSE(ec);
  EXPECT_EQ(misuse_of([&] { wg.done(); }), negative);  // there was none to finish
}

TEST(SYNC_002, wait_returns_when_the_counter_is_zero_and_not_before) {
  for (const place where : all_places) {
    dh::wait_group wg;
    wg.add(3);
    std::atomic<int> left{3};
    std::atomic<bool> returned{false};
    crew tasks{where};
    tasks.start([&] {
      wg.wait();
      EXPECT_EQ(left.load(), 0);
      returned = true;
    });
    tasks.wait_until_parked(0, wait_reason::wait_group_wait);
    for (int i = 0; i < 3; ++i) {
      EXPECT_FALSE(returned.load());
      --left;
      wg.done();
    }
    tasks.join();
    EXPECT_TRUE(returned.load());
  }
}

TEST(SYNC_002, all_waiters_are_released_together) {
  for (const place where : all_places) {
    dh::wait_group wg;
    wg.add();
    std::atomic<int> released{0};
    crew tasks{where};
    for (std::size_t i = 0; i < 6; ++i) {
      tasks.start([&] {
        wg.wait();
        ++released;
      });
    }
    for (std::size_t i = 0; i < 6; ++i) tasks.wait_until_parked(i, wait_reason::wait_group_wait);
    wg.done();  // one, for all
    tasks.join();
    EXPECT_EQ(released.load(), 6);
  }
}

TEST(SYNC_002, two_groups_make_a_barrier_for_sixteen_and_are_used_eight_times) {
  constexpr int n = 16;
  dh::wait_group arrived;
  dh::wait_group open;
  for (int round = 0; round < 8; ++round) {
    std::atomic<int> through{0};
    arrived.add(n);
    open.add(n);
    crew tasks{place::mixed};
    for (int i = 0; i < n; ++i) {
      tasks.start([&] {
        arrived.done();
        open.wait();
        ++through;
      });
    }
    arrived.wait();
    for (int i = 0; i < n; ++i) {
      EXPECT_EQ(through.load(), 0) << "released with " << n - i << " tasks left";
      open.done();
    }
    tasks.join();
    EXPECT_EQ(through.load(), n);
  }
}

TEST(SYNC_003, does_not_return_early_in_a_thousand_rounds_of_two_tasks) {
  for (int round = 0; round < rounds(1000); ++round) {
    dh::wait_group wg;
    std::atomic<int> n{0};
    wg.add();
    wg.add();
    for (int i = 0; i < 2; ++i) {
      dh::go([&] {
        ++n;
        wg.done();
      });
    }
    wg.wait();
    ASSERT_EQ(n.load(), 2) << "round " << round;
  }
}

TEST(SYNC_004, falling_below_zero_is_thrown_by_the_one_who_does_it_and_changes_nothing) {
  dh::wait_group wg;
  wg.add(2);
  EXPECT_EQ(misuse_of([&] { wg.add(-3); }), negative);
  EXPECT_EQ(wait_group_word::tasks(wg), 2U);
  wg.done();
  wg.done();
  EXPECT_EQ(misuse_of([&] { wg.done(); }), negative);
  EXPECT_EQ(misuse_of([&] { wg.add(-1); }), negative);
  wg.wait();
  wg.add();  // still of use
  wg.done();
  wg.wait();
}

TEST(SYNC_004, what_came_before_the_offence_stays_ordered) {
  dh::wait_group wg;
  wg.add();
  int written = 0;
  sign done;
  downhaul_test::on_two_threads(
      [&] {
        written = 1;
        wg.done();
        done.raise();
      },
      [&] {
        done.await();
        EXPECT_EQ(misuse_of([&] { wg.done(); }), negative);
        wg.wait();
        EXPECT_EQ(written, 1);
      });
}

// A task that has counted down to zero and is on its way to the queue, where somebody waits: that
// queue's lock, held by the test, keeps it there.
class release_under_way {
 public:
  release_under_way() {
    wg_.add();
    waiter_.start([this] { wg_.wait(); });
    waiter_.wait_until_parked(0, wait_reason::wait_group_wait);
    lock_.lock();
    task_.start([this] { wg_.done(); });
    wait_until([this] { return wait_group_word::tasks(wg_) == 0; });
  }
  ~release_under_way() {
    lock_.unlock();
    waiter_.join();
    task_.join();
  }
  dh::wait_group& group() { return wg_; }

 private:
  dh::wait_group wg_;
  dh::impl::queue_mutex& lock_ = dh::impl::queue_lock_of(&wg_);
  crew waiter_;
  crew task_;
};

TEST(SYNC_005, adding_from_zero_while_somebody_waits_is_misuse) {
  release_under_way release;
  EXPECT_EQ(misuse_of([&] { release.group().add(); }), concurrently);
  EXPECT_EQ(misuse_of([&] { release.group().add(3); }), concurrently);
  EXPECT_EQ(wait_group_word::tasks(release.group()), 0U) << "nothing was added";
}

// deviates: a wait group may be used again as soon as one wait() has returned, for each waiter is released by a node of its own; only a checked build throws Go's text, for programs meant for both.
TEST(SYNC_006,
     use_before_earlier_waiters_returned_is_noticed_in_a_checked_build_and_else_harmless) {
  dh::runtime one{{.workers = 1}};
  std::string said;
  one.run([&] {
    dh::wait_group wg;
    dh::wait_group waiter;
    wg.add();
    waiter.go([&] { said = misuse_of([&] { wg.wait(); }); });
    await_parked(waits, 1);
    wg.done();
    wg.add();  // before the waiter has run: it needs this worker
    waiter.wait();
    wg.done();
    wg.wait();
  });
#ifdef DOWNHAUL_CHECKED
  EXPECT_EQ(said, "sync: WaitGroup is reused before previous Wait has returned");
#else
  EXPECT_EQ(said, "no misuse");
#endif
}

TEST(SYNC_007, tasks_may_be_added_while_there_are_some_also_from_inside_a_task) {
  dh::wait_group wg;
  std::atomic<int> ran{0};
  wg.add();
  dh::go([&] {
    for (int i = 0; i < 10; ++i) {
      wg.add();
      dh::go([&] {
        ++ran;
        wg.done();
      });
    }
    wg.done();
  });
  wg.wait();
  EXPECT_EQ(ran.load(), 10);
}

TEST(SYNC_007, also_while_somebody_waits_and_by_other_steps_than_one) {
  dh::wait_group wg;
  wg.add(5);
  crew waiter;
  std::atomic<bool> returned{false};
  waiter.start([&] {
    wg.wait();
    returned = true;
  });
  waiter.wait_until_parked(0, wait_reason::wait_group_wait);
  wg.add(4);
  wg.add(-6);
  wg.add(0);
  EXPECT_EQ(wait_group_word::tasks(wg), 3U);
  EXPECT_FALSE(returned.load());
  wg.add(-3);  // releases as done() does
  waiter.join();
  EXPECT_TRUE(returned.load());
}

TEST(SYNC_008, several_may_wait_at_once_for_tasks_that_add_at_once) {
  for (int round = 0; round < rounds(500); ++round) {
    dh::wait_group wg;
    int written[4] = {};
    crew tasks{place::mixed};
    wg.add();  // ours, so that no task adds from zero
    for (int& w : written) {
      tasks.start([&wg, &w] {
        wg.add();
        w = 1;
        wg.done();
      });
    }
    tasks.join();
    crew waiters{place::mixed};
    for (int i = 0; i < 3; ++i) {
      waiters.start([&] {
        wg.wait();
        EXPECT_THAT(written, testing::Each(1));
      });
    }
    wg.done();
  }
}

TEST(SYNC_008, one_after_the_other_it_may_be_used_again) {
  dh::wait_group wg;
  int written = 0;  // by the tasks in turn: ordered by done and wait, and by go
  for (int round = 0; round < rounds(10'000); ++round) {
    wg.add();
    dh::go([&] {
      ++written;
      wg.done();
    });
    wg.wait();
    ASSERT_EQ(written, round + 1);
  }
}

TEST(SYNC_009, every_task_is_ordered_before_a_wait_that_comes_later) {
  dh::wait_group wg;
  wg.add(2);
  int first = 0;
  int second = 0;
  sign first_is_done;
  sign second_is_done;
  crew tasks{place::threads};
  tasks.start([&] {
    first = 1;
    wg.done();
    first_is_done.raise();
  });
  tasks.start([&] {
    first_is_done.await();
    second = 1;
    wg.done();
    second_is_done.raise();
  });
  tasks.start([&] {
    second_is_done.await();
    wg.wait();
    EXPECT_EQ(first, 1);
    EXPECT_EQ(second, 1);
  });
}

TEST(SYNC_009, every_task_is_ordered_before_each_wait_that_it_unblocks) {
  dh::wait_group wg;
  wg.add(3);
  int written[3] = {};
  sign go_on;
  sign done[3];
  crew tasks{place::threads};
  for (int i = 0; i < 2; ++i) {
    tasks.start([&] {
      wg.wait();
      EXPECT_THAT(written, testing::Each(1));
    });
  }
  for (std::size_t i = 0; i < 3; ++i) {
    tasks.start([&, i] {
      (i == 0 ? go_on : done[i - 1]).await();
      written[i] = 1;
      wg.done();
      done[i].raise();
    });
  }
  for (std::size_t i = 0; i < 2; ++i) tasks.wait_until_parked(i, wait_reason::wait_group_wait);
  go_on.raise();
}

TEST(SYNC_010, cannot_be_copied_or_moved) {
  static_assert(!std::is_copy_constructible_v<dh::wait_group>);
  static_assert(!std::is_move_constructible_v<dh::wait_group>);
  static_assert(!std::is_copy_assignable_v<dh::wait_group>);
  static_assert(!std::is_move_assignable_v<dh::wait_group>);
}

TEST(SYNC_011, go_adds_one_runs_f_and_is_done_when_f_has_ended) {
  dh::wait_group wg;
  auto leave = dh::make_chan<void>();
  std::atomic<bool> ended{false};
  wg.go([&, leave] {
    leave.recv();
    ended = true;
  });
  EXPECT_EQ(wait_group_word::tasks(wg), 1U);
  await_parked("chan receive", 1);
  EXPECT_EQ(wait_group_word::tasks(wg), 1U);
  leave.send();
  wg.wait();
  EXPECT_TRUE(ended.load());
  EXPECT_EQ(wait_group_word::tasks(wg), 0U);
}

TEST(SYNC_011, a_task_that_stops_early_is_done_too) {
  dh::wait_group wg;
  std::atomic<bool> unwound{false};
  struct tells {
    std::atomic<bool>& flag;
    ~tells() { flag = true; }
  };
  wg.go([&] {
    const tells t{unwound};
    throw dh::context_error{dh::errc::canceled};
  });
  wg.wait();
  EXPECT_TRUE(unwound.load());
}

TEST(SYNC_011, a_task_may_start_another) {
  dh::wait_group wg;
  std::atomic<int> ran{0};
  wg.go([&] {
    wg.go([&] {
      wg.go([&] { ++ran; });
      ++ran;
    });
    ++ran;
  });
  wg.wait();
  EXPECT_EQ(ran.load(), 3);
}

TEST(SYNC_011, on_an_empty_group_while_somebody_waits_it_is_misuse_and_f_does_not_run) {
  std::atomic<bool> ran{false};
  {
    release_under_way release;
    EXPECT_EQ(misuse_of([&] { release.group().go([&] { ran = true; }); }), concurrently);
    EXPECT_EQ(dh::count_goroutines(), 0U);
  }
  EXPECT_FALSE(ran.load());
}

TEST(SYNC_012, an_exception_of_a_task_ends_the_program_before_any_waiter_can_end_it_well) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const auto child = [] {
    dh::wait_group wg;
    std::thread other{[&] {
      wg.add();
      wg.done();
    }};
    other.join();
    auto start = dh::make_chan<void>();
    wg.go([start] {
      start.recv();
      throw std::runtime_error{"it broke"};
    });
    std::thread waiter{[&] {
      wg.wait();
      std::_Exit(0);  // must not be reached
    }};
    start.send();
    wg.wait();
    std::_Exit(0);
  };
  EXPECT_EXIT(child(), testing::KilledBySignal(SIGABRT),
              "panic: std::runtime_error: it broke\n"
              "goroutine started at .*wait_group_test.cpp:[0-9]+ ");
}

TEST(SYNC_012, and_nothing_of_the_task_is_unwound) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const auto child = [] {
    struct tells {
      ~tells() { std::fputs("a destructor ran\n", stderr); }
    };
    dh::wait_group wg;
    wg.go([] {
      const tells t;
      throw 42;
    });
    wg.wait();
    std::_Exit(0);
  };
  EXPECT_EXIT(child(), testing::KilledBySignal(SIGABRT),
              testing::AllOf(testing::HasSubstr("panic: int\n"),
                             testing::Not(testing::HasSubstr("a destructor ran"))));
}

TEST(SYNC_013, counts_up_to_what_32_bits_with_a_sign_can_hold) {
  dh::wait_group wg;
  wg.add(most);
  EXPECT_EQ(wait_group_word::tasks(wg), static_cast<std::uint32_t>(most));
  EXPECT_EQ(misuse_of([&] { wg.add(); }), negative);
  EXPECT_EQ(misuse_of([&] { wg.add(std::ptrdiff_t{1} << 32); }), negative);
  wg.add(-most);
  EXPECT_EQ(misuse_of([&] { wg.add(most + 1); }), negative);
  EXPECT_EQ(misuse_of([&] { wg.add(std::numeric_limits<std::ptrdiff_t>::min()); }), negative);
  wg.wait();
}

TEST(SYNC_013, has_no_limit_of_waiters_of_its_own) {
  constexpr int n = downhaul_test::sanitized ? 1'000 : 20'000;
  dh::wait_group wg;
  dh::wait_group released;
  wg.add();
  std::atomic<int> count{0};
  for (int i = 0; i < n; ++i) {
    released.go({.stack = 64 * 1024}, [&] {
      wg.wait();
      ++count;
    });
  }
  await_parked(waits, n);
  wg.done();
  released.wait();
  EXPECT_EQ(count.load(), n);
}

// Groups that are made, waited for, destroyed and overwritten in the same place, while the last done()
// may still be on its way out. A touch that comes too late hits the pattern.
TEST(SYNC_014, a_group_may_be_destroyed_right_after_wait_while_the_last_done_returns) {
  for (const place where : {place::threads, place::goroutines}) {
    auto groups = dh::make_chan<dh::wait_group*>();
    auto left = dh::make_chan<void>();  // the task has left done()
    crew tasks{where};
    for (int t = 0; t < 2; ++t) {
      tasks.start([groups, left] {
        while (auto wg = groups.recv()) {
          (*wg)->done();
          left.send();
        }
      });
    }
    for (int round = 0; round < rounds(10'000); ++round) {
      alignas(dh::wait_group) std::array<unsigned char, sizeof(dh::wait_group)> memory;
      auto* const wg = ::new (memory.data()) dh::wait_group;
      wg->add(2);
      groups.send(wg);
      groups.send(wg);
      wg->wait();
      wg->~wait_group();
      memory.fill(0xA5);
      left.recv();
      left.recv();
      ASSERT_THAT(memory, testing::Each(0xA5)) << "round " << round;
    }
    groups.close();
  }
}

TEST(SYNC_014, also_when_the_waiter_was_parked_for_certain) {
  for (int round = 0; round < rounds(500); ++round) {
    crew waiter;
    sign overwritten;
    std::atomic<dh::wait_group*> group{nullptr};
    waiter.start([&] {
      alignas(dh::wait_group) std::array<unsigned char, sizeof(dh::wait_group)> memory;
      auto* const wg = ::new (memory.data()) dh::wait_group;
      wg->add();
      group = wg;
      wg->wait();
      wg->~wait_group();
      memory.fill(0xA5);
      overwritten.await();  // done() has returned
      EXPECT_THAT(memory, testing::Each(0xA5));
    });
    waiter.wait_until_parked(0, wait_reason::wait_group_wait);
    group.load()->done();
    overwritten.raise();
  }
}

}  // namespace
