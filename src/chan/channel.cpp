// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// The operations behind the handles: on a channel, on a done, on nil; plain and with a context.
#include "downhaul/impl/channel.hpp"

#include <mutex>

#include "chan/chan_core.hpp"
#include "chan/chan_wait.hpp"
#include "downhaul/error.hpp"
#include "downhaul/impl/context_seam.hpp"
#include "downhaul/impl/select_core.hpp"
#include "wait/done_source.hpp"
#include "wait/thread_record.hpp"

namespace downhaul::impl {
namespace {

[[noreturn]] void wait_for_ever(wait_reason why) noexcept {
  waiter& w = this_waiter();
  for (;;) {
    w.prepare();
    w.park(why);
  }
}

enum class direction : bool { receive, send };

inline void hang_locked(chan_core& c, wait_node& node, waiter& me, void* place, bool sends) noexcept
    DOWNHAUL_REQUIRES(c.mu()) {
  me.prepare();
  node.who = &me;
  node.slot = place;
  sends ? c.enqueue_sender(node) : c.enqueue_receiver(node);
}

template <direction D>
passed attempt(chan_core& c, void* place, waiter*& wake) noexcept DOWNHAUL_REQUIRES(c.mu()) {
  return D == direction::send ? c.send_locked(place, wake) : c.recv_locked(place, wake);
}

// Hangs on the queue of `c`, whose lock is held, and waits. Once woken it touches the channel no more:
// whoever drops the last handle meanwhile leaves it parked for ever, and harms nobody.
// Out of line, reached by a jump: the way that need not wait has no frame for a node. No other frame
// lies between the user and the switch, since each costs 6 ns when the wait ends: the processor predicts
// where a function returns to by the calls of the goroutine that ran before.
[[gnu::noinline]] passed wait_on(chan_core& c, void* place,
                                 direction way) noexcept DOWNHAUL_NO_THREAD_SAFETY_ANALYSIS {
  wait_node node;
  waiter& me = this_waiter();
  const bool sends = way == direction::send;
  hang_locked(c, node, me, place, sends);
  me.park_and_unlock(c.mu(), sends ? wait_reason::chan_send : wait_reason::chan_receive);
  return node.ok ? passed::value : passed::closed;
}

// One operation on one channel, without a context.
template <direction D>
[[gnu::always_inline]] inline passed pass(chan_core& c,
                                          void* place) noexcept DOWNHAUL_NO_THREAD_SAFETY_ANALYSIS {
  waiter* wake = nullptr;
  c.mu().lock();
  const passed p = attempt<D>(c, place, wake);
  if (p == passed::blocked) return wait_on(c, place, D);
  c.mu().unlock();
  if (wake != nullptr) wake->notify();
  return p;
}

template <direction D>
passed try_pass(chan_core& c, void* place) noexcept {
  constexpr std::uint64_t bit =
      D == direction::send ? chan_core::send_ready : chan_core::recv_ready;
  if (!c.maybe_ready(bit)) return passed::blocked;
  waiter* wake = nullptr;
  c.mu().lock();
  const passed p = attempt<D>(c, place, wake);
  c.mu().unlock();
  if (wake != nullptr) wake->notify();
  return p;
}

// One operation on one source and a context: the context first, then the source, then both.
template <direction D>
passed pass_or_end(source* s, const context& ctx, void* place) noexcept {
  source* const done = done_of(ctx);
  if (done != nullptr && done->ready()) return passed::ended;
  if (s != nullptr && s->kind() == source_kind::channel) {
    if (done == nullptr) {
      return pass<D>(as_channel(s), place);
    }
    const passed p = try_pass<D>(as_channel(s), place);
    if (p != passed::blocked) return p;
  }
  select_op op;
  op.on = s;
  op.sends = D == direction::send;
  op.slot = place;
  select_op* const ops[] = {&op};
  select_scratch::of<1> scratch;
  const source_ref<source> kept =
      source_ref<source>::share(s);  // it is touched again after the wait
  const int fired = select_ops(ops, 1, select_mode::wait, done, scratch.view());
  if (fired == context_ended) return passed::ended;
  return op.node.ok ? passed::value : passed::closed;
}

}  // namespace

passed begin_pass(source* s, wait_node& node, waiter& me, void* place, bool sends) noexcept {
  if (s == nullptr) {
    me.prepare();  // nobody will ever notify
    node.who = &me;
    return passed::blocked;
  }
  if (s->kind() == source_kind::done) {
    me.prepare();
    node.who = &me;
    return s->watch(node) ? passed::blocked : passed::closed;
  }
  chan_core& c = as_channel(s);
  waiter* wake = nullptr;
  passed p = passed::blocked;
  {
    const lock_scope lock{c.mu()};
    p = sends ? c.send_locked(place, wake) : c.recv_locked(place, wake);
    if (p == passed::blocked) hang_locked(c, node, me, place, sends);
  }
  if (wake != nullptr) wake->notify();
  return p;
}

source* make_channel(std::ptrdiff_t capacity, const element_ops& ops) {
  return chan_core::make(capacity, ops);
}

void channel_close(source* channel) {
  if (channel == nullptr) throw misuse{"close of nil channel"};
  as_channel(channel).close();
}

void throw_send_on_closed() { throw misuse{"send on closed channel"}; }

passed channel_send(source* channel, void* element) noexcept {
  if (channel == nullptr) wait_for_ever(wait_reason::chan_send_nil);
  return pass<direction::send>(as_channel(channel), element);
}

passed channel_send(source* channel, const context& ctx, void* element) noexcept {
  return pass_or_end<direction::send>(channel, ctx, element);
}

passed channel_try_send(source* channel, void* element) noexcept {
  if (channel == nullptr) return passed::blocked;
  return try_pass<direction::send>(as_channel(channel), element);
}

passed channel_recv(source* channel, void* slot) noexcept {
  if (channel == nullptr) wait_for_ever(wait_reason::chan_receive_nil);
  if (channel->kind() == source_kind::channel) {
    return pass<direction::receive>(as_channel(channel), slot);
  }
  auto& done = static_cast<done_source&>(*channel);
  if (done.closed()) return passed::closed;
  wait_node node;
  waiter& me = this_waiter();
  me.prepare();
  node.who = &me;
  done.ref();  // a parked operation keeps what it waits for
  if (done.watch(node)) me.park(wait_reason::chan_receive);
  done.unref();
  return passed::closed;
}

passed channel_recv(source* channel, const context& ctx, void* slot) noexcept {
  return pass_or_end<direction::receive>(channel, ctx, slot);
}

passed channel_try_recv(source* channel, void* slot) noexcept {
  if (channel == nullptr) return passed::blocked;
  if (channel->kind() == source_kind::channel) {
    return try_pass<direction::receive>(as_channel(channel), slot);
  }
  return static_cast<done_source*>(channel)->closed() ? passed::closed : passed::blocked;
}

std::ptrdiff_t channel_size(source* channel) noexcept {
  if (channel == nullptr || channel->kind() != source_kind::channel) return 0;
  return as_channel(channel).size();
}

std::ptrdiff_t channel_capacity(source* channel) noexcept {
  if (channel == nullptr || channel->kind() != source_kind::channel) return 0;
  return as_channel(channel).capacity();
}

}  // namespace downhaul::impl
