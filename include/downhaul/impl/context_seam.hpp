// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// impl/context_seam.hpp (room: wait; defined in context) — all that lower rooms know of a context.
#pragma once

#include <system_error>

namespace downhaul {
class context;
}

namespace downhaul::impl {

class source;

/// The source that closes when `ctx` ends; null: it never ends. Borrowed: valid while ctx is held.
source* done_of(const context& ctx) noexcept;
/// Clear while `ctx` is open.
std::error_code err_of(const context& ctx) noexcept;
/// Throws context_error for a context that has ended.
[[noreturn]] void throw_done(const context& ctx);

}  // namespace downhaul::impl
