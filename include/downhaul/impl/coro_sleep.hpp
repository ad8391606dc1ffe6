// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// impl/coro_sleep.hpp (room: coro) — what async_sleep returns. See impl/coro_chan.hpp for the rule.
#pragma once

#include <coroutine>
#include <cstdint>
#include <utility>

#include "downhaul/clock.hpp"
#include "downhaul/impl/coro_chan.hpp"
#include "downhaul/impl/coro_wait.hpp"

namespace downhaul::impl {

class [[nodiscard]] sleep_awaiter {
 public:
  sleep_awaiter(std::int64_t ns, bool until, ending end) noexcept : end_{end} {
    wait_.ns = ns;
    wait_.until = until;
    if (end.ctx != nullptr) wait_.done = done_of(*end.ctx);
  }
  sleep_awaiter(const sleep_awaiter&) = delete;
  sleep_awaiter& operator=(const sleep_awaiter&) = delete;
  ~sleep_awaiter() {
    if (wait_.phase == wait_phase::waits) abandon_sleep(wait_);
  }

  sleep_awaiter&& on(resume_on place) && noexcept {
    where_ = place;
    return std::move(*this);
  }
  awaiter_of<sleep_awaiter> operator co_await() && noexcept { return {*this}; }
  void operator co_await() & = delete;

  bool await_ready() const noexcept { return false; }
  template <class P>
  bool await_suspend(std::coroutine_handle<P> h) {
    return suspend_sleep(wait_, where_(h));
  }
  void await_resume() {
    const bool time_came = resume_sleep(wait_);
    if (end_.ctx != nullptr) end_.report(!time_came);
  }

 private:
  asked_place where_;
  ending end_;
  sleep_wait wait_;
};

}  // namespace downhaul::impl
