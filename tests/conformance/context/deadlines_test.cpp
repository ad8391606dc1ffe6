// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// CTX-080 to CTX-096: deadlines and time-outs, on a clock that is advanced by hand where it can be.

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <ctime>
#include <limits>
#include <optional>
#include <random>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "conformance/context/contexts.hpp"
#include "conformance/context/wall_clock.hpp"
#include "downhaul/after_func.hpp"
#include "downhaul/clock.hpp"
#include "downhaul/context.hpp"
#include "downhaul/context_base.hpp"
#include "downhaul/go.hpp"
#include "downhaul/time.hpp"
#include "support/seed.hpp"

namespace dh = downhaul;
using namespace std::chrono_literals;
using downhaul_test::because;
using downhaul_test::by_hand;
using downhaul_test::canceled;
using downhaul_test::cause_of;
using downhaul_test::has_ended;
using downhaul_test::is_open;
using downhaul_test::late;
using downhaul_test::number_key;
using downhaul_test::registrations;
using downhaul_test::wait_until;
using downhaul_test::wrapper;

namespace {

bool shows(const dh::context& ctx, const char* part) {
  return to_string(ctx).find(part) != std::string::npos;
}

TEST(CTX_080, a_deadline_that_has_come_ends_the_context_in_its_making) {
  by_hand time;
  const std::chrono::nanoseconds gone[] = {0ns, -1ns, -1h, std::chrono::nanoseconds::min()};
  for (const std::chrono::nanoseconds d : gone) {
    auto [a, cancel_a] = dh::with_timeout(dh::background(), d);
    EXPECT_TRUE(has_ended(a, late()));
  }
  for (const dh::time_point at : {time.in(0s), time.in(-1ns), dh::time_point::min()}) {
    auto [a, cancel_a] = dh::with_deadline(dh::background(), at);
    auto [b, cancel_b] = dh::with_deadline_cause(dh::background(), at, because("missed"));
    EXPECT_TRUE(has_ended(a, late()));
    EXPECT_TRUE(has_ended(b, late()));
    EXPECT_EQ(cause_of(b), "missed");
  }
  EXPECT_EQ(time.timers(), 0u);
}

TEST(CTX_081, a_cancel_afterwards_changes_nothing) {
  by_hand time;
  auto [a, cancel_a] = dh::with_timeout(dh::background(), 0s);
  auto [b, cancel_b] = dh::with_deadline_cause(dh::background(), time.in(-1s), because("missed"));
  cancel_a();
  cancel_b();
  EXPECT_TRUE(has_ended(a, late()));
  EXPECT_EQ(cause_of(a), "late");
  EXPECT_TRUE(has_ended(b, late()));
  EXPECT_EQ(cause_of(b), "missed");
}

TEST(CTX_082, open_until_the_instant_and_ended_from_it_on) {
  by_hand time;
  auto [a, cancel_a] = dh::with_deadline(dh::background(), time.in(1s));
  auto [b, cancel_b] = dh::with_timeout(dh::with_value(dh::background(), number_key, 1), 1s);
  auto [below, cancel_below] = dh::with_cancel(a);
  time.pass(1s - 1ns);
  for (const dh::context& ctx : {a, b, below}) EXPECT_TRUE(is_open(ctx));
  time.pass(1ns);
  for (const dh::context& ctx : {a, b, below}) EXPECT_TRUE(has_ended(ctx, late()));
}

TEST(CTX_082, on_the_real_clock_not_before_the_deadline) {
  for (int i = 0; i < 5; ++i) {
    auto [ctx, cancel] = dh::with_timeout(dh::background(), 1ms);
    const std::optional<dh::time_point> deadline = ctx.deadline();
    ctx.done().recv();
    EXPECT_GE(dh::time_point{std::chrono::steady_clock::now()}, *deadline);
    EXPECT_EQ(ctx.err(), late());
  }
}

TEST(CTX_083, a_cancel_before_the_deadline_stays) {
  by_hand time;
  auto [ctx, cancel] = dh::with_timeout(dh::background(), 1s);
  auto [below, cancel_below] = dh::with_timeout(ctx, 500ms);
  cancel();
  EXPECT_TRUE(has_ended(ctx, canceled()));
  EXPECT_TRUE(has_ended(below, canceled())) << "synchronous";
  time.pass(2s);
  EXPECT_TRUE(has_ended(ctx, canceled()));
  EXPECT_EQ(cause_of(ctx), "canceled");
  EXPECT_TRUE(has_ended(below, canceled()));
}

TEST(CTX_084, an_earlier_deadline_of_the_parent_makes_it_a_with_cancel) {
  by_hand time;
  auto [parent, cancel_parent] = dh::with_deadline(dh::background(), time.in(1s));
  const dh::context layers[] = {parent, dh::with_value(parent, number_key, 1),
                                dh::make_context<wrapper>(dh::with_value(parent, number_key, 1)),
                                dh::make_context<downhaul_test::own_channel>(parent)};
  for (const dh::context& layer : layers) {
    auto [child, cancel] = dh::with_deadline(layer, time.in(1s + 1ns));
    EXPECT_EQ(child.deadline(), time.in(1s));
    EXPECT_TRUE(to_string(child).ends_with(".WithCancel")) << to_string(child);
    EXPECT_EQ(time.timers(), 1u) << "no second timer";
  }
  auto [child, cancel] = dh::with_timeout(layers[2], 1h);
  time.pass(1s - 1ns);
  EXPECT_TRUE(is_open(child));
  time.pass(1ns);
  EXPECT_TRUE(has_ended(parent, late()));
  EXPECT_TRUE(has_ended(child, late()));
}

TEST(CTX_085, its_cause_is_then_dropped) {
  by_hand time;
  auto [plain, cancel_plain] = dh::with_timeout(dh::background(), 1s);
  auto [causing, cancel_causing] = dh::with_timeout_cause(dh::background(), 1s, because("parent"));
  auto [a, cancel_a] = dh::with_timeout_cause(plain, 2s, because("never given"));
  auto [b, cancel_b] = dh::with_deadline_cause(causing, time.in(2s), because("never given"));
  auto [c, cancel_c] =
      dh::with_timeout_cause(dh::make_context<wrapper>(causing), 1h, because("never given"));
  auto [d, cancel_d] = dh::with_timeout_cause(causing, 1h, because("never given"));
  cancel_d();
  EXPECT_EQ(cause_of(d), "canceled");
  time.pass(1s);
  EXPECT_TRUE(has_ended(a, late()));
  EXPECT_EQ(cause_of(a), "late");
  EXPECT_EQ(cause_of(b), "parent");
  EXPECT_EQ(cause_of(c), "parent");
}

TEST(CTX_086, of_equal_deadlines_each_has_its_own_timer_and_cause) {
  by_hand time;
  auto [parent, cancel_parent] =
      dh::with_deadline_cause(dh::background(), time.in(1s), because("parent"));
  auto [child, cancel_child] = dh::with_deadline_cause(parent, time.in(1s), because("child"));
  EXPECT_EQ(time.timers(), 2u);
  EXPECT_EQ(child.deadline(), time.in(1s));
  EXPECT_FALSE(shows(child, ".WithCancel"));
  time.pass(1s);
  EXPECT_TRUE(has_ended(child, late()));
  EXPECT_EQ(cause_of(child), "child");
  EXPECT_EQ(cause_of(parent), "parent");
}

TEST(CTX_087, an_earlier_deadline_of_the_child_ends_it_alone) {
  by_hand time;
  auto [parent, cancel_parent] = dh::with_timeout(dh::background(), 2s);
  auto [child, cancel_child] = dh::with_timeout(parent, 1s);
  auto [sibling, cancel_sibling] = dh::with_timeout(parent, 1s + 1ns);
  EXPECT_EQ(child.deadline(), time.in(1s));
  time.pass(1s);
  EXPECT_TRUE(has_ended(child, late()));
  EXPECT_TRUE(is_open(sibling));
  EXPECT_TRUE(is_open(parent));
  EXPECT_EQ(parent.deadline(), time.in(1s));
}

TEST(CTX_088, a_parent_that_was_cancelled_goes_before_a_deadline_that_has_passed) {
  by_hand time;
  auto [parent, cancel] = dh::with_cancel_cause(dh::background());
  cancel(because("over"));
  const auto own = dh::make_context<downhaul_test::own_done>();
  own->end(canceled());
  for (const dh::context& ended : {parent, dh::with_value(parent, number_key, 1)}) {
    auto [a, cancel_a] = dh::with_timeout_cause(ended, -1s, because("missed"));
    auto [b, cancel_b] = dh::with_deadline(ended, time.in(0s));
    for (const dh::context& child : {a, b}) {
      EXPECT_TRUE(has_ended(child, canceled()));
      EXPECT_EQ(cause_of(child), "over");
    }
  }
  auto [child, cancel_child] = dh::with_timeout_cause(own, -1s, because("missed"));
  EXPECT_TRUE(has_ended(child, canceled()));
  EXPECT_EQ(cause_of(child), "canceled");
}

TEST(CTX_089, a_cancel_of_the_parent_gives_its_cause_not_the_deadlines) {
  by_hand time;
  auto [parent, cancel] = dh::with_cancel_cause(dh::background());
  auto [child, cancel_child] = dh::with_timeout_cause(parent, 1s, because("missed"));
  cancel(because("parent"));
  EXPECT_TRUE(has_ended(child, canceled()));
  EXPECT_EQ(cause_of(child), "parent");
  time.pass(1s);
  EXPECT_TRUE(has_ended(child, canceled()));
  EXPECT_EQ(cause_of(child), "parent");
}

TEST(CTX_090, a_deadline_is_inherited_by_all_but_without_cancel) {
  by_hand time;
  auto [timed, cancel_timed] = dh::with_deadline(dh::background(), time.in(1s));
  auto [child, cancel_child] = dh::with_cancel(timed);
  auto [causing, cancel_causing] = dh::with_cancel_cause(timed);
  auto [by_callback, cancel_by_callback] = dh::with_cancel(dh::background());
  const dh::context value = dh::with_value(child, number_key, 1);
  const dh::context wrapped = dh::make_context<wrapper>(value);
  for (const dh::context& ctx : {child, causing, value, wrapped}) {
    EXPECT_EQ(ctx.deadline(), time.in(1s)) << to_string(ctx);
    EXPECT_EQ(ctx.remaining(), 1s);
    EXPECT_EQ(dh::without_cancel(ctx).deadline(), std::nullopt);
    EXPECT_EQ(dh::without_cancel(ctx).remaining(), std::nullopt);
  }
  const dh::registration r = dh::after_func(
      dh::inplace, timed, [stop = dh::cancel_func{cancel_by_callback}]() noexcept { stop(); });
  EXPECT_EQ(by_callback.deadline(), std::nullopt) << "a callback brings no deadline";
}

TEST(CTX_091, a_timeout_is_a_deadline_from_now) {
  by_hand time;
  time.pass(1234567ns);
  auto [a, cancel_a] = dh::with_timeout(dh::background(), 90s);
  auto [b, cancel_b] = dh::with_deadline(dh::background(), time.in(90s));
  auto [c, cancel_c] = dh::with_timeout(dh::background(), 1.5min);
  EXPECT_EQ(a.deadline(), time.in(90s));
  EXPECT_EQ(a.deadline(), b.deadline());
  EXPECT_EQ(c.deadline(), b.deadline());
  const dh::time_point absolute = *a.deadline();
  time.pass(89s);
  EXPECT_EQ(a.deadline(), absolute);
  EXPECT_EQ(a.remaining(), 1s);
  time.pass(1s);
  for (const dh::context& ctx : {a, b, c}) EXPECT_TRUE(has_ended(ctx, late()));
}

TEST(CTX_092, a_timeout_that_cannot_be_added_never_fires) {
  by_hand time;
  auto [a, cancel_a] = dh::with_timeout(dh::background(), std::chrono::nanoseconds::max());
  auto [b, cancel_b] = dh::with_timeout(dh::background(), std::chrono::hours::max());
  auto [c, cancel_c] = dh::with_timeout(
      dh::background(), std::chrono::nanoseconds::max() - 1h);  // now + it overflows
  auto [d, cancel_d] = dh::with_deadline(dh::background(), dh::time_point::max());
  auto [e, cancel_e] = dh::with_timeout(
      dh::background(), std::chrono::duration<double>{std::numeric_limits<double>::infinity()});
  for (const dh::context& ctx : {a, b, c, d, e}) {
    ASSERT_TRUE(ctx.deadline());
    EXPECT_GT(*ctx.deadline(), time.in(24h * 365 * 200));
  }
  time.pass(24h * 365 * 200);
  for (const dh::context& ctx : {a, b, c, d, e}) EXPECT_TRUE(is_open(ctx));
  auto [child, cancel_child] = dh::with_timeout(a, 1s);
  EXPECT_EQ(child.deadline(), time.in(1s)) << "sooner";
}

TEST(CTX_093, deadlines_are_points_of_the_steady_clock) {
  static_assert(std::is_same_v<dh::time_point::clock, std::chrono::steady_clock>);
  by_hand time;
  const downhaul_test::wall_clock wall;
  auto [steady, cancel_steady] = dh::with_timeout(dh::background(), 1h);
  auto [given, cancel_given] =
      dh::with_deadline(dh::background(), std::chrono::system_clock::now() + 1h);
  const std::optional<dh::time_point> before[] = {steady.deadline(), given.deadline()};
  for (const std::chrono::seconds shift : {std::chrono::seconds{48h}, std::chrono::seconds{-96h}}) {
    if (!wall.shift(shift)) GTEST_SKIP() << "the wall clock cannot be set back and forth here";
    EXPECT_EQ(steady.deadline(), before[0]);
    EXPECT_EQ(given.deadline(), before[1]);
    EXPECT_EQ(steady.remaining(), 1h);
    EXPECT_TRUE(is_open(steady));
    EXPECT_TRUE(is_open(given));
  }
  time.pass(1h);
  EXPECT_TRUE(has_ended(steady, late())) << "not delayed";
  EXPECT_TRUE(has_ended(given, late()));
}

TEST(CTX_093, nor_does_the_real_clock_follow_the_wall_clock) {
  const downhaul_test::wall_clock wall;
  auto [hour, cancel_hour] = dh::with_timeout(dh::background(), 1h);
  auto [soon, cancel_soon] =
      dh::with_deadline(dh::background(), std::chrono::system_clock::now() + 5ms);
  if (!wall.shift(48h)) GTEST_SKIP() << "the wall clock cannot be set back and forth here";
  auto [brief, cancel_brief] = dh::with_timeout(dh::background(), 1ms);
  brief.done().recv();
  EXPECT_TRUE(is_open(hour)) << "two days later by the wall clock";
  wall.shift(-48h);
  soon.done().recv();  // would wait for two days
  EXPECT_TRUE(has_ended(soon, late()));
  EXPECT_TRUE(is_open(hour));
}

TEST(CTX_093, texts_tell_wall_time) {
  by_hand time;
  auto [ctx, cancel] = dh::with_timeout(dh::background(), 1h);
  const std::time_t at =
      std::chrono::system_clock::to_time_t(std::chrono::system_clock::now() + 1h);
  std::tm parts{};
  gmtime_r(&at, &parts);
  char year[8];
  std::strftime(year, sizeof year, "(%Y-", &parts);
  EXPECT_TRUE(shows(ctx, year)) << to_string(ctx);
}

TEST(CTX_094, callbacks_of_a_deadline_run_on_goroutines) {
  by_hand time;
  auto [ctx, cancel] = dh::with_timeout(dh::background(), 1s);
  auto go_on = dh::make_chan<void>();
  std::atomic<int> on_goroutines{0};
  const dh::context same = ctx;
  const auto f = [&, go_on, same]() noexcept {
    EXPECT_TRUE(has_ended(same, late()));
    on_goroutines += dh::impl::on_goroutine() ? 1 : 100;
    go_on.recv();  // whoever lets time pass would wait for ever
    // No lock is held: timers and contexts can be used.
    auto [inner, cancel_inner] = dh::with_timeout(dh::background(), 1h);
    cancel_inner();
    on_goroutines += 10;
  };
  const dh::registration there = dh::after_func(ctx, f);
  const dh::registration here = dh::after_func(dh::inplace, ctx, f);
  time.pass(1s);
  go_on.send();
  go_on.send();
  wait_until([&] { return on_goroutines >= 22; });
  EXPECT_EQ(on_goroutines, 22);
}

TEST(CTX_094, on_the_real_clock_too) {
  auto [ctx, cancel] = dh::with_timeout(dh::background(), 1ms);
  auto blocked = dh::make_chan<void>();
  std::atomic<int> on_goroutines{0};
  const dh::registration r = dh::after_func(dh::inplace, ctx, [&, blocked]() noexcept {
    on_goroutines = dh::impl::on_goroutine() ? 1 : 100;
    blocked.recv();
  });
  ctx.done().recv();
  // Time goes on while the callback waits.
  auto [next, cancel_next] = dh::with_timeout(dh::background(), 1ms);
  next.done().recv();
  blocked.send();
  EXPECT_EQ(on_goroutines, 1);
}

// Seconds of CPU that this thread has used.
double used() {
  timespec t{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) * 1e-9;
}

TEST(CTX_095, hundreds_of_thousands_of_open_timeouts_are_cheap_to_add_and_to_cancel) {
  constexpr std::size_t most = downhaul_test::sanitized ? 20'000 : 400'000;
  std::mt19937_64 random{downhaul_test::seed()};
  for (const std::size_t n : {std::size_t{40}, std::size_t{4'000}, most}) {
    std::vector<dh::cancelable> open;
    open.reserve(n);
    const double before = used();
    for (std::size_t i = 0; i < n; ++i) {
      open.push_back(
          dh::with_timeout(dh::background(), 1h + std::chrono::nanoseconds{random() % 1000}));
    }
    EXPECT_EQ(dh::clock::real().pending(), n);
    // With all of them open, one comes and goes as it does alone.
    for (int i = 0; i < 1'000; ++i) {
      auto [one, cancel] = dh::with_timeout(dh::background(), 1h);
      cancel();
    }
    std::shuffle(open.begin(), open.end(), random);
    for (const dh::cancelable& c : open) c.cancel();
    const double each = (used() - before) / static_cast<double>(n + 1'000);
    EXPECT_EQ(dh::clock::real().pending(), 0u);
    for (const dh::cancelable& c : open) ASSERT_TRUE(has_ended(c.ctx, canceled()));
    // Some microseconds where a cache is missed; a walk over all of them would take milliseconds.
    EXPECT_LT(each, 100e-6) << n;
  }
}

TEST(CTX_096, a_plain_wrapper_ends_with_what_it_wraps) {
  by_hand time;
  auto [timed, cancel_timed] = dh::with_timeout(dh::background(), 1s);
  const dh::context wrapped = dh::make_context<wrapper>(timed);
  const dh::context twice = dh::make_context<wrapper>(dh::with_value(wrapped, number_key, 1));
  auto [child, cancel_child] = dh::with_cancel(twice);
  EXPECT_EQ(twice.deadline(), time.in(1s));
  time.pass(1s - 1ns);
  for (const dh::context& ctx : {wrapped, twice, child}) EXPECT_TRUE(is_open(ctx));
  time.pass(1ns);
  for (const dh::context& ctx : {wrapped, twice, child}) EXPECT_TRUE(has_ended(ctx, late()));
}

}  // namespace
