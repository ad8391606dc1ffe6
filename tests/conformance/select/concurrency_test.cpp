// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// SEL-050 to SEL-054: selects against each other and against plain operations.

#include <gmock/gmock.h>

#include <array>
#include <atomic>
#include <optional>
#include <string>
#include <vector>

#include "conformance/chan/cost.hpp"
#include "conformance/chan/forms.hpp"
#include "downhaul/chan.hpp"
#include "downhaul/select.hpp"
#include "support/crew.hpp"

namespace dh = downhaul;
using downhaul::impl::wait_reason;
using downhaul_test::all_places;
using downhaul_test::crew;
using downhaul_test::give_way;
using downhaul_test::misuse_of;
using downhaul_test::place;
using downhaul_test::rounds;
using downhaul_test::wait_until;

namespace {

TEST(SEL_050, selects_in_opposite_orders_beside_plain_operations_come_to_their_end) {
  constexpr int n = rounds(100'000);
  const std::array<dh::chan<int>, 4> channels{dh::make_chan<int>(), dh::make_chan<int>(),
                                              dh::make_chan<int>(2), dh::make_chan<int>(3)};
  std::array<std::atomic<long>, 4> sums{};
  crew c{place::goroutines};
  for (std::size_t k = 0; k < 4; ++k) {
    c.start([ch = channels[k]] {
      for (int i = 0; i < n; ++i) ch.send(i);
    });
    c.start([ch = channels[k], &sum = sums[k]] {
      long got = 0;
      for (int i = 0; i < n; ++i) got += *ch.recv();
      sum += got;
    });
  }
  // The exhausted ones are made nil.
  c.start([=] {
    auto left = channels;
    std::array<int, 4> sent{};
    for (int i = 0; i < 4 * n; ++i) {
      const auto fired = static_cast<std::size_t>(
          dh::select(dh::send(left[3], sent[3]), dh::send(left[2], sent[2]),
                     dh::send(left[0], sent[0]), dh::send(left[1], sent[1])));
      constexpr std::array<std::size_t, 4> at{3, 2, 0, 1};
      const std::size_t k = at[fired];
      if (++sent[k] == n) left[k] = {};
    }
  });
  c.start([=, &sums] {
    auto left = channels;
    std::array<int, 4> received{};
    std::array<long, 4> got{};
    for (int i = 0; i < 4 * n; ++i) {
      std::optional<int> v;
      const auto k = static_cast<std::size_t>(dh::select(
          dh::recv(left[0], v), dh::recv(left[1], v), dh::recv(left[2], v), dh::recv(left[3], v)));
      got[k] += *v;
      if (++received[k] == n) left[k] = {};
    }
    for (std::size_t k = 0; k < 4; ++k) sums[k] += got[k];
  });
  c.join();
  for (std::size_t k = 0; k < 4; ++k) {
    EXPECT_EQ(sums[k], long{n} * (n - 1)) << "channel " << k;  // each value twice
    EXPECT_EQ(channels[k].size(), 0);
  }
}

// Two partners at once for one select, and another select behind: each partner is served by another.
TEST(SEL_051, a_partner_that_loses_the_election_goes_on_to_the_next) {
  for (const place where : all_places) {
    const int n = rounds(where == place::goroutines ? 10'000 : 1000);
    auto a = dh::make_chan<int>();
    auto b = dh::make_chan<int>();
    auto report = dh::make_chan<int>(2);
    auto start_a = dh::make_chan<void>();
    auto start_b = dh::make_chan<void>();
    crew c{where};
    for (int t = 0; t < 2; ++t) {
      c.start([&, t] {
        for (int i = 0; i < n; ++i) {
          std::optional<int> v;
          t == 0 ? dh::select(dh::recv(a, v), dh::recv(b, v))
                 : dh::select(dh::recv(b, v), dh::recv(a, v));
          report.send(*v);
        }
      });
    }
    c.start([&] {
      for (int i = 0; i < n; ++i) {
        start_a.recv();
        a.send(2 * i);
      }
    });
    c.start([&] {
      for (int i = 0; i < n; ++i) {
        start_b.recv();
        b.send(2 * i + 1);
      }
    });
    for (int i = 0; i < n; ++i) {
      start_a.send();
      start_b.send();
      // Neither value is lost, neither select gets both.
      ASSERT_EQ(*report.recv() + *report.recv(), 4 * i + 1) << where;
    }
    c.join();
    EXPECT_EQ(report.size(), 0);
  }
}

TEST(SEL_051, a_select_with_many_partners_at_once_takes_one) {
  for (const place where : all_places) {
    for (int i = 0; i < rounds(where == place::goroutines ? 500 : 50); ++i) {
      auto a = dh::make_chan<int>();
      auto b = dh::make_chan<int>();
      auto fire = dh::make_chan<void>();
      std::atomic<int> taken{0};
      crew c{where};
      int fired = -1;
      c.start([&] { fired = dh::select(dh::recv(a), dh::recv(b)); });
      c.wait_until_parked(0, wait_reason::select);
      for (int t = 0; t < 4; ++t) {
        c.start([&, t] {
          fire.recv();
          if ((t % 2 == 0 ? a : b).try_send(t)) ++taken;
        });
      }
      fire.close();
      c.join();
      ASSERT_EQ(taken, 1);
      ASSERT_GE(fired, 0);
    }
  }
}

// A frame that ends as soon as the select returns, and a stack that is written over at once: a late
// touch by a waker would be found there, or by the address sanitizer.
[[gnu::noinline]] int wait_in_a_short_frame(const dh::chan<int>& a, const dh::chan<int>& b) {
  std::optional<int> v;
  auto on_a = dh::recv(a);
  dh::select(on_a, dh::recv(b, v));
  return on_a.fired() ? *on_a.value() : *v;
}
[[gnu::noinline]] int write_over_the_stack() {
  volatile unsigned char rubbish[4096];
  for (auto& byte : rubbish) byte = 0x5a;
  int wrong = 0;
  for (const auto& byte : rubbish) wrong += byte != 0x5a ? 1 : 0;
  return wrong;
}

TEST(SEL_052, the_frame_of_a_select_is_not_touched_after_it_has_returned) {
  for (const place where : all_places) {
    const int n = rounds(where == place::goroutines ? 20'000 : 1000);
    auto a = dh::make_chan<int>();
    auto b = dh::make_chan<int>();
    std::atomic<long> sum{0};
    std::atomic<int> touched{0};
    crew c{where};
    c.start([=] {
      for (int i = 0; i < n; ++i) a.send(i);
    });
    c.start([=] {
      for (int i = 0; i < n; ++i) dh::select(dh::send(b, i), dh::recv(dh::chan<int>{}));
    });
    for (int t = 0; t < 2; ++t) {
      c.start([&] {
        for (int i = 0; i < n; ++i) {
          sum += wait_in_a_short_frame(a, b);
          touched += write_over_the_stack();
        }
      });
    }
    c.join();
    EXPECT_EQ(sum, long{n} * (n - 1));
    EXPECT_EQ(touched, 0);
  }
}

TEST(SEL_053, a_thousand_on_a_popular_channel_are_woken_each_by_its_own) {
  for (const place where : {place::goroutines, place::mixed}) {
    const std::size_t n = where == place::goroutines ? 1000 : 30;
    auto popular = dh::make_chan<int>();
    std::vector<dh::chan<int>> own(n);
    for (auto& ch : own) ch = dh::make_chan<int>();
    std::vector<std::atomic<int>> woken(n);
    std::atomic<int> by_popular{0};
    crew c{where};
    for (std::size_t i = 0; i < n; ++i) {
      c.start([&, i] {
        while (dh::select(dh::recv(popular), dh::recv(own[i])) == 1) ++woken[i];
        ++by_popular;
      });
    }
    for (std::size_t i = 0; i < n; ++i) c.wait_until_parked(i, wait_reason::select);
    for (std::size_t i = 0; i < n; ++i) own[i * 7919 % n].send(1);
    for (std::size_t i = 0; i < n; ++i) popular.send(1);
    c.join();
    for (const auto& times : woken) ASSERT_EQ(times, 1);
    EXPECT_EQ(by_popular, static_cast<int>(n));
  }
}

TEST(SEL_053, at_a_cost_that_does_not_grow_with_their_number) {
  using namespace downhaul_test;
  const int many = rounds(many_waiters);
  const double among_few = least_of([] { return cost_of_leaving_a_line(few_waiters); });
  const double among_many = least_of([=] { return cost_of_leaving_a_line(many); });
  EXPECT_LT(among_many, most_growth * among_few);
}

/// A channel in every state in which no operation waits; and what each operation does there.
struct state {
  const char* name;
  int capacity;
  int queued;
  bool closed;
};
constexpr state states[] = {{"empty", 2, 0, false},
                            {"half full", 2, 1, false},
                            {"full", 2, 2, false},
                            {"unbuffered", 0, 0, false},
                            {"closed and empty", 2, 0, true},
                            {"closed with data", 2, 1, true},
                            {"closed and full", 2, 2, true},
                            {"closed, unbuffered", 0, 0, true}};
dh::chan<int> in_state(const state& s) {
  auto ch = dh::make_chan<int>(s.capacity);
  for (int i = 0; i < s.queued; ++i) ch.send(i);
  if (s.closed) ch.close();
  return ch;
}
std::string outcome(const state& s, std::string (*operation)(const dh::chan<int>&)) {
  const auto ch = in_state(s);
  std::string text;
  const std::string thrown = misuse_of([&] { text = operation(ch); });
  return (text.empty() ? thrown : text) + ", then " + std::to_string(ch.size());
}
std::string describe(std::optional<int> v) { return v ? std::to_string(*v) : "closed"; }

TEST(SEL_054, one_case_equals_the_plain_operation_also_beside_a_nil_case) {
  using ch_t = const dh::chan<int>&;
  for (const state& s : states) {
    SCOPED_TRACE(s.name);
    if (s.closed || s.queued > 0) {
      const auto plain = outcome(s, [](ch_t ch) { return describe(ch.recv()); });
      EXPECT_EQ(outcome(s,
                        [](ch_t ch) {
                          std::optional<int> v;
                          EXPECT_EQ(dh::select(dh::recv(ch, v)), 0);
                          return describe(v);
                        }),
                plain);
      EXPECT_EQ(outcome(s,
                        [](ch_t ch) {
                          std::optional<int> v;
                          EXPECT_EQ(dh::select(dh::send(dh::chan<int>{}, 1), dh::recv(ch, v)), 1);
                          return describe(v);
                        }),
                plain);
    }
    if (s.closed || s.queued < s.capacity) {
      const auto plain = outcome(s, [](ch_t ch) {
        ch.send(9);
        return std::string{"sent"};
      });
      EXPECT_EQ(outcome(s,
                        [](ch_t ch) {
                          EXPECT_EQ(dh::select(dh::send(ch, 9)), 0);
                          return std::string{"sent"};
                        }),
                plain);
      EXPECT_EQ(outcome(s,
                        [](ch_t ch) {
                          EXPECT_EQ(dh::select(dh::recv(dh::chan<int>{}), dh::send(ch, 9)), 1);
                          return std::string{"sent"};
                        }),
                plain);
    }
  }
}

TEST(SEL_054, one_case_and_otherwise_equals_the_operation_that_does_not_wait) {
  using ch_t = const dh::chan<int>&;
  for (const state& s : states) {
    SCOPED_TRACE(s.name);
    const auto received = outcome(s, [](ch_t ch) {
      std::error_code ec;
      const auto v = ch.try_recv(ec);
      return ec ? std::string{"not possible"} : describe(v);
    });
    EXPECT_EQ(outcome(s,
                      [](ch_t ch) {
                        std::optional<int> v;
                        const int fired = dh::select(dh::recv(ch, v), dh::otherwise);
                        return fired == 1 ? std::string{"not possible"} : describe(v);
                      }),
              received);
    EXPECT_EQ(outcome(s,
                      [](ch_t ch) {
                        std::optional<int> v;
                        const int fired = dh::select(dh::otherwise, dh::send(dh::chan<int>{}, 1),
                                                     dh::recv(ch, v));
                        return fired == 0 ? std::string{"not possible"} : describe(v);
                      }),
              received);
    const auto sent =
        outcome(s, [](ch_t ch) { return std::string{ch.try_send(9) ? "sent" : "not possible"}; });
    EXPECT_EQ(outcome(s,
                      [](ch_t ch) {
                        const int fired = dh::select(dh::send(ch, 9), dh::otherwise);
                        return std::string{fired == 0 ? "sent" : "not possible"};
                      }),
              sent);
    EXPECT_EQ(outcome(s,
                      [](ch_t ch) {
                        const int fired =
                            dh::select(dh::recv(dh::chan<int>{}), dh::otherwise, dh::send(ch, 9));
                        return std::string{fired == 2 ? "sent" : "not possible"};
                      }),
              sent);
  }
}

}  // namespace
