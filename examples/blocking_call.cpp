// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// A call of someone else that knows nothing of contexts, made cancellable: it runs on a thread of its
// own, goroutines go on meanwhile, and when the context ends the call is interrupted in its own way.
#include <downhaul/downhaul.hpp>

#include <chrono>
#include <condition_variable>
#include <iostream>
#include <mutex>
#include <string>

namespace dh = downhaul;
using namespace std::chrono_literals;

// A database as libraries offer it: the thread sleeps until the answer is there.
class database {
 public:
  std::string query(std::chrono::milliseconds takes) {
    std::unique_lock lock{mutex_};
    return interrupted_.wait_for(lock, takes, [&] { return stop_; }) ? "interrupted" : "three rows";
  }
  void interrupt() {
    const std::lock_guard lock{mutex_};
    stop_ = true;
    interrupted_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable interrupted_;
  bool stop_ = false;
};

void ask(const dh::context& ctx, std::chrono::milliseconds takes) {
  database db;
  try {
    const std::string answer =
        dh::blocking(ctx, [&] { return db.query(takes); }, [&] { db.interrupt(); });
    std::cout << "answer: " << answer << '\n';
  } catch (const dh::context_error& e) {
    std::cout << "no answer: " << e.code().message() << '\n';
  }
}

int main() {
  dh::wait_group wg;
  wg.go([] {
    auto [ctx, cancel] = dh::with_timeout(dh::background(), 500ms);
    ask(ctx, 10ms);  // answers in time
    ask(ctx, 1h);    // is interrupted
    ask(ctx, 10ms);  // is not even begun
  });
  wg.wait();
}

// Output:
//   answer: three rows
//   answer: interrupted
//   no answer: context deadline exceeded
