// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors

#include "platform/stack_switch.hpp"

#include <cxxabi.h>
#include <boost/context/detail/fcontext.hpp>

#if DOWNHAUL_ASAN
#include <sanitizer/common_interface_defs.h>
#endif

namespace downhaul::impl {
namespace {

using boost::context::detail::jump_fcontext;
using boost::context::detail::make_fcontext;
using boost::context::detail::transfer_t;

// Declared const in <cxxabi.h>, so a compiler may reuse its result for another thread; not behind a
// call that it cannot see through.
DOWNHAUL_UNINSTRUMENTED eh_globals* exceptions_of_this_thread() noexcept {
  asm volatile("" ::: "memory");
  return reinterpret_cast<eh_globals*>(abi::__cxa_get_globals());
}

}  // namespace

// The sanitizers must learn of a switch right before it, in functions of which they see neither
// entry nor exit: hence no helper functions below, which an -O0 build would instrument.

#if DOWNHAUL_ASAN
#define DOWNHAUL_ASAN_LEAVE(fake_stack, to) \
  __sanitizer_start_switch_fiber(fake_stack, (to).asan_bottom, (to).asan_size)
// Every arrival tells the bounds of the stack that was left: that is how those of native stacks
// become known before anybody switches back to them.
#define DOWNHAUL_ASAN_ARRIVE(fake_stack, left) \
  __sanitizer_finish_switch_fiber(fake_stack, &(left).asan_bottom, &(left).asan_size)
#else
#define DOWNHAUL_ASAN_LEAVE(fake_stack, to) static_cast<void>(0)
#define DOWNHAUL_ASAN_ARRIVE(fake_stack, left) static_cast<void>(0)
#endif
#if DOWNHAUL_TSAN
extern "C" {
void* __tsan_get_current_fiber();
void* __tsan_create_fiber(unsigned flags);
void __tsan_switch_to_fiber(void* fiber, unsigned flags);
}
#define DOWNHAUL_TSAN_LEAVE(to) __tsan_switch_to_fiber((to).tsan_fiber, 0)
#else
#define DOWNHAUL_TSAN_LEAVE(to) static_cast<void>(0)
#endif

namespace {

// The bottom frame of every task stack. It runs one task after another, each announced by the hop
// of whoever switched here, and owns no frame that a sanitizer knows of: between two tasks nothing
// on this stack needs to survive but this frame. Not noexcept, though a task must not throw: the
// search for a handler has to end here without finding "terminate", else everything would be
// unwound before std::terminate is called, and a core file would not show the throw.
DOWNHAUL_UNINSTRUMENTED void trampoline(transfer_t arrival) {
#if defined(__GCC_HAVE_DWARF2_CFI_ASM)  // backtraces end here
#if defined(__x86_64__)
  asm volatile(".cfi_undefined rip");
#elif defined(__aarch64__)
  asm volatile(".cfi_undefined x30");
#endif
#endif
  for (;;) {
    const hop& came = *static_cast<hop*>(arrival.data);
    *came.parked_at = arrival.fctx;
    DOWNHAUL_ASAN_ARRIVE(nullptr, *came.from);
    execution& task = *came.to;
    execution& next = task.entry(task.arg);

    // A task that returned has no exception left, so there is nothing to save.
    eh_globals* const exceptions = task.thread_exceptions;
    *exceptions = next.eh;
    next.thread_exceptions = exceptions;
    hop left{&task.on->idle_context, &task, &next};
    DOWNHAUL_ASAN_LEAVE(nullptr, next);  // null: frees the fake frames of this task
    DOWNHAUL_TSAN_LEAVE(next);
    arrival = jump_fcontext(next.fctx, &left);
  }
}

}  // namespace

#if DOWNHAUL_ASAN || DOWNHAUL_TSAN
DOWNHAUL_UNINSTRUMENTED void switch_to(execution& from, execution& to) noexcept {
  eh_globals* const exceptions = from.thread_exceptions;
  from.eh = *exceptions;
  *exceptions = to.eh;
  to.thread_exceptions = exceptions;
  hop left{&from.fctx, &from, &to};
  DOWNHAUL_ASAN_LEAVE(&from.asan_fake_stack, to);
  DOWNHAUL_TSAN_LEAVE(to);
  const transfer_t arrival = jump_fcontext(to.fctx, &left);
  // Maybe on another thread from here on.
  const hop& came = *static_cast<hop*>(arrival.data);
  *came.parked_at = arrival.fctx;
  DOWNHAUL_ASAN_ARRIVE(from.asan_fake_stack, *came.from);
}
#endif

DOWNHAUL_UNINSTRUMENTED void adopt_thread_stack(execution& self) noexcept {
  self.on = nullptr;
  self.thread_exceptions = exceptions_of_this_thread();
#if DOWNHAUL_TSAN
  self.tsan_fiber = __tsan_get_current_fiber();
#endif
}

void make_execution(execution& task, stack& on, entry_function entry, void* arg) noexcept {
  task.eh = {};
  task.entry = entry;
  task.arg = arg;
  task.on = &on;
#if DOWNHAUL_ASAN
  task.asan_bottom = on.limit;
  task.asan_size = on.size();
  task.asan_fake_stack = nullptr;
#endif
#if DOWNHAUL_TSAN
  if (on.tsan_fiber == nullptr) on.tsan_fiber = __tsan_create_fiber(0);
  task.tsan_fiber = on.tsan_fiber;
#endif
  if (on.idle_context != nullptr) {
    task.fctx = on.idle_context;
    on.idle_context = nullptr;
    return;
  }
#if DOWNHAUL_ASAN
  ASAN_UNPOISON_MEMORY_REGION(on.limit, on.size());  // a task may have been abandoned here
#endif
  task.fctx = make_fcontext(on.top, on.size(), trampoline);
}

std::span<const std::byte> live_part(const execution& task) noexcept {
  if (task.on == nullptr || task.fctx == nullptr) return {};
  return {static_cast<const std::byte*>(task.fctx), task.on->top};
}

}  // namespace downhaul::impl
