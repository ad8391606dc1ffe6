// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// Idea       whether a range of memory can be made unreadable, and by which means: guard regions,
//            mprotect, or not at all.
// Threads    any.
// Source     madvise(2) MADV_GUARD_INSTALL; Documentation/admin-guide/sysctl/vm.rst (max_map_count).

#pragma once

#include <cstddef>

#include "platform/stack.hpp"

namespace downhaul::impl {

/// Makes `[low, low + size)` inaccessible by the best means in force and returns which one that
/// was; `canary` means: by none.
guard_kind install_guard(std::byte* low, std::size_t size) noexcept;

/// The mapping of `count` mprotect guards is about to go.
void forget_mprotect_guards(std::size_t count) noexcept;

std::size_t page_size() noexcept;

}  // namespace downhaul::impl
