// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// Small programs around select: one case each, out of the middle of a queue, every form against every
// form, and polling against whoever waits.

#include <gmock/gmock.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "downhaul/downhaul.hpp"
#include "support/crew.hpp"
#include "support/test_runtime.hpp"

namespace dh = downhaul;
using downhaul_test::rounds;
using downhaul_test::test_runtime;

namespace {

// Four channels without room, one sender that offers each number to all four: exactly one takes it.
TEST(programs_doubleselect, each_number_arrives_once_on_one_of_four_channels) {
  for (const int workers : {1, 4}) {
    test_runtime on{workers};
    on.run([] {
      const int n = rounds(100'000);
      std::array<dh::chan<int>, 4> to;
      for (auto& ch : to) ch = dh::make_chan<int>();
      auto arrived = dh::make_chan<int>(16);
      dh::wait_group relays;
      for (const auto& ch : to) {
        relays.go([ch, arrived] {
          for (const int v : ch) arrived.send(v);
        });
      }
      dh::go([=] {
        for (int i = 0; i < n; ++i) {
          dh::select(dh::send(to[0], i), dh::send(to[1], i), dh::send(to[2], i),
                     dh::send(to[3], i));
        }
        for (const auto& ch : to) ch.close();
      });
      dh::go([&relays, arrived] {
        relays.wait();
        arrived.close();
      });
      std::vector<int> seen(static_cast<std::size_t>(n));
      for (const int v : arrived) ++seen.at(static_cast<std::size_t>(v));
      EXPECT_EQ(std::ranges::count(seen, 1), n);
    });
  }
}

// Three wait for one channel; the one in the middle also waits for another, and is woken there.
TEST(programs_select6, a_select_that_lost_leaves_the_middle_of_the_queue) {
  for (const int workers : {1, 4}) {
    for (int round = 0; round < 100; ++round) {
      test_runtime on{workers};
      const auto c1 = dh::make_chan<int>();
      const auto c2 = dh::make_chan<int>();
      std::vector<int> first;
      std::vector<int> third;
      int chosen = -1;
      on.go([&] { first.push_back(c1.recv().value()); });
      on.run_until_parked();
      on.go([&] { chosen = dh::select(dh::recv(c1), dh::recv(c2)); });
      on.run_until_parked();
      on.go([&] { third.push_back(c1.recv().value()); });
      on.run_until_parked();
      on.run([&] {
        c2.send(0);
        c1.send(1);
        c1.send(2);
      });
      on.run_until_parked();
      EXPECT_EQ(chosen, 1);
      EXPECT_EQ(first, std::vector{1});
      EXPECT_EQ(third, std::vector{2});
      EXPECT_FALSE(c1.try_send(3));
    }
  }
}

// --- every form of sending against every form of receiving ------------------------------------------

using sender = void (*)(const dh::chan<int>&, int);
using receiver = std::optional<int> (*)(const dh::chan<int>&);

constexpr std::array<sender, 4> senders{
    [](const dh::chan<int>& ch, int v) { ch.send(v); },
    [](const dh::chan<int>& ch, int v) { dh::select(dh::send(ch, v)); },
    [](const dh::chan<int>& ch, int v) {
      const auto never = dh::make_chan<int>();
      EXPECT_EQ(dh::select(dh::send(never, -1), dh::send(ch, v), dh::recv(never)), 1);
    },
    [](const dh::chan<int>& ch, int v) {
      std::vector<dh::select_case> cases;
      cases.emplace_back(dh::recv(dh::chan<int>{}));
      cases.emplace_back(dh::send(ch, v));
      EXPECT_EQ(dh::select(cases), 1);
    },
};
constexpr std::array<receiver, 4> receivers{
    [](const dh::chan<int>& ch) { return ch.recv(); },
    [](const dh::chan<int>& ch) {
      std::optional<int> v;
      dh::select(dh::recv(ch, v));
      return v;
    },
    [](const dh::chan<int>& ch) {
      const auto never = dh::make_chan<int>();
      auto answer = dh::recv(ch);
      dh::select(dh::send(never, 1), dh::recv(never), answer);
      EXPECT_TRUE(answer.fired());
      return answer.value();
    },
    [](const dh::chan<int>& ch) {
      std::optional<int> v;
      std::vector<dh::select_case> cases;
      cases.emplace_back(dh::recv(ch, [&](std::optional<int> got) { v = got; }));
      cases.emplace_back(dh::send(dh::chan<int>{}, 1));
      EXPECT_EQ(dh::select(cases), 0);
      return v;
    },
};
// The same, but nobody looks at the value.
constexpr std::array<void (*)(const dh::chan<int>&), 3> discarding{
    [](const dh::chan<int>& ch) { ch.recv(); },
    [](const dh::chan<int>& ch) { dh::select(dh::recv(ch)); },
    [](const dh::chan<int>& ch) { dh::select(dh::recv(ch), dh::recv(dh::chan<int>{})); },
};

TEST(programs_select7, any_form_of_sending_meets_any_form_of_receiving) {
  for (const int workers : {1, 4}) {
    test_runtime on{workers};
    for (const std::ptrdiff_t capacity : {0, 1}) {
      for (const sender send : senders) {
        for (const receiver recv : receivers) {
          const auto ch = dh::make_chan<int>(capacity);
          on.go([=] {
            for (int i = 0; i < 20; ++i) send(ch, i);
          });
          on.run([=] {
            for (int i = 0; i < 20; ++i) EXPECT_EQ(recv(ch), i);
          });
          on.run_until_parked();
          EXPECT_EQ(ch.size(), 0);
        }
      }
    }
  }
}

TEST(programs_select7, a_value_that_nobody_looks_at_is_gone_all_the_same) {
  test_runtime on{2};
  for (const sender send : senders) {
    for (const auto discard : discarding) {
      const auto ch = dh::make_chan<int>();
      on.go([=] {
        send(ch, 1);
        send(ch, 2);
      });
      on.run([=] {
        discard(ch);
        EXPECT_EQ(ch.recv(), 2);
        EXPECT_FALSE(ch.try_recv());
      });
    }
  }
}

// --- order ------------------------------------------------------------------------------------------

TEST(programs_fifo, a_buffer_gives_back_what_it_was_given_in_order) {
  const auto ch = dh::make_chan<int>(10);
  for (int lap = 0; lap < 100; ++lap) {
    for (int i = 0; i < 10; ++i) ch.send(lap * 10 + i);
    for (int i = 0; i < 10; ++i) ASSERT_EQ(ch.recv(), lap * 10 + i);
  }
}

// Each waits for its predecessor's token before it receives from the one channel all share.
TEST(programs_fifo, a_daisy_chain_receives_in_the_order_of_its_links) {
  for (const int workers : {1, 4}) {
    test_runtime on{workers};
    on.run([] {
      constexpr int n = 1000;
      const auto ch = dh::make_chan<int>();
      std::vector<int> received;
      const auto first = dh::make_chan<void>();
      auto in = first;
      dh::wait_group chain;
      for (int i = 0; i < n; ++i) {
        auto out = dh::make_chan<void>(1);
        chain.go([&received, ch, in, out] {
          in.recv();
          received.push_back(ch.recv().value());
          out.send();
        });
        in = out;
      }
      first.send();
      for (int i = 0; i < n; ++i) ch.send(i);
      chain.wait();
      std::vector<int> expected(n);
      for (int i = 0; i < n; ++i) expected[static_cast<std::size_t>(i)] = i;
      EXPECT_EQ(received, expected);
    });
  }
}

// --- polling ----------------------------------------------------------------------------------------

template <class T>
struct sample;
template <>
struct sample<std::int32_t> {
  static constexpr std::int32_t value = 123;
};
template <>
struct sample<std::int64_t> {
  static constexpr std::int64_t value = std::int64_t{1} << 40;
};
template <>
struct sample<bool> {
  static constexpr bool value = true;
};
template <>
struct sample<std::string> {
  static constexpr const char* value = "hello, and too long to be kept inside the object itself";
};

template <class T>
class programs_nonblock : public testing::Test {};
using polled = testing::Types<std::int32_t, std::int64_t, bool, std::string>;
TYPED_TEST_SUITE(programs_nonblock, polled);

TYPED_TEST(programs_nonblock, finds_nothing_then_meets_whoever_waits) {
  const TypeParam value{sample<TypeParam>::value};
  for (const int workers : {1, 4}) {
    for (const std::ptrdiff_t capacity : {0, 1}) {
      test_runtime on{workers};
      const auto ch = dh::make_chan<TypeParam>(capacity);
      on.run([&] {
        EXPECT_FALSE(ch.try_recv());
        EXPECT_EQ(dh::select(dh::recv(ch), dh::otherwise), 1);
        // Polls until the other one has sent.
        dh::go([=] { ch.send(value); });
        std::optional<TypeParam> v;
        while (!v) {
          v = ch.try_recv();
          dh::yield();
        }
        EXPECT_EQ(v, value);
        dh::go([=] { dh::select(dh::send(ch, value), dh::recv(dh::chan<int>{})); });
        v.reset();
        while (dh::select(dh::recv(ch, v), dh::otherwise) == 1) dh::yield();
        EXPECT_EQ(v, value);
        // Polls until the other one receives; where there is room it need not.
        EXPECT_EQ(ch.try_send(value), capacity == 1);
        dh::wait_group taken;
        taken.go([=] { EXPECT_EQ(ch.recv(), value); });
        if (capacity == 0) {
          while (!ch.try_send(value)) dh::yield();
        }
        taken.wait();
        taken.go([=] { EXPECT_EQ(ch.recv(), value); });
        while (dh::select(dh::send(ch, value), dh::otherwise) == 1) dh::yield();
        taken.wait();
        EXPECT_FALSE(ch.try_recv());
      });
    }
  }
}

TYPED_TEST(programs_nonblock, two_that_only_poll_never_meet_without_room) {
  const TypeParam value{sample<TypeParam>::value};
  test_runtime on{2};
  const auto ch = dh::make_chan<TypeParam>();
  std::atomic<int> met{0};
  on.go([&] {
    for (int i = 0; i < 1000; ++i) met += ch.try_send(value) ? 1 : 0;
  });
  on.go([&] {
    for (int i = 0; i < 1000; ++i) met += ch.try_recv() ? 1 : 0;
  });
  on.run_until_parked();
  EXPECT_EQ(met, 0);
}

}  // namespace
