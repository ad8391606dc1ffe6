// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// SIG-001 to 010, 017 to 019: who receives which signals, and what stop does.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>
#include <initializer_list>
#include <optional>
#include <string>
#include <system_error>
#include <type_traits>
#include <utility>
#include <vector>

#include "conformance/signal/child_process.hpp"
#include "downhaul/chan.hpp"
#include "downhaul/signal.hpp"
#include "downhaul/wait_group.hpp"
#include "support/crew.hpp"

namespace {

namespace dh = downhaul;
using downhaul_test::child_process;
using downhaul_test::rounds;
using testing::AnyOf;
using testing::ElementsAre;
using testing::UnorderedElementsAre;

// Returns when all that has been raised before has been delivered: a request is served after it.
void let_all_be_delivered() { const dh::signal_channel request{SIGURG}; }

TEST(SIG_001, a_hangup_is_received_and_does_not_end_the_program) {
  child_process child{"listen HUP", "say ready", "recv", "kill_me HUP", "recv", "say alive"};
  ASSERT_EQ(child.line(), "ready");
  child.send(SIGHUP);
  EXPECT_THAT(child.lines(), ElementsAre("received hangup", "received hangup", "alive"));
  EXPECT_EQ(child.end(), "exit 0");
}

TEST(SIG_001, without_a_subscription_a_hangup_ends_the_program) {
  child_process child{"say ready", "wait_for_death"};
  ASSERT_EQ(child.line(), "ready");
  child.send(SIGHUP);
  EXPECT_EQ(child.end(), "signal 1");
}

// deviates: a subscription owns its channel, so there is no null one to name; a moved-from one is nil and adding to it does nothing.
TEST(SIG_002, a_subscription_has_a_channel_of_its_own) {
  static_assert(!std::is_constructible_v<dh::signal_channel, dh::chan<int>>);
  static_assert(!std::is_constructible_v<dh::signal_channel, dh::chan<int>, int>);
  static_assert(
      !std::is_constructible_v<dh::signal_channel, dh::send_chan<int>, std::initializer_list<int>>);
  dh::signal_channel from{SIGWINCH};
  EXPECT_TRUE(from.chan());
  const dh::signal_channel to{std::move(from)};
  EXPECT_FALSE(from.chan());
  from.add({SIGWINCH});
  from.stop();
  ::raise(SIGWINCH);
  EXPECT_EQ(to.recv(), SIGWINCH);
}

// deviates: "all" leaves out what a program does to itself (SIGSEGV and its like), which must be named.
TEST(SIG_003, without_a_list_all_signals_are_received) {
  child_process child{"listen", "say ready", "recv", "recv", "recv",
                      "recv",   "recv",      "recv", "recv", "recv"};
  ASSERT_EQ(child.line(), "ready");
  for (const int s : {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGWINCH, SIGTSTP, SIGRTMIN, SIGRTMAX}) {
    child.send(s);
    EXPECT_EQ(child.line(), "received " + dh::signal_name(s));
  }
  EXPECT_EQ(child.end(), "exit 0");
}

TEST(SIG_003, faults_are_received_when_they_are_named) {
  // The first goroutine installs a handler for faults, and so do sanitizers: not theirs if sent.
  child_process child{"use_the_library", "listen 11 8", "say ready", "recv", "recv", "recv"};
  ASSERT_EQ(child.line(), "ready");
  child.send(SIGSEGV);
  EXPECT_EQ(child.line(), "received segmentation fault");
  child.send(SIGFPE);
  EXPECT_EQ(child.line(), "received floating point exception");
  child.send(SIGSEGV);
  EXPECT_EQ(child.line(), "received segmentation fault");
  EXPECT_EQ(child.end(), "exit 0");
}

TEST(SIG_004, a_channel_that_nobody_reads_stalls_no_other_and_loses_what_has_no_room) {
  const dh::signal_channel unread{SIGUSR1};
  const dh::signal_channel other{SIGUSR1};
  for (int i = 0; i < 200; ++i) {
    ::raise(SIGUSR1);
    ASSERT_EQ(other.recv(), SIGUSR1);
  }
  EXPECT_EQ(unread.try_recv(), SIGUSR1);
  EXPECT_EQ(unread.try_recv(), std::nullopt);  // one place for each number
  ::raise(SIGUSR1);
  EXPECT_EQ(unread.recv(), SIGUSR1);  // and it is not stuck
  EXPECT_EQ(other.recv(), SIGUSR1);
}

TEST(SIG_005, lists_of_one_channel_add_up) {
  dh::signal_channel c{SIGUSR1};
  c.add({SIGUSR2});
  c.add({SIGUSR1, SIGWINCH});
  for (const int s : {SIGUSR1, SIGUSR2, SIGWINCH}) {
    ::raise(s);
    EXPECT_EQ(c.recv(), s);
    let_all_be_delivered();
    EXPECT_EQ(c.try_recv(), std::nullopt) << "twice: " << s;
  }
}

TEST(SIG_005, each_of_several_channels_gets_a_copy) {
  const dh::signal_channel one{SIGUSR1, SIGUSR2};
  const dh::signal_channel two{SIGUSR1};
  const dh::signal_channel three{SIGUSR2};
  ::raise(SIGUSR1);
  EXPECT_EQ(one.recv(), SIGUSR1);
  EXPECT_EQ(two.recv(), SIGUSR1);
  ::raise(SIGUSR2);
  EXPECT_EQ(one.recv(), SIGUSR2);
  EXPECT_EQ(three.recv(), SIGUSR2);
  let_all_be_delivered();
  for (const dh::signal_channel* c : {&one, &two, &three}) EXPECT_EQ(c->try_recv(), std::nullopt);
}

TEST(SIG_006, signals_faster_than_their_receiver_are_merged) {
  const dh::signal_channel c{SIGUSR1, SIGUSR2};
  for (int i = 0; i < 1000; ++i) ::raise(SIGUSR1);
  let_all_be_delivered();
  EXPECT_EQ(c.try_recv(), SIGUSR1);
  EXPECT_EQ(c.try_recv(), std::nullopt);
}

TEST(SIG_006, not_even_real_time_signals_are_counted) {
  const dh::signal_channel c{SIGRTMIN};
  for (int i = 0; i < 1000; ++i) ::raise(SIGRTMIN);
  let_all_be_delivered();
  EXPECT_EQ(c.try_recv(), SIGRTMIN);
  EXPECT_EQ(c.try_recv(), std::nullopt);
}

TEST(SIG_007, different_signals_all_arrive_in_whatever_order) {
  const dh::signal_channel c{SIGUSR1, SIGUSR2, SIGWINCH, SIGHUP};
  for (const int s : {SIGWINCH, SIGUSR2, SIGHUP, SIGUSR1}) ::raise(s);
  let_all_be_delivered();
  std::vector<int> received;
  while (const auto s = c.try_recv()) received.push_back(*s);
  EXPECT_THAT(received, UnorderedElementsAre(SIGUSR1, SIGUSR2, SIGWINCH, SIGHUP));
}

TEST(SIG_008, nothing_is_received_after_stop) {
  const dh::signal_channel other{SIGWINCH};
  dh::signal_channel c{SIGWINCH};
  c.stop();
  for (int i = 0; i < 100; ++i) {
    ::raise(SIGWINCH);
    ASSERT_EQ(other.recv(), SIGWINCH);
    ASSERT_EQ(c.try_recv(), std::nullopt);
  }
  EXPECT_EQ(c.chan().size(), 0);
}

TEST(SIG_008, a_loop_over_a_hammered_channel_ends_by_stop) {
  const dh::signal_channel keeps_us_alive{SIGUSR1};
  child_process hammer{("hammer " + std::to_string(::getpid())).c_str()};
  ASSERT_EQ(hammer.line(), "hammering");
  for (int round = 0; round < rounds(50); ++round) {
    dh::signal_channel c{SIGUSR1};
    auto received = dh::make_chan<int>(1);
    dh::wait_group wg;
    wg.go([&, received] {
      for (const int s : c) static_cast<void>(received.try_send(s));
    });
    ASSERT_EQ(received.recv(), SIGUSR1);
    c.stop();
    wg.wait();  // hangs if the channel is not closed
    ASSERT_EQ(c.chan().size(), 0);
    keeps_us_alive.recv();  // one that came later
    ASSERT_EQ(c.chan().size(), 0);
    std::error_code ec = std::make_error_code(std::errc::interrupted);
    ASSERT_EQ(c.try_recv(ec), std::nullopt);
    ASSERT_FALSE(ec);  // closed
  }
  hammer.send(SIGKILL);
  EXPECT_EQ(hammer.end(), "signal 9");
}

TEST(SIG_009, an_interrupt_of_its_own_is_received_or_kills_and_is_never_lost) {
  for (int i = 0; i < 10; ++i) {
    child_process child{"race_with_stop"};
    const std::string said = child.line();
    const std::string end = child.end();
    if (said == "all received") {
      EXPECT_EQ(end, "exit 0");
    } else {
      EXPECT_EQ(said, "");  // killed in the middle
      EXPECT_EQ(end, "signal 2");
    }
  }
}

TEST(SIG_009, an_interrupt_from_outside_is_received_or_kills_and_is_never_lost) {
  for (int i = 0; i < 10; ++i) {
    child_process child{"race_with_stop_from_outside"};
    int received = 0;
    for (std::string said = child.line(); said == "go"; said = child.line()) {
      child.send(SIGINT);
      said = child.line();
      if (said == "received") {
        ++received;
        continue;
      }
      EXPECT_THAT(said, AnyOf("", "not received"));
      break;
    }
    // Lost would be: alive, and waiting for death.
    EXPECT_EQ(child.line(), "");
    EXPECT_EQ(child.end(), received == 10 ? "exit 0" : "signal 2");
  }
}

TEST(SIG_010, stop_of_what_is_not_subscribed_does_nothing) {
  dh::signal_channel other{SIGWINCH};
  dh::signal_channel c{SIGWINCH};
  c.stop();
  c.stop();
  dh::signal_channel moved_from{SIGWINCH};
  const dh::signal_channel moved_to{std::move(moved_from)};
  moved_from.stop();
  ::raise(SIGWINCH);
  EXPECT_EQ(other.recv(), SIGWINCH);
  EXPECT_EQ(moved_to.recv(), SIGWINCH);
}

TEST(SIG_010, the_default_action_returns_with_the_last_channel) {
  child_process child{"listen INT", "listen INT TERM", "stop 0",      "kill_me INT", "recv 1",
                      "stop 1",     "say last",        "kill_me INT", "say alive"};
  EXPECT_THAT(child.lines(), ElementsAre("received interrupt", "last"));
  EXPECT_EQ(child.end(), "signal 2");
}

TEST(SIG_017, numbers_that_are_no_signals_are_passed_over) {
  dh::signal_channel c{-1, 0, 65, 66, 1000, -2147483647 - 1, 2147483647, SIGWINCH};
  c.add({-7, 99});
  ::raise(SIGWINCH);
  EXPECT_EQ(c.recv(), SIGWINCH);
  EXPECT_EQ(c.try_recv(), std::nullopt);
  dh::ignore({-1, 65});
  dh::reset({-1, 65});
  EXPECT_FALSE(dh::ignored(-1));
  EXPECT_FALSE(dh::ignored(65));
  ::raise(SIGWINCH);
  EXPECT_EQ(c.recv(), SIGWINCH);  // ignore and reset of nothing were not of all
}

TEST(SIG_018, kill_cannot_be_caught_and_nobody_says_so) {
  child_process child{"listen KILL STOP TERM", "say ready", "recv", "wait_for_death"};
  ASSERT_EQ(child.line(), "ready");
  child.send(SIGTERM);
  EXPECT_EQ(child.line(), "received terminated");
  child.send(SIGKILL);
  EXPECT_EQ(child.end(), "signal 9");
}

TEST(SIG_018, stop_cannot_be_caught_and_nobody_says_so) {
  child_process child{"listen KILL STOP TERM", "say ready", "recv"};
  ASSERT_EQ(child.line(), "ready");
  child.send(SIGSTOP);
  EXPECT_TRUE(child.stopped());
  child.send(SIGCONT);
  child.send(SIGTERM);
  EXPECT_EQ(child.line(), "received terminated");
  EXPECT_EQ(child.end(), "exit 0");
}

TEST(SIG_019, what_does_nothing_by_default_is_received) {
  child_process child{
      "listen CONT", "listen WINCH USR1", "listen CHLD", "say ready", "recv 0", "recv 1",
      "recv 1",      "end_a_child",       "recv 2"};
  ASSERT_EQ(child.line(), "ready");
  child.send(SIGSTOP);
  EXPECT_TRUE(child.stopped());
  child.send(SIGCONT);
  EXPECT_EQ(child.line(), "received continued");
  child.send(SIGWINCH);
  EXPECT_EQ(child.line(), "received window changed");
  child.send(SIGUSR1);
  EXPECT_EQ(child.line(), "received user defined signal 1");
  EXPECT_EQ(child.line(), "received child exited");
  EXPECT_EQ(child.end(), "exit 0");
}

}  // namespace
