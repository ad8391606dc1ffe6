// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors

#include <gmock/gmock.h>

#include <cinttypes>
#include <cstdio>

#include "support/seed.hpp"

int main(int argc, char** argv) {
  testing::InitGoogleMock(&argc, argv);
  std::printf("DOWNHAUL_SEED=%" PRIu64 "\n", downhaul_test::seed());
  std::fflush(stdout);
  return RUN_ALL_TESTS();
}
