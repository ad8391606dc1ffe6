// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// SEL-001 to SEL-010: what is ready, and that exactly one case takes effect.

#include <gmock/gmock.h>

#include <array>
#include <atomic>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "conformance/chan/forms.hpp"
#include "conformance/chan/race.hpp"
#include "downhaul/chan.hpp"
#include "downhaul/go.hpp"
#include "downhaul/runtime.hpp"
#include "downhaul/select.hpp"
#include "support/crew.hpp"
#include "support/test_runtime.hpp"

namespace dh = downhaul;
using downhaul::impl::wait_reason;
using downhaul_test::all_places;
using downhaul_test::crew;
using downhaul_test::misuse_of;
using downhaul_test::place;
using downhaul_test::rounds;
using downhaul_test::test_runtime;
using downhaul_test::waits_for_ever;

namespace {

dh::chan<int> holding(int v) {
  auto ch = dh::make_chan<int>(1);
  ch.send(v);
  return ch;
}
dh::chan<int> closed() {
  auto ch = dh::make_chan<int>();
  ch.close();
  return ch;
}

TEST(SEL_001, without_cases_it_waits_for_ever) {
  EXPECT_DEATH(dh::run([] { dh::select(); }), waits_for_ever("select (no cases)"));
}

TEST(SEL_002, otherwise_alone_runs) {
  EXPECT_EQ(dh::select(dh::otherwise), 0);
  test_runtime rt{1};
  EXPECT_EQ(rt.run([] { return dh::select(dh::otherwise); }), 0);
}

TEST(SEL_003, nil_channels_alone_wait_for_ever) {
  const auto receives = [] { dh::select(dh::recv(dh::chan<int>{}), dh::recv(dh::chan<void>{})); };
  const auto sends = [] { dh::select(dh::send(dh::chan<int>{}, 1)); };
  const auto both = [] {
    const dh::chan<int> nil;
    dh::select(dh::recv(nil), dh::send(nil, 1), dh::send(dh::chan<void>{}));
  };
  EXPECT_DEATH(dh::run(receives), waits_for_ever("select"));
  EXPECT_DEATH(dh::run(sends), waits_for_ever("select"));
  EXPECT_DEATH(dh::run(both), waits_for_ever("select"));
}

TEST(SEL_004, nil_cases_are_ignored) {
  const dh::chan<int> nil;
  EXPECT_EQ(dh::select(dh::recv(nil), dh::send(nil, 1), dh::otherwise), 2);
  EXPECT_EQ(dh::select(dh::otherwise, dh::recv(nil)), 0);
  EXPECT_EQ(dh::select(dh::recv(nil), dh::otherwise, dh::send(nil, 1)), 1);
  for (int i = 0; i < 100; ++i) {
    auto ready = holding(3);
    std::optional<int> got;
    ASSERT_EQ(dh::select(dh::recv(nil), dh::recv(ready, got), dh::send(nil, 1)), 1);
    ASSERT_EQ(got, 3);
    ASSERT_EQ(dh::select(dh::recv(nil), dh::send(ready, 1), dh::otherwise), 1);
  }
}

TEST(SEL_005, otherwise_never_runs_when_something_is_ready) {
  const auto never = dh::make_chan<int>();
  for (int i = 0; i < 200; ++i) {
    auto full = holding(1);
    auto empty = dh::make_chan<int>(1);
    auto shut = closed();
    ASSERT_EQ(dh::select(dh::otherwise, dh::recv(full)), 1);
    ASSERT_EQ(dh::select(dh::otherwise, dh::recv(never), dh::send(empty, 1)), 2);
    ASSERT_EQ(dh::select(dh::recv(shut), dh::otherwise, dh::recv(never)), 0);
    // Nor does anything wait: there is no otherwise to save these.
    ASSERT_EQ(dh::select(dh::recv(never), dh::recv(empty)), 1);
    ASSERT_EQ(dh::select(dh::send(never, 1), dh::send(full, 1)), 1);
  }
}

TEST(SEL_005, nor_when_a_partner_is_parked) {
  for (const place where : all_places) {
    auto ch = dh::make_chan<int>();
    crew c{where};
    c.start([ch] { ch.send(1); });
    c.wait_until_parked(0, wait_reason::chan_send);
    EXPECT_EQ(dh::select(dh::otherwise, dh::recv(ch)), 1);
    const auto receiver = c.start([ch] { EXPECT_EQ(ch.recv(), 2); });
    c.wait_until_parked(receiver, wait_reason::chan_receive);
    EXPECT_EQ(dh::select(dh::otherwise, dh::send(ch, 2)), 1);
  }
}

struct two_channels {
  dh::chan<int> first;
  dh::chan<int> second;
};

/// The first channel is ready; the second becomes so before the first ceases to be. A select that
/// does not wait must find one of them, in each of n rounds. Returns how often it did not.
template <class Second>
int rounds_with_otherwise(place where, int n, Second becomes_ready) {
  std::atomic<int> misses{0};
  int round = 0;
  downhaul_test::race(
      where, n,
      [] {
        const two_channels both{dh::make_chan<int>(1), dh::make_chan<int>(1)};
        both.first.send(1);
        return both;
      },
      [&](const two_channels& x) {
        becomes_ready(x.second);
        dh::select(dh::recv(x.first), dh::otherwise);
      },
      [&](const two_channels& x) {
        // In either order of the cases.
        const bool missed =
            ++round % 2 == 0
                ? dh::select(dh::recv(x.first), dh::recv(x.second), dh::otherwise) == 2
                : dh::select(dh::otherwise, dh::recv(x.second), dh::recv(x.first)) == 0;
        if (missed) ++misses;
      });
  return misses;
}

constexpr int rounds_for(place where) {
  return rounds(where == place::goroutines ? 100'000 : 2000);
}

TEST(SEL_006, otherwise_runs_only_if_nothing_was_ready_at_one_instant_beside_a_send) {
  for (const place where : all_places) {
    EXPECT_EQ(rounds_with_otherwise(where, rounds_for(where),
                                    [](const dh::chan<int>& ch) { ch.send(1); }),
              0)
        << where;
  }
}

TEST(SEL_006, otherwise_runs_only_if_nothing_was_ready_at_one_instant_beside_a_close) {
  for (const place where : all_places) {
    EXPECT_EQ(rounds_with_otherwise(where, rounds_for(where),
                                    [](const dh::chan<int>& ch) { ch.close(); }),
              0)
        << where;
  }
}

TEST(SEL_007, a_receive_from_a_closed_channel_is_ready) {
  const auto shut = closed();
  const auto never = dh::make_chan<int>();
  for (int i = 0; i < 50; ++i) {
    std::optional<int> got = 5;
    EXPECT_EQ(dh::select(dh::recv(shut, got)), 0);
    EXPECT_EQ(got, std::nullopt);
    EXPECT_EQ(dh::select(dh::recv(never), dh::recv(shut)), 1);
    EXPECT_EQ(dh::select(dh::recv(shut), dh::otherwise), 0);
    auto named = dh::recv(shut);
    EXPECT_EQ(dh::select(named, dh::recv(never)), 0);
    EXPECT_TRUE(named.fired() && !named.value());
  }
  auto signals = dh::make_chan<void>();
  signals.close();
  bool ok = true;
  EXPECT_EQ(dh::select(dh::recv(signals, ok), dh::otherwise), 0);
  EXPECT_FALSE(ok);
}

TEST(SEL_008, a_send_to_a_closed_channel_is_ready_and_throws_if_picked) {
  const auto shut = closed();
  const auto never = dh::make_chan<int>();
  constexpr const char* text = "send on closed channel";
  EXPECT_EQ(misuse_of([&] { dh::select(dh::send(shut, 1)); }), text);
  EXPECT_EQ(misuse_of([&] { dh::select(dh::recv(never), dh::send(shut, 1)); }), text);
  EXPECT_EQ(misuse_of([&] { dh::select(dh::send(shut, 1), dh::otherwise); }), text)
      << "rather than fall to otherwise";
  EXPECT_EQ(misuse_of([&] { dh::select(dh::otherwise, dh::recv(never), dh::send(shut, 1)); }),
            text);
}

// One of four ready cases: a quarter of the picks, give or take 10 sigma.
TEST(SEL_008, and_is_picked_with_its_share_of_probability) {
  constexpr int picks = 4000;
  for (const bool with_otherwise : {false, true}) {
    const auto shut = closed();
    int thrown = 0;
    for (int i = 0; i < picks; ++i) {
      const auto a = holding(1);
      const auto b = holding(2);
      const auto room = dh::make_chan<int>(1);
      int fired = -1;
      const auto text = misuse_of([&] {
        fired = with_otherwise
                    ? dh::select(dh::recv(a), dh::send(shut, 1), dh::recv(b), dh::send(room, 3),
                                 dh::otherwise)
                    : dh::select(dh::recv(a), dh::send(shut, 1), dh::recv(b), dh::send(room, 3));
      });
      const auto moved = (a.size() == 0 ? 1 : 0) + (b.size() == 0 ? 1 : 0) + room.size();
      if (text == "send on closed channel") {
        ++thrown;
        ASSERT_EQ(moved, 0) << "nothing else took effect";
      } else {
        ASSERT_TRUE(fired == 0 || fired == 2 || fired == 3);
        ASSERT_EQ(moved, 1);
      }
    }
    EXPECT_NEAR(thrown, picks / 4, 274);  // sigma is 27.4
  }
}

TEST(SEL_009, a_parked_select_wakes_when_any_case_becomes_possible) {
  for (const place where : all_places) {
    for (int event = 0; event < 5; ++event) {
      SCOPED_TRACE(testing::Message() << where << ", event " << event);
      auto in = dh::make_chan<int>();
      auto buffered_in = dh::make_chan<int>(1);
      auto out = dh::make_chan<int>();
      auto full = holding(0);
      auto stop = dh::make_chan<void>();
      int fired = -1;
      std::optional<int> got;
      crew c{where};
      c.start([&] {
        fired = dh::select(dh::recv(in, got), dh::recv(buffered_in, got), dh::send(out, 8),
                           dh::send(full, 9), dh::recv(stop));
      });
      c.wait_until_parked(0, wait_reason::select);
      switch (event) {
        case 0: in.send(4); break;
        case 1: buffered_in.send(5); break;
        case 2: EXPECT_EQ(out.recv(), 8); break;
        case 3: EXPECT_EQ(full.recv(), 0); break;
        default: stop.close();
      }
      c.join();
      EXPECT_EQ(fired, event);
      if (event < 2) {
        EXPECT_EQ(got, event + 4);
      }
      if (event == 3) {
        EXPECT_EQ(full.recv(), 9);
      }
      // It waits nowhere any more.
      EXPECT_FALSE(in.try_send(1));
      EXPECT_FALSE(out.try_recv());
    }
  }
}

// With one worker the select cannot run before all has become possible.
TEST(SEL_009, of_several_that_become_possible_at_once_one_fires) {
  test_runtime rt{1};
  auto a = dh::make_chan<int>();
  auto b = dh::make_chan<int>(1);
  auto out = dh::make_chan<int>();
  int fired = -1;
  rt.go([&] { fired = dh::select(dh::recv(b), dh::recv(a), dh::send(out, 1)); });
  rt.run_until_parked();
  rt.run([&] {
    EXPECT_TRUE(a.try_send(1));
    EXPECT_FALSE(a.try_send(2));
    EXPECT_TRUE(b.try_send(3)) << "into its place";
    EXPECT_FALSE(out.try_recv());
  });
  rt.run_until_parked();
  EXPECT_EQ(fired, 1);
  EXPECT_EQ(b.size(), 1);
}

TEST(SEL_010, one_sending_select_over_four_channels_sends_each_value_once) {
  const int n = rounds(100'000);
  std::array<dh::chan<int>, 4> channels;
  for (auto& ch : channels) ch = dh::make_chan<int>();
  auto out = dh::make_chan<int>();
  crew c{place::goroutines};
  c.start([&] {
    for (int i = 0; i < n; ++i) {
      dh::select(dh::send(channels[0], i), dh::send(channels[1], i), dh::send(channels[2], i),
                 dh::send(channels[3], i));
    }
    for (auto& ch : channels) ch.close();
  });
  std::atomic<int> open{4};
  std::array<int, 4> through{};
  for (std::size_t k = 0; k < 4; ++k) {
    c.start([&, k] {
      for (const int v : channels[k]) {
        ++through[k];
        out.send(v);
      }
      if (--open == 0) out.close();
    });
  }
  std::vector<int> seen(static_cast<std::size_t>(n));
  for (const int v : out) ++seen[static_cast<std::size_t>(v)];
  c.join();
  for (const int times : seen) ASSERT_EQ(times, 1);
  EXPECT_EQ(through[0] + through[1] + through[2] + through[3], n);
  for (const int some : through) EXPECT_GT(some, 0);
}

}  // namespace
