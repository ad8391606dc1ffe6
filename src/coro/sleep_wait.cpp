// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
#include <memory>
#include <new>

#include "downhaul/impl/coro_wait.hpp"
#include "sched/coroutine.hpp"
#include "time/sleeper.hpp"
#include "wait/context_wait.hpp"

namespace downhaul::impl {
namespace {

static_assert(sizeof(sleeper) <= sleep_wait::room && alignof(sleeper) <= 8);

sleeper& entry_of(sleep_wait& w) noexcept {
  return *std::launder(reinterpret_cast<sleeper*>(w.entry));
}

}  // namespace

bool suspend_sleep(sleep_wait& w, const suspender& who) {
  if (w.done != nullptr && w.done->ready()) {
    w.time_came = false;
    return false;
  }
  w.on = &clock_of_here();
  const std::int64_t now = w.on->now_ns();
  const std::int64_t delay = w.until ? subtract_saturated(w.ns, now) : w.ns;
  if (delay <= 0) return false;
  coroutine& me = begin_wait(who.handle, who.root, who.where);
  sleeper& s = *::new (static_cast<void*>(w.entry)) sleeper;
  s.node.who = &me;
  s.node.elect = w.done != nullptr || me.is_ticket();
  w.who = &me;
  w.phase = wait_phase::waits;
  me.prepare();
  w.on->arm(s, w.until ? w.ns : due_after(now, delay));
  if (w.done == nullptr || watch_too(me, *w.done, w.on_done)) {
    return commit_wait(me, wait_reason::sleep);
  }
  w.on->disarm(s);
  std::destroy_at(&s);
  w.phase = wait_phase::over;
  w.time_came = false;
  end_wait(me);
  return false;
}

bool resume_sleep(sleep_wait& w) noexcept {
  if (w.phase != wait_phase::waits) return w.time_came;
  w.phase = wait_phase::over;
  sleeper& s = entry_of(w);
  w.time_came = w.done == nullptr || unwatch_too(*w.who, *w.done, w.on_done) == wait_result::woken;
  if (!w.time_came) w.on->disarm(s);
  std::destroy_at(&s);
  end_wait(*w.who);
  return w.time_came;
}

void abandon_sleep(sleep_wait& w) noexcept {
  if (w.phase != wait_phase::waits) return;
  sleeper& s = entry_of(w);
  const wait_node* const winner = stop_waiting(*w.who);
  if (winner != &s.node) w.on->disarm(s);
  if (w.done != nullptr && winner != &w.on_done) w.done->unwatch(w.on_done);
  give_wait_up(*w.who);
  std::destroy_at(&s);
}

}  // namespace downhaul::impl
