// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// impl/coro_select.hpp (room: coro) — what async_select returns. See impl/coro_chan.hpp for the rule.
#pragma once

#include <array>
#include <coroutine>
#include <cstddef>
#include <system_error>
#include <tuple>
#include <utility>

#include "downhaul/impl/coro_chan.hpp"
#include "downhaul/impl/coro_wait.hpp"
#include "downhaul/select.hpp"

namespace downhaul::impl {

/// The cases are named objects, or temporaries of the expression that awaits.
template <class... Cases>
class [[nodiscard]] select_awaiter {
 public:
  explicit select_awaiter(ending end, Cases&... cases) noexcept : end_{end}, cases_{cases...} {
    if (end.ctx != nullptr) wait_.done = done_of(*end.ctx);
  }
  select_awaiter(const select_awaiter&) = delete;
  select_awaiter& operator=(const select_awaiter&) = delete;
  ~select_awaiter() {
    if (wait_.phase != wait_phase::waits) return;
    const int fired = abandon_select(wait_, ops());
    int i = 0;
    std::apply([&](Cases&... cases) { ((i++ == fired ? cases.drop() : void()), ...); }, cases_);
  }

  select_awaiter&& on(resume_on place) && noexcept {
    where_ = place;
    return std::move(*this);
  }
  awaiter_of<select_awaiter> operator co_await() && noexcept { return {*this}; }
  void operator co_await() & = delete;

  bool await_ready() const noexcept { return false; }
  template <class P>
  bool await_suspend(std::coroutine_handle<P> h) {
    std::size_t i = 0;
    std::apply([&](Cases&... cases) { ((ops_[i++] = cases.begin()), ...); }, cases_);
    typename select_scratch::of<sizeof...(Cases)> scratch;
    return suspend_select(wait_, ops(), scratch.view(), where_(h));
  }
  int await_resume() {
    const int fired = resume_select(wait_, ops());
    std::apply([&](Cases&... cases) { settle_cases(fired, ops_.data(), cases...); }, cases_);
    if (end_.ctx == nullptr) return fired;
    end_.report(fired == context_ended);
    return fired == context_ended ? -1 : fired;
  }

 private:
  select_ops_view ops() const noexcept { return {ops_.data(), sizeof...(Cases)}; }

  asked_place where_;
  ending end_;
  std::tuple<Cases&...> cases_;
  std::array<select_op*, sizeof...(Cases) + 1> ops_{};
  select_wait wait_;
};

template <class C>
concept waiting_case = select_argument<C> && !is_otherwise<std::remove_cvref_t<C>>;

}  // namespace downhaul::impl
