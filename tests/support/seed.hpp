// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// support/seed.hpp — the one seed of all randomness in a test program.
//
// Idea       chosen once a process, printed at the start; DOWNHAUL_SEED=<number> repeats a run.
// Ownership  none.
// Threads    seed() may be called from anywhere.
// Cost       the first call reads the environment.
#pragma once

#include <cstdint>

namespace downhaul_test {

/// DOWNHAUL_SEED when it is set, else a random number, the same for the whole process.
std::uint64_t seed();

}  // namespace downhaul_test
