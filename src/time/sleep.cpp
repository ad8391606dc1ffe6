// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// Sleeping: a wait whose only source is the clock, and a context if there is one. The entry lives on
// the sleeper's stack; try_ref elects it under the queue's lock, so an entry that lost to the context
// is not touched after it was popped, and one that won keeps its sleeper parked until fire.
#include "downhaul/sleep.hpp"

#include <atomic>

#include "downhaul/impl/context_seam.hpp"
#include "platform/futex.hpp"
#include "platform/monotonic.hpp"
#include "time/clock_state.hpp"
#include "time/sleeper.hpp"
#include "wait/context_wait.hpp"

namespace downhaul::impl {
namespace {

// A plain thread needs no help to sleep.
void sleep_thread(std::int64_t due) noexcept {
  std::atomic<std::uint32_t> unwoken{0};
  do {
    futex_wait_until(unwoken, 0, due);
  } while (steady_now_ns() < due || due == never);
}

// Whether the time came; else `done` did.
bool wait_until(clock& c, std::int64_t due, source* done) noexcept {
  waiter& me = this_waiter();
  sleeper s;
  s.node.who = &me;
  s.node.elect = done != nullptr;
  me.prepare();
  c.arm(s, due);
  if (park_with_source(me, s.node, done, wait_reason::sleep) == wait_result::woken) return true;
  c.disarm(s);
  return false;
}

void sleep_on(thread_record& me, clock& c, std::int64_t due) noexcept {
  if (c.is_real() && me.current == &me.self) return sleep_thread(due);
  wait_until(c, due, nullptr);
}

// False: the context has ended, or ended first.
bool sleep_on(const context& ctx, clock& c, std::int64_t delay, std::int64_t due) noexcept {
  source* done = done_of(ctx);
  if (done != nullptr && done->ready()) return false;
  if (delay <= 0) return true;
  if (done == nullptr) {
    sleep_on(this_thread(), c, due);
    return true;
  }
  return wait_until(c, due, done);
}

bool sleep_for_or_end(const context& ctx, std::int64_t delay) noexcept {
  clock& c = clock_of_here();
  return sleep_on(ctx, c, delay, delay > 0 ? due_after(c.now_ns(), delay) : 0);
}

bool sleep_until_or_end(const context& ctx, std::int64_t due) noexcept {
  clock& c = clock_of_here();
  return sleep_on(ctx, c, subtract_saturated(due, c.now_ns()), due);
}

}  // namespace

void sleep_for(std::int64_t delay) noexcept {
  if (delay <= 0) return;
  thread_record& me = this_thread();
  clock& c = clock_of(me);
  sleep_on(me, c, due_after(c.now_ns(), delay));
}

void sleep_for(const context& ctx, std::int64_t delay) {
  if (!sleep_for_or_end(ctx, delay)) throw_done(ctx);
}

void sleep_for(const context& ctx, std::int64_t delay, std::error_code& ec) noexcept {
  ec = sleep_for_or_end(ctx, delay) ? std::error_code{} : err_of(ctx);
}

void sleep_until(std::int64_t due) noexcept {
  thread_record& me = this_thread();
  clock& c = clock_of(me);
  if (due > c.now_ns()) sleep_on(me, c, due);
}

void sleep_until(const context& ctx, std::int64_t due) {
  if (!sleep_until_or_end(ctx, due)) throw_done(ctx);
}

void sleep_until(const context& ctx, std::int64_t due, std::error_code& ec) noexcept {
  ec = sleep_until_or_end(ctx, due) ? std::error_code{} : err_of(ctx);
}

}  // namespace downhaul::impl
