// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// SYNC-020 to 033: once, once_func, once_value.
#include "downhaul/once.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>

#include <atomic>
#include <cstddef>
#include <exception>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>

#include "downhaul/chan.hpp"
#include "downhaul/runtime.hpp"
#include "support/allocations.hpp"
#include "support/crew.hpp"
#include "support/unordered.hpp"

namespace {

namespace dh = downhaul;
using dh::impl::wait_reason;
using downhaul_test::all_places;
using downhaul_test::crew;
using downhaul_test::place;
using downhaul_test::rounds;
using downhaul_test::sign;

TEST(SYNC_020, of_calls_at_once_one_runs_and_the_others_wait_until_it_has_finished) {
  for (const place where : all_places) {
    dh::once once;
    std::atomic<int> begun{0};
    std::atomic<bool> finished{false};
    std::atomic<bool> finish{false};
    const auto f = [&] {
      ++begun;
      downhaul_test::wait_until([&] { return finish.load(); });
      finished = true;
    };
    crew tasks{where};
    tasks.start([&] { once.call(f); });
    downhaul_test::wait_until([&] { return begun.load() == 1; });
    for (int i = 0; i < 6; ++i) {
      tasks.start([&] {
        once.call(f);
        EXPECT_TRUE(finished.load());
      });
    }
    for (std::size_t i = 1; i <= 6; ++i) tasks.wait_until_parked(i, wait_reason::once_call);
    finish = true;
    tasks.join();
    EXPECT_EQ(begun.load(), 1);
  }
}

TEST(SYNC_020, ten_race_for_it_and_all_see_what_was_done) {
  for (int round = 0; round < rounds(1000); ++round) {
    dh::once once;
    int done = 0;
    auto ended = dh::make_chan<void>();
    for (int i = 0; i < 10; ++i) {
      dh::go([&, ended] {
        once.call([&] { ++done; });
        EXPECT_EQ(done, 1);
        ended.send();
      });
    }
    for (int i = 0; i < 10; ++i) ended.recv();
    ASSERT_EQ(done, 1) << "round " << round;
  }
}

TEST(SYNC_020, its_effects_are_visible_to_a_call_that_comes_later) {
  dh::once once;
  int written = 0;
  sign done;
  downhaul_test::on_two_threads(
      [&] {
        once.call([&] { written = 1; });
        done.raise();
      },
      [&] {
        done.await();
        once.call([] {});
        EXPECT_EQ(written, 1);
      });
}

TEST(SYNC_020, its_effects_are_visible_to_a_call_that_waited) {
  dh::once once;
  int written = 0;
  sign running;
  sign parked;
  crew tasks{place::threads};
  tasks.start([&] {
    once.call([&] {
      running.raise();
      parked.await();
      written = 1;
    });
  });
  tasks.start([&] {
    running.await();
    once.call([] {});
    EXPECT_EQ(written, 1);
  });
  tasks.wait_until_parked(1, wait_reason::once_call);
  parked.raise();
}

TEST(SYNC_021, only_the_first_function_ever_runs) {
  dh::once once;
  std::string ran;
  once.call([&] { ran += "first"; });
  once.call([&] { ran += "second"; });
  once.call([&] { ran += "third"; });
  EXPECT_EQ(ran, "first");
}

TEST(SYNC_022, a_throw_reaches_the_first_caller_and_counts_as_done) {
  dh::once once;
  int runs = 0;
  const auto f = [&] {
    ++runs;
    throw std::runtime_error{"no"};
  };
  EXPECT_THROW(once.call(f), std::runtime_error);
  EXPECT_NO_THROW(once.call(f));
  EXPECT_NO_THROW(once.call([&] { ++runs; }));
  EXPECT_EQ(runs, 1);
}

TEST(SYNC_022, those_who_waited_for_it_return_without_running) {
  for (const place where : all_places) {
    dh::once once;
    sign running;
    sign throw_now;
    std::atomic<int> thrown{0};
    std::atomic<int> runs{0};
    crew tasks{where};
    for (int i = 0; i < 5; ++i) {
      tasks.start([&] {
        try {
          once.call([&] {
            ++runs;
            running.raise();
            throw_now.await();
            throw std::runtime_error{"no"};
          });
        } catch (const std::runtime_error&) {
          ++thrown;
        }
      });
      if (i == 0) running.await();
    }
    for (std::size_t i = 1; i < 5; ++i) tasks.wait_until_parked(i, wait_reason::once_call);
    throw_now.raise();
    tasks.join();
    EXPECT_EQ(runs.load(), 1);
    EXPECT_EQ(thrown.load(), 1);
  }
}

TEST(SYNC_023, a_call_from_inside_f_waits_for_ever) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const auto child = [] {
    dh::run([] {
      dh::once once;
      once.call([&] { once.call([] {}); });
    });
  };
  EXPECT_DEATH(child(), testing::AllOf(testing::HasSubstr("all goroutines are asleep - deadlock!"),
                                       testing::HasSubstr("\"main\" [sync.Once.Do")));
}

TEST(SYNC_024, after_the_first_call_nothing_is_written) {
  const std::size_t size = 4096;
  void* const page =
      ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(page, MAP_FAILED);
  auto* const once = ::new (page) dh::once;
  int runs = 0;
  once->call([&] { ++runs; });
  ASSERT_EQ(::mprotect(page, size, PROT_READ), 0);
  for (int i = 0; i < 3; ++i) once->call([&] { ++runs; });  // a write would be a fault
  EXPECT_EQ(runs, 1);
  ::munmap(page, size);
}

TEST(SYNC_030, the_function_runs_once_and_every_call_returns_its_result) {
  std::atomic<int> runs{0};
  const auto func = dh::once_func([&] { ++runs; });
  const auto value = dh::once_value([&] { return std::to_string(++runs); });
  const auto values = dh::once_value([&] { return std::tuple{++runs, std::string{"three"}}; });
  func();
  EXPECT_EQ(runs.load(), 1);
  EXPECT_EQ(value(), "2");
  const auto& [number, text] = values();
  EXPECT_EQ(number, 3);
  EXPECT_EQ(text, "three");
  crew tasks{place::mixed};
  for (int i = 0; i < 8; ++i) {
    tasks.start([func, value, values] {  // copies are the same
      func();
      EXPECT_EQ(value(), "2");
      EXPECT_EQ(std::get<0>(values()), 3);
    });
  }
  tasks.join();
  EXPECT_EQ(runs.load(), 3);
}

TEST(SYNC_030, a_call_allocates_nothing) {
  int runs = 0;
  const auto func = dh::once_func([&] { ++runs; });
  const auto value = dh::once_value([&] { return ++runs; });
  const long before = downhaul_test::allocations();
  for (int i = 0; i < 100; ++i) {
    func();
    value();
  }
  EXPECT_EQ(downhaul_test::allocations(), before);
  EXPECT_EQ(runs, 2);
}

struct refusal {
  int number;
};

// Where what `f` throws lies, or null.
template <class F>
const void* thrown_by(const F& f) {
  try {
    f();
  } catch (const refusal& r) {
    EXPECT_EQ(r.number, 7);
    return &r;
  }
  return nullptr;
}

TEST(SYNC_031, every_call_throws_the_same_object_and_f_ran_once) {
  int runs = 0;
  const auto func = dh::once_func([&] {
    ++runs;
    throw refusal{7};
  });
  const void* const first = thrown_by(func);
  EXPECT_NE(first, nullptr);
  EXPECT_EQ(thrown_by(func), first);
  EXPECT_EQ(thrown_by(func), first);
  EXPECT_EQ(runs, 1);

  const auto value = dh::once_value([&]() -> int {
    ++runs;
    throw refusal{7};
  });
  const void* const other = thrown_by(value);
  EXPECT_NE(other, nullptr);
  EXPECT_EQ(thrown_by(value), other);
  EXPECT_EQ(runs, 2);
}

TEST(SYNC_031, also_to_those_who_waited_and_also_a_null) {
  const auto null = dh::once_func([] { throw nullptr; });
  EXPECT_THROW(null(), std::nullptr_t);
  EXPECT_THROW(null(), std::nullptr_t);
  std::atomic<int> runs{0};
  const auto func = dh::once_func([&] {
    ++runs;
    dh::yield();
    throw refusal{7};
  });
  crew tasks{place::mixed};
  std::atomic<int> thrown{0};
  for (int i = 0; i < 8; ++i) {
    tasks.start([&] {
      if (thrown_by(func) != nullptr) ++thrown;
    });
  }
  tasks.join();
  EXPECT_EQ(thrown.load(), 8);
  EXPECT_EQ(runs.load(), 1);
}

TEST(SYNC_032, what_arrives_is_what_the_thrower_made_not_wrapped_and_not_copied) {
  static const refusal* made;
  made = nullptr;
  struct noted : refusal {
    noted() : refusal{7} { made = this; }
    noted(const noted&) : refusal{7} { ADD_FAILURE() << "copied"; }
  };
  const auto func = dh::once_func([] { throw noted{}; });
  for (int i = 0; i < 2; ++i) {
    try {
      func();
      FAIL() << "nothing was thrown";
    } catch (const noted& caught) {
      EXPECT_EQ(&caught, made);
    } catch (...) {
      FAIL() << "something else was thrown";
    }
  }
}

TEST(SYNC_033, f_and_its_captures_live_until_it_has_run_and_no_longer) {
  const auto captured = std::make_shared<int>(7);
  const auto func = dh::once_func([captured] {});
  const auto value = dh::once_value([captured] { return *captured; });
  EXPECT_EQ(captured.use_count(), 3);
  func();
  EXPECT_EQ(captured.use_count(), 2);
  EXPECT_EQ(value(), 7);
  EXPECT_EQ(captured.use_count(), 1);
  EXPECT_EQ(value(), 7);
}

TEST(SYNC_033, also_when_it_threw_and_when_it_was_never_called) {
  const auto captured = std::make_shared<int>(7);
  {
    const auto never_called = dh::once_func([captured] {});
    EXPECT_EQ(captured.use_count(), 2);
  }
  EXPECT_EQ(captured.use_count(), 1);
  const auto throws = dh::once_func([captured] { throw refusal{7}; });
  EXPECT_THROW(throws(), refusal);
  EXPECT_EQ(captured.use_count(), 1);
}

}  // namespace
