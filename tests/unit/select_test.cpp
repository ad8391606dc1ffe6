// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// select: which case fires, what a case does with its value, and how cases are written.

#include "downhaul/select.hpp"

#include <gmock/gmock.h>

#include <any>
#include <array>
#include <atomic>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "support/crew.hpp"
#include "wait/wait_reason.hpp"

namespace dh = downhaul;
using downhaul::impl::wait_reason;
using downhaul_test::crew;
using downhaul_test::place;
using testing::ElementsAre;

namespace {

class select_from : public testing::TestWithParam<place> {
 protected:
  crew c{GetParam()};
};
INSTANTIATE_TEST_SUITE_P(, select_from, testing::ValuesIn(downhaul_test::all_places),
                         testing::PrintToStringParamName());

template <class T>
dh::chan<T> holding(T value) {
  auto ch = dh::make_chan<T>(1);
  ch.send(std::move(value));
  return ch;
}

// --- readiness ---

TEST(select, with_otherwise_alone_does_not_wait) { EXPECT_EQ(dh::select(dh::otherwise), 0); }

TEST(select, ignores_nil_channels) {
  const dh::chan<int> nil;
  auto ready = holding(3);
  std::optional<int> got;
  EXPECT_EQ(dh::select(dh::recv(nil), dh::send(nil, 1), dh::otherwise), 2);
  EXPECT_EQ(dh::select(dh::recv(nil), dh::send(nil, 1), dh::recv(ready, got)), 2);
  EXPECT_EQ(got, 3);
}

TEST(select, prefers_whatever_is_ready_to_otherwise) {
  auto ready = holding(3);
  EXPECT_EQ(dh::select(dh::otherwise, dh::recv(ready)), 1);
  EXPECT_EQ(dh::select(dh::otherwise, dh::recv(ready)), 0);
  EXPECT_EQ(dh::select(dh::otherwise, dh::send(ready, 1)), 1);
  EXPECT_EQ(dh::select(dh::otherwise, dh::send(ready, 1)), 0);
}

TEST(select, receives_from_a_closed_channel) {
  auto ch = dh::make_chan<int>();
  ch.close();
  std::optional<int> got = 5;
  EXPECT_EQ(dh::select(dh::recv(ch, got)), 0);
  EXPECT_EQ(got, std::nullopt);
  EXPECT_EQ(dh::select(dh::recv(ch), dh::otherwise), 0);
}

TEST(select, throws_for_a_send_on_a_closed_channel_only_when_that_is_picked) {
  auto closed = dh::make_chan<int>();
  closed.close();
  auto ready = dh::make_chan<int>(1);
  int threw = 0;
  int received = 0;
  for (int i = 0; i < 200; ++i) {
    EXPECT_TRUE(ready.try_send(i));
    try {
      EXPECT_EQ(dh::select(dh::send(closed, 1), dh::recv(ready)), 1);
      ++received;
    } catch (const dh::misuse& e) {
      EXPECT_STREQ(e.what(), "send on closed channel");
      ++threw;
      EXPECT_EQ(ready.recv(), i) << "nothing was taken";
    }
  }
  EXPECT_GT(threw, 50);  // 200 fair coins: 7 sigma below 100
  EXPECT_GT(received, 50);
}

TEST_P(select_from, wakes_up_for_a_receive) {
  auto a = dh::make_chan<int>();
  auto b = dh::make_chan<std::string>();
  std::optional<std::string> got;
  int fired = -1;
  c.start([&] { fired = dh::select(dh::recv(a), dh::recv(b, got)); });
  c.wait_until_parked(0, wait_reason::select);
  b.send("b");
  c.join();
  EXPECT_EQ(fired, 1);
  EXPECT_EQ(got, "b");
  EXPECT_FALSE(a.try_send(1)) << "nobody waits there any more";
}

TEST_P(select_from, wakes_up_for_a_send) {
  auto a = dh::make_chan<int>();
  auto full = holding(0);
  int fired = -1;
  c.start([&] { fired = dh::select(dh::send(a, 1), dh::send(full, 2)); });
  c.wait_until_parked(0, wait_reason::select);
  EXPECT_EQ(full.recv(), 0);
  c.join();
  EXPECT_EQ(fired, 1);
  EXPECT_EQ(full.recv(), 2);
  EXPECT_FALSE(a.try_recv());
}

TEST_P(select_from, wakes_up_for_a_close) {
  auto a = dh::make_chan<int>();
  auto b = dh::make_chan<int>();
  std::optional<int> got = 1;
  int fired = -1;
  c.start([&] { fired = dh::select(dh::recv(a), dh::recv(b, got)); });
  c.wait_until_parked(0, wait_reason::select);
  b.close();
  c.join();
  EXPECT_EQ(fired, 1);
  EXPECT_EQ(got, std::nullopt);
}

TEST_P(select_from, waits_in_the_same_line_as_plain_operations) {
  auto ch = dh::make_chan<int>();
  std::vector<int> order(4);
  for (std::size_t i = 0; i < 4; ++i) {
    c.start([&, i] {
      if (i % 2 == 0) {
        order[i] = *ch.recv();
      } else {
        std::optional<int> v;
        dh::select(dh::recv(dh::chan<int>{}), dh::recv(ch, v));
        order[i] = *v;
      }
    });
    c.wait_until_parked(i, i % 2 == 0 ? wait_reason::chan_receive : wait_reason::select);
  }
  for (int i = 0; i < 4; ++i) EXPECT_TRUE(ch.try_send(i));
  c.join();
  EXPECT_THAT(order, ElementsAre(0, 1, 2, 3));
}

// Each of three ways to send against each of three ways to receive.
TEST_P(select_from, passes_the_value_whatever_the_forms_on_both_sides) {
  for (int sender = 0; sender < 3; ++sender) {
    for (int receiver = 0; receiver < 3; ++receiver) {
      for (const bool discard : {false, true}) {
        auto ch = dh::make_chan<int>();
        auto never = dh::make_chan<int>();
        crew both{GetParam()};
        both.start([&] {
          if (sender == 0) ch.send(42);
          if (sender == 1) dh::select(dh::send(ch, 42));
          if (sender == 2) dh::select(dh::recv(never), dh::send(ch, 42));
        });
        std::optional<int> got;
        if (discard) {
          if (receiver == 0) static_cast<void>(ch.recv());
          if (receiver == 1) dh::select(dh::recv(ch));
          if (receiver == 2) dh::select(dh::recv(never), dh::recv(ch));
        } else {
          if (receiver == 0) got = ch.recv();
          if (receiver == 1) dh::select(dh::recv(ch, got));
          if (receiver == 2) dh::select(dh::recv(never), dh::recv(ch, got));
          EXPECT_EQ(got, 42);
        }
      }
    }
  }
}

// --- what a case does with its value ---

TEST(select_case, leaves_the_places_of_losers_alone) {
  auto ready = holding(1);
  auto never = dh::make_chan<int>();
  std::optional<int> won;
  std::optional<int> lost = 7;
  bool lost_flag = true;
  EXPECT_EQ(dh::select(dh::recv(never, lost), dh::recv(ready, won),
                       dh::recv(dh::chan<void>{}, lost_flag)),
            1);
  EXPECT_EQ(won, 1);
  EXPECT_EQ(lost, 7);
  EXPECT_TRUE(lost_flag);
}

TEST(select_case, calls_the_handler_of_the_one_that_fired) {
  auto ready = holding(5);
  auto never = dh::make_chan<int>();
  std::vector<std::string> called;
  const auto none = [&] { called.push_back("none"); };
  dh::select(dh::recv(never, none),
             dh::recv(ready, [&](std::optional<int> v) { called.push_back(std::to_string(*v)); }));
  dh::select(dh::recv(never, none), dh::send(ready, 6, [&] { called.push_back("sent"); }));
  dh::select(dh::recv(never, none), dh::recv(ready, [&] { called.push_back("received"); }));
  auto signals = dh::make_chan<void>(1);
  dh::select(dh::send(signals, [&] { called.push_back("signalled"); }));
  dh::select(dh::recv(signals, [&](bool ok) { called.push_back(ok ? "signal" : "closed"); }));
  signals.close();
  dh::select(dh::recv(signals, [&](bool ok) { called.push_back(ok ? "signal" : "closed"); }));
  EXPECT_THAT(called, ElementsAre("5", "sent", "received", "signalled", "signal", "closed"));
}

TEST(select_case, hands_a_movable_value_to_its_handler) {
  auto ch = holding(std::make_unique<int>(8));
  std::unique_ptr<int> mine;
  dh::select(dh::recv(ch, [&](std::optional<std::unique_ptr<int>> v) { mine = std::move(*v); }));
  EXPECT_EQ(*mine, 8);
}

TEST(select_case, stores_where_it_is_told) {
  auto ch = dh::make_chan<int>(1);
  std::optional<int> variable;
  ch.send(1);
  dh::select(dh::recv(ch, variable));
  std::array<std::optional<int>, 2> elements;
  ch.send(2);
  dh::select(dh::recv(ch, elements[1]));
  auto heap = std::make_unique<std::optional<int>>();
  ch.send(3);
  dh::select(dh::recv(ch, *heap));
  std::any wider;
  ch.send(4);
  dh::select(dh::recv(ch, [&](std::optional<int> v) { wider = *v; }));
  EXPECT_EQ(variable, 1);
  EXPECT_EQ(elements[1], 2);
  EXPECT_EQ(*heap, 3);
  EXPECT_EQ(std::any_cast<int>(wider), 4);
  auto signals = dh::make_chan<void>(1);
  signals.send();
  bool ok = false;
  dh::select(dh::recv(signals, ok));
  EXPECT_TRUE(ok);
}

TEST(select_case, lets_the_handlers_exception_out_and_leaves_the_channels_usable) {
  auto ch = holding(1);
  struct from_handler {};
  EXPECT_THROW(dh::select(dh::recv(ch, [] { throw from_handler{}; }), dh::recv(dh::chan<int>{})),
               from_handler);
  EXPECT_TRUE(ch.try_send(2)) << "the value was taken";
  EXPECT_THROW(
      dh::select(dh::send(holding(1), 2), dh::recv(ch, [](auto) { throw from_handler{}; })),
      from_handler);
  EXPECT_TRUE(ch.try_send(3));
  EXPECT_EQ(ch.recv(), 3);
}

TEST(select_case, may_use_its_channels_in_its_handler) {
  auto ch = holding(1);
  dh::select(dh::recv(ch, [&] {
    ch.send(2);
    EXPECT_EQ(dh::select(dh::recv(ch), dh::otherwise), 0);
    ch.close();
    ch = {};
  }));
  EXPECT_FALSE(ch);
}

TEST(select_case, evaluates_each_operand_once) {
  int evaluated = 0;
  auto ch = dh::make_chan<int>(1);
  const auto channel = [&] {
    ++evaluated;
    return ch;
  };
  const auto value = [&] {
    ++evaluated;
    return 3;
  };
  dh::select(dh::recv(channel()), dh::send(channel(), value()), dh::recv(dh::chan<int>{}));
  EXPECT_EQ(evaluated, 3);
  dh::select(dh::send(dh::chan<int>{}, value()), dh::otherwise);
  EXPECT_EQ(evaluated, 4);
}

TEST(select_case, copies_the_value_of_a_send_when_it_is_made) {
  auto ch = dh::make_chan<int>(1);
  int v = 1;
  auto made = dh::send(ch, v);
  v = 2;
  EXPECT_EQ(dh::select(std::move(made)), 0);
  EXPECT_EQ(ch.recv(), 1);
}

TEST(select_case, converts_what_it_sends) {
  auto ch = dh::make_chan<std::string>(1);
  dh::select(dh::send(ch, "text"));
  EXPECT_EQ(ch.recv(), "text");
  auto functions = dh::make_chan<std::function<int()>>(1);
  dh::select(dh::send(functions, [] { return 4; }));
  EXPECT_EQ((*functions.recv())(), 4);
}

// --- named cases ---

TEST(select_named, tells_whether_it_fired_and_what_came) {
  auto a = dh::make_chan<int>(1);
  auto b = dh::make_chan<std::string>(1);
  auto number = dh::recv(a);
  auto text = dh::recv(b);
  a.send(1);
  EXPECT_EQ(dh::select(number, text), 0);
  EXPECT_TRUE(number.fired());
  EXPECT_FALSE(text.fired());
  EXPECT_EQ(number.value(), 1);
  EXPECT_EQ(text.value(), std::nullopt);

  b.send("two");
  EXPECT_EQ(dh::select(number, text), 1);
  EXPECT_FALSE(number.fired());
  EXPECT_EQ(number.value(), std::nullopt) << "each select starts anew";
  EXPECT_EQ(text.value(), "two");

  b.close();
  EXPECT_EQ(dh::select(number, text), 1);
  EXPECT_TRUE(text.fired());
  EXPECT_EQ(text.value(), std::nullopt) << "closed";

  EXPECT_EQ(dh::select(number, dh::otherwise), 1);
  EXPECT_FALSE(number.fired());
}

TEST(select_named, of_void_has_a_bool) {
  auto ch = dh::make_chan<void>(1);
  auto signal = dh::recv(ch);
  ch.send();
  dh::select(signal);
  EXPECT_TRUE(signal.fired() && signal.value());
  ch.close();
  dh::select(signal);
  EXPECT_TRUE(signal.fired());
  EXPECT_FALSE(signal.value());
}

TEST(select_named, reads_its_handle_anew_so_that_it_can_be_switched_off) {
  auto ch = dh::make_chan<int>(2);
  auto one = dh::recv(ch);
  ch.send(1);
  EXPECT_EQ(dh::select(one, dh::otherwise), 0);
  ch.send(2);
  const auto kept = std::exchange(ch, {});
  EXPECT_EQ(dh::select(one, dh::otherwise), 1);
  ch = kept;
  EXPECT_EQ(dh::select(one, dh::otherwise), 0);
  EXPECT_EQ(one.value(), 2);
}

TEST(select_named, owns_a_channel_that_was_given_away) {
  auto ch = dh::make_chan<int>(1);
  auto view = ch;
  auto one = dh::recv(std::move(ch));
  view.send(3);
  view = {};
  EXPECT_EQ(dh::select(one), 0);
  EXPECT_EQ(one.value(), 3);
}

TEST_P(select_from, may_list_one_named_case_twice) {
  auto ch = dh::make_chan<int>();
  auto other = dh::make_chan<int>();
  int fired = -1;
  std::optional<int> got;
  c.start([&] {
    auto one = dh::recv(ch);
    auto two = dh::recv(other);
    fired = dh::select(one, two, one);
    got = one.value();
  });
  c.wait_until_parked(0, wait_reason::select);
  EXPECT_TRUE(ch.try_send(4));
  c.join();
  EXPECT_TRUE(fired == 0 || fired == 2);
  EXPECT_EQ(got, 4);
  EXPECT_FALSE(ch.try_send(5));
  EXPECT_FALSE(other.try_send(5));
}

// --- the same channel in several cases ---

TEST_P(select_from, does_not_talk_to_itself) {
  auto ch = dh::make_chan<int>();
  EXPECT_EQ(dh::select(dh::send(ch, 1), dh::recv(ch), dh::otherwise), 2);
  std::optional<int> got;
  int fired = -1;
  c.start([&] { fired = dh::select(dh::send(ch, 1), dh::recv(ch, got)); });
  c.wait_until_parked(0, wait_reason::select);
  EXPECT_TRUE(ch.try_send(2));
  c.join();
  EXPECT_EQ(fired, 1);
  EXPECT_EQ(got, 2);
  EXPECT_FALSE(ch.try_recv()) << "its own send is off the channel";
}

TEST_P(select_from, that_won_elsewhere_is_off_a_channel_it_listed_twice) {
  for (int i = 0; i < 20; ++i) {
    auto twice = dh::make_chan<int>();
    auto once = dh::make_chan<int>();
    crew both{GetParam()};
    both.start([&] { EXPECT_EQ(dh::select(dh::recv(twice), dh::recv(once), dh::recv(twice)), 1); });
    both.wait_until_parked(0, wait_reason::select);
    std::optional<int> got;
    both.start([&] { got = twice.recv(); });
    both.wait_until_parked(1, wait_reason::chan_receive);
    once.send(0);
    EXPECT_TRUE(twice.try_send(9)) << "the one behind is served";
    both.join();
    EXPECT_EQ(got, 9);
  }
}

// c1 has a plain receiver in front of the select; the select leaves through c2.
TEST_P(select_from, unlinks_from_the_middle_of_a_queue) {
  auto c1 = dh::make_chan<int>();
  auto c2 = dh::make_chan<int>();
  std::array<std::optional<int>, 3> got;
  c.start([&] { got[0] = c1.recv(); });
  c.wait_until_parked(0, wait_reason::chan_receive);
  c.start([&] { dh::select(dh::recv(c1), dh::recv(c2, got[1])); });
  c.wait_until_parked(1, wait_reason::select);
  c.start([&] { got[2] = c1.recv(); });
  c.wait_until_parked(2, wait_reason::chan_receive);
  c2.send(2);
  EXPECT_TRUE(c1.try_send(1));
  EXPECT_TRUE(c1.try_send(3));
  c.join();
  EXPECT_EQ(got[0], 1);
  EXPECT_EQ(got[1], 2);
  EXPECT_EQ(got[2], 3);
}

TEST_P(select_from, switches_a_case_off_by_a_nil_channel) {
  auto a = dh::make_chan<int>();
  auto b = dh::make_chan<int>();
  c.start([a] {
    for (int i = 0; i < 3; ++i) a.send(i);
    a.close();
  });
  c.start([b] {
    for (int i = 0; i < 3; ++i) b.send(10 + i);
    b.close();
  });
  int sum = 0;
  for (auto in_a = a, in_b = b; in_a || in_b;) {
    const auto add_or_stop = [&sum](auto& ch) {
      return [&](std::optional<int> v) {
        v ? static_cast<void>(sum += *v) : static_cast<void>(ch = {});
      };
    };
    dh::select(dh::recv(in_a, add_or_stop(in_a)), dh::recv(in_b, add_or_stop(in_b)));
  }
  EXPECT_EQ(sum, 0 + 1 + 2 + 10 + 11 + 12);
}

}  // namespace
