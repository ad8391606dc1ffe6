// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// support/user_contexts.hpp — contexts that a user might write, one for each way of hanging below.
//
// Idea       make_context<own_done>(parent)->end(err); make_context<calls_back>(parent)->callbacks().
// Ownership  none.
// Threads    any.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <mutex>
#include <system_error>
#include <utility>

#include "downhaul/chan.hpp"
#include "downhaul/context.hpp"
#include "downhaul/context_base.hpp"

namespace downhaul_test {

/// Overrides nothing.
struct wrapper : downhaul::context_base {
  using context_base::context_base;
};

/// A done and an err of its own, whatever its parent does.
class own_done : public downhaul::context_base {
 public:
  using context_base::context_base;

  void end(std::error_code with) {
    {
      const std::lock_guard lock{mu_};
      if (err_) return;
      err_ = with;
    }
    done_.close();
  }
  /// As a naive author would: the lock is held while the done is closed.
  void end_under_lock(std::error_code with) {
    const std::lock_guard lock{mu_};
    err_ = with;
    done_.close();
  }
  downhaul::recv_chan<void> done() const override { return done_; }
  std::error_code err() const override {
    const std::lock_guard lock{mu_};
    return err_;
  }

 private:
  mutable std::mutex mu_;
  std::error_code err_;  // guarded by mu_
  downhaul::chan<void> done_ = downhaul::make_chan<void>();
};

/// A done of its own, and the err and the cause of its parent. The done is that of another context, so
/// that who hangs on it can be counted.
class own_channel : public downhaul::context_base {
 public:
  explicit own_channel(downhaul::context parent) : context_base{std::move(parent)} {}
  downhaul::recv_chan<void> done() const override { return other_.ctx.done(); }
  void close() { other_.cancel(); }

 private:
  downhaul::cancelable other_ = downhaul::with_cancel(downhaul::background());
};

/// Offers its own way to be called back.
class calls_back : public own_done {
 public:
  using own_done::own_done;

  std::function<bool()> after_func(std::function<void()> f) {
    const std::lock_guard lock{mu_};
    const int id = ++made_;
    open_[id] = std::move(f);
    return [this, id] {
      const std::lock_guard guard{mu_};
      return open_.erase(id) == 1;
    };
  }
  void end_and_call(std::error_code with) {
    end(with);
    std::map<int, std::function<void()>> all;
    {
      const std::lock_guard lock{mu_};
      all.swap(open_);
    }
    for (auto& [id, f] : all) f();
  }
  /// Registered and neither called nor stopped.
  std::size_t callbacks() const {
    const std::lock_guard lock{mu_};
    return open_.size();
  }
  int ever_made() const {
    const std::lock_guard lock{mu_};
    return made_;
  }

 private:
  mutable std::mutex mu_;
  std::map<int, std::function<void()>> open_;  // guarded by mu_
  int made_ = 0;                               // guarded by mu_
};

/// Cut off: its done is nil.
struct no_done : downhaul::context_base {
  using context_base::context_base;
  downhaul::recv_chan<void> done() const override { return {}; }
};

}  // namespace downhaul_test
