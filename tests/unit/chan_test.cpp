// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// Channels: handles, what each operation does and when it waits.

#include "downhaul/chan.hpp"

#include <gmock/gmock.h>

#include <array>
#include <atomic>
#include <concepts>
#include <cstdint>
#include <memory>
#include <ranges>
#include <span>
#include <string>
#include <system_error>
#include <thread>
#include <type_traits>
#include <unordered_set>
#include <utility>
#include <vector>

#include "downhaul/runtime.hpp"
#include "downhaul/select.hpp"
#include "support/crew.hpp"
#include "support/parked.hpp"
#include "wait/wait_reason.hpp"

namespace dh = downhaul;
using downhaul::impl::wait_reason;
using downhaul_test::crew;
using downhaul_test::place;
using downhaul_test::rounds;
using testing::ElementsAre;

namespace {

// A test on threads, on goroutines and on both.
class chan_from : public testing::TestWithParam<place> {
 protected:
  crew c{GetParam()};
};
INSTANTIATE_TEST_SUITE_P(, chan_from, testing::ValuesIn(downhaul_test::all_places),
                         testing::PrintToStringParamName());

// --- handles ---

TEST(chan, counts_what_is_queued_and_keeps_its_capacity) {
  for (int n = 0; n < 200; ++n) {
    auto ch = dh::make_chan<int>(n);
    EXPECT_EQ(ch.capacity(), n);
    for (int i = 0; i < n; ++i) {
      EXPECT_EQ(ch.size(), i);
      EXPECT_TRUE(ch.try_send(i));
    }
    EXPECT_EQ(ch.size(), n);
    EXPECT_FALSE(ch.try_send(-1));
    for (int i = 0; i < n; ++i) EXPECT_EQ(ch.try_recv(), i);
    EXPECT_EQ(ch.size(), 0);
    EXPECT_EQ(ch.capacity(), n);
  }
}

TEST_P(chan_from, has_size_zero_without_places_whoever_waits) {
  auto ch = dh::make_chan<int>();
  c.start([ch] { ch.send(1); });
  c.wait_until_parked(0, wait_reason::chan_send);
  EXPECT_EQ(ch.size(), 0);
  EXPECT_EQ(ch.capacity(), 0);
  EXPECT_EQ(ch.recv(), 1);
}

template <class T>
void expect_out_of_range(std::ptrdiff_t capacity) {
  try {
    static_cast<void>(dh::make_chan<T>(capacity));
    ADD_FAILURE() << capacity << " was accepted";
  } catch (const dh::misuse& e) {
    EXPECT_STREQ(e.what(), "makechan: size out of range");
  }
}

TEST(chan, refuses_a_capacity_that_no_memory_has) {
  using wide = std::array<char, 65'535>;
  expect_out_of_range<int>(-1);
  expect_out_of_range<int>(PTRDIFF_MIN);
  expect_out_of_range<int>(std::ptrdiff_t{1} << 59);
  expect_out_of_range<int>(PTRDIFF_MAX);
  expect_out_of_range<wide>(-1);
  expect_out_of_range<wide>(10 | (std::ptrdiff_t{1} << 46));
  expect_out_of_range<wide>(std::ptrdiff_t{1} << 60);
  expect_out_of_range<void>(-1);
}

TEST(chan, handles_are_equal_by_identity_and_can_be_hashed) {
  const auto a = dh::make_chan<int>();
  const auto b = dh::make_chan<int>();
  const auto copy = a;
  EXPECT_EQ(a, copy);
  EXPECT_NE(a, b);
  EXPECT_EQ(dh::chan<int>{}, dh::chan<int>{});
  EXPECT_NE(a, dh::chan<int>{});
  EXPECT_TRUE(a);
  EXPECT_FALSE(dh::chan<int>{});

  const dh::recv_chan<int> in = a;
  const dh::send_chan<int> out = a;
  EXPECT_EQ(a, in);
  EXPECT_EQ(in, a);
  EXPECT_EQ(a, out);
  EXPECT_EQ(out, in);
  EXPECT_NE(in, dh::recv_chan<int>{b});
  static_assert(std::same_as<decltype(dh::recv_chan{a}), dh::recv_chan<int>>);
  static_assert(std::same_as<decltype(dh::send_chan{a}), dh::send_chan<int>>);

  std::unordered_set<dh::chan<int>> set{a, b, copy};
  EXPECT_EQ(set.size(), 2U);
  EXPECT_EQ(std::hash<dh::chan<int>>{}(a), std::hash<dh::recv_chan<int>>{}(in));
  EXPECT_EQ(std::hash<dh::chan<int>>{}(a), std::hash<dh::send_chan<int>>{}(out));
}

TEST(chan, moved_from_handles_are_nil) {
  auto a = dh::make_chan<int>();
  const auto b = std::move(a);
  EXPECT_FALSE(a);  // NOLINT(bugprone-use-after-move): that is what is promised
  EXPECT_TRUE(b);
}

TEST(chan, convert_to_an_end_and_to_nothing_else) {
  using both = dh::chan<int>;
  using in = dh::recv_chan<int>;
  using out = dh::send_chan<int>;
  static_assert(std::is_convertible_v<both, in> && std::is_convertible_v<both, out>);
  static_assert(!std::is_constructible_v<both, in> && !std::is_constructible_v<both, out>);
  static_assert(!std::is_constructible_v<in, out> && !std::is_constructible_v<out, in>);
  static_assert(!std::is_constructible_v<in, dh::chan<long>>);
  static_assert(!std::is_constructible_v<dh::chan<long>, both>);
  static_assert(requires(out o) { o.close(); });
  static_assert(std::is_nothrow_copy_constructible_v<both> && std::is_nothrow_swappable_v<both>);
  static_assert(sizeof(both) == sizeof(void*));
  static_assert(std::ranges::input_range<const both&>);
  static_assert(std::same_as<std::ranges::range_reference_t<both>, int&>);
}

// --- nil ---

TEST(chan_nil, has_no_size_and_does_nothing_at_once) {
  const dh::chan<int> nil;
  EXPECT_EQ(nil.size(), 0);
  EXPECT_EQ(nil.capacity(), 0);
  EXPECT_FALSE(nil.try_send(1));
  EXPECT_FALSE(nil.try_recv());
  std::error_code ec;
  EXPECT_FALSE(nil.try_recv(ec));
  EXPECT_EQ(ec, std::errc::operation_would_block);
  const dh::chan<void> signals;
  EXPECT_FALSE(signals.try_send());
  EXPECT_FALSE(signals.try_recv());
}

TEST(chan_nil, cannot_be_closed) {
  try {
    dh::chan<int>{}.close();
    ADD_FAILURE() << "closed";
  } catch (const dh::misuse& e) {
    EXPECT_STREQ(e.what(), "close of nil channel");
  }
}

// The goroutines wait on when their runtime ends, which leaves them where they are.
TEST(chan_nil, blocks_for_ever) {
  const auto before = dh::count_goroutines();
  dh::runtime abandoned{dh::runtime_options{.workers = 1}};
  std::atomic<int> returned{0};
  const auto start = [&](auto f) {
    abandoned.go([&returned, f] {
      f();
      ++returned;
    });
  };
  start([] { dh::chan<int>{}.send(1); });
  start([] { dh::chan<void>{}.send(); });
  start([] { static_cast<void>(dh::chan<int>{}.recv()); });
  start([] { dh::chan<void>{}.recv(); });
  start([] {
    for (const int v : dh::chan<int>{}) ADD_FAILURE() << v;
  });
  start([] { dh::select(); });
  start([] { dh::select(dh::recv(dh::chan<int>{}), dh::send(dh::chan<int>{}, 1)); });
  start([] { dh::select(std::span<dh::select_case>{}); });
  start([] {
    auto ch = dh::make_chan<int>();
    dh::select(dh::send(ch, 1), dh::recv(ch));  // nobody talks to himself
  });
  downhaul_test::await_parked("chan send (nil chan)", 2);
  downhaul_test::await_parked("chan receive (nil chan)", 3);
  downhaul_test::await_parked("select (no cases)", 3);
  downhaul_test::await_parked("select", 1);
  EXPECT_EQ(returned, 0);
  EXPECT_EQ(dh::count_goroutines(), before + 9);
}

// --- without places ---

TEST_P(chan_from, a_send_waits_for_its_receiver) {
  auto ch = dh::make_chan<int>();
  std::atomic<int> sent{0};
  c.start([&] {
    ch.send(1);
    sent = 1;
    ch.send(2);
    sent = 2;
  });
  c.wait_until_parked(0, wait_reason::chan_send);
  EXPECT_EQ(sent, 0);
  EXPECT_EQ(ch.recv(), 1);
  c.wait_until_parked(0, wait_reason::chan_send);
  EXPECT_EQ(sent, 1);
  EXPECT_EQ(ch.recv(), 2);
  c.join();
  EXPECT_EQ(sent, 2);
}

TEST_P(chan_from, a_receive_waits_for_its_sender) {
  auto ch = dh::make_chan<std::string>();
  std::optional<std::string> got;
  c.start([&] { got = ch.recv(); });
  c.wait_until_parked(0, wait_reason::chan_receive);
  ch.send("here");
  c.join();
  EXPECT_EQ(got, "here");
}

TEST_P(chan_from, try_forms_succeed_only_when_the_partner_is_parked) {
  auto ch = dh::make_chan<int>();
  EXPECT_FALSE(ch.try_send(1));
  EXPECT_FALSE(ch.try_recv());
  std::error_code ec;
  EXPECT_FALSE(ch.try_recv(ec));
  EXPECT_EQ(ec, std::errc::operation_would_block);

  std::optional<int> got;
  const auto receiver = c.start([&] { got = ch.recv(); });
  c.wait_until_parked(receiver, wait_reason::chan_receive);
  EXPECT_FALSE(ch.try_recv());
  EXPECT_TRUE(ch.try_send(2));
  EXPECT_FALSE(ch.try_send(3));

  const auto sender = c.start([&] { ch.send(4); });
  c.wait_until_parked(sender, wait_reason::chan_send);
  EXPECT_FALSE(ch.try_send(5));
  EXPECT_EQ(ch.try_recv(ec), 4);
  EXPECT_FALSE(ec);
  EXPECT_FALSE(ch.try_recv());
  c.join();
  EXPECT_EQ(got, 2);
}

// --- with places ---

TEST_P(chan_from, a_send_waits_only_when_all_places_are_taken) {
  auto ch = dh::make_chan<int>(2);
  ch.send(1);
  ch.send(2);
  c.start([&] { ch.send(3); });
  c.wait_until_parked(0, wait_reason::chan_send);
  EXPECT_EQ(ch.size(), 2);
  EXPECT_EQ(ch.recv(), 1);
  EXPECT_EQ(ch.size(), 2);  // the freed place went to the sender in the same step
  c.join();
  EXPECT_EQ(ch.recv(), 2);
  EXPECT_EQ(ch.recv(), 3);
}

TEST_P(chan_from, a_value_goes_straight_to_a_parked_receiver) {
  auto ch = dh::make_chan<int>(5);
  std::optional<int> got;
  c.start([&] { got = ch.recv(); });
  c.wait_until_parked(0, wait_reason::chan_receive);
  ch.send(9);
  EXPECT_EQ(ch.size(), 0);
  c.join();
  EXPECT_EQ(got, 9);
}

// --- void ---

TEST_P(chan_from, void_carries_signals) {
  auto ch = dh::make_chan<void>(2);
  ch.send();
  EXPECT_TRUE(ch.try_send());
  EXPECT_FALSE(ch.try_send());
  EXPECT_EQ(ch.size(), 2);
  EXPECT_TRUE(ch.recv());
  EXPECT_TRUE(ch.try_recv());
  std::error_code ec;
  EXPECT_FALSE(ch.try_recv(ec));
  EXPECT_EQ(ec, std::errc::operation_would_block);
  bool signalled = false;
  c.start([&] { signalled = ch.recv(); });
  c.wait_until_parked(0, wait_reason::chan_receive);
  ch.send();
  c.join();
  EXPECT_TRUE(signalled);
  ch.close();
  EXPECT_FALSE(ch.recv());
  EXPECT_FALSE(ch.try_recv(ec));
  EXPECT_FALSE(ec);
}

// --- range-for ---

TEST_P(chan_from, ranges_over_values_until_close) {
  auto ch = dh::make_chan<char>();
  c.start([ch] {
    for (char letter = 'a'; letter <= 'z'; ++letter) ch.send(letter);
    ch.close();
  });
  std::string all;
  for (char& v : ch) all.push_back(v);
  EXPECT_EQ(all, "abcdefghijklmnopqrstuvwxyz");
  for (char& v : ch) ADD_FAILURE() << v;  // closed and empty: the body never runs
}

TEST(chan_range, leaves_the_rest_in_the_channel) {
  auto ch = dh::make_chan<int>(4);
  for (int i = 1; i <= 4; ++i) ch.send(i);
  for (const int v : ch) {
    if (v == 2) break;
  }
  EXPECT_EQ(ch.size(), 2);
  ch.close();
  std::vector<int> rest;
  for (const int v : dh::recv_chan{ch}) rest.push_back(v);
  EXPECT_THAT(rest, ElementsAre(3, 4));
}

TEST(chan_range, begins_with_one_receive_and_compares_without_any) {
  auto ch = dh::make_chan<int>(3);
  for (int i = 1; i <= 3; ++i) ch.send(i);
  static_cast<void>(ch.end());
  EXPECT_EQ(ch.size(), 3);
  auto it = ch.begin();
  EXPECT_EQ(ch.size(), 2);
  EXPECT_NE(it, ch.end());
  EXPECT_NE(it, ch.end());
  EXPECT_EQ(*it, 1);
  EXPECT_EQ(*it, 1);
  EXPECT_EQ(ch.size(), 2);
  ++it;
  EXPECT_EQ(*it, 2);
}

TEST(chan_range, yields_values_that_can_be_taken_away) {
  auto ch = dh::make_chan<std::unique_ptr<int>>(1);
  ch.send(std::make_unique<int>(5));
  ch.close();
  std::unique_ptr<int> mine;
  for (auto& v : ch) mine = std::move(v);
  ASSERT_TRUE(mine);
  EXPECT_EQ(*mine, 5);
}

TEST(chan_range, goes_on_when_the_body_drops_the_handle) {
  auto ch = dh::make_chan<int>(3);
  for (int i = 1; i <= 3; ++i) ch.send(i);
  ch.close();
  std::vector<int> seen;
  for (const int v : ch) {
    ch = {};
    seen.push_back(v);
  }
  EXPECT_THAT(seen, ElementsAre(1, 2, 3));
}

// --- lifetime ---

TEST_P(chan_from, lives_as_long_as_an_operation_waits_on_it) {
  auto element = std::make_shared<int>(1);
  auto ch = std::make_unique<dh::chan<std::shared_ptr<int>>>(dh::make_chan<std::shared_ptr<int>>());
  auto partner = *ch;
  const auto sender = c.start([&, mine = element]() mutable { ch->send(std::move(mine)); });
  c.wait_until_parked(sender, wait_reason::chan_send);
  ch.reset();  // the handle that the sender used
  EXPECT_EQ(partner.recv(), element);
  partner = {};
  c.join();
  EXPECT_EQ(element.use_count(), 1);
}

TEST_P(chan_from, may_go_as_soon_as_a_receive_has_returned) {
  for (int i = 0; i < rounds(2000); ++i) {
    auto holder = std::make_unique<dh::chan<int>>(dh::make_chan<int>(i % 2));
    crew sender{GetParam()};
    sender.start([&raw = *holder] { raw.send(1); });
    EXPECT_EQ(holder->recv(), 1);
    holder.reset();
  }
}

}  // namespace
