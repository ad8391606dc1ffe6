// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
#include "downhaul/impl/coro_wait.hpp"
#include "sched/coroutine.hpp"

namespace downhaul::impl {

bool suspend_select(select_wait& w, select_ops_view cases, select_scratch scratch,
                    const suspender& who) {
  coroutine& me = begin_wait(who.handle, who.root, who.where);
  w.fired = begin_select(cases.ops, cases.n, w.done, scratch, me, w.on_done);
  if (w.fired != select_waits) {
    end_wait(me);
    return false;
  }
  w.who = &me;
  w.phase = wait_phase::waits;
  const bool nobody = cases.n == 0 && w.done == nullptr;
  return commit_wait(me, nobody ? wait_reason::select_no_cases : wait_reason::select);
}

int resume_select(select_wait& w, select_ops_view cases) noexcept {
  if (w.phase != wait_phase::waits) return w.fired;
  w.phase = wait_phase::over;
  w.fired = end_select(cases.ops, cases.n, w.done, *w.who, w.on_done);
  end_wait(*w.who);
  return w.fired;
}

int abandon_select(select_wait& w, select_ops_view cases) noexcept {
  if (w.phase != wait_phase::waits) return nothing_ready;
  stop_waiting(*w.who);
  const int fired = end_select(cases.ops, cases.n, w.done, *w.who, w.on_done);
  return give_wait_up(*w.who) ? fired : nothing_ready;
}

}  // namespace downhaul::impl
