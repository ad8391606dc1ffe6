// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// Tasks: they await each other and everything else that can be waited for; a cancel ends them.
#include <downhaul/downhaul.hpp>

#include <chrono>
#include <iostream>
#include <optional>
#include <string>

namespace dh = downhaul;
using namespace std::chrono_literals;

dh::task<int> worker(dh::context ctx, dh::chan<int> in) {
  std::optional<int> v;
  const int which = co_await dh::async_select(dh::recv(ctx.done()), dh::recv(in, v));
  co_await dh::async_sleep(10ms);
  co_return which == 1 && v ? *v : 0;
}

dh::task<> sum_of_two(dh::context ctx, dh::chan<int> in, dh::chan<int> out) {
  const int first = co_await worker(ctx, in);
  const int second = co_await worker(ctx, in);
  co_await dh::async_send(out, first + second);
}

int main() {
  auto [ctx, cancel] = dh::with_cancel(dh::background());
  const auto in = dh::make_chan<int>();
  const auto out = dh::make_chan<int>();

  dh::go(sum_of_two(ctx, in, out));
  in.send(40);
  in.send(2);
  std::cout << "the sum: " << *out.recv() << '\n';

  // A lambda is kept by go() until its task has ended, with what it has captured.
  dh::wait_group ended;
  ended.go([in, name = std::string{"a task"}, c = ctx]() -> dh::task<> {
    std::error_code ec;
    co_await dh::async_recv(c, in, ec);
    std::cout << name << ": " << ec.message() << '\n';
    const int answer = co_await dh::async_blocking([] { return 42; });  // on a thread of its own
    std::cout << name << ": " << answer << '\n';
  });
  cancel();
  ended.wait();

  dh::group_of<int> doubles{dh::background()};
  for (const int n : {6, 7}) {
    doubles.go([n](const dh::context& within) -> dh::task<int> {
      co_await dh::async_sleep(within, 1ms);
      co_return 2 * n;
    });
  }
  for (const int twice : doubles.wait()) std::cout << "twice: " << twice << '\n';
}

// Output:
//   the sum: 42
//   a task: context canceled
//   a task: 42
//   twice: 12
//   twice: 14
