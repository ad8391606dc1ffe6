// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
#include "chan/chan_wait.hpp"

#include "downhaul/impl/coro_wait.hpp"
#include "sched/coroutine.hpp"

namespace downhaul::impl {
namespace {

coroutine& who_waits(const chan_wait& w) noexcept { return static_cast<coroutine&>(*w.node.who); }

// Whether the wait keeps its source. One who may be destroyed takes his node off it; and a done is
// kept by whoever waits for it.
bool keeps_source(const chan_wait& w, const coroutine& me) noexcept {
  return w.on != nullptr && (me.is_ticket() || w.on->kind() == source_kind::done);
}

}  // namespace

bool try_chan(chan_wait& w, void* place) noexcept {
  w.result = w.sends ? channel_try_send(w.on, place) : channel_try_recv(w.on, place);
  return w.result != passed::blocked;
}

bool suspend_chan(chan_wait& w, void* place, const suspender& who) {
  coroutine& me = begin_wait(who.handle, who.root, who.where);
  w.node.elect = me.is_ticket();
  const bool keeps = keeps_source(w, me);
  if (keeps) w.on->ref();
  w.result = begin_pass(w.on, w.node, me, place, w.sends);
  if (w.result != passed::blocked) {
    end_wait(me);
    if (keeps) w.on->unref();
    return false;
  }
  w.phase = wait_phase::waits;
  const wait_reason why =
      w.on == nullptr ? (w.sends ? wait_reason::chan_send_nil : wait_reason::chan_receive_nil)
                      : (w.sends ? wait_reason::chan_send : wait_reason::chan_receive);
  return commit_wait(me, why);
}

passed resume_chan(chan_wait& w) noexcept {
  if (w.phase != wait_phase::waits) return w.result;
  w.phase = wait_phase::over;
  coroutine& me = who_waits(w);
  const bool keeps = keeps_source(w, me);
  end_wait(me);
  if (keeps) w.on->unref();
  return w.result = w.node.ok ? passed::value : passed::closed;
}

bool abandon_chan(chan_wait& w) noexcept {
  if (w.phase != wait_phase::waits) return false;
  coroutine& me = who_waits(w);
  if (stop_waiting(me) == nullptr && w.on != nullptr) w.on->unwatch(w.node);
  const bool won = give_wait_up(me);
  if (w.on != nullptr) w.on->unref();
  return won && w.node.ok;
}

}  // namespace downhaul::impl
