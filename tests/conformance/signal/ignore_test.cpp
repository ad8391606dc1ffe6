// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// SIG-011 to 016: reset, ignore, and what was in force when the program started.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <optional>
#include <system_error>

#include "conformance/signal/child_process.hpp"
#include "downhaul/signal.hpp"

namespace {

namespace dh = downhaul;
using downhaul_test::child_process;
using testing::ElementsAre;

bool is_open_and_empty(const dh::signal_channel& c) {
  std::error_code ec;
  return !c.try_recv(ec) && ec == std::errc::operation_would_block;
}

TEST(SIG_011, reset_ends_the_subscriptions_of_all_channels_to_what_it_lists) {
  const dh::signal_channel one{SIGWINCH, SIGUSR1};
  const dh::signal_channel two{SIGWINCH, SIGURG};
  dh::reset({SIGWINCH, SIGURG});
  ::raise(SIGWINCH);
  ::raise(SIGURG);
  ::raise(SIGUSR1);  // the rest goes on
  EXPECT_EQ(one.recv(), SIGUSR1);
  EXPECT_TRUE(is_open_and_empty(one));
  EXPECT_TRUE(is_open_and_empty(two));
}

TEST(SIG_011, reset_restores_the_original_action) {
  child_process child{"listen TERM", "listen TERM INT", "kill_me TERM", "recv 0",
                      "recv 1",      "reset TERM",      "kill_me INT",  "recv 1",
                      "say reset",   "kill_me TERM",    "say alive"};
  EXPECT_THAT(child.lines(), ElementsAre("received terminated", "received terminated",
                                         "received interrupt", "reset"));
  EXPECT_EQ(child.end(), "signal 15");
}

TEST(SIG_011, reset_without_a_list_is_of_all) {
  for (const char* death : {"kill_me INT", "kill_me TERM"}) {
    child_process child{"listen INT", "listen TERM", "kill_me INT", "recv 0",
                        "reset",      "say reset",   death,         "say alive"};
    EXPECT_THAT(child.lines(), ElementsAre("received interrupt", "reset"));
    EXPECT_EQ(child.end(), death == std::string{"kill_me INT"} ? "signal 2" : "signal 15");
  }
}

TEST(SIG_012, ignore_removes_registrations_and_ignores) {
  child_process child{"listen INT TERM", "ignore INT",  "kill_me INT", "kill_me TERM", "recv",
                      "try_recv",        "listen INT",  "kill_me INT", "recv 1",       "try_recv 0",
                      "stop 1",          "say revived", "kill_me INT", "say alive"};
  EXPECT_THAT(child.lines(), ElementsAre("received terminated", "nothing", "received interrupt",
                                         "nothing", "revived"));
  EXPECT_EQ(child.end(), "signal 2");
}

TEST(SIG_012, ignore_is_not_undone_by_reset) {
  child_process child{"ignore INT TERM", "reset INT",   "kill_me INT",  "ignored INT",
                      "reset",           "kill_me INT", "kill_me TERM", "ignored TERM"};
  EXPECT_THAT(child.lines(), ElementsAre("ignored", "ignored"));
  EXPECT_EQ(child.end(), "exit 0");
}

TEST(SIG_012, ignore_without_a_list_is_of_all) {
  child_process child{"listen INT",   "ignore",      "kill_me INT", "kill_me TERM",
                      "kill_me USR1", "ignored HUP", "try_recv",    "say alive"};
  EXPECT_THAT(child.lines(), ElementsAre("ignored", "nothing", "alive"));
  EXPECT_EQ(child.end(), "exit 0");
}

TEST(SIG_013, nothing_arrives_on_the_old_channels_after_ignore) {
  dh::signal_channel windows{SIGWINCH};
  dh::signal_channel hangups{SIGHUP};
  dh::ignore({SIGWINCH, SIGHUP});
  ::raise(SIGWINCH);
  ::raise(SIGHUP);
  const dh::signal_channel marker{SIGUSR1};
  ::raise(SIGUSR1);
  marker.recv();
  EXPECT_TRUE(is_open_and_empty(windows));
  EXPECT_TRUE(is_open_and_empty(hangups));
  // And not when somebody else listens again, which also undoes the ignoring.
  {
    const dh::signal_channel later{SIGWINCH, SIGHUP};
    ::raise(SIGWINCH);
    EXPECT_EQ(later.recv(), SIGWINCH);
    ::raise(SIGHUP);
    EXPECT_EQ(later.recv(), SIGHUP);
    EXPECT_TRUE(is_open_and_empty(windows));
    EXPECT_TRUE(is_open_and_empty(hangups));
  }
  EXPECT_FALSE(dh::ignored(SIGHUP));
}

TEST(SIG_013, nothing_arrives_on_the_old_channels_after_reset) {
  dh::signal_channel windows{SIGWINCH};
  dh::signal_channel hangups{SIGHUP};
  dh::reset({SIGWINCH, SIGHUP});
  const dh::signal_channel later{SIGWINCH, SIGHUP};
  ::raise(SIGWINCH);
  EXPECT_EQ(later.recv(), SIGWINCH);
  ::raise(SIGHUP);
  EXPECT_EQ(later.recv(), SIGHUP);
  EXPECT_TRUE(is_open_and_empty(windows));
  EXPECT_TRUE(is_open_and_empty(hangups));
}

TEST(SIG_014, ignored_is_false_while_somebody_listens_and_true_after_ignore) {
  EXPECT_FALSE(dh::ignored(SIGWINCH));
  {
    dh::signal_channel c{SIGWINCH};
    EXPECT_FALSE(dh::ignored(SIGWINCH));
    dh::ignore({SIGWINCH});
    EXPECT_TRUE(dh::ignored(SIGWINCH));
    c.add({SIGWINCH});
    EXPECT_FALSE(dh::ignored(SIGWINCH));
  }
  EXPECT_FALSE(dh::ignored(SIGWINCH));
}

TEST(SIG_015, what_was_ignored_at_the_start_stays_so_until_somebody_listens) {
  for (const std::string name : {"HUP", "INT"}) {
    SCOPED_TRACE(name);
    const auto verb = [&](const char* v) { return std::string{v} + " " + name; };
    const std::string raise = verb("kill_me");
    const std::string ignored = verb("ignored");
    child_process child{"start_ignoring HUP INT",
                        "use_the_library",
                        raise.c_str(),
                        ignored.c_str(),
                        verb("listen").c_str(),
                        ignored.c_str(),
                        raise.c_str(),
                        "recv",
                        "stop",
                        ignored.c_str(),
                        raise.c_str(),  // back by stop
                        verb("listen").c_str(),
                        ignored.c_str(),
                        raise.c_str(),
                        "recv 1",
                        verb("reset").c_str(),
                        ignored.c_str(),
                        raise.c_str(),  // back by reset
                        "say alive"};
    const std::string received = name == "HUP" ? "received hangup" : "received interrupt";
    EXPECT_THAT(child.lines(), ElementsAre("ignored", "not ignored", received, "ignored",
                                           "not ignored", received, "ignored", "alive"));
    EXPECT_EQ(child.end(), "exit 0");
  }
}

TEST(SIG_015, a_signal_not_ignored_at_the_start_is_not_affected_by_one_that_is) {
  child_process child{"start_ignoring HUP", "ignored INT", "listen HUP INT", "stop",
                      "kill_me HUP",        "say alive",   "kill_me INT"};
  EXPECT_THAT(child.lines(), ElementsAre("not ignored", "alive"));
  EXPECT_EQ(child.end(), "signal 2");
}

TEST(SIG_016, what_was_blocked_at_the_start_is_received_only_while_somebody_listens) {
  for (const char* leave : {"stop", "reset USR2"}) {
    SCOPED_TRACE(leave);
    child_process child{
        "start_blocking USR2", "use_the_library",
        "kill_me USR2",  // would kill
        "pending USR2",        "listen USR2",     "recv",         "say ready", "recv", leave,
        "kill_me USR2",        "pending USR2",    "blocked USR2", "say alive"};
    EXPECT_EQ(child.line(), "pending");
    EXPECT_EQ(child.line(), "received user defined signal 2");
    ASSERT_EQ(child.line(), "ready");
    child.send(SIGUSR2);
    EXPECT_THAT(child.lines(),
                ElementsAre("received user defined signal 2", "pending", "blocked", "alive"));
    EXPECT_EQ(child.end(), "exit 0");
  }
}

}  // namespace
