// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// Ten thousand goroutines in a row; elements without size; capacities, good and bad.

#include <gmock/gmock.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <variant>
#include <vector>

#include "downhaul/downhaul.hpp"
#include "support/crew.hpp"

namespace dh = downhaul;

namespace {

// --- the row ----------------------------------------------------------------------------------------

// Each takes from its right and gives one more to its left.
int pass_along(int n) {
  const auto leftmost = dh::make_chan<int>();
  auto left = leftmost;
  dh::wait_group row;
  for (int i = 0; i < n; ++i) {
    auto right = dh::make_chan<int>();
    row.go([left, right] { left.send(right.recv().value() + 1); });
    left = right;
  }
  row.go([left] { left.send(0); });
  const int arrived = leftmost.recv().value();
  row.wait();
  return arrived;
}

TEST(programs_scale, a_value_passes_through_a_row_of_ten_thousand_goroutines) {
  EXPECT_EQ(pass_along(10'000), 10'000);
}

TEST(programs_scale, the_row_works_on_one_and_on_four_workers_and_again) {
  for (const int workers : {1, 4}) {
    dh::runtime on{dh::runtime_options{.workers = workers}};
    on.run([] {
      for (int round = 0; round < 3; ++round) EXPECT_EQ(pass_along(2000), 2000);
    });
    downhaul_test::wait_until([&] { return on.goroutines() == 0; });
  }
}

// The same row torn down from the end: a close runs through all of them.
TEST(programs_scale, a_close_runs_through_the_row) {
  const auto first = dh::make_chan<int>();
  auto in = first;
  dh::wait_group row;
  for (int i = 0; i < 10'000; ++i) {
    auto out = dh::make_chan<int>();
    row.go([in, out] {
      for (const int v : in) out.send(v);
      out.close();
    });
    in = out;
  }
  first.send(42);
  EXPECT_EQ(in.recv(), 42);
  first.close();
  EXPECT_EQ(in.recv(), std::nullopt);
  row.wait();
}

// --- elements without size --------------------------------------------------------------------------

struct nothing {
  friend bool operator==(nothing, nothing) = default;
};

template <class T>
class programs_zero_size : public testing::Test {};
using without_size = testing::Types<nothing, std::monostate, std::array<int, 0>>;
TYPED_TEST_SUITE(programs_zero_size, without_size);

TYPED_TEST(programs_zero_size, are_counted_although_there_is_nothing_to_keep) {
  for (const std::ptrdiff_t capacity : {0, 1, 10, 100'000}) {
    const auto ch = dh::make_chan<TypeParam>(capacity);
    EXPECT_EQ(ch.capacity(), capacity);
    for (std::ptrdiff_t i = 0; i < capacity; ++i) {
      ASSERT_EQ(ch.size(), i);
      ASSERT_TRUE(ch.try_send(TypeParam{}));
    }
    EXPECT_FALSE(ch.try_send(TypeParam{}));
    ch.close();
    for (std::ptrdiff_t i = capacity; i > 0; --i) {
      ASSERT_EQ(ch.size(), i);
      ASSERT_TRUE(ch.recv().has_value());
    }
    EXPECT_FALSE(ch.recv().has_value());
  }
}

TYPED_TEST(programs_zero_size, meet_without_room) {
  const auto ch = dh::make_chan<TypeParam>();
  const auto back = dh::make_chan<TypeParam>();
  const int n = downhaul_test::rounds(10'000);
  dh::wait_group echo;
  int echoed = 0;
  echo.go([&] {
    while (ch.recv()) {
      ++echoed;
      back.send(TypeParam{});
    }
  });
  for (int i = 0; i < n; ++i) {
    ch.send(TypeParam{});
    EXPECT_EQ(back.recv(), TypeParam{});
  }
  ch.close();
  echo.wait();
  EXPECT_EQ(echoed, n);
}

TEST(programs_zero_size_void, signals_are_counted_too) {
  const auto ch = dh::make_chan<void>(100'000);
  for (int i = 0; i < 100'000; ++i) ASSERT_TRUE(ch.try_send());
  EXPECT_FALSE(ch.try_send());
  ch.close();
  int n = 0;
  while (ch.recv()) ++n;
  EXPECT_EQ(n, 100'000);
}

// --- capacities -------------------------------------------------------------------------------------

TEST(programs_capacity, every_one_from_0_to_199_holds_just_so_many) {
  for (std::ptrdiff_t capacity = 0; capacity < 200; ++capacity) {
    const auto ch = dh::make_chan<int>(capacity);
    ASSERT_EQ(ch.capacity(), capacity);
    int n = 0;
    while (ch.try_send(n)) ++n;
    ASSERT_EQ(n, capacity);
    ASSERT_EQ(ch.size(), capacity);
    for (int i = 0; i < n; ++i) ASSERT_EQ(ch.try_recv(), i);
    ASSERT_EQ(ch.size(), 0);
    ASSERT_EQ(ch.capacity(), capacity);
  }
}

template <class T>
std::string refusal(std::ptrdiff_t capacity) {
  try {
    static_cast<void>(dh::make_chan<T>(capacity));
  } catch (const dh::misuse& e) {
    return e.what();
  } catch (const std::bad_alloc&) {
    return "bad_alloc";
  }
  return "made";
}

TEST(programs_capacity, what_is_negative_or_too_large_is_refused_by_its_own_name) {
  constexpr auto refused = "makechan: size out of range";
  constexpr auto most = std::numeric_limits<std::ptrdiff_t>::max();
  using big = std::array<char, 65535>;
  EXPECT_EQ(refusal<int>(-1), refused);
  EXPECT_EQ(refusal<int>(std::numeric_limits<std::ptrdiff_t>::min()), refused);
  EXPECT_EQ(refusal<int>(std::int64_t{1} << 61), refused);
  EXPECT_EQ(refusal<int>(most), refused);
  EXPECT_EQ(refusal<std::int64_t>(std::int64_t{1} << 60), refused);
  EXPECT_EQ(refusal<big>(-1), refused);
  EXPECT_EQ(refusal<big>(std::int64_t{1} << 60), refused);
  EXPECT_EQ(refusal<void>(-1), refused);
  EXPECT_EQ(refusal<nothing>(-1), refused);
}

}  // namespace
