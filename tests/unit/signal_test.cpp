// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
#include "downhaul/signal.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <pthread.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdio>
#include <string>
#include <thread>
#include <type_traits>
#include <vector>

#include "downhaul/after_func.hpp"
#include "downhaul/context.hpp"
#include "downhaul/runtime.hpp"
#include "downhaul/select.hpp"
#include "downhaul/wait_group.hpp"
#include "support/parked.hpp"
#include "support/spawned_process.hpp"

namespace {

namespace dh = downhaul;
using downhaul_test::await_no_goroutines;
using downhaul_test::await_parked;
using testing::ElementsAre;

static_assert(!std::is_copy_constructible_v<dh::signal_channel>);
static_assert(std::is_nothrow_move_constructible_v<dh::signal_channel>);

void send_to_myself(int signal) { ::kill(::getpid(), signal); }

// --- another process -----------------------------------------------------------------------------

// A run of signal_child.
class child_process : public downhaul_test::spawned_process {
 public:
  explicit child_process(const char* mode, int blocked = 0)
      : spawned_process{{DOWNHAUL_SIGNAL_CHILD, mode}, blocked} {}
  // With `before` run by the shell that becomes the child.
  child_process(const std::string& before, const std::string& mode)
      : spawned_process{{"/bin/sh", "-c", before + "; exec " DOWNHAUL_SIGNAL_CHILD " " + mode}} {}
};

TEST(signal_process, receives_from_another_process_and_dies_when_nobody_listens_any_more) {
  child_process child{"receive_then_die"};
  ASSERT_EQ(child.line(), "ready");
  for (int i = 0; i < 2; ++i) {
    child.send(SIGINT);
    EXPECT_EQ(child.line(), "received interrupt");
  }
  EXPECT_EQ(child.line(), "stopped");
  child.send(SIGINT);
  EXPECT_EQ(child.end(), "signal 2");
}

TEST(signal_process, reaches_every_subscriber_and_keeps_a_program_that_only_waits_for_it) {
  child_process child{"receive_in_goroutines"};
  ASSERT_EQ(child.line(), "ready");
  child.send(SIGHUP);
  EXPECT_EQ(child.line(), "one hangup");
  child.send(SIGTERM);
  EXPECT_THAT(child.lines(), testing::UnorderedElementsAre("one terminated", "two terminated"));
  EXPECT_EQ(child.end(), "exit 0");
}

TEST(signal_process, without_a_list_receives_all) {
  child_process child{"receive_all"};
  ASSERT_EQ(child.line(), "ready");
  for (const int signal : {SIGHUP, SIGTERM, SIGWINCH, SIGRTMIN + 6}) {
    child.send(signal);
    EXPECT_EQ(child.line(), "received " + dh::signal_name(signal));
  }
  EXPECT_EQ(child.end(), "exit 0");
}

TEST(signal_process, stop_loses_nothing_each_is_received_or_takes_the_default_action) {
  for (int i = 0; i < 10; ++i) {
    child_process child{"stop_against_arrival"};
    const std::string said = child.line();
    const std::string end = child.end();
    // Killed at any time, also before a word was said; or all ten were received.
    if (said == "all received") {
      EXPECT_EQ(end, "exit 0");
    } else {
      EXPECT_THAT(said, testing::AnyOf("", "not received"));
      EXPECT_EQ(end, "signal 2");
    }
  }
}

TEST(signal_process, stop_loses_nothing_that_comes_from_outside) {
  for (int i = 0; i < 10; ++i) {
    child_process child{"stop_against_arrival_from_outside"};
    std::string said;
    for (said = child.line(); said == "go"; said = child.line()) {
      child.send(SIGINT);
      said = child.line();
      if (said != "received") break;
    }
    EXPECT_THAT(said, testing::AnyOf("", "not received"));
    EXPECT_THAT(child.end(), testing::AnyOf("signal 2", "exit 0"));
  }
}

TEST(signal_process, what_nohup_ignores_is_heard_only_while_somebody_listens) {
  child_process child{"trap '' HUP", "under_nohup"};
  EXPECT_THAT(child.lines(), ElementsAre("ignored", "not ignored", "received hangup", "ignored",
                                         "ignored", "alive"));
  EXPECT_EQ(child.end(), "exit 0");
}

TEST(signal_process, what_is_blocked_from_the_start_is_heard_only_while_somebody_listens) {
  child_process child{"with_a_blocked_signal", SIGUSR2};
  ASSERT_EQ(child.line(), "ready");
  child.send(SIGUSR2);
  EXPECT_THAT(child.lines(), ElementsAre("received user defined signal 2", "pending",
                                         "received user defined signal 2"));
  EXPECT_EQ(child.end(), "exit 0");
}

TEST(signal_process, ignore_lasts_until_somebody_listens) {
  child_process child{"ignore_then_die"};
  EXPECT_THAT(child.lines(), ElementsAre("ignored", "not ignored", "received terminated"));
  EXPECT_EQ(child.end(), "signal 15");
}

TEST(signal_process, a_context_ends_by_a_signal_and_listens_until_its_cancel) {
  child_process child{"stop_by_context"};
  ASSERT_EQ(child.line(), "ready");
  child.send(SIGINT);
  EXPECT_THAT(child.lines(), ElementsAre("interrupt signal received", "alive"));
  EXPECT_EQ(child.end(), "signal 2");
}

TEST(signal_process, a_subscription_keeps_the_deadlock_check_quiet) {
  child_process child{"exec 2>&1", "sleep_for_ever"};
  ASSERT_EQ(child.line(), "ready");
  child.send(SIGUSR1);
  EXPECT_EQ(child.line(), "stopped");
  EXPECT_EQ(child.line(), "fatal error: all goroutines are asleep - deadlock!");
  EXPECT_EQ((child.lines(), child.end()), "signal 6");
}

TEST(signal_process, a_forked_child_has_the_default_action) {
  child_process child{"fork_and_die"};
  EXPECT_THAT(child.lines(), ElementsAre("killed by terminated"));
  EXPECT_EQ(child.end(), "exit 0");
}

// --- this process; SIGWINCH and SIGURG do nothing by default -------------------------------------

TEST(signal_channel, receives_what_it_listens_for) {
  dh::signal_channel c{SIGUSR1};
  EXPECT_EQ(c.try_recv(), std::nullopt);
  send_to_myself(SIGUSR1);
  EXPECT_EQ(c.recv(), SIGUSR1);
}

TEST(signal_channel, gives_each_of_several_a_copy_and_none_holds_up_the_others) {
  const dh::signal_channel unread{SIGUSR1};
  dh::signal_channel one{SIGUSR1, SIGUSR2};
  dh::signal_channel two{SIGUSR1};
  for (int i = 0; i < 3; ++i) {
    send_to_myself(SIGUSR1);
    EXPECT_EQ(one.recv(), SIGUSR1);
    EXPECT_EQ(two.recv(), SIGUSR1);
  }
  EXPECT_EQ(unread.chan().size(), 1);  // what comes again before it is received is merged
}

TEST(signal_channel, keeps_one_of_each_number_however_many_come) {
  dh::signal_channel tail{SIGURG};
  dh::signal_channel c{SIGUSR1, SIGUSR2, SIGWINCH};
  std::vector<int> received;
  for (int round = 0; round < 100; ++round) {
    send_to_myself(SIGUSR1);
    if (round == 50) send_to_myself(SIGUSR2);
  }
  send_to_myself(SIGWINCH);
  while (received.size() < 3) received.push_back(*c.recv());
  EXPECT_THAT(received, testing::IsSupersetOf({SIGUSR1, SIGUSR2}));
}

TEST(signal_channel, can_listen_for_more_later) {
  dh::signal_channel c{SIGUSR1};
  c.add({SIGUSR2});
  send_to_myself(SIGUSR2);
  EXPECT_EQ(c.recv(), SIGUSR2);
  send_to_myself(SIGUSR1);
  EXPECT_EQ(c.recv(), SIGUSR1);
  c.stop();
  c.add({SIGUSR2});  // too late
  EXPECT_EQ(c.recv(), std::nullopt);
}

TEST(signal_channel, passes_over_numbers_that_are_no_signals_or_cannot_be_caught) {
  dh::signal_channel c{-1, 0, 32, 65, 1000, SIGKILL, SIGSTOP, SIGWINCH};
  send_to_myself(SIGWINCH);
  EXPECT_EQ(c.recv(), SIGWINCH);
}

TEST(signal_channel, gets_nothing_after_stop_and_says_that_it_is_closed) {
  dh::signal_channel other{SIGWINCH};
  dh::signal_channel c{SIGWINCH};
  c.stop();
  c.stop();
  send_to_myself(SIGWINCH);
  EXPECT_EQ(other.recv(), SIGWINCH);
  std::error_code ec = dh::errc::canceled;
  EXPECT_EQ(c.try_recv(ec), std::nullopt);
  EXPECT_FALSE(ec);
  EXPECT_EQ(c.recv(), std::nullopt);
}

TEST(signal_channel, keeps_what_came_before_stop) {
  dh::signal_channel other{SIGUSR1};
  dh::signal_channel c{SIGUSR1};
  send_to_myself(SIGUSR1);
  other.recv();
  c.stop();
  EXPECT_EQ(c.recv(), SIGUSR1);
  EXPECT_EQ(c.recv(), std::nullopt);
}

TEST(signal_channel, moves) {
  dh::signal_channel from{SIGUSR1};
  dh::signal_channel to{std::move(from)};
  EXPECT_FALSE(from.chan());
  send_to_myself(SIGUSR1);
  EXPECT_EQ(to.recv(), SIGUSR1);
  to = dh::signal_channel{SIGUSR2};
  send_to_myself(SIGUSR2);
  EXPECT_EQ(to.recv(), SIGUSR2);
}

TEST(signal_channel, ends_its_loop_when_it_is_stopped_under_fire) {
  const dh::signal_channel keeps_us_alive{SIGUSR1};
  std::atomic<bool> enough{false};
  std::thread sender{[&] {
    while (!enough.load()) send_to_myself(SIGUSR1);
  }};
  for (int round = 0; round < 50; ++round) {
    dh::signal_channel c{SIGUSR1};
    std::atomic<int> n{0};
    dh::wait_group wg;
    wg.go([&] {
      for (const int signal : c) {
        EXPECT_EQ(signal, SIGUSR1);
        ++n;
      }
    });
    while (n.load() < 3) dh::yield();
    c.stop();
    wg.wait();
  }
  enough = true;
  sender.join();
  await_no_goroutines();
}

TEST(signal_channel, is_a_case_of_select) {
  dh::signal_channel c{SIGUSR1};
  auto never = dh::make_chan<int>();
  EXPECT_EQ(dh::select(dh::recv(c), dh::otherwise), 1);
  send_to_myself(SIGUSR1);
  std::optional<int> signal;
  EXPECT_EQ(dh::select(dh::recv(never), dh::recv(c, signal)), 1);
  EXPECT_EQ(signal, SIGUSR1);
}

TEST(signal_channel, stops_waiting_when_the_context_ends) {
  auto [ctx, cancel] = dh::with_cancel(dh::background());
  dh::signal_channel c{SIGUSR1};
  send_to_myself(SIGUSR1);
  EXPECT_EQ(c.recv(ctx), SIGUSR1);
  dh::wait_group wg;
  wg.go([&, in = ctx] { EXPECT_THROW(c.recv(in), dh::context_error); });
  await_parked(1);
  cancel();
  wg.wait();
  std::error_code ec;
  EXPECT_EQ(c.recv(ctx, ec), std::nullopt);
  EXPECT_EQ(ec, dh::errc::canceled);
  await_no_goroutines();
}

TEST(signal_reset, ends_the_subscriptions_of_all) {
  const dh::signal_channel one{SIGWINCH, SIGUSR1};
  const dh::signal_channel two{SIGWINCH};
  dh::reset({SIGWINCH});
  send_to_myself(SIGWINCH);
  send_to_myself(SIGUSR1);  // the rest goes on
  EXPECT_EQ(one.recv(), SIGUSR1);
  EXPECT_EQ(one.try_recv(), std::nullopt);
  EXPECT_EQ(two.try_recv(), std::nullopt);
  std::error_code ec;
  EXPECT_EQ((two.try_recv(ec), ec), std::errc::operation_would_block);  // open still
}

TEST(signal_ignore, ends_the_subscriptions_of_all_until_the_next_one) {
  dh::signal_channel c{SIGWINCH};
  EXPECT_FALSE(dh::ignored(SIGWINCH));
  dh::ignore({SIGWINCH});
  EXPECT_TRUE(dh::ignored(SIGWINCH));
  send_to_myself(SIGWINCH);
  EXPECT_EQ(c.try_recv(), std::nullopt);
  c.add({SIGWINCH});
  EXPECT_FALSE(dh::ignored(SIGWINCH));
  send_to_myself(SIGWINCH);
  EXPECT_EQ(c.recv(), SIGWINCH);
  EXPECT_FALSE(dh::ignored(-5));
}

std::atomic<int> foreign_calls{0};
void foreign_handler(int, siginfo_t* info, void*) {
  if (info != nullptr) foreign_calls.fetch_add(1);
}

TEST(signal_channel, calls_a_handler_that_was_there_and_puts_it_back) {
  struct sigaction theirs{};
  theirs.sa_sigaction = foreign_handler;
  theirs.sa_flags = SA_SIGINFO;
  struct sigaction before{};
  ASSERT_EQ(::sigaction(SIGUSR2, &theirs, &before), 0);
  foreign_calls = 0;
  {
    const dh::signal_channel c{SIGUSR2};
    ::raise(SIGUSR2);
    EXPECT_EQ(c.recv(), SIGUSR2);
    while (foreign_calls.load() < 1) std::this_thread::yield();
  }
  ::raise(SIGUSR2);
  while (foreign_calls.load() < 2) std::this_thread::yield();
  EXPECT_EQ(foreign_calls.load(), 2);
  ASSERT_EQ(::sigaction(SIGUSR2, &before, nullptr), 0);
}

TEST(signal_names, are_those_that_go_gives) {
  EXPECT_EQ(dh::signal_name(SIGHUP), "hangup");
  EXPECT_EQ(dh::signal_name(SIGINT), "interrupt");
  EXPECT_EQ(dh::signal_name(SIGTERM), "terminated");
  EXPECT_EQ(dh::signal_name(SIGUSR2), "user defined signal 2");
  EXPECT_EQ(dh::signal_name(50), "signal 50");
  EXPECT_EQ(dh::signal_name(-1), "signal -1");
}

// --- notify_context ------------------------------------------------------------------------------

TEST(notify_context, ends_with_the_signal_as_its_cause) {
  auto [ctx, cancel] = dh::notify_context(dh::background(), {SIGUSR1, SIGUSR2});
  EXPECT_FALSE(ctx.err());
  send_to_myself(SIGUSR2);
  ctx.done().recv();
  EXPECT_EQ(ctx.err(), dh::errc::canceled);
  EXPECT_EQ(ctx.reason(), "user defined signal 2 signal received");
  try {
    std::rethrow_exception(ctx.cause());
  } catch (const dh::signal_error& e) {
    EXPECT_EQ(e.number(), SIGUSR2);
    EXPECT_EQ(e.code(), dh::errc::canceled);
    EXPECT_EQ(e.code(), std::errc::operation_canceled);
    EXPECT_STREQ(e.what(), "user defined signal 2 signal received");
  }
  for (int i = 0; i < 10; ++i) send_to_myself(SIGUSR1);  // would kill, were the subscription gone
}

TEST(notify_context, ends_what_is_below_it) {
  auto [ctx, cancel] = dh::notify_context(dh::background(), {SIGUSR1});
  auto [child, cancel_child] = dh::with_cancel(ctx);
  dh::wait_group wg;
  for (int i = 0; i < 3; ++i) wg.go([c = child] { c.done().recv(); });
  send_to_myself(SIGUSR1);
  wg.wait();
  EXPECT_EQ(child.reason(), "user defined signal 1 signal received");
  await_no_goroutines();
}

TEST(notify_context, runs_callbacks_in_place_on_a_goroutine) {
  auto [ctx, cancel] = dh::notify_context(dh::background(), {SIGUSR1});
  auto on_goroutine = dh::make_chan<bool>(1);
  const auto here = dh::after_func(dh::inplace, ctx, [on_goroutine]() noexcept {
    on_goroutine.send(dh::count_goroutines() > 0);
  });
  send_to_myself(SIGUSR1);
  EXPECT_EQ(on_goroutine.recv(), true);
  await_no_goroutines();
}

TEST(notify_context, ends_by_its_cancel_without_a_signal) {
  const dh::signal_channel keeps_us_alive{SIGUSR1};
  auto [ctx, cancel] = dh::notify_context(dh::background(), {SIGUSR1});
  std::vector<std::thread> callers;
  for (int i = 0; i < 10; ++i) callers.emplace_back([&stop = cancel] { stop(); });
  for (std::thread& t : callers) t.join();
  EXPECT_EQ(ctx.err(), dh::errc::canceled);
  EXPECT_EQ(ctx.reason(), "context canceled");
  send_to_myself(SIGUSR1);
  keeps_us_alive.recv();
  EXPECT_EQ(ctx.reason(), "context canceled");
}

TEST(notify_context, listens_on_after_its_parent_has_ended) {
  auto [parent, cancel_parent] = dh::with_cancel(dh::background());
  auto [ctx, cancel] = dh::notify_context(parent, {SIGUSR1});
  cancel_parent();
  EXPECT_EQ(ctx.err(), dh::errc::canceled);
  const dh::signal_channel c{SIGUSR1};
  send_to_myself(SIGUSR1);
  EXPECT_EQ(c.recv(), SIGUSR1);
  EXPECT_EQ(ctx.reason(), "context canceled");

  auto [late, cancel_late] = dh::notify_context(parent, {SIGUSR2});
  EXPECT_EQ(late.err(), dh::errc::canceled);
  send_to_myself(SIGUSR2);  // would kill
}

TEST(notify_context, overrides_ignore) {
  dh::ignore({SIGUSR1});
  EXPECT_TRUE(dh::ignored(SIGUSR1));
  auto [ctx, cancel] = dh::notify_context(dh::background(), {SIGUSR1});
  EXPECT_FALSE(dh::ignored(SIGUSR1));
  cancel();
}

TEST(notify_context, says_what_it_is) {
  const auto text = [](const dh::context& parent, std::initializer_list<int> signals) {
    const auto made = dh::notify_context(parent, signals);
    return to_string(made.ctx);
  };
  EXPECT_EQ(text(dh::background(), {SIGHUP, SIGINT, SIGTERM}),
            "signal.NotifyContext(context.Background, [hangup interrupt terminated])");
  EXPECT_EQ(text(dh::background(), {}), "signal.NotifyContext(context.Background)");
  auto [parent, cancel] = dh::with_cancel(dh::background());
  EXPECT_EQ(text(parent, {SIGINT}),
            "signal.NotifyContext(context.Background.WithCancel, [interrupt])");
}

TEST(notify_context, leaves_nothing_behind) {
  const auto before = dh::count_contexts();
  for (int i = 0; i < 10; ++i) {
    auto [ctx, cancel] = dh::notify_context(dh::background(), {SIGUSR1});
    if (i % 2 == 0) send_to_myself(SIGUSR1);
    auto kept = ctx;
  }
  await_no_goroutines();
  // The library's thread may hold the one that it has ended for a moment.
  while (dh::count_contexts() != before) std::this_thread::yield();
}

}  // namespace
