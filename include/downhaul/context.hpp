// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// downhaul/context.hpp — the context: one cancel at the top reaches everything below.
//
// Idea       A tree of contexts. Each ends once: when its cancel is called, when its deadline passes,
//            or when its parent ends. done() is then closed, err() says which of the two it was, and
//            cause() says why. Values bound on the way down are found by key.
// Ownership  context is a counted handle and never null: default-made and moved-from ones are
//            background(). A child owns its parents; a parent only knows its open children. The
//            automatic cancel belongs to a cancel_scope: its end cancels. A context that is returned
//            without its scope comes back cancelled.
// Threads    Everything from anywhere, also while a cancel runs. One handle object is a plain value:
//            copy it rather than share it while somebody assigns to it.
// Cost       err(): loads only. done(): none. A child is one allocation. cancel() is noexcept,
//            allocates nothing and runs no user code but in-place callbacks (after_func).
// Order      What happened before a cancel is visible after err(), cause() or done() tell of it.
//            A cancel first ends this context, then its descendants, waking who waits for each, and
//            starts callbacks last. When the cancel that ended a context returns, its descendants
//            have ended too, except those below a user-written context with a done of its own: they
//            follow. A cancel that finds the context ended already returns at once. Siblings end in
//            no particular order.
// Source     Go package context (1.26). Differs: the scope cancels at its end; merge and with_grace;
//            typed keys.
#pragma once

#include <chrono>
#include <compare>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <system_error>
#include <type_traits>
#include <utility>

#include "downhaul/chan.hpp"
#include "downhaul/error.hpp"
#include "downhaul/fwd.hpp"
#include "downhaul/impl/context_head.hpp"
#include "downhaul/impl/context_seam.hpp"
#include "downhaul/impl/duration.hpp"
#include "downhaul/key.hpp"

namespace downhaul {

namespace impl {
struct context_access;
struct cause_arg;

/// Not counted, never closed: the done of what cannot end.
inline const recv_chan<void> nil_done;

const void* find_value(const context_head& node, const key_base& k) noexcept;
void drop(context_head* node) noexcept;
void cancel(context_head* node) noexcept;
void cancel(context_head* node, cause_arg why) noexcept;
void cancel_and_drop(context_head* node) noexcept;
}  // namespace impl

class context {
 public:
  /// background(): never ends, has no values, costs nothing.
  context() noexcept = default;
  /// Ends with errc::canceled when a stop is requested, before request_stop() returns. A token that
  /// cannot be stopped: background. If a goroutine requests the stop, callbacks registered in place run
  /// on another one: they may wait, and then move the requester, which is what a std::stop_source
  /// knows its thread for. Same limits as below.
  explicit context(std::stop_token token);
  context(const context& other) noexcept : node_{other.node_} {
    if (node_ != nullptr) node_->ref();
  }
  /// The moved-from one is background().
  context(context&& other) noexcept : node_{std::exchange(other.node_, nullptr)} {}
  context& operator=(const context& other) noexcept {
    context copy{other};
    std::swap(node_, copy.node_);
    return *this;
  }
  context& operator=(context&& other) noexcept {
    context taken{std::move(other)};
    std::swap(node_, taken.node_);
    return *this;
  }
  ~context() {
    if (node_ != nullptr) impl::drop(node_);
  }

  /// When it ends at the latest, on the steady clock; empty: no deadline. Never changes.
  std::optional<time_point> deadline() const noexcept {
    if (node_ == nullptr || node_->deadline() == nullptr) return std::nullopt;
    return impl::to_time_point(node_->deadline()->at);
  }
  /// Time left until deadline(), zero once it has passed; empty: no deadline.
  std::optional<duration> remaining() const noexcept;

  /// Closed when this context ends; nil if it never does. On an lvalue a reference that is valid
  /// while this context is held; on a temporary a copy, which keeps the context alive.
  const recv_chan<void>& done() const& noexcept {
    if (node_ == nullptr) return impl::nil_done;
    return *static_cast<const recv_chan<void>*>(node_->done_place());
  }
  recv_chan<void> done() const&& noexcept { return static_cast<const context&>(*this).done(); }

  /// Clear while the context is open; then errc::canceled or errc::deadline_exceeded for ever. Below
  /// a user-written context that ended with another code: that code. Not clear implies that done()
  /// is closed.
  std::error_code err() const noexcept {
    if (node_ == nullptr) return {};
    return node_->err();
  }
  /// Why it ended: what was given to the cancel that ended it or the ancestor; else a context_error
  /// with err(). Null exactly while err() is clear.
  std::exception_ptr cause() const;
  /// The text of cause(): what() of an exception, else the name of its type; empty while open.
  std::string reason() const;
  /// Throws context_error once the context has ended.
  void check() const {
    if (err()) impl::throw_done(*this);
  }

  /// What the nearest binding of `k` holds; null if there is none. Valid while this context is held.
  template <class T>
  const T* value(const key<T>& k) const noexcept {
    if (node_ == nullptr || node_->values() == nullptr) return nullptr;
    return static_cast<const T*>(impl::find_value(*node_, k));
  }
  template <class T>
  const T* value(const key<T>&& k) const = delete;  // a key has static storage

  /// E.g. "context.Background.WithCancel.WithValue(request_id, 42)". Values are shown only if they
  /// are strings or have a to_string of their own; else their type is.
  std::string to_string() const;
  friend std::string to_string(const context& ctx) { return ctx.to_string(); }

  /// Identity.
  friend bool operator==(const context& a, const context& b) noexcept { return a.node_ == b.node_; }

 private:
  friend struct impl::context_access;
  friend struct std::hash<context>;

  impl::context_head* node_ = nullptr;  // counted; null: background
};

namespace impl {

/// The way into a context for the rest of the library.
struct context_access {
  static context_head* node(const context& ctx) noexcept { return ctx.node_; }
  /// Takes over a reference.
  static context adopt(context_head* node) noexcept {
    context ctx;
    ctx.node_ = node;
    return ctx;
  }
  static context share(context_head* node) noexcept {
    if (node != nullptr) node->ref();
    return adopt(node);
  }
  template <class Handle>
  static context_head* node_of(const Handle& h) noexcept {
    return h.node_;
  }
  /// Takes over a reference.
  template <class Handle, class Object>
  static Handle make(Object* object) noexcept {
    return Handle{object};
  }
};

/// A cause as users give it: an exception_ptr, an error_code, or the exception itself.
struct cause_arg {
  std::exception_ptr ptr;

  cause_arg(std::exception_ptr given) noexcept : ptr{std::move(given)} {}
  cause_arg(std::error_code given)
      : ptr{given ? std::make_exception_ptr(std::system_error{given}) : nullptr} {}
  cause_arg(std::nullptr_t) noexcept {}
  template <class Code>
    requires(!std::same_as<std::decay_t<Code>, cause_arg>) &&
            std::convertible_to<Code, std::error_code>
  cause_arg(Code&& given) : cause_arg{static_cast<std::error_code>(std::forward<Code>(given))} {}
  template <class E>
    requires(!std::same_as<std::decay_t<E>, cause_arg>) &&
            (!std::convertible_to<E, std::exception_ptr>) &&
            (!std::convertible_to<E, std::error_code>) && std::copy_constructible<std::decay_t<E>>
  cause_arg(E&& exception)
      : ptr{std::make_exception_ptr<std::decay_t<E>>(std::forward<E>(exception))} {}
};

}  // namespace impl

/// Cancels its context at the end of its life. Moved, not copied.
class cancel_scope {
 public:
  /// Owns nothing; calling it does nothing, as for a moved-from one.
  cancel_scope() noexcept = default;
  cancel_scope(cancel_scope&& other) noexcept
      : node_{std::exchange(other.node_, nullptr)}, automatic_{other.automatic_} {}
  /// Cancels what it held before.
  cancel_scope& operator=(cancel_scope&& other) noexcept {
    cancel_scope taken{std::move(other)};
    std::swap(node_, taken.node_);
    std::swap(automatic_, taken.automatic_);
    return *this;
  }
  ~cancel_scope() {
    if (node_ == nullptr) return;
    automatic_ ? impl::cancel_and_drop(node_) : impl::drop(node_);
  }

  /// Ends the context with errc::canceled; nothing if it has ended. At any time, from anywhere.
  void operator()() const noexcept {
    if (node_ != nullptr) impl::cancel(node_);
  }
  /// Gives up the cancel at the end of life. Calling it still works.
  void detach() noexcept { automatic_ = false; }

 protected:
  explicit cancel_scope(impl::context_head* node) noexcept : node_{node} {}

  impl::context_head* node_ = nullptr;  // counted

 private:
  friend struct impl::context_access;
  bool automatic_ = true;
};

/// A cancel_scope that can say why.
class cancel_cause_scope : public cancel_scope {
 public:
  cancel_cause_scope() noexcept = default;
  using cancel_scope::operator();
  /// Ends the context with errc::canceled and this cause; nothing if it has ended. A null
  /// exception_ptr or clear error_code: without a cause.
  void operator()(impl::cause_arg why) const noexcept {
    if (node_ != nullptr) impl::cancel(node_, std::move(why));
  }

 private:
  friend struct impl::context_access;
  using cancel_scope::cancel_scope;
};

/// Can cancel, copies freely, and keeps nothing open: only its scope's end does. It keeps the
/// context's memory.
class cancel_func {
 public:
  cancel_func() noexcept = default;
  cancel_func(const cancel_scope& scope) noexcept
      : ctx_{impl::context_access::share(impl::context_access::node_of(scope))} {}

  /// Ends the context with errc::canceled; nothing if it has ended.
  void operator()() const noexcept {
    if (auto* node = impl::context_access::node(ctx_)) impl::cancel(node);
  }

 protected:
  context ctx_;
};

/// A cancel_func that can say why.
class cancel_cause_func : public cancel_func {
 public:
  cancel_cause_func() noexcept = default;
  cancel_cause_func(const cancel_cause_scope& scope) noexcept : cancel_func{scope} {}
  using cancel_func::operator();
  void operator()(impl::cause_arg why) const noexcept {
    if (auto* node = impl::context_access::node(ctx_)) impl::cancel(node, std::move(why));
  }
};

/// A context and the scope that cancels it.
struct [[nodiscard]] cancelable {
  context ctx;
  cancel_scope cancel;
};
struct [[nodiscard]] cancelable_cause {
  context ctx;
  cancel_cause_scope cancel;
};

/// The root: never ends, no deadline, no values.
inline context background() noexcept { return {}; }
/// The same, for a place that should get a context one day. Not equal to background().
[[nodiscard]] context todo() noexcept;

// All makers may throw std::bad_alloc, and nothing else unless stated.

/// A child that its cancel ends, or the end of `parent`.
cancelable with_cancel(const context& parent);
cancelable_cause with_cancel_cause(const context& parent);

namespace impl {
/// `at`: ns on the clock of the caller's runtime. `cause` may be null.
cancelable make_with_deadline(const context& parent, std::int64_t at, std::exception_ptr cause);
cancelable make_with_timeout(const context& parent, std::int64_t ns, std::exception_ptr cause);
cancelable make_with_grace(const context& parent, std::int64_t ns);
cancelable make_merge(std::span<const context* const> parents);

template <class Duration>
std::int64_t ns_until(std::chrono::time_point<std::chrono::system_clock, Duration> t) noexcept {
  const std::int64_t now = to_ns(std::chrono::system_clock::now().time_since_epoch());
  const std::int64_t at = to_ns(t.time_since_epoch());
  return at == never ? never : subtract_saturated(at, now);
}
}  // namespace impl

/// A child that also ends with errc::deadline_exceeded when `at` has come. If the parent's deadline
/// is strictly earlier, a with_cancel(parent); a point that has come: ended on return.
template <class Duration>
cancelable with_deadline(const context& parent,
                         std::chrono::time_point<std::chrono::steady_clock, Duration> at) {
  return impl::make_with_deadline(parent, impl::to_ns(at), nullptr);
}
/// A point of wall time is kept as the time that is left until then: later changes of the wall clock
/// do not move it.
template <class Duration>
cancelable with_deadline(const context& parent,
                         std::chrono::time_point<std::chrono::system_clock, Duration> at) {
  return impl::make_with_timeout(parent, impl::ns_until(at), nullptr);
}
/// `cause` is the cause if this deadline ends it; not if a cancel or the parent does.
template <class Duration>
cancelable with_deadline_cause(const context& parent,
                               std::chrono::time_point<std::chrono::steady_clock, Duration> at,
                               impl::cause_arg cause) {
  return impl::make_with_deadline(parent, impl::to_ns(at), std::move(cause.ptr));
}
template <class Duration>
cancelable with_deadline_cause(const context& parent,
                               std::chrono::time_point<std::chrono::system_clock, Duration> at,
                               impl::cause_arg cause) {
  return impl::make_with_timeout(parent, impl::ns_until(at), std::move(cause.ptr));
}
/// with_deadline(parent, now() + d), saturated: a d too large never passes.
template <class Rep, class Period>
cancelable with_timeout(const context& parent, std::chrono::duration<Rep, Period> d) {
  return impl::make_with_timeout(parent, impl::to_ns(d), nullptr);
}
template <class Rep, class Period>
cancelable with_timeout_cause(const context& parent, std::chrono::duration<Rep, Period> d,
                              impl::cause_arg cause) {
  return impl::make_with_timeout(parent, impl::to_ns(d), std::move(cause.ptr));
}

/// The values of `parent` and nothing else: no deadline, never ends.
[[nodiscard]] context without_cancel(const context& parent);

/// Ends when the first of `parents` does, with its err and cause. Its deadline is the soonest, its
/// value for a key that of the leftmost parent that has one.
template <std::derived_from<context>... More>
cancelable merge(const context& first, const More&... more) {
  const context* const parents[] = {&first, &more...};
  return impl::make_merge(parents);
}

/// For graceful shutdown: the values of `parent`; ends `d` after the parent does, with the parent's
/// err and cause. If the parent has ended already, `d` from now.
template <class Rep, class Period>
cancelable with_grace(const context& parent, std::chrono::duration<Rep, Period> d) {
  return impl::make_with_grace(parent, impl::to_ns(d));
}

/// Stops when `ctx` ends, which has ended before; keeps nothing alive. If ctx never ends, or goes away
/// open, the token cannot be stopped. The same one for each call, until ctx ends. Throws std::bad_alloc.
/// What hangs on it runs like what is registered in place: on the thread or goroutine that cancels.
/// Limits of std::stop_callback, which knows its caller by the thread: its end, if it is running elsewhere,
/// blocks the thread, and with it the worker of a goroutine: end it in dh::blocking. It must not wait
/// on a goroutine, which may go on on another thread: use dh::go in it, or cancel under a dh::pin.
[[nodiscard]] std::stop_token to_stop_token(const context& ctx);

/// How many contexts have memory now, background() and todo() not counted. Exact when nothing runs.
std::int64_t count_contexts() noexcept;

}  // namespace downhaul

template <>
struct std::hash<downhaul::context> {
  std::size_t operator()(const downhaul::context& ctx) const noexcept {
    return std::hash<const void*>{}(ctx.node_);
  }
};

#include "downhaul/impl/with_value.hpp"  // with_value(parent, key, args...)
