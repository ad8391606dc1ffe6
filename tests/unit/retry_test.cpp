// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
#include "downhaul/retry.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "downhaul/testing/manual_clock.hpp"
#include "downhaul/wait_group.hpp"
#include "support/leaves_nothing.hpp"
#include "support/test_runtime.hpp"

namespace {

namespace dh = downhaul;
using namespace std::chrono_literals;

class retry : public downhaul_test::leaves_nothing {};

struct refused : std::runtime_error {
  using runtime_error::runtime_error;
};

// Runs retry() on a clock of its own and notes the delay before each try.
struct run {
  std::vector<dh::duration> delays;
  std::string thrown = "nothing";

  template <class F>
  run(const dh::retry_policy& policy, F f, dh::duration limit = dh::duration::max()) {
    dh::manual_clock hands;
    downhaul_test::test_runtime on{1, &hands};
    std::atomic<bool> over{false};
    on.go([&] {
      dh::time_point last = dh::now();
      auto [ctx, cancel] = dh::with_timeout(dh::background(), limit);
      try {
        dh::retry(ctx, policy, [&] {
          const dh::time_point now = dh::now();
          delays.push_back(now - last);
          last = now;
          f(static_cast<int>(delays.size()));
        });
      } catch (const std::exception& e) {
        thrown = e.what();
      }
      over = true;
    });
    for (on.run_until_parked(); !over; on.run_until_parked()) hands.advance_to_next();
  }
};

constexpr auto always_refused = [](int) { throw refused{"refused"}; };

TEST_F(retry, returns_what_the_first_success_returns) {
  int tries = 0;
  EXPECT_EQ(dh::retry({}, {.first_delay = 0ns},
                      [&] {
                        if (++tries < 4) throw refused{"refused"};
                        return std::make_unique<int>(tries);
                      })
                .operator*(),
            4);
  EXPECT_EQ(tries, 4);
}

TEST_F(retry, gives_f_the_context_if_it_takes_one) {
  auto [ctx, cancel] = dh::with_cancel(dh::background());
  dh::retry(ctx, {}, [&ctx = ctx](const dh::context& given) { EXPECT_EQ(given, ctx); });
}

TEST_F(retry, waits_longer_each_time_up_to_the_longest) {
  const run r{{.tries = 6, .first_delay = 10ms, .longest_delay = 50ms, .jitter = 0},
              always_refused};
  EXPECT_THAT(r.delays, testing::ElementsAre(0ms, 10ms, 20ms, 40ms, 50ms, 50ms));
  EXPECT_EQ(r.thrown, "refused");
}

TEST_F(retry, draws_the_delays_at_random_but_not_above_them) {
  const dh::retry_policy policy{.tries = 40, .first_delay = 10ms, .longest_delay = 10ms, .seed = 7};
  const run r{policy, always_refused};
  ASSERT_EQ(r.delays.size(), 40U);
  for (std::size_t i = 1; i < 40; ++i) EXPECT_LE(r.delays[i], 10ms);
  EXPECT_NE(r.delays[1], r.delays[2]);
  EXPECT_EQ(run(policy, always_refused).delays, r.delays) << "a seed repeats them";
}

TEST_F(retry, never_sleeps_past_the_deadline) {
  const run r{{.first_delay = 10ms, .jitter = 0}, always_refused, 35ms};
  EXPECT_THAT(r.delays, testing::ElementsAre(0ms, 10ms, 20ms)) << "the next one were at 70 ms";
  EXPECT_EQ(r.thrown, "refused") << "the failure, not the deadline";
}

TEST_F(retry, gives_up_at_once_on_what_the_policy_calls_final) {
  const run r{{.again =
                   [](const std::exception_ptr& e) {
                     try {
                       std::rethrow_exception(e);
                     } catch (const refused& because) {
                       return because.what() != std::string{"third"};
                     }
                   }},
              [](int n) { throw refused{n == 3 ? "third" : "earlier"}; }};
  EXPECT_EQ(r.delays.size(), 3U);
  EXPECT_EQ(r.thrown, "third");
}

TEST_F(retry, does_not_start_when_its_context_has_ended) {
  auto [ctx, cancel] = dh::with_cancel(dh::background());
  cancel();
  EXPECT_THROW(dh::retry(ctx, {}, [] { ADD_FAILURE(); }), dh::context_error);
}

TEST_F(retry, a_cancel_ends_the_sleep_between_two_tries) {
  auto [ctx, cancel] = dh::with_cancel(dh::background());
  int tries = 0;
  EXPECT_THROW(dh::retry(ctx, {.first_delay = 1h, .jitter = 0},
                         [&, &cancel = cancel] {
                           if (++tries == 1) dh::go([&] { cancel(); });
                           throw refused{"refused"};
                         }),
               dh::context_error);
  EXPECT_EQ(tries, 1);
}

TEST_F(retry, a_context_error_of_f_is_a_failure_like_any_other_while_its_context_is_open) {
  int tries = 0;
  dh::retry({}, {.first_delay = 0ns}, [&] {
    if (++tries == 1) throw dh::context_error{dh::errc::deadline_exceeded};
  });
  EXPECT_EQ(tries, 2);
}

TEST_F(retry, refuses_a_policy_that_says_nothing_sensible) {
  const auto misuse_of = [](const dh::retry_policy& p) {
    try {
      dh::retry({}, p, [] { ADD_FAILURE(); });
    } catch (const dh::misuse& e) {
      return std::string{e.what()};
    }
    return std::string{};
  };
  EXPECT_EQ(misuse_of({.tries = -1}), "retry: negative number of tries");
  EXPECT_EQ(misuse_of({.first_delay = -1ns}), "retry: negative delay");
  EXPECT_EQ(misuse_of({.factor = 0.5}), "retry: a factor below 1");
  EXPECT_EQ(misuse_of({.jitter = 2}), "retry: a jitter outside of 0 to 1");
}

}  // namespace
