// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// Idea       a goroutine that runs into the guard of its stack ends the program with a message that
//            names it, instead of with a bare SIGSEGV.
// Threads    install_overflow_handler from any; an alternate_stack belongs to the thread that made
//            it. A thread without one dies of an overflow without the message.
// Cost       one system call per thread start and end; nothing while running.
// Source     sigaltstack(2), sigaction(2).

#pragma once

#include <cstddef>

namespace downhaul::impl {

/// Writes to `fd` whose stack holds `fault_address` (name, where started), ending with a newline.
/// Runs in a signal handler: no allocation, no locks.
using describe_function = void (*)(const void* fault_address, int fd);

/// Handles SIGSEGV and SIGBUS in guards of stacks: prints "fatal error: stack overflow", what
/// `describe` has to say, the stack's size, and aborts. Every other fault goes to the handler that
/// was there before, or to the default action. The first call counts, later ones do nothing.
void install_overflow_handler(describe_function describe) noexcept;

/// A signal stack for the calling thread, unless it has one already (sanitizers give each thread
/// one); taken away again by the destructor, on the same thread.
class alternate_stack {
 public:
  alternate_stack() noexcept;
  ~alternate_stack();
  alternate_stack(const alternate_stack&) = delete;
  alternate_stack& operator=(const alternate_stack&) = delete;

 private:
  void* memory_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace downhaul::impl
