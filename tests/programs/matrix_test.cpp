// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// The matrix of nil, empty, full and closed channels: which operation blocks always, which never, and
// which throws. "Always" is proved by run(): it ends a program in which everything waits for ever.

#include <gmock/gmock.h>

#include <cstdlib>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include "downhaul/downhaul.hpp"
#include "support/test_runtime.hpp"

namespace dh = downhaul;
using downhaul_test::test_runtime;

namespace {

enum class does { passes, blocks, throws };

using operation = void (*)(const dh::chan<int>&);

struct line {
  const char* name;
  operation op;
  // nil, empty without room, empty with room, full, closed and empty, closed with a value
  does nil, unbuffered, empty, full, closed, closed_with_rest;
};

void receives(const dh::chan<int>& ch) { ch.recv(); }
void sends(const dh::chan<int>& ch) { ch.send(7); }
void tries_to_receive(const dh::chan<int>& ch) { ch.try_recv(); }
void tries_to_send(const dh::chan<int>& ch) { ch.try_send(7); }
void closes(const dh::chan<int>& ch) { ch.close(); }
void ranges(const dh::chan<int>& ch) {
  for (const int v : ch) static_cast<void>(v);
}
void selects_receive(const dh::chan<int>& ch) { dh::select(dh::recv(ch)); }
void selects_send(const dh::chan<int>& ch) { dh::select(dh::send(ch, 7)); }
void selects_receive_or_else(const dh::chan<int>& ch) { dh::select(dh::recv(ch), dh::otherwise); }
void selects_send_or_else(const dh::chan<int>& ch) { dh::select(dh::send(ch, 7), dh::otherwise); }
void selects_receive_beside_nil(const dh::chan<int>& ch) {
  dh::select(dh::recv(dh::chan<int>{}), dh::recv(ch), dh::send(dh::chan<int>{}, 1));
}
void selects_send_beside_nil(const dh::chan<int>& ch) {
  dh::select(dh::recv(dh::chan<int>{}), dh::send(ch, 7), dh::send(dh::chan<int>{}, 1));
}
void selects_receive_from_a_list(const dh::chan<int>& ch) {
  std::vector<dh::select_case> cases;
  cases.emplace_back(dh::recv(ch));
  dh::select(cases);
}
void selects_send_from_a_list(const dh::chan<int>& ch) {
  std::vector<dh::select_case> cases;
  cases.emplace_back(dh::send(ch, 7));
  dh::select(cases);
}

constexpr does passes = does::passes;
constexpr does blocks = does::blocks;
constexpr does throws = does::throws;

constexpr line table[] = {
    {"recv", receives, blocks, blocks, blocks, passes, passes, passes},
    {"send", sends, blocks, blocks, passes, blocks, throws, throws},
    {"try_recv", tries_to_receive, passes, passes, passes, passes, passes, passes},
    {"try_send", tries_to_send, passes, passes, passes, passes, throws, throws},
    {"close", closes, throws, passes, passes, passes, throws, throws},
    {"range", ranges, blocks, blocks, blocks, blocks, passes, passes},
    {"select recv", selects_receive, blocks, blocks, blocks, passes, passes, passes},
    {"select send", selects_send, blocks, blocks, passes, blocks, throws, throws},
    {"select recv otherwise", selects_receive_or_else, passes, passes, passes, passes, passes,
     passes},
    {"select send otherwise", selects_send_or_else, passes, passes, passes, passes, throws, throws},
    {"select recv, nil", selects_receive_beside_nil, blocks, blocks, blocks, passes, passes,
     passes},
    {"select send, nil", selects_send_beside_nil, blocks, blocks, passes, blocks, throws, throws},
    {"select list recv", selects_receive_from_a_list, blocks, blocks, blocks, passes, passes,
     passes},
    {"select list send", selects_send_from_a_list, blocks, blocks, passes, blocks, throws, throws},
};

struct condition {
  const char* name;
  does line::* expected;
  dh::chan<int> (*make)();
};

const condition conditions[] = {
    {"nil", &line::nil, [] { return dh::chan<int>{}; }},
    {"without room", &line::unbuffered, [] { return dh::make_chan<int>(); }},
    {"empty", &line::empty, [] { return dh::make_chan<int>(1); }},
    {"full", &line::full,
     [] {
       auto ch = dh::make_chan<int>(1);
       ch.send(1);
       return ch;
     }},
    {"closed", &line::closed,
     [] {
       auto ch = dh::make_chan<int>(1);
       ch.close();
       return ch;
     }},
    {"closed with a value left", &line::closed_with_rest,
     [] {
       auto ch = dh::make_chan<int>(1);
       ch.send(1);
       ch.close();
       return ch;
     }},
};

TEST(programs_select3, what_never_blocks_returns_or_throws) {
  int tried = 0;
  for (const int workers : {1, 4}) {
    test_runtime on{workers};
    for (const line& l : table) {
      for (const condition& c : conditions) {
        const does expected = l.*c.expected;
        if (expected == does::blocks) continue;
        ++tried;
        bool threw = false;
        on.run([&] {
          const auto ch = c.make();
          try {
            l.op(ch);
          } catch (const dh::misuse&) {
            threw = true;
          }
        });
        EXPECT_EQ(threw, expected == does::throws) << l.name << " on " << c.name;
      }
    }
  }
  EXPECT_EQ(tried, 2 * 56);
}

// What blocks is woken neither by itself nor by time: here a cancel ends it, and until then it is
// parked. (range and the plain forms are in the death tests below.)
TEST(programs_select3, what_blocks_is_parked_until_it_is_cancelled) {
  test_runtime on{1};
  using waiting = void (*)(const dh::context&, const dh::chan<int>&);
  const std::vector<std::pair<waiting, std::vector<const char*>>> forms{
      {[](const dh::context& ctx, const dh::chan<int>& ch) { ch.recv(ctx); },
       {"nil", "without room", "empty"}},
      {[](const dh::context& ctx, const dh::chan<int>& ch) { ch.send(ctx, 7); },
       {"nil", "without room", "full"}},
      {[](const dh::context& ctx, const dh::chan<int>& ch) { dh::select(ctx, dh::recv(ch)); },
       {"nil", "without room", "empty"}},
      {[](const dh::context& ctx, const dh::chan<int>& ch) { dh::select(ctx, dh::send(ch, 7)); },
       {"nil", "without room", "full"}},
      {[](const dh::context& ctx, const dh::chan<int>& ch) {
         dh::select(ctx, dh::send(ch, 7), dh::recv(ch));  // never with itself
       },
       {"nil", "without room"}},
      {[](const dh::context& ctx, const dh::chan<int>&) { dh::select(ctx); }, {"nil"}},
  };
  for (const auto& [form, names] : forms) {
    for (const char* name : names) {
      for (const condition& c : conditions) {
        if (std::string{c.name} != name) continue;
        auto [ctx, cancel] = dh::with_cancel({});
        const auto ch = c.make();
        const auto before = ch.size();
        bool returned = false;
        bool ended = false;
        on.go([&, ctx = ctx] {
          try {
            form(ctx, ch);
            returned = true;
          } catch (const dh::context_error&) {
            ended = true;
          }
        });
        on.run_until_parked();
        EXPECT_EQ(on.goroutines(), 1u) << name;
        cancel();
        on.run_until_parked();
        EXPECT_TRUE(ended && !returned) << name;
        EXPECT_EQ(ch.size(), before) << name;
      }
    }
  }
}

class programs_select3_death_test : public testing::TestWithParam<int> {
 protected:
  void SetUp() override { testing::FLAGS_gtest_death_test_style = "threadsafe"; }
};

// One process for each line: its blocking conditions, all at once, leave nobody who could go on.
TEST_P(programs_select3_death_test, what_always_blocks_is_reported_as_asleep) {
  const line& l = table[GetParam()];
  int blocking = 0;
  for (const condition& c : conditions) blocking += l.*c.expected == does::blocks ? 1 : 0;
  if (blocking == 0) return;
  const auto program = [&] {
    dh::run([&] {
      dh::wait_group all;
      for (const condition& c : conditions) {
        if (l.*c.expected != does::blocks) continue;
        all.go([&l, ch = c.make()] {
          l.op(ch);
          std::_Exit(7);  // it did not block
        });
      }
      all.wait();
    });
  };
  EXPECT_DEATH(program(), "fatal error: all goroutines are asleep - deadlock!") << l.name;
}
INSTANTIATE_TEST_SUITE_P(, programs_select3_death_test,
                         testing::Range(0, static_cast<int>(std::size(table))));

TEST(programs_select3_empty_death_test, a_select_without_cases_is_asleep_for_ever) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_DEATH(dh::run([] { dh::select(); }), "all goroutines are asleep");
  EXPECT_DEATH(dh::run([] {
                 const auto ch = dh::make_chan<int>();
                 dh::select(dh::send(ch, 1), dh::recv(ch));
               }),
               "all goroutines are asleep");
}

}  // namespace
