// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// support/hand_executor.hpp — an executor that runs what is posted when the test says so.
//
// Ownership  It outlives what waits to be resumed by it.
// Threads    any.
#pragma once

#include <cstddef>
#include <deque>
#include <mutex>
#include <optional>

#include "downhaul/coro.hpp"

namespace downhaul_test {

class hand_executor final : public downhaul::resume_executor {
 public:
  void post(downhaul::resumption r) noexcept override {
    const std::lock_guard held{mutex_};
    queue_.push_back(r);
  }
  /// False: there is none.
  bool run_one() {
    std::optional<downhaul::resumption> next;
    {
      const std::lock_guard held{mutex_};
      if (queue_.empty()) return false;
      next = queue_.front();
      queue_.pop_front();
    }
    (*next)();
    return true;
  }
  std::size_t waiting() {
    const std::lock_guard held{mutex_};
    return queue_.size();
  }

 private:
  std::mutex mutex_;
  std::deque<downhaul::resumption> queue_;
};

}  // namespace downhaul_test
