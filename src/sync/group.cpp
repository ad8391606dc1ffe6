// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// [first]  A task that fails exchanges failed_; the one that finds it false writes failure_, then ends the
//   context. failure_ is read by who has seen the count of tasks at zero, which the writer's own end
//   precedes: the wait group orders the two. The cause of the context is a copy of its own.
#include "downhaul/group.hpp"

#include <unistd.h>
#include <new>
#include <string>
#include <utility>

#include "downhaul/impl/context_seam.hpp"
#include "platform/fatal.hpp"

namespace downhaul {

namespace {
constexpr std::int64_t default_patience_ns = 10'000'000'000;
}

group::group(const context& parent)
    : own_{with_cancel_cause(parent)}, patience_ns_{default_patience_ns} {}

group::~group() {
  cancel();
  join();
}

void group::set_limit(std::ptrdiff_t n) {
  if (const std::ptrdiff_t active = tasks_.unfinished(); active != 0) {
    throw misuse{"errgroup: modify limit while " + std::to_string(active) +
                 " goroutines in the group are still active"};
  }
  n < 0 ? limit_.reset() : static_cast<void>(limit_.emplace(n));
}

void group::caught() noexcept {
  try {
    throw;
  } catch (const context_error&) {
    if (!ctx().err()) fail(std::current_exception());
  } catch (...) {
    fail(std::current_exception());
  }
}

void group::fail(std::exception_ptr why) noexcept {
  // [first] acq_rel would add nothing: nobody reads failure_ by way of this flag.
  if (failed_.exchange(true, std::memory_order_relaxed)) return;
  impl::keep_reachable(why);
  failure_ = why;
  own_.cancel(std::move(why));
}

void group::free_place() noexcept {
  if (limit_) limit_->release();
}

// The context has ended or the tasks have, whichever is first; then their time runs.
void group::join() noexcept {
  std::error_code ended;
  tasks_.wait(ctx(), ended);
  const std::int64_t patience = patience_ns_.load(std::memory_order_relaxed);  // a setting
  if (ended && patience != impl::never) {
    try {
      const cancelable limit = with_timeout(background(), std::chrono::nanoseconds{patience});
      std::error_code late;
      tasks_.wait(limit.ctx, late);
      if (late) {
        impl::write_text(
            STDERR_FILENO,
            "downhaul: a group waits for tasks that go on although their context has ended:\n");
        tasks_.list_tasks();
      }
    } catch (const std::bad_alloc&) {
      // No memory for the time-out: wait without it.
    }
  }
  tasks_.wait();
}

void group::finish() {
  cancel();
  if (failed_.load(std::memory_order_relaxed)) std::rethrow_exception(failure_);  // [first]
}

void group::wait() {
  join();
  finish();
}

void group::wait(const context& caller) {
  std::error_code ec;
  wait(caller, ec);
  if (ec) impl::throw_done(caller);
}

void group::wait(const context& caller, std::error_code& ec) {
  tasks_.wait(caller, ec);
  if (!ec) finish();
}

}  // namespace downhaul
