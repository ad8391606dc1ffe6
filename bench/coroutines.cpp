// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// The loops of channels.cpp for coroutines: goroutines without a stack, beside the rivals' tasks and
// goroutines.
#include <algorithm>
#include <cstdint>
#include <downhaul/coro.hpp>

#include "scenario.hpp"

namespace dh = downhaul;

namespace {

using numbers = dh::chan<std::int64_t>;

dh::task<> say_done(dh::wait_group& wg) {
  wg.done();
  co_return;
}

dh::task<> spawn_and_join(std::int64_t n, dh::wait_group& all) {
  for (std::int64_t i = 0; i < n; ++i) {
    dh::wait_group one;
    one.add(1);
    dh::go(say_done(one));
    co_await dh::async_wait(one);
  }
  all.done();
}

dh::task<> echo(numbers a, numbers b, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) {
    const auto value = co_await dh::async_recv(a);
    co_await dh::async_send(b, *value);
  }
}

dh::task<> call(numbers a, numbers b, std::int64_t n, dh::wait_group& all) {
  for (std::int64_t i = 0; i < n; ++i) {
    co_await dh::async_send(a, i);
    co_await dh::async_recv(b);
  }
  all.done();
}

// Starts what `start` makes of the group, and waits for it.
template <class Start>
void run(Start start) {
  dh::wait_group all;
  all.add(1);
  dh::go(start(all));
  all.wait();
}

int register_all() {
  using bench::scenario;
  scenario("task_spawn_join_1", "-", [](std::int64_t n) {
    run([n](dh::wait_group& all) { return spawn_and_join(n, all); });
  });
  scenario("task_spawn_join_batch", "1e5", [](std::int64_t n) {
    while (n > 0) {
      const std::int64_t k = std::min<std::int64_t>(n, 100'000);
      n -= k;
      dh::wait_group wg;
      wg.add(k);
      for (std::int64_t i = 0; i < k; ++i) dh::go(say_done(wg));
      wg.wait();
    }
  });
  scenario("task_pingpong", "round trip, 2 unbuffered chans", [](std::int64_t n) {
    auto a = dh::make_chan<std::int64_t>();
    auto b = dh::make_chan<std::int64_t>();
    dh::go(echo(a, b, n));
    run([&](dh::wait_group& all) { return call(a, b, n, all); });
  });
  return 0;
}

[[maybe_unused]] const int registered = register_all();

}  // namespace
