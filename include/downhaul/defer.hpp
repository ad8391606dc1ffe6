// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// downhaul/defer.hpp — do something at the end of the scope.
//
// Idea       dh::defer end{[&] { wg.done(); }};  runs it on every way out, the last one first.
// Ownership  the scope's own: neither copied nor moved.
// Threads    runs where the scope ends.
// Cost       that of f.
// Source     Go defer. Differs: it belongs to the scope, not to the function.
#pragma once

#include <functional>
#include <type_traits>
#include <utility>

namespace downhaul {

template <class F>
  requires std::is_invocable_v<F&>
class [[nodiscard]] defer {
 public:
  explicit defer(F f) noexcept(std::is_nothrow_move_constructible_v<F>) : f_{std::move(f)} {}
  defer(const defer&) = delete;
  defer& operator=(const defer&) = delete;
  /// Calls f. What f throws leaves the scope; while another exception passes, it ends the program.
  ~defer() noexcept(std::is_nothrow_invocable_v<F&>) { std::invoke(f_); }

 private:
  F f_;
};

}  // namespace downhaul
