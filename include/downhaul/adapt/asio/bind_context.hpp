// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// downhaul/adapt/asio/bind_context.hpp — any Asio operation, cancelled when a context ends.
//
// Idea       socket.async_read_some(buffer, dh::bind_context(ctx, handler));
//            co_await timer.async_wait(dh::bind_context(ctx, asio::use_awaitable));
//            As bind_cancellation_slot, with a context in the signal's place. The operation reports
//            operation_aborted, as whenever it is cancelled; ctx.err() and ctx.cause() say why.
// Ownership  The token keeps ctx. The operation keeps what it needs of both.
// Threads    The end of ctx posts a request that takes the way of the handler: to the executor of the
//            operation's object, from there to the handler's associated one. There the operation is
//            cancelled unless its handler has been called. As with all
//            cancellation in Asio that executor has to run one thing at a time: a strand, or an
//            io_context with one thread. What else is bound to the token belongs inside:
//            bind_context(ctx, bind_executor(strand, f)). A slot of the token itself works too.
// Cost       Where ctx can end: two allocations. A ctx that ends takes a goroutine for each operation.
// Errors     Throws std::bad_alloc; then nothing is started. A ctx that has ended at the call: the
//            operation is started, and cancelled at once.
#pragma once

#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/associator.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/cancellation_type.hpp>
#include <boost/asio/system_executor.hpp>
#include <memory>
#include <type_traits>
#include <utility>

#include "downhaul/adapt/asio/impl/context_link.hpp"
#include "downhaul/context.hpp"

namespace downhaul {

namespace impl {

template <class Token>
struct asio_context_token {
  context ctx;
  Token token;
  boost::asio::cancellation_type type;
};

/// The initiation that is given the handler of the inner token.
template <class Initiation>
class asio_context_start {
 public:
  template <class I>
  asio_context_start(I&& initiation, context ctx, boost::asio::cancellation_type type)
      : initiation_(std::forward<I>(initiation)), ctx_{std::move(ctx)}, type_{type} {}

  template <class Handler, class... Args>
  void operator()(Handler&& handler, Args&&... args) && {
    start(std::move(initiation_), std::forward<Handler>(handler), std::forward<Args>(args)...);
  }
  template <class Handler, class... Args>
  void operator()(Handler&& handler, Args&&... args) const& {
    start(initiation_, std::forward<Handler>(handler), std::forward<Args>(args)...);
  }
  auto get_executor() const noexcept
    requires says_executor<Initiation>
  {
    return initiation_.get_executor();
  }

 private:
  template <class I, class Handler, class... Args>
  void start(I&& initiation, Handler&& handler, Args&&... args) const {
    using inner = std::decay_t<Handler>;
    const auto object = object_executor();
    const auto own = executor_of(handler);
    using link = asio_context_link<std::decay_t<decltype(own)>, std::decay_t<decltype(object)>>;
    std::shared_ptr<link> made;
    if (done_of(ctx_) != nullptr) made = std::make_shared<link>(own, object, type_);
    // Whichever way this is left, the operation has its slot by then, or will never have one.
    const typename link::begun announce{made};
    asio_context_handler<inner, link> bound{std::forward<Handler>(handler), made};
    if (made != nullptr) {
      made->follow(ctx_);
      made->forward_from(boost::asio::get_associated_cancellation_slot(bound.inner()));
    }
    std::forward<I>(initiation)(std::move(bound), std::forward<Args>(args)...);
  }
  auto object_executor() const noexcept {
    if constexpr (says_executor<Initiation>) {
      return initiation_.get_executor();
    } else {
      return no_executor{};
    }
  }
  template <class Handler>
  auto executor_of(const Handler& handler) const noexcept {
    if constexpr (says_executor<Initiation>) {
      return boost::asio::get_associated_executor(handler, initiation_.get_executor());
    } else {
      using found = typename boost::asio::associated_executor<Handler>::type;
      static_assert(!std::is_same_v<found, boost::asio::system_executor>,
                    "this operation does not say on which executor it may be cancelled: write "
                    "bind_context(ctx, bind_executor(executor, token))");
      return boost::asio::get_associated_executor(handler);
    }
  }

  Initiation initiation_;
  context ctx_;
  boost::asio::cancellation_type type_;
};

}  // namespace impl

/// A completion token: `token`, and an operation that is cancelled when `ctx` ends.
template <class Token>
[[nodiscard]] auto bind_context(
    const context& ctx, Token&& token,
    boost::asio::cancellation_type type = boost::asio::cancellation_type::terminal) {
  return impl::asio_context_token<std::decay_t<Token>>{ctx, std::forward<Token>(token), type};
}

}  // namespace downhaul

template <class Token, class Signature>
class boost::asio::async_result<downhaul::impl::asio_context_token<Token>, Signature> {
  template <class Initiation>
  using start = downhaul::impl::asio_context_start<std::decay_t<Initiation>>;

 public:
  template <class Initiation, class Bound, class... Args>
  static auto initiate(Initiation&& initiation, Bound&& bound, Args&&... args)
      -> decltype(boost::asio::async_initiate<Token, Signature>(std::declval<start<Initiation>>(),
                                                                std::declval<Token&>(),
                                                                std::forward<Args>(args)...)) {
    start<Initiation> begin{std::forward<Initiation>(initiation), bound.ctx, bound.type};
    Token token{std::forward<Bound>(bound).token};
    return boost::asio::async_initiate<Token, Signature>(std::move(begin), token,
                                                         std::forward<Args>(args)...);
  }
};
