// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// SIG-020 to 025: the handler, what the library leaves alone, names.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <set>
#include <sstream>
#include <string>
#include <thread>

#include "conformance/signal/child_process.hpp"
#include "downhaul/chan.hpp"
#include "downhaul/go.hpp"
#include "downhaul/select.hpp"
#include "downhaul/signal.hpp"
#include "downhaul/wait_group.hpp"
#include "support/allocations.hpp"
#include "support/crew.hpp"

namespace {

namespace dh = downhaul;
using downhaul_test::child_process;
using downhaul_test::rounds;
using testing::ElementsAre;

TEST(SIG_020, the_handler_allocates_nothing_and_keeps_errno) {
  const dh::signal_channel c{SIGUSR1};
  ::raise(SIGUSR1);  // what is set up once, is set up
  c.recv();
  const long before = downhaul_test::allocations();
  errno = ENOTTY;
  for (int i = 0; i < 100; ++i) ::raise(SIGUSR1);
  const int after = errno;
  EXPECT_EQ(downhaul_test::allocations(), before);
  EXPECT_EQ(after, ENOTTY);
  EXPECT_EQ(c.recv(), SIGUSR1);
}

TEST(SIG_020, the_handler_may_interrupt_the_allocator_a_channel_and_a_subscription) {
  // Had it to take a lock that its own thread holds, this would not end.
  const dh::signal_channel keeps_us_alive{SIGUSR1};
  std::atomic<bool> ended{false};
  std::thread victim{[&] {
    auto ch = dh::make_chan<std::unique_ptr<int>>(1);
    for (int i = 0; i < rounds(500); ++i) {
      for (int n = 0; n < 100; ++n) {
        ch.send(std::make_unique<int>(n));
        EXPECT_EQ(dh::select(dh::recv(ch), dh::recv(keeps_us_alive, [] {})) >= 0, true);
        static_cast<void>(ch.try_recv());
      }
      const dh::signal_channel another{SIGUSR1, SIGUSR2};
    }
    ended = true;
  }};
  const pthread_t id = victim.native_handle();
  long sent = 0;
  while (!ended) {
    ::pthread_kill(id, SIGUSR1);
    ++sent;
    std::this_thread::yield();
  }
  victim.join();
  EXPECT_GT(sent, 0);
}

TEST(SIG_020, the_handler_wakes_a_goroutine_that_waits) {
  dh::signal_channel c{SIGUSR1};
  downhaul_test::crew readers{downhaul_test::place::goroutines};
  std::atomic<int> received{0};
  readers.start([&] { received = c.recv().value_or(0); });
  readers.wait_until_parked(0, dh::impl::wait_reason::chan_receive);
  ::raise(SIGUSR1);
  readers.join();
  EXPECT_EQ(received, SIGUSR1);
}

// "handled: 7 10 11" as a set.
std::set<int> handled(const std::string& line) {
  std::istringstream words{line};
  std::string word;
  std::set<int> all;
  words >> word;
  EXPECT_EQ(word, "handled:");
  for (int n = 0; words >> n;) all.insert(n);
  return all;
}

// deviates: nothing is installed before somebody listens, and then only for that signal; the one exception, the report of a stack overflow, belongs to the first goroutine and chains too.
TEST(SIG_021, a_handler_is_installed_for_what_somebody_listens_for_and_only_meanwhile) {
  child_process child{"handled", "use_the_library", "handled", "listen USR1 HUP", "handled",
                      "stop",    "handled",         "say end"};
  const std::set<int> at_first = handled(child.line());
  const std::set<int> in_use = handled(child.line());
  std::set<int> listening = handled(child.line());
  const std::set<int> stopped = handled(child.line());
  EXPECT_EQ(child.line(), "end");
  std::set<int> new_ones = in_use;
  for (const int s : at_first) new_ones.erase(s);
  new_ones.erase(SIGSEGV);
  new_ones.erase(SIGBUS);
  EXPECT_TRUE(new_ones.empty());
  EXPECT_EQ(listening.erase(SIGUSR1), 1u);
  EXPECT_EQ(listening.erase(SIGHUP), 1u);
  EXPECT_EQ(listening, in_use);
  EXPECT_EQ(stopped, in_use);
}

std::atomic<int> foreign_calls{0};
std::atomic<int> foreign_signal{0};
void foreign_handler(int signal, siginfo_t* info, void*) {
  foreign_signal = info != nullptr ? info->si_signo : 0;
  if (foreign_signal == signal) foreign_calls.fetch_add(1);
}

// deviates: as above; a handler that was there is called as well, and is back when nobody listens any more.
TEST(SIG_021, a_handler_that_was_there_is_called_as_well_and_put_back) {
  struct sigaction theirs{};
  theirs.sa_sigaction = foreign_handler;
  theirs.sa_flags = SA_SIGINFO;
  struct sigaction before{};
  ASSERT_EQ(::sigaction(SIGUSR2, &theirs, &before), 0);
  foreign_calls = 0;
  {
    const dh::signal_channel c{SIGUSR2};
    for (int i = 1; i <= 3; ++i) {
      ::raise(SIGUSR2);
      EXPECT_EQ(c.recv(), SIGUSR2);
      downhaul_test::wait_until([&] { return foreign_calls == i; });
    }
    dh::reset({SIGUSR2});
    ::raise(SIGUSR2);
    downhaul_test::wait_until([&] { return foreign_calls == 4; });
    EXPECT_EQ(c.try_recv(), std::nullopt);
  }
  ::raise(SIGUSR2);
  downhaul_test::wait_until([&] { return foreign_calls >= 5; });
  EXPECT_EQ(foreign_calls, 5);
  struct sigaction at_last{};
  ASSERT_EQ(::sigaction(SIGUSR2, &before, &at_last), 0);
  EXPECT_EQ(at_last.sa_sigaction, &foreign_handler);
}

// deviates: the library leaves SIGPIPE alone, so a broken pipe kills unless the program says otherwise.
TEST(SIG_022, a_broken_pipe_kills_as_it_would_without_the_library) {
  child_process child{"use_the_library", "listen USR1", "say ready", "write_to_nobody"};
  EXPECT_THAT(child.lines(), ElementsAre("ready"));
  EXPECT_EQ(child.end(), "signal 13");
}

// deviates: as above; listened for, it is delivered like any other, and the write fails with EPIPE.
TEST(SIG_022, a_broken_pipe_is_received_while_somebody_listens) {
  child_process child{"listen PIPE", "write_to_nobody", "recv", "stop", "write_to_nobody"};
  EXPECT_THAT(child.lines(), ElementsAre("EPIPE", "received broken pipe"));
  EXPECT_EQ(child.end(), "signal 13");
}

constexpr const char* deadlock = "fatal error: all goroutines are asleep - deadlock!";

TEST(SIG_023, the_library_of_itself_does_not_disable_deadlock_detection) {
  child_process child{"ignored INT", "wait_in_main"};
  EXPECT_EQ(child.line(), "not ignored");
  EXPECT_EQ(child.line(), deadlock);
  child.lines();
  EXPECT_EQ(child.end(), "signal 6");
}

TEST(SIG_023, a_subscription_disables_it) {
  child_process child{"listen USR1", "say ready", "recv_in_main", "stop", "wait_in_main"};
  ASSERT_EQ(child.line(), "ready");
  EXPECT_EQ(child.line(300), "nothing came");
  child.send(SIGUSR1);
  EXPECT_EQ(child.line(), "received user defined signal 1");
  EXPECT_EQ(child.line(), deadlock);  // nobody listens any more
  child.lines();
  EXPECT_EQ(child.end(), "signal 6");
}

std::atomic<std::uintptr_t> frame_of_the_handler{0};
void note_frame(int) {
  frame_of_the_handler = reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0));
}

// A thread of somebody else's with a small stack, and perhaps a small alternate one.
struct foreign_thread {
  std::size_t alternate_size = 0;
  std::byte* alternate = nullptr;
  std::uintptr_t own_frame = 0;
};

void* raise_on_it(void* arg) {
  auto& me = *static_cast<foreign_thread*>(arg);
  me.own_frame = reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0));
  stack_t before{};
  stack_t ours{};
  ours.ss_sp = me.alternate;
  ours.ss_size = me.alternate_size;
  if (me.alternate != nullptr) ::sigaltstack(&ours, &before);
  for (int i = 0; i < 10; ++i) ::raise(SIGUSR1);
  if (me.alternate != nullptr) ::sigaltstack(&before, nullptr);
  return nullptr;
}

void run_with_a_small_stack(foreign_thread& t) {
  pthread_attr_t small;
  ::pthread_attr_init(&small);
  ::pthread_attr_setstacksize(&small, std::size_t{128} * 1024);
  pthread_t id;
  ASSERT_EQ(::pthread_create(&id, &small, raise_on_it, &t), 0);
  ::pthread_join(id, nullptr);
  ::pthread_attr_destroy(&small);
}

TEST(SIG_024, the_handler_runs_on_a_small_alternate_stack_where_there_is_one) {
  struct sigaction theirs{};
  theirs.sa_handler = note_frame;  // called by ours, so it shows where ours runs
  theirs.sa_flags = SA_ONSTACK;
  struct sigaction before{};
  ASSERT_EQ(::sigaction(SIGUSR1, &theirs, &before), 0);
  {
    const dh::signal_channel c{SIGUSR1};
    const long least = ::sysconf(_SC_MINSIGSTKSZ);
    foreign_thread t;
    t.alternate_size = static_cast<std::size_t>(least > 0 ? least : 2048) + 8192;
    void* const memory = ::mmap(nullptr, t.alternate_size, PROT_READ | PROT_WRITE,
                                MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ASSERT_NE(memory, MAP_FAILED);
    t.alternate = static_cast<std::byte*>(memory);
    run_with_a_small_stack(t);
    EXPECT_EQ(c.recv(), SIGUSR1);
    const auto low = reinterpret_cast<std::uintptr_t>(memory);
    EXPECT_GE(frame_of_the_handler, low);
    EXPECT_LT(frame_of_the_handler, low + t.alternate_size);
    ::munmap(memory, t.alternate_size);
  }
  ::sigaction(SIGUSR1, &before, nullptr);
}

TEST(SIG_024, a_signal_on_a_foreign_thread_is_received) {
  const dh::signal_channel c{SIGUSR1};
  foreign_thread t;
  run_with_a_small_stack(t);
  EXPECT_NE(t.own_frame, 0u);
  EXPECT_EQ(c.recv(), SIGUSR1);
}

TEST(SIG_024, a_signal_on_a_goroutine_is_received) {
  const dh::signal_channel c{SIGUSR1};
  dh::wait_group wg;
  wg.go(dh::go_options{.stack = std::size_t{64} * 1024}, [] { ::raise(SIGUSR1); });
  wg.wait();
  EXPECT_EQ(c.recv(), SIGUSR1);
}

TEST(SIG_025, signals_have_names) {
  EXPECT_EQ(dh::signal_name(SIGHUP), "hangup");
  EXPECT_EQ(dh::signal_name(SIGINT), "interrupt");
  EXPECT_EQ(dh::signal_name(SIGQUIT), "quit");
  EXPECT_EQ(dh::signal_name(SIGILL), "illegal instruction");
  EXPECT_EQ(dh::signal_name(SIGTRAP), "trace/breakpoint trap");
  EXPECT_EQ(dh::signal_name(SIGABRT), "aborted");
  EXPECT_EQ(dh::signal_name(SIGBUS), "bus error");
  EXPECT_EQ(dh::signal_name(SIGFPE), "floating point exception");
  EXPECT_EQ(dh::signal_name(SIGKILL), "killed");
  EXPECT_EQ(dh::signal_name(SIGUSR1), "user defined signal 1");
  EXPECT_EQ(dh::signal_name(SIGSEGV), "segmentation fault");
  EXPECT_EQ(dh::signal_name(SIGUSR2), "user defined signal 2");
  EXPECT_EQ(dh::signal_name(SIGPIPE), "broken pipe");
  EXPECT_EQ(dh::signal_name(SIGALRM), "alarm clock");
  EXPECT_EQ(dh::signal_name(SIGTERM), "terminated");
  EXPECT_EQ(dh::signal_name(40), "signal 40");
  EXPECT_EQ(dh::signal_name(0), "signal 0");
  EXPECT_EQ(dh::signal_name(-3), "signal -3");
  EXPECT_EQ(dh::signal_name(999), "signal 999");
}

}  // namespace
