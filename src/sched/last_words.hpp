// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// sched/last_words.hpp — what is said about a goroutine before the process aborts.
//
// Idea       An exception that nobody catches ends the program through std::terminate, before
//            anything is unwound: a core file shows the throw. Our terminate handler says what was
//            thrown and where the goroutine was started; off goroutines the previous handler acts.
// Threads    Any.
#pragma once

#include "sched/goroutine.hpp"

namespace downhaul::impl {

/// Installs the handlers for uncaught exceptions and for stack overflows. Once a process.
void install_last_words() noexcept;

/// "goroutine started at <file>:<line> (<function>)", with its name if it has one, to `fd`.
/// Async-signal-safe.
void describe_goroutine(const goroutine& g, int fd) noexcept;

/// "fatal error: stack overflow" and whose it was; for stacks that have no guard.
[[noreturn]] void die_of_overflow(const goroutine& g) noexcept;

}  // namespace downhaul::impl
