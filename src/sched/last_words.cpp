// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
#include "sched/last_words.hpp"

#include <cxxabi.h>
#include <unistd.h>

#include <cstdlib>
#include <exception>
#include <typeinfo>

#include "platform/fatal.hpp"
#include "platform/overflow.hpp"
#include "sched/coroutine.hpp"
#include "sched/ready_coroutines.hpp"
#include "wait/thread_record.hpp"

namespace downhaul::impl {
namespace {

// Written once, before the handler that reads it can run.
std::terminate_handler previous_terminate = nullptr;

const goroutine* goroutine_here() noexcept {
  thread_record& me = this_thread();
  if (me.current == nullptr || me.current == &me.self) return nullptr;
  return static_cast<const goroutine*>(me.current);
}

void print_exception() noexcept {
  const std::type_info* const type = abi::__cxa_current_exception_type();
  if (type == nullptr) {
    write_text(STDERR_FILENO, "panic: terminate called without an exception\n");
    return;
  }
  int status = 0;
  char* const readable = abi::__cxa_demangle(type->name(), nullptr, nullptr, &status);
  write_text(STDERR_FILENO, "panic: ");
  write_text(STDERR_FILENO, status == 0 ? readable : type->name());
  try {
    std::rethrow_exception(std::current_exception());
  } catch (const std::exception& e) {
    write_text(STDERR_FILENO, ": ");
    write_text(STDERR_FILENO, e.what());
  } catch (...) {  // nothing more is known of it
  }
  write_text(STDERR_FILENO, "\n");
}

[[noreturn]] void on_terminate() {
  if (const goroutine* g = goroutine_here()) {
    print_exception();
    describe_goroutine(*g, STDERR_FILENO);
    std::abort();
  }
  if (previous_terminate != nullptr) previous_terminate();
  std::abort();
}

void describe_overflow(const void* address, int fd) noexcept {
  struct search {
    const stack* wanted;
    const goroutine* found;
  } s{find_stack(address), nullptr};
  for_each_block(
      [](void* arg, goroutine& g, std::uint32_t) {
        auto& looking = *static_cast<search*>(arg);
        if (g.run.on == looking.wanted) looking.found = &g;
      },
      &s);
  if (s.found != nullptr) describe_goroutine(*s.found, fd);
}

}  // namespace

void install_last_words() noexcept {
  static const bool installed = [] {
    previous_terminate = std::set_terminate(on_terminate);
    install_overflow_handler(describe_overflow);
    return true;
  }();
  static_cast<void>(installed);
}

void describe_goroutine(const goroutine& g, int fd) noexcept {
  // The goroutine runs here or the process is about to end: what we read does not change.
  std::source_location where = g.where.load(std::memory_order_relaxed);  // see above
  const coroutine* const c = g.carries ? carrier::of(const_cast<goroutine&>(g)).running : nullptr;
  if (c != nullptr && c->is_ticket()) {
    write_text(fd, "in a coroutine that waited for something of downhaul\n");
    return;
  }
  if (c != nullptr) where = c->where.load(std::memory_order_relaxed);  // see above
  write_text(fd, c != nullptr ? "coroutine " : "goroutine ");
  if (const char* name = g.label.load(std::memory_order_relaxed).name()) {  // see above
    write_text(fd, "\"");
    write_text(fd, name);
    write_text(fd, "\" ");
  }
  write_text(fd, "started at ");
  write_text(fd, where.file_name());
  write_text(fd, ":");
  write_number(fd, where.line());
  write_text(fd, " (");
  write_text(fd, where.function_name());
  write_text(fd, ")\n");
}

void die_of_overflow(const goroutine& g) noexcept {
  write_text(STDERR_FILENO, "fatal error: stack overflow\n");
  describe_goroutine(g, STDERR_FILENO);
  std::abort();
}

}  // namespace downhaul::impl
