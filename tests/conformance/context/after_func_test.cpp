// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// CTX-140 to CTX-151: what is called when a context has ended. CTX-145 has its storm in race_test.cpp.

#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "conformance/context/contexts.hpp"
#include "downhaul/after_func.hpp"
#include "downhaul/chan.hpp"
#include "downhaul/context.hpp"
#include "downhaul/context_base.hpp"
#include "downhaul/go.hpp"
#include "downhaul/runtime.hpp"

namespace dh = downhaul;
using namespace std::chrono_literals;
using downhaul_test::because;
using downhaul_test::by_hand;
using downhaul_test::canceled;
using downhaul_test::cause_of;
using downhaul_test::has_ended;
using downhaul_test::late;
using downhaul_test::number_key;
using downhaul_test::registrations;
using downhaul_test::wait_until;

namespace {

TEST(CTX_140, runs_on_a_goroutine_of_its_own_after_a_cancel_and_not_before) {
  auto [ctx, cancel] = dh::with_cancel(dh::background());
  std::atomic<int> called{0};
  const dh::impl::waiter* const here = &dh::impl::this_waiter();
  const dh::registration r = dh::after_func(ctx, [&, seen = dh::context{ctx}] {
    EXPECT_TRUE(dh::impl::on_goroutine());
    EXPECT_NE(&dh::impl::this_waiter(), here);
    EXPECT_TRUE(has_ended(seen, canceled()));
    ++called;
  });
  auto [other, cancel_other] = dh::with_cancel(ctx);
  cancel_other();
  EXPECT_EQ(dh::count_goroutines(), 0u) << "nothing has been started";
  EXPECT_EQ(called, 0);
  cancel();
  wait_until([&] { return called == 1; });
}

TEST(CTX_140, runs_after_a_timeout_and_not_before) {
  by_hand time;
  auto [ctx, cancel] = dh::with_timeout(dh::background(), 1s);
  std::atomic<int> called{0};
  const dh::registration r = dh::after_func(dh::with_value(ctx, number_key, 1), [&] { ++called; });
  time.pass(1s - 1ns);
  EXPECT_EQ(dh::count_goroutines(), 0u);
  EXPECT_EQ(called, 0);
  time.pass(1ns);
  wait_until([&] { return called == 1; });
}

TEST(CTX_140, each_has_a_goroutine_of_its_own) {
  auto [ctx, cancel] = dh::with_cancel(dh::background());
  auto meet = dh::make_chan<void>();
  std::atomic<int> met{0};
  const dh::registration a = dh::after_func(ctx, [&, meet] {
    meet.send();
    ++met;
  });
  const dh::registration b = dh::after_func(ctx, [&, meet] {
    meet.recv();
    ++met;
  });
  cancel();
  wait_until([&] { return met == 2; });  // one after the other they would never meet
  EXPECT_EQ(met, 2);
}

TEST(CTX_141, on_an_ended_context_it_starts_at_once_on_its_own) {
  auto [cancelled, cancel] = dh::with_cancel(dh::background());
  cancel();
  auto [timed, cancel_timed] = dh::with_timeout(dh::background(), 0s);
  const auto written = dh::make_context<downhaul_test::own_done>();
  written->end(canceled());
  for (const dh::context& ctx :
       {cancelled, timed, dh::with_value(cancelled, number_key, 1), dh::context{written}}) {
    auto go_on = dh::make_chan<void>();
    std::atomic<int> called{0};
    const dh::registration r = dh::after_func(ctx, [&, go_on] {
      go_on.recv();
      called += dh::impl::on_goroutine() ? 1 : 100;
    });
    EXPECT_EQ(called, 0);
    go_on.send();  // would never be reached if f were called in the registration
    wait_until([&] { return called > 0; });
    EXPECT_EQ(called, 1);
  }
}

TEST(CTX_142, a_cancel_does_not_wait_for_the_callback) {
  for (const bool timed : {false, true}) {
    by_hand time;
    dh::cancelable made =
        timed ? dh::with_timeout(dh::background(), 1s) : dh::with_cancel(dh::background());
    auto ch = dh::make_chan<int>();
    const dh::registration r = dh::after_func(made.ctx, [ch] { ch.send(5); });
    if (timed) {
      time.pass(1s);
    } else {
      made.cancel();
    }
    EXPECT_EQ(ch.recv(), 5);
  }
}

TEST(CTX_142, not_even_from_a_goroutine_on_a_single_worker) {
  dh::runtime one{dh::runtime_options{.workers = 1}};
  const int got = one.run([] {
    auto [ctx, cancel] = dh::with_cancel(dh::background());
    auto ch = dh::make_chan<int>();
    const dh::registration r = dh::after_func(ctx, [ch] { ch.send(5); });
    cancel();
    return *ch.recv();
  });
  EXPECT_EQ(got, 5);
}

TEST(CTX_143, stop_is_true_for_the_call_that_prevented_it) {
  auto [ctx, cancel] = dh::with_cancel(dh::background());
  const dh::registration r = dh::after_func(ctx, [] { ADD_FAILURE(); });
  EXPECT_TRUE(r.stop());
  EXPECT_FALSE(r.stop());
  cancel();
  EXPECT_FALSE(r.stop());
  const dh::registration here = dh::after_func(dh::inplace, dh::background(), []() noexcept {});
  EXPECT_TRUE(here.stop());
  EXPECT_FALSE(here.stop());
  EXPECT_EQ(dh::count_goroutines(), 0u);
}

TEST(CTX_144, stop_after_the_start_is_false_and_waits_for_nothing) {
  auto [ctx, cancel] = dh::with_cancel(dh::background());
  auto started = dh::make_chan<void>();
  auto go_on = dh::make_chan<void>();
  std::atomic<bool> ended{false};
  const dh::registration r = dh::after_func(ctx, [&, started, go_on] {
    started.send();
    go_on.recv();
    ended = true;
  });
  cancel();
  EXPECT_FALSE(r.stop()) << "the cancel has taken it";
  started.recv();
  EXPECT_FALSE(r.stop());
  EXPECT_FALSE(ended);
  go_on.send();
  wait_until([&] { return ended.load(); });
  EXPECT_FALSE(r.stop());
}

TEST(CTX_146, registrations_are_independent) {
  auto [ctx, cancel] = dh::with_cancel(dh::background());
  std::vector<std::atomic<int>> called(10);
  std::vector<dh::registration> all;
  for (std::atomic<int>& n : called) all.push_back(dh::after_func(ctx, [&n] { ++n; }));
  for (std::size_t i = 0; i < 10; i += 3) EXPECT_TRUE(all[i].stop());
  cancel();
  all.clear();  // waits for those that run
  for (std::size_t i = 0; i < 10; ++i) EXPECT_EQ(called[i], i % 3 == 0 ? 0 : 1) << i;
}

TEST(CTX_146, the_same_function_registered_twice_runs_twice) {
  auto [ctx, cancel] = dh::with_cancel(dh::background());
  std::atomic<int> called{0};
  const std::function<void()> f = [&] { ++called; };
  std::optional<dh::registration> a = dh::after_func(ctx, f);
  std::optional<dh::registration> b = dh::after_func(ctx, f);
  cancel();
  a.reset();
  b.reset();
  EXPECT_EQ(called, 2);
}

TEST(CTX_147, on_what_never_ends_it_never_runs) {
  auto [below, cancel] = dh::with_cancel(dh::background());
  const dh::context forever[] = {dh::background(), dh::todo(), dh::without_cancel(below),
                                 dh::with_value(dh::background(), number_key, 1)};
  cancel();
  for (const dh::context& ctx : forever) {
    const auto captured = std::make_shared<int>(1);
    const dh::registration r = dh::after_func(ctx, [captured] { ADD_FAILURE(); });
    EXPECT_EQ(captured.use_count(), 2);
    EXPECT_TRUE(r.stop());
    EXPECT_FALSE(r.stop());
    EXPECT_EQ(captured.use_count(), 1);
  }
  EXPECT_EQ(dh::count_goroutines(), 0u);
}

TEST(CTX_148, in_the_callback_all_is_final) {
  for (int i = 0; i < downhaul_test::rounds(100); ++i) {
    by_hand time;
    auto [parent, cancel] = dh::with_cancel_cause(dh::background());
    auto [child, cancel_child] = dh::with_timeout_cause(parent, 1s, because("late"));
    const bool expires = i % 2 == 0;
    std::atomic<int> called{0};
    const auto f = [&, expires, seen = dh::context{child}]() noexcept {
      EXPECT_TRUE(has_ended(seen, expires ? late() : canceled()));
      EXPECT_EQ(cause_of(seen), expires ? "late" : "why");
      ++called;
    };
    const dh::registration there = dh::after_func(child, f);
    const dh::registration here = dh::after_func(dh::inplace, child, f);
    if (expires) time.pass(1s);
    cancel(because("why"));
    wait_until([&] { return called == 2; });
  }
}

TEST(CTX_149, a_stop_releases_the_captures_and_the_registration_at_once) {
  auto [ctx, cancel] = dh::with_cancel(dh::background());
  const auto captured = std::make_shared<int>(1);
  const dh::registration there = dh::after_func(ctx, [captured] {});
  const dh::registration here = dh::after_func(dh::inplace, ctx, [captured]() noexcept {});
  EXPECT_EQ(captured.use_count(), 3);
  EXPECT_EQ(registrations(ctx), 2u);
  EXPECT_TRUE(there.stop());
  EXPECT_EQ(captured.use_count(), 2);
  EXPECT_EQ(registrations(ctx), 1u);
  EXPECT_TRUE(here.stop());
  EXPECT_EQ(captured.use_count(), 1);
  EXPECT_EQ(registrations(ctx), 0u);
  EXPECT_EQ(dh::count_goroutines(), 0u);
}

TEST(CTX_150, a_callback_may_cancel_register_and_stop_on_its_own_context) {
  for (const bool in_place : {false, true}) {
    auto [ctx, cancel] = dh::with_cancel(dh::background());
    std::atomic<int> called{0};
    std::optional<dh::registration> r;
    std::optional<dh::registration> other;
    const auto f = [&, stop = dh::cancel_func{cancel}, same = dh::context{ctx}]() noexcept {
      stop();
      EXPECT_FALSE(r->stop()) << "it runs";
      EXPECT_FALSE(other->stop()) << "it has been taken by the same cancel";
      dh::after_func(same, [&called] { ++called; }).detach();
      dh::after_func(dh::inplace, same, [&called]() noexcept { ++called; }).detach();
      auto [child, cancel_child] = dh::with_cancel(same);
      EXPECT_TRUE(has_ended(child, canceled()));
      ++called;
    };
    other = dh::after_func(ctx, [&] { ++called; });
    if (in_place) {
      r = dh::after_func(dh::inplace, ctx, f);
    } else {
      r = dh::after_func(ctx, f);
    }
    cancel();
    wait_until([&] { return called == 4; });
  }
}

// deviates: the end of a registration unregisters and waits for a callback that runs; detach() is Go's
// dropped stop function.
TEST(CTX_151, a_detached_registration_leaves_the_callback_and_a_dropped_one_takes_it_back) {
  std::atomic<int> called{0};
  auto [ctx, cancel] = dh::with_cancel(dh::background());
  dh::after_func(ctx, [&] { called += 1; }).detach();
  {
    const dh::registration dropped = dh::after_func(ctx, [&] { called += 100; });
  }
  EXPECT_EQ(registrations(ctx), 1u);
  cancel();
  wait_until([&] { return called > 0; });
  EXPECT_EQ(called, 1);
}

// deviates: as above.
TEST(CTX_151, the_end_of_a_registration_waits_for_a_callback_that_runs) {
  auto [ctx, cancel] = dh::with_cancel(dh::background());
  auto started = dh::make_chan<void>();
  auto go_on = dh::make_chan<void>();
  std::atomic<bool> ended{false};
  std::optional<dh::registration> r = dh::after_func(ctx, [&, started, go_on] {
    started.send();
    go_on.recv();
    ended = true;
  });
  cancel();
  started.recv();
  downhaul_test::crew dropper;
  dropper.start([&] {
    r.reset();
    EXPECT_TRUE(ended);
  });
  dropper.wait_until_parked(0, dh::impl::wait_reason::callback_wait);
  EXPECT_FALSE(ended);
  go_on.send();
  dropper.join();
}

}  // namespace
