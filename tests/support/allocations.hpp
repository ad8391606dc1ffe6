// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// support/allocations.hpp — how often a thread has called operator new.
//
// Idea       allocations.cpp replaces the program's operator new; add it to a test's sources.
// Threads    Each thread has a count of its own.
// Cost       an increment an allocation.
#pragma once

namespace downhaul_test {

/// Allocations of the calling thread so far.
long allocations() noexcept;

}  // namespace downhaul_test
