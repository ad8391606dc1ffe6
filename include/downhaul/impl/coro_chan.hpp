// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// impl/coro_chan.hpp (room: coro) — what async_recv and async_send return.
//
// Rule       An awaitable is awaited once, as an rvalue, by the expression that makes it: so it lies in the
//            frame and does not move.
#pragma once

#include <coroutine>
#include <cstddef>
#include <optional>
#include <system_error>
#include <utility>

#include "downhaul/chan.hpp"
#include "downhaul/impl/coro_wait.hpp"

namespace downhaul::impl {

/// Where a receive puts an element, and what it returns.
template <class T>
class landing {
 public:
  void* slot() noexcept { return in_.slot(); }
  void drop() noexcept { in_.drop(); }
  std::optional<T> take(passed p) {
    if (p != passed::value) return std::nullopt;
    return in_.take();
  }

 private:
  incoming<T> in_;
};
template <>
class landing<void> {
 public:
  void* slot() noexcept { return nullptr; }
  void drop() noexcept {}
  bool take(passed p) noexcept { return p == passed::value; }
};

/// `ctx` is the end that `Self` waits for first; null: none. `ec`: null: it throws.
struct ending {
  const context* ctx = nullptr;
  std::error_code* ec = nullptr;

  /// Whether an operation that was ended returns at all.
  void report(bool ended) const {
    if (ec != nullptr) *ec = ended ? err_of(*ctx) : std::error_code{};
    if (ended && ec == nullptr) throw_done(*ctx);
  }
};

template <class T>
class [[nodiscard]] recv_awaiter {
 public:
  explicit recv_awaiter(source* from) noexcept : wait_{from, false} {}
  recv_awaiter(const recv_awaiter&) = delete;
  recv_awaiter& operator=(const recv_awaiter&) = delete;
  ~recv_awaiter() {
    if (wait_.phase == wait_phase::waits && abandon_chan(wait_)) in_.drop();
  }

  recv_awaiter&& on(resume_on place) && noexcept {
    wait_.ask(place);
    return std::move(*this);
  }
  awaiter_of<recv_awaiter> operator co_await() && noexcept { return {*this}; }
  void operator co_await() & = delete;

  bool await_ready() noexcept { return try_chan(wait_, in_.slot()); }
  template <class P>
  bool await_suspend(std::coroutine_handle<P> h) {
    return suspend_chan(wait_, in_.slot(), wait_.who(h));
  }
  auto await_resume() { return in_.take(resume_chan(wait_)); }

 private:
  [[no_unique_address]] landing<T> in_;
  chan_wait wait_;
};

template <class T>
class [[nodiscard]] send_awaiter {
 public:
  template <class... Args>
  explicit send_awaiter(source* to, Args&&... args)
      : wait_{to, true}, out_(std::forward<Args>(args)...) {}
  send_awaiter(const send_awaiter&) = delete;
  send_awaiter& operator=(const send_awaiter&) = delete;
  ~send_awaiter() {
    if (wait_.phase == wait_phase::waits && abandon_chan(wait_)) out_.taken();
  }

  send_awaiter&& on(resume_on place) && noexcept {
    wait_.ask(place);
    return std::move(*this);
  }
  awaiter_of<send_awaiter> operator co_await() && noexcept { return {*this}; }
  void operator co_await() & = delete;

  bool await_ready() noexcept { return try_chan(wait_, out_.slot()); }
  template <class P>
  bool await_suspend(std::coroutine_handle<P> h) {
    return suspend_chan(wait_, out_.slot(), wait_.who(h));
  }
  void await_resume() {
    if (resume_chan(wait_) == passed::value) return out_.taken();
    out_.give_back();
    throw_send_on_closed();
  }

 private:
  chan_wait wait_;
  outgoing<T> out_;
};

/// An operation on one channel that a context may end.
class chan_or_end {
 public:
  chan_or_end(source* s, bool sends, ending end) noexcept
      : on_{source_ref<source>::share(s)}, end_{end} {
    op_.on = s;
    op_.sends = sends;
    wait_.done = done_of(*end.ctx);
  }
  bool waits() const noexcept { return wait_.phase == wait_phase::waits; }
  bool suspend(void* slot, const suspender& who) {
    op_.slot = slot;
    select_scratch::of<1> scratch;
    return suspend_select(wait_, ops(), scratch.view(), who);
  }
  /// Throws context_error.
  passed resume() {
    const int fired = resume_select(wait_, ops());
    end_.report(fired == context_ended);
    return fired == context_ended ? passed::ended : op_.node.ok ? passed::value : passed::closed;
  }
  bool abandon() noexcept { return abandon_select(wait_, ops()) >= 0 && op_.node.ok; }
  /// Whether it has ended, before resume() throws.
  bool ended() noexcept { return resume_select(wait_, ops()) == context_ended; }

 private:
  select_ops_view ops() noexcept { return {&place_of_op_, 1}; }

  source_ref<source> on_;
  ending end_;
  select_op op_;
  select_op* const place_of_op_ = &op_;
  select_wait wait_;
};

template <class T>
class [[nodiscard]] recv_or_end_awaiter {
 public:
  recv_or_end_awaiter(source* from, ending end) noexcept : wait_{from, false, end} {}
  recv_or_end_awaiter(const recv_or_end_awaiter&) = delete;
  recv_or_end_awaiter& operator=(const recv_or_end_awaiter&) = delete;
  ~recv_or_end_awaiter() {
    if (wait_.waits() && wait_.abandon()) in_.drop();
  }

  recv_or_end_awaiter&& on(resume_on place) && noexcept {
    where_ = place;
    return std::move(*this);
  }
  awaiter_of<recv_or_end_awaiter> operator co_await() && noexcept { return {*this}; }
  void operator co_await() & = delete;

  bool await_ready() const noexcept { return false; }
  template <class P>
  bool await_suspend(std::coroutine_handle<P> h) {
    return wait_.suspend(in_.slot(), where_(h));
  }
  auto await_resume() { return in_.take(wait_.resume()); }

 private:
  asked_place where_;
  landing<T> in_;
  chan_or_end wait_;
};

template <class T>
class [[nodiscard]] send_or_end_awaiter {
 public:
  template <class... Args>
  send_or_end_awaiter(source* to, ending end, Args&&... args)
      : wait_{to, true, end}, out_(std::forward<Args>(args)...) {}
  send_or_end_awaiter(const send_or_end_awaiter&) = delete;
  send_or_end_awaiter& operator=(const send_or_end_awaiter&) = delete;
  ~send_or_end_awaiter() {
    if (wait_.waits() && wait_.abandon()) out_.taken();
  }

  send_or_end_awaiter&& on(resume_on place) && noexcept {
    where_ = place;
    return std::move(*this);
  }
  awaiter_of<send_or_end_awaiter> operator co_await() && noexcept { return {*this}; }
  void operator co_await() & = delete;

  bool await_ready() const noexcept { return false; }
  template <class P>
  bool await_suspend(std::coroutine_handle<P> h) {
    return wait_.suspend(out_.slot(), where_(h));
  }
  void await_resume() {
    if (wait_.ended()) out_.give_back();
    const passed p = wait_.resume();
    if (p == passed::value) return out_.taken();
    if (p == passed::ended) return;
    out_.give_back();
    throw_send_on_closed();
  }

 private:
  asked_place where_;
  chan_or_end wait_;
  outgoing<T> out_;
};

}  // namespace downhaul::impl
