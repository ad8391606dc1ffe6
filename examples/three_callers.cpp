// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// A thread, a goroutine and a coroutine, in select on the same two channels and the same context.
#include <downhaul/downhaul.hpp>

#include <iostream>
#include <optional>
#include <thread>

namespace dh = downhaul;

constexpr int values_each = 1'000;

// What blocks: for a thread and for a goroutine.
void gather(const dh::context& ctx, dh::recv_chan<int> left, dh::recv_chan<int> right,
            dh::send_chan<int> out) {
  for (;;) {
    std::optional<int> v;
    switch (dh::select(dh::recv(ctx.done()), dh::recv(left, v), dh::recv(right, v))) {
      case 0: return;
      default: out.send(*v);
    }
  }
}

// The same, awaited. The result gets a name: GCC 12 miscompiles a co_await in a condition.
dh::task<> gather_as_task(dh::context ctx, dh::recv_chan<int> left, dh::recv_chan<int> right,
                          dh::send_chan<int> out) {
  for (;;) {
    std::optional<int> v;
    const int which =
        co_await dh::async_select(dh::recv(ctx.done()), dh::recv(left, v), dh::recv(right, v));
    switch (which) {
      case 0: co_return;
      default: co_await dh::async_send(out, *v);
    }
  }
}

int main() {
  auto [ctx, cancel] = dh::with_cancel(dh::background());
  const auto left = dh::make_chan<int>();
  const auto right = dh::make_chan<int>(10);
  const auto out = dh::make_chan<int>();

  std::thread thread{[=, c = ctx] { gather(c, left, right, out); }};
  dh::go([=, c = ctx] { gather(c, left, right, out); });
  dh::go(gather_as_task(ctx, left, right, out));

  dh::go([left] {
    for (int i = 0; i < values_each; ++i) left.send(1);
  });
  dh::go([right]() -> dh::task<> {
    for (int i = 0; i < values_each; ++i) co_await dh::async_send(right, 1);
  });

  int sum = 0;
  for (int i = 0; i < 2 * values_each; ++i) sum += *out.recv();
  std::cout << "gathered: " << sum << '\n';

  cancel();  // ends all three
  thread.join();
  while (dh::count_goroutines() != 0) dh::yield();
  std::cout << "all have ended\n";
}

// Output:
//   gathered: 2000
//   all have ended
