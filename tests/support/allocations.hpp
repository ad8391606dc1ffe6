// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// support/allocations.hpp — how often a thread has called operator new.
//
// Idea       Link a test with downhaul_test_allocations: that replaces the program's operator new,
//            or, where a sanitizer has done so, is told by it.
// Threads    Each thread has a count of its own.
// Cost       an increment an allocation.
#pragma once

namespace downhaul_test {

/// Allocations of the calling thread so far.
long allocations() noexcept;

}  // namespace downhaul_test
