// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// context/text.hpp — what the text forms need to know of nodes that only their own files know.
#pragma once

#include <cstdint>
#include <span>

#include "downhaul/context.hpp"

namespace downhaul::impl {

/// Of a node of form grace: ns.
std::int64_t grace_delay(const context_head& n) noexcept;
/// Of a node of form merge.
std::span<const context> merged_parents(const context_head& n) noexcept;

}  // namespace downhaul::impl
