// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// FAILS 1: read-only|const
// FAILS 2: static_?assert|static assertion

#include "downhaul/version.hpp"

static_assert(downhaul::version_number >= 0);

#if DOWNHAUL_CASE == 1
void bump() { downhaul::version_number = 2; }
#elif DOWNHAUL_CASE == 2
static_assert(downhaul::version_number < 0);
#endif
