// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// tour/alive.hpp — what is alive in an example after its main has returned.
//
// Every example is linked with alive.cpp and with the linker's --wrap=main, so that no example has to
// speak of it: its main runs as it is, its locals are gone, and what is then still alive is counted.
// Goroutines that are about to end get a moment to do so. An example that was not started by the
// tour has no such descriptor and says nothing.
#pragma once

namespace tour {

constexpr int alive_descriptor = 198;  // "<goroutines> <contexts>" is written to it

}  // namespace tour
