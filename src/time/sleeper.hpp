// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// time/sleeper.hpp — who is to be woken by a clock.
//
// Use        w.prepare(); s.node.who = &w; s.node.elect = …; c.arm(s, due); rest; and if something else
//            won: c.disarm(s).
// Ownership  With the sleeper, on its stack or in its frame.
#pragma once

#include "time/timer_entry.hpp"
#include "wait/waiter.hpp"

namespace downhaul::impl {

struct sleeper : timer_entry {
  sleeper() noexcept
      : timer_entry{[](timer_entry& e, std::int64_t) noexcept {
                      static_cast<sleeper&>(e).node.who->notify();
                    },
                    [](timer_entry& e) noexcept {
                      auto& s = static_cast<sleeper&>(e);
                      return !s.node.elect || s.node.who->try_win(s.node);
                    }} {}
  wait_node node;
};

}  // namespace downhaul::impl
