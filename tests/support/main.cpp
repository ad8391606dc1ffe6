// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors

#include <gmock/gmock.h>

#include <cinttypes>
#include <cstdio>
#include <cstdlib>

#include "sched/runtime_core.hpp"
#include "support/seed.hpp"

int main(int argc, char** argv) {
  testing::InitGoogleMock(&argc, argv);
  std::printf("DOWNHAUL_SEED=%" PRIu64 "\n", downhaul_test::seed());
  std::fflush(stdout);
  // Instead of a worker for each CPU.
  if (const char* workers = std::getenv("DOWNHAUL_TEST_WORKERS")) {
    downhaul::impl::default_core().set_workers(std::atoi(workers));
  }
  return RUN_ALL_TESTS();
}
