// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
#include "downhaul/impl/coro_sync.hpp"

#include "downhaul/condition_variable.hpp"
#include "downhaul/group.hpp"
#include "downhaul/mutex.hpp"
#include "downhaul/semaphore.hpp"
#include "downhaul/wait_group.hpp"
#include "sched/coroutine.hpp"
#include "wait/context_wait.hpp"

namespace downhaul::impl {
namespace {

// `hang` puts the node on the object's queue, or says false where there is nothing to wait for; `take_off`
// takes it from there if it is still on it.
template <class Wait, class Hang, class TakeOff>
bool suspend_on(Wait& w, const suspender& who, wait_reason why, Hang hang, TakeOff take_off) {
  if (w.done != nullptr && w.done->ready()) {
    w.woken = false;
    return false;
  }
  coroutine& me = begin_wait(who.handle, who.root, who.where);
  w.node.who = &me;
  w.node.elect = w.done != nullptr || me.is_ticket();
  me.prepare();
  if (!hang()) {
    end_wait(me);
    return false;
  }
  w.phase = wait_phase::waits;
  if (w.done == nullptr || watch_too(me, *w.done, w.on_done)) return commit_wait(me, why);
  take_off();
  w.phase = wait_phase::over;
  w.woken = false;
  end_wait(me);
  return false;
}

template <class Wait, class TakeOff>
bool resume_from(Wait& w, TakeOff take_off) noexcept {
  if (w.phase != wait_phase::waits) return w.woken;
  w.phase = wait_phase::over;
  auto& me = static_cast<coroutine&>(*w.node.who);
  w.woken = w.done == nullptr || unwatch_too(me, *w.done, w.on_done) == wait_result::woken;
  if (!w.woken) take_off();
  end_wait(me);
  return w.woken;
}

// Whether it was woken all the same.
template <class Wait, class TakeOff>
bool abandon_on(Wait& w, TakeOff take_off) noexcept {
  auto& me = static_cast<coroutine&>(*w.node.who);
  const wait_node* const winner = stop_waiting(me);
  if (winner != &w.node) take_off();
  if (w.done != nullptr && winner != &w.on_done) w.done->unwatch(w.on_done);
  give_wait_up(me);
  return winner == &w.node;
}

}  // namespace

bool coro_access::suspend(queue_wait& w, wait_group& on, const suspender& who) {
  return suspend_on(
      w, who, wait_reason::wait_group_wait, [&] { return on.hang(w.node); },
      [&] { on.take_off(w.node); });
}
bool coro_access::resume(queue_wait& w, wait_group& on) noexcept {
  return resume_from(w, [&] { on.take_off(w.node); });
}
void coro_access::abandon(queue_wait& w, wait_group& on) noexcept {
  abandon_on(w, [&] { on.take_off(w.node); });
}

wait_group& coro_access::tasks_of(group& g) noexcept { return g.tasks_; }
void coro_access::finish(group& g) { g.finish(); }

bool coro_access::suspend(queue_wait& w, downhaul::mutex& on, const suspender& who) {
  return suspend_on(
      w, who, wait_reason::mutex_lock, [&] { return !on.take_or_hang(w.node); },
      [&] { on.withdraw(w.node); });
}
bool coro_access::resume(queue_wait& w, downhaul::mutex& on) noexcept {
  return resume_from(w, [&] { on.withdraw(w.node); });
}
void coro_access::abandon(queue_wait& w, downhaul::mutex& on) noexcept {
  // It was handed over: nobody else will unlock it.
  if (abandon_on(w, [&] { on.withdraw(w.node); })) on.unlock();
}

bool coro_access::suspend(units_wait& w, semaphore& on, const suspender& who) {
  return suspend_on(
      w, who, wait_reason::semaphore_acquire, [&] { return !on.take_or_hang(w.node); },
      [&] { on.withdraw(w.node); });
}
bool coro_access::resume(units_wait& w, semaphore& on) noexcept {
  return resume_from(w, [&] { on.withdraw(w.node); });
}
void coro_access::abandon(units_wait& w, semaphore& on) noexcept {
  // They were granted: nobody else will give them back.
  if (abandon_on(w, [&] { on.withdraw(w.node); })) on.release(w.node.units);
}

bool coro_access::suspend(queue_wait& w, condition_variable& on, const suspender& who,
                          std::unique_lock<downhaul::mutex>& held) {
  if (!held.owns_lock()) held.unlock();  // throws, while nothing hangs
  return suspend_on(
      w, who, wait_reason::condition_wait,
      [&] {
        on.hang(w.node);
        held.unlock();
        return true;
      },
      [&] { on.take_off(w.node); });
}
bool coro_access::resume(queue_wait& w, condition_variable& on) noexcept {
  return resume_from(w, [&] { on.take_off(w.node); });
}
void coro_access::abandon(queue_wait& w, condition_variable& on) noexcept {
  if (abandon_on(w, [&] { on.take_off(w.node); })) on.notify_one();
}

}  // namespace downhaul::impl
