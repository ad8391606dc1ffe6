// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// A program that ends itself: exit_child <how> <where> [load]. See exit_test.cpp.

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <functional>
#include <string_view>
#include <thread>

#include <unistd.h>

#include "downhaul/after_func.hpp"
#include "downhaul/blocking.hpp"
#include "downhaul/chan.hpp"
#include "downhaul/context.hpp"
#include "downhaul/mutex.hpp"
#include "downhaul/pin.hpp"
#include "downhaul/runtime.hpp"
#include "downhaul/select.hpp"
#include "downhaul/signal.hpp"
#include "downhaul/sleep.hpp"
#include "downhaul/ticker.hpp"
#include "downhaul/timer.hpp"
#include "downhaul/wait_group.hpp"

namespace {

using namespace std::chrono_literals;
using namespace downhaul;

constexpr int status = 7;

[[noreturn]] void end(std::string_view how) {
  if (how == "exit") std::exit(status);
  if (how == "quick_exit") std::quick_exit(status);
  if (how == "_exit") ::_exit(status);
  if (how == "terminate") std::terminate();
  std::_Exit(99);
}

[[noreturn]] void wait_for_ever() {
  make_chan<void>().recv();
  std::_Exit(98);
}

// Everything at once, for ever, on objects that the end of the process leaves alone.
void load() {
  static auto& mu = *new mutex;
  static auto& ch = *new chan<int>{make_chan<int>(4)};
  static auto& top = *new cancelable{with_cancel(background())};
  std::atomic<int> running{0};
  for (int i = 0; i < 4; ++i) {
    go([&running] {
      ++running;
      for (;;) {
        select(send(ch, 1), recv(ch), recv(after(1us)));
        auto c = with_timeout(top.ctx, 1h);
        const auto r = after_func(c.ctx, [] {});
        c.cancel();
        mu.lock();
        yield();
        mu.unlock();
      }
    });
  }
  go([&running] {
    ++running;
    for (;;) {
      blocking([] { std::this_thread::yield(); });
      const pin own;
      yield();
    }
  });
  go([&running] {
    ++running;
    const ticker beat{50us};
    for (;;) beat.chan().recv();
  });
  // Plain threads that use the library until the very end.
  for (int i = 0; i < 2; ++i) {
    std::thread{[&running] {
      ++running;
      for (;;) {
        select(send(ch, 2), recv(ch));
        const auto c = with_timeout(top.ctx, 1h);
      }
    }}.detach();
  }
  while (running != 8) std::this_thread::yield();
}

// Constructed before the first goroutine: destroyed after the workers were stopped.
struct at_the_end {
  std::string_view how;
  ~at_the_end() {
    if (!how.empty()) end(how);
  }
};
at_the_end last_object;

void end_at(std::string_view where, std::string_view how) {
  const auto ends = [how] { end(how); };
  if (where == "main") ends();
  if (where == "thread") {
    std::thread{ends}.detach();
    wait_for_ever();
  }
  if (where == "goroutine") {
    go(ends);
    wait_for_ever();
  }
  if (where == "pinned") {
    go(go_options{.pinned = true}, ends);
    wait_for_ever();
  }
  if (where == "run") run(ends);
  if (where == "own_runtime") {
    static runtime* const rt = new runtime{{.workers = 2}};
    rt->go(ends);
    wait_for_ever();
  }
  if (where == "callback" || where == "in_place") {
    const auto c = with_cancel(background());
    registration r = where == "callback"
                         ? after_func(c.ctx, ends)
                         : after_func(inplace, c.ctx, [how]() noexcept { end(how); });
    c.cancel();
    wait_for_ever();
  }
  if (where == "deadline") {
    const auto c = with_timeout(background(), 1ms);
    const auto r = after_func(inplace, c.ctx, [how]() noexcept { end(how); });
    wait_for_ever();
  }
  if (where == "timer") {
    const timer t{1ms, ends};
    wait_for_ever();
  }
  if (where == "blocking") {
    go([ends] { blocking(ends); });
    wait_for_ever();
  }
  if (where == "signal") {
    go([ends] {
      signal_channel c{SIGTERM};
      ::raise(SIGTERM);
      c.recv();
      ends();
    });
    wait_for_ever();
  }
  if (where == "static") {
    last_object.how = how;
    std::exit(0);
  }
  std::_Exit(97);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) return 96;
  const std::string_view how = argv[1];
  const std::string_view where = argv[2];
  if (argc > 3) load();
  if (how == "return") {
    if (argc <= 3) go([] { wait_for_ever(); });
    return status;
  }
  end_at(where, how);
  return 95;
}
