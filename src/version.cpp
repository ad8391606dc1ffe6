// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors

#include "downhaul/version.hpp"

#define DOWNHAUL_TEXT_OF(x) #x
#define DOWNHAUL_TEXT(x) DOWNHAUL_TEXT_OF(x)

namespace downhaul {

std::string_view version() noexcept {
  return DOWNHAUL_TEXT(DOWNHAUL_VERSION_MAJOR) "." DOWNHAUL_TEXT(
      DOWNHAUL_VERSION_MINOR) "." DOWNHAUL_TEXT(DOWNHAUL_VERSION_PATCH);
}

}  // namespace downhaul
