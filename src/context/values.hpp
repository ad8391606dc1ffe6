// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// context/values.hpp — looking values up; see impl/with_value.hpp for the structure.
#pragma once

#include <cstdint>

#include "downhaul/impl/with_value.hpp"

namespace downhaul::impl {

/// V1: a multiplication by an odd number is a bijection, and its upper digits depend on all of the
/// address.
inline std::uint64_t mix(const key_base& k) noexcept {
  return static_cast<std::uint64_t>(reinterpret_cast<std::uintptr_t>(&k)) * 0x9E3779B97F4A7C15;
}

/// Without the tail.
const void* find_in_trie(const value_entry& newest, const key_base& k) noexcept;

}  // namespace downhaul::impl
