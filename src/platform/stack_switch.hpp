// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// Idea       one call that leaves this stack and goes on with another: callee-saved registers by
//            Boost.Context, the C++ exception state and the sanitizers' view of the stack by us.
// Ownership  an execution is owned by whoever runs it (a goroutine's control block, a worker); it
//            lends the stack. Neither copied nor moved while something is parked in it.
// Threads    an execution is used by one thread at a time. What was parked on one thread may be
//            continued on another; the hand-over must synchronize (release/acquire), and may begin
//            only when switch_to has returned in the execution that was switched to.
// Cost       6 ns a switch; every frame that returns after it, before the next call, costs another
//            6 ns, because the CPU predicts returns by the calls of the stack that was left: keep
//            the path from a waiting operation to switch_to short. See docs/design/stacks.md.
// Source     Itanium C++ ABI 2.2.2 (__cxa_eh_globals); sanitizer/common_interface_defs.h,
//            tsan_interface.h (fibers).
//
// The exception state belongs to the task, not to the thread: a task that waits inside a catch
// block or a destructor run by unwinding finds its own exceptions again, on any thread.

#pragma once

#include <boost/context/detail/fcontext.hpp>
#include <cstddef>
#include <span>

#include "platform/sanitizer.hpp"
#include "platform/stack.hpp"

namespace downhaul::impl {

/// The layout of __cxa_eh_globals: the innermost caught exception, the number in flight.
struct eh_globals {
  void* caught = nullptr;
  unsigned int uncaught = 0;
};

struct execution;

/// A task's body. Returns the execution to go on with, once all its frames are gone; the library
/// switches there for the last time. It must not throw.
using entry_function = execution& (*)(void* arg);

struct execution {
  void* fctx = nullptr;  // valid while parked: where it goes on
  eh_globals eh;         // valid while parked: its exception state
  eh_globals* thread_exceptions =
      nullptr;  // valid while running: the exception state of its thread
  entry_function entry = nullptr;
  void* arg = nullptr;
  stack* on = nullptr;  // null for a thread's own stack
#if DOWNHAUL_ASAN
  const void* asan_bottom = nullptr;
  std::size_t asan_size = 0;
  void* asan_fake_stack = nullptr;
#endif
#if DOWNHAUL_TSAN
  void* tsan_fiber = nullptr;
#endif
};

/// Makes `self` stand for the calling thread's own stack; to be used as `from` on this thread only.
void adopt_thread_stack(execution& self) noexcept;

/// Prepares `task` to run `entry(arg)` on `on`, which is free: fresh, or left by a task that ended.
/// Touches no page of a stack whose last task left its trampoline there.
void make_execution(execution& task, stack& on, entry_function entry, void* arg) noexcept;

// What the side that leaves tells the side that goes on. Lives on the stack that was left.
struct hop {
  void** parked_at;  // where the fcontext of the side that left belongs
  execution* from;
  execution* to;
};

/// Parks the running execution in `from` and goes on with `to`. Returns when somebody switches to
/// `from`, possibly on another thread. `from` and `to` differ.
/// When it returns, the execution that was left is parked completely, or, if its entry returned,
/// gone: then its `execution` may be destroyed and its stack released.
#if DOWNHAUL_ASAN || DOWNHAUL_TSAN
void switch_to(execution& from, execution& to) noexcept;
#else
[[gnu::always_inline]] inline void switch_to(execution& from, execution& to) noexcept {
  // The address of the exception state goes along from task to task, so that none of them asks the
  // thread for it: that costs 3 ns, and compilers would reuse the answer on another thread.
  eh_globals* const exceptions = from.thread_exceptions;
  from.eh = *exceptions;
  *exceptions = to.eh;
  to.thread_exceptions = exceptions;
  hop left{&from.fctx, &from, &to};
  const auto arrival = boost::context::detail::jump_fcontext(to.fctx, &left);
  *static_cast<hop*>(arrival.data)->parked_at = arrival.fctx;
}
#endif

/// The part of its stack that a parked `task` uses: what a leak checker has to scan.
std::span<const std::byte> live_part(const execution& task) noexcept;

}  // namespace downhaul::impl
