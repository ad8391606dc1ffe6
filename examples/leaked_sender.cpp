// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// The same as result_or_timeout, but the channel has no room: when the receiver has left, the sender
// waits for ever. Every goroutine is known, so it can be listed, with the line that started it.
#include <downhaul/downhaul.hpp>

#include <chrono>
#include <iostream>
#include <optional>
#include <string>
#include <system_error>

namespace dh = downhaul;
using namespace std::chrono_literals;

std::string foo(const dh::context& ctx, const dh::chan<std::string>& ch) {
  dh::go([ch] {
    dh::sleep(500ms);
    ch.send("foo");
  });
  std::optional<std::string> result;
  switch (dh::select(dh::recv(ctx.done()), dh::recv(ch, result))) {
    case 0: throw std::system_error{ctx.err(), "foo"};
    default: return *result;
  }
}

bool stuck(const dh::goroutine_info& g) { return g.reason == "chan send" && g.age > 20ms; }

int main() {
  auto ch = dh::make_chan<std::string>();  // unbuffered: here is the mistake
  auto [ctx, cancel] = dh::with_timeout(dh::background(), 100ms);
  try {
    const std::string result = foo(ctx, ch);
    std::cout << "result: " << result << '\n';
  } catch (const std::system_error& e) {
    std::cout << "error: " << e.what() << '\n';
  }

  auto left = dh::list_goroutines();
  for (; left.size() == 1 && !stuck(left[0]); left = dh::list_goroutines()) dh::sleep(10ms);
  std::cout << "left behind: " << left.size() << '\n';
  for (const dh::goroutine_info& g : left) std::cout << to_string(g) << '\n';

  std::cout << "set free by receiving " << *ch.recv() << '\n';
}

// Output:
//   error: foo: context deadline exceeded
//   left behind: 1
//   goroutine [chan send, <how long>] started at <folder>leaked_sender.cpp:18 (<a function>)
//   set free by receiving foo
