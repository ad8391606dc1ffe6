// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// The entry of libFuzzer.

#include <cstddef>
#include <cstdint>

#include "fuzz/machine.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  downhaul_test::run_program(data, size);
  return 0;
}
