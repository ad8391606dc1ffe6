// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// ORACLE: each goroutine that was started has a number, and raises the count of that number once. When
// all is quiet each count is 1: none was lost and none ran twice. Of a runtime that was stopped with work
// in flight: each count is 0 or 1, and from the moment ~runtime has returned none of them changes any more;
// what was registered there and becomes due afterwards runs on the default runtime, once.
//
// Goroutines are started from many threads at once, by goroutines, on several runtimes; runtimes are
// started and stopped while their goroutines run, wait, sleep and start others.

#include <gmock/gmock.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <random>
#include <thread>
#include <vector>

#include "downhaul/downhaul.hpp"
#include "stress/length.hpp"

namespace dh = downhaul;
using namespace std::chrono_literals;
using downhaul_test::deadline_of_test;
using downhaul_test::random_source;

namespace {

using ledger = std::vector<std::atomic<int>>;

void expect_each_once(const ledger& ran) {
  for (std::size_t i = 0; i < ran.size(); ++i) ASSERT_EQ(ran[i], 1) << "goroutine " << i;
}

constexpr std::size_t threads = 4;
constexpr std::size_t each = 300;
constexpr std::size_t below = 4;  // each goroutine starts so many

class stress_goroutines : public testing::TestWithParam<int> {};
INSTANTIATE_TEST_SUITE_P(workers, stress_goroutines, testing::Values(1, 4),
                         testing::PrintToStringParamName());

TEST_P(stress_goroutines, started_from_many_threads_run_once_each) {
  const deadline_of_test end{0.5};
  dh::runtime on{dh::runtime_options{.workers = GetParam()}};
  for (std::uint64_t round = 0; !end.over() && !HasFailure(); ++round) {
    ledger ran(threads * each * (below + 1));
    {
      dh::wait_group all;
      std::vector<std::thread> starters;
      for (std::size_t t = 0; t < threads; ++t) {
        starters.emplace_back([&, t] {
          auto rng = random_source(round * 10 + t);
          for (std::size_t i = 0; i < each; ++i) {
            const std::size_t number = (t * each + i) * (below + 1);
            const auto body = [&all, &ran, number, how = rng() % 3] {
              ++ran[number];
              for (std::size_t k = 1; k <= below; ++k) {
                all.go([&ran, number, k, how] {
                  if (how == 0) dh::yield();
                  if (how == 1) dh::sleep(1us);
                  ++ran[number + k];
                });
              }
            };
            // Half of them by go() itself, into the runtime from outside.
            if (rng() % 2 == 0) {
              all.add();
              on.go([&all, body] {
                body();
                all.done();
              });
            } else {
              all.go(body);
            }
          }
        });
      }
      for (auto& t : starters) t.join();
      all.wait();
    }
    expect_each_once(ran);
  }
  while (on.goroutines() != 0) std::this_thread::yield();
}

TEST_P(stress_goroutines, tell_each_other_across_runtimes_and_threads) {
  const deadline_of_test end{0.5};
  dh::runtime one{dh::runtime_options{.workers = GetParam()}};
  dh::runtime two{dh::runtime_options{.workers = 1}};
  for (std::uint64_t round = 0; !end.over() && !HasFailure(); ++round) {
    constexpr int n = 200;
    const auto there = dh::make_chan<int>(static_cast<std::ptrdiff_t>(round % 3));
    const auto back = dh::make_chan<int>();
    ledger seen(n);
    one.go([=] {
      for (int i = 0; i < n; ++i) there.send(i);
      there.close();
    });
    two.go([=] {
      for (const int v : there) back.send(v);
      back.close();
    });
    std::thread reader{[&, back] {
      for (const int v : back) ++seen[static_cast<std::size_t>(v)];
    }};
    reader.join();
    expect_each_once(seen);
  }
  while (one.goroutines() + two.goroutines() != 0) std::this_thread::yield();
}

// Nothing is left running: what was in flight is cancelled first.
TEST_P(stress_goroutines, runtimes_come_and_go_with_their_work_done) {
  const deadline_of_test end{0.5};
  for (std::uint64_t round = 0; !end.over() && !HasFailure(); ++round) {
    auto rng = random_source(round);
    ledger ran(64);
    std::atomic<int> prepared{0};
    std::optional<dh::runtime> on;
    on.emplace(dh::runtime_options{.workers = GetParam()});
    auto [ctx, cancel] = dh::with_cancel({});
    for (std::size_t i = 0; i < ran.size(); ++i) {
      on->go([&ran, ctx = ctx, i, how = rng() % 3] {
        std::error_code ec;
        if (how == 0) dh::sleep(ctx, 1h, ec);
        if (how == 1) dh::make_chan<int>().recv(ctx, ec);
        if (how == 2) dh::yield();
        ++ran[i];
      });
    }
    // A callback and a timer of this runtime, due when it is gone: they run on the default one.
    dh::registration later;
    std::optional<dh::timer> due;
    auto [late, end_late] = dh::with_cancel({});
    on->run([&, late = late] {
      later = dh::after_func(late, [&] { ++prepared; });
      due.emplace(24h, [&] { ++prepared; });
    });
    if (rng() % 2 == 0) downhaul_test::give_way();
    cancel();
    while (on->goroutines() != 0) std::this_thread::yield();
    on.reset();
    expect_each_once(ran);
    end_late();
    due->reset(0s);
    while (prepared < 2) downhaul_test::give_way();
    due.reset();
  }
}

// The work is left as it is. What had not ended is abandoned, and its memory kept: so not for ever.
TEST_P(stress_goroutines, a_stopped_runtime_runs_nothing_any_more) {
  const deadline_of_test end{0.5};
  constexpr std::uint64_t most = 300;
  for (std::uint64_t round = 0; round < most && !end.over() && !HasFailure(); ++round) {
    auto rng = random_source(round);
    // What an abandoned goroutine refers to has to stay.
    struct state {
      ledger ran = ledger(40);
      std::atomic<long> steps{0};
    };
    auto* const s = new state;
    static std::vector<std::unique_ptr<state>> kept;
    kept.emplace_back(s);
    const auto ch = dh::make_chan<int>();
    {
      dh::runtime on{dh::runtime_options{.workers = GetParam()}};
      for (std::size_t i = 0; i < s->ran.size(); ++i) {
        on.go([s, ch, i, how = rng() % 5] {
          ++s->ran[i];
          for (;;) {
            ++s->steps;
            switch (how) {
              case 0: dh::yield(); break;
              case 1: ch.send(1); break;
              case 2: ch.recv(); break;
              case 3: dh::sleep(5us); break;
              case 4: return;
            }
          }
        });
      }
      const auto some = static_cast<long>(rng() % 200);
      while (s->steps < some) std::this_thread::yield();
    }
    const long steps = s->steps;
    std::vector<int> ran;
    for (const auto& r : s->ran) ran.push_back(r);
    for (const int r : ran) ASSERT_TRUE(r == 0 || r == 1);
    // Others may still want to wake them.
    while (ch.try_send(2) || ch.try_recv()) {
    }
    for (int i = 0; i < 10; ++i) std::this_thread::yield();
    ASSERT_EQ(s->steps, steps) << "a goroutine went on after the end of its runtime";
    for (std::size_t i = 0; i < ran.size(); ++i) ASSERT_EQ(s->ran[i], ran[i]);
  }
}

}  // namespace
