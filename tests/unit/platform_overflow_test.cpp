// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors

#include "platform/overflow.hpp"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstddef>
#include <thread>

#include "platform/fatal.hpp"
#include "platform/sanitizer.hpp"
#include "platform/stack.hpp"
#include "platform/stack_switch.hpp"

namespace downhaul::impl {
namespace {

void name_it(const void*, int fd) { write_text(fd, "goroutine \"deep\", started at here.cpp:1\n"); }

execution native;

int deeper(int depth) {
  std::array<volatile char, 600> frame{};
  frame[0] = static_cast<char>(depth);
  if (depth == 0) return 0;
  return deeper(depth + 1) + frame[0] + frame[599];
}

execution& overflowing(void*) {
  deeper(1);
  return native;
}

void overflow_a_stack() {
  install_overflow_handler(name_it);
  const alternate_stack for_signals;
  stack_pool pool{64 * 1024};
  execution task;
  adopt_thread_stack(native);
  make_execution(task, *pool.acquire(), overflowing, nullptr);
  switch_to(native, task);
}

TEST(platform_overflow_death, names_the_stack_and_aborts) {
  EXPECT_EXIT(overflow_a_stack(), testing::KilledBySignal(SIGABRT),
              "fatal error: stack overflow\n"
              "goroutine \"deep\", started at here.cpp:1\n"
              "its stack holds 65536 bytes");
}

TEST(platform_overflow_death, works_on_any_thread_with_an_alternate_stack) {
  EXPECT_EXIT((std::thread{overflow_a_stack}.join()), testing::KilledBySignal(SIGABRT),
              "fatal error: stack overflow\ngoroutine \"deep\"");
}

TEST(platform_overflow_death, works_with_mprotect_too) {
  EXPECT_EXIT((force_guard(guard_kind::mprotect), overflow_a_stack()),
              testing::KilledBySignal(SIGABRT), "fatal error: stack overflow");
}

void touch_unmapped_page() {
  void* const page = ::mmap(nullptr, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  *static_cast<volatile char*>(page) = 1;
}

void say_and_exit(int) {
  write_text(STDERR_FILENO, "earlier handler\n");
  ::_exit(3);
}

TEST(platform_overflow_death, leaves_other_faults_to_the_handler_before_it) {
  EXPECT_EXIT(
      {
        std::signal(SIGSEGV, say_and_exit);
        install_overflow_handler(name_it);
        touch_unmapped_page();
      },
      testing::ExitedWithCode(3), "earlier handler");
}

#if !DOWNHAUL_ASAN && !DOWNHAUL_TSAN  // their own handler is the one before
TEST(platform_overflow_death, leaves_other_faults_to_the_default_action) {
  EXPECT_EXIT((install_overflow_handler(name_it), touch_unmapped_page()),
              testing::KilledBySignal(SIGSEGV), "");
}

TEST(platform_overflow_death, leaves_a_sent_signal_to_the_default_action) {
  EXPECT_EXIT((install_overflow_handler(name_it), static_cast<void>(::kill(::getpid(), SIGSEGV)),
               static_cast<void>(::pause())),
              testing::KilledBySignal(SIGSEGV), "");
}
#endif

TEST(platform_alternate_stack, is_there_while_it_lives) {
  std::thread{[] {
    stack_t before{};
    ::sigaltstack(nullptr, &before);
    {
      const alternate_stack for_signals;
      stack_t present{};
      ::sigaltstack(nullptr, &present);
      EXPECT_EQ(present.ss_flags & SS_DISABLE, 0);
      EXPECT_GE(present.ss_size, static_cast<std::size_t>(::sysconf(_SC_MINSIGSTKSZ)));
    }
    stack_t after{};
    ::sigaltstack(nullptr, &after);
    EXPECT_EQ(after.ss_flags, before.ss_flags);
    EXPECT_EQ(after.ss_sp, before.ss_sp);
  }}.join();
}

}  // namespace
}  // namespace downhaul::impl
