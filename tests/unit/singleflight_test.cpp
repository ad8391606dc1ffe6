// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
#include "downhaul/singleflight.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>

#include "downhaul/runtime.hpp"
#include "support/crew.hpp"
#include "support/leaves_nothing.hpp"
#include "support/parked.hpp"

namespace {

namespace dh = downhaul;
using namespace std::chrono_literals;
using dh::impl::wait_reason;
using downhaul_test::await_parked;
using downhaul_test::crew;
using downhaul_test::place;
using downhaul_test::rounds;

class singleflight : public downhaul_test::leaves_nothing {};

using flights = dh::singleflight<std::string, int>;
static_assert(!std::is_copy_constructible_v<flights>);
static_assert(!std::is_move_constructible_v<flights>);

inline constexpr dh::key<int> number_key{"number"};

TEST_F(singleflight, f_gets_the_first_callers_values_and_not_its_deadline) {
  flights same;
  auto [ctx, cancel] = dh::with_timeout(dh::with_value(dh::background(), number_key, 7), 1h);
  same.run(ctx, "key", [](const dh::context& own) {
    EXPECT_EQ(*own.value(number_key), 7);
    EXPECT_FALSE(own.deadline());
    EXPECT_FALSE(own.err());
    return 1;
  });
}

TEST_F(singleflight, a_caller_that_leaves_does_not_disturb_the_others) {
  flights same;
  auto [first, cancel_first] = dh::with_cancel(dh::background());
  auto go_on = dh::make_chan<void>();
  const auto f = [&](const dh::context& own) {
    go_on.recv(own);
    return 7;
  };
  crew callers{place::mixed};
  callers.start(
      [&, &first = first] { EXPECT_THROW(same.run(first, "key", f), dh::context_error); });
  callers.wait_until_parked(0, wait_reason::select);
  callers.start([&] { EXPECT_EQ(same.run({}, "key", f), 7); });
  callers.wait_until_parked(1, wait_reason::chan_receive);
  cancel_first();
  await_parked("chan receive", 1);  // the other caller
  await_parked("select", 1);        // f
  go_on.close();
  callers.join();
}

TEST_F(singleflight, the_last_caller_that_leaves_cancels_f) {
  flights same;
  auto [ctx, cancel] = dh::with_cancel(dh::background());
  auto cancelled = dh::make_chan<void>(1);
  crew callers{place::goroutines};
  for (std::size_t i = 0; i < 2; ++i) {
    callers.start([&, &ctx = ctx] {
      EXPECT_THROW(same.run(ctx, "key",
                            [&](const dh::context& own) {
                              own.done().recv();
                              cancelled.send();
                              own.check();
                              return 1;
                            }),
                   dh::context_error);
    });
    callers.wait_until_parked(i, wait_reason::select);
  }
  cancel();
  callers.join();
  cancelled.recv();
  EXPECT_EQ(same.run({}, "key", [](const dh::context&) { return 2; }), 2)
      << "who comes then does not join the cancelled one";
  downhaul_test::await_no_goroutines();
}

TEST_F(singleflight, a_context_that_has_ended_starts_nothing) {
  flights same;
  auto [ctx, cancel] = dh::with_cancel(dh::background());
  cancel();
  EXPECT_THROW(same.run(ctx, "key",
                        [](const dh::context&) {
                          ADD_FAILURE();
                          return 1;
                        }),
               dh::context_error);
}

TEST_F(singleflight, may_go_while_an_f_that_was_left_still_runs) {
  auto go_on = dh::make_chan<void>();
  {
    flights same;
    auto [ctx, cancel] = dh::with_timeout(dh::background(), 1ms);
    EXPECT_THROW(same.run(ctx, "key",
                          [go_on](const dh::context&) {
                            go_on.recv();  // deaf
                            return 1;
                          }),
                 dh::context_error);
  }
  go_on.close();
  downhaul_test::await_no_goroutines();
}

// What f captured may refer to locals of the caller, whose end uses them.
TEST_F(singleflight, f_is_destroyed_before_its_callers_go_on) {
  struct uses_at_its_end {
    explicit uses_at_its_end(bool& where) : used{&where} {}
    uses_at_its_end(uses_at_its_end&& other) noexcept : used{std::exchange(other.used, nullptr)} {}
    uses_at_its_end(const uses_at_its_end&) = delete;
    uses_at_its_end& operator=(const uses_at_its_end&) = delete;
    ~uses_at_its_end() {
      if (used == nullptr) return;
      dh::yield();  // whoever has been woken runs now
      *used = true;
    }
    bool* used;
  };
  dh::runtime one{{.workers = 1}};
  one.run([] {
    flights same;
    bool used = false;
    same.run({}, "key", [end = uses_at_its_end{used}](const dh::context&) { return 1; });
    EXPECT_TRUE(used);
  });
}

TEST_F(singleflight, an_f_that_cannot_be_copied_fails_its_callers_and_nothing_stays) {
  flights same;
  struct refuses {
    refuses() = default;
    refuses(const refuses&) { throw std::runtime_error{"no copy"}; }
    int operator()(const dh::context&) const { return 1; }
  };
  const refuses f;
  EXPECT_THROW(same.run({}, "key", f), std::runtime_error);
  EXPECT_EQ(same.run({}, "key", [](const dh::context&) { return 2; }), 2);
}

TEST_F(singleflight, under_many_callers_each_gets_a_result_of_a_run_that_was_under_way) {
  dh::singleflight<int, int> same;
  std::atomic<int> runs{0};
  crew callers{place::mixed};
  for (int i = 0; i < 6; ++i) {
    callers.start([&, i] {
      for (int n = 0; n < rounds(1'000); ++n) {
        const int got = same.run({}, (i + n) % 3, [&](const dh::context&) {
          dh::yield();
          return ++runs;
        });
        EXPECT_GT(got, 0);
        EXPECT_LE(got, runs.load());
      }
    });
  }
  callers.join();
  EXPECT_LE(runs.load(), 6 * rounds(1'000));
}

}  // namespace
