// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors

#include "downhaul/version.hpp"

#include <gtest/gtest.h>

#include <string>

namespace {

TEST(version, of_the_library_is_that_of_the_headers) {
  EXPECT_EQ(downhaul::version(), std::to_string(DOWNHAUL_VERSION_MAJOR) + '.' +
                                     std::to_string(DOWNHAUL_VERSION_MINOR) + '.' +
                                     std::to_string(DOWNHAUL_VERSION_PATCH));
}

TEST(version, number_grows_with_each_part) {
  static_assert(downhaul::version_number / 10000 == DOWNHAUL_VERSION_MAJOR);
  static_assert(downhaul::version_number / 100 % 100 == DOWNHAUL_VERSION_MINOR);
  static_assert(downhaul::version_number % 100 == DOWNHAUL_VERSION_PATCH);
}

}  // namespace
