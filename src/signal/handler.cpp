// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
#include "signal/handler.hpp"

#include <dlfcn.h>
#include <linux/futex.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <cerrno>
#include <csignal>

#include "platform/sanitizer.hpp"

namespace downhaul::impl {

constinit std::atomic<std::uint64_t> pending_signals{0};
constinit std::atomic<std::uint32_t> relay_bell{0};

namespace {

using action = struct sigaction;
using sigaction_function = int (*)(int, const action*, action*);

// What the handler reads about one signal. Integers: libstdc++ inlines their atomic operations always,
// also into the handler, which must not call instrumented functions.
struct slot {
  std::atomic<std::uint32_t> wanted{0};           // [caught]
  std::atomic<std::uint32_t> inside{0};           // [caught]
  std::atomic<std::uintptr_t> former{0};          // handler function, or SIG_DFL, SIG_IGN
  std::atomic<std::uint32_t> former_has_info{0};  // it is an sa_sigaction
};
constinit slot slots[most_signals + 1];

// Of the callers of catch, release and drop; not the handler's.
struct original_action {
  bool known = false;  // we have changed it since
  action was{};
};
original_action originals[most_signals + 1];

// ThreadSanitizer keeps handlers from running until the thread makes a call that it knows; a thread
// parked on a raw futex makes none. Ours touches nothing but atomics: it goes past the sanitizer.
std::atomic<std::uintptr_t> kernel_sigaction{0};
// Our process: a child of fork() has the handler, but no relay.
std::atomic<pid_t> home{0};

sigaction_function find_sigaction() noexcept {
#if DOWNHAUL_TSAN
  return reinterpret_cast<sigaction_function>(::dlsym(RTLD_NEXT, "sigaction"));
#else
  return &::sigaction;
#endif
}

int change_action(int signal, const action* to, action* from) noexcept {
  static const sigaction_function f = [] {
    home.store(::getpid(), std::memory_order_relaxed);  // set before the first handler is installed
    const sigaction_function found = find_sigaction();
    kernel_sigaction.store(reinterpret_cast<std::uintptr_t>(found),
                           std::memory_order_relaxed);  // as above
    return found;
  }();
  return f(signal, to, from);
}

// The same from the handler.
DOWNHAUL_UNINSTRUMENTED void change_action_here(int signal, const action* to,
                                                action* from) noexcept {
  const std::uintptr_t f = kernel_sigaction.load(std::memory_order_relaxed);  // see change_action
  reinterpret_cast<sigaction_function>(f)(signal, to, from);
}

DOWNHAUL_UNINSTRUMENTED std::uintptr_t address_of(const action& a) noexcept {
  return (a.sa_flags & SA_SIGINFO) != 0 ? reinterpret_cast<std::uintptr_t>(a.sa_sigaction)
                                        : reinterpret_cast<std::uintptr_t>(a.sa_handler);
}

std::uintptr_t default_address() noexcept { return reinterpret_cast<std::uintptr_t>(SIG_DFL); }
std::uintptr_t ignore_address() noexcept { return reinterpret_cast<std::uintptr_t>(SIG_IGN); }

DOWNHAUL_UNINSTRUMENTED void ring() noexcept {
  relay_bell.fetch_add(1, std::memory_order_release);  // [bell] pairs with the relay's load
  ::syscall(SYS_futex, &relay_bell, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 1, nullptr, nullptr, 0);
}

DOWNHAUL_UNINSTRUMENTED bool is_function(std::uintptr_t former) noexcept {
  return former != reinterpret_cast<std::uintptr_t>(SIG_DFL) &&
         former != reinterpret_cast<std::uintptr_t>(SIG_IGN);
}

DOWNHAUL_UNINSTRUMENTED void call_former(const slot& s, int signal, siginfo_t* info,
                                         void* where) noexcept {
  const std::uintptr_t f =
      s.former.load(std::memory_order_relaxed);  // set before we were installed
  if (!is_function(f)) return;
  if (s.former_has_info.load(std::memory_order_relaxed) != 0) {  // as above
    reinterpret_cast<void (*)(int, siginfo_t*, void*)>(f)(signal, info, where);
  } else {
    reinterpret_cast<void (*)(int)>(f)(signal);
  }
}

DOWNHAUL_UNINSTRUMENTED void set_default(int signal) noexcept {
  action to{};
  to.sa_handler = SIG_DFL;
  change_action_here(signal, &to, nullptr);
}

DOWNHAUL_UNINSTRUMENTED void raise_here(int signal) noexcept {
  // Blocked while its handler runs, so it acts when we return.
  ::syscall(SYS_tgkill, ::syscall(SYS_getpid), ::syscall(SYS_gettid), signal);
}

DOWNHAUL_UNINSTRUMENTED bool means_fault(int signal) noexcept {
  return signal == SIGSEGV || signal == SIGBUS || signal == SIGFPE || signal == SIGILL ||
         signal == SIGTRAP || signal == SIGSYS;
}

DOWNHAUL_UNINSTRUMENTED bool is_fault(int signal, const siginfo_t* info) noexcept {
  if (info == nullptr || info->si_code <= 0) return false;  // sent by somebody
  return means_fault(signal);
}

DOWNHAUL_UNINSTRUMENTED void on_signal(int signal, siginfo_t* info, void* where);

// Nobody wants it, or in a child of fork() nobody is there: what was in force before takes it.
DOWNHAUL_UNINSTRUMENTED void do_without_us(const slot& s, int signal, siginfo_t* info, void* where,
                                           bool forked_child) noexcept {
  const std::uintptr_t former = s.former.load(std::memory_order_relaxed);  // see call_former
  if (is_function(former)) return call_former(s, signal, info, where);
  if (former == reinterpret_cast<std::uintptr_t>(SIG_IGN)) return;
  if (forked_child) set_default(signal);
  action now{};
  change_action_here(signal, nullptr, &now);
  // S1 comes before S2: what is in force is the default, or what somebody has set since. If it is
  // ours again, somebody subscribed just now, and the signal raised anew is his.
  const std::uintptr_t in_force = address_of(now);
  if (in_force == reinterpret_cast<std::uintptr_t>(SIG_DFL) ||
      in_force == reinterpret_cast<std::uintptr_t>(&on_signal))
    raise_here(signal);
}

DOWNHAUL_UNINSTRUMENTED void on_signal(int signal, siginfo_t* info, void* where) {
  const int saved_errno = errno;
  slot& s = slots[signal];
  if (is_fault(signal, info)) {
    // The instruction is tried again when we return.
    if (is_function(s.former.load(std::memory_order_relaxed)))  // see call_former
      call_former(s, signal, info, where);
    else
      set_default(signal);
    errno = saved_errno;
    return;
  }
  s.inside.fetch_add(1, std::memory_order_seq_cst);  // H1 [caught]
  const bool forked_child =
      ::syscall(SYS_getpid) != home.load(std::memory_order_relaxed);  // see change_action
  const bool wanted =
      !forked_child && s.wanted.load(std::memory_order_seq_cst) != 0;  // H2 [caught]
  if (wanted) {
    // H3 [caught] release: pairs with the relay's acquire
    pending_signals.fetch_or(std::uint64_t{1} << (signal - 1), std::memory_order_release);
    ring();
  }
  s.inside.fetch_sub(1, std::memory_order_seq_cst);  // H4 [caught] before what may jump out of here
  if (wanted) {
    // Who was there for faults reports them and ends the program: not for what was sent to us.
    if (!means_fault(signal)) call_former(s, signal, info, where);
  } else {
    do_without_us(s, signal, info, where, forked_child);
  }
  errno = saved_errno;
}

bool is_ours(const action& a) noexcept {
  return address_of(a) == reinterpret_cast<std::uintptr_t>(&on_signal);
}

// Remembers what is in force, if that is not our own doing.
const action& remember(int signal) noexcept {
  original_action& o = originals[signal];
  action now{};
  change_action(signal, nullptr, &now);
  const bool our_doing = o.known && (is_ours(now) || address_of(now) == ignore_address());
  if (!our_doing) o = {true, now};
  return o.was;
}

}  // namespace

void catch_signal(int signal) noexcept {
  const action& was = remember(signal);
  slot& s = slots[signal];
  // Published to the handler by its installation.
  s.former_has_info.store((was.sa_flags & SA_SIGINFO) != 0 ? 1 : 0, std::memory_order_relaxed);
  s.former.store(address_of(was), std::memory_order_relaxed);  // as above
  s.wanted.store(1, std::memory_order_seq_cst);                // [caught] the reverse of S2
  action ours{};
  ours.sa_sigaction = &on_signal;
  ours.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART;
  // What the former handler relies on stays.
  if (address_of(was) != default_address() && address_of(was) != ignore_address()) {
    ours.sa_mask = was.sa_mask;
    ours.sa_flags |= was.sa_flags & (SA_NOCLDSTOP | SA_NOCLDWAIT);
  }
  change_action(signal, &ours, nullptr);
}

void release_signal(int signal, afterwards then) noexcept {
  slot& s = slots[signal];
  original_action& o = originals[signal];
  action to = o.was;
  if (then == afterwards::dropped) {
    to = {};
    to.sa_handler = SIG_IGN;
  }
  action now{};
  change_action(signal, nullptr, &now);
  // Somebody who has put his own handler over ours keeps it.
  if (is_ours(now)) change_action(signal, &to, nullptr);  // S1 [caught]
  o.known = then == afterwards::dropped;
  s.wanted.store(0, std::memory_order_seq_cst);  // S2 [caught]
  // S3 [caught] a handler is a few instructions and ends by itself, on some other thread
  while (s.inside.load(std::memory_order_seq_cst) != 0) ::sched_yield();
}

void drop_signal(int signal) noexcept {
  remember(signal);
  action ignore{};
  ignore.sa_handler = SIG_IGN;
  change_action(signal, &ignore, nullptr);
}

bool is_dropped(int signal) noexcept {
  action now{};
  return change_action(signal, nullptr, &now) == 0 && address_of(now) == ignore_address();
}

}  // namespace downhaul::impl
