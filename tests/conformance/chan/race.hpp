// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// Two tasks that meet on fresh channels, again and again.
#pragma once

#include <utility>

#include "downhaul/chan.hpp"
#include "support/crew.hpp"

namespace downhaul_test {

/// The next value. Looks for a while before it waits: where each has a processor, both sides of a
/// race then go on at the same time; where they share one, nobody spins for long.
template <class T>
T next_of(const downhaul::chan<T>& ch) {
  for (int i = 0; i < 2000; ++i) {
    if (auto v = ch.try_recv()) return *std::move(v);
  }
  return *ch.recv();
}

/// In each of n rounds one(x) and other(x) run at once, each in a task of its own, on a copy each of
/// what make() returned.
template <class Make, class One, class Other>
void race(place where, int n, Make make, One one, Other other) {
  using arena = decltype(make());
  auto begin = downhaul::make_chan<arena>(1);
  auto end = downhaul::make_chan<int>(1);
  crew c{where};
  c.start([&] {
    for (int i = 0; i < n; ++i) {
      const arena x = make();
      begin.send(x);
      // Every other round it waits until the other has begun.
      for (int k = 0; i % 2 == 0 && k < 100 && begin.size() != 0; ++k) {
      }
      one(x);
      static_cast<void>(next_of(end));
    }
  });
  c.start([&] {
    for (int i = 0; i < n; ++i) {
      const arena x = next_of(begin);
      other(x);
      end.send(i);
    }
  });
}

}  // namespace downhaul_test
