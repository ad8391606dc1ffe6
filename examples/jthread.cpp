// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// std::jthread and contexts, both ways: a thread's stop_token becomes a context, and a context becomes a
// stop_token for what knows nothing of contexts.
#include <downhaul/downhaul.hpp>

#include <condition_variable>
#include <iostream>
#include <mutex>
#include <stop_token>
#include <thread>

namespace dh = downhaul;
using namespace std::chrono_literals;

// The body of a std::jthread: its stop ends the context, and everything below.
void serve(std::stop_token stop, const dh::recv_chan<int>& jobs, const dh::chan<int>& results) {
  const dh::context ctx{std::move(stop)};
  std::error_code ec;
  while (const auto job = jobs.recv(ctx, ec)) results.send(*job * *job);
  std::cout << "server: " << ec.message() << '\n';
}

// Knows std::stop_token and nothing else.
class mailbox {
 public:
  bool wait(std::stop_token stop) {
    std::unique_lock lock{mutex_};
    return changed_.wait(lock, std::move(stop), [this] { return full_; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable_any changed_;
  bool full_ = false;
};

int main() {
  {
    auto jobs = dh::make_chan<int>();
    auto results = dh::make_chan<int>();
    std::jthread server{serve, jobs, results};
    jobs.send(7);
    std::cout << "7 * 7 = " << *results.recv() << '\n';
  }  // its end requests the stop, and joins

  {
    auto [ctx, cancel] = dh::with_timeout(dh::background(), 50ms);
    mailbox box;
    const std::jthread reader{[&, stop = dh::to_stop_token(ctx)] {
      std::cout << "mail: " << std::boolalpha << box.wait(stop) << ", " << ctx.reason() << '\n';
    }};
  }

  {
    // Either of the two: the thread's own stop, or the end of a context.
    auto [ctx, cancel] = dh::with_cancel(dh::background());
    std::jthread worker{[above = ctx](std::stop_token stop) {
      const auto both = dh::merge(dh::context{std::move(stop)}, above);
      both.ctx.done().recv();
      std::cout << "worker: " << both.ctx.reason() << '\n';
    }};
    cancel();
  }
}

// Output:
//   7 * 7 = 49
//   server: context canceled
//   mail: false, context deadline exceeded
//   worker: context canceled
