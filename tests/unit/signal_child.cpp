// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// The program that signal_test sends signals to. Its first argument says what it does; it reports
// by lines on stdout, which the test waits for, and is meant to die of a signal where it says so.
#include <sys/wait.h>
#include <unistd.h>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>
#include <string>
#include <thread>

#include "downhaul/after_func.hpp"
#include "downhaul/context.hpp"
#include "downhaul/runtime.hpp"
#include "downhaul/select.hpp"
#include "downhaul/signal.hpp"
#include "downhaul/wait_group.hpp"

namespace {

namespace dh = downhaul;

void say(const std::string& line) {
  std::printf("%s\n", line.c_str());
  std::fflush(stdout);
}
void say_received(std::optional<int> signal) {
  say(signal ? "received " + dh::signal_name(*signal) : "closed");
}
// Only a signal ends it.
[[noreturn]] void wait_for_death() {
  for (;;) ::pause();
}

void receive_then_die() {
  dh::signal_channel interrupts{SIGINT};
  say("ready");
  say_received(interrupts.recv());
  say_received(interrupts.recv());
  interrupts.stop();
  say("stopped");
  wait_for_death();
}

void receive_in_goroutines() {
  dh::run([] {
    dh::signal_channel one{SIGTERM, SIGHUP};
    dh::signal_channel two{SIGTERM};
    dh::wait_group wg;
    wg.go([&] {
      for (const int signal : one) {
        say("one " + dh::signal_name(signal));
        if (signal == SIGTERM) one.stop();
      }
    });
    wg.go([&] { say("two " + dh::signal_name(*two.recv())); });
    say("ready");
    wg.wait();  // no deadlock: a signal may come
  });
}

void receive_all() {
  const dh::signal_channel all;
  say("ready");
  for (int i = 0; i < 4; ++i) say_received(all.recv());
}

// Each SIGINT is received, or kills: see the test.
void stop_against_arrival() {
  for (int i = 0; i < 10; ++i) {
    dh::signal_channel c{SIGINT};
    std::thread stopper{[&] { c.stop(); }};
    ::kill(::getpid(), SIGINT);
    stopper.join();
    if (!c.try_recv()) {
      say("not received");
      wait_for_death();
    }
  }
  say("all received");
}

// The same with a signal from outside, for each "go" one.
void stop_against_arrival_from_outside() {
  for (int i = 0; i < 10; ++i) {
    dh::signal_channel c{SIGINT};
    say("go");
    for (int spin = 0; spin < i * 20; ++spin) ::getppid();
    c.stop();
    if (!c.try_recv()) {
      say("not received");
      wait_for_death();
    }
    say("received");
  }
}

// Started with SIGHUP ignored.
void under_nohup() {
  say(dh::ignored(SIGHUP) ? "ignored" : "not ignored");
  ::raise(SIGHUP);
  {
    const dh::signal_channel c{SIGHUP};
    say(dh::ignored(SIGHUP) ? "ignored" : "not ignored");
    ::raise(SIGHUP);
    say_received(c.recv());
  }
  say(dh::ignored(SIGHUP) ? "ignored" : "not ignored");
  ::raise(SIGHUP);
  {
    const dh::signal_channel c{SIGHUP};
    dh::reset({SIGHUP});
    say(dh::ignored(SIGHUP) ? "ignored" : "not ignored");
    ::raise(SIGHUP);
  }
  say("alive");
}

bool is_pending(int signal) {
  sigset_t pending;
  ::sigpending(&pending);
  return ::sigismember(&pending, signal) != 0;
}

// Started with SIGUSR2 blocked, which kills when it is not.
void with_a_blocked_signal() {
  {
    const dh::signal_channel c{SIGUSR2};
    say("ready");
    say_received(c.recv());
  }
  ::kill(::getpid(), SIGUSR2);
  say(is_pending(SIGUSR2) ? "pending" : "gone");
  const dh::signal_channel c{SIGUSR2};
  say_received(c.recv());
}

void ignore_then_die() {
  dh::ignore({SIGTERM});
  say(dh::ignored(SIGTERM) ? "ignored" : "not ignored");
  ::raise(SIGTERM);
  dh::reset({SIGTERM});  // does not undo it
  ::raise(SIGTERM);
  {
    const dh::signal_channel c{SIGTERM};
    say(dh::ignored(SIGTERM) ? "ignored" : "not ignored");
    ::raise(SIGTERM);
    say_received(c.recv());
  }
  ::raise(SIGTERM);  // the default is back
  say("alive");
}

void stop_by_context() {
  auto [ctx, cancel] = dh::notify_context(dh::background(), {SIGINT});
  dh::wait_group wg;
  wg.go([c = ctx] { c.done().recv(); });
  say("ready");
  wg.wait();
  try {
    std::rethrow_exception(ctx.cause());
  } catch (const dh::signal_error& e) {
    say(e.what());
  }
  for (int i = 0; i < 10; ++i) ::raise(SIGINT);  // the subscription stays
  say("alive");
  cancel();
  ::raise(SIGINT);
  say("alive after cancel");
}

// "All goroutines are asleep" comes as soon as nobody listens any more.
void sleep_for_ever() {
  dh::run([] {
    auto never = dh::make_chan<void>();
    {
      dh::signal_channel c{SIGUSR1};
      say("ready");
      c.recv();
    }
    say("stopped");
    never.recv();
  });
}

// In a child of fork() the library is not there, and the default action is.
void fork_and_die() {
  const dh::signal_channel c{SIGTERM};
  const pid_t child = ::fork();
  if (child == 0) {
    ::raise(SIGTERM);
    ::_exit(0);
  }
  int status = 0;
  while (::waitpid(child, &status, 0) != child) {
  }
  say(WIFSIGNALED(status) ? "killed by " + dh::signal_name(WTERMSIG(status)) : "exited");
}

}  // namespace

int main(int argc, char** argv) {
  const std::map<std::string, void (*)()> modes{
      {"receive_then_die", receive_then_die},
      {"receive_in_goroutines", receive_in_goroutines},
      {"receive_all", receive_all},
      {"stop_against_arrival", stop_against_arrival},
      {"stop_against_arrival_from_outside", stop_against_arrival_from_outside},
      {"under_nohup", under_nohup},
      {"with_a_blocked_signal", with_a_blocked_signal},
      {"ignore_then_die", ignore_then_die},
      {"stop_by_context", stop_by_context},
      {"sleep_for_ever", sleep_for_ever},
      {"fork_and_die", fork_and_die},
  };
  const auto mode = argc > 1 ? modes.find(argv[1]) : modes.end();
  if (mode == modes.end()) return 2;
  mode->second();
}
