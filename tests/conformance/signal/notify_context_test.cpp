// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// SIG-030 to 038: contexts that a signal ends.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <csignal>
#include <exception>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include "conformance/signal/child_process.hpp"
#include "downhaul/context.hpp"
#include "downhaul/error.hpp"
#include "downhaul/runtime.hpp"
#include "downhaul/signal.hpp"
#include "support/parked.hpp"

namespace {

namespace dh = downhaul;
using downhaul_test::child_process;
using testing::ElementsAre;

bool is_done(const dh::context& ctx) {
  std::error_code ec;
  ctx.done().try_recv(ec);
  return !ec;  // closed
}

TEST(SIG_030, ends_by_a_listed_signal) {
  auto [ctx, cancel] = dh::notify_context(dh::background(), {SIGUSR1, SIGUSR2});
  EXPECT_FALSE(is_done(ctx));
  EXPECT_FALSE(ctx.err());
  const dh::signal_channel other{SIGWINCH};
  ::raise(SIGWINCH);  // not listed
  other.recv();
  EXPECT_FALSE(is_done(ctx));
  ::raise(SIGUSR2);
  ctx.done().recv();
  EXPECT_EQ(ctx.err(), dh::errc::canceled);
}

TEST(SIG_030, ends_by_stop) {
  auto [ctx, cancel] = dh::notify_context(dh::background(), {SIGUSR1});
  EXPECT_FALSE(is_done(ctx));
  cancel();
  EXPECT_TRUE(is_done(ctx));
  EXPECT_EQ(ctx.err(), dh::errc::canceled);
}

TEST(SIG_030, ends_with_its_parent) {
  auto [parent, cancel_parent] = dh::with_cancel(dh::background());
  auto [ctx, cancel] = dh::notify_context(parent, {SIGUSR1});
  EXPECT_FALSE(is_done(ctx));
  cancel_parent();
  EXPECT_TRUE(is_done(ctx));
  EXPECT_EQ(ctx.err(), dh::errc::canceled);
}

TEST(SIG_030, ends_by_whichever_is_first) {
  auto [parent, cancel_parent] = dh::with_cancel_cause(dh::background());
  auto [ctx, cancel] = dh::notify_context(parent, {SIGUSR1});
  const dh::signal_channel other{SIGUSR1};
  cancel_parent(std::runtime_error{"the parent's"});
  ::raise(SIGUSR1);
  other.recv();
  cancel();
  EXPECT_EQ(ctx.reason(), "the parent's");
}

TEST(SIG_031, one_signal_is_survived) {
  child_process child{"notify INT", "say ready", "done", "say alive"};
  ASSERT_EQ(child.line(), "ready");
  child.send(SIGINT);
  EXPECT_THAT(child.lines(), ElementsAre("interrupt signal received", "alive"));
  EXPECT_EQ(child.end(), "exit 0");
}

TEST(SIG_031, ten_signals_are_survived_until_stop_is_called) {
  child_process child{"notify INT",  "kill_me INT", "done",        "kill_me INT",
                      "kill_me INT", "kill_me INT", "kill_me INT", "kill_me INT",
                      "kill_me INT", "kill_me INT", "kill_me INT", "kill_me INT",
                      "say alive",   "cancel",      "kill_me INT", "say alive after cancel"};
  EXPECT_THAT(child.lines(), ElementsAre("interrupt signal received", "alive"));
  EXPECT_EQ(child.end(), "signal 2");
}

TEST(SIG_032, stop_restores_the_default_action_and_ends_the_context) {
  child_process child{"notify TERM", "cancel",       "done",     "cancel",
                      "say ended",   "kill_me TERM", "say alive"};
  EXPECT_THAT(child.lines(), ElementsAre("context canceled", "ended"));
  EXPECT_EQ(child.end(), "signal 15");
}

TEST(SIG_032, stop_may_be_called_by_many_at_once) {
  for (int round = 0; round < 20; ++round) {
    const dh::signal_channel keeps_us_alive{SIGUSR1};
    auto [ctx, cancel] = dh::notify_context(dh::background(), {SIGUSR1});
    std::atomic<int> ready{0};
    std::vector<std::thread> callers;
    for (int i = 0; i < 10; ++i) {
      callers.emplace_back([&ready, &stop = cancel] {
        ++ready;
        while (ready < 10) std::this_thread::yield();
        stop();
      });
    }
    for (std::thread& t : callers) t.join();
    cancel();
    EXPECT_EQ(ctx.err(), dh::errc::canceled);
    ::raise(SIGUSR1);
    keeps_us_alive.recv();
    EXPECT_EQ(ctx.reason(), "context canceled");
  }
}

TEST(SIG_033, below_an_ended_parent_it_is_done_at_once_and_has_no_watcher) {
  auto [parent, cancel_parent] = dh::with_cancel(dh::background());
  cancel_parent();
  auto [ctx, cancel] = dh::notify_context(parent, {SIGUSR1});
  EXPECT_TRUE(is_done(ctx));
  EXPECT_EQ(ctx.err(), dh::errc::canceled);
  EXPECT_EQ(dh::count_goroutines(), 0u);
}

TEST(SIG_033, below_an_ended_parent_signals_are_caught_until_stop) {
  auto [parent, cancel_parent] = dh::with_cancel(dh::background());
  cancel_parent();
  const auto watched = [&] {
    auto [ctx, cancel] = dh::notify_context(parent, {SIGUSR1});
    for (int i = 0; i < 10; ++i) ::raise(SIGUSR1);  // would kill
    EXPECT_EQ(ctx.reason(), "context canceled");
    cancel();
    struct sigaction after{};
    ::sigaction(SIGUSR1, nullptr, &after);
    return after.sa_handler == SIG_DFL;
  };
  EXPECT_TRUE(watched());
}

std::string text_of(const dh::context& parent, std::initializer_list<int> signals) {
  const auto made = dh::notify_context(parent, signals);
  return to_string(made.ctx);
}

TEST(SIG_034, says_what_it_is) {
  EXPECT_EQ(text_of(dh::background(), {SIGHUP, SIGINT, SIGTERM}),
            "signal.NotifyContext(context.Background, [hangup interrupt terminated])");
  EXPECT_EQ(text_of(dh::background(), {SIGINT}),
            "signal.NotifyContext(context.Background, [interrupt])");
  EXPECT_EQ(text_of(dh::background(), {}), "signal.NotifyContext(context.Background)");
  EXPECT_EQ(text_of(dh::todo(), {SIGUSR1}),
            "signal.NotifyContext(context.TODO, [user defined signal 1])");
  const auto parent = dh::with_cancel(dh::background());
  EXPECT_EQ(text_of(parent.ctx, {SIGHUP, SIGINT}),
            "signal.NotifyContext(context.Background.WithCancel, [hangup interrupt])");
}

TEST(SIG_035, undoes_an_earlier_ignore) {
  dh::ignore({SIGUSR1});
  EXPECT_TRUE(dh::ignored(SIGUSR1));
  auto [ctx, cancel] = dh::notify_context(dh::background(), {SIGUSR1});
  EXPECT_FALSE(dh::ignored(SIGUSR1));
  ::raise(SIGUSR1);
  ctx.done().recv();
  EXPECT_EQ(ctx.reason(), "user defined signal 1 signal received");
  cancel();
  EXPECT_FALSE(dh::ignored(SIGUSR1));
}

TEST(SIG_036, its_cause_names_the_signal) {
  for (const int s : {SIGINT, SIGHUP, SIGTERM, SIGUSR1}) {
    auto [ctx, cancel] = dh::notify_context(dh::background(), {SIGINT, SIGHUP, SIGTERM, SIGUSR1});
    EXPECT_EQ(ctx.cause(), nullptr);
    ::raise(s);
    ctx.done().recv();
    const std::string text = dh::signal_name(s) + " signal received";
    EXPECT_EQ(ctx.reason(), text);
    try {
      std::rethrow_exception(ctx.cause());
    } catch (const std::exception& e) {
      EXPECT_EQ(e.what(), text);
    }
    cancel();
    EXPECT_EQ(ctx.reason(), text);  // the first counts
  }
}

TEST(SIG_036, after_stop_its_cause_is_canceled) {
  auto [ctx, cancel] = dh::notify_context(dh::background(), {SIGINT});
  cancel();
  EXPECT_EQ(ctx.reason(), "context canceled");
  try {
    std::rethrow_exception(ctx.cause());
  } catch (const dh::signal_error& e) {
    ADD_FAILURE() << e.what();
  } catch (const dh::context_error& e) {
    EXPECT_EQ(e.code(), dh::errc::canceled);
  }
}

TEST(SIG_037, its_cause_matches_canceled_and_knows_the_number) {
  auto [ctx, cancel] = dh::notify_context(dh::background(), {SIGUSR1});
  ::raise(SIGUSR1);
  ctx.done().recv();
  bool caught = false;
  try {
    std::rethrow_exception(ctx.cause());
  } catch (const dh::context_error& e) {
    caught = true;
    EXPECT_EQ(e.code(), dh::errc::canceled);
    EXPECT_EQ(e.code(), std::errc::operation_canceled);
    const auto* signal = dynamic_cast<const dh::signal_error*>(&e);
    ASSERT_NE(signal, nullptr);
    EXPECT_EQ(signal->number(), SIGUSR1);
  }
  EXPECT_TRUE(caught);
  EXPECT_NE(dh::signal_error{SIGINT}.code(), dh::errc::deadline_exceeded);
}

// deviates: there is no watcher goroutine at any time; the library's own thread ends the context.
TEST(SIG_038, has_no_watcher_goroutine_to_leave_behind) {
  const auto contexts = dh::count_contexts();
  for (int i = 0; i < 20; ++i) {
    auto [parent, cancel_parent] = dh::with_cancel(dh::background());
    auto [ctx, cancel] = dh::notify_context(parent, {SIGUSR1});
    EXPECT_EQ(dh::count_goroutines(), 0u);
    switch (i % 3) {
      case 0: ::raise(SIGUSR1); break;
      case 1: cancel(); break;
      default: cancel_parent();
    }
    ctx.done().recv();
    downhaul_test::await_no_goroutines();
  }
  // The library's thread may hold the one that it has ended for a moment.
  while (dh::count_contexts() != contexts) std::this_thread::yield();
}

}  // namespace
