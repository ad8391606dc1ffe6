// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// Idea       the way out when something can no longer be made right: one line on stderr, abort.
// Threads    any, also a signal handler: write(2) and abort(3) only, no allocation.

#pragma once

#include <initializer_list>
#include <string_view>

namespace downhaul::impl {

/// Prints "fatal error: <text>\n" to stderr and aborts.
[[noreturn]] void fatal(std::string_view text) noexcept;
/// The same with the pieces joined.
[[noreturn]] void fatal(std::initializer_list<std::string_view> pieces) noexcept;

/// Writes all of `text` to `fd`; gives up silently on an error. Async-signal-safe.
void write_text(int fd, std::string_view text) noexcept;
/// Writes `number` in decimal. Async-signal-safe.
void write_number(int fd, unsigned long long number) noexcept;

}  // namespace downhaul::impl
