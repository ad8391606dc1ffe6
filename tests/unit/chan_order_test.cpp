// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// Who is served first, that nothing is lost or doubled under load, and what happens before what.

#include <gmock/gmock.h>

#include <array>
#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "downhaul/chan.hpp"
#include "downhaul/select.hpp"
#include "support/allocations.hpp"
#include "support/crew.hpp"
#include "wait/wait_reason.hpp"

namespace dh = downhaul;
using downhaul::impl::wait_reason;
using downhaul_test::allocations;
using downhaul_test::crew;
using downhaul_test::place;
using downhaul_test::rounds;
using testing::ElementsAre;

namespace {

class chan_order : public testing::TestWithParam<place> {
 protected:
  crew c{GetParam()};
};
INSTANTIATE_TEST_SUITE_P(, chan_order, testing::ValuesIn(downhaul_test::all_places),
                         testing::PrintToStringParamName());

// --- arrival order ---

TEST_P(chan_order, serves_receivers_first_come_first_served) {
  auto ch = dh::make_chan<int>();
  std::array<int, 5> got{};
  for (std::size_t i = 0; i < got.size(); ++i) {
    c.start([&, i] { got[i] = *ch.recv(); });
    c.wait_until_parked(i, wait_reason::chan_receive);
  }
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(ch.try_send(i));
  EXPECT_FALSE(ch.try_send(5));
  c.join();
  EXPECT_THAT(got, ElementsAre(0, 1, 2, 3, 4));
}

TEST_P(chan_order, serves_senders_first_come_first_served) {
  for (const std::ptrdiff_t capacity : {0, 1, 3}) {
    crew senders{GetParam()};
    auto ch = dh::make_chan<int>(capacity);
    int queued = 0;
    while (ch.try_send(queued)) ++queued;
    for (std::size_t i = 0; i < 5; ++i) {
      senders.start([&ch, v = queued + static_cast<int>(i)] { ch.send(v); });
      senders.wait_until_parked(i, wait_reason::chan_send);
    }
    for (int i = 0; i < queued + 5; ++i) {
      EXPECT_EQ(ch.try_recv(), i);
      EXPECT_EQ(ch.size(), std::min<std::ptrdiff_t>(capacity, queued + 4 - i));
    }
    EXPECT_FALSE(ch.try_recv());
  }
}

TEST_P(chan_order, lets_nobody_overtake_a_parked_sender) {
  auto ch = dh::make_chan<int>(1);
  ch.send(1);
  c.start([&] { ch.send(2); });
  c.wait_until_parked(0, wait_reason::chan_send);
  EXPECT_EQ(ch.try_recv(), 1);
  EXPECT_FALSE(ch.try_send(3)) << "the place went to the one that waited";
  EXPECT_EQ(ch.try_recv(), 2);
  c.join();
}

TEST_P(chan_order, lets_nobody_overtake_a_parked_receiver) {
  auto ch = dh::make_chan<int>(1);
  std::optional<int> got;
  c.start([&] { got = ch.recv(); });
  c.wait_until_parked(0, wait_reason::chan_receive);
  EXPECT_TRUE(ch.try_send(1));
  EXPECT_FALSE(ch.try_recv()) << "the value is the other's, though it may not run yet";
  c.join();
  EXPECT_EQ(got, 1);
}

TEST_P(chan_order, skips_a_select_that_won_elsewhere) {
  auto a = dh::make_chan<int>();
  auto b = dh::make_chan<int>();
  std::optional<int> got;
  c.start([&] { EXPECT_EQ(dh::select(dh::recv(a), dh::recv(b)), 1); });
  c.wait_until_parked(0, wait_reason::select);
  c.start([&] { got = a.recv(); });
  c.wait_until_parked(1, wait_reason::chan_receive);
  EXPECT_TRUE(b.try_send(0));
  EXPECT_TRUE(a.try_send(1));  // whether the select has left the queue of `a` or not
  EXPECT_FALSE(a.try_send(2));
  c.join();
  EXPECT_EQ(got, 1);
}

TEST_P(chan_order, wakes_one_waiter_for_one_value) {
  auto ch = dh::make_chan<int>();
  std::atomic<int> woken{0};
  for (std::size_t i = 0; i < 3; ++i) {
    c.start([&] {
      if (ch.recv()) ++woken;
    });
    c.wait_until_parked(i, wait_reason::chan_receive);
  }
  ch.send(1);
  downhaul_test::wait_until([&] { return woken == 1; });
  for (std::size_t i = 1; i < 3; ++i) c.wait_until_parked(i, wait_reason::chan_receive);
  ch.close();
  c.join();
  EXPECT_EQ(woken, 1);
}

// --- load ---

// 4 senders of the values 0 … n-1 and 4 receivers: each value comes exactly 4 times, and what one
// receiver gets of one sender comes in the order sent.
TEST_P(chan_order, holds_for_four_senders_and_four_receivers) {
  struct item {
    int sender;
    int value;
  };
  const int n = rounds(GetParam() == place::goroutines ? 10'000 : 2'000);
  for (const std::ptrdiff_t capacity : {0, 1, 2, 3, 100}) {
    auto ch = dh::make_chan<item>(capacity);
    std::atomic<int> sending{4};
    std::array<std::vector<item>, 4> got;
    crew all{GetParam()};
    for (int t = 0; t < 4; ++t) {
      all.start([&, t] {
        for (int i = 0; i < n; ++i) {
          if (t == 3 && i % 2 == 0) {
            dh::select(dh::send(ch, item{t, i}), dh::recv(dh::chan<int>{}));
          } else {
            ch.send({t, i});
          }
        }
        if (--sending == 0) ch.close();
      });
      all.start([&, t] {
        auto& mine = got[static_cast<std::size_t>(t)];
        if (t == 3) {
          for (;;) {
            std::optional<item> v;
            dh::select(dh::recv(ch, v), dh::recv(dh::chan<int>{}));
            if (!v) break;
            mine.push_back(*v);
          }
        } else {
          for (const item& v : ch) mine.push_back(v);
        }
      });
    }
    all.join();
    std::vector<int> seen(static_cast<std::size_t>(n));
    for (const auto& mine : got) {
      std::array<int, 4> last{-1, -1, -1, -1};
      for (const item& v : mine) {
        ++seen[static_cast<std::size_t>(v.value)];
        auto& before = last[static_cast<std::size_t>(v.sender)];
        ASSERT_LT(before, v.value) << "capacity " << capacity;
        before = v.value;
      }
    }
    EXPECT_THAT(seen, testing::Each(4)) << "capacity " << capacity;
  }
}

TEST_P(chan_order, gives_each_value_to_one_of_many_loops) {
  const int items = rounds(GetParam() == place::goroutines ? 271'828 : 20'000);
  auto ch = dh::make_chan<int>(7);
  auto sums = dh::make_chan<long>(23);
  for (int t = 0; t < 23; ++t) {
    c.start([ch, sums] {
      long sum = 0;
      for (const int v : ch) sum += v;
      sums.send(sum);
    });
  }
  long expected = 0;
  for (int i = 0; i < items; ++i) {
    ch.send(i);
    expected += i;
  }
  ch.close();
  long sum = 0;
  for (int t = 0; t < 23; ++t) sum += *sums.recv();
  EXPECT_EQ(sum, expected);
}

// Results made on the heap, handed over by a plain send or by a select against "done".
TEST_P(chan_order, loses_and_doubles_no_fresh_object) {
  const int tasks = GetParam() == place::goroutines ? 100 : 8;
  const int each = rounds(GetParam() == place::goroutines ? 1'000 : 2'000);
  auto requests = dh::make_chan<dh::chan<std::unique_ptr<int>>>();
  auto done = dh::make_chan<void>();
  for (int t = 0; t < 4; ++t) {
    c.start([requests, done] {
      int made = 0;
      for (auto& reply : requests) {
        auto fresh = std::make_unique<int>(made);
        if (++made % 2 == 0) {
          reply.send(std::move(fresh));
        } else {
          dh::select(dh::send(reply, std::move(fresh)), dh::recv(done));
        }
      }
    });
  }
  std::atomic<int> got{0};
  {
    crew askers{GetParam()};
    for (int t = 0; t < tasks; ++t) {
      askers.start([&] {
        for (int i = 0; i < each; ++i) {
          auto reply = dh::make_chan<std::unique_ptr<int>>();
          requests.send(reply);
          if (*reply.recv() != nullptr) ++got;
        }
      });
    }
  }
  requests.close();
  c.join();
  EXPECT_EQ(got, tasks * each);
}

// --- what happens before what: plain variables, for the race detector ---

// The ways to move one signal, each with the same promise.
using transfer = std::function<void(const dh::chan<int>&)>;
const std::vector<transfer> sends{
    [](const dh::chan<int>& ch) { ch.send(1); },
    [](const dh::chan<int>& ch) { dh::select(dh::send(ch, 1), dh::recv(dh::chan<int>{})); },
    [](const dh::chan<int>& ch) {
      while (!ch.try_send(1)) downhaul_test::give_way();
    }};
const std::vector<transfer> receives{
    [](const dh::chan<int>& ch) { static_cast<void>(ch.recv()); },
    [](const dh::chan<int>& ch) { dh::select(dh::recv(ch), dh::recv(dh::chan<int>{})); },
    [](const dh::chan<int>& ch) {
      std::error_code ec;
      do {
        downhaul_test::give_way();
        static_cast<void>(ch.try_recv(ec));
      } while (ec);
    }};

TEST_P(chan_order, a_send_happens_before_the_end_of_its_receive) {
  for (const std::ptrdiff_t capacity : {0, 1, 10}) {
    for (const auto& send : sends) {
      for (const auto& receive : receives) {
        if (capacity == 0 && &send == &sends[2] && &receive == &receives[2])
          continue;  // never meet
        int plain = 0;
        auto ch = dh::make_chan<int>(capacity);
        crew one{GetParam()};
        one.start([&] {
          plain = 7;
          send(ch);
        });
        receive(ch);
        EXPECT_EQ(plain, 7);
      }
    }
  }
}

TEST_P(chan_order, a_receive_without_places_happens_before_the_end_of_its_send) {
  for (const auto& send : sends) {
    for (const auto& receive : receives) {
      if (&send == &sends[2] && &receive == &receives[2]) continue;
      int plain = 0;
      auto ch = dh::make_chan<int>();
      crew one{GetParam()};
      one.start([&] {
        plain = 7;
        receive(ch);
      });
      send(ch);
      EXPECT_EQ(plain, 7);
    }
  }
}

TEST_P(chan_order, a_close_happens_before_every_receive_that_sees_it) {
  for (const auto& receive : receives) {
    for (const bool by_select : {false, true}) {
      int plain = 0;
      auto ch = dh::make_chan<int>();
      crew one{GetParam()};
      one.start([&] {
        plain = 7;
        ch.close();
      });
      if (by_select) {
        while (dh::select(dh::recv(ch), dh::otherwise) == 1) downhaul_test::give_way();
      } else {
        receive(ch);
      }
      EXPECT_EQ(plain, 7);
    }
  }
}

// Element k is written before the (k + C)-th send ends, which waited for the k-th receive.
TEST_P(chan_order, a_receive_happens_before_the_send_that_takes_its_place) {
  for (const std::ptrdiff_t capacity : {1, 2, 3}) {
    const int n = rounds(500);
    std::vector<int> plain(static_cast<std::size_t>(n));
    struct nothing {};
    auto ch = dh::make_chan<nothing>(capacity);
    crew one{GetParam()};
    one.start([&] {
      for (std::size_t i = 0; i < plain.size(); ++i) {
        plain[i] = 1;
        static_cast<void>(ch.recv());
      }
    });
    for (std::size_t i = 0; i < plain.size(); ++i) {
      ch.send({});
      const auto places = static_cast<std::size_t>(capacity);
      if (i >= places) {
        EXPECT_EQ(plain[i - places], 1);
      }
    }
  }
}

TEST_P(chan_order, size_and_capacity_race_with_nothing) {
  auto ch = dh::make_chan<int>(2);
  std::atomic<bool> stop{false};
  c.start([&] {
    while (!stop) {
      EXPECT_GE(ch.size(), 0);
      EXPECT_LE(ch.size(), ch.capacity());
      downhaul_test::give_way();
    }
  });
  for (int i = 0; i < rounds(2000); ++i) {
    ch.send(i);
    static_cast<void>(ch.recv());
  }
  ch.close();
  stop = true;
  c.join();
}

// --- cost ---

TEST(chan_cost, operations_and_selects_allocate_nothing) {
  auto ch = dh::make_chan<std::array<int, 20>>(2);
  auto never = dh::make_chan<int>();
  std::optional<std::array<int, 20>> got;
  const std::array<int, 20> value{};
  ch.send(value);  // whatever is made at first use
  dh::select(dh::recv(ch, got), dh::recv(never));
  const long before = allocations();
  for (int i = 0; i < 100; ++i) {
    ch.send(value);
    static_cast<void>(ch.recv());
    static_cast<void>(ch.try_recv());
    dh::select(dh::send(ch, value), dh::recv(never));
    dh::select(dh::recv(never), dh::recv(ch, got), dh::otherwise);
    dh::select(dh::recv(never), dh::recv(ch, got), dh::otherwise);
  }
  EXPECT_EQ(allocations(), before);
}

// On threads, each of which counts its own: a goroutine may go on on another one after a wait.
TEST(chan_cost, a_wait_allocates_nothing) {
  constexpr int n = 100;
  auto ping = dh::make_chan<int>();
  auto pong = dh::make_chan<int>();
  auto never = dh::make_chan<int>();
  std::array<long, 2> made{-1, -1};
  crew c;
  c.start([&] {
    static_cast<void>(ping.recv());
    const long before = allocations();
    for (int i = 0; i < n; ++i) {
      pong.send(*ping.recv());
      dh::select(dh::recv(never), dh::recv(ping));
    }
    made[0] = allocations() - before;
  });
  ping.send(0);
  const long before = allocations();
  for (int i = 0; i < n; ++i) {
    ping.send(i);
    const auto back = pong.recv();
    dh::select(dh::send(ping, 1), dh::recv(never), dh::recv(pong));
    if (back != i) ADD_FAILURE() << i;
  }
  made[1] = allocations() - before;
  c.join();
  EXPECT_THAT(made, ElementsAre(0, 0));
}

}  // namespace
