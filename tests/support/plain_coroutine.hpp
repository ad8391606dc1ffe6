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

#include "downhaul/impl/coro_resume.hpp"

namespace downhaul_test {

namespace plain {

struct says_nothing {};
struct says_waker {
  static downhaul::resume_on downhaul_resumes_on() { return downhaul::resume_on::waker(); }
};

}  // namespace plain

/// `Place`: what its promise says about where it goes on.
template <class Place>
class basic_plain_coroutine {
 public:
  struct promise_type : Place {
    std::shared_ptr<std::atomic<bool>> ended = std::make_shared<std::atomic<bool>>(false);

    basic_plain_coroutine get_return_object() { return basic_plain_coroutine{*this}; }
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

  basic_plain_coroutine(basic_plain_coroutine&& other) noexcept
      : frame_{std::exchange(other.frame_, nullptr)}, ended_{std::move(other.ended_)} {}
  basic_plain_coroutine& operator=(basic_plain_coroutine&&) = delete;
  ~basic_plain_coroutine() { destroy(); }

  bool done() const { return ended_->load(); }
  void destroy() {
    if (frame_) std::exchange(frame_, nullptr).destroy();
  }

 private:
  explicit basic_plain_coroutine(promise_type& p)
      : frame_{std::coroutine_handle<promise_type>::from_promise(p)}, ended_{p.ended} {}

  std::coroutine_handle<promise_type> frame_;
  std::shared_ptr<std::atomic<bool>> ended_;
};
using plain_coroutine = basic_plain_coroutine<plain::says_nothing>;
using waker_coroutine = basic_plain_coroutine<plain::says_waker>;

}  // namespace downhaul_test
