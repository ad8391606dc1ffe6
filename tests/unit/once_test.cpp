// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
#include "downhaul/once.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <stdexcept>
#include <thread>
#include <type_traits>

#include "downhaul/chan.hpp"
#include "downhaul/wait_group.hpp"
#include "support/parked.hpp"

namespace {

namespace dh = downhaul;
using downhaul_test::await_no_goroutines;
using downhaul_test::await_parked;

static_assert(!std::is_copy_constructible_v<dh::once>);
static_assert(!std::is_move_constructible_v<dh::once>);
constinit dh::once made_before_main;

TEST(once, runs_the_first_function_only) {
  int first = 0;
  int second = 0;
  for (int i = 0; i < 3; ++i) {
    made_before_main.call([&] { ++first; });
    made_before_main.call([&] { ++second; });
  }
  EXPECT_EQ(first, 1);
  EXPECT_EQ(second, 0);
}

TEST(once, makes_all_others_wait_until_it_has_been_run_and_shows_them_what_it_did) {
  dh::once once;
  int made = 0;
  auto go_on = dh::make_chan<void>();
  dh::wait_group wg;
  for (int i = 0; i < 10; ++i) {
    wg.go([&, go_on] {
      once.call([&] {
        go_on.recv();
        ++made;
      });
      EXPECT_EQ(made, 1);
    });
  }
  std::thread plain{[&] {
    await_parked("sync.Once.Do", 9);
    go_on.send();
    once.call([&] { ++made; });
    EXPECT_EQ(made, 1);
  }};
  wg.wait();
  plain.join();
  await_no_goroutines();
}

TEST(once, counts_as_run_when_the_function_throws) {
  dh::once once;
  EXPECT_THROW(once.call([] { throw std::runtime_error{"no"}; }), std::runtime_error);
  once.call([] { FAIL() << "it has run"; });
}

TEST(once, may_be_destroyed_as_soon_as_a_call_has_returned) {
  for (int round = 0; round < 2000; ++round) {
    struct counted {
      dh::once once;
      std::atomic<int> users{3};
    };
    auto* object = new counted;
    const auto use = [object] {
      object->once.call([] {});
      if (object->users.fetch_sub(1) == 1) delete object;
    };
    dh::wait_group wg;
    wg.go(use);
    wg.go(use);
    use();
    wg.wait();
  }
  await_no_goroutines();
}

TEST(once_func, runs_once_however_many_copies_are_called) {
  int runs = 0;
  const auto f = dh::once_func([&] { ++runs; });
  const auto copy = f;
  f();
  copy();
  f();
  EXPECT_EQ(runs, 1);
}

TEST(once_value, returns_the_first_result_to_every_caller) {
  std::atomic<int> runs{0};
  const auto value = dh::once_value([&] { return std::make_unique<int>(++runs); });
  dh::wait_group wg;
  for (int i = 0; i < 10; ++i) wg.go([&, value] { EXPECT_EQ(*value(), 1); });
  wg.wait();
  EXPECT_EQ(&value(), &value());
  EXPECT_EQ(runs.load(), 1);
  await_no_goroutines();
}

TEST(once_value, throws_the_same_object_at_every_call) {
  int runs = 0;
  const auto value = dh::once_value([&]() -> int {
    ++runs;
    throw std::runtime_error{"no"};
  });
  const void* thrown[2] = {};
  for (const void*& t : thrown) {
    try {
      value();
    } catch (const std::runtime_error& e) {
      t = &e;
    }
  }
  EXPECT_NE(thrown[0], nullptr);
  EXPECT_EQ(thrown[0], thrown[1]);
  EXPECT_EQ(runs, 1);
}

TEST(once_func, keeps_its_function_until_it_has_run_and_no_longer) {
  const auto captured = std::make_shared<int>();
  const auto f = dh::once_func([captured] {});
  EXPECT_EQ(captured.use_count(), 2);
  f();
  EXPECT_EQ(captured.use_count(), 1);
}

}  // namespace
