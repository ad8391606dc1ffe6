// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// A pool of two connections for five goroutines: a mutex that may be held across a wait, a condition
// variable whose wait ends with a context, and a once for what the first of them sets up.
#include <downhaul/downhaul.hpp>

#include <iostream>
#include <mutex>
#include <vector>

namespace dh = downhaul;
using namespace std::chrono_literals;

class pool {
 public:
  int borrow(const dh::context& ctx) {
    opened_.call([this] { free_ = {1, 2}; });
    std::unique_lock lock{mutex_};
    returned_.wait(lock, ctx, [&] { return !free_.empty(); });  // throws when ctx ends first
    const int connection = free_.back();
    free_.pop_back();
    return connection;
  }
  void give_back(int connection) {
    {
      const std::lock_guard lock{mutex_};
      free_.push_back(connection);
    }
    returned_.notify_one();
  }

 private:
  dh::once opened_;
  dh::mutex mutex_;
  dh::condition_variable returned_;
  std::vector<int> free_;  // guarded by mutex_
};

int main() {
  pool connections;
  int queries = 0;
  dh::mutex counting;
  dh::wait_group wg;
  for (int i = 0; i < 5; ++i) {
    wg.go([&] {
      const int connection = connections.borrow(dh::background());
      dh::defer end{[&] { connections.give_back(connection); }};
      dh::sleep(1ms);  // a query
      const std::lock_guard lock{counting};
      ++queries;
    });
  }
  wg.wait();
  std::cout << queries << " queries over two connections\n";

  const int one = connections.borrow(dh::background());
  const int other = connections.borrow(dh::background());
  auto [ctx, cancel] = dh::with_timeout(dh::background(), 5ms);
  try {
    connections.borrow(ctx);
  } catch (const dh::context_error& e) {
    std::cout << "a third one: " << e.code().message() << '\n';
  }
  connections.give_back(one);
  connections.give_back(other);
}

// Output:
//   5 queries over two connections
//   a third one: context deadline exceeded
