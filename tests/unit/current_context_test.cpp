// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
#include "downhaul/current_context.hpp"

#include <gtest/gtest.h>

#include <thread>
#include <type_traits>

#include "downhaul/chan.hpp"
#include "downhaul/go.hpp"
#include "downhaul/group.hpp"
#include "downhaul/runtime.hpp"
#include "support/leaves_nothing.hpp"
#include "support/test_runtime.hpp"

namespace {

namespace dh = downhaul;

class current_context : public downhaul_test::leaves_nothing {};

inline constexpr dh::key<int> number_key{"number"};

static_assert(!std::is_copy_constructible_v<dh::scoped_context>);
static_assert(!std::is_move_constructible_v<dh::scoped_context>);

dh::context numbered(int n) { return dh::with_value(dh::background(), number_key, n); }
int current_number() {
  const dh::context here = dh::current_context();
  const int* n = here.value(number_key);
  return n != nullptr ? *n : 0;
}

TEST_F(current_context, is_the_background_outside_of_all_scopes) {
  EXPECT_EQ(dh::current_context(), dh::background());
}

TEST_F(current_context, is_that_of_the_innermost_scope) {
  const dh::scoped_context outer{numbered(1)};
  EXPECT_EQ(current_number(), 1);
  {
    const dh::scoped_context inner{numbered(2)};
    EXPECT_EQ(current_number(), 2);
  }
  EXPECT_EQ(current_number(), 1);
}

TEST_F(current_context, ends_with_its_scope_on_every_way_out) {
  try {
    const dh::scoped_context here{numbered(1)};
    throw 1;
  } catch (int) {
    EXPECT_EQ(current_number(), 0);
  }
}

TEST_F(current_context, each_thread_has_its_own) {
  const dh::scoped_context here{numbered(1)};
  std::thread{[] {
    EXPECT_EQ(current_number(), 0);
    const dh::scoped_context there{numbered(2)};
    EXPECT_EQ(current_number(), 2);
  }}.join();
  EXPECT_EQ(current_number(), 1);
}

TEST(current_context_of_goroutines, follows_the_goroutine_through_its_waits) {
  downhaul_test::test_runtime on{2};
  auto turn = dh::make_chan<void>();
  for (int i = 1; i <= 4; ++i) {
    on.go([turn, i] {
      EXPECT_EQ(current_number(), 0) << "go() starts one without";
      const dh::scoped_context here{numbered(i)};
      for (int round = 0; round < 100; ++round) {
        dh::yield();
        EXPECT_EQ(current_number(), i);
      }
      turn.recv();
      EXPECT_EQ(current_number(), i);
    });
  }
  on.run_until_parked();
  turn.close();
}

TEST(current_context_of_goroutines, leaves_nothing_to_the_next_one_with_the_same_block) {
  downhaul_test::test_runtime on{1};
  for (int i = 0; i < 10; ++i) {
    on.run([] {
      EXPECT_EQ(current_number(), 0);
      const dh::scoped_context here{numbered(7)};
      EXPECT_EQ(current_number(), 7);
    });
  }
}

TEST_F(current_context, is_the_groups_in_a_task_of_a_group) {
  dh::group g{numbered(5)};
  g.go([&] {
    EXPECT_EQ(dh::current_context(), g.ctx());
    EXPECT_EQ(current_number(), 5);
  });
  g.wait();
  EXPECT_EQ(current_number(), 0);
}

}  // namespace
