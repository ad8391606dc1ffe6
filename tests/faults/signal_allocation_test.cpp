// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// Every call of the signal header with each of its allocations failing.

#include <gtest/gtest.h>

#include <csignal>
#include <string>

#include "downhaul/context.hpp"
#include "downhaul/signal.hpp"
#include "faults/each_allocation.hpp"

namespace {

using namespace downhaul;
using downhaul_test::fail_each_allocation;
using downhaul_test::failures;

struct sigaction action_of(int signal) {
  struct sigaction now{};
  ::sigaction(signal, nullptr, &now);
  return now;
}

TEST(signal_allocation, subscribing) {
  const auto before = action_of(SIGUSR1).sa_handler;
  const failures f = fail_each_allocation(
      [] {
        signal_channel c{SIGUSR1};
        c.add({SIGUSR2});
        ::raise(SIGUSR1);
        c.recv();
      },
      [&](bool) { EXPECT_EQ(action_of(SIGUSR1).sa_handler, before); });
  EXPECT_GE(f.thrown, 1);
  EXPECT_EQ(f.absorbed, 0);
}

TEST(signal_allocation, a_context_that_a_signal_ends) {
  const auto before = action_of(SIGUSR1).sa_handler;
  const auto parent = with_cancel(background());
  const failures f = fail_each_allocation(
      [&] {
        const auto c = notify_context(parent.ctx, {SIGUSR1});
        ::raise(SIGUSR1);
        c.ctx.done().recv();
      },
      [&](bool) { EXPECT_EQ(action_of(SIGUSR1).sa_handler, before); });
  EXPECT_GE(f.thrown, 5);
  EXPECT_EQ(f.absorbed, 0);
}

TEST(signal_allocation, ignoring_and_names) {
  EXPECT_EQ(fail_each_allocation([] {
              ignore({SIGUSR1});
              static_cast<void>(ignored(SIGUSR1));
              reset({SIGUSR1});
            }),
            failures{});
  ::signal(SIGUSR1, SIG_DFL);
  std::string name;
  fail_each_allocation([&] { name = signal_name(SIGUSR1); });
  EXPECT_EQ(name, "user defined signal 1");
}

}  // namespace
