// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
#include "downhaul/coro.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "downhaul/testing/manual_clock.hpp"
#include "downhaul/timer.hpp"
#include "downhaul/wait_group.hpp"
#include "support/crew.hpp"
#include "support/leaves_nothing.hpp"
#include "support/parked.hpp"

namespace dh = downhaul;
using namespace std::chrono_literals;

namespace {

class coro : public downhaul_test::leaves_nothing {};

template <class F>
void run_task(F f) {
  const auto ended = dh::make_chan<void>(1);
  dh::go([&]() -> dh::task<> {
    co_await f();
    ended.send();
  });
  ended.recv();
  downhaul_test::await_no_goroutines();
}

TEST_F(coro, receives_what_threads_goroutines_and_coroutines_send) {
  const auto ch = dh::make_chan<int>();
  int sum = 0;
  std::thread thread{[ch] { ch.send(1); }};
  dh::go([ch] { ch.send(10); });
  dh::go([ch]() -> dh::task<> { co_await dh::async_send(ch, 100); });
  run_task([&]() -> dh::task<> {
    for (int i = 0; i < 3; ++i) {
      const std::optional<int> v = co_await dh::async_recv(ch);
      sum += *v;
    }
  });
  thread.join();
  EXPECT_EQ(sum, 111);
}

TEST_F(coro, sees_a_channel_closed_before_and_while_it_waits) {
  const auto ch = dh::make_chan<std::string>(1);
  const auto waits = dh::make_chan<std::string>();
  ch.send("last");
  ch.close();
  dh::go([waits] {
    downhaul_test::await_parked("chan receive", 1);
    waits.close();
  });
  run_task([&]() -> dh::task<> {
    const auto last = co_await dh::async_recv(ch);
    EXPECT_EQ(last, "last");
    const auto closed = co_await dh::async_recv(ch);
    EXPECT_FALSE(closed.has_value());
    const auto closed_meanwhile = co_await dh::async_recv(waits);
    EXPECT_FALSE(closed_meanwhile.has_value());
  });
}

TEST_F(coro, send_on_a_closed_channel_throws_and_gives_the_value_back) {
  const auto ch = dh::make_chan<std::unique_ptr<int>>();
  dh::go([ch] {
    downhaul_test::await_parked("chan send", 1);
    ch.close();
  });
  run_task([&]() -> dh::task<> {
    auto mine = std::make_unique<int>(1);
    for (int i = 0; i < 2; ++i) {
      bool refused = false;
      try {
        co_await dh::async_send(ch, std::move(mine));
      } catch (const dh::misuse&) {
        refused = true;
      }
      EXPECT_TRUE(refused);
      EXPECT_NE(mine, nullptr);
    }
  });
}

TEST_F(coro, an_operation_with_a_context_ends_with_it) {
  auto [ctx, cancel] = dh::with_cancel(dh::background());
  const auto ch = dh::make_chan<int>();
  dh::go([&] {
    downhaul_test::await_parked("select", 1);
    cancel();
  });
  run_task([&, c = ctx]() -> dh::task<> {
    std::error_code ec;
    const auto none = co_await dh::async_recv(c, ch, ec);
    EXPECT_EQ(ec, dh::errc::canceled);
    EXPECT_FALSE(none.has_value());
    co_await dh::async_send(c, ch, 1, ec);
    EXPECT_EQ(ec, dh::errc::canceled);
    bool threw = false;
    try {
      co_await dh::async_sleep(c, 1h);
    } catch (const dh::context_error&) {
      threw = true;
    }
    EXPECT_TRUE(threw);
    co_await c.done();
  });
}

TEST_F(coro, select_performs_exactly_one_case) {
  const auto a = dh::make_chan<int>();
  const auto b = dh::make_chan<std::string>();
  dh::go([=] {
    downhaul_test::await_parked("select", 1);
    b.send("b");
    downhaul_test::await_parked("select", 1);
    EXPECT_EQ(a.recv(), 5);
  });
  run_task([&]() -> dh::task<> {
    std::optional<int> from_a;
    std::optional<std::string> from_b;
    const int first = co_await dh::async_select(dh::recv(a, from_a), dh::recv(b, from_b));
    EXPECT_EQ(first, 1);
    EXPECT_EQ(from_b, "b");
    EXPECT_FALSE(from_a.has_value());
    auto named = dh::recv(b);
    const int second = co_await dh::async_select(named, dh::send(a, 5));
    EXPECT_EQ(second, 1);
    EXPECT_FALSE(named.fired());
  });
}

TEST_F(coro, select_with_a_context_in_front_names_cases) {
  auto [ctx, cancel] = dh::with_cancel(dh::background());
  const auto a = dh::make_chan<int>(1);
  run_task([&, c = ctx]() -> dh::task<> {
    auto answer = dh::recv(a);
    a.send(3);
    const int which = co_await dh::async_select(c, answer);
    EXPECT_EQ(which, 0);
    EXPECT_EQ(answer.value(), 3);
    cancel();
    std::error_code ec;
    const int ended = co_await dh::async_select(c, ec, answer);
    EXPECT_EQ(ended, -1);
    EXPECT_EQ(ec, dh::errc::canceled);
  });
}

TEST_F(coro, sleeps_by_the_clock_of_its_runtime) {
  dh::manual_clock clock;
  dh::runtime rt{{.workers = 1, .clock = &clock}};
  std::atomic<int> stage{0};
  dh::go(rt, [&]() -> dh::task<> {
    co_await dh::async_sleep(0s);
    stage = 1;
    co_await dh::async_sleep(10s);
    stage = 2;
    std::error_code ec;
    auto [ctx, cancel] = dh::with_timeout(dh::background(), 1s);
    co_await dh::async_sleep(ctx, 1h, ec);
    EXPECT_EQ(ec, dh::errc::deadline_exceeded);
    stage = 3;
  });
  downhaul_test::await_parked("sleep", 1);
  EXPECT_EQ(stage, 1);
  clock.advance(9s);
  EXPECT_EQ(stage, 1);
  clock.advance(1s);
  downhaul_test::wait_until([&] { return stage == 2; });
  downhaul_test::await_parked("sleep", 1);
  clock.advance(1s);
  downhaul_test::await_no_goroutines();
  EXPECT_EQ(stage, 3);
}

TEST_F(coro, receives_from_a_timer) {
  run_task([]() -> dh::task<> {
    dh::timer soon{1ms};
    const auto when = co_await dh::async_recv(soon);
    EXPECT_TRUE(when.has_value());
  });
}

TEST_F(coro, temporaries_live_as_long_as_the_wait) {
  run_task([]() -> dh::task<> {
    const auto when = co_await dh::async_recv(dh::after(1ms));
    EXPECT_TRUE(when.has_value());
    const auto strings = dh::make_chan<std::string>(1);
    co_await dh::async_send(strings, std::string(100, 'x'));
    dh::go([strings] {
      downhaul_test::await_parked("select", 1);
      EXPECT_EQ(strings.recv(), std::string(100, 'x'));
    });
    const int which = co_await dh::async_select(dh::recv(dh::after(1h)),
                                                dh::send(strings, std::string(200, 'y')));
    EXPECT_EQ(which, 1);
    const auto second = co_await dh::async_recv(strings);
    EXPECT_EQ(second, std::string(200, 'y'));
  });
}

TEST_F(coro, many_talk_in_a_ring) {
  constexpr int members = 100;
  constexpr int turns = downhaul_test::rounds(1'000);
  std::vector<dh::chan<int>> links;
  for (int i = 0; i < members; ++i) links.push_back(dh::make_chan<int>());
  const auto last = dh::make_chan<int>(1);
  for (int i = 0; i < members; ++i) {
    dh::go([in = links[static_cast<std::size_t>(i)],
            out = links[static_cast<std::size_t>((i + 1) % members)], last]() -> dh::task<> {
      for (;;) {
        const std::optional<int> v = co_await dh::async_recv(in);
        if (!v) co_return;
        if (*v == turns * members) {
          last.send(*v);
          co_return;
        }
        co_await dh::async_send(out, *v + 1);
      }
    });
  }
  links[0].send(0);
  EXPECT_EQ(last.recv(), turns * members);
  for (const auto& l : links) l.close();
  downhaul_test::await_no_goroutines();
}

TEST_F(coro, one_cancel_wakes_all) {
  constexpr int many = downhaul_test::sanitized || downhaul_test::checked ? 1'000 : 100'000;
  auto [ctx, cancel] = dh::with_cancel(dh::background());
  std::atomic<int> ended{0};
  for (int i = 0; i < many; ++i) {
    dh::go([&ended, c = ctx]() -> dh::task<> {
      co_await c.done();
      ++ended;
    });
  }
  cancel();
  downhaul_test::await_no_goroutines();
  EXPECT_EQ(ended, many);
}

}  // namespace
