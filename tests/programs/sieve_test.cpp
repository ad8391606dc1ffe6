// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// Two prime sieves. One is a chain of goroutines that grows by one for each prime. The other merges
// the multiples of all primes so far with a heap of channels; the primes it finds are fed back into
// it, through a proxy that grows without bound: without it the loop would hold itself up.

#include <gmock/gmock.h>

#include <cstddef>
#include <deque>
#include <optional>
#include <queue>
#include <vector>

#include "downhaul/downhaul.hpp"
#include "support/crew.hpp"

namespace dh = downhaul;

namespace {

std::vector<int> primes_below(int limit) {
  std::vector<bool> composite(static_cast<std::size_t>(limit));
  std::vector<int> primes;
  for (int i = 2; i < limit; ++i) {
    if (composite[static_cast<std::size_t>(i)]) continue;
    primes.push_back(i);
    for (int m = 2 * i; m < limit; m += i) composite[static_cast<std::size_t>(m)] = true;
  }
  return primes;
}

// --- the chain --------------------------------------------------------------------------------------

void pass_what_is_no_multiple(const dh::context& ctx, const dh::recv_chan<int>& in,
                              const dh::send_chan<int>& out, int prime) {
  while (const auto i = in.recv(ctx)) {
    if (*i % prime != 0) out.send(ctx, *i);
  }
}

// Nobody closes anything: what is still waiting when the caller has enough is cancelled.
std::vector<int> chain_of_filters(const dh::context& parent, int limit) {
  auto [ctx, cancel] = dh::with_cancel(parent);
  auto ch = dh::make_chan<int>();
  dh::go([ctx = ctx, ch] {
    for (int i = 2;; ++i) ch.send(ctx, i);
  });
  std::vector<int> primes;
  for (;;) {
    const int prime = ch.recv().value();
    if (prime >= limit) return primes;
    primes.push_back(prime);
    auto next = dh::make_chan<int>();
    dh::go([ctx = ctx, ch, next, prime] { pass_what_is_no_multiple(ctx, ch, next, prime); });
    ch = next;
  }
}

TEST(programs_sieve, chain_of_filters_finds_the_primes_below_100) {
  EXPECT_EQ(chain_of_filters({}, 100), primes_below(100));
}

TEST(programs_sieve, chain_of_hundreds_of_filters_on_one_and_on_four_workers) {
  const int limit = downhaul_test::rounds(2000);
  for (const int workers : {1, 4}) {
    dh::runtime on{dh::runtime_options{.workers = workers}};
    on.run([&] { EXPECT_EQ(chain_of_filters({}, limit), primes_below(limit)); });
    downhaul_test::wait_until([&] { return on.goroutines() == 0; });
  }
}

// The same with an end: the source closes, and each filter passes that on.
TEST(programs_sieve, chain_that_is_closed_drains_and_ends) {
  const int limit = 500;
  dh::wait_group filters;
  auto ch = dh::make_chan<int>(1);
  filters.go([ch] {
    for (int i = 2; i < limit; ++i) ch.send(i);
    ch.close();
  });
  std::vector<int> primes;
  while (const auto prime = ch.recv()) {
    primes.push_back(*prime);
    auto next = dh::make_chan<int>(static_cast<std::ptrdiff_t>(primes.size() % 3));
    filters.go([ch, next, p = *prime] {
      for (const int i : ch) {
        if (i % p != 0) next.send(i);
      }
      next.close();
    });
    ch = next;
  }
  filters.wait();
  EXPECT_EQ(primes, primes_below(limit));
}

// --- the heap of multiples --------------------------------------------------------------------------

// Everything that comes in goes out, in order, and a sender never waits for the receiver.
void proxy(const dh::context& ctx, const dh::recv_chan<int>& in, const dh::send_chan<int>& out) {
  std::deque<int> held;
  auto more = dh::recv(in);
  for (;;) {
    const dh::send_chan<int> target = held.empty() ? dh::send_chan<int>{} : out;
    const int first = held.empty() ? 0 : held.front();
    if (dh::select(ctx, more, dh::send(target, first)) == 0) {
      held.push_back(more.value().value());
    } else {
      held.pop_front();
    }
  }
}

dh::recv_chan<int> multiples_of(const dh::context& ctx, int prime) {
  auto out = dh::make_chan<int>(prime % 4);
  dh::go([ctx, out, prime] {
    for (int m = prime * prime;; m += prime) out.send(ctx, m);
  });
  return out;
}

// All composites, ascending, each once. A prime is asked for just before its square is due.
void merge_multiples(const dh::context& ctx, const dh::recv_chan<int>& primes,
                     const dh::send_chan<int>& composites) {
  struct head {
    int value;
    dh::recv_chan<int> rest;
    bool operator<(const head& other) const { return value > other.value; }
  };
  std::priority_queue<head> heads;
  int next_prime = primes.recv(ctx).value();
  int last = 0;
  for (;;) {
    while (heads.empty() || heads.top().value >= next_prime * next_prime) {
      const auto source = multiples_of(ctx, next_prime);
      const int square = source.recv(ctx).value();
      heads.push({square, source});
      next_prime = primes.recv(ctx).value();
    }
    head least = heads.top();
    heads.pop();
    if (least.value != last) composites.send(ctx, least.value);
    last = least.value;
    least.value = least.rest.recv(ctx).value();
    heads.push(std::move(least));
  }
}

std::vector<int> heap_of_multiples(int limit) {
  auto [ctx, cancel] = dh::with_cancel({});
  auto found = dh::make_chan<int>(10);
  auto fed_back = dh::make_chan<int>();
  auto relayed = dh::make_chan<int>(5);
  auto composites = dh::make_chan<int>(50);
  dh::go([=, ctx = ctx] { proxy(ctx, fed_back, relayed); });
  dh::go([=, ctx = ctx] { merge_multiples(ctx, relayed, composites); });
  dh::go([=, ctx = ctx] {
    // The merger needs the first two primes before it can say what the first composites are.
    for (const int p : {2, 3}) {
      fed_back.send(ctx, p);
      found.send(ctx, p);
    }
    int composite = composites.recv(ctx).value();
    for (int candidate = 4;; ++candidate) {
      if (candidate == composite) {
        composite = composites.recv(ctx).value();
      } else {
        fed_back.send(ctx, candidate);
        found.send(ctx, candidate);
      }
    }
  });
  std::vector<int> primes;
  for (int p = found.recv().value(); p < limit; p = found.recv().value()) primes.push_back(p);
  return primes;
}

TEST(programs_sieve, heap_of_multiples_finds_the_primes_below_5000) {
  EXPECT_EQ(heap_of_multiples(5000), primes_below(5000));
}

TEST(programs_sieve, heap_of_multiples_on_one_and_on_four_workers) {
  for (const int workers : {1, 4}) {
    dh::runtime on{dh::runtime_options{.workers = workers}};
    on.run([] { EXPECT_EQ(heap_of_multiples(2000), primes_below(2000)); });
    downhaul_test::wait_until([&] { return on.goroutines() == 0; });
  }
}

}  // namespace
