// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors

#include "downhaul/pin.hpp"

#include <gtest/gtest.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include "downhaul/chan.hpp"
#include "downhaul/go.hpp"
#include "support/test_runtime.hpp"

namespace {

using downhaul::go;
using downhaul::go_options;
using downhaul::make_chan;
using downhaul::pin;
using downhaul_test::test_runtime;

// Not inlined: a compiler may keep the address of a thread-local across a wait.
[[gnu::noinline]] int& counter_of_thread() {
  thread_local int counter = 0;
  asm volatile("" ::: "memory");
  return counter;
}

// std::this_thread::get_id() is declared const: compilers reuse its result across a wait.
pid_t this_thread_id() { return static_cast<pid_t>(::syscall(SYS_gettid)); }

TEST(pin, does_nothing_on_a_plain_thread) {
  const auto before = this_thread_id();
  const pin p;
  EXPECT_EQ(this_thread_id(), before);
}

TEST(pin, gives_a_thread_of_its_own_that_stays_across_waits) {
  test_runtime rt{2};
  auto in = make_chan<int>();
  auto out = make_chan<int>();
  rt.go([in, out] {
    const pin p;
    const auto own = this_thread_id();
    while (auto v = in.recv()) {
      ++counter_of_thread();
      downhaul::yield();
      EXPECT_EQ(this_thread_id(), own);
      out.send(counter_of_thread());
    }
  });
  rt.run([&] {
    for (int i = 1; i <= 200; ++i) {
      in.send(i);
      EXPECT_EQ(out.recv(), i);
    }
    in.close();
  });
}

TEST(pin, nests) {
  test_runtime rt{1};
  rt.run([] {
    const auto worker = this_thread_id();
    {
      const pin outer;
      const auto own = this_thread_id();
      EXPECT_NE(own, worker);
      {
        const pin inner;
        EXPECT_EQ(this_thread_id(), own);
      }
      downhaul::yield();
      EXPECT_EQ(this_thread_id(), own);
    }
    EXPECT_EQ(this_thread_id(), worker);
  });
}

TEST(pin, leaves_the_worker_to_others) {
  test_runtime rt{1};
  std::atomic<bool> other_ran{false};
  rt.go([&] {
    const pin p;
    while (!other_ran) std::this_thread::yield();  // blocks its thread, and nobody else
  });
  rt.go([&] { other_ran = true; });
}

TEST(pin, what_a_pinned_goroutine_starts_runs_on_the_workers) {
  test_runtime rt{1};
  std::atomic<bool> elsewhere{false};
  rt.run([&] {
    const pin p;
    auto done = make_chan<void>();
    const auto own = this_thread_id();
    go([&elsewhere, done, own] {
      elsewhere = this_thread_id() != own;
      done.send();
    });
    done.recv();
  });
  EXPECT_TRUE(elsewhere);
}

TEST(pinned_option, is_for_life_and_the_thread_ends_with_the_goroutine) {
  test_runtime rt{1};
  auto turn = make_chan<void>();
  pid_t first = 0;
  rt.go(go_options{.pinned = true, .name = "pinned"}, [&, turn] {
    first = this_thread_id();
    {
      const pin p;
      EXPECT_EQ(this_thread_id(), first);
    }
    turn.recv();
    EXPECT_EQ(this_thread_id(), first);
  });
  rt.run_until_parked();
  turn.send();
}

TEST(pinned_option, two_pinned_goroutines_talk) {
  test_runtime rt{1};
  auto there = make_chan<int>();
  auto back = make_chan<int>();
  rt.go(go_options{.pinned = true}, [=] {
    for (int i = 0; i < 200; ++i) {
      there.send(i);
      EXPECT_EQ(back.recv(), i);
    }
    there.close();
  });
  rt.go(go_options{.pinned = true}, [=] {
    while (auto v = there.recv()) back.send(*v);
  });
  rt.run_until_parked();
}

TEST(pinned_option, context_error_ends_it_quietly) {
  test_runtime rt{1};
  rt.go(go_options{.pinned = true},
        [] { throw downhaul::context_error{downhaul::errc::canceled}; });
}

}  // namespace
