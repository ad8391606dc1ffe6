// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// fork while the library works. In the child: exec, _exit and exit are fine, and so are calls that
// neither start nor wait for anything; whatever does is told "used after fork". The parent goes on.

#include <gtest/gtest.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <functional>
#include <string>

#include "downhaul/after_func.hpp"
#include "downhaul/blocking.hpp"
#include "downhaul/chan.hpp"
#include "downhaul/context.hpp"
#include "downhaul/mutex.hpp"
#include "downhaul/runtime.hpp"
#include "downhaul/select.hpp"
#include "downhaul/signal.hpp"
#include "downhaul/sleep.hpp"
#include "downhaul/timer.hpp"
#include "downhaul/wait_group.hpp"
#include "platform/sanitizer.hpp"
#include "support/crew.hpp"

#if DOWNHAUL_ASAN
// The leak check at exit takes the allocator's locks, and who held them at the fork is not there any
// more: a forked child leaves it out.
extern "C" int __lsan_is_turned_off() {
  static const pid_t checked = ::getpid();
  return ::getpid() != checked;
}
[[maybe_unused]] static const int remembers_the_parent = __lsan_is_turned_off();
#endif

namespace {

using namespace std::chrono_literals;
using namespace downhaul;
using testing::ExitedWithCode;

// Goroutines and timers at work until the end.
class traffic {
 public:
  traffic() {
    for (int i = 0; i < 4; ++i) {
      all_.go([this] {
        while (!over_) {
          select(send(ch_, 1), recv(ch_), recv(after(20us)));
          const auto c = with_timeout(background(), 1h);
          ++turns_;
        }
      });
    }
    wait_for_turns();
  }
  traffic(const traffic&) = delete;
  traffic& operator=(const traffic&) = delete;
  ~traffic() {
    over_ = true;
    all_.wait();
  }
  /// Returns when it has gone on.
  void wait_for_turns() const {
    const long before = turns_;
    while (turns_ < before + 20) yield();
  }

 private:
  chan<int> ch_ = make_chan<int>(2);
  std::atomic<bool> over_{false};
  std::atomic<long> turns_{0};
  wait_group all_;
};

int status_of_child(const std::function<void()>& in_child) {
  const pid_t child = ::fork();
  if (child == 0) {
    in_child();
    ::_exit(0);
  }
  int status = -1;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  return status;
}

void exec(const char* script) {
  ::execl("/bin/sh", "sh", "-c", script, static_cast<char*>(nullptr));
  ::_exit(127);
}

TEST(fork_and_exec, works_while_goroutines_run) {
  traffic work;
  for (int i = 0; i < downhaul_test::rounds(20); ++i) {
    const int status = status_of_child([] { exec("exit 5"); });
    EXPECT_TRUE(WIFEXITED(status));
    EXPECT_EQ(WEXITSTATUS(status), 5);
    work.wait_for_turns();
  }
}

TEST(fork_and_exec, works_on_a_goroutine) {
  traffic work;
  int status = -1;
  wait_group all;
  all.go([&] { status = status_of_child([] { exec("exit 5"); }); });
  all.wait();
  EXPECT_EQ(WEXITSTATUS(status), 5);
}

TEST(fork_and_exec, works_through_system_and_posix_spawn) {
  traffic work;
  wait_group all;
  int status = -1;
  all.go([&] { status = blocking([] { return std::system("exit 6"); }); });
  all.wait();
  EXPECT_EQ(WEXITSTATUS(status), 6);
  work.wait_for_turns();
}

// Who forks for an exec that fails often calls exit.
TEST(a_forked_child, may_exit) {
  const auto child = [] {
    traffic& work = *new traffic;
    static const traffic* reachable = &work;
    for (int i = 0; i < downhaul_test::rounds(50); ++i) {
      const int status = status_of_child([] { std::exit(3); });
      if (!WIFEXITED(status) || WEXITSTATUS(status) != 3) std::_Exit(1);
      reachable->wait_for_turns();
    }
    std::_Exit(0);
  };
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_EXIT(child(), ExitedWithCode(0), "");
}

// A runtime in static storage is destroyed by that exit, too.
TEST(a_forked_child, may_exit_with_a_runtime_of_its_parent) {
  const auto child = [] {
    static runtime rt{{.workers = 2}};
    rt.run([] { yield(); });
    const int status = status_of_child([] { std::exit(3); });
    std::_Exit(WIFEXITED(status) && WEXITSTATUS(status) == 3 ? 0 : 1);
  };
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_EXIT(child(), ExitedWithCode(0), "");
}

TEST(a_forked_child, may_look_and_let_go) {
  const auto parent = with_timeout(background(), 1h);
  auto ch = make_chan<int>(1);
  go([] {});
  while (count_goroutines() != 0) yield();
  const int status = status_of_child([&] {
    if (parent.ctx.err()) ::_exit(1);
    if (!ch.try_send(1) || ch.try_recv() != 1) ::_exit(2);
    const context copy = parent.ctx;
    static_cast<void>(with_value(
        copy,
        [] {
          static constexpr key<int> k{"k"};
          return std::cref(k);
        }()
            .get(),
        1));
    mutex mu;
    mu.lock();
    mu.unlock();
  });
  EXPECT_EQ(status, 0);
}

TEST(a_forked_child, is_told_when_it_starts_or_waits) {
  const auto uses = [](const char* what, const std::function<void()>& use) {
    const auto child = [&use] {
      go([] {});
      while (count_goroutines() != 0) yield();
      const int status = status_of_child(use);
      std::_Exit(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT ? 0 : 1);
    };
    SCOPED_TRACE(what);
    testing::FLAGS_gtest_death_test_style = "threadsafe";
    EXPECT_EXIT(child(), ExitedWithCode(0), "fatal error: used after fork");
  };
  uses("go", [] { go([] {}); });
  uses("run", [] { run([] {}); });
  uses("recv", [] { make_chan<int>().recv(); });
  uses("send", [] { make_chan<int>().send(1); });
  uses("select", [] {
    auto a = make_chan<int>();
    select(recv(a), send(a, 1));
  });
  uses("lock", [] {
    mutex mu;
    mu.lock();
    mu.lock();
  });
  uses("wait_group", [] {
    wait_group all;
    all.go([] {});
  });
  uses("blocking", [] { blocking([] {}); });
  uses("signals", [] { const signal_channel c{SIGUSR1}; });
  uses("after_func", [] {
    const auto c = with_cancel(background());
    const auto r = after_func(c.ctx, [] {});
  });
  uses("a timer with a function", [] { const timer t{1h, [] {}}; });
}

}  // namespace
