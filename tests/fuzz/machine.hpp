// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// fuzz/machine.hpp — performs what some bytes say on the library and on the model.
//
// Idea       The bytes are a program over a few channels, contexts, timers and callbacks. What may wait
//            runs in a goroutine of a runtime with one worker and a clock that stands still; after each
//            step the machine waits until all of them rest, and compares. So the schedule is a function
//            of the bytes.
// Ownership  run_program leaves nothing behind, and checks that.
// Threads    One at a time.
// Cost       some tens of microseconds a step.
#pragma once

#include <cstddef>
#include <cstdint>

namespace downhaul_test {

/// Ends the process when the library and the model differ.
void run_program(const std::uint8_t* bytes, std::size_t size);

}  // namespace downhaul_test
