// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
#include "expected.hpp"

#include <gtest/gtest.h>

namespace tour {
namespace {

using lines = std::vector<std::string>;

TEST(tour_line, matches_itself_only) {
  EXPECT_TRUE(matches("one second passed", "one second passed"));
  EXPECT_FALSE(matches("one second passed", "one second passed!"));
  EXPECT_FALSE(matches("one second passed", "one second"));
}

TEST(tour_line, with_a_word_left_open_takes_any_word_but_no_blank) {
  EXPECT_TRUE(matches("took <n> ms", "took 12.5 ms"));
  EXPECT_FALSE(matches("took <n> ms", "took  ms"));
  EXPECT_FALSE(matches("took <n> ms", "took 1 2 ms"));
  EXPECT_TRUE(matches("<n>", "12"));
}

TEST(tour_line, with_words_left_open_takes_blanks_too) {
  EXPECT_TRUE(matches("at <file and line>, asleep", "at a.cpp:12 in f, asleep"));
  EXPECT_FALSE(matches("at <file and line>, asleep", "at , asleep"));
}

TEST(tour_output, must_come_in_order_and_completely) {
  EXPECT_EQ(difference({"a", "b"}, {"a", "b"}), "");
  EXPECT_EQ(difference({"a", "b"}, {"b", "a"}), "expected 'a', not 'b'");
  EXPECT_EQ(difference({"a", "b"}, {"a"}), "'b' was not printed");
  EXPECT_EQ(difference({"a"}, {"a", "b"}), "'b' was not expected");
  EXPECT_EQ(difference({"a"}, {}), "'a' was not printed");
}

TEST(tour_output, may_have_a_line_that_comes_often_and_anywhere) {
  const lines expected{"2* beat", "a"};
  EXPECT_EQ(difference(expected, {"beat", "a", "beat"}), "");
  EXPECT_EQ(difference(expected, {"a", "beat", "beat", "beat"}), "");
  EXPECT_EQ(difference(expected, {"beat", "a"}), "'beat' is missing 1 times");
  EXPECT_EQ(difference({"* a", "2*b"}, {"* a", "2*b"}), "");
}

}  // namespace
}  // namespace tour
