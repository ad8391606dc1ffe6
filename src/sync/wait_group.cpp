// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// [count]  word: unfinished tasks << 32 | waited
//   task:    D1 subtract one. If that made it zero with `waited` set: D2 lock; take all waiters;
//            D3 clear `waited`; unlock; notify.
//   waiter:  W1 load; zero: return. Else W2 lock; W3 set `waited` unless the word is zero; link;
//            unlock; park.
//   `waited` is set only while tasks are unfinished, so the word (0, waited) says: a task is between
//   D1 and D3. Who finds it so, in W1 or W3, must not return, for that task still has the queue to
//   touch: it joins the queue and is released with the others. D3 is the last touch of the object;
//   the lock is not in it. The word can be 0 only after D3, or where D1 saw no waiter and is itself
//   the last touch.
//   All changes are read-modify-writes: one release sequence, hence who acquires any of its values,
//   W1 or D1, sees everything before each D1 that made it.
//   Model: tests/models/wait_group.pml
#include "downhaul/wait_group.hpp"

#include <unistd.h>
#include <cstdlib>
#include <new>
#include <string>

#include "downhaul/impl/context_seam.hpp"
#include "platform/fatal.hpp"
#include "sched/registry.hpp"
#include "sync/queue_lock.hpp"

namespace downhaul {

using impl::lock_scope;
using impl::queue_lock_of;

void wait_group::settle(std::uint64_t old, std::ptrdiff_t n) {
  const std::int64_t before = tasks(old);
  const bool in_range = n >= -most - 1 && n <= most && before + n >= 0 && before + n <= most;
  const bool joins_a_release = n > 0 && before == 0 && (old & waited) != 0;
  if (!in_range || joins_a_release) {
    // Taken back as if it had not been; count only, the misuse orders nothing.
    state_.fetch_sub(static_cast<std::uint64_t>(n) << 32, std::memory_order_relaxed);  // [count]
    throw misuse{in_range ? "sync: WaitGroup misuse: Add called concurrently with Wait"
                          : "sync: negative WaitGroup counter"};
  }
  if (n < 0 && before + n == 0 && (old & waited) != 0) release();
}

void wait_group::release() noexcept {
  impl::wake_list released;
  {
    const lock_scope held{queue_lock_of(this)};
    while (impl::wait_node* n = impl::take_elected(waiters_)) released.push(*n);
    state_.fetch_and(~waited,
                     std::memory_order_acq_rel);  // D3 [count] pairs with W1: the last touch
  }
  released.notify_all();
}

bool wait_group::hang(impl::wait_node& node) noexcept {
  const lock_scope held{queue_lock_of(this)};
  std::uint64_t now = state_.load(std::memory_order_acquire);  // W1 [count] pairs with D1, D3
  while ((now & waited) == 0) {
    if (now == 0) return false;
    // W3 [count] the lock orders the link below; acquire for a failure: W1 again. Ends: each turn a
    // task was added or ended.
    if (state_.compare_exchange_weak(now, now | waited, std::memory_order_acquire,
                                     std::memory_order_acquire))  // [count] as above
      break;
  }
  waiters_.push_back(node);
  return true;
}

void wait_group::take_off(impl::wait_node& node) noexcept {
  const lock_scope held{queue_lock_of(this)};
  if (!node.linked()) return;  // whoever has it releases the others too, and clears the mark
  impl::wait_list::remove(node);
  // The last to give up clears the mark, unless a task is on its way to D3 because of it.
  std::uint64_t now = state_.load(std::memory_order_relaxed);  // the exchange decides
  while (waiters_.empty() && (now & waited) != 0 && tasks(now) > 0) {
    // [count] orders nothing: nobody was released. Ends: each turn the count has changed.
    if (state_.compare_exchange_weak(now, now & ~waited, std::memory_order_relaxed,
                                     std::memory_order_relaxed))  // [count] as above
      break;
  }
}

bool wait_group::wait_slow(impl::source* done) {
  impl::waiter& me = impl::this_waiter();
  impl::wait_node node;
  node.who = &me;
  node.elect = done != nullptr;
  me.prepare();
  if (!hang(node)) return true;
  if (impl::park_with_source(me, node, done, impl::wait_reason::wait_group_wait) ==
      impl::wait_result::woken) {
#ifdef DOWNHAUL_CHECKED
    // Harmless here, but a program that does so would fail in Go, and may not know it does.
    if (state_.load(std::memory_order_relaxed) != 0)  // [count] a guess, orders nothing
      throw misuse{"sync: WaitGroup is reused before previous Wait has returned"};
#endif
    return true;
  }
  take_off(node);
  return false;
}

void wait_group::abandoned() const noexcept {
  impl::write_text(STDERR_FILENO, "fatal error: wait_group destroyed while ");
  impl::write_number(STDERR_FILENO, static_cast<unsigned long long>(
                                        tasks(state_.load(std::memory_order_relaxed))));  // a text
  impl::write_text(STDERR_FILENO, " of its tasks run\n");
  list_tasks();
  std::abort();
}

void wait_group::list_tasks() const noexcept {
  try {
    std::string text;
    for (const goroutine_info& g : impl::list_goroutines_of(this))
      text += '\t' + to_string(g) + '\n';
    impl::write_text(STDERR_FILENO, text.c_str());
  } catch (const std::bad_alloc&) {
    impl::write_text(STDERR_FILENO, "\t(no memory to list them)\n");
  }
}

void wait_group::wait(const context& ctx) {
  impl::source* const done = impl::done_of(ctx);
  // W1 [count] acquire: pairs with D1, D3
  if (impl::has_ended(done) || (state_.load(std::memory_order_acquire) != 0 && !wait_slow(done)))
    impl::throw_done(ctx);
}

void wait_group::wait(const context& ctx, std::error_code& ec) {
  ec.clear();
  impl::source* const done = impl::done_of(ctx);
  // W1 [count] acquire: pairs with D1, D3
  if (impl::has_ended(done) || (state_.load(std::memory_order_acquire) != 0 && !wait_slow(done)))
    ec = impl::err_of(ctx);
}

}  // namespace downhaul
