// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// signal/signal_set.hpp — a set of signal numbers, one bit each.
#pragma once

#include <bit>
#include <cstdint>
#include <initializer_list>

namespace downhaul::impl {

inline constexpr int most_signals = 64;  // numbers are 1 to 64

class signal_set {
 public:
  constexpr signal_set() noexcept = default;
  constexpr explicit signal_set(std::uint64_t bits) noexcept : bits_{bits} {}

  static constexpr std::uint64_t bit(int signal) noexcept {
    return std::uint64_t{1} << (signal - 1);
  }
  constexpr std::uint64_t bits() const noexcept { return bits_; }
  constexpr bool empty() const noexcept { return bits_ == 0; }
  constexpr bool has(int signal) const noexcept { return (bits_ & bit(signal)) != 0; }
  constexpr void add(int signal) noexcept { bits_ |= bit(signal); }
  constexpr void remove(int signal) noexcept { bits_ &= ~bit(signal); }

  friend constexpr signal_set operator|(signal_set a, signal_set b) noexcept {
    return signal_set{a.bits_ | b.bits_};
  }
  friend constexpr signal_set operator&(signal_set a, signal_set b) noexcept {
    return signal_set{a.bits_ & b.bits_};
  }
  friend constexpr signal_set operator-(signal_set a, signal_set b) noexcept {
    return signal_set{a.bits_ & ~b.bits_};
  }
  friend constexpr bool operator==(signal_set, signal_set) noexcept = default;

  /// Calls f(number) for each, in ascending order.
  template <class F>
  constexpr void for_each(F&& f) const {
    for (std::uint64_t left = bits_; left != 0; left &= left - 1) f(std::countr_zero(left) + 1);
  }

 private:
  std::uint64_t bits_ = 0;
};

/// What a program does to itself: SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS.
signal_set faults() noexcept;
/// Those that somebody may listen for: without SIGKILL, SIGSTOP and what the C library keeps.
signal_set catchable() noexcept;
/// The catchable ones of the list; for an empty list all that are no faults.
signal_set signals_of(std::initializer_list<int> list) noexcept;

}  // namespace downhaul::impl
