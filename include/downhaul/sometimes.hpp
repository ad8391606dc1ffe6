// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// downhaul/sometimes.hpp — do it now and then: the first few times, every so many times, so often.
//
// Idea       static dh::sometimes now_and_then{{.first = 3, .interval = 1s}};
//            now_and_then.call([] { log("still here"); });
// Ownership  neither copied nor moved.
// Threads    goroutines and plain threads, concurrently. Calls run one after the other, each f under
//            a lock of its own: calling it from inside f waits for ever.
// Cost       a lock, and now() if there is an interval.
// Source     Go x/time/rate Sometimes.
#pragma once

#include <chrono>
#include <concepts>
#include <cstdint>
#include <functional>
#include <mutex>
#include <utility>

#include "downhaul/clock.hpp"
#include "downhaul/impl/duration.hpp"
#include "downhaul/mutex.hpp"

namespace downhaul {

struct sometimes_options {
  std::int64_t first = 0;  ///< the first so many calls run
  std::int64_t every = 0;  ///< the first call runs, and each so many-th after it
  duration interval{};     ///< the first call runs, and the next when so much time has passed
};

class sometimes {
 public:
  /// A call runs f if any of the three says so. With none of them the first call alone does.
  explicit sometimes(sometimes_options options = {}) noexcept : options_{options} {}
  sometimes(const sometimes&) = delete;
  sometimes& operator=(const sometimes&) = delete;

  /// Calls f() or does not. What f throws passes; the call has counted.
  template <std::invocable F>
  void call(F&& f) {
    const std::lock_guard held{mutex_};
    if (!is_due()) return;
    std::invoke(std::forward<F>(f));
  }

 private:
  bool is_due() noexcept {
    const std::int64_t number = calls_++;
    const bool due = number == 0 || number < options_.first ||
                     (options_.every > 0 && number % options_.every == 0) ||
                     (options_.interval > duration::zero() && now() - last_ >= options_.interval);
    if (due && options_.interval > duration::zero()) last_ = now();
    return due;
  }

  const sometimes_options options_;
  mutex mutex_;
  std::int64_t calls_ = 0;  // with last_ guarded by mutex_
  time_point last_{};
};

}  // namespace downhaul
