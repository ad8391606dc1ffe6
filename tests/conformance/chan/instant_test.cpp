// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// CHAN-090 to CHAN-092: operations that do not wait, and lengths, tell of one instant.

#include <gmock/gmock.h>

#include <atomic>
#include <optional>
#include <system_error>
#include <thread>
#include <utility>

#include "conformance/chan/forms.hpp"
#include "conformance/chan/race.hpp"
#include "downhaul/chan.hpp"
#include "support/channel_lock.hpp"
#include "support/crew.hpp"

namespace dh = downhaul;
using downhaul_test::all_forms;
using downhaul_test::all_places;
using downhaul_test::crew;
using downhaul_test::form;
using downhaul_test::give_way;
using downhaul_test::place;
using downhaul_test::race;
using downhaul_test::rounds;

namespace {

constexpr int rounds_for(place where) { return rounds(where == place::goroutines ? 10'000 : 2000); }

TEST(CHAN_090, a_channel_that_is_full_or_closed_is_never_reported_empty) {
  for (const place where : all_places) {
    for (const form how : all_forms) {
      std::atomic<int> empty{0};
      race(
          where, rounds_for(where),
          [] {
            auto ch = dh::make_chan<int>(1);
            ch.send(1);
            return ch;
          },
          [](const dh::chan<int>& ch) {
            ch.close();
            static_cast<void>(ch.recv());
          },
          [&](const dh::chan<int>& ch) {
            if (!downhaul_test::try_recv_by(how, ch).possible) ++empty;
          });
      EXPECT_EQ(empty, 0) << where << ", " << how;
    }
  }
}

TEST(CHAN_090, nor_is_one_that_never_loses_its_last_value) {
  for (const place where : all_places) {
    std::atomic<int> empty{0};
    race(
        where, rounds_for(where),
        [] {
          auto ch = dh::make_chan<int>(2);
          ch.send(1);
          return ch;
        },
        [](const dh::chan<int>& ch) {
          ch.send(2);                    // first one more,
          static_cast<void>(ch.recv());  // then one less
        },
        [&](const dh::chan<int>& ch) {
          if (!ch.try_recv()) ++empty;
        });
    EXPECT_EQ(empty, 0) << where;
  }
}

/// Whether f(ch) ends although somebody has the channel locked; it hangs if not.
template <class F>
bool gets_by(const dh::chan<int>& ch, F f) {
  const downhaul_test::channel_lock held{ch};
  bool ended = false;
  std::thread other{[&] {
    f(ch);
    ended = true;
  }};
  other.join();
  return ended;
}

TEST(CHAN_091, an_attempt_that_fails_takes_no_lock) {
  const auto empty = dh::make_chan<int>(1);
  const auto full = dh::make_chan<int>(1);
  full.send(1);
  const auto unbuffered = dh::make_chan<int>();
  const auto receive = [](const dh::chan<int>& ch) { EXPECT_FALSE(ch.try_recv()); };
  const auto send = [](const dh::chan<int>& ch) { EXPECT_FALSE(ch.try_send(2)); };
  EXPECT_TRUE(gets_by(empty, receive));
  EXPECT_TRUE(gets_by(full, send));
  EXPECT_TRUE(gets_by(unbuffered, receive));
  EXPECT_TRUE(gets_by(unbuffered, send));
}

// There is a place at every instant, though never the same number of them.
TEST(CHAN_091, a_send_that_fails_has_seen_a_full_channel) {
  for (const place where : all_places) {
    std::atomic<int> full{0};
    race(
        where, rounds_for(where),
        [] {
          auto ch = dh::make_chan<int>(2);
          ch.send(1);
          return ch;
        },
        [](const dh::chan<int>& ch) {
          static_cast<void>(ch.recv());
          ch.send(2);
        },
        [&](const dh::chan<int>& ch) {
          if (!ch.try_send(3)) {
            ++full;
          } else {
            // Room for the other's send, if it has not been yet.
            static_cast<void>(ch.recv());
          }
        });
    EXPECT_EQ(full, 0) << where;
  }
}

// What was done before the call, by whomever, is seen by it.
TEST(CHAN_091, an_attempt_is_no_older_than_its_call) {
  for (const place where : all_places) {
    auto ch = dh::make_chan<int>(1);
    auto told = dh::make_chan<void>();
    auto go_on = dh::make_chan<void>();
    crew c{where};
    const int n = rounds(500);
    c.start([&] {
      for (int i = 0; i < n; ++i) {
        if (i % 2 == 0) {
          ch.send(i);
        } else {
          static_cast<void>(ch.recv());
        }
        told.send();
        go_on.recv();
      }
    });
    for (int i = 0; i < n; ++i) {
      told.recv();
      const bool place = ch.try_send(-1);
      ASSERT_EQ(place, i % 2 == 1);
      if (place) {
        ASSERT_EQ(ch.try_recv(), -1);
      }
      go_on.send();
    }
  }
}

TEST(CHAN_092, length_and_capacity_may_be_asked_whatever_goes_on) {
  static_assert(noexcept(std::declval<const dh::chan<int>&>().size()));
  static_assert(noexcept(std::declval<const dh::chan<int>&>().capacity()));
  for (const place where : all_places) {
    for (const int capacity : {0, 1, 3}) {
      auto ch = dh::make_chan<int>(capacity);
      std::atomic<bool> stop{false};
      std::atomic<int> wrong{0};
      crew c{where};
      for (int t = 0; t < 2; ++t) {
        c.start([&] {
          while (!stop) {
            const auto n = ch.size();
            if (n < 0 || n > capacity || ch.capacity() != capacity) ++wrong;
            give_way();
          }
        });
      }
      const auto receiver = c.start([&] {
        for ([[maybe_unused]] const int v : ch) {
        }
      });
      static_cast<void>(receiver);
      for (int i = 0; i < rounds(2000); ++i) ch.send(i);
      ch.close();
      give_way();
      stop = true;
      c.join();
      EXPECT_EQ(wrong, 0);
      EXPECT_EQ(ch.size(), 0);
    }
  }
}

}  // namespace
