// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// Cases with names: no index to keep in step with a switch, and a context in front that ends the wait.
#include <downhaul/downhaul.hpp>

#include <chrono>
#include <iostream>
#include <string>

namespace dh = downhaul;
using namespace std::chrono_literals;

// Prints what arrives, and a mark for each beat without news. Throws when ctx ends.
void listen(const dh::context& ctx, const dh::recv_chan<std::string>& news) {
  dh::ticker ticker{200ms};
  auto answer = dh::recv(news);
  auto beat = dh::recv(ticker);
  for (;;) {
    dh::select(ctx, answer, beat);
    if (beat.fired()) {
      std::cout << "...\n";
    } else if (!answer.value()) {
      std::cout << "closed\n";
      return;
    } else {
      std::cout << "news: " << *answer.value() << '\n';
    }
  }
}

int main() {
  auto news = dh::make_chan<std::string>();
  dh::go([news] {
    news.send("it rains");
    dh::sleep(300ms);  // long enough for one beat
    news.send("it stopped");
    news.close();
  });
  listen(dh::background(), news);

  auto [ctx, cancel] = dh::with_timeout(dh::background(), 300ms);
  try {
    listen(ctx, dh::make_chan<std::string>());  // nobody will send
  } catch (const dh::context_error& e) {
    std::cout << e.code().message() << '\n';
  }
}

// Output:
//   1* ...
//   news: it rains
//   news: it stopped
//   closed
//   context deadline exceeded
