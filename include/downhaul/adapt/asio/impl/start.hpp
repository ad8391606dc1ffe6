// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// adapt/asio/impl/start.hpp (room: adapt) — starts an operation, waits for it, and has it cancelled.
//
// Idea       The blocking form and the task differ in nothing but how they wait.
// Ownership  See operation.hpp.
// Threads    The caller's, and where asked for the executor's for the start.
#pragma once

#include <boost/asio/cancellation_type.hpp>
#include <boost/asio/post.hpp>
#include <chrono>
#include <exception>
#include <memory>
#include <system_error>
#include <type_traits>
#include <utility>

#include "downhaul/adapt/asio/impl/operation.hpp"
#include "downhaul/adapt/asio/impl/result.hpp"
#include "downhaul/context.hpp"
#include "downhaul/coro.hpp"
#include "downhaul/sleep.hpp"
#include "downhaul/task.hpp"

namespace downhaul::impl {

/// What a token says. `HasContext`: `ctx` is not null.
template <bool HasContext, class Executor = no_executor, class Canceller = no_canceller>
struct asio_wait_options {
  static constexpr bool has_context = HasContext;
  static constexpr bool has_executor = !std::is_same_v<Executor, no_executor>;
  static constexpr bool has_canceller = !std::is_same_v<Canceller, no_canceller>;
  using executor_type = Executor;

  const context* ctx = nullptr;
  asio_error_place errors{};
  boost::asio::cancellation_type type = boost::asio::cancellation_type::terminal;
  bool start_there = false;  // on `executor`
  [[no_unique_address]] Executor executor{};
  [[no_unique_address]] Canceller canceller{};
};

template <bool Throws, class Signature>
using asio_result_t = typename asio_signature<Signature>::template result<Throws>;

/// Where the operation is cancelled.
template <class Options, class Initiation>
auto asio_executor_of(const Options& says, const Initiation& initiation) noexcept {
  if constexpr (Options::has_executor) {
    return says.executor;
  } else if constexpr (Options::has_context) {
    static_assert(says_executor<Initiation>,
                  "this operation does not say on which executor it may be cancelled: write "
                  "use_goroutine(ctx).on(executor)");
    return initiation.get_executor();
  } else {
    return no_executor{};
  }
}

/// One operation with what it is cancelled by.
template <class Signature, class Options>
class asio_call : public asio_operation<Signature> {
  using handler = asio_handler<Signature, typename Options::executor_type>;

 public:
  asio_call(Options& options, const context* ctx) noexcept
      : options_{&options}, ctx_{ctx != nullptr && done_of(*ctx) != nullptr ? ctx : nullptr} {}

  /// Null: none that can end.
  const context* ctx() const noexcept { return ctx_; }

  // Not inlined: see ~asio_operation_base.
  template <class Start>
  [[gnu::noinline]] void start(Start& start) noexcept {
    try {
      handler h{*this, ctx_ != nullptr && !Options::has_canceller, options_->executor};
      if constexpr (Options::has_executor) {
        if (options_->start_there) {
          boost::asio::post(options_->executor, starter<Start>{std::move(h), this, &start});
          return;
        }
      }
      start(std::move(h));
    } catch (...) {
      not_started_ = std::current_exception();
    }
  }
  /// Posts a request that cancels it. Null: there is no memory for that now.
  template <class Executor>
  std::shared_ptr<asio_cancel_request> cancel(const Executor& on) noexcept {
    return try_post_cancel(on, *this, cancel_now, this);
  }
  /// `request` is retired, or null.
  template <bool Throws>
  asio_result_t<Throws, Signature> take(const asio_cancel_request* request) {
    if (not_started_ != nullptr) {
      keep_reachable(not_started_);
      std::rethrow_exception(std::exchange(not_started_, nullptr));
    }
    const bool by_ctx = request != nullptr && request->cancelled();
    return this->outcome.template take<Throws>(options_->errors, by_ctx ? ctx_ : nullptr);
  }

 private:
  template <class Start>
  struct starter {
    handler h;
    asio_call* call;
    Start* start;

    using allocator_type = typename handler::allocator_type;
    allocator_type get_allocator() const noexcept { return h.get_allocator(); }
    void operator()() {
      asio_call& me = *call;
      me.over.add();  // an exception is known to the caller before he goes on
      try {
        (*start)(std::move(h));
      } catch (...) {
        me.not_started_ = std::current_exception();
      }
      me.over.done();
    }
  };

  static void cancel_now(void* me) noexcept {
    auto& call = *static_cast<asio_call*>(me);
    if constexpr (Options::has_canceller) {
      call.options_->canceller();
    } else {
      call.signal.emit(call.options_->type);
    }
  }

  Options* const options_;
  const context* const ctx_;
  std::exception_ptr not_started_;
};

/// Where there is no memory for a request, it is tried again so much later, unless all is over by then.
inline constexpr std::chrono::milliseconds asio_retry_cancel{1};

/// On the caller's stack.
template <bool Throws, class Signature, class Options, class Initiation, class... Args>
asio_result_t<Throws, Signature> asio_wait(Options says, Initiation&& initiation, Args&&... args) {
  using outcome = typename asio_signature<Signature>::outcome;
  if (says.ctx != nullptr && says.ctx->err())
    return outcome::template none<Throws>(says.errors, *says.ctx);
  const auto where = asio_executor_of(says, initiation);  // before it is moved from
  asio_call<Signature, Options> call{says, says.ctx};
  auto start = [&](auto&& handler) {
    std::forward<Initiation>(initiation)(std::move(handler), std::forward<Args>(args)...);
  };
  call.start(start);
  if constexpr (Options::has_context) {
    if (call.ctx() != nullptr) {
      std::error_code ended;
      call.over.wait(*call.ctx(), ended);
      if (!ended) return call.template take<Throws>(nullptr);
      std::shared_ptr<asio_cancel_request> request;
      while (call.over.unfinished() != 0) {
        request = call.cancel(where);
        if (request != nullptr) break;
        sleep(asio_retry_cancel);
      }
      call.over.wait();
      if (request != nullptr && !request->retire()) request->ended.wait();
      return call.template take<Throws>(request.get());
    }
  }
  call.over.wait();
  return call.template take<Throws>(nullptr);
}

/// In the frame of a task.
template <bool Throws, class Signature, class Options, class Initiation, class... Args>
task<asio_result_t<Throws, Signature>> asio_wait_in_task(Options says, context ctx,
                                                         Initiation initiation, Args... args) {
  using outcome = typename asio_signature<Signature>::outcome;
  if (ctx.err()) co_return outcome::template none<Throws>(says.errors, ctx);
  const auto where = asio_executor_of(says, initiation);
  asio_call<Signature, Options> call{says, &ctx};
  auto start = [&](auto&& handler) {
    std::move(initiation)(std::move(handler), std::move(args)...);
  };
  call.start(start);
  std::shared_ptr<asio_cancel_request> request;
  if constexpr (Options::has_context) {
    if (call.ctx() != nullptr) {
      std::error_code ended;
      co_await async_wait(ctx, call.over, ended);
      while (ended && call.over.unfinished() != 0) {
        request = call.cancel(where);
        if (request != nullptr) break;
        co_await async_sleep(asio_retry_cancel);
      }
    }
  }
  co_await async_wait(call.over);
  if (request != nullptr && !request->retire()) co_await async_wait(request->ended);
  co_return call.template take<Throws>(request.get());
}

}  // namespace downhaul::impl
