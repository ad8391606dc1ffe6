// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// Every call of the channel and select headers with each of its allocations failing.

#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "downhaul/chan.hpp"
#include "downhaul/context.hpp"
#include "downhaul/select.hpp"
#include "downhaul/timer.hpp"
#include "faults/each_allocation.hpp"

namespace {

using namespace std::chrono_literals;
using namespace downhaul;
using downhaul_test::allocations_here;
using downhaul_test::fail_each_allocation;
using downhaul_test::failures;

// Boxed: it is larger than what is moved under a lock.
struct large {
  explicit large(int n) : number{n} {}
  large(large&& other) noexcept : number{std::exchange(other.number, 0)} {}
  large& operator=(large&& other) noexcept {
    number = std::exchange(other.number, 0);
    return *this;
  }
  int number;
  std::array<char, 400> rest{};
};

// Boxed: its move might throw. It allocates for each copy and each move.
struct hesitant {
  explicit hesitant(int n) : at{new int{n}} {}
  hesitant(const hesitant& other) : at{new int{*other.at}} {}
  hesitant(hesitant&& other) noexcept(false) : at{new int{*other.at}} {}
  hesitant& operator=(hesitant&& other) noexcept {
    std::swap(at, other.at);
    return *this;
  }
  ~hesitant() { delete at; }
  int* at;
};

TEST(chan_allocation, making_a_channel) {
  EXPECT_EQ(fail_each_allocation([] { static_cast<void>(make_chan<int>()); }), (failures{1, 0}));
  EXPECT_EQ(fail_each_allocation([] { static_cast<void>(make_chan<large>(100)); }),
            (failures{1, 0}));
  EXPECT_EQ(fail_each_allocation([] { static_cast<void>(make_chan<void>(3)); }), (failures{1, 0}));
}

// Sends `value` by `send`, each allocation failing: what is not sent is still the caller's.
template <class T, class Number, class Send>
void stays_with_its_sender(T value, Number number, Send send) {
  auto ch = make_chan<T>(1);
  const int was = number(value);
  bool sent = false;
  const failures f = fail_each_allocation(
      [&] {
        sent = false;
        send(ch, value);
        sent = true;
        std::optional<T> back = ch.try_recv();
        value = std::move(*back);
      },
      [&](bool threw) {
        ASSERT_TRUE(threw);
        if (!sent) {
          EXPECT_EQ(number(value), was);
          EXPECT_EQ(ch.size(), 0);
        }
      });
  EXPECT_GE(f.thrown, 1);
}

TEST(chan_allocation, a_large_value_stays_with_its_sender) {
  const auto number = [](const large& v) { return v.number; };
  stays_with_its_sender(large{7}, number, [](auto& ch, large& v) { ch.send(std::move(v)); });
  stays_with_its_sender(large{7}, number,
                        [](auto& ch, large& v) { EXPECT_TRUE(ch.try_send(std::move(v))); });
  const auto ctx = with_cancel(background());
  stays_with_its_sender(large{7}, number,
                        [&](auto& ch, large& v) { ch.send(ctx.ctx, std::move(v)); });
  stays_with_its_sender(large{7}, number, [&](auto& ch, large& v) {
    std::error_code ec;
    ch.send(ctx.ctx, std::move(v), ec);
  });
  stays_with_its_sender(large{7}, number,
                        [](auto& ch, large& v) { select(send(ch, std::move(v))); });
  stays_with_its_sender(large{7}, number, [&](auto& ch, large& v) {
    select(ctx.ctx, send(ch, std::move(v)), recv(chan<int>{}));
  });
  stays_with_its_sender(large{7}, number, [](auto& ch, large& v) {
    select_case only[] = {send(ch, std::move(v))};
    select(std::span<select_case>{only});
  });
}

// A move that throws on the receiving side takes its value along: receive outside the failures.
TEST(chan_allocation, a_value_that_may_not_move_stays_with_its_sender) {
  auto ch = make_chan<hesitant>(1);
  hesitant value{7};
  const auto sends = [&](auto send) {
    int sent = 0;
    const failures f = fail_each_allocation(
        [&] {
          std::optional<hesitant> out;
          {
            send();
          }
          ++sent;
          while (ch.size() != 0) {
            try {
              ch.try_recv();
            } catch (const std::bad_alloc&) {
            }
          }
        },
        [&](bool) {
          EXPECT_EQ(*value.at, 7);
          EXPECT_EQ(ch.size(), 0);
        });
    EXPECT_GE(f.thrown, 2);
    EXPECT_GE(sent, 2);
  };
  sends([&] { ch.send(value); });
  sends([&] { ch.send(std::move(value)); });
  sends([&] { static_cast<void>(ch.try_send(value)); });
  sends([&] { select(send(ch, value)); });
  sends([&] { select(send(ch, std::move(value))); });
}

// The second case finds no memory: the first one's value has been boxed, and goes back.
TEST(chan_allocation, all_values_of_a_select_stay_with_their_sender) {
  auto a = make_chan<large>();
  auto b = make_chan<large>();
  auto ready = make_chan<int>(1);
  large first{1};
  large second{2};
  const failures f = fail_each_allocation(
      [&] {
        ready.send(1);
        try {
          EXPECT_EQ(select(send(a, std::move(first)), send(b, std::move(second)), recv(ready)), 2);
        } catch (const std::bad_alloc&) {
          ready.recv();
          throw;
        }
      },
      [&](bool threw) {
        EXPECT_TRUE(threw);
        EXPECT_EQ(first.number, 1);
        EXPECT_EQ(second.number, 2);
      });
  EXPECT_EQ(f, (failures{2, 0}));
  EXPECT_EQ(first.number, 1);
  EXPECT_EQ(second.number, 2);
}

TEST(chan_allocation, a_case_of_a_list_leaves_its_value_with_the_sender) {
  auto ch = make_chan<large>(1);
  large value{7};
  const failures f = fail_each_allocation(
      [&] {
        select_case one{send(ch, std::move(value))};
        select_case moved{std::move(one)};
        EXPECT_EQ(select(std::span<select_case>{&moved, 1}), 0);
        value = *ch.recv();
      },
      [&](bool threw) {
        EXPECT_TRUE(threw);
        EXPECT_EQ(value.number, 7);
        EXPECT_EQ(ch.size(), 0);
      });
  EXPECT_GE(f.thrown, 3);
}

TEST(chan_allocation, a_long_list_of_cases) {
  constexpr int n = 400;
  std::vector<chan<int>> channels;
  for (int i = 0; i < n; ++i) channels.push_back(make_chan<int>(1));
  std::vector<select_case> cases;
  int got = 0;
  for (auto& ch : channels)
    cases.emplace_back(recv(ch, [&got](std::optional<int> v) { got = *v; }));
  channels[311].send(5);
  int fired = -1;
  const failures f = fail_each_allocation(
      [&] {
        fired = select(std::span<select_case>{cases});
        channels[311].send(5);
      },
      [&](bool threw) {
        EXPECT_TRUE(threw);
        EXPECT_EQ(channels[311].size(), 1);  // nothing was taken
      });
  EXPECT_EQ(f, (failures{3, 0}));
  EXPECT_EQ(fired, 311);
  EXPECT_EQ(got, 5);
}

TEST(chan_allocation, making_a_long_list_of_cases) {
  auto ch = make_chan<std::string>(1);
  const failures f = fail_each_allocation([&] {
    std::vector<select_case> cases;
    for (int i = 0; i < 20; ++i) {
      cases.emplace_back(send(ch, "a string that is too long to be kept inside"));
      cases.emplace_back(recv(after(1h)));
    }
  });
  EXPECT_GE(f.thrown, 80);
  EXPECT_EQ(f.absorbed, 0);
}

// A case that owns its timer gives it back.
TEST(chan_allocation, cases_that_own_what_they_wait_for) {
  auto ready = make_chan<int>(1);
  const failures f = fail_each_allocation([&] {
    select(recv(after(1h)), recv(timer{2h}), recv(with_cancel(background()).ctx.done()), otherwise);
  });
  EXPECT_EQ(f, (failures{3, 0}));
}

// misuse has a text, which needs memory.
TEST(chan_allocation, misuse_is_bad_alloc_without_memory_for_its_text) {
  auto ch = make_chan<large>(1);
  ch.close();
  large value{7};
  int misused = 0;
  const failures f = fail_each_allocation(
      [&] {
        try {
          ch.send(std::move(value));
        } catch (const misuse&) {
          ++misused;
        }
        try {
          ch.close();
        } catch (const misuse&) {
          ++misused;
        }
      },
      [&](bool) { EXPECT_EQ(value.number, 7); });
  EXPECT_GE(f.thrown, 3);
  EXPECT_GE(misused, 4);
}

}  // namespace
