// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// Threads, mappings and guards that the system refuses. The system calls are refused by definitions
// of their wrappers in this program, which a sanitizer would not bear: there only the choice of the
// guard is tested.

#include <dlfcn.h>
#include <gtest/gtest.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <system_error>
#include <thread>

#include "downhaul/blocking.hpp"
#include "downhaul/chan.hpp"
#include "downhaul/context.hpp"
#include "downhaul/pin.hpp"
#include "downhaul/runtime.hpp"
#include "downhaul/signal.hpp"
#include "downhaul/timer.hpp"
#include "downhaul/wait_group.hpp"
#include "platform/sanitizer.hpp"
#include "platform/stack.hpp"

namespace {

constinit std::atomic<bool> no_threads{false};
constinit std::atomic<bool> no_mappings{false};
constinit std::atomic<bool> no_guard_regions{false};
constinit std::atomic<bool> no_mprotect{false};

}  // namespace

#if !DOWNHAUL_ASAN && !DOWNHAUL_TSAN
extern "C" {
int pthread_create(pthread_t* id, const pthread_attr_t* attributes, void* (*entry)(void*),
                   void* arg) {
  if (no_threads) return EAGAIN;
  using function = int (*)(pthread_t*, const pthread_attr_t*, void* (*)(void*), void*);
  static const auto next = reinterpret_cast<function>(::dlsym(RTLD_NEXT, "pthread_create"));
  return next(id, attributes, entry, arg);
}
void* mmap(void* at, std::size_t size, int protection, int flags, int fd, off_t offset) noexcept {
  if (no_mappings && (flags & MAP_STACK) != 0) {
    errno = ENOMEM;
    return MAP_FAILED;
  }
  return reinterpret_cast<void*>(::syscall(SYS_mmap, at, size, protection, flags, fd, offset));
}
int madvise(void* at, std::size_t size, int advice) noexcept {
  constexpr int guard_install = 102;
  if (no_guard_regions && advice == guard_install) {
    errno = EINVAL;
    return -1;
  }
  return static_cast<int>(::syscall(SYS_madvise, at, size, advice));
}
int mprotect(void* at, std::size_t size, int protection) noexcept {
  if (no_mprotect) {
    errno = ENOMEM;
    return -1;
  }
  return static_cast<int>(::syscall(SYS_mprotect, at, size, protection));
}
}
#endif

namespace {

using namespace std::chrono_literals;
using namespace downhaul;
using downhaul::impl::guard_in_force;
using downhaul::impl::guard_kind;
using testing::ExitedWithCode;
using testing::KilledBySignal;

class refused : public testing::Test {
 protected:
  void SetUp() override {
    testing::FLAGS_gtest_death_test_style = "threadsafe";
    if (DOWNHAUL_ASAN || DOWNHAUL_TSAN) GTEST_SKIP() << "the sanitizer has these wrappers";
  }
};

struct refusal {
  explicit refusal(std::atomic<bool>& what) : what_{what} { what_ = true; }
  ~refusal() { what_ = false; }
  std::atomic<bool>& what_;
};

void check(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "not so: %s\n", what);
  std::_Exit(1);
}

TEST_F(refused, a_thread_for_blocking) {
  runtime rt{{.workers = 1}};
  rt.run([] {
    int ran = 0;
    std::error_code why;
    {
      const refusal none{no_threads};
      try {
        blocking([&] { ++ran; });
      } catch (const std::system_error& e) {
        why = e.code();
      }
    }
    EXPECT_EQ(why, std::errc::resource_unavailable_try_again);
    EXPECT_EQ(ran, 0);
    blocking([&] { ++ran; });
    EXPECT_EQ(ran, 1);
  });
}

TEST_F(refused, a_thread_for_an_interrupt) {
  runtime rt{{.workers = 1}};
  rt.run([] {
    const auto c = with_cancel(background());
    auto running = make_chan<void>(1);
    auto interrupted = make_chan<void>(1);
    std::atomic<bool> ended{false};
    int interrupts = 0;
    wait_group canceller;
    canceller.go([&] {
      running.recv();
      no_threads = true;
      c.cancel();
    });
    blocking(
        c.ctx,
        [&] {
          running.send();
          interrupted.recv();
          ended = true;
        },
        [&] {
          ++interrupts;
          interrupted.send();
        });
    no_threads = false;
    EXPECT_TRUE(ended);
    EXPECT_EQ(interrupts, 1);
    canceller.wait();
  });
}

TEST_F(refused, a_thread_for_a_pin) {
  runtime rt{{.workers = 1}};
  rt.run([] {
    bool told = false;
    {
      const refusal none{no_threads};
      try {
        const pin own;
      } catch (const std::system_error&) {
        told = true;
      }
    }
    EXPECT_TRUE(told);
    yield();
    const pin own;
    yield();
  });
}

TEST_F(refused, a_thread_for_the_signals) {
  const auto child = [] {
    const auto handler = [] {
      struct sigaction now{};
      ::sigaction(SIGUSR1, nullptr, &now);
      return now.sa_handler;
    };
    bool told = false;
    try {
      const refusal none{no_threads};
      const signal_channel c{SIGUSR1};
    } catch (const std::system_error&) {
      told = true;
    }
    check(told, "the subscriber is told");
    check(handler() == SIG_DFL, "nothing was installed");
    signal_channel c{SIGUSR1};
    ::raise(SIGUSR1);
    check(c.recv() == SIGUSR1, "it works afterwards");
    std::_Exit(0);
  };
  EXPECT_EXIT(child(), ExitedWithCode(0), "");
}

TEST_F(refused, a_thread_for_a_worker_ends_the_program) {
  const auto child = [] {
    no_threads = true;
    go([] {});
  };
  EXPECT_EXIT(child(), KilledBySignal(SIGABRT), "fatal error: ");
}

TEST_F(refused, a_thread_for_a_pinned_goroutine_ends_the_program) {
  const auto child = [] {
    run([] {
      no_threads = true;
      go(go_options{.pinned = true}, [] {});
    });
  };
  EXPECT_EXIT(child(), KilledBySignal(SIGABRT),
              "fatal error: cannot start a thread for a pinned goroutine: downhaul: cannot start a "
              "thread: Resource temporarily unavailable");
}

TEST_F(refused, a_thread_for_the_watch_ends_the_program) {
  const auto child = [] {
    no_threads = true;
    const timer t{1h};
  };
  EXPECT_EXIT(child(), KilledBySignal(SIGABRT),
              "fatal error: downhaul: cannot start the thread that watches the clock");
}

TEST_F(refused, a_mapping_for_a_stack_ends_the_program) {
  const auto child = [] {
    run([] {
      no_mappings = true;
      auto never = make_chan<void>();
      for (int i = 0; i < 100; ++i) go([never] { never.recv(); });
      yield();
    });
  };
  EXPECT_EXIT(child(), KilledBySignal(SIGABRT),
              "fatal error: out of memory: no stack for a goroutine");
}

TEST_F(refused, address_space_ends_the_program) {
  const auto child = [] {
    run([] {
      rlimit limit{};
      limit.rlim_cur = limit.rlim_max = rlim_t{400} << 20;
      ::setrlimit(RLIMIT_AS, &limit);
      auto never = make_chan<void>();
      for (int i = 0; i < 10'000; ++i) {
        go([never] { never.recv(); });
        if (i % 100 == 0) yield();
      }
      yield();
    });
  };
  EXPECT_EXIT(child(), KilledBySignal(SIGABRT),
              "fatal error: out of memory: no stack for a goroutine");
}

TEST_F(refused, guard_regions_make_room_for_mprotect) {
  const auto child = [] {
    no_guard_regions = true;
    check(guard_in_force() == guard_kind::mprotect, "it can be asked");
    impl::stack_pool pool{64 * 1024};
    impl::stack* const s = pool.acquire();
    check(s->guard == guard_kind::mprotect, "it is what a stack gets");
    pool.release(s);
    run([] { yield(); });
    std::_Exit(0);
  };
  EXPECT_EXIT(child(), ExitedWithCode(0), "");
}

TEST_F(refused, mprotect_makes_room_for_the_canary) {
  const auto child = [] {
    no_guard_regions = true;
    no_mprotect = true;
    impl::stack_pool pool{64 * 1024};
    impl::stack* const s = pool.acquire();
    check(s->guard == guard_kind::canary, "it is what a stack gets");
    check(impl::canary_intact(*s), "and it is whole");
    check(guard_in_force() == guard_kind::canary, "it can be asked");
    pool.release(s);
    run([] {
      wait_group all;
      for (int i = 0; i < 100; ++i) all.go([] { yield(); });
      all.wait();
    });
    std::_Exit(0);
  };
  EXPECT_EXIT(child(), ExitedWithCode(0), "");
}

// As where the process has as many mappings as it may: what was guarded goes, and there is room again.
TEST_F(refused, mprotect_is_tried_again_when_stacks_have_gone) {
  const auto child = [] {
    no_guard_regions = true;
    {
      impl::stack_pool first{64 * 1024};
      impl::stack* const guarded = first.acquire();
      check(guarded->guard == guard_kind::mprotect, "there is room for one");
      no_mprotect = true;
      impl::stack* const bare = first.acquire();
      check(bare->guard == guard_kind::canary, "and not for two");
      first.release(bare);
      first.release(guarded);
    }
    no_mprotect = false;
    impl::stack_pool second{64 * 1024};
    impl::stack* const s = second.acquire();
    check(s->guard == guard_kind::mprotect, "there is room again");
    second.release(s);
    std::_Exit(0);
  };
  EXPECT_EXIT(child(), ExitedWithCode(0), "");
}

}  // namespace
