// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// select over a list of cases made at run time.

#include <gmock/gmock.h>

#include <atomic>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "downhaul/select.hpp"
#include "support/crew.hpp"
#include "support/seed.hpp"
#include "wait/wait_reason.hpp"

namespace dh = downhaul;
using downhaul::impl::wait_reason;
using downhaul_test::crew;
using downhaul_test::place;
using downhaul_test::rounds;
using testing::HasSubstr;

namespace {

class select_list_from : public testing::TestWithParam<place> {
 protected:
  crew c{GetParam()};
};
INSTANTIATE_TEST_SUITE_P(, select_list_from, testing::ValuesIn(downhaul_test::all_places),
                         testing::PrintToStringParamName());

template <class F>
std::string misuse_of(F f) {
  try {
    f();
  } catch (const dh::misuse& e) {
    return e.what();
  }
  return "no misuse";
}

// Every kind of case, in every combination of up to four: what can fire is known, and what fires is
// one of that, with otherwise only if nothing can.
TEST(select_list, fires_only_what_is_ready) {
  enum kind {
    recv_ready,
    recv_blocked,
    recv_closed,
    recv_nil,
    send_ready,
    send_blocked,
    send_closed,
    send_nil,
    otherwise,
    kinds
  };
  for (int combination = 0; combination < kinds * kinds * kinds * kinds; ++combination) {
    std::vector<kind> list;
    for (int rest = combination, i = 0; i < 4; ++i, rest /= kinds) {
      list.push_back(static_cast<kind>(rest % kinds));
    }
    std::vector<dh::chan<int>> channels;
    std::vector<std::optional<int>> got(list.size(), -1);
    std::vector<dh::select_case> cases;
    std::vector<int> possible;
    bool may_throw = false;
    int defaults = 0;
    int on_otherwise = -1;
    for (std::size_t i = 0; i < list.size(); ++i) {
      const auto at = static_cast<int>(i);
      channels.push_back(dh::make_chan<int>(1));
      const auto& ch = channels.back();
      switch (list[i]) {
        case recv_ready:
          ch.send(at);
          possible.push_back(at);
          break;
        case recv_closed:
          ch.close();
          possible.push_back(at);
          break;
        case recv_nil:
        case send_nil: channels.back() = {}; break;
        case send_ready: possible.push_back(at); break;
        case send_blocked: ch.send(1); break;
        case send_closed:
          ch.close();
          may_throw = true;
          break;
        case otherwise:
          ++defaults;
          on_otherwise = at;
          break;
        default: break;
      }
    }
    for (std::size_t i = 0; i < list.size(); ++i) {
      if (list[i] == otherwise) {
        cases.emplace_back(dh::otherwise);
      } else if (list[i] <= recv_nil) {
        cases.emplace_back(dh::recv(channels[i], got[i]));
      } else {
        cases.emplace_back(dh::send(channels[i], 100));
      }
    }
    if (defaults > 1) {
      EXPECT_EQ(misuse_of([&] { dh::select(cases); }), "reflect.Select: multiple default cases");
      continue;
    }
    if (possible.empty() && !may_throw) {
      if (defaults == 1) {
        EXPECT_EQ(dh::select(cases), on_otherwise);
      }
      continue;
    }
    try {
      const int fired = dh::select(cases);
      ASSERT_THAT(possible, testing::Contains(fired));
      for (std::size_t i = 0; i < list.size(); ++i) {
        const bool won = static_cast<int>(i) == fired;
        if (won && list[i] == recv_ready) {
          EXPECT_EQ(got[i], fired);
        } else if (won && list[i] == recv_closed) {
          EXPECT_EQ(got[i], std::nullopt);
        } else {
          EXPECT_EQ(got[i], -1);
        }
        if (list[i] == send_ready) {
          EXPECT_EQ(channels[i].size(), won ? 1 : 0);
        }
        if (list[i] == recv_ready) {
          EXPECT_EQ(channels[i].size(), won ? 0 : 1);
        }
      }
    } catch (const dh::misuse& e) {
      EXPECT_TRUE(may_throw);
      EXPECT_STREQ(e.what(), "send on closed channel");
    }
  }
}

TEST_P(select_list_from, waits_for_any_of_its_cases) {
  std::vector<dh::chan<int>> channels;
  for (int i = 0; i < 50; ++i) channels.push_back(dh::make_chan<int>());
  std::optional<int> got;
  int fired = -1;
  c.start([&] {
    std::vector<dh::select_case> cases;
    for (const auto& ch : channels) cases.emplace_back(dh::recv(ch, got));
    fired = dh::select(cases);
  });
  c.wait_until_parked(0, wait_reason::select);
  channels[33].send(5);
  c.join();
  EXPECT_EQ(fired, 33);
  EXPECT_EQ(got, 5);
  for (const auto& ch : channels) EXPECT_FALSE(ch.try_send(1));
}

TEST_P(select_list_from, takes_65536_cases) {
  constexpr std::size_t most = 65'536;
  std::vector<dh::chan<void>> channels;
  for (std::size_t i = 0; i < most; ++i) channels.push_back(dh::make_chan<void>());
  std::vector<dh::select_case> cases;
  for (const auto& ch : channels) cases.emplace_back(dh::recv(ch));
  int fired = -1;
  c.start([&] { fired = dh::select(cases); });
  c.wait_until_parked(0, wait_reason::select);
  channels[most - 1].close();
  c.join();
  EXPECT_EQ(fired, static_cast<int>(most - 1));

  for (const auto& ch : channels) {
    if (ch != channels[most - 1]) ch.close();
  }
  fired = dh::select(cases);
  EXPECT_TRUE(fired >= 0 && fired < static_cast<int>(most));
  cases.emplace_back(dh::recv(channels.front()));
  EXPECT_EQ(misuse_of([&] { dh::select(cases); }), "reflect.Select: too many cases (max 65536)");
}

TEST(select_list, owns_the_values_it_sends) {
  auto ch = dh::make_chan<std::unique_ptr<int>>(1);
  std::vector<dh::select_case> cases;
  {
    auto value = std::make_unique<int>(6);
    cases.emplace_back(dh::send(ch, std::move(value)));
    EXPECT_EQ(value, nullptr);  // NOLINT(bugprone-use-after-move): the case has it
  }
  auto other = dh::make_chan<int>(1);
  other.send(1);
  auto full = dh::make_chan<std::unique_ptr<int>>();
  cases.emplace_back(dh::send(full, std::make_unique<int>(7)));
  cases.emplace_back(dh::recv(other));
  std::vector<bool> fired(3);
  for (int i = 0; i < 2; ++i) fired[static_cast<std::size_t>(dh::select(cases))] = true;
  EXPECT_EQ(fired, (std::vector<bool>{true, false, true}));
  EXPECT_EQ(**ch.recv(), 6);

  // The send that fired is off; the one that lost still has its value.
  crew sender;
  sender.start([&] { EXPECT_EQ(dh::select(cases), 1); });
  EXPECT_EQ(**full.recv(), 7);
}

TEST(select_list, a_send_that_fired_is_off_until_it_is_replaced) {
  auto ch = dh::make_chan<int>(2);
  std::vector<dh::select_case> cases;
  cases.emplace_back(dh::send(ch, 1));
  cases.emplace_back(dh::otherwise);
  EXPECT_EQ(dh::select(cases), 0);
  EXPECT_EQ(dh::select(cases), 1);
  cases[0] = dh::send(ch, 2);
  EXPECT_EQ(dh::select(cases), 0);
  EXPECT_EQ(ch.recv(), 1);
  EXPECT_EQ(ch.recv(), 2);
}

TEST(select_list, borrows_or_owns_as_the_case_says) {
  auto ch = dh::make_chan<int>(1);
  const auto sender = ch;
  sender.send(1);
  std::vector<dh::select_case> cases;
  cases.emplace_back(dh::recv(ch));                 // borrowed: reads the handle anew
  cases.emplace_back(dh::recv(dh::recv_chan{ch}));  // owned
  cases.emplace_back(dh::otherwise);
  ch = {};
  EXPECT_EQ(dh::select(cases), 1);
  sender.send(2);
  EXPECT_EQ(dh::select(cases), 1);
  EXPECT_EQ(dh::select(cases), 2);
}

TEST(select_list, calls_handlers) {
  auto ch = dh::make_chan<int>(1);
  ch.send(4);
  int got = 0;
  bool sent = false;
  std::vector<dh::select_case> cases;
  cases.emplace_back(dh::recv(ch, [&](std::optional<int> v) { got = *v; }));
  dh::select(cases);
  EXPECT_EQ(got, 4);
  cases.clear();
  cases.emplace_back(dh::send(ch, 5, [&] { sent = true; }));
  dh::select(cases);
  EXPECT_TRUE(sent);
}

// Random programs on one thread, against a model of what may happen.
TEST(select_list, agrees_with_a_model) {
  std::mt19937_64 random{downhaul_test::seed()};
  const auto below = [&](int n) { return static_cast<int>(random() % static_cast<unsigned>(n)); };
  struct model {
    dh::chan<int> ch;
    std::vector<int> queued;
    int capacity;
    bool closed;
  };
  for (int round = 0; round < rounds(2000); ++round) {
    std::vector<model> all;
    for (int i = 0; i < 5; ++i) {
      const int capacity = below(3);
      all.push_back({dh::make_chan<int>(capacity), {}, capacity, false});
    }
    for (int step = 0; step < 20; ++step) {
      if (below(12) == 0) {
        auto& m = all[static_cast<std::size_t>(below(5))];
        if (!m.closed) m.ch.close();
        m.closed = true;
      }
      std::vector<dh::select_case> cases;
      std::vector<std::pair<model*, bool>> what;  // and whether it sends
      std::vector<std::optional<int>> got(20, -1);
      const int n = below(20);
      bool any = false;
      for (int i = 0; i < n; ++i) {
        auto& m = all[static_cast<std::size_t>(below(5))];
        const bool sends = below(2) == 0 && !m.closed;
        if (sends) {
          cases.emplace_back(dh::send(m.ch, i));
          any |= static_cast<int>(m.queued.size()) < m.capacity;
        } else {
          cases.emplace_back(dh::recv(m.ch, got[static_cast<std::size_t>(i)]));
          any |= m.closed || !m.queued.empty();
        }
        what.emplace_back(&m, sends);
      }
      cases.emplace_back(dh::otherwise);
      const int fired = dh::select(cases);
      ASSERT_EQ(fired != n, any);
      if (fired == n) continue;
      auto& [m, sends] = what[static_cast<std::size_t>(fired)];
      if (sends) {
        m->queued.push_back(fired);
        ASSERT_LE(static_cast<int>(m->queued.size()), m->capacity);
      } else if (m->queued.empty()) {
        ASSERT_TRUE(m->closed);
        ASSERT_EQ(got[static_cast<std::size_t>(fired)], std::nullopt);
      } else {
        ASSERT_EQ(got[static_cast<std::size_t>(fired)], m->queued.front());
        m->queued.erase(m->queued.begin());
      }
      ASSERT_EQ(m->ch.size(), static_cast<std::ptrdiff_t>(m->queued.size()));
    }
  }
}

}  // namespace
