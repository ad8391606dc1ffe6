// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// What is to happen when a context ends: a function that then runs in a goroutine of its own.
// The registration can take it back, and at the end of its scope it does.
#include <downhaul/downhaul.hpp>

#include <iostream>
#include <mutex>

namespace dh = downhaul;
using namespace std::chrono_literals;

// Waiting on a condition that knows nothing of contexts: the callback wakes the waiter.
void wait_for_stock(const dh::context& ctx, dh::mutex& mutex, dh::condition_variable& changed,
                    const int& stock) {
  const dh::registration wake = dh::after_func(ctx, [&] {
    const std::lock_guard lock{mutex};
    changed.notify_all();
  });
  std::unique_lock lock{mutex};
  while (stock == 0 && !ctx.err()) changed.wait(lock);
  std::cout << (stock ? "in stock" : ctx.reason()) << '\n';
}

int main() {
  {
    auto [ctx, cancel] = dh::with_cancel(dh::background());
    auto ran = dh::make_chan<void>();
    const dh::registration said = dh::after_func(ctx, [ran] { ran.send(); });
    cancel();
    ran.recv();
    std::cout << "ran; stop() comes too late: " << std::boolalpha << !said.stop() << '\n';
  }
  {
    auto [ctx, cancel] = dh::with_cancel(dh::background());
    dh::registration never = dh::after_func(ctx, [] { std::cout << "this is not printed\n"; });
    std::cout << "stop() prevented it: " << never.stop() << '\n';
    cancel();
  }
  {
    // In place: on the goroutine or thread that cancels, before cancel() returns.
    auto [ctx, cancel] = dh::with_cancel(dh::background());
    bool ran = false;
    const dh::registration at_once =
        dh::after_func(dh::inplace, ctx, [&]() noexcept { ran = true; });
    cancel();
    std::cout << "in place, ran when cancel() is back: " << ran << '\n';
  }
  {
    dh::mutex mutex;
    dh::condition_variable changed;
    const int stock = 0;
    auto [ctx, cancel] = dh::with_timeout(dh::background(), 100ms);
    wait_for_stock(ctx, mutex, changed, stock);
  }
}

// Output:
//   ran; stop() comes too late: true
//   stop() prevented it: true
//   in place, ran when cancel() is back: true
//   context deadline exceeded
