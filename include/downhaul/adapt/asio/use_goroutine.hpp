// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// downhaul/adapt/asio/use_goroutine.hpp — an Asio operation awaited by a goroutine, or by a task.
//
// Idea       std::size_t n = socket.async_read_some(buffer, dh::use_goroutine(ctx));
//            const std::size_t n = co_await socket.async_read_some(buffer, dh::use_task(ctx));
//            The caller waits until the handler has run. If ctx ends first, the operation is cancelled, and
//            waited for all the same: buffers are free again when the call returns.
// Ownership  The call borrows ctx, the error_code and what the operation borrows. A task owns its ctx.
// Threads    From goroutines and plain threads, but for those that run the executor: nobody would run the
//            handler. The operation is started on the caller's thread. So an object that two use at a
//            time, as one who reads and one who writes a socket, needs .on(executor): a strand, or an
//            io_context that one thread runs. Then it is touched there only.
// Cost       One park, and two hand-overs between threads. No allocation besides what Asio takes for a
//            cancellation slot where ctx can end, as long as an operation needs at most 256 bytes.
// Errors     Throwing: boost::system::system_error, context_error if ctx ended it. With an error_code, of
//            std or boost: that is set; the values are the handler's, default-made where it was not
//            called, or an optional of what cannot be default-made. A ctx that has ended at the call:
//            nothing is started. What has completed is returned, also if ctx ended meanwhile. Cancelled by
//            somebody else, or the handler destroyed since its io_context was: operation_aborted.
#pragma once

#include <boost/asio/async_result.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/cancellation_type.hpp>
#include <boost/system/error_code.hpp>
#include <concepts>
#include <system_error>
#include <type_traits>
#include <utility>

#include "downhaul/adapt/asio/impl/start.hpp"
#include "downhaul/context.hpp"
#include "downhaul/task.hpp"

namespace downhaul {

namespace impl {

enum class asio_waiter : unsigned char { goroutine, task };

/// A completion token. `Throws`: errors are thrown.
template <asio_waiter Who, bool Throws, bool HasContext, class Executor = no_executor,
          class Canceller = no_canceller>
class [[nodiscard]] asio_wait_token {
 public:
  using options = asio_wait_options<HasContext, Executor, Canceller>;

  explicit asio_wait_token(options given) noexcept : says_{std::move(given)} {}

  /// All of the operation happens on `ex`: it is started there, and cancelled there. Without this the
  /// executor is that of the object whose operation it is.
  template <class Ex>
  auto on(const Ex& ex) const {
    return with_executor(ex, true);
  }
  /// How much is asked for when ctx ends; terminal unless told.
  asio_wait_token cancel_with(boost::asio::cancellation_type type) const {
    options changed = says_;
    changed.type = type;
    return asio_wait_token{std::move(changed)};
  }
  /// For what knows no cancellation slots: f() is called when ctx ends, on the executor of the operation,
  /// and has to make it end, as resolver.cancel() does. It must not throw.
  template <std::invocable F>
    requires HasContext
  auto cancel_by(F f) const {
    using token = asio_wait_token<Who, Throws, HasContext, Executor, F>;
    return token{
        {says_.ctx, says_.errors, says_.type, says_.start_there, says_.executor, std::move(f)}};
  }

  // For the library itself.
  template <class Ex>
  auto with_executor(const Ex& ex, bool start_there) const {
    using token = asio_wait_token<Who, Throws, HasContext, Ex, Canceller>;
    return token{{says_.ctx, says_.errors, says_.type, start_there, ex, says_.canceller}};
  }
  const options& says() const noexcept { return says_; }

 private:
  options says_;
};

template <asio_waiter Who>
class asio_wait_maker : public asio_wait_token<Who, true, false> {
  template <bool Throws, bool HasContext>
  using token = asio_wait_token<Who, Throws, HasContext>;

 public:
  asio_wait_maker() noexcept : token<true, false>{{}} {}

  token<true, true> operator()(const context& ctx) const noexcept {
    return token<true, true>{{.ctx = &ctx}};
  }
  token<false, false> operator()(std::error_code& ec) const noexcept {
    return token<false, false>{{.errors = {&ec, nullptr}}};
  }
  token<false, false> operator()(boost::system::error_code& ec) const noexcept {
    return token<false, false>{{.errors = {nullptr, &ec}}};
  }
  token<false, true> operator()(const context& ctx, std::error_code& ec) const noexcept {
    return token<false, true>{{.ctx = &ctx, .errors = {&ec, nullptr}}};
  }
  token<false, true> operator()(const context& ctx, boost::system::error_code& ec) const noexcept {
    return token<false, true>{{.ctx = &ctx, .errors = {nullptr, &ec}}};
  }
};

/// What async_initiate asks of a token: how it starts an operation, and what that returns.
template <class Token, class Signature>
struct asio_initiate;

template <bool Throws, bool HasContext, class Executor, class Canceller, class Signature>
struct asio_initiate<
    asio_wait_token<asio_waiter::goroutine, Throws, HasContext, Executor, Canceller>, Signature> {
  using return_type = asio_result_t<Throws, Signature>;

  template <class Initiation, class Token, class... Args>
  static return_type initiate(Initiation&& initiation, Token&& token, Args&&... args) {
    return asio_wait<Throws, Signature>(token.says(), std::forward<Initiation>(initiation),
                                        std::forward<Args>(args)...);
  }
};

template <bool Throws, bool HasContext, class Executor, class Canceller, class Signature>
struct asio_initiate<asio_wait_token<asio_waiter::task, Throws, HasContext, Executor, Canceller>,
                     Signature> {
  using return_type = task<asio_result_t<Throws, Signature>>;

  template <class Initiation, class Token, class... Args>
  static return_type initiate(Initiation&& initiation, Token&& token, Args&&... args) {
    using options = asio_wait_options<HasContext, Executor, Canceller>;
    const context* const ctx = token.says().ctx;
    return asio_wait_in_task<Throws, Signature, options, std::decay_t<Initiation>,
                             std::decay_t<Args>...>(token.says(), ctx != nullptr ? *ctx : context{},
                                                    std::forward<Initiation>(initiation),
                                                    std::forward<Args>(args)...);
  }
};

template <asio_waiter Who, class Signature>
struct asio_initiate<asio_wait_maker<Who>, Signature>
    : asio_initiate<asio_wait_token<Who, true, false>, Signature> {};

/// bind_executor(ex, token): started by the caller, and everything else on `ex`.
template <class Token, class Executor, class Signature>
struct asio_initiate_bound {
  using token_on =
      decltype(std::declval<const Token&>().with_executor(std::declval<const Executor&>(), false));
  using inner = asio_initiate<token_on, Signature>;
  using return_type = typename inner::return_type;

  template <class Initiation, class Bound, class... Args>
  static return_type initiate(Initiation&& initiation, Bound&& bound, Args&&... args) {
    return inner::initiate(std::forward<Initiation>(initiation),
                           bound.get().with_executor(bound.get_executor(), false),
                           std::forward<Args>(args)...);
  }
};

}  // namespace impl

using use_goroutine_t = impl::asio_wait_maker<impl::asio_waiter::goroutine>;
using use_task_t = impl::asio_wait_maker<impl::asio_waiter::task>;

/// use_goroutine, use_goroutine(ec), use_goroutine(ctx), use_goroutine(ctx, ec): the call returns the result.
inline const use_goroutine_t use_goroutine{};
/// The same for coroutines: the call returns a task<result>, which starts the operation when it is awaited.
/// A coroutine that is not a task of ours must not be destroyed meanwhile.
inline const use_task_t use_task{};

}  // namespace downhaul

template <downhaul::impl::asio_waiter Who, bool Throws, bool HasContext, class Executor,
          class Canceller, class R, class... Args>
class boost::asio::async_result<
    downhaul::impl::asio_wait_token<Who, Throws, HasContext, Executor, Canceller>, R(Args...)>
    : public downhaul::impl::asio_initiate<
          downhaul::impl::asio_wait_token<Who, Throws, HasContext, Executor, Canceller>,
          R(Args...)> {};

template <downhaul::impl::asio_waiter Who, class R, class... Args>
class boost::asio::async_result<downhaul::impl::asio_wait_maker<Who>, R(Args...)>
    : public downhaul::impl::asio_initiate<downhaul::impl::asio_wait_maker<Who>, R(Args...)> {};

template <downhaul::impl::asio_waiter Who, bool Throws, bool HasContext, class Canceller, class Ex,
          class R, class... Args>
class boost::asio::async_result<
    boost::asio::executor_binder<
        downhaul::impl::asio_wait_token<Who, Throws, HasContext, downhaul::impl::no_executor,
                                        Canceller>,
        Ex>,
    R(Args...)>
    : public downhaul::impl::asio_initiate_bound<
          downhaul::impl::asio_wait_token<Who, Throws, HasContext, downhaul::impl::no_executor,
                                          Canceller>,
          Ex, R(Args...)> {};

template <downhaul::impl::asio_waiter Who, class Ex, class R, class... Args>
class boost::asio::async_result<
    boost::asio::executor_binder<downhaul::impl::asio_wait_maker<Who>, Ex>, R(Args...)>
    : public downhaul::impl::asio_initiate_bound<downhaul::impl::asio_wait_maker<Who>, Ex,
                                                 R(Args...)> {};
