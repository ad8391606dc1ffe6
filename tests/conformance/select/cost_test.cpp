// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// SEL-070, SEL-071 and SEL-073: what a select costs, and how it is left.

#include <gmock/gmock.h>

#include <array>
#include <atomic>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "downhaul/chan.hpp"
#include "downhaul/context.hpp"
#include "downhaul/select.hpp"
#include "support/allocations.hpp"
#include "support/channel_lock.hpp"
#include "support/crew.hpp"

namespace dh = downhaul;
using downhaul::impl::wait_reason;
using downhaul_test::all_places;
using downhaul_test::allocations;
using downhaul_test::crew;
using downhaul_test::place;

namespace {

TEST(SEL_070, a_select_that_need_not_wait_allocates_nothing) {
  auto ch = dh::make_chan<std::array<int, 60>>(1);
  const std::array<int, 60> value{};
  auto signals = dh::make_chan<void>(1);
  const auto never = dh::make_chan<int>();
  auto [ctx, cancel] = dh::with_cancel(dh::background());
  const dh::recv_chan<void> done = ctx.done();
  std::optional<std::array<int, 60>> got;
  int handled = 0;
  const auto one_round = [&, &ctx = ctx] {
    dh::select(dh::send(ch, value), dh::recv(never));
    dh::select(dh::recv(never), dh::recv(ch, got), dh::otherwise);
    dh::select(dh::send(ch, value, [&] { ++handled; }), dh::recv(done), dh::otherwise);
    dh::select(ctx, dh::recv(ch, [&](std::optional<std::array<int, 60>>) { ++handled; }));
    dh::select(dh::send(signals), dh::otherwise);
    dh::select(dh::recv(signals), dh::recv(never), dh::recv(never), dh::recv(never));
    dh::select(dh::recv(never), dh::send(never, 1), dh::recv(done), dh::otherwise);
    dh::select(dh::otherwise);
    auto named = dh::recv(ch);
    dh::select(named, dh::otherwise);
  };
  one_round();  // whatever is made at first use
  const long before = allocations();
  for (int i = 0; i < 100; ++i) one_round();
  EXPECT_EQ(allocations() - before, 0);
  EXPECT_EQ(handled, 2 * 101);
}

// On threads, each of which counts its own: a goroutine may go on on another one.
TEST(SEL_070, nor_does_one_that_waits) {
  constexpr int n = 200;
  auto ping = dh::make_chan<int>();
  auto pong = dh::make_chan<int>();
  auto never = dh::make_chan<int>();
  auto never_either = dh::make_chan<int>();
  std::array<long, 2> made{-1, -1};
  crew c{place::threads};
  for (const bool first : {true, false}) {
    c.start([&, first] {
      long before = 0;
      for (int i = 0; i < n; ++i) {
        if (i == 10) before = allocations();
        std::optional<int> v;
        if (first) {
          dh::select(dh::send(ping, i), dh::recv(never), dh::send(never_either, 1));
          dh::select(dh::recv(never), dh::recv(pong, v));
        } else {
          dh::select(dh::recv(never), dh::recv(ping, v), dh::recv(never));
          dh::select(dh::send(pong, i), dh::recv(never));
        }
        if (v != i) ADD_FAILURE() << i;
      }
      made[first ? 0 : 1] = allocations() - before;
    });
  }
  c.join();
  EXPECT_THAT(made, testing::ElementsAre(0, 0));
}

/// Whether f() ends although somebody has the channel locked; it hangs if not.
template <class F>
bool gets_by(const dh::chan<int>& ch, F f) {
  const downhaul_test::channel_lock held{ch};
  bool ended = false;
  std::thread other{[&] {
    f();
    ended = true;
  }};
  other.join();
  return ended;
}

TEST(SEL_071, one_case_that_is_not_ready_and_otherwise_take_no_lock) {
  const auto empty = dh::make_chan<int>(1);
  const auto full = dh::make_chan<int>(1);
  full.send(1);
  const auto unbuffered = dh::make_chan<int>();
  EXPECT_TRUE(gets_by(empty, [&] { EXPECT_EQ(dh::select(dh::recv(empty), dh::otherwise), 1); }));
  EXPECT_TRUE(gets_by(full, [&] { EXPECT_EQ(dh::select(dh::send(full, 1), dh::otherwise), 1); }));
  EXPECT_TRUE(gets_by(unbuffered, [&] {
    EXPECT_EQ(dh::select(dh::recv(unbuffered), dh::otherwise), 1);
    EXPECT_EQ(dh::select(dh::send(unbuffered, 1), dh::otherwise), 1);
    EXPECT_EQ(dh::select(dh::otherwise, dh::recv(dh::chan<int>{}), dh::recv(unbuffered)), 0);
  }));
}

struct from_handler : std::runtime_error {
  from_handler() : runtime_error{"from a handler"} {}
};

TEST(SEL_073, what_a_body_throws_leaves_all_channels_consistent_and_unlocked) {
  auto full = dh::make_chan<int>(1);
  auto room = dh::make_chan<int>(1);
  auto other = dh::make_chan<int>(1);
  const auto throws = [] { throw from_handler{}; };
  for (int i = 0; i < 20; ++i) {
    full.send(i);
    EXPECT_THROW(dh::select(dh::recv(full, throws), dh::recv(other)), from_handler);
    EXPECT_EQ(full.size(), 0) << "it was received";
    EXPECT_THROW(dh::select(dh::recv(other), dh::send(room, i, throws)), from_handler);
    EXPECT_EQ(room.size(), 1) << "it was sent";
    full.send(i);
    EXPECT_THROW(dh::select(dh::recv(full,
                                     [&](std::optional<int> v) {
                                       EXPECT_EQ(v, i);
                                       throw from_handler{};
                                     })),
                 from_handler);
    EXPECT_THROW(dh::select(dh::recv(other, throws), dh::otherwise, dh::recv(room, throws)),
                 from_handler);
    std::vector<dh::select_case> cases;
    full.send(i);
    cases.emplace_back(dh::recv(other));
    cases.emplace_back(dh::recv(full, throws));
    EXPECT_THROW(dh::select(cases), from_handler);
  }
  // From another thread: nothing is locked.
  crew c{place::threads};
  c.start([&] {
    for (const auto& ch : {full, room, other}) {
      EXPECT_EQ(ch.size(), 0);
      EXPECT_TRUE(ch.try_send(1));
      EXPECT_EQ(ch.recv(), 1);
    }
  });
}

TEST(SEL_073, also_after_the_select_has_waited_and_with_values_of_losers) {
  for (const place where : all_places) {
    auto in = dh::make_chan<int>();
    auto out = dh::make_chan<std::unique_ptr<int>>();
    crew c{where};
    bool caught = false;
    c.start([&] {
      auto mine = std::make_unique<int>(5);
      try {
        dh::select(dh::send(out, std::move(mine)), dh::recv(in, [] { throw from_handler{}; }));
      } catch (const from_handler&) {
        caught = mine != nullptr && *mine == 5;
      }
    });
    c.wait_until_parked(0, wait_reason::select);
    in.send(1);
    c.join();
    EXPECT_TRUE(caught);
    EXPECT_FALSE(in.try_send(2) || out.try_recv());
  }
}

TEST(SEL_073, and_a_body_may_use_its_channels) {
  auto ch = dh::make_chan<int>(1);
  ch.send(1);
  const int fired = dh::select(dh::recv(ch, [&] {
    ch.send(2);
    EXPECT_EQ(dh::select(dh::recv(ch), dh::otherwise), 0);
    ch.close();
    EXPECT_EQ(ch.recv(), std::nullopt);
  }));
  EXPECT_EQ(fired, 0);
}

}  // namespace
