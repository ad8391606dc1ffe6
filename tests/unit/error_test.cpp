// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors

#include "downhaul/error.hpp"

#include <gtest/gtest.h>

#include <stdexcept>
#include <string>
#include <system_error>
#include <type_traits>

namespace dh = downhaul;

namespace {

TEST(error, codes_have_their_texts) {
  EXPECT_EQ(std::error_code{dh::errc::canceled}.message(), "context canceled");
  EXPECT_EQ(std::error_code{dh::errc::deadline_exceeded}.message(), "context deadline exceeded");
  EXPECT_STREQ(dh::context_category().name(), "downhaul");
  EXPECT_FALSE(dh::context_category().message(0).empty());
  EXPECT_FALSE(dh::context_category().message(99).empty());
}

TEST(error, codes_are_one_object_each) {
  EXPECT_EQ(std::error_code{dh::errc::canceled}, make_error_code(dh::errc::canceled));
  EXPECT_NE(std::error_code{dh::errc::canceled}, make_error_code(dh::errc::deadline_exceeded));
  EXPECT_EQ(&std::error_code{dh::errc::canceled}.category(), &dh::context_category());
}

TEST(error, codes_equal_the_conditions_of_the_standard) {
  const std::error_code canceled = dh::errc::canceled;
  const std::error_code exceeded = dh::errc::deadline_exceeded;
  EXPECT_EQ(canceled, std::errc::operation_canceled);
  EXPECT_NE(canceled, std::errc::timed_out);
  EXPECT_EQ(exceeded, std::errc::timed_out);
  EXPECT_NE(exceeded, std::errc::operation_canceled);
  const std::error_code unknown{99, dh::context_category()};
  EXPECT_NE(unknown, std::errc::operation_canceled);
  EXPECT_NE(unknown, std::errc::timed_out);
}

TEST(error, context_error_is_a_system_error_with_a_cause) {
  const dh::context_error plain{dh::errc::canceled};
  EXPECT_STREQ(plain.what(), "context canceled");
  EXPECT_EQ(plain.code(), dh::errc::canceled);
  EXPECT_EQ(plain.cause(), nullptr);

  const auto cause = std::make_exception_ptr(std::runtime_error{"disk full"});
  const dh::context_error rich{dh::errc::deadline_exceeded, cause, "foo"};
  EXPECT_STREQ(rich.what(), "foo: context deadline exceeded");
  EXPECT_EQ(rich.cause(), cause);
  EXPECT_THROW(throw rich, std::system_error);
  static_assert(std::is_nothrow_copy_constructible_v<dh::context_error>);
}

TEST(error, misuse_is_a_logic_error) {
  try {
    throw dh::misuse{"close of closed channel"};
  } catch (const std::logic_error& e) {
    EXPECT_STREQ(e.what(), "close of closed channel");
  }
}

// Like every static object's destructor: the category must still be there.
struct speaks_at_exit {
  ~speaks_at_exit() {
    if (std::error_code{dh::errc::canceled}.message() != "context canceled") std::abort();
  }
} at_exit;

}  // namespace
