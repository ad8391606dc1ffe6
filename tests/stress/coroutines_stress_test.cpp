// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// ORACLE: a ledger. Threads, goroutines, tasks and coroutines of another type select on the same two channels
// below one context, each offering a value and willing to take one. In the end the values received and those
// left in the channels are, by number and by sum, those that were sent; and everybody has ended.

#include <gtest/gtest.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "downhaul/downhaul.hpp"
#include "stress/length.hpp"
#include "support/leaves_nothing.hpp"
#include "support/plain_coroutine.hpp"

namespace dh = downhaul;
using downhaul_test::plain_coroutine;

namespace {

enum class kind { thread, goroutine, task, foreign, foreign_on_waker };
constexpr kind all_kinds[] = {kind::thread, kind::goroutine, kind::task, kind::foreign,
                              kind::foreign_on_waker};

struct table {
  dh::context ctx;
  dh::cancel_func stop;
  dh::chan<std::uint64_t> a;
  dh::chan<std::uint64_t> b;
  std::uint64_t limit;  // receives, after which it ends
  std::atomic<std::uint64_t> sent{0};
  std::atomic<std::uint64_t> sent_sum{0};
  std::atomic<std::uint64_t> received{0};
  std::atomic<std::uint64_t> received_sum{0};
  std::atomic<std::uint64_t> next{1};
  std::atomic<int> players{0};

  void note(int which, const std::optional<std::uint64_t>& got, std::uint64_t offered) {
    if (which == 2) {
      ++sent;
      sent_sum += offered;
      return;
    }
    received_sum += *got;
    if (++received >= limit) stop();
  }
};

void play(table& t, std::uint64_t seed) {
  std::mt19937_64 rng{seed};
  for (;;) {
    std::error_code ec;
    std::optional<std::uint64_t> got;
    const std::uint64_t mine = t.next++;
    const auto& out = rng() % 2 == 0 ? t.a : t.b;
    const int which =
        dh::select(t.ctx, ec, dh::recv(t.a, got), dh::recv(t.b, got), dh::send(out, mine));
    if (ec) break;
    t.note(which, got, mine);
  }
  --t.players;
}

dh::task<> play_as_task(table& t, std::uint64_t seed) {
  std::mt19937_64 rng{seed};
  for (;;) {
    std::error_code ec;
    std::optional<std::uint64_t> got;
    const std::uint64_t mine = t.next++;
    const auto& out = rng() % 2 == 0 ? t.a : t.b;
    const int which = co_await dh::async_select(t.ctx, ec, dh::recv(t.a, got), dh::recv(t.b, got),
                                                dh::send(out, mine));
    if (ec) break;
    t.note(which, got, mine);
  }
  --t.players;
}

plain_coroutine play_as_foreign(table& t, std::uint64_t seed, dh::resume_on where) {
  std::mt19937_64 rng{seed};
  for (;;) {
    std::error_code ec;
    std::optional<std::uint64_t> got;
    const std::uint64_t mine = t.next++;
    const auto& out = rng() % 2 == 0 ? t.a : t.b;
    const int which = co_await dh::async_select(t.ctx, ec, dh::recv(t.a, got), dh::recv(t.b, got),
                                                dh::send(out, mine))
                          .on(where);
    if (ec) break;
    t.note(which, got, mine);
  }
  --t.players;
}

class players {
 public:
  explicit players(table& t) : table_{t} {}
  ~players() {
    for (std::thread& t : threads_) t.join();
    for (const plain_coroutine& c : foreign_) {
      downhaul_test::wait_until([&] { return c.done(); });
    }
    downhaul_test::wait_until([&] { return table_.players.load() == 0; });
  }

  void add(kind what, std::uint64_t seed) {
    ++table_.players;
    switch (what) {
      case kind::thread: threads_.emplace_back([this, seed] { play(table_, seed); }); break;
      case kind::goroutine: dh::go([this, seed] { play(table_, seed); }); break;
      case kind::task: dh::go(play_as_task(table_, seed)); break;
      case kind::foreign:
        foreign_.push_back(play_as_foreign(table_, seed, dh::resume_on::runtime()));
        break;
      case kind::foreign_on_waker:
        foreign_.push_back(play_as_foreign(table_, seed, dh::resume_on::waker()));
        break;
    }
  }

 private:
  table& table_;
  std::vector<std::thread> threads_;
  std::vector<plain_coroutine> foreign_;
};

void settle(table& t) {
  while (const auto left = t.a.try_recv()) {
    ++t.received;
    t.received_sum += *left;
  }
  while (const auto left = t.b.try_recv()) {
    ++t.received;
    t.received_sum += *left;
  }
  EXPECT_EQ(t.sent.load(), t.received.load());
  EXPECT_EQ(t.sent_sum.load(), t.received_sum.load());
}

class stress_coroutines : public downhaul_test::leaves_nothing {};

void storm(const std::vector<kind>& who, std::uint64_t limit, std::mt19937_64& rng) {
  auto [ctx, cancel] = dh::with_cancel(dh::background());
  table t{.ctx = ctx,
          .stop = dh::cancel_func{cancel},
          .a = dh::make_chan<std::uint64_t>(),
          .b = dh::make_chan<std::uint64_t>(static_cast<std::ptrdiff_t>(rng() % 3)),
          .limit = limit};
  {
    players all{t};
    for (const kind k : who) all.add(k, rng());
  }
  settle(t);
}

// Every two kinds, alone with each other.
TEST_F(stress_coroutines, every_pairing_exchanges_values) {
  std::mt19937_64 rng{downhaul_test::seed()};
  const auto limit = static_cast<std::uint64_t>(downhaul_test::rounds(2'000));
  for (const kind left : all_kinds) {
    for (const kind right : all_kinds) {
      SCOPED_TRACE(std::to_string(static_cast<int>(left)) + " with " +
                   std::to_string(static_cast<int>(right)));
      storm({left, right}, limit, rng);
    }
  }
}

TEST_F(stress_coroutines, all_kinds_together) {
  std::mt19937_64 rng{downhaul_test::seed()};
  const auto limit = static_cast<std::uint64_t>(downhaul_test::rounds(20'000));
  const downhaul_test::deadline_of_test end;
  do {
    std::vector<kind> who;
    for (int i = 0; i < 3; ++i) who.insert(who.end(), std::begin(all_kinds), std::end(all_kinds));
    storm(who, limit, rng);
  } while (!end.over());
}

}  // namespace
