// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// conformance/context/contexts.hpp — what the tests of contexts ask.
//
// Idea       is_closed(ctx.done()), cause_of(ctx) == "canceled", race(rounds, prepare, check, f, g).
// Ownership  none.
// Threads    the test's own, but for race, which starts some.
#pragma once

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <deque>
#include <exception>
#include <memory>
#include <random>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "downhaul/chan.hpp"
#include "downhaul/context.hpp"
#include "downhaul/context_base.hpp"
#include "downhaul/select.hpp"
#include "downhaul/testing/manual_clock.hpp"
#include "support/context_links.hpp"
#include "support/crew.hpp"
#include "support/seed.hpp"
#include "support/user_contexts.hpp"

namespace downhaul_test {

inline constexpr downhaul::key<int> number_key{"number"};
inline constexpr downhaul::key<std::string> name_key{"name"};

inline std::error_code canceled() { return downhaul::errc::canceled; }
inline std::error_code late() { return downhaul::errc::deadline_exceeded; }
/// A cause with a text.
inline std::runtime_error because(const char* text) { return std::runtime_error{text}; }

/// Whether a receive would return at once, told by one that does not wait.
inline bool is_closed(const downhaul::recv_chan<void>& done) {
  std::error_code ec;
  return !done.try_recv(ec) && !ec;
}

/// "none"; "canceled" or "late" where the cause is what err() says; else the text of the exception.
inline std::string cause_of(const downhaul::context& ctx) {
  const std::exception_ptr cause = ctx.cause();
  if (cause == nullptr) return "none";
  try {
    std::rethrow_exception(cause);
  } catch (const downhaul::context_error& e) {
    if (e.code() == canceled()) return "canceled";
    return e.code() == late() ? "late" : e.code().message();
  } catch (const std::exception& e) {
    return e.what();
  }
}

/// Not ended, by all that can be asked.
inline bool is_open(const downhaul::context& ctx) {
  return !is_closed(ctx.done()) && !ctx.err() && ctx.cause() == nullptr;
}
/// Ended with `err`, by all that can be asked.
inline bool has_ended(const downhaul::context& ctx, std::error_code err) {
  return is_closed(ctx.done()) && ctx.err() == err && ctx.cause() != nullptr;
}

/// Time stands still on the thread of the test unless it is told to go on.
class by_hand {
 public:
  downhaul::manual_clock clock;

  downhaul::time_point in(std::chrono::nanoseconds d) const { return clock.now() + d; }
  template <class Rep, class Period>
  void pass(std::chrono::duration<Rep, Period> d) {
    clock.advance(d);
  }
  std::size_t timers() { return clock.pending(); }

 private:
  downhaul::use_clock here_{clock};
};

/// Hot, so as to be near; but not for as long as the other one has no CPU.
template <class Condition>
void spin_until(Condition holds) {
  for (int i = 0; !holds(); ++i) {
    if (i > 200) std::this_thread::yield();
  }
}

/// `n` rounds, each with a State of its own: prepare(state), then first(state) here and each of
/// others(state) on a thread of its own at once, then check(state). Rounds come in batches: all states of
/// one are prepared before and checked after it, and the parties go through it side by side, none waiting
/// for long for one that has no CPU.
template <class State, class Prepare, class Check, class First, class... Others>
void race(int n, Prepare prepare, Check check, First first, Others... others) {
  constexpr std::size_t batch_size = 100;
  constexpr std::size_t parties = 1 + sizeof...(others);
  std::deque<State> batch;
  std::atomic<int> turn{0};
  std::atomic<std::size_t> ended{0};
  struct alignas(64) step {
    std::atomic<std::size_t> at{0};
  };
  std::array<step, parties> steps;
  const auto run = [&](std::size_t me, std::minstd_rand& random, auto& party) {
    for (std::size_t i = 0; i < batch.size(); ++i) {
      steps[me].at = i;
      for (int patience = 300; patience > 0; --patience) {
        bool together = true;
        for (const step& other : steps) together = together && other.at >= i;
        if (together) break;
      }
      const auto drawn = static_cast<unsigned>(random() % 64);
      if (drawn == 0) std::this_thread::yield();  // on one CPU it is the other's turn
      for (volatile unsigned k = drawn; k > 0;) k = k - 1;
      party(batch[i]);
    }
    steps[me].at = batch.size();
  };
  const auto seat = [&](std::size_t me, auto& party) {
    return std::thread{[&, me] {
      std::minstd_rand random{static_cast<unsigned>(seed() + me)};
      for (int now = 1;; ++now) {
        spin_until([&] { return turn >= now || turn < 0; });
        if (turn < 0) return;
        run(me, random, party);
        ++ended;
      }
    }};
  };
  std::vector<std::thread> threads;
  std::size_t number = 0;
  (threads.push_back(seat(++number, others)), ...);
  std::minstd_rand random{static_cast<unsigned>(seed())};
  for (int done = 0, now = 1; done < n; ++now) {
    for (; batch.size() < batch_size && done < n; ++done) prepare(batch.emplace_back());
    for (step& s : steps) s.at = 0;
    ended = 0;
    turn = now;
    run(0, random, first);
    spin_until([&] { return ended == parties - 1; });
    for (State& s : batch) check(s);
    batch.clear();
  }
  turn = -1;
  for (std::thread& t : threads) t.join();
}

/// Runs f() on a goroutine with the smallest stack that may be asked for, and waits for its end.
template <class F>
void on_small_stack(F f) {
  downhaul::go_options small;
  small.stack = std::size_t{64} * 1024;
  std::atomic<bool> ended{false};
  downhaul::go(small, [&] {
    f();
    ended = true;
  });
  wait_until([&] { return ended.load(); });
}

}  // namespace downhaul_test
