// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// Which signals there are, and what they are called.
#include <csignal>
#include <string>

#include "downhaul/signal.hpp"
#include "signal/signal_set.hpp"

namespace downhaul {
namespace {

// The numbers of some differ between machines, hence no table.
const char* name_of(int signal) noexcept {
  switch (signal) {
    case SIGHUP: return "hangup";
    case SIGINT: return "interrupt";
    case SIGQUIT: return "quit";
    case SIGILL: return "illegal instruction";
    case SIGTRAP: return "trace/breakpoint trap";
    case SIGABRT: return "aborted";
    case SIGBUS: return "bus error";
    case SIGFPE: return "floating point exception";
    case SIGKILL: return "killed";
    case SIGUSR1: return "user defined signal 1";
    case SIGSEGV: return "segmentation fault";
    case SIGUSR2: return "user defined signal 2";
    case SIGPIPE: return "broken pipe";
    case SIGALRM: return "alarm clock";
    case SIGTERM: return "terminated";
    case SIGSTKFLT: return "stack fault";
    case SIGCHLD: return "child exited";
    case SIGCONT: return "continued";
    case SIGSTOP: return "stopped (signal)";
    case SIGTSTP: return "stopped";
    case SIGTTIN: return "stopped (tty input)";
    case SIGTTOU: return "stopped (tty output)";
    case SIGURG: return "urgent I/O condition";
    case SIGXCPU: return "CPU time limit exceeded";
    case SIGXFSZ: return "file size limit exceeded";
    case SIGVTALRM: return "virtual timer expired";
    case SIGPROF: return "profiling timer expired";
    case SIGWINCH: return "window changed";
    case SIGIO: return "I/O possible";
    case SIGPWR: return "power failure";
    case SIGSYS: return "bad system call";
    default: return nullptr;
  }
}

}  // namespace

std::string signal_name(int signal) {
  if (const char* name = name_of(signal)) return name;
  return "signal " + std::to_string(signal);
}

signal_error::signal_error(int number)
    : context_error{make_error_code(errc::canceled)},
      number_{number},
      text_{signal_name(number) + " signal received"} {}

namespace impl {

signal_set faults() noexcept {
  signal_set s;
  for (const int signal : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS}) s.add(signal);
  return s;
}

signal_set catchable() noexcept {
  signal_set s;
  for (int signal = 1; signal <= most_signals; ++signal) {
    const bool kept_by_libc = signal >= 32 && signal < SIGRTMIN;
    if (signal != SIGKILL && signal != SIGSTOP && !kept_by_libc) s.add(signal);
  }
  return s;
}

signal_set signals_of(std::initializer_list<int> list) noexcept {
  const signal_set can = catchable();
  if (list.size() == 0) return can - faults();
  signal_set s;
  for (const int signal : list) {
    if (signal >= 1 && signal <= most_signals && can.has(signal)) s.add(signal);
  }
  return s;
}

}  // namespace impl
}  // namespace downhaul
