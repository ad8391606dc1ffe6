// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// The end of runtimes and of the process. Each test is a process of its own; under the leak checker
// its exit status also says that nothing was lost.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "downhaul/blocking.hpp"
#include "downhaul/chan.hpp"
#include "downhaul/pin.hpp"
#include "downhaul/runtime.hpp"

namespace {

using downhaul::go;
using downhaul::make_chan;
using downhaul::runtime;
using downhaul::runtime_options;
using testing::ExitedWithCode;

class exit_test : public testing::Test {
 protected:
  void SetUp() override { testing::FLAGS_gtest_death_test_style = "threadsafe"; }
};

void check(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "not so: %s\n", what);
  std::_Exit(1);
}

// Parked goroutines whose stacks alone know of some heap memory.
void park_some(int n, const downhaul::chan<int>& never) {
  auto started = make_chan<void>();
  for (int i = 0; i < n; ++i) {
    go([never, started] {
      const auto kept = std::make_unique<std::vector<int>>(1'000);
      started.send();
      never.recv();
    });
  }
  for (int i = 0; i < n; ++i) started.recv();
}

TEST_F(exit_test, with_goroutines_parked) {
  const auto child = [] {
    park_some(100, make_chan<int>());
    std::exit(0);
  };
  EXPECT_EXIT(child(), ExitedWithCode(0), "");
}

TEST_F(exit_test, from_a_goroutine) {
  const auto child = [] {
    auto never = make_chan<int>();
    park_some(10, never);
    go([] { std::exit(7); });
    never.recv();
  };
  EXPECT_EXIT(child(), ExitedWithCode(7), "");
}

TEST_F(exit_test, from_a_pinned_goroutine) {
  const auto child = [] {
    go([] {
      const downhaul::pin own;
      std::exit(7);
    });
    make_chan<int>().recv();
  };
  EXPECT_EXIT(child(), ExitedWithCode(7), "");
}

TEST_F(exit_test, from_main_inside_run) {
  const auto child = [] {
    downhaul::run([] {
      park_some(10, make_chan<int>());
      std::exit(7);
    });
  };
  EXPECT_EXIT(child(), ExitedWithCode(7), "");
}

TEST_F(exit_test, while_goroutines_run) {
  const auto child = [] {
    std::atomic<bool>& stop = *new std::atomic<bool>{false};
    static std::atomic<bool>* reachable = &stop;
    auto started = make_chan<void>();
    for (int i = 0; i < 8; ++i) {
      go([started] {
        started.send();
        while (!*reachable) downhaul::yield();
      });
    }
    for (int i = 0; i < 8; ++i) started.recv();
    std::exit(0);
  };
  EXPECT_EXIT(child(), ExitedWithCode(0), "");
}

TEST_F(exit_test, waits_at_most_a_tenth_of_a_second_for_who_computes) {
  const auto child = [] {
    auto started = make_chan<void>();
    go([started] {
      started.send();
      for (volatile bool for_ever = true; for_ever;) {
      }
    });
    started.recv();
    std::exit(0);
  };
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_EXIT(child(), ExitedWithCode(0), "");
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds{5});
}

TEST_F(exit_test, static_objects_are_destroyed_after_the_workers_stopped) {
  const auto child = [] {
    struct tells {
      ~tells() {
        park();
        std::fputs("destroyed\n", stderr);
      }
      void park() const { check(downhaul::count_goroutines() == 1, "one goroutine is abandoned"); }
    };
    static const tells last;
    park_some(1, make_chan<int>());
    std::exit(0);
  };
  EXPECT_EXIT(child(), ExitedWithCode(0), "destroyed");
}

TEST_F(exit_test, a_runtime_that_ends_abandons_parked_goroutines) {
  const auto child = [] {
    static std::atomic<bool> unwound{false};
    auto never = make_chan<int>();
    {
      runtime rt{runtime_options{.workers = 2}};
      rt.run([never] {
        auto started = make_chan<void>();
        go([never, started] {
          struct tells {
            ~tells() { unwound = true; }
          } const t;
          const auto kept = std::make_unique<int>(1);
          started.send();
          never.recv();
        });
        go([never, started] {
          const downhaul::pin own;
          started.send();
          never.recv();
        });
        started.recv();
        started.recv();
      });
    }
    check(downhaul::list_goroutines().size() == 2, "abandoned goroutines are listed");
    // A late wake-up is dropped.
    never.close();
    check(!unwound, "abandoned goroutines are not unwound");
    std::exit(0);
  };
  EXPECT_EXIT(child(), ExitedWithCode(0), "");
}

TEST_F(exit_test, a_runtime_that_ends_during_a_blocking_call_drops_its_end) {
  const auto child = [] {
    static std::atomic<int> stage{0};
    {
      runtime rt{runtime_options{.workers = 1}};
      rt.go([] {
        downhaul::blocking([] {
          stage = 1;
          while (stage != 2) std::this_thread::yield();
        });
      });
      while (stage != 1) std::this_thread::yield();
    }
    stage = 2;
    std::exit(0);
  };
  EXPECT_EXIT(child(), ExitedWithCode(0), "");
}

TEST_F(exit_test, a_runtime_must_not_be_destroyed_by_its_own_goroutine) {
  const auto child = [] {
    auto* rt = new runtime{runtime_options{.workers = 1}};
    rt->run([&] { delete rt; });
  };
  EXPECT_DEATH(child(), "runtime destroyed by one of its own goroutines");
}

TEST_F(exit_test, a_child_after_fork_must_not_spawn_or_park) {
  const auto child = [](auto use) {
    auto done = make_chan<void>();
    go([done] { done.send(); });
    done.recv();
    const pid_t pid = ::fork();
    if (pid == 0) {
      use();
      std::_Exit(0);
    }
    int status = 0;
    ::waitpid(pid, &status, 0);
    std::_Exit(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT ? 0 : 1);
  };
  EXPECT_EXIT(child([] { go([] {}); }), ExitedWithCode(0), "used after fork");
  EXPECT_EXIT(child([] { make_chan<int>().recv(); }), ExitedWithCode(0), "used after fork");
}

TEST_F(exit_test, a_child_forked_by_a_goroutine_must_not_park) {
  const auto child = [] {
    auto result = make_chan<int>();
    go([result] {
      const pid_t pid = ::fork();
      if (pid == 0) {
        downhaul::yield();
        std::_Exit(0);
      }
      int status = 0;
      ::waitpid(pid, &status, 0);
      result.send(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT ? 0 : 1);
    });
    std::exit(*result.recv());
  };
  EXPECT_EXIT(child(), ExitedWithCode(0), "used after fork");
}

}  // namespace
