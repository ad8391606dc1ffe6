// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
#include "wait/context_wait.hpp"

namespace downhaul::impl {

wait_result park_with_source(waiter& w, wait_node& node, source* done, wait_reason why) noexcept {
  if (done == nullptr) {
    w.park(why);
    return wait_result::woken;
  }
  wait_node on_done;
  on_done.who = &w;
  on_done.elect = true;
  if (!done->watch(on_done)) {
    // Ended already. Electing ourselves means that nobody else will notify: no park. Losing means
    // that somebody has elected `node` and will.
    if (w.try_win(on_done)) return wait_result::done;
    w.park(why);
    return wait_result::woken;
  }
  w.park(why);
  if (w.winner() == &on_done) return wait_result::done;
  done->unwatch(on_done);
  static_cast<void>(node);
  return wait_result::woken;
}

}  // namespace downhaul::impl
