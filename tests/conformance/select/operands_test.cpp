// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// SEL-020 to SEL-027: when operands are evaluated, and what becomes of values and destinations.

#include <gmock/gmock.h>

#include <any>
#include <array>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "downhaul/chan.hpp"
#include "downhaul/select.hpp"
#include "support/crew.hpp"

namespace dh = downhaul;
using downhaul::impl::wait_reason;
using downhaul_test::all_places;
using downhaul_test::crew;
using downhaul_test::place;

namespace {

template <class T>
dh::chan<T> holding(T v) {
  auto ch = dh::make_chan<T>(1);
  ch.send(std::move(v));
  return ch;
}

/// Counts how often each operand is asked for.
struct operands {
  std::map<std::string, int> evaluated;
  dh::chan<int> channel(const std::string& name, dh::chan<int> ch) {
    ++evaluated[name];
    return ch;
  }
  int value(const std::string& name, int v) {
    ++evaluated[name];
    return v;
  }
  void expect_each_once(std::size_t n) const {
    EXPECT_EQ(evaluated.size(), n);
    for (const auto& [name, times] : evaluated) EXPECT_EQ(times, 1) << name;
  }
};

// deviates: the order in which operands are evaluated is C++'s, which leaves it open; each is still
// evaluated exactly once, whatever case wins.
TEST(SEL_020, every_operand_is_evaluated_exactly_once) {
  const dh::chan<int> nil;
  {
    operands all;
    EXPECT_EQ(dh::select(dh::recv(all.channel("a", nil)),
                         dh::send(all.channel("b", nil), all.value("vb", 1)),
                         dh::recv(all.channel("c", holding(1))),
                         dh::send(all.channel("d", nil), all.value("vd", 2))),
              2);
    all.expect_each_once(6);
  }
  {
    operands all;
    EXPECT_EQ(dh::select(dh::send(all.channel("a", nil), all.value("va", 1)),
                         dh::recv(all.channel("b", dh::make_chan<int>())), dh::otherwise),
              2);
    all.expect_each_once(3);
  }
  {
    operands all;
    const auto out = dh::make_chan<int>(1);
    EXPECT_EQ(dh::select(dh::send(all.channel("a", out), all.value("va", 7)),
                         dh::send(all.channel("b", nil), all.value("vb", 8)),
                         dh::recv(all.channel("c", nil))),
              0);
    all.expect_each_once(5);
    EXPECT_EQ(out.recv(), 7);
  }
  // One that waits evaluates nothing again when it wakes.
  for (const place where : all_places) {
    operands all;
    auto in = dh::make_chan<int>();
    auto out = dh::make_chan<int>();
    crew c{where};
    c.start([&] {
      EXPECT_EQ(dh::select(dh::recv(all.channel("in", in)),
                           dh::send(all.channel("out", out), all.value("v", 1))),
                1);
    });
    c.wait_until_parked(0, wait_reason::select);
    EXPECT_EQ(out.recv(), 1);
    c.join();
    all.expect_each_once(3);
  }
}

TEST(SEL_021, a_destination_in_a_handler_is_evaluated_only_after_its_case_has_won) {
  const auto never = dh::make_chan<int>();
  int* nowhere = nullptr;  // the destination of cases that lose
  int evaluated = 0;
  std::array<int, 3> places{};
  const auto destination = [&]() -> int& { return places[static_cast<std::size_t>(evaluated++)]; };
  for (int i = 0; i < 2; ++i) {
    auto ready = holding(4 + i);
    EXPECT_EQ(dh::select(dh::recv(never, [&](std::optional<int> v) { *nowhere = *v; }),
                         dh::recv(ready, [&](std::optional<int> v) { destination() = *v; }),
                         dh::recv(dh::chan<int>{}, [&](std::optional<int> v) { *nowhere = *v; })),
              1);
    EXPECT_EQ(evaluated, i + 1);
  }
  EXPECT_EQ(
      dh::select(dh::recv(never, [&](std::optional<int> v) { destination() = *v; }), dh::otherwise),
      1);
  EXPECT_EQ(evaluated, 2);
  EXPECT_THAT(places, testing::ElementsAre(4, 5, 0));
}

struct refused : std::runtime_error {
  refused() : runtime_error{"refused"} {}
};
dh::chan<int> throwing_channel() { throw refused{}; }
int throwing_value() { throw refused{}; }

// deviates: which operands were evaluated before the one that throws is C++'s affair; nothing is sent
// or received in any case.
TEST(SEL_022, an_operand_that_throws_leaves_every_channel_alone) {
  const auto full = holding(1);
  const auto room = dh::make_chan<int>(1);
  std::optional<int> got = 9;
  EXPECT_THROW(dh::select(dh::recv(full, got), dh::recv(throwing_channel()), dh::send(room, 2)),
               refused);
  EXPECT_THROW(dh::select(dh::send(room, throwing_value()), dh::recv(full, got)), refused);
  EXPECT_THROW(dh::select(dh::recv(full, got), dh::send(room, throwing_value()), dh::otherwise),
               refused);
  EXPECT_THROW(dh::select(dh::send(throwing_channel(), 1), dh::send(room, 2)), refused);
  EXPECT_EQ(full.size(), 1);
  EXPECT_EQ(room.size(), 0);
  EXPECT_EQ(got, 9);
  EXPECT_EQ(full.recv(), 1);
  EXPECT_TRUE(room.try_send(3));
}

// deviates: there is no order among the operands of one select; a value given as an lvalue is copied
// when its case is made, an rvalue is referred to and read only if its case wins.
TEST(SEL_023, the_value_of_a_send_is_captured_when_its_case_is_made) {
  const auto ch = dh::make_chan<int>(2);
  int v = 1;
  auto made = dh::send(ch, v);
  v = 2;
  EXPECT_EQ(dh::select(std::move(made)), 0);
  EXPECT_EQ(ch.recv(), 1);

  std::string text = "first";
  const auto words = dh::make_chan<std::string>(1);
  std::vector<dh::select_case> cases;
  cases.emplace_back(dh::send(words, text));
  text = "second";
  EXPECT_EQ(dh::select(cases), 0);
  EXPECT_EQ(words.recv(), "first");

  // Converted values are captured as well.
  const char* converted = "third";
  auto convert = dh::send(words, converted);
  converted = "fourth";
  dh::select(std::move(convert));
  EXPECT_EQ(words.recv(), "third");
}

// deviates: there is no order among the operands of one select; a send holds its channel from when
// its case is made, a receive from an lvalue reads the handle when the select begins, so that a named
// case can be switched off.
TEST(SEL_024, the_channel_of_a_case_is_captured_when_it_is_made) {
  auto ch = dh::make_chan<int>(1);
  const auto original = ch;
  const int five = 5;
  auto sending = dh::send(ch, five);
  ch = {};
  EXPECT_EQ(dh::select(std::move(sending)), 0);
  EXPECT_EQ(original.recv(), 5);

  ch = original;
  original.send(6);
  auto owning = dh::recv(dh::chan<int>{ch});
  auto borrowing = dh::recv(ch);
  ch = {};
  EXPECT_EQ(dh::select(borrowing, dh::otherwise), 1);
  EXPECT_EQ(dh::select(owning, dh::otherwise), 0);
  EXPECT_EQ(owning.value(), 6);

  // Closed between the making and the select: the same channel, and closed it is.
  ch = dh::make_chan<int>(1);
  const int seven = 7;
  auto late = dh::send(ch, seven);
  ch.close();
  EXPECT_THROW(dh::select(std::move(late)), dh::misuse);
}

TEST(SEL_025, losing_receives_leave_their_destinations_alone) {
  for (const place where : all_places) {
    for (const bool waits : {false, true}) {
      auto wins = dh::make_chan<int>(1);
      auto loses = dh::make_chan<int>();
      auto signals = dh::make_chan<void>();
      std::optional<int> won;
      std::optional<int> lost = 7;
      std::optional<int> lost_nil = 8;
      bool flag = true;
      crew c{where};
      if (!waits) wins.send(1);
      c.start([&] {
        EXPECT_EQ(dh::select(dh::recv(loses, lost), dh::recv(signals, flag), dh::recv(wins, won),
                             dh::recv(dh::chan<int>{}, lost_nil)),
                  2);
      });
      if (waits) {
        c.wait_until_parked(0, wait_reason::select);
        wins.send(1);
      }
      c.join();
      EXPECT_EQ(won, 1);
      EXPECT_EQ(lost, 7);
      EXPECT_EQ(lost_nil, 8);
      EXPECT_TRUE(flag);
    }
  }
  // When otherwise runs all lose.
  std::optional<int> lost = 7;
  bool flag = true;
  dh::select(dh::recv(dh::make_chan<int>(), lost), dh::recv(dh::make_chan<void>(), flag),
             dh::otherwise);
  EXPECT_EQ(lost, 7);
  EXPECT_TRUE(flag);
}

TEST(SEL_026, all_forms_of_destination_agree) {
  for (const bool is_closed : {false, true}) {
    SCOPED_TRACE(is_closed ? "closed" : "a value");
    const std::optional<int> expected = is_closed ? std::nullopt : std::optional{42};
    const auto source = [&] {
      auto ch = dh::make_chan<int>(1);
      is_closed ? ch.close() : ch.send(42);
      return ch;
    };
    std::optional<int> existing = 1;
    EXPECT_EQ(dh::select(dh::recv(source(), existing)), 0);
    EXPECT_EQ(existing, expected);

    auto fresh = dh::recv(source());
    dh::select(fresh);
    EXPECT_EQ(fresh.value(), expected);
    EXPECT_TRUE(fresh.fired());

    const auto pointed_to = std::make_unique<std::optional<int>>(1);
    dh::select(dh::recv(source(), *pointed_to));
    EXPECT_EQ(*pointed_to, expected);

    std::map<std::string, std::optional<int>> map;
    dh::select(dh::recv(source(), map["key"]));
    EXPECT_EQ(map.at("key"), expected);

    std::optional<long> wider = 1;
    dh::select(dh::recv(source(), [&](std::optional<int> v) { wider = v; }));
    EXPECT_EQ(wider, expected);

    std::any erased = 1;
    dh::select(dh::recv(source(), [&](std::optional<int> v) { erased = v; }));
    EXPECT_EQ(std::any_cast<std::optional<int>>(erased), expected);

    std::variant<std::string, int> either = "neither";
    dh::select(dh::recv(source(), [&](std::optional<int> v) { either = v.value_or(-1); }));
    EXPECT_EQ(std::get<int>(either), expected.value_or(-1));

    bool discarded = false;
    dh::select(dh::recv(source(), [&] { discarded = true; }));
    EXPECT_TRUE(discarded);
    EXPECT_EQ(dh::select(dh::recv(source())), 0);

    std::vector<dh::select_case> list;
    std::optional<int> listed = 1;
    list.emplace_back(dh::recv(source(), listed));
    dh::select(list);
    EXPECT_EQ(listed, expected);
  }
}

TEST(SEL_027, the_value_of_a_losing_send_is_still_its_owners) {
  struct large {  // travels in a box
    std::unique_ptr<int> held;
    std::array<char, 400> bulk{};
  };
  const auto wins = [] { return holding(1); };
  const auto full = dh::make_chan<std::unique_ptr<int>>();
  const auto full_of_large = dh::make_chan<large>();
  auto mine = std::make_unique<int>(5);
  large mine_too{std::make_unique<int>(6), {}};

  EXPECT_EQ(dh::select(dh::send(full, std::move(mine)), dh::otherwise), 1);
  EXPECT_EQ(dh::select(dh::send(full, std::move(mine)), dh::recv(wins())), 1);
  EXPECT_EQ(
      dh::select(dh::recv(wins()), dh::send(dh::chan<std::unique_ptr<int>>{}, std::move(mine))), 0);
  ASSERT_NE(mine, nullptr);  // NOLINT(bugprone-use-after-move): that is what is promised
  EXPECT_EQ(*mine, 5);

  EXPECT_EQ(dh::select(dh::send(full_of_large, std::move(mine_too)), dh::otherwise), 1);
  EXPECT_EQ(dh::select(dh::send(full_of_large, std::move(mine_too)), dh::recv(wins())), 1);
  ASSERT_NE(mine_too.held, nullptr);  // NOLINT(bugprone-use-after-move): likewise
  EXPECT_EQ(*mine_too.held, 6);

  // And that of one that throws.
  const auto shut = dh::make_chan<std::unique_ptr<int>>(1);
  shut.close();
  EXPECT_THROW(dh::select(dh::send(shut, std::move(mine))), dh::misuse);
  ASSERT_NE(mine, nullptr);

  // The winner's is gone.
  const auto room = dh::make_chan<std::unique_ptr<int>>(1);
  EXPECT_EQ(dh::select(dh::send(room, std::move(mine)), dh::otherwise), 0);
  EXPECT_EQ(mine, nullptr);
  EXPECT_EQ(**room.recv(), 5);
}

TEST(SEL_027, also_when_the_select_has_waited) {
  for (const place where : all_places) {
    auto loses = dh::make_chan<std::unique_ptr<int>>();
    auto wins = dh::make_chan<int>();
    crew c{where};
    c.start([&] {
      auto mine = std::make_unique<int>(5);
      EXPECT_EQ(dh::select(dh::send(loses, std::move(mine)), dh::recv(wins)), 1);
      EXPECT_TRUE(mine && *mine == 5);
    });
    c.wait_until_parked(0, wait_reason::select);
    wins.send(1);
    c.join();
    EXPECT_FALSE(loses.try_recv());
  }
}

}  // namespace
