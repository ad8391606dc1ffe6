// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// impl/coro_blocking.hpp (room: sched) — a coroutine that waits for a call on another thread.
//
// Rule       As in impl/coro_wait.hpp; abandon_ is called only while it waits, and waits for the call's end,
//            for the call uses what lies in the frame.
#pragma once

#include <coroutine>
#include <cstddef>

#include "downhaul/blocking.hpp"
#include "downhaul/impl/coro_block.hpp"
#include "downhaul/impl/coro_resume.hpp"
#include "downhaul/impl/observer.hpp"

namespace downhaul::impl {

struct blocking_wait {
  static constexpr std::size_t room = 96;

  wait_node node;
  bool waits = false;
  alignas(8) std::byte place_of_job[room];
};
/// Throws std::system_error, std::bad_alloc; then nothing runs.
bool suspend_blocking(blocking_wait& w, const blocking_call& call, std::coroutine_handle<> h,
                      coroutine* root, resume_on where);
void resume_blocking(blocking_wait& w) noexcept;
void abandon_blocking(blocking_wait& w) noexcept;

}  // namespace downhaul::impl
