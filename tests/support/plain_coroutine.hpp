// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// support/plain_coroutine.hpp — a coroutine type that knows nothing of the library, as small as can be.
//
// Idea       It runs at once, up to its first wait, and stays suspended at its end. Its owner destroys it,
//            also while it waits.
// Ownership  plain_coroutine owns the frame.
// Threads    done() may be asked from anywhere.
#pragma once

#include <atomic>
#include <coroutine>
#include <exception>
#include <memory>
#include <utility>

namespace downhaul_test {

class plain_coroutine {
 public:
  struct promise_type {
    std::shared_ptr<std::atomic<bool>> ended = std::make_shared<std::atomic<bool>>(false);

    plain_coroutine get_return_object() { return plain_coroutine{*this}; }
    std::suspend_never initial_suspend() const noexcept { return {}; }
    auto final_suspend() const noexcept {
      struct at_end : std::suspend_always {
        void await_suspend(std::coroutine_handle<promise_type> h) const noexcept {
          // The owner may destroy the frame as soon as he sees it.
          const std::shared_ptr<std::atomic<bool>> flag = h.promise().ended;
          flag->store(true);
        }
      };
      return at_end{};
    }
    void return_void() const noexcept {}
    void unhandled_exception() const noexcept { std::terminate(); }
  };

  plain_coroutine(plain_coroutine&& other) noexcept
      : frame_{std::exchange(other.frame_, nullptr)}, ended_{std::move(other.ended_)} {}
  plain_coroutine& operator=(plain_coroutine&&) = delete;
  ~plain_coroutine() { destroy(); }

  bool done() const { return ended_->load(); }
  void destroy() {
    if (frame_) std::exchange(frame_, nullptr).destroy();
  }

 private:
  explicit plain_coroutine(promise_type& p)
      : frame_{std::coroutine_handle<promise_type>::from_promise(p)}, ended_{p.ended} {}

  std::coroutine_handle<promise_type> frame_;
  std::shared_ptr<std::atomic<bool>> ended_;
};

}  // namespace downhaul_test
