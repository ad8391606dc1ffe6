// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// Selects against each other: one case each, at one instant, and nothing lost on the way.

#include <gmock/gmock.h>

#include <array>
#include <atomic>
#include <chrono>
#include <memory>
#include <random>
#include <vector>

#include "downhaul/select.hpp"
#include "support/crew.hpp"
#include "support/seed.hpp"
#include "wait/wait_reason.hpp"

namespace dh = downhaul;
using downhaul::impl::wait_reason;
using downhaul_test::crew;
using downhaul_test::give_way;
using downhaul_test::place;
using downhaul_test::rounds;
using downhaul_test::wait_until;

namespace {

class select_race : public testing::TestWithParam<place> {
 protected:
  // Threads cost a futex where goroutines cost a switch.
  static int scaled(int n) { return rounds(GetParam() == place::goroutines ? n : n / 10); }
  crew c{GetParam()};
};
INSTANTIATE_TEST_SUITE_P(, select_race, testing::ValuesIn(downhaul_test::all_places),
                         testing::PrintToStringParamName());

// The first channel is ready; the second becomes so before the first ceases to be. A select that
// does not wait must find one of them. As many rounds as half a second has room for, at most `n`.
template <class Second>
void expect_never_otherwise(crew& c, int n, Second becomes_ready) {
  dh::chan<int> first;
  dh::chan<int> second;
  std::atomic<int> begun{0};
  std::atomic<int> ended{0};
  std::atomic<bool> stop{false};
  int misses = 0;
  c.start([&] {
    for (int i = 1;; ++i) {
      wait_until([&] { return begun >= i || stop; });
      if (begun < i) break;
      misses += dh::select(dh::recv(first), dh::recv(second), dh::otherwise) == 2 ? 1 : 0;
      ended = i;
    }
  });
  const auto limit = std::chrono::steady_clock::now() + std::chrono::milliseconds{500};
  for (int i = 1; i <= n && std::chrono::steady_clock::now() < limit; ++i) {
    first = dh::make_chan<int>(1);
    second = dh::make_chan<int>(1);
    first.send(1);
    const auto mine1 = first;
    const auto mine2 = second;
    begun = i;
    becomes_ready(mine2);
    dh::select(dh::recv(mine1), dh::otherwise);
    wait_until([&] { return ended >= i; });
  }
  stop = true;
  c.join();
  EXPECT_EQ(misses, 0) << "in " << begun << " rounds";
}

TEST_P(select_race, never_takes_otherwise_when_a_send_overlaps) {
  expect_never_otherwise(c, 100'000, [](const dh::chan<int>& ch) { ch.send(1); });
}
TEST_P(select_race, never_takes_otherwise_when_a_close_overlaps) {
  expect_never_otherwise(c, 100'000, [](const dh::chan<int>& ch) { ch.close(); });
}

// A value goes from one channel to the other and back, and is in the next before it leaves the last. To
// look at one channel after the other, once each, would miss it now and then. As many rounds as a
// third of a second has room for, at most `n`.
TEST_P(select_race, never_misses_a_value_that_moves_between_its_channels) {
  auto one = dh::make_chan<int>(1);
  auto other = dh::make_chan<int>(1);
  one.send(0);
  std::atomic<bool> stop{false};
  c.start([&] {
    for (int i = 1; !stop; ++i) {
      other.send(i);
      one.recv();
      one.send(i);
      other.recv();
      if (i % 64 == 0) give_way();
    }
  });
  int misses = 0;
  const int n = scaled(200'000);
  const auto limit = std::chrono::steady_clock::now() + std::chrono::milliseconds{330};
  int i = 0;
  for (; i < n && std::chrono::steady_clock::now() < limit; ++i) {
    // What it finds goes back to where it was, so that the other one need not wait long.
    switch (dh::select(dh::recv(one), dh::recv(other), dh::otherwise)) {
      case 0: one.send(i); break;
      case 1: other.send(i); break;
      default: ++misses;
    }
    if (i % 64 == 0) give_way();
  }
  stop = true;
  c.join();
  EXPECT_EQ(misses, 0) << "in " << i << " rounds";
}

// One sending select over four channels: no value arrives twice, none is lost.
TEST_P(select_race, sends_each_value_once) {
  const int n = scaled(100'000);
  std::array<dh::chan<int>, 4> channels;
  for (auto& ch : channels) ch = dh::make_chan<int>();
  auto out = dh::make_chan<int>();
  c.start([&] {
    for (int i = 0; i < n; ++i) {
      dh::select(dh::send(channels[0], i), dh::send(channels[1], i), dh::send(channels[2], i),
                 dh::send(channels[3], i));
    }
    for (auto& ch : channels) ch.close();
  });
  std::atomic<int> open{4};
  for (const auto& ch : channels) {
    c.start([&open, ch, out] {
      for (const int v : ch) out.send(v);
      if (--open == 0) out.close();
    });
  }
  std::vector<int> seen(static_cast<std::size_t>(n));
  for (const int v : out) ++seen[static_cast<std::size_t>(v)];
  EXPECT_THAT(seen, testing::Each(1));
  c.join();
}

// Two that send and receive on the same channel, in either order of cases, against each other.
TEST_P(select_race, never_receives_what_it_sent_itself) {
  for (const std::ptrdiff_t capacity : {0, 10}) {
    auto ch = dh::make_chan<int>(capacity);
    std::atomic<int> own{0};
    std::atomic<int> running{2};
    crew both{GetParam()};
    for (int me = 0; me < 2; ++me) {
      both.start([&, me] {
        for (int i = 0; i < scaled(10'000); ++i) {
          std::optional<int> v;
          // The last one alone would wait for ever.
          const auto alone = [&] { return running < 2; };
          if (me == 0 || i % 2 == 0) {
            if (alone()) break;
            dh::select(dh::send(ch, me), dh::recv(ch, v));
          } else {
            if (alone()) break;
            dh::select(dh::recv(ch, v), dh::send(ch, me));
          }
          if (v == me) ++own;
        }
        --running;
        // Frees the other, which may be parked in its last select.
        for (;;) {
          if (running == 0) break;
          static_cast<void>(ch.try_recv());
          give_way();
        }
      });
    }
    both.join();
    if (capacity == 0) {
      EXPECT_EQ(own, 0);
    }
  }
}

// Plain senders and receivers and a sending and a receiving select over the same four channels.
TEST_P(select_race, stress) {
  const int n = scaled(100'000);
  std::array<dh::chan<int>, 4> channels{dh::make_chan<int>(), dh::make_chan<int>(),
                                        dh::make_chan<int>(2), dh::make_chan<int>(3)};
  std::atomic<long> sum{0};
  for (const auto& ch : channels) {
    c.start([ch, n] {
      for (int i = 0; i < n; ++i) ch.send(1);
    });
    c.start([ch, n, &sum] {
      long got = 0;
      for (int i = 0; i < n; ++i) got += *ch.recv();
      sum += got;
    });
  }
  c.start([channels, n]() mutable {
    std::array<int, 4> sent{};
    for (int i = 0; i < 4 * n; ++i) {
      const int fired = dh::select(dh::send(channels[3], 1), dh::send(channels[2], 1),
                                   dh::send(channels[0], 1), dh::send(channels[1], 1));
      constexpr std::array<std::size_t, 4> at{3, 2, 0, 1};
      const std::size_t which = at[static_cast<std::size_t>(fired)];
      if (++sent[which] == n) channels[which] = {};
    }
  });
  c.start([channels, n, &sum]() mutable {
    std::array<int, 4> received{};
    long got = 0;
    for (int i = 0; i < 4 * n; ++i) {
      const auto add = [&](std::optional<int> v) { got += *v; };
      const int fired = dh::select(dh::recv(channels[0], add), dh::recv(channels[1], add),
                                   dh::recv(channels[2], add), dh::recv(channels[3], add));
      const auto which = static_cast<std::size_t>(fired);
      if (++received[which] == n) channels[which] = {};
    }
    sum += got;
  });
  c.join();
  EXPECT_EQ(sum, 8L * n);
  for (const auto& ch : channels) EXPECT_EQ(ch.size(), 0);
}

// Many partners reach for one parked select at once: one gets it, the others go on waiting.
TEST_P(select_race, elects_one_of_many_partners) {
  constexpr std::size_t partners = 4;
  for (int i = 0; i < scaled(5'000); ++i) {
    std::array<dh::chan<int>, partners> channels;
    for (auto& ch : channels) ch = dh::make_chan<int>();
    std::array<std::optional<int>, partners> got;
    int fired = -1;
    crew all{GetParam()};
    const auto select = all.start([&] {
      fired = dh::select(dh::recv(channels[0], got[0]), dh::recv(channels[1], got[1]),
                         dh::recv(channels[2], got[2]), dh::recv(channels[3], got[3]));
    });
    if (i % 2 == 0) all.wait_until_parked(select, wait_reason::select);
    std::atomic<int> sent{0};
    for (std::size_t k = 0; k < partners; ++k) {
      all.start([&, k] {
        channels[k].send(static_cast<int>(k));
        ++sent;
      });
    }
    auto rest = static_cast<int>(partners) - 1;
    for (std::size_t k = 0; rest > 0; k = (k + 1) % partners) {
      if (auto v = channels[k].try_recv()) {
        ASSERT_EQ(v, static_cast<int>(k));
        --rest;
      } else {
        give_way();
      }
    }
    all.join();
    ASSERT_EQ(sent, static_cast<int>(partners));
    ASSERT_EQ(got[static_cast<std::size_t>(fired)], fired);
  }
}

// Frames that are gone as soon as select has returned: a waker must not touch them any more.
[[gnu::noinline]] int wait_in_a_short_frame(const dh::chan<int>& a, const dh::chan<int>& b) {
  std::optional<int> v;
  auto on_a = dh::recv(a);
  dh::select(on_a, dh::recv(b, v));
  return on_a.fired() ? *on_a.value() : *v;
}
[[gnu::noinline]] void overwrite_the_stack() {
  volatile char rubbish[2048];
  for (auto& byte : rubbish) byte = 0x5a;
}

TEST_P(select_race, touches_no_frame_that_has_returned) {
  const int n = scaled(20'000);
  auto a = dh::make_chan<int>();
  auto b = dh::make_chan<int>();
  c.start([=] {
    for (int i = 0; i < n; ++i) a.send(i);
  });
  c.start([=] {
    for (int i = 0; i < n; ++i) dh::select(dh::send(b, i), dh::recv(dh::chan<int>{}));
  });
  long sum = 0;
  for (int i = 0; i < 2 * n; ++i) {
    sum += wait_in_a_short_frame(a, b);
    overwrite_the_stack();
  }
  EXPECT_EQ(sum, static_cast<long>(n) * (n - 1));
}

// Many wait on one channel and on one of their own; each is woken through its own.
TEST_P(select_race, leaves_a_popular_channel_from_anywhere_in_its_queue) {
  const std::size_t n = GetParam() == place::goroutines ? 1000 : 30;
  auto popular = dh::make_chan<int>();
  std::vector<dh::chan<int>> own;
  for (std::size_t i = 0; i < n; ++i) own.push_back(dh::make_chan<int>());
  std::atomic<int> by_own{0};
  std::atomic<int> by_popular{0};
  for (std::size_t i = 0; i < n; ++i) {
    c.start([&, i] {
      while (dh::select(dh::recv(popular), dh::recv(own[i])) == 1) ++by_own;
      ++by_popular;
    });
  }
  for (std::size_t i = 0; i < n; ++i) c.wait_until_parked(i, wait_reason::select);
  for (std::size_t i = 0; i < n; ++i) own[i * 7919 % n].send(1);
  for (std::size_t i = 0; i < n; ++i) popular.send(1);
  c.join();
  EXPECT_EQ(by_own, static_cast<int>(n));
  EXPECT_EQ(by_popular, static_cast<int>(n));
}

// Anything against anything: random operations on few channels; in the end all that was sent and
// not received is still queued.
TEST_P(select_race, conserves_values_in_a_random_crowd) {
  const std::array<dh::chan<int>, 3> channels{dh::make_chan<int>(), dh::make_chan<int>(1),
                                              dh::make_chan<int>(4)};
  std::atomic<long> balance{0};
  std::atomic<int> working{6};
  auto stop = dh::make_chan<void>();
  for (unsigned t = 0; t < 6; ++t) {
    c.start([&, t] {
      std::mt19937_64 random{downhaul_test::seed() + t};
      long mine = 0;
      const auto got = [&](std::optional<int> v) { mine -= v.value_or(0); };
      for (int i = 0; i < scaled(20'000); ++i) {
        const auto& x = channels[random() % 3];
        const auto& y = channels[random() % 3];
        const int v = static_cast<int>(random() % 1000) + 1;
        switch (random() % 6) {
          case 0: mine += x.try_send(v) ? v : 0; break;
          case 1: mine -= x.try_recv().value_or(0); break;
          case 2: dh::select(dh::send(x, v, [&] { mine += v; }), dh::recv(y, got)); break;
          case 3:
            dh::select(dh::recv(x, got), dh::recv(y, got), dh::send(x, v, [&] { mine += v; }));
            break;
          case 4:
            dh::select(dh::send(x, v, [&] { mine += v; }), dh::otherwise,
                       dh::send(y, v, [&] { mine += v; }));
            break;
          default:
            dh::select(dh::recv(x, got), dh::recv(y, got), dh::recv(stop),
                       dh::send(y, v, [&] { mine += v; }));
        }
      }
      balance += mine;
      --working;
    });
  }
  // The last ones may wait for partners that have ended.
  while (working > 0) {
    for (const auto& ch : channels) {
      balance -= ch.try_recv().value_or(0);
      if (ch.try_send(1)) balance += 1;
    }
    give_way();
  }
  c.join();
  for (const auto& ch : channels) {
    while (auto v = ch.try_recv()) balance -= *v;
  }
  EXPECT_EQ(balance, 0);
}

}  // namespace
