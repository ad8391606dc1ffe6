// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// SEL-040 to SEL-044: one channel in several cases, and leaving queues.

#include <gmock/gmock.h>

#include <array>
#include <atomic>
#include <optional>
#include <vector>

#include "conformance/chan/forms.hpp"
#include "downhaul/chan.hpp"
#include "downhaul/runtime.hpp"
#include "downhaul/select.hpp"
#include "support/crew.hpp"

namespace dh = downhaul;
using downhaul::impl::wait_reason;
using downhaul_test::all_places;
using downhaul_test::crew;
using downhaul_test::place;
using downhaul_test::rounds;
using downhaul_test::waits_for_ever;

namespace {

TEST(SEL_040, a_select_does_not_talk_to_itself) {
  const auto send_first = [] {
    auto ch = dh::make_chan<int>();
    dh::select(dh::send(ch, 1), dh::recv(ch));
  };
  const auto recv_first = [] {
    auto ch = dh::make_chan<int>();
    dh::select(dh::recv(ch), dh::send(ch, 1), dh::recv(ch), dh::send(ch, 2));
  };
  EXPECT_DEATH(dh::run(send_first), waits_for_ever("select"));
  EXPECT_DEATH(dh::run(recv_first), waits_for_ever("select"));
  auto ch = dh::make_chan<int>();
  EXPECT_EQ(dh::select(dh::send(ch, 1), dh::recv(ch), dh::otherwise), 2);
  EXPECT_EQ(dh::select(dh::otherwise, dh::recv(ch), dh::send(ch, 1)), 0);
}

// Each meeting is one round of both, so that both end together.
TEST(SEL_041, two_that_do_so_against_each_other_never_get_their_own) {
  for (const place where : all_places) {
    for (const std::ptrdiff_t capacity : {0, 10}) {
      auto ch = dh::make_chan<int>(capacity);
      std::atomic<int> own{0};
      std::atomic<int> received{0};
      std::atomic<int> sent{0};
      {
        crew c{where};
        for (int me = 0; me < 2; ++me) {
          c.start([&, me] {
            for (int i = 0; i < 1000; ++i) {
              std::optional<int> v;
              if (me == 0 || i % 2 == 0) {
                dh::select(dh::send(ch, me), dh::recv(ch, v));
              } else {
                dh::select(dh::recv(ch, v), dh::send(ch, me));
              }
              ++(v ? received : sent);
              if (v == me) ++own;
            }
          });
        }
      }
      EXPECT_EQ(sent + received, 2000);
      EXPECT_EQ(sent - received, ch.size());
      if (capacity == 0) {
        EXPECT_EQ(own, 0) << where;
      }
    }
  }
}

TEST(SEL_042, both_registrations_go_when_another_case_wins) {
  for (const place where : all_places) {
    for (const bool sends : {false, true}) {
      auto twice = dh::make_chan<int>();
      auto once = dh::make_chan<int>();
      crew c{where};
      c.start([&] {
        const int fired = sends ? dh::select(dh::send(twice, 1), dh::recv(once), dh::send(twice, 2))
                                : dh::select(dh::recv(twice), dh::recv(once), dh::recv(twice));
        EXPECT_EQ(fired, 1);
      });
      c.wait_until_parked(0, wait_reason::select);
      once.send(0);
      c.join();
      EXPECT_FALSE(twice.try_send(9));
      EXPECT_FALSE(twice.try_recv());
    }
  }
}

TEST(SEL_042, and_the_others_of_that_channel_still_work) {
  for (const place where : all_places) {
    for (const bool sends : {false, true}) {
      for (int i = 0; i < rounds(30); ++i) {
        auto twice = dh::make_chan<int>();
        auto once = dh::make_chan<int>();
        std::array<std::optional<int>, 2> around;  // one in front, one behind
        crew c{where};
        const auto other = [&](std::size_t k) {
          if (sends) {
            twice.send(5 + static_cast<int>(k));
            around[k] = 5 + static_cast<int>(k);
          } else {
            around[k] = twice.recv();
          }
        };
        const auto parked = sends ? wait_reason::chan_send : wait_reason::chan_receive;
        c.start([&] { other(0); });
        c.wait_until_parked(0, parked);
        c.start([&] {
          if (sends) {
            dh::select(dh::send(twice, 1), dh::send(twice, 2), dh::recv(once));
          } else {
            dh::select(dh::recv(twice), dh::recv(twice), dh::recv(once));
          }
        });
        c.wait_until_parked(1, wait_reason::select);
        c.start([&] { other(1); });
        c.wait_until_parked(2, parked);
        once.send(0);
        for (int k = 0; k < 2; ++k) {
          if (sends) {
            EXPECT_EQ(twice.try_recv(), 5 + k);
          } else {
            EXPECT_TRUE(twice.try_send(5 + k));
          }
        }
        c.join();
        ASSERT_EQ(around[0], 5);
        ASSERT_EQ(around[1], 6);
        ASSERT_FALSE(twice.try_send(1) || twice.try_recv());
      }
    }
  }
}

TEST(SEL_042, one_that_wins_by_one_registration_leaves_the_other) {
  for (const place where : all_places) {
    auto twice = dh::make_chan<int>();
    auto other = dh::make_chan<int>();
    std::optional<int> got;
    crew c{where};
    c.start([&] { dh::select(dh::recv(twice, got), dh::recv(other), dh::recv(twice, got)); });
    c.wait_until_parked(0, wait_reason::select);
    EXPECT_TRUE(twice.try_send(4));
    EXPECT_FALSE(twice.try_send(5)) << "the other registration is no receiver";
    c.join();
    EXPECT_EQ(got, 4);
    EXPECT_FALSE(twice.try_send(6));
  }
}

TEST(SEL_043, a_select_leaves_the_middle_of_a_queue) {
  for (const place where : all_places) {
    for (std::size_t position = 0; position < 4; ++position) {
      auto c1 = dh::make_chan<int>();
      auto c2 = dh::make_chan<int>();
      std::array<std::optional<int>, 4> got;
      crew c{where};
      for (std::size_t i = 0; i < 4; ++i) {
        if (i == position) {
          c.start([&, i] { EXPECT_EQ(dh::select(dh::recv(c1), dh::recv(c2, got[i])), 1); });
          c.wait_until_parked(i, wait_reason::select);
        } else {
          c.start([&, i] { got[i] = c1.recv(); });
          c.wait_until_parked(i, wait_reason::chan_receive);
        }
      }
      c2.send(-1);
      const auto later = c.start([&] { EXPECT_EQ(c1.recv(), 3); });
      c.wait_until_parked(later, wait_reason::chan_receive);
      for (int v = 0; v < 4; ++v) EXPECT_TRUE(c1.try_send(v));
      EXPECT_FALSE(c1.try_send(4));
      c.join();
      int next = 0;
      for (std::size_t i = 0; i < 4; ++i) {
        EXPECT_EQ(got[i], i == position ? -1 : next++);
      }
    }
  }
}

// The lock does not nest: to take it twice would hang.
TEST(SEL_044, the_lock_of_a_channel_is_taken_once_however_often_it_is_listed) {
  for (const place where : all_places) {
    auto ch = dh::make_chan<int>();
    auto other = dh::make_chan<int>();
    EXPECT_EQ(dh::select(dh::recv(ch), dh::recv(other), dh::recv(ch), dh::send(other, 1),
                         dh::recv(ch), dh::recv(other), dh::otherwise),
              6);
    std::optional<int> got;
    crew c{where};
    c.start([&] {
      dh::select(dh::recv(ch, got), dh::recv(other), dh::recv(ch, got), dh::send(other, 1),
                 dh::recv(ch, got), dh::recv(other), dh::recv(ch, got));
    });
    c.wait_until_parked(0, wait_reason::select);
    ch.send(3);
    c.join();
    EXPECT_EQ(got, 3);
    EXPECT_FALSE(other.try_send(1) || other.try_recv());

    std::vector<dh::select_case> cases;
    for (int i = 0; i < 100; ++i) cases.emplace_back(dh::recv(i % 3 == 0 ? other : ch, got));
    const auto listing = c.start([&] { EXPECT_EQ(dh::select(cases) % 3, 0); });
    c.wait_until_parked(listing, wait_reason::select);
    other.send(4);
    c.join();
    EXPECT_EQ(got, 4);
    EXPECT_FALSE(ch.try_send(1));
  }
}

}  // namespace
