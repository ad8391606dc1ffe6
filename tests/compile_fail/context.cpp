// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
#include <downhaul/after_func.hpp>
#include <downhaul/context.hpp>
#include <downhaul/context_base.hpp>
#include <stop_token>
#include <string>
#include <utility>

namespace dh = downhaul;

inline constexpr dh::key<std::string> name{"name"};

void use(const dh::context& ctx) {
  static_cast<void>(ctx.value(name));
  auto [child, cancel] = dh::with_cancel(dh::with_value(ctx, name, "x"));
  const dh::registration r = dh::after_func(dh::inplace, child, []() noexcept {});
// FAILS 1: deleted
#if DOWNHAUL_CASE == 1
  static_cast<void>(ctx.value(dh::key<int>{"temporary"}));
#endif
// FAILS 2: deleted
#if DOWNHAUL_CASE == 2
  static_cast<void>(dh::with_value(ctx, dh::key<int>{"temporary"}, 1));
#endif
// FAILS 3: nodiscard|unused-result|unused
#if DOWNHAUL_CASE == 3
  dh::with_cancel(ctx);
#endif
// FAILS 4: nodiscard|unused-result|unused
#if DOWNHAUL_CASE == 4
  dh::after_func(ctx, [] {});
#endif
// FAILS 5: no matching function|constraints not satisfied
#if DOWNHAUL_CASE == 5
  static_cast<void>(dh::with_value(ctx, name, 1.5f, 2, "three"));
#endif
// FAILS 6: deleted
#if DOWNHAUL_CASE == 6
  dh::cancel_scope copy = cancel;
#endif
// FAILS 7: noexcept
#if DOWNHAUL_CASE == 7
  const dh::registration throwing = dh::after_func(dh::inplace, ctx, [] {});
#endif
// FAILS 8: conversion
#if DOWNHAUL_CASE == 8
  const dh::context implicit = std::stop_token{};
#endif
// FAILS 9: context_base
#if DOWNHAUL_CASE == 9
  static_cast<void>(dh::make_context<std::string>("not a context"));
#endif
// FAILS 10: deleted
#if DOWNHAUL_CASE == 10
  const dh::key<std::string> copy = name;
#endif
// FAILS 11: initialization of reference|could not bind
#if DOWNHAUL_CASE == 11
  static_cast<void>(dh::with_cancel(nullptr));
#endif
}
