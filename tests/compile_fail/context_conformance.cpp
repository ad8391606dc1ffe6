// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
#include <downhaul/context.hpp>
#include <string>
#include <vector>

namespace dh = downhaul;

inline constexpr dh::key<int> number{"number"};

void use(const dh::context& ctx) {
  static_cast<void>(dh::with_value(ctx, number, 1).value(number));
  auto [child, cancel] = dh::with_cancel(ctx);
// CTX-020
// FAILS 1: initialization of reference|could not bind|cannot convert|no known conversion|no matching function
#if DOWNHAUL_CASE == 1
  auto made = dh::with_cancel(nullptr);
#endif
// CTX-020
// FAILS 2: initialization of reference|could not bind|cannot convert|no known conversion|no matching function
#if DOWNHAUL_CASE == 2
  auto made = dh::with_timeout(nullptr, std::chrono::seconds{1});
#endif
// CTX-020
// FAILS 3: initialization of reference|could not bind|cannot convert|no known conversion|no matching function
#if DOWNHAUL_CASE == 3
  const dh::context cut = dh::without_cancel(nullptr);
#endif
// CTX-031
// FAILS 4: nodiscard|unused-result|unused
#if DOWNHAUL_CASE == 4
  dh::with_cancel(ctx);
#endif
// CTX-031
// FAILS 5: nodiscard|unused-result|unused
#if DOWNHAUL_CASE == 5
  dh::with_timeout_cause(ctx, std::chrono::seconds{1}, nullptr);
#endif
// CTX-115
// FAILS 6: no matching function
#if DOWNHAUL_CASE == 6
  static_cast<void>(dh::with_value(ctx, nullptr, 1));
#endif
// CTX-115
// FAILS 7: no matching function
#if DOWNHAUL_CASE == 7
  static_cast<void>(dh::with_value(ctx, std::vector<int>{}, 1));
#endif
// CTX-115
// FAILS 8: deleted
#if DOWNHAUL_CASE == 8
  static_cast<void>(dh::with_value(ctx, dh::key<int>{"temporary"}, 1));
#endif
}
