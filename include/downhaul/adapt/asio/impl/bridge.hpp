// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// adapt/asio/impl/bridge.hpp (room: adapt) — the task between a wait of ours and a handler of Asio.
//
// Idea       go() starts a task that awaits and then posts the handler to its executor. It is never
//            destroyed while it waits, but ended by its context: by the handler's slot, or when the
//            execution context shuts down.
// Ownership  A bridge is on a list of its execution context until the task has ended, so that a shutdown
//            finds it. The handler is the shutdown's, or that of what was posted.
//
// [bridge]  state: waits → posts, by the task, or → shut, by a shutdown; each by an exchange of `waits`.
//   The one who makes it decides who has the handler. A shutdown waits for the end of the task in any case:
//   what the wait refers to may belong to the handler; and the task may be on its way out of post().
//   For that reason the handler waits as well, until the task has left post(): afterwards its owner may end
//   the execution context.
#pragma once

#include <atomic>
#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/cancellation_type.hpp>
#include <boost/asio/execution/context.hpp>
#include <boost/asio/execution_context.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/query.hpp>
#include <chrono>
#include <concepts>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <type_traits>
#include <utility>

#include "downhaul/context.hpp"
#include "downhaul/coro.hpp"
#include "downhaul/go.hpp"
#include "downhaul/runtime.hpp"
#include "downhaul/task.hpp"
#include "downhaul/wait_group.hpp"

namespace downhaul::impl {

/// What all bridges are to the execution context that runs their handlers.
class bridge_base : public std::enable_shared_from_this<bridge_base> {
 public:
  bridge_base() = default;
  bridge_base(const bridge_base&) = delete;
  bridge_base& operator=(const bridge_base&) = delete;
  virtual ~bridge_base() = default;

  /// The execution context shuts down.
  virtual void shut() noexcept = 0;

  bridge_base* prev = nullptr;  // guarded by the list's mutex, as the next two
  bridge_base* next = nullptr;
  std::shared_ptr<bridge_base> itself;  // while it is on the list
};

/// The bridges of one execution context.
class bridges final : public boost::asio::execution_context::service {
 public:
  inline static boost::asio::execution_context::id id;

  explicit bridges(boost::asio::execution_context& of) : service{of} {}

  void add(std::shared_ptr<bridge_base> b) noexcept {
    const std::lock_guard held{mutex_};
    b->next = first_;
    if (first_ != nullptr) first_->prev = b.get();
    first_ = b.get();
    first_->itself = std::move(b);
  }
  void remove(bridge_base& b) noexcept {
    std::shared_ptr<bridge_base> last;
    const std::lock_guard held{mutex_};
    if (b.itself == nullptr) return;
    if (b.prev != nullptr) b.prev->next = b.next;
    if (b.next != nullptr) b.next->prev = b.prev;
    if (first_ == &b) first_ = b.next;
    b.prev = b.next = nullptr;
    last = std::move(b.itself);
  }

 private:
  void shutdown() noexcept override {
    // One by one: what a handler's end destroys may be anything.
    while (const std::shared_ptr<bridge_base> b = first()) b->shut();
  }
  std::shared_ptr<bridge_base> first() noexcept {
    const std::lock_guard held{mutex_};
    return first_ != nullptr ? first_->itself : nullptr;
  }

  std::mutex mutex_;
  bridge_base* first_ = nullptr;  // guarded by mutex_
};

/// What co_await of it gives.
template <class A>
struct result_of_await {
  using type = decltype(std::declval<A&>().await_resume());
};
template <class A>
  requires requires(A&& a) { std::move(a).operator co_await(); }
struct result_of_await<A> {
  using type = decltype(std::declval<A&&>().operator co_await().await_resume());
};

template <class F>
concept makes_wait = std::invocable<F&, const context&> && requires {
  typename result_of_await<std::invoke_result_t<F&, const context&>>::type;
};
template <class F>
using bridged_t =
    std::decay_t<typename result_of_await<std::invoke_result_t<F&, const context&>>::type>;

template <class T>
struct bridge_signature_of {
  using type = void(std::exception_ptr, T);
};
template <>
struct bridge_signature_of<void> {
  using type = void(std::exception_ptr);
};
template <class F>
using bridge_signature = typename bridge_signature_of<bridged_t<F>>::type;

template <class F, class Handler, class Executor>
class bridge final : public bridge_base {
  using result = bridged_t<F>;
  static constexpr bool is_void = std::is_void_v<result>;

 public:
  bridge(Handler&& handler, const Executor& ex, const context& ctx)
      : list_{&boost::asio::use_service<bridges>(
            boost::asio::query(ex, boost::asio::execution::context))},
        executor_{ex},
        work_{ex},
        handler_{std::move(handler)},
        limit_{with_cancel(ctx)} {}

  void start(F&& f) {
    const auto me = std::static_pointer_cast<bridge>(shared_from_this());
    if (auto slot = boost::asio::get_associated_cancellation_slot(*handler_); slot.is_connected()) {
      // Weak, since the slot is not cleared where the handler is destroyed.
      slot.assign([weak = weak_from_this()](boost::asio::cancellation_type) {
        if (const auto b = weak.lock()) static_cast<bridge&>(*b).limit_.cancel();
      });
    }
    task_.add();
    list_->add(me);
    try {
      go(run(me, std::move(f)));
    } catch (...) {
      list_->remove(*this);
      task_.done();
      throw;
    }
  }
  void shut() noexcept override {
    const bool mine = claim(was_shut);
    limit_.cancel();
    task_.wait();
    if (mine) end();
  }

 private:
  struct nothing {};
  enum states : int { waits, posts, was_shut };

  static task<> run(std::shared_ptr<bridge> me, F given) {
    {
      F f = std::move(given);
      try {
        if constexpr (is_void) {
          co_await f(std::as_const(me->limit_.ctx));
        } else {
          me->value_.emplace(co_await f(std::as_const(me->limit_.ctx)));
        }
      } catch (...) {
        me->error_ = std::current_exception();
      }
    }
    if (me->claim(posts)) {
      while (!me->try_post(me)) co_await async_sleep(std::chrono::milliseconds{1});  // no memory
    }
    me->list_->remove(*me);
    me->task_.done();
  }
  bool claim(states to) noexcept {
    int expected = waits;
    return state_.compare_exchange_strong(expected, to);  // [bridge]
  }
  bool try_post(const std::shared_ptr<bridge>& me) noexcept {
    try {
      boost::asio::post(executor_, [me] { me->call(); });
      return true;
    } catch (...) {
      return false;
    }
  }
  void call() {
    task_.wait();
    if (error_ != nullptr) keep_reachable(error_);
    Handler handler = end();
    if (auto slot = boost::asio::get_associated_cancellation_slot(handler); slot.is_connected())
      slot.clear();
    if constexpr (is_void) {
      std::move(handler)(std::move(error_));
    } else {
      if (!value_) value_.emplace();
      std::move(handler)(std::move(error_), std::move(*value_));
    }
  }
  Handler end() noexcept {
    Handler handler = std::move(*handler_);
    handler_.reset();
    work_.reset();
    return handler;
  }

  bridges* const list_;
  const Executor executor_;
  boost::asio::executor_work_guard<Executor> work_;
  std::optional<Handler> handler_;  // see [bridge]
  cancelable limit_;
  wait_group task_;                // the one that run() is
  std::atomic<int> state_{waits};  // [bridge]
  std::optional<std::conditional_t<is_void, nothing, result>> value_;
  std::exception_ptr error_;
};

template <class F>
struct bridge_start {
  context ctx;
  F f;

  template <class Handler>
  void operator()(Handler&& given) {
    using handler = std::decay_t<Handler>;
    auto ex = boost::asio::get_associated_executor(given);
    using made_type = bridge<F, handler, decltype(ex)>;
    const auto made = std::make_shared<made_type>(std::forward<Handler>(given), ex, ctx);
    made->start(std::move(f));
  }
};

}  // namespace downhaul::impl
