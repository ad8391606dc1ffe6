// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// Stages joined by channels. Each send and each receive takes the context: when it ends, the wait
// throws, the goroutine ends, and that is all there is to stopping a pipeline.
#include <downhaul/downhaul.hpp>

#include <iostream>

namespace dh = downhaul;

void numbers(dh::wait_group& wg, const dh::context& ctx, const dh::send_chan<int>& out, int last) {
  wg.go([=] {
    dh::defer end{[&] { out.close(); }};
    for (int i = 1; i <= last; ++i) out.send(ctx, i);
  });
}

// Four goroutines share the work; the last one out closes the door.
void squares(dh::wait_group& wg, const dh::context& ctx, const dh::recv_chan<int>& in,
             const dh::send_chan<long>& out) {
  wg.go([=] {
    dh::wait_group workers;
    for (int i = 0; i < 4; ++i) {
      workers.go([=] {
        while (auto v = in.recv(ctx)) out.send(ctx, static_cast<long>(*v) * *v);
      });
    }
    workers.wait();
    out.close();
  });
}

int main() {
  dh::wait_group wg;
  {
    auto [ctx, cancel] = dh::with_cancel(dh::background());
    auto in = dh::make_chan<int>();
    auto out = dh::make_chan<long>();
    numbers(wg, ctx, in, 1000);
    squares(wg, ctx, in, out);
    long sum = 0;
    for (long square : out) sum += square;
    wg.wait();
    std::cout << "1 + 4 + 9 + ... + 1000000 = " << sum << '\n';
  }
  {
    auto [ctx, cancel] = dh::with_cancel(dh::background());
    auto in = dh::make_chan<int>();
    auto out = dh::make_chan<long>();
    numbers(wg, ctx, in, 1'000'000'000);
    squares(wg, ctx, in, out);
    out.recv();
    cancel();  // the first answer is enough
    wg.wait();
    std::cout << "a billion numbers: stopped after the first, no goroutine is left\n";
  }
}

// Output:
//   1 + 4 + 9 + ... + 1000000 = 333833500
//   a billion numbers: stopped after the first, no goroutine is left
