// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors

#include "platform/overflow.hpp"

#include <sys/mman.h>
#include <unistd.h>
#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstdlib>

#include "platform/fatal.hpp"
#include "platform/stack.hpp"

namespace downhaul::impl {
namespace {

constexpr std::size_t smallest_signal_stack = 64 * 1024;  // room for handlers we chain to

// Written once, before the handlers that read them are installed (sigaction orders the two).
constinit describe_function describe_stack = nullptr;
constinit struct sigaction previous_segv{};
constinit struct sigaction previous_bus{};

[[noreturn]] void report(const stack& overflowed, const void* address) noexcept {
  write_text(STDERR_FILENO, "fatal error: stack overflow\n");
  if (describe_stack != nullptr) describe_stack(address, STDERR_FILENO);
  write_text(STDERR_FILENO, "its stack holds ");
  write_number(STDERR_FILENO, overflowed.size());
  write_text(STDERR_FILENO, " bytes\n");
  std::abort();
}

void chain(const struct sigaction& previous, int signal, siginfo_t* info, void* context) noexcept {
  if ((previous.sa_flags & SA_SIGINFO) != 0) {
    previous.sa_sigaction(signal, info, context);
  } else if (previous.sa_handler != SIG_DFL && previous.sa_handler != SIG_IGN) {
    previous.sa_handler(signal);
  } else {
    // The faulting instruction runs again, now without a handler: the default action, with the
    // right registers in the core. A signal that was sent has no such instruction: send it again.
    struct sigaction by_default{};
    by_default.sa_handler = SIG_DFL;
    ::sigaction(signal, &by_default, nullptr);
    if (info->si_code <= 0) ::raise(signal);
  }
}

void on_fault(int signal, siginfo_t* info, void* context) noexcept {
  if (info->si_code > 0) {  // by the kernel, so si_addr means something
    const stack* const s = find_stack(info->si_addr);
    if (s != nullptr && static_cast<const std::byte*>(info->si_addr) < s->limit)
      report(*s, info->si_addr);
  }
  chain(signal == SIGSEGV ? previous_segv : previous_bus, signal, info, context);
}

bool install(describe_function describe) noexcept {
  describe_stack = describe;
  struct sigaction action{};
  action.sa_sigaction = on_fault;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  ::sigemptyset(&action.sa_mask);
  ::sigaction(SIGSEGV, nullptr, &previous_segv);
  ::sigaction(SIGBUS, nullptr, &previous_bus);
  return ::sigaction(SIGSEGV, &action, nullptr) == 0 && ::sigaction(SIGBUS, &action, nullptr) == 0;
}

}  // namespace

void install_overflow_handler(describe_function describe) noexcept {
  static const bool installed = install(describe);
  static_cast<void>(installed);
}

alternate_stack::alternate_stack() noexcept {
  stack_t present{};
  if (::sigaltstack(nullptr, &present) != 0 || (present.ss_flags & SS_DISABLE) == 0) return;
  const long least = ::sysconf(_SC_SIGSTKSZ);
  const std::size_t size =
      std::max(smallest_signal_stack, least > 0 ? static_cast<std::size_t>(least) : 0);
  void* const memory = ::mmap(nullptr, size, PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
  if (memory == MAP_FAILED) return;
  stack_t ours{};
  ours.ss_sp = memory;
  ours.ss_size = size;
  if (::sigaltstack(&ours, nullptr) != 0) {
    ::munmap(memory, size);
    return;
  }
  memory_ = memory;
  size_ = size;
}

alternate_stack::~alternate_stack() {
  if (memory_ == nullptr) return;
  stack_t present{};
  if (::sigaltstack(nullptr, &present) == 0 && present.ss_sp == memory_) {
    stack_t none{};
    none.ss_flags = SS_DISABLE;
    ::sigaltstack(&none, nullptr);
  }
  ::munmap(memory_, size_);
}

}  // namespace downhaul::impl
