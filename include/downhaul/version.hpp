// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// downhaul/version.hpp — which release this is, at compile time and at run time.
//
// Idea       the three numbers below are the only place the version is written; CMake reads them from here.
// Ownership  constants only.
// Threads    all of it may be used from anywhere.
// Cost       none.
// Source     Semantic Versioning 2.0: before 1.0 a minor release may change the interface.
#pragma once

#include <string_view>

#define DOWNHAUL_VERSION_MAJOR 0
#define DOWNHAUL_VERSION_MINOR 1
#define DOWNHAUL_VERSION_PATCH 0

namespace downhaul {

/// The version of the headers, as the preprocessor compares it: 0.1.0 is 100, 1.2.3 is 10203.
inline constexpr int version_number =
    DOWNHAUL_VERSION_MAJOR * 10000 + DOWNHAUL_VERSION_MINOR * 100 + DOWNHAUL_VERSION_PATCH;

/// The version of the library that is linked, as "0.1.0". Never fails, does not wait.
std::string_view version() noexcept;

}  // namespace downhaul
