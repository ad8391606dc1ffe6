// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// tour/memory.hpp — how much memory the tour may use.
#pragma once

#include <cstdint>

namespace tour {

/// Bytes that can be had without swapping, within the limit of the control group we are in.
std::uint64_t available_memory();

}  // namespace tour
