// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
#include "wait/context_wait.hpp"

namespace downhaul::impl {

bool watch_too(waiter& w, source& done, wait_node& on_done) noexcept {
  on_done.who = &w;
  on_done.elect = true;
  // Ended already. Electing ourselves means that nobody else will notify: no park. Losing means that
  // somebody has elected the other node and will.
  return done.watch(on_done) || !w.try_win(on_done);
}

wait_result unwatch_too(const waiter& w, source& done, wait_node& on_done) noexcept {
  if (w.winner() == &on_done) return wait_result::done;
  done.unwatch(on_done);
  return wait_result::woken;
}

wait_result park_with_source(waiter& w, wait_node& node, source* done, wait_reason why) noexcept {
  static_cast<void>(node);
  if (done == nullptr) {
    w.park(why);
    return wait_result::woken;
  }
  wait_node on_done;
  if (!watch_too(w, *done, on_done)) return wait_result::done;
  w.park(why);
  return unwatch_too(w, *done, on_done);
}

}  // namespace downhaul::impl
