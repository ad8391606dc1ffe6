// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
#include "downhaul/hedge.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <stdexcept>
#include <string>

#include "downhaul/runtime.hpp"
#include "downhaul/testing/manual_clock.hpp"
#include "support/leaves_nothing.hpp"

namespace {

namespace dh = downhaul;
using namespace std::chrono_literals;

class hedge : public downhaul_test::leaves_nothing {
 protected:
  // Runs f in a runtime whose clock goes on when asked to.
  template <class F>
  void in_runtime(F f) {
    dh::runtime on{dh::runtime_options{.workers = 2, .clock = &hands}};
    on.run(f);
  }
  void let_pass(dh::duration d) {
    while (hands.pending() == 0) dh::yield();
    hands.advance(d);
  }

  dh::manual_clock hands;
};

TEST_F(hedge, returns_the_first_answer_without_starting_another) {
  std::atomic<int> started{0};
  const auto answer = dh::hedge({}, 1h, 3, [&] {
    ++started;
    return std::make_unique<int>(7);
  });
  EXPECT_EQ(*answer, 7);
  EXPECT_EQ(started.load(), 1);
}

TEST_F(hedge, starts_one_more_each_time_the_delay_has_passed_and_cancels_the_losers) {
  in_runtime([&] {
    std::atomic<int> started{0};
    std::atomic<int> cancelled{0};
    auto result = dh::make_chan<std::string>(1);
    dh::go([&, result] {
      result.send(dh::hedge({}, 20ms, 3, [&](const dh::context& ctx) -> std::string {
        if (++started == 3) return "third";
        ctx.done().recv();
        ++cancelled;
        ctx.check();
        return "never";
      }));
    });
    for (int n = 1; n < 3; ++n) {
      while (started != n) dh::yield();
      let_pass(19ms);
      EXPECT_EQ(started.load(), n);
      let_pass(1ms);
    }
    EXPECT_EQ(result.recv(), "third");
    EXPECT_EQ(cancelled.load(), 2) << "they have ended when hedge returns";
  });
}

TEST_F(hedge, does_not_wait_for_the_delay_after_a_failure) {
  std::atomic<int> started{0};
  EXPECT_EQ(dh::hedge({}, 1h, 3,
                      [&]() -> int {
                        if (++started < 3) throw std::runtime_error{"e"};
                        return started;
                      }),
            3);
}

TEST_F(hedge, throws_the_first_failure_when_all_have_failed) {
  std::atomic<int> started{0};
  try {
    dh::hedge({}, 1h, 3, [&]() -> int { throw std::runtime_error{std::to_string(++started)}; });
    ADD_FAILURE();
  } catch (const std::runtime_error& e) {
    EXPECT_STREQ(e.what(), "1");
  }
  EXPECT_EQ(started.load(), 3);
}

TEST_F(hedge, ends_with_its_context) {
  auto [ctx, cancel] = dh::with_cancel(dh::background());
  EXPECT_THROW(dh::hedge(ctx, 1h, 3,
                         [&cancel = cancel](const dh::context& own) {
                           cancel();
                           own.done().recv();
                           own.check();
                           return 1;
                         }),
               dh::context_error);
  EXPECT_THROW(dh::hedge(ctx, 1h, 3, [] { return 1; }), dh::context_error) << "it had ended";
}

TEST_F(hedge, refuses_to_start_nothing) {
  EXPECT_THROW(dh::hedge({}, 1ms, 0, [] { return 1; }), dh::misuse);
}

}  // namespace
