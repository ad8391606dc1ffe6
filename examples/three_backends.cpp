// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// A handler asks three backends within its deadline, answers with the first two results, and cancels the
// third. A group is the frame: when the handler returns, none of its calls is under way any more.
#include <downhaul/downhaul.hpp>

#include <atomic>
#include <iostream>
#include <string>

namespace dh = downhaul;
using namespace std::chrono_literals;

std::atomic<int> under_way{0};

// A call to somewhere, which takes its time and can be cancelled.
std::string ask(const dh::context& ctx, const std::string& backend, dh::duration takes) {
  ++under_way;
  const dh::defer end{[] { --under_way; }};
  dh::sleep(ctx, takes);
  return backend;
}

std::string handle(const dh::context& request) {
  auto [ctx, cancel] = dh::with_timeout(request, 10s);
  auto answers = dh::make_chan<std::string>(3);  // room for all: nobody waits to be read
  dh::group calls{ctx};
  const auto call = [&](const char* backend, dh::duration takes) {
    calls.go([=](const dh::context& in) { answers.send(ask(in, backend, takes)); });
  };
  call("east", 20ms);
  call("west", 10ms);
  call("south", 1h);
  std::string both = *answers.recv(ctx);
  both += " and " + *answers.recv(ctx);
  return both;  // the end of the group cancels "south" and waits until it has noticed
}

int main() {
  std::cout << handle(dh::background()) << '\n';
  std::cout << under_way << " calls are under way\n";
}

// Output:
//   west and east
//   0 calls are under way
