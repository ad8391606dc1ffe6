// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// downhaul/adapt/asio/as_asio.hpp — a wait of downhaul in a coroutine of Asio.
//
// Idea       An asio::awaitable lets no foreign awaitable in; this makes an operation of Asio of one:
//              const auto v = co_await dh::as_asio([&](const dh::context& c) {
//                return dh::async_recv(c, ch);
//              });
//            f makes what coro.hpp has, or a task. The context that it gets ends when `ctx` does, when the
//            coroutine is cancelled by Asio's means, as by operator ||, and when its io_context ends.
// Ownership  f is kept until the wait is over. What it makes refers to cases, and to values that are sent, so
//            those have names outside f. The end of an io_context waits for the waits in it, so they have
//            to heed their context, and their runtime has to be there still.
// Threads    f runs on the runtime, the default one if the coroutine runs on a plain thread. The coroutine
//            goes on on its executor.
// Cost       A task of go(), an allocation, a context, and a post to the executor.
// Errors     What the wait throws: context_error, if its context ended. What has arrived by then is not
//            dropped, unless the io_context ends.
#pragma once

#include <boost/asio/async_result.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <utility>

#include "downhaul/adapt/asio/impl/bridge.hpp"
#include "downhaul/context.hpp"

namespace downhaul {

/// `token`: use_awaitable of the coroutine's executor, unless that is any_io_executor; or any other token.
template <impl::makes_wait F, class Token = boost::asio::use_awaitable_t<>>
[[nodiscard]] auto as_asio(F f, Token token = {}) {
  return boost::asio::async_initiate<Token, impl::bridge_signature<F>>(
      impl::bridge_start<F>{background(), std::move(f)}, token);
}
template <impl::makes_wait F, class Token = boost::asio::use_awaitable_t<>>
[[nodiscard]] auto as_asio(const context& ctx, F f, Token token = {}) {
  return boost::asio::async_initiate<Token, impl::bridge_signature<F>>(
      impl::bridge_start<F>{ctx, std::move(f)}, token);
}

}  // namespace downhaul
