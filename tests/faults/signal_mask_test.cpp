// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// The signals that goroutines block: those of the thread that made the runtime, whoever has started
// the worker. What a goroutine executes inherits them.

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdlib>

#include "downhaul/chan.hpp"
#include "downhaul/go.hpp"
#include "downhaul/pin.hpp"
#include "downhaul/runtime.hpp"
#include "downhaul/sleep.hpp"
#include "downhaul/timer.hpp"
#include "downhaul/wait_group.hpp"

namespace {

using namespace std::chrono_literals;
using namespace downhaul;
using testing::ExitedWithCode;

bool blocks(int signal) {
  sigset_t mine;
  ::pthread_sigmask(SIG_SETMASK, nullptr, &mine);
  return ::sigismember(&mine, signal) == 1;
}

class signal_mask : public testing::Test {
 protected:
  void SetUp() override { testing::FLAGS_gtest_death_test_style = "threadsafe"; }
};

TEST_F(signal_mask, of_a_worker_that_a_timer_has_started) {
  const auto child = [] {
    const timer t{1ms, [] { std::_Exit(blocks(SIGTERM) || blocks(SIGSEGV) ? 1 : 0); }};
    make_chan<void>().recv();
  };
  EXPECT_EXIT(child(), ExitedWithCode(0), "");
}

// The monitor starts it, on the thread that watches the clock.
TEST_F(signal_mask, of_a_worker_that_stands_in_for_a_stuck_one) {
  const auto child = [] {
    runtime rt{{.workers = 1}};
    rt.go([] {
      go([] { std::_Exit(blocks(SIGTERM) || blocks(SIGSEGV) ? 1 : 0); });
      for (volatile bool for_ever = true; for_ever;) {
      }
    });
    make_chan<void>().recv();
  };
  EXPECT_EXIT(child(), ExitedWithCode(0), "");
}

TEST_F(signal_mask, is_that_of_the_thread_that_made_the_runtime) {
  const auto child = [] {
    sigset_t some;
    ::sigemptyset(&some);
    ::sigaddset(&some, SIGUSR1);
    ::pthread_sigmask(SIG_BLOCK, &some, nullptr);
    runtime rt{{.workers = 2}};
    ::pthread_sigmask(SIG_UNBLOCK, &some, nullptr);
    bool right = true;
    rt.run([&] {
      right = right && blocks(SIGUSR1) && !blocks(SIGTERM);
      const pin own;
      right = right && blocks(SIGUSR1) && !blocks(SIGTERM);
    });
    std::_Exit(right ? 0 : 1);
  };
  EXPECT_EXIT(child(), ExitedWithCode(0), "");
}

}  // namespace
