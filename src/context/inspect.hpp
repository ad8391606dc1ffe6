// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// context/inspect.hpp — what tests and lists of live things ask a context.
#pragma once

#include <cstddef>

#include "downhaul/context.hpp"

namespace downhaul::impl {

/// How many children, callbacks and waiters hang on the done of `ctx`; 0 if it never ends, or if the
/// done is a channel.
std::size_t registrations(const context& ctx);

}  // namespace downhaul::impl
