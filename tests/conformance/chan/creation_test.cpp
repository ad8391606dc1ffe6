// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// CHAN-001 to CHAN-012: creation, identity, length and capacity, what may be carried.

#include <gmock/gmock.h>

#include <any>
#include <array>
#include <atomic>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <ranges>
#include <stdexcept>
#include <string>
#include <system_error>
#include <type_traits>
#include <unordered_map>
#include <utility>
#include <vector>

#include "conformance/chan/forms.hpp"
#include "downhaul/chan.hpp"
#include "downhaul/context.hpp"
#include "downhaul/go.hpp"
#include "downhaul/select.hpp"
#include "support/crew.hpp"

namespace dh = downhaul;
using downhaul::impl::wait_reason;
using downhaul_test::all_forms;
using downhaul_test::all_places;
using downhaul_test::crew;
using downhaul_test::form;
using downhaul_test::misuse_of;
using downhaul_test::place;

namespace {

TEST(CHAN_001, unbuffered_is_of_length_and_capacity_zero_whoever_waits) {
  for (const place where : all_places) {
    SCOPED_TRACE(testing::Message() << where);
    auto ch = dh::make_chan<int>();
    EXPECT_EQ(ch.size(), 0);
    EXPECT_EQ(ch.capacity(), 0);
    crew c{where};
    for (std::size_t i = 0; i < 3; ++i) {
      c.start([ch, i] { ch.send(static_cast<int>(i)); });
      c.wait_until_parked(i, wait_reason::chan_send);
      EXPECT_EQ(ch.size(), 0);
      EXPECT_EQ(ch.capacity(), 0);
    }
    for (int i = 0; i < 3; ++i) {
      EXPECT_EQ(ch.recv(), i);
      EXPECT_EQ(ch.size(), 0);
    }
    const auto receiver = c.start([ch] { EXPECT_EQ(ch.recv(), 7); });
    c.wait_until_parked(receiver, wait_reason::chan_receive);
    EXPECT_EQ(ch.size(), 0);
    ch.send(7);
    EXPECT_EQ(ch.size(), 0);
    EXPECT_EQ(ch.capacity(), 0);
  }
}

TEST(CHAN_002, buffered_counts_what_is_queued_and_keeps_its_capacity) {
  for (int n = 0; n < 200; ++n) {
    auto ch = dh::make_chan<int>(n);
    ASSERT_EQ(ch.capacity(), n);
    ASSERT_EQ(ch.size(), 0);
    for (int i = 0; i < n; ++i) {
      ASSERT_TRUE(ch.try_send(i));
      ASSERT_EQ(ch.size(), i + 1);
      ASSERT_EQ(ch.capacity(), n);
    }
    ASSERT_FALSE(ch.try_send(n)) << "capacity " << n;
    ASSERT_EQ(ch.size(), n);
    for (int i = 0; i < n; ++i) {
      ASSERT_EQ(ch.recv(), i);
      ASSERT_EQ(ch.size(), n - i - 1);
      ASSERT_EQ(ch.capacity(), n);
    }
    ASSERT_FALSE(ch.try_recv());
  }
}

template <class T>
std::string refusal(std::ptrdiff_t capacity) {
  return misuse_of([&] { static_cast<void>(dh::make_chan<T>(capacity)); });
}

TEST(CHAN_003, refuses_what_is_negative_or_beyond_the_address_space) {
  constexpr const char* text = "makechan: size out of range";
  using wide = std::array<char, 65'535>;
  using largest_in_place = std::array<char, 256>;
  EXPECT_EQ(refusal<int>(-1), text);
  EXPECT_EQ(refusal<int>(std::int64_t{-1}), text);
  EXPECT_EQ(refusal<int>(PTRDIFF_MIN), text);
  EXPECT_EQ(refusal<int>(std::ptrdiff_t{1} << 59), text);
  EXPECT_EQ(refusal<int>(PTRDIFF_MAX), text);
  EXPECT_EQ(refusal<std::int64_t>(std::ptrdiff_t{1} << 59), text);
  EXPECT_EQ(refusal<std::int64_t>(PTRDIFF_MAX), text);
  // 2^61 × 8 and 2^56 × 256 are 0 in 64 bits: the product must not be what is compared.
  EXPECT_EQ(refusal<std::int64_t>(std::ptrdiff_t{1} << 61), text);
  EXPECT_EQ(refusal<largest_in_place>(std::ptrdiff_t{1} << 56), text);
  EXPECT_EQ(refusal<largest_in_place>(std::ptrdiff_t{1} << 39), text);
  EXPECT_EQ(refusal<wide>(-1), text);
  EXPECT_EQ(refusal<wide>(10 | (std::ptrdiff_t{1} << 46)), text);
  EXPECT_EQ(refusal<wide>(std::ptrdiff_t{1} << 60), text);
  EXPECT_EQ(refusal<std::string>(-1), text);
  EXPECT_EQ(refusal<void>(-1), text);
}

// deviates: elements above 256 bytes are kept by pointer, so that 2^30 of 65,535 bytes fit the
// address space and are not refused; what is out of range is counted in pointers.
TEST(CHAN_003, counts_large_elements_by_their_pointers) {
  using wide = std::array<char, 65'535>;
  EXPECT_EQ(dh::make_chan<wide>(1 << 20).capacity(), 1 << 20);  // 64 GiB, were it in place
  EXPECT_EQ(refusal<wide>(std::ptrdiff_t{1} << 44), "makechan: size out of range");
}

TEST(CHAN_004, elements_without_size_are_counted_though_nothing_is_stored) {
  struct empty {};
  static_assert(std::is_empty_v<empty>);
  auto ch = dh::make_chan<empty>(3);
  EXPECT_EQ(ch.capacity(), 3);
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(ch.size(), i);
    ch.send({});
  }
  EXPECT_FALSE(ch.try_send({}));
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(ch.recv().has_value());
  EXPECT_FALSE(ch.try_recv());

  auto endless = dh::make_chan<empty>(PTRDIFF_MAX);
  endless.send({});
  EXPECT_EQ(endless.size(), 1);
  EXPECT_EQ(endless.capacity(), PTRDIFF_MAX);

  auto signals = dh::make_chan<void>(2);
  signals.send();
  signals.send();
  EXPECT_FALSE(signals.try_send());
  EXPECT_EQ(signals.size(), 2);
  EXPECT_TRUE(signals.recv());
  EXPECT_TRUE(signals.recv());
  EXPECT_FALSE(signals.try_recv());
}

TEST(CHAN_004, elements_without_size_are_handed_over_unbuffered) {
  struct empty {};
  for (const place where : all_places) {
    auto ch = dh::make_chan<empty>();
    auto signals = dh::make_chan<void>();
    EXPECT_FALSE(ch.try_send({}));
    EXPECT_FALSE(signals.try_send());
    crew c{where};
    c.start([=] {
      ch.send({});
      signals.send();
      ch.close();
      signals.close();
    });
    EXPECT_TRUE(ch.recv().has_value());
    EXPECT_TRUE(signals.recv());
    EXPECT_FALSE(ch.recv().has_value());
    EXPECT_FALSE(signals.recv());
  }
}

struct megabyte {
  std::array<std::uint8_t, 1 << 20> bytes;
};
[[gnu::noinline]] std::unique_ptr<megabyte> patterned(unsigned step) {
  auto made = std::make_unique<megabyte>();
  for (std::size_t i = 0; i < made->bytes.size(); ++i) {
    made->bytes[i] = static_cast<std::uint8_t>(i * step);
  }
  return made;
}

// deviates: elements of 64 KiB and more are not refused: what is larger than 256 bytes travels in a
// box on the heap.
TEST(CHAN_005, carries_a_megabyte) {
  for (const std::ptrdiff_t capacity : {0, 2}) {
    for (const form how : all_forms) {
      SCOPED_TRACE(testing::Message() << "capacity " << capacity << ", " << how);
      auto ch = dh::make_chan<megabyte>(capacity);
      auto checked = dh::make_chan<bool>(2);
      constexpr std::size_t room = std::size_t{32} << 20;  // for some of them on the stack
      dh::go(dh::go_options{.stack = room}, [=] {
        for (const unsigned step : {31U, 37U}) {
          const auto got = downhaul_test::recv_by(how, ch);
          checked.send(got && got->bytes == patterned(step)->bytes);
        }
      });
      dh::go(dh::go_options{.stack = room}, [=] {
        for (const unsigned step : {31U, 37U}) downhaul_test::send_by(how, ch, *patterned(step));
      });
      EXPECT_EQ(checked.recv(), true);
      EXPECT_EQ(checked.recv(), true);
    }
  }
}

TEST(CHAN_006, a_default_made_handle_is_nil_and_has_no_size) {
  const auto expect_nil = [](const auto& handle) {
    EXPECT_FALSE(handle);
    EXPECT_EQ(handle.size(), 0);
    EXPECT_EQ(handle.capacity(), 0);
  };
  expect_nil(dh::chan<int>{});
  expect_nil(dh::send_chan<int>{});
  expect_nil(dh::recv_chan<int>{});
  expect_nil(dh::chan<void>{});
  expect_nil(dh::recv_chan<int>{dh::chan<int>{}});
  EXPECT_TRUE(dh::make_chan<int>());
}

TEST(CHAN_007, copies_are_the_same_channel_and_creations_differ) {
  auto a = dh::make_chan<int>(2);
  const auto copy = a;
  EXPECT_EQ(copy, a);
  copy.send(1);
  EXPECT_EQ(a.size(), 1);
  EXPECT_EQ(a.recv(), 1);
  a.close();
  EXPECT_EQ(misuse_of([&] { copy.close(); }), "close of closed channel");

  std::vector<dh::chan<int>> made;
  for (int i = 0; i < 100; ++i) {
    made.push_back(dh::make_chan<int>());
    for (std::size_t k = 0; k + 1 < made.size(); ++k) ASSERT_NE(made[k], made.back());
  }
  EXPECT_NE(dh::make_chan<void>(), dh::make_chan<void>()) << "nor if nothing is stored";
  EXPECT_EQ(dh::chan<int>{}, dh::chan<int>{});
  EXPECT_NE(a, dh::chan<int>{});
  EXPECT_NE(dh::chan<int>{}, a);
}

TEST(CHAN_007, handles_are_keys_of_hashed_containers) {
  std::unordered_map<dh::chan<int>, int> numbers;
  std::vector<dh::chan<int>> channels;
  for (int i = 0; i < 50; ++i) {
    channels.push_back(dh::make_chan<int>());
    numbers[channels.back()] = i;
  }
  numbers[dh::chan<int>{}] = -1;
  EXPECT_EQ(numbers.size(), 51U);
  for (int i = 0; i < 50; ++i) {
    const auto copy = channels[static_cast<std::size_t>(i)];
    EXPECT_EQ(numbers.at(copy), i);
  }
  EXPECT_EQ(numbers.at(dh::chan<int>{}), -1);
  const dh::recv_chan<int> in = channels[0];
  const dh::send_chan<int> out = channels[0];
  EXPECT_EQ(std::hash<dh::recv_chan<int>>{}(in), std::hash<dh::chan<int>>{}(channels[0]));
  EXPECT_EQ(std::hash<dh::send_chan<int>>{}(out), std::hash<dh::chan<int>>{}(channels[0]));
}

TEST(CHAN_008, a_handle_equals_its_views_both_ways_round) {
  const auto a = dh::make_chan<int>();
  const auto b = dh::make_chan<int>();
  const dh::recv_chan<int> in = a;
  const dh::send_chan<int> out = a;
  EXPECT_TRUE(a == in && in == a);
  EXPECT_TRUE(a == out && out == a);
  EXPECT_TRUE(in == out && out == in);
  EXPECT_FALSE(a != in || in != a || a != out || out != a);
  EXPECT_TRUE(b != in && in != b && b != out && out != b);
  EXPECT_FALSE(b == in || in == b || b == out || out == b);
  EXPECT_TRUE(dh::chan<int>{} == dh::recv_chan<int>{} && dh::send_chan<int>{} == dh::chan<int>{});
}

template <class H>
concept can_send = requires(const H& h) { h.send(1); };
template <class H>
concept can_try_send = requires(const H& h) { h.try_send(1); };
template <class H>
concept can_close = requires(const H& h) { h.close(); };
template <class H>
concept can_recv = requires(const H& h) { h.recv(); };
template <class H>
concept can_try_recv = requires(const H& h) { h.try_recv(); };
template <class H>
concept can_range = std::ranges::range<const H&>;
template <class H>
concept can_select_recv = requires(const H& h) { dh::recv(h); };
template <class H>
concept can_select_send = requires(const H& h) { dh::send(h, 1); };

TEST(CHAN_009, what_each_direction_can_do_is_known_to_the_compiler) {
  using both = dh::chan<int>;
  using in = dh::recv_chan<int>;
  using out = dh::send_chan<int>;
  static_assert(std::is_convertible_v<both, in> && std::is_convertible_v<both, out>);
  static_assert(!std::is_constructible_v<both, in> && !std::is_constructible_v<both, out>);
  static_assert(!std::is_constructible_v<in, out> && !std::is_constructible_v<out, in>);
  static_assert(!std::is_assignable_v<both&, in> && !std::is_assignable_v<both&, out>);
  static_assert(!std::is_assignable_v<in&, out> && !std::is_assignable_v<out&, in>);
  static_assert(!std::is_constructible_v<in, dh::chan<long>>);
  static_assert(!std::is_constructible_v<out, dh::chan<long>>);
  static_assert(!std::is_constructible_v<both, dh::chan<long>>);
  static_assert(!std::is_constructible_v<both, int> && !std::is_constructible_v<both, void*>);

  static_assert(can_send<both> && can_send<out> && !can_send<in> && !can_send<int>);
  static_assert(can_try_send<both> && can_try_send<out> && !can_try_send<in>);
  static_assert(can_close<both> && can_close<out> && !can_close<in> && !can_close<int>);
  static_assert(can_recv<both> && can_recv<in> && !can_recv<out> && !can_recv<int>);
  static_assert(can_try_recv<both> && can_try_recv<in> && !can_try_recv<out>);
  static_assert(can_range<both> && can_range<in> && !can_range<out> && !can_range<int>);
  static_assert(can_select_recv<both> && can_select_recv<in> && !can_select_recv<out> &&
                !can_select_recv<int>);
  static_assert(can_select_send<both> && can_select_send<out> && !can_select_send<in> &&
                !can_select_send<int>);
}

TEST(CHAN_010, carries_channels_functions_and_errors) {
  auto channels = dh::make_chan<dh::chan<int>>(1);
  auto inner = dh::make_chan<int>(1);
  channels.send(inner);
  inner.send(4);
  EXPECT_EQ(channels.recv()->recv(), 4);
  channels.send(inner);
  channels.recv()->send(5);
  EXPECT_EQ(inner.recv(), 5);

  auto deep = dh::make_chan<dh::chan<dh::chan<std::string>>>(1);
  deep.send(dh::make_chan<dh::chan<std::string>>(1));
  const auto middle = *deep.recv();
  middle.send(dh::make_chan<std::string>(1));
  const auto words = *middle.recv();
  words.send("deep");
  deep.send(middle);
  middle.send(words);
  EXPECT_EQ(deep.recv()->recv()->recv(), "deep");

  auto functions = dh::make_chan<std::function<int(int)>>(2);
  functions.send([](int v) { return v + 1; });
  functions.send(nullptr);
  EXPECT_EQ((*functions.recv())(5), 6);
  EXPECT_FALSE(*functions.recv());

  auto codes = dh::make_chan<std::error_code>(1);
  codes.send(dh::errc::canceled);
  EXPECT_EQ(codes.recv(), dh::errc::canceled);

  auto errors = dh::make_chan<std::exception_ptr>(1);
  errors.send(std::make_exception_ptr(std::runtime_error{"sent"}));
  EXPECT_THROW(std::rethrow_exception(*errors.recv()), std::runtime_error);

  auto anything = dh::make_chan<std::any>(2);
  anything.send(std::any{std::string{"text"}});
  anything.send(std::any{7});
  EXPECT_EQ(std::any_cast<std::string>(*anything.recv()), "text");
  EXPECT_EQ(std::any_cast<int>(*anything.recv()), 7);
}

TEST(CHAN_011, move_only_elements_go_through_every_operation) {
  using owner = std::unique_ptr<int>;
  auto ch = dh::make_chan<owner>(1);
  const dh::context open;
  const auto value_of = [](std::optional<owner> v) { return v && *v ? **v : -1; };

  ch.send(std::make_unique<int>(1));
  EXPECT_EQ(value_of(ch.recv()), 1);
  EXPECT_TRUE(ch.try_send(std::make_unique<int>(2)));
  EXPECT_EQ(value_of(ch.try_recv()), 2);
  ch.send(open, std::make_unique<int>(3));
  EXPECT_EQ(value_of(ch.recv(open)), 3);
  std::optional<owner> got;
  EXPECT_EQ(dh::select(dh::send(ch, std::make_unique<int>(4)), dh::recv(dh::chan<int>{})), 0);
  EXPECT_EQ(dh::select(dh::recv(dh::chan<int>{}), dh::recv(ch, got)), 1);
  EXPECT_EQ(value_of(std::move(got)), 4);
  EXPECT_EQ(dh::select(dh::send(ch, std::make_unique<int>(5)), dh::otherwise), 0);
  int handled = 0;
  dh::select(dh::recv(ch, [&](std::optional<owner> v) { handled = value_of(std::move(v)); }));
  EXPECT_EQ(handled, 5);
  std::vector<dh::select_case> cases;
  cases.emplace_back(dh::send(ch, std::make_unique<int>(6)));
  EXPECT_EQ(dh::select(cases), 0);
  auto named = dh::recv(ch);
  dh::select(named);
  EXPECT_EQ(value_of(std::move(named.value())), 6);
  ch.send(std::make_unique<int>(7));
  ch.close();
  for (owner& v : ch) handled = *owner{std::move(v)};
  EXPECT_EQ(handled, 7);
}

// Counts its copies; boxed or not.
template <std::size_t Size>
struct copies {
  int made = 0;
  std::array<char, Size> bulk{};
  copies() = default;
  copies(const copies& o) : made{o.made + 1} {}
  copies(copies&& o) noexcept : made{o.made} {}
  copies& operator=(copies&& o) noexcept {
    made = o.made;
    return *this;
  }
};

TEST(CHAN_011, an_rvalue_is_never_copied) {
  const auto check = []<class T>(T) {
    for (const place where : all_places) {
      for (const std::ptrdiff_t capacity : {0, 1}) {
        auto ch = dh::make_chan<T>(capacity);
        crew c{where};
        c.start([ch] {
          ch.send(T{});
          dh::select(dh::send(ch, T{}), dh::recv(dh::chan<int>{}));
          T lvalue;
          ch.send(std::move(lvalue));
          while (!ch.try_send(T{})) downhaul_test::give_way();
        });
        for (int i = 0; i < 4; ++i) EXPECT_EQ(ch.recv()->made, 0);
      }
    }
  };
  check(copies<1>{});
  check(copies<1000>{});
}

// Says where it was destroyed, once for each value: what was moved from is nobody.
struct mourned {
  std::vector<std::atomic<int>>* log = nullptr;
  std::size_t number = 0;
  dh::chan<std::size_t> bell;

  mourned(std::vector<std::atomic<int>>& l, std::size_t n, dh::chan<std::size_t> b)
      : log{&l}, number{n}, bell{std::move(b)} {}
  mourned(mourned&& o) noexcept
      : log{std::exchange(o.log, nullptr)}, number{o.number}, bell{std::move(o.bell)} {}
  ~mourned() {
    if (log == nullptr) return;
    ++(*log)[number];
    bell.send(number);  // may wait for a receiver: not under a lock
  }
};

TEST(CHAN_012, the_last_handle_destroys_each_unreceived_element_once_and_outside_locks) {
  for (const place where : all_places) {
    std::vector<std::atomic<int>> destroyed(4);
    auto bell = dh::make_chan<std::size_t>();  // unbuffered: each destructor waits
    crew c{where};
    c.start([bell] {
      for (int i = 0; i < 4; ++i) static_cast<void>(bell.recv());
    });
    {
      auto ch = dh::make_chan<mourned>(4);
      for (std::size_t i = 0; i < 3; ++i) ch.send(mourned{destroyed, i, bell});
      static_cast<void>(ch.recv());  // so that what is left does not begin at the first place
      ch.send(mourned{destroyed, 3, bell});
      const dh::recv_chan<mourned> view = ch;
      ch = {};
      EXPECT_EQ(destroyed[1] + destroyed[2] + destroyed[3], 0) << "a view keeps them";
    }
    c.join();
    for (const auto& times : destroyed) EXPECT_EQ(times, 1);
  }
}

TEST(CHAN_012, a_blocked_operation_may_outlive_the_handle_it_was_called_on) {
  for (const place where : all_places) {
    for (const form how : all_forms) {
      auto element = std::make_shared<int>(1);
      using element_chan = dh::chan<std::shared_ptr<int>>;
      auto other = dh::make_chan<std::shared_ptr<int>>();
      crew c{where};
      {
        auto mine = std::make_unique<element_chan>(other);
        c.start([how, ch = std::move(mine), e = element]() mutable {
          const element_chan kept = *ch;  // a select borrows what it is given
          ch.reset();
          downhaul_test::send_by(how, kept, std::move(e));
        });
      }
      c.wait_until_parked(0, downhaul_test::parked_send(how));
      auto view = dh::recv_chan{other};
      other = {};
      EXPECT_EQ(view.recv(), element);
      view = {};
      c.join();
      EXPECT_EQ(element.use_count(), 1);
    }
  }
}

TEST(CHAN_012, a_plain_operation_needs_its_handle_no_longer_than_until_it_waits) {
  for (const place where : all_places) {
    auto first = std::make_unique<dh::chan<int>>(dh::make_chan<int>());
    auto second = *first;
    crew c{where};
    c.start([&] { first->send(5); });
    c.wait_until_parked(0, wait_reason::chan_send);
    first.reset();
    EXPECT_EQ(second.recv(), 5);
    c.join();
  }
}

}  // namespace
