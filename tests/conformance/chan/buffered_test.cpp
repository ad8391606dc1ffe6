// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// CHAN-040 to CHAN-046: channels with places.

#include <gmock/gmock.h>

#include <array>
#include <atomic>
#include <deque>
#include <memory>
#include <optional>
#include <random>
#include <vector>

#include "conformance/chan/forms.hpp"
#include "downhaul/chan.hpp"
#include "downhaul/go.hpp"
#include "downhaul/select.hpp"
#include "support/crew.hpp"
#include "support/parked.hpp"
#include "support/seed.hpp"
#include "support/test_runtime.hpp"

namespace dh = downhaul;
using downhaul::impl::wait_reason;
using downhaul_test::all_forms;
using downhaul_test::all_places;
using downhaul_test::crew;
using downhaul_test::form;
using downhaul_test::parked_recv;
using downhaul_test::parked_send;
using downhaul_test::place;
using downhaul_test::rounds;

namespace {

TEST(CHAN_040, n_sends_do_not_wait_and_the_next_one_does) {
  for (const place where : all_places) {
    for (const form how : all_forms) {
      for (const int n : {1, 2, 5}) {
        SCOPED_TRACE(testing::Message() << where << ", " << how << ", capacity " << n);
        auto ch = dh::make_chan<int>(n);
        for (int i = 0; i < n; ++i) downhaul_test::send_by(how, ch, i);  // would hang
        std::atomic<bool> sent{false};
        crew c{where};
        c.start([&] {
          downhaul_test::send_by(how, ch, n);
          sent = true;
        });
        c.wait_until_parked(0, parked_send(how));
        EXPECT_FALSE(sent);
        EXPECT_EQ(ch.recv(), 0);
        c.join();
        EXPECT_TRUE(sent);
        EXPECT_EQ(ch.size(), n);
      }
    }
  }
}

TEST(CHAN_040, a_receive_waits_while_nothing_is_queued) {
  for (const place where : all_places) {
    for (const form how : all_forms) {
      auto ch = dh::make_chan<int>(3);
      std::optional<int> got;
      crew c{where};
      c.start([&] { got = downhaul_test::recv_by(how, ch); });
      c.wait_until_parked(0, parked_recv(how));
      ch.send(4);
      c.join();
      EXPECT_EQ(got, 4);
    }
  }
}

TEST(CHAN_041, values_come_out_in_the_order_sent) {
  for (const std::ptrdiff_t capacity : {1, 2, 10, 100}) {
    auto ch = dh::make_chan<int>(capacity);
    crew c{place::goroutines};
    c.start([ch] {
      for (int i = 0; i < 100; ++i) ch.send(i);
    });
    for (int i = 0; i < 100; ++i) ASSERT_EQ(ch.recv(), i) << "capacity " << capacity;
  }
}

// By one hand, which fills and empties the places to every degree, so that the ring goes round.
TEST(CHAN_041, whatever_is_queued_when) {
  std::mt19937_64 random{downhaul_test::seed()};
  for (const std::ptrdiff_t capacity : {1, 2, 3, 7, 10}) {
    auto ch = dh::make_chan<int>(capacity);
    int next_in = 0;
    int next_out = 0;
    for (int i = 0; i < 2000; ++i) {
      if (random() % 2 == 0) {
        const bool place = next_in - next_out < capacity;
        ASSERT_EQ(ch.try_send(next_in), place);
        if (place) ++next_in;
      } else if (next_in == next_out) {
        ASSERT_FALSE(ch.try_recv());
      } else {
        ASSERT_EQ(ch.try_recv(), next_out++);
      }
      ASSERT_EQ(ch.size(), next_in - next_out);
    }
  }
}

TEST(CHAN_042, a_value_for_a_parked_receiver_bypasses_the_places) {
  for (const place where : all_places) {
    for (const form sending : all_forms) {
      for (const form receiving : all_forms) {
        auto ch = dh::make_chan<int>(5);
        std::array<std::optional<int>, 2> got;
        crew c{where};
        for (std::size_t i = 0; i < 2; ++i) {
          c.start([&, i] { got[i] = downhaul_test::recv_by(receiving, ch); });
          c.wait_until_parked(i, parked_recv(receiving));
        }
        for (int i = 0; i < 2; ++i) {
          downhaul_test::send_by(sending, ch, i);
          EXPECT_EQ(ch.size(), 0);
        }
        c.join();
        EXPECT_EQ(got[0], 0);
        EXPECT_EQ(got[1], 1);
        downhaul_test::send_by(sending, ch, 2);
        EXPECT_EQ(ch.size(), 1) << "nobody waits any more";
      }
    }
  }
}

// The ring begins anywhere; plain senders and selects wait in turn.
TEST(CHAN_043, a_receive_takes_the_oldest_and_the_oldest_sender_fills_its_place_at_once) {
  constexpr int waiting = 4;
  for (const place where : all_places) {
    for (const form receiving : all_forms) {
      for (int n = 1; n <= (where == place::goroutines ? 5 : 2); ++n) {
        for (int begin = 0; begin < n; ++begin) {
          SCOPED_TRACE(testing::Message() << where << ", " << receiving << ", capacity " << n
                                          << ", first place " << begin);
          auto ch = dh::make_chan<int>(n);
          for (int i = 0; i < begin; ++i) {
            ch.send(-1);
            static_cast<void>(ch.recv());
          }
          for (int i = 0; i < n; ++i) ch.send(i);
          crew c{where};
          for (std::size_t i = 0; i < waiting; ++i) {
            const form how = all_forms[i % 3];
            c.start([=] { downhaul_test::send_by(how, ch, n + static_cast<int>(i)); });
            c.wait_until_parked(i, parked_send(how));
          }
          for (int i = 0; i < n + waiting; ++i) {
            ASSERT_EQ(downhaul_test::recv_by(receiving, ch), i);
            ASSERT_EQ(ch.size(), i < waiting ? n : n + waiting - 1 - i) << "after value " << i;
          }
          ASSERT_FALSE(ch.try_recv());
        }
      }
    }
  }
}

TEST(CHAN_043, not_even_what_does_not_wait_finds_the_freed_place) {
  auto ch = dh::make_chan<int>(1);
  ch.send(0);
  crew c{place::goroutines};
  c.start([ch] { ch.send(1); });
  c.wait_until_parked(0, wait_reason::chan_send);
  EXPECT_EQ(ch.try_recv(), 0);
  EXPECT_FALSE(ch.try_send(2));
  EXPECT_EQ(ch.try_recv(), 1);
  EXPECT_TRUE(ch.try_send(2));
}

TEST(CHAN_044, four_senders_and_four_receivers_lose_and_double_nothing_at_any_capacity) {
  const int n = rounds(1000);
  for (int capacity = 0; capacity < 200; ++capacity) {
    auto ch = dh::make_chan<int>(capacity);
    std::vector<std::atomic<int>> seen(static_cast<std::size_t>(n));
    crew c{place::goroutines};
    for (int t = 0; t < 4; ++t) {
      c.start([&] {
        for (int i = 0; i < n; ++i) ch.send(i);
      });
      c.start([&] {
        for (int i = 0; i < n; ++i) ++seen[static_cast<std::size_t>(*ch.recv())];
      });
    }
    c.join();
    for (const auto& times : seen) ASSERT_EQ(times, 4) << "capacity " << capacity;
    ASSERT_EQ(ch.size(), 0);
  }
}

struct payload {
  std::vector<char> bytes = std::vector<char>(10 << 20);
};
/// A move leaves it as it was: only its destruction lets go of what it holds.
struct clinging {
  std::shared_ptr<payload> held;
  explicit clinging(std::shared_ptr<payload> p) : held{std::move(p)} {}
  clinging(const clinging&) noexcept = default;
  clinging& operator=(const clinging&) noexcept = default;
};
/// The same, in a box.
struct clinging_and_large : clinging {
  std::array<char, 300> bulk{};
  using clinging::clinging;
};

template <class Element>
void expect_slot_emptied() {
  for (const form how : all_forms) {
    for (int begin = 0; begin < 2; ++begin) {
      auto ch = dh::make_chan<Element>(2);
      for (int i = 0; i < begin; ++i) {
        ch.send(Element{nullptr});
        static_cast<void>(ch.recv());
      }
      auto first = std::make_shared<payload>();
      auto second = std::make_shared<payload>();
      const std::weak_ptr<payload> first_watched = first;
      const std::weak_ptr<payload> second_watched = second;
      ch.send(Element{std::move(first)});
      ch.send(Element{std::move(second)});
      first.reset();
      second.reset();
      EXPECT_FALSE(first_watched.expired());
      if (how == form::plain) {
        static_cast<void>(ch.recv());
      } else {
        downhaul_test::discard_by(how, ch);
      }
      EXPECT_TRUE(first_watched.expired()) << "freed while the channel lives";
      EXPECT_FALSE(second_watched.expired());
      static_cast<void>(ch.try_recv());
      EXPECT_TRUE(second_watched.expired());
      EXPECT_TRUE(ch);
    }
  }
}

TEST(CHAN_045, what_is_received_and_dropped_is_freed_while_the_channel_lives) {
  expect_slot_emptied<std::shared_ptr<payload>>();
  expect_slot_emptied<clinging>();
  expect_slot_emptied<clinging_and_large>();
  static_assert(sizeof(clinging) <= 256 && sizeof(clinging_and_large) > 256, "in place, and boxed");
}

// A value that moved from a parked sender into the freed place, and one that was handed over.
TEST(CHAN_045, nothing_is_left_in_a_sender_either) {
  for (const std::ptrdiff_t capacity : {0, 1}) {
    auto ch = dh::make_chan<clinging>(capacity);
    for (int i = 0; i < capacity; ++i) ch.send(clinging{nullptr});
    auto value = std::make_shared<payload>();
    const std::weak_ptr<payload> watched = value;
    crew c{place::goroutines};
    c.start([ch, e = clinging{std::move(value)}]() mutable {
      auto mine = std::make_unique<clinging>(e);
      e.held.reset();
      ch.send(std::move(*mine));
    });
    c.wait_until_parked(0, wait_reason::chan_send);
    for (int i = 0; i < capacity; ++i) static_cast<void>(ch.recv());
    static_cast<void>(ch.recv());
    c.join();
    EXPECT_TRUE(watched.expired());
  }
}

// Random operations, each a goroutine of its own. When all have come to rest, what waits and what is
// queued must be what the rules allow, and what a model says.
TEST(CHAN_046, queued_values_and_waiting_partners_exclude_each_other) {
  std::mt19937_64 random{downhaul_test::seed()};
  for (const int capacity : {0, 1, 3}) {
    downhaul_test::test_runtime rt{2};
    auto ch = dh::make_chan<int>(capacity);
    const auto idle_senders = [] { return static_cast<int>(downhaul_test::parked("chan send")); };
    const auto idle_receivers = [] {
      return static_cast<int>(downhaul_test::parked("chan receive"));
    };
    int surplus = 0;  // sends less receives
    for (int step = 0; step < rounds(2000); ++step) {
      const bool sends = random() % 2 == 0 ? surplus < 8 : surplus <= -8;
      if (sends) {
        rt.go([ch] { ch.send(1); });
      } else {
        rt.go([ch] { static_cast<void>(ch.recv()); });
      }
      surplus += sends ? 1 : -1;
      rt.run_until_parked();
      const int senders = idle_senders();
      const int receivers = idle_receivers();
      const auto queued = static_cast<int>(ch.size());
      if (queued > 0) {
        ASSERT_EQ(receivers, 0);
      }
      if (queued < capacity) {
        ASSERT_EQ(senders, 0);
      }
      ASSERT_TRUE(senders == 0 || receivers == 0);
      ASSERT_EQ(receivers, std::max(0, -surplus));
      ASSERT_EQ(senders, std::max(0, surplus - capacity));
      ASSERT_EQ(queued, std::clamp(surplus, 0, capacity));
    }
    for (; surplus > 0; --surplus) static_cast<void>(ch.recv());
    for (; surplus < 0; ++surplus) ch.send(1);
  }
}

// The one exception: a select that waits on both sides of a channel without places.
TEST(CHAN_046, except_for_a_select_that_both_sends_and_receives) {
  for (const bool we_send : {true, false}) {
    auto ch = dh::make_chan<int>();
    crew c{place::goroutines};
    std::optional<int> got;
    c.start([&] { dh::select(dh::send(ch, 1), dh::recv(ch, got)); });
    c.wait_until_parked(0, wait_reason::select);
    if (we_send) {
      EXPECT_TRUE(ch.try_send(2));
    } else {
      EXPECT_EQ(ch.try_recv(), 1);
    }
    c.join();
    EXPECT_EQ(got, we_send ? std::optional{2} : std::nullopt);
    EXPECT_FALSE(ch.try_send(3));
    EXPECT_FALSE(ch.try_recv());
  }
}

}  // namespace
