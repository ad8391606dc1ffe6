// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// ORACLE: for each race what must hold whoever is faster, written above it; looked at after each round,
// and by the race detector, since what is ordered is also written without any lock.
//
// Like races_stress_test.cpp: channels and select.

#include <gmock/gmock.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "downhaul/downhaul.hpp"
#include "stress/races.hpp"

namespace dh = downhaul;
using downhaul_test::stress_races;
using downhaul_test::together;

namespace {

// --- channels ---------------------------------------------------------------------------------------

// The oldest buffered value comes first and the oldest sender's takes its place, whoever comes in between.
TEST_P(stress_races, CHAN_043_081_nobody_overtakes) {
  race([](int) {
    const auto ch = dh::make_chan<int>(2);
    ch.send(0);
    ch.send(1);
    std::vector<int> got;
    together(
        [&] {
          for (int v = 2; v < 6; ++v) ch.send(v);
        },
        [&] {
          for (int i = 0; i < 10; ++i) ch.try_send(100 + i);  // would like to be first
        },
        [&] {
          while (got.size() < 6) {
            const int v = ch.recv().value();
            if (v < 100) got.push_back(v);
          }
        });
    EXPECT_EQ(got, (std::vector{0, 1, 2, 3, 4, 5}));
  });
}

// Two receivers share what one sender sends: each sees ascending values, together they see all.
TEST_P(stress_races, CHAN_081_values_are_handed_over_in_order) {
  race([](int) {
    const auto ch = dh::make_chan<int>();
    std::array<std::vector<int>, 2> got;
    const auto receive = [&ch](std::vector<int>& mine) {
      for (const int v : ch) mine.push_back(v);
    };
    together([&] { receive(got[0]); }, [&] { receive(got[1]); },
             [&] {
               for (int v = 0; v < 6; ++v) ch.send(v);
               ch.close();
             });
    EXPECT_EQ(got[0].size() + got[1].size(), 6u);
    for (const auto& mine : got) EXPECT_TRUE(std::ranges::is_sorted(mine));
  });
}

// The channel is never empty and open: an attempt that begins and ends anywhere never finds it so.
TEST_P(stress_races, CHAN_090_an_attempt_reports_an_instant) {
  race([](int) {
    const auto ch = dh::make_chan<int>(1);
    ch.send(1);
    together(
        [&] {
          std::error_code ec;
          ch.try_recv(ec);
          EXPECT_FALSE(ec) << "empty, though it was full or closed at every instant";
        },
        [&] {
          ch.close();
          ch.try_recv();
        });
  });
}

// A move that throws concerns who moves: the other side goes on, nothing is doubled, nobody is locked out.
struct moody {
  int id;
  bool throws;
  explicit moody(int i, bool t = false) : id{i}, throws{t} {}
  moody(moody&& other) : id{other.id}, throws{other.throws} {
    if (std::exchange(other.throws, false)) throw std::runtime_error{"no"};
  }
  moody& operator=(moody&&) = default;
};
TEST_P(stress_races, CHAN_110_a_throwing_move_leaves_the_channel_whole) {
  race([](int i) {
    const auto ch = dh::make_chan<moody>(i % 2);
    std::vector<int> got;
    int refused = 0;
    together(
        [&] {
          for (int v = 0; v < 4; ++v) {
            try {
              ch.send(moody{v, v % 2 == 1});
            } catch (const std::runtime_error&) {
              ++refused;
            }
          }
          ch.close();
        },
        [&] {
          while (const auto e = ch.recv()) got.push_back(e->id);
        });
    EXPECT_EQ(refused, 2);
    EXPECT_EQ(got, (std::vector{0, 2}));
  });
}

// --- select -----------------------------------------------------------------------------------------

// One channel is ready; the other becomes so before the first ceases to be.
TEST_P(stress_races, SEL_006_otherwise_is_never_taken_while_something_is_ready) {
  race([](int i) {
    const auto first = dh::make_chan<int>(1);
    const auto second = dh::make_chan<int>(1);
    first.send(1);
    together([&] { EXPECT_NE(dh::select(dh::recv(first), dh::recv(second), dh::otherwise), 2); },
             [&] {
               if (i % 2 == 0) {
                 second.send(1);
               } else {
                 second.close();
               }
               dh::select(dh::recv(first), dh::otherwise);
             });
  });
}

// A send in a select whose channel is being closed is done or throws; the value is received once or kept.
TEST_P(stress_races, SEL_008_a_send_against_a_close_is_done_or_throws) {
  race([](int i) {
    const auto ch = dh::make_chan<std::string>(i % 2);
    const auto never = dh::make_chan<int>();
    int sent = 0;
    int threw = 0;
    std::vector<std::string> got;
    together(
        [&] {
          try {
            dh::select(dh::send(ch, std::string{"value"}), dh::recv(never));
            ++sent;
          } catch (const dh::misuse&) {
            ++threw;
          }
        },
        [&] { ch.close(); },
        [&] {
          while (auto v = ch.recv()) got.push_back(std::move(*v));
        });
    EXPECT_EQ(sent + threw, 1);
    EXPECT_EQ(static_cast<int>(got.size()), sent);
  });
}

// Both nodes of a channel listed twice go with the select that was woken elsewhere, or by either of them.
TEST_P(stress_races, SEL_042_a_channel_listed_twice_is_left_twice) {
  race([](int) {
    const auto twice = dh::make_chan<int>();
    const auto other = dh::make_chan<int>();
    std::atomic<int> got{0};
    int selected = -1;
    together([&] { selected = dh::select(dh::recv(twice), dh::recv(other), dh::recv(twice)); },
             [&] { got += twice.recv().value(); },
             [&] {
               // The first goes to one of the two; the other one is left for the second.
               twice.send(1);
               dh::select(dh::send(twice, 1), dh::send(other, 1));
             });
    EXPECT_EQ(got, 1);
    EXPECT_GE(selected, 0);
    EXPECT_FALSE(twice.try_send(1));
    EXPECT_FALSE(other.try_send(1));
  });
}

}  // namespace
