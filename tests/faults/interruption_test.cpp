// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// Signals whose handler does not restart system calls, sent to all threads all the time.
// Oracle: no wait returns before its time or without its reason; what is sent arrives once, in order.

#include <dirent.h>
#include <gtest/gtest.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <mutex>
#include <optional>
#include <system_error>
#include <thread>
#include <vector>

#include "downhaul/blocking.hpp"
#include "downhaul/chan.hpp"
#include "downhaul/condition_variable.hpp"
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
#include "support/crew.hpp"

namespace {

using namespace std::chrono_literals;
using namespace downhaul;
using downhaul_test::crew;
using downhaul_test::place;
using downhaul_test::rounds;

constinit std::atomic<long> handled{0};

class storm {
 public:
  storm() {
    struct sigaction action{};
    action.sa_handler = [](int) { handled.fetch_add(1, std::memory_order_relaxed); };
    ::sigemptyset(&action.sa_mask);
    action.sa_flags = SA_ONSTACK;  // not SA_RESTART. On a goroutine's stack there is little room
    ::sigaction(SIGUSR2, &action, &before_);
    handled = 0;
    sender_ = std::thread{[this] { send(); }};
    while (handled < 10) std::this_thread::yield();
  }
  storm(const storm&) = delete;
  storm& operator=(const storm&) = delete;
  ~storm() {
    over_ = true;
    sender_.join();
    // What is on its way still finds the handler: it stays.
  }

 private:
  void send() {
    sigset_t mine;
    ::sigemptyset(&mine);
    ::sigaddset(&mine, SIGUSR2);
    ::pthread_sigmask(SIG_BLOCK, &mine, nullptr);
    const pid_t process = ::getpid();
    const auto self = static_cast<pid_t>(::syscall(SYS_gettid));
    while (!over_) {
      DIR* const tasks = ::opendir("/proc/self/task");
      ASSERT_NE(tasks, nullptr);
      while (const dirent* const task = ::readdir(tasks)) {
        const int id = std::atoi(task->d_name);
        if (id > 0 && id != self) ::syscall(SYS_tgkill, process, id, SIGUSR2);
      }
      ::closedir(tasks);
      ::usleep(100);  // real clock: else nobody gets to do anything but handle signals
    }
  }

  struct sigaction before_{};
  std::atomic<bool> over_{false};
  std::thread sender_;
};

class interruption : public testing::TestWithParam<place> {};
INSTANTIATE_TEST_SUITE_P(, interruption, testing::ValuesIn(downhaul_test::all_places),
                         testing::PrintToStringParamName());

TEST_P(interruption, no_sleep_is_short) {
  const storm blows;
  crew c{GetParam()};
  std::atomic<int> wrong{0};
  for (int k = 0; k < 4; ++k) {
    c.start([&, k] {
      for (int i = 0; i < 10; ++i) {
        const auto wanted = std::chrono::microseconds{700 * (k + 1)};
        const auto begin = std::chrono::steady_clock::now();
        sleep(wanted);
        if (std::chrono::steady_clock::now() - begin < wanted) ++wrong;
      }
    });
  }
  c.join();
  EXPECT_EQ(wrong, 0);
}

TEST_P(interruption, a_deadline_ends_a_wait_at_its_time_and_not_before) {
  const storm blows;
  crew c{GetParam()};
  std::atomic<int> early{0};
  std::atomic<int> other{0};
  for (int k = 0; k < 4; ++k) {
    c.start([&, k] {
      auto never = make_chan<int>();
      mutex taken;
      taken.lock();
      wait_group busy;
      busy.add();
      for (int i = 0; i < 8; ++i) {
        const auto d = with_timeout(background(), std::chrono::microseconds{900 * (k + 1)});
        std::error_code ec;
        switch (i % 4) {
          case 0: never.recv(d.ctx, ec); break;
          case 1: taken.lock(d.ctx, ec); break;
          case 2: busy.wait(d.ctx, ec); break;
          default: select(d.ctx, ec, recv(never), send(never, 1));
        }
        if (ec != errc::deadline_exceeded) ++other;
        if (now() < *d.ctx.deadline()) ++early;
      }
      taken.unlock();
      busy.done();
    });
  }
  c.join();
  EXPECT_EQ(early, 0);
  EXPECT_EQ(other, 0);
}

TEST_P(interruption, what_is_sent_arrives_once_and_in_order) {
  const storm blows;
  const int n = rounds(3'000);
  auto there = make_chan<int>();
  auto back = make_chan<int>(3);
  std::atomic<int> wrong{0};
  crew c{GetParam()};
  c.start([&] {
    for (int i = 0; i < n; ++i) there.send(i);
    there.close();
  });
  c.start([&] {
    for (const int v : there) back.send(v);
    back.close();
  });
  c.start([&] {
    int expected = 0;
    for (const int v : back) wrong += v == expected++ ? 0 : 1;
    if (expected != n) ++wrong;
  });
  c.join();
  EXPECT_EQ(wrong, 0);
}

TEST_P(interruption, locks_and_conditions_hold) {
  const storm blows;
  const int n = rounds(500);
  mutex mu;
  condition_variable changed;
  int turn = 0;
  int together = 0;
  crew c{GetParam()};
  for (int k = 0; k < 3; ++k) {
    c.start([&, k] {
      for (int i = 0; i < n; ++i) {
        std::unique_lock lock{mu};
        changed.wait(lock, [&] { return turn % 3 == k; });
        ++turn;
        ++together;
        changed.notify_all();
      }
    });
  }
  c.join();
  EXPECT_EQ(together, 3 * n);
}

TEST(interruptions, timers_and_tickers_fire_at_their_time) {
  const storm blows;
  for (int i = 0; i < 20; ++i) {
    const auto begin = now();
    const timer t{1ms};
    const std::optional<time_point> at = t.chan().recv();
    EXPECT_GE(now() - begin, 1ms);
    EXPECT_GE(*at - begin, 1ms);
  }
  const ticker beat{1ms};
  auto last = *beat.chan().recv();
  for (int i = 0; i < 20; ++i) {
    const auto at = *beat.chan().recv();
    EXPECT_GE(at - last, 1ms);
    EXPECT_LE(at, now());
    last = at;
  }
}

// The caller's own system calls see the signal; the library's waiting for them does not.
TEST(interruptions, blocking_returns_when_its_function_does) {
  const storm blows;
  wait_group all;
  std::atomic<int> interrupted{0};
  std::atomic<int> wrong{0};
  for (int k = 0; k < 4; ++k) {
    all.go([&] {
      for (int i = 0; i < 10; ++i) {
        bool ended = false;
        const int got = blocking([&] {
          while (::usleep(2'000) == 0) {  // real clock: until a signal comes
          }
          interrupted += errno == EINTR ? 1 : 0;
          ended = true;
          return i;
        });
        if (got != i || !ended) ++wrong;
      }
    });
  }
  all.wait();
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(interrupted, 40);
}

TEST(interruptions, pinned_goroutines_and_runtimes_that_come_and_go) {
  const storm blows;
  for (int i = 0; i < rounds(30); ++i) {
    runtime rt{{.workers = 2}};
    int sum = 0;
    rt.run([&] {
      auto ch = make_chan<int>();
      go([ch] {
        const pin own;
        for (int v = 1; v <= 10; ++v) ch.send(v);
        ch.close();
      });
      for (const int v : ch) sum += v;
    });
    EXPECT_EQ(sum, 55);
  }
}

TEST(interruptions, subscriptions_come_and_go) {
  const storm blows;
  for (int i = 0; i < rounds(50); ++i) {
    signal_channel c{SIGUSR1};
    ::raise(SIGUSR1);
    EXPECT_EQ(c.recv(), SIGUSR1);
  }
}

}  // namespace
