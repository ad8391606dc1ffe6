// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <optional>
#include <stdexcept>
#include <thread>
#include <utility>
#include <vector>

#include "context/inspect.hpp"
#include "downhaul/after_func.hpp"
#include "downhaul/chan.hpp"
#include "downhaul/context.hpp"
#include "downhaul/go.hpp"
#include "support/crew.hpp"
#include "support/leaves_nothing.hpp"
#include "wait/waiter.hpp"

namespace {

namespace dh = downhaul;
using namespace std::chrono_literals;
using dh::impl::registrations;
using dh::impl::wait_reason;
using downhaul_test::crew;
using downhaul_test::place;
using downhaul_test::rounds;
using downhaul_test::wait_until;

class after_func : public downhaul_test::leaves_nothing {};
class after_func_in_place : public downhaul_test::leaves_nothing {};

static_assert(!std::is_copy_constructible_v<dh::registration>);
static_assert(std::is_nothrow_move_constructible_v<dh::registration>);

// --- in a goroutine ---

TEST_F(after_func, runs_in_its_own_goroutine_once_the_context_has_ended) {
  auto [ctx, cancel] = dh::with_cancel_cause(dh::background());
  auto ran = dh::make_chan<bool>();
  const dh::context seen = ctx;
  const dh::registration r = dh::after_func(ctx, [ran, seen] {
    EXPECT_EQ(seen.err(), dh::errc::canceled);
    EXPECT_EQ(seen.reason(), "why");
    EXPECT_FALSE(seen.done().recv());
    ran.send(dh::impl::on_goroutine());
  });
  EXPECT_FALSE(ran.try_recv());
  cancel(std::runtime_error{"why"});
  EXPECT_EQ(ran.recv(), true);
}

TEST_F(after_func, on_an_ended_context_starts_at_once_elsewhere) {
  auto [ctx, cancel] = dh::with_cancel(dh::background());
  cancel();
  auto go_on = dh::make_chan<void>();
  auto ran = dh::make_chan<void>();
  const dh::registration r = dh::after_func(ctx, [=] {
    go_on.recv();
    ran.send();
  });
  go_on.send();  // would hang if f ran in the registration
  ran.recv();
}

TEST_F(after_func, is_not_waited_for_by_cancel) {
  auto [ctx, cancel] = dh::with_cancel(dh::background());
  auto go_on = dh::make_chan<void>();
  const dh::registration r = dh::after_func(ctx, [=] { go_on.recv(); });
  cancel();
  go_on.send();
}

TEST_F(after_func, stop_is_true_for_the_one_call_that_prevented_it) {
  auto [ctx, cancel] = dh::with_cancel(dh::background());
  const auto captured = std::make_shared<int>(1);
  const dh::registration r = dh::after_func(ctx, [captured] { FAIL(); });
  EXPECT_EQ(captured.use_count(), 2);
  EXPECT_TRUE(r.stop());
  EXPECT_EQ(captured.use_count(), 1);  // released at once
  EXPECT_EQ(registrations(ctx), 0u);
  EXPECT_FALSE(r.stop());
  cancel();
  EXPECT_FALSE(r.stop());
}

TEST_F(after_func, stop_after_the_start_is_false_and_does_not_wait) {
  auto [ctx, cancel] = dh::with_cancel(dh::background());
  auto go_on = dh::make_chan<void>();
  const dh::registration r = dh::after_func(ctx, [=] { go_on.recv(); });
  cancel();
  EXPECT_FALSE(r.stop());
  go_on.send();
}

TEST_F(after_func, registered_twice_runs_twice) {
  auto [ctx, cancel] = dh::with_cancel(dh::background());
  std::atomic<int> runs{0};
  const auto f = [&] { ++runs; };
  const dh::registration a = dh::after_func(ctx, f);
  const dh::registration b = dh::after_func(ctx, f);
  const dh::registration c = dh::after_func(ctx, f);
  EXPECT_TRUE(b.stop());
  cancel();
  wait_until([&] { return runs == 2; });
}

TEST_F(after_func, on_what_never_ends_never_runs) {
  const auto captured = std::make_shared<int>(1);
  const dh::registration r = dh::after_func(dh::background(), [captured] { FAIL(); });
  EXPECT_TRUE(r.stop());
  EXPECT_FALSE(r.stop());
  EXPECT_EQ(captured.use_count(), 1);
  {
    const dh::registration dropped = dh::after_func(dh::todo(), [captured] { FAIL(); });
  }
  dh::after_func(dh::background(), [captured] { FAIL(); }).detach();
  EXPECT_EQ(captured.use_count(), 1);
}

TEST_F(after_func, the_end_of_the_registration_unregisters) {
  auto [ctx, cancel] = dh::with_cancel(dh::background());
  {
    const dh::registration r = dh::after_func(ctx, [] { FAIL(); });
  }
  dh::registration r = dh::after_func(ctx, [] { FAIL(); });
  r = dh::registration{};
  EXPECT_EQ(registrations(ctx), 0u);
  cancel();
}

TEST_F(after_func, the_end_of_the_registration_waits_for_a_running_f) {
  for (const place where : {place::threads, place::goroutines}) {
    auto [ctx, cancel] = dh::with_cancel(dh::background());
    auto go_on = dh::make_chan<void>();
    std::atomic<bool> ended{false};
    std::optional<dh::registration> r = dh::after_func(ctx, [&, go_on] {
      go_on.recv();
      ended = true;
    });
    cancel();
    crew waiter{where};
    waiter.start([&] {
      r.reset();
      EXPECT_TRUE(ended);
    });
    waiter.wait_until_parked(0, wait_reason::callback_wait);
    go_on.send();
    waiter.join();
  }
}

TEST_F(after_func, may_end_its_own_registration) {
  auto [ctx, cancel] = dh::with_cancel(dh::background());
  std::atomic<bool> ended{false};
  std::optional<dh::registration> r;
  r = dh::after_func(ctx, [&] {
    r.reset();
    ended = true;
  });
  cancel();
  wait_until([&] { return ended.load(); });
}

TEST_F(after_func, detached_runs_when_the_context_ends_and_outlives_all_handles) {
  std::atomic<bool> ran{false};
  {
    auto [ctx, cancel] = dh::with_cancel(dh::background());
    dh::after_func(ctx, [&] { ran = true; }).detach();
    EXPECT_EQ(registrations(ctx), 1u);
  }
  wait_until([&] { return ran.load(); });
}

TEST_F(after_func, detached_keeps_the_deadline_of_its_context) {
  std::atomic<bool> ran{false};
  {
    auto [ctx, cancel] = dh::with_timeout(dh::background(), 2ms);
    cancel.detach();
    dh::after_func(ctx, [&] { ran = true; }).detach();
  }
  wait_until([&] { return ran.load(); });
}

TEST_F(after_func, may_cancel_register_and_stop_on_its_own_context) {
  auto [ctx, cancel] = dh::with_cancel(dh::background());
  auto ran = dh::make_chan<void>();
  const dh::cancel_func again = cancel;
  const dh::context same = ctx;
  const dh::registration r = dh::after_func(ctx, [=] {
    again();
    const dh::registration inner = dh::after_func(same, [=] { ran.send(); });
    EXPECT_FALSE(inner.stop());
  });
  cancel();
  ran.recv();
}

TEST_F(after_func, a_context_error_ends_only_its_goroutine) {
  auto [ctx, cancel] = dh::with_cancel(dh::background());
  const dh::context same = ctx;
  std::optional<dh::registration> r = dh::after_func(ctx, [same] { same.check(); });
  cancel();
  r.reset();  // waits for its end, by whatever way
}

void callback_that_throws() {
  auto [ctx, cancel] = dh::with_cancel(dh::background());
  const dh::registration r = dh::after_func(ctx, [] { throw std::runtime_error{"not caught"}; });
  cancel();
}

TEST(after_func_death, another_exception_ends_the_program) {
  testing::GTEST_FLAG(death_test_style) = "threadsafe";
  EXPECT_DEATH(callback_that_throws(), "panic: .*runtime_error.*not caught");
}

TEST_F(after_func, stop_or_run_is_decided_once_in_any_race) {
  for (int i = 0; i < downhaul_test::rounds(500); ++i) {
    auto made = dh::with_cancel(dh::background());
    std::atomic<int> runs{0};
    std::atomic<int> stops{0};
    std::optional<dh::registration> r = dh::after_func(made.ctx, [&] { ++runs; });
    std::vector<std::thread> threads;
    for (int n = 0; n < 3; ++n) {
      threads.emplace_back([&] { stops += r->stop() ? 1 : 0; });
    }
    made.cancel();
    for (std::thread& t : threads) t.join();
    r.reset();
    ASSERT_EQ(runs + stops, 1);
  }
}

// --- in place ---

TEST_F(after_func_in_place, runs_on_the_canceller_before_cancel_returns) {
  auto [root, cancel] = dh::with_cancel(dh::background());
  auto [child, cancel_child] = dh::with_cancel(root);
  std::thread::id where;
  const dh::context below = child;
  const dh::registration r = dh::after_func(dh::inplace, root, [&]() noexcept {
    where = std::this_thread::get_id();
    EXPECT_TRUE(below.err());  // descendants have ended before
  });
  cancel();
  EXPECT_EQ(where, std::this_thread::get_id());
}

TEST_F(after_func_in_place, on_an_ended_context_runs_here) {
  auto [ctx, cancel] = dh::with_cancel(dh::background());
  cancel();
  bool ran = false;
  const dh::registration r = dh::after_func(dh::inplace, ctx, [&]() noexcept { ran = true; });
  EXPECT_TRUE(ran);
  EXPECT_FALSE(r.stop());
}

TEST_F(after_func_in_place, can_be_stopped_dropped_and_detached) {
  auto [ctx, cancel] = dh::with_cancel(dh::background());
  int runs = 0;
  const auto f = [&]() noexcept { ++runs; };
  EXPECT_TRUE(dh::after_func(dh::inplace, ctx, f).stop());
  {
    const dh::registration r = dh::after_func(dh::inplace, ctx, f);
  }
  dh::after_func(dh::inplace, ctx, f).detach();
  EXPECT_EQ(registrations(ctx), 1u);
  cancel();
  EXPECT_EQ(runs, 1);
}

TEST_F(after_func_in_place, may_cancel_the_same_and_other_contexts_and_end_itself) {
  auto [a, cancel_a] = dh::with_cancel(dh::background());
  auto [b, cancel_b] = dh::with_cancel(dh::background());
  const dh::cancel_func stop_a = cancel_a;
  const dh::cancel_func stop_b = cancel_b;
  std::optional<dh::registration> r;
  r = dh::after_func(dh::inplace, a, [&]() noexcept {
    stop_a();
    stop_b();
    r.reset();
  });
  cancel_a();
  EXPECT_TRUE(b.err());
}

// One cancel takes both off the list and runs them one after another.
TEST_F(after_func_in_place, may_end_the_registration_of_one_whose_turn_has_not_come) {
  auto [ctx, cancel] = dh::with_cancel(dh::background());
  int runs = 0;
  auto captured = std::make_shared<int>();
  std::optional<dh::registration> a;
  std::optional<dh::registration> b;
  a = dh::after_func(dh::inplace, ctx, [&, captured]() noexcept {
    ++runs;
    b.reset();
  });
  b = dh::after_func(dh::inplace, ctx, [&, captured]() noexcept {
    ++runs;
    a.reset();
  });
  cancel();
  EXPECT_EQ(runs, 1);
  EXPECT_EQ(a.has_value() + b.has_value(), 1);
  EXPECT_EQ(captured.use_count(), 1);
}

TEST_F(after_func_in_place, may_stop_one_whose_turn_has_not_come) {
  auto [ctx, cancel] = dh::with_cancel(dh::background());
  int runs = 0;
  int prevented = 0;
  std::optional<dh::registration> a;
  std::optional<dh::registration> b;
  a = dh::after_func(dh::inplace, ctx, [&]() noexcept {
    ++runs;
    prevented += b->stop() + b->stop();
  });
  b = dh::after_func(dh::inplace, ctx, [&]() noexcept {
    ++runs;
    prevented += a->stop() + a->stop();
  });
  cancel();
  EXPECT_EQ(runs, 1);
  EXPECT_EQ(prevented, 1);
}

TEST_F(after_func_in_place, stop_or_run_is_decided_once_in_any_race) {
  for (int round = 0; round < rounds(2'000); ++round) {
    auto [ctx, cancel] = dh::with_cancel(dh::background());
    std::atomic<int> runs{0};
    std::atomic<int> stops{0};
    std::optional<dh::registration> first =
        dh::after_func(dh::inplace, ctx, [&]() noexcept { ++runs; });
    std::optional<dh::registration> second =
        dh::after_func(dh::inplace, ctx, [&]() noexcept { ++runs; });
    std::thread stopper{[&] {
      stops += second->stop() + first->stop();
      second.reset();
      first.reset();
    }};
    cancel();
    stopper.join();
    ASSERT_EQ(runs + stops, 2);
  }
}

TEST_F(after_func_in_place, the_end_of_the_registration_waits_for_one_that_runs_elsewhere) {
  auto [ctx, cancel] = dh::with_cancel(dh::background());
  auto go_on = dh::make_chan<void>();
  std::atomic<bool> ended{false};
  std::optional<dh::registration> r = dh::after_func(dh::inplace, ctx, [&]() noexcept {
    go_on.recv();
    ended = true;
  });
  const dh::cancel_func stop = cancel;
  std::thread canceller{[&] { stop(); }};
  wait_until([&] { return ctx.err() && registrations(ctx) == 0; });
  crew waiter{place::threads};
  waiter.start([&] {
    r.reset();
    EXPECT_TRUE(ended);
  });
  waiter.wait_until_parked(0, wait_reason::callback_wait);
  go_on.send();
  waiter.join();
  canceller.join();
}

TEST_F(after_func_in_place, merges_two_contexts_by_hand) {
  auto [ctx1, cancel1] = dh::with_cancel_cause(dh::background());
  auto [ctx2, cancel2] = dh::with_cancel_cause(dh::background());
  auto [both, cancel_both] = dh::with_cancel_cause(ctx1);
  const dh::cancel_cause_func stop{cancel_both};
  const dh::context second = ctx2;
  const dh::registration r =
      dh::after_func(dh::inplace, ctx2, [=]() noexcept { stop(second.cause()); });
  cancel2(std::runtime_error{"ctx2 canceled"});
  EXPECT_EQ(both.reason(), "ctx2 canceled");
}

}  // namespace
