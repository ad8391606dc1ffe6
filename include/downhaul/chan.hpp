// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// downhaul/chan.hpp — channels: typed conduits between goroutines and threads.
//
// Idea       send hands a value to a receiver, or to one of `capacity` places; recv takes the
//            oldest. close says that no more will come. Waiting parks the goroutine, or the plain
//            thread, in arrival order: values are handed over, nobody overtakes.
// Ownership  chan<T>, send_chan<T> and recv_chan<T> are counted handles of one channel; the last
//            one destroys what was never received. A default-made handle is nil: operations on it
//            block for ever, which is how a select case is switched off.
// Threads    All operations from anywhere, at once. One handle object is a plain value: copy it
//            rather than share it while somebody assigns to it.
// Cost       One lock per operation, none for a try that finds nothing; no allocation, except that
//            elements larger than 256 bytes, or whose move may throw, are boxed. A wait is one park.
// Order      What happened before a send is visible after the receive of its value; before close,
//            after a receive that reports closed; the k-th receive before the end of the
//            (k + capacity)-th send. size() and failed try forms order nothing.
// Errors     misuse: "send on closed channel", "close of closed channel", "close of nil channel",
//            "makechan: size out of range". The channel stays usable after each.
// Source     Go channels. Differs: a closed channel yields an empty optional instead of a zero
//            value; operations take a context.
#pragma once

#include <compare>
#include <cstddef>
#include <functional>
#include <iterator>
#include <optional>
#include <system_error>
#include <type_traits>
#include <utility>

#include "downhaul/error.hpp"
#include "downhaul/fwd.hpp"
#include "downhaul/impl/channel.hpp"
#include "downhaul/impl/context_seam.hpp"
#include "downhaul/impl/glance.hpp"

namespace downhaul {

namespace impl {

/// What all handles share.
class chan_handle {
 public:
  /// Elements queued now; 0 for nil, unbuffered, and the channels of timers and contexts.
  std::ptrdiff_t size() const noexcept { return channel_size(source_.get()); }
  std::ptrdiff_t capacity() const noexcept { return channel_capacity(source_.get()); }
  /// False for nil.
  explicit operator bool() const noexcept { return static_cast<bool>(source_); }

  /// Identity: handles of the same channel are equal, whatever their direction; nil equals nil.
  friend bool operator==(const chan_handle& a, const chan_handle& b) noexcept {
    return a.source_ == b.source_;
  }

 protected:
  chan_handle() noexcept = default;
  explicit chan_handle(source_ref<source> s) noexcept : source_{std::move(s)} {}

 private:
  friend struct chan_access;
  source_ref<source> source_;
};

/// The way into a handle for the rest of the library.
struct chan_access {
  static source* get(const chan_handle& h) noexcept { return h.source_.get(); }
  static const source_ref<source>& ref(const chan_handle& h) noexcept { return h.source_; }
  template <class Handle>
  static Handle make(source_ref<source> s) noexcept {
    return Handle{std::move(s)};
  }
};

/// In the forms with an error_code: the code where the context ended, else clear.
inline bool report_ended(passed p, const context& ctx, std::error_code& ec) noexcept {
  ec.clear();
  if (p == passed::ended) ec = err_of(ctx);
  return p == passed::ended;
}

template <class T, class Handle>
class sending : public Handle {
 public:
  /// Hands `value` over; waits for a receiver or a place. An rvalue is moved from only when it is
  /// taken. Throws misuse if the channel is or gets closed.
  void send(const T& value) const
    requires std::copy_constructible<T>
  {
    send_object(outgoing<T>{std::in_place, value});
  }
  void send(T&& value) const { send_object(outgoing<T>{std::move(value)}); }

  /// The same. Cancellation: throws context_error if `ctx` has ended, or ends before a receiver or
  /// a place was found; then nothing was sent and an rvalue is still the caller's.
  void send(const context& ctx, const T& value) const
    requires std::copy_constructible<T>
  {
    if (!send_object(ctx, outgoing<T>{std::in_place, value})) throw_done(ctx);
  }
  void send(const context& ctx, T&& value) const {
    if (!send_object(ctx, outgoing<T>{std::move(value)})) throw_done(ctx);
  }
  /// Cancellation: as above, but sets `ec` to ctx.err() instead of throwing; cleared when sent.
  void send(const context& ctx, const T& value, std::error_code& ec) const
    requires std::copy_constructible<T>
  {
    ec.clear();
    if (!send_object(ctx, outgoing<T>{std::in_place, value})) ec = err_of(ctx);
  }
  void send(const context& ctx, T&& value, std::error_code& ec) const {
    ec.clear();
    if (!send_object(ctx, outgoing<T>{std::move(value)})) ec = err_of(ctx);
  }

  /// Sends if a receiver waits or there is a place; never waits. An rvalue is moved from only if
  /// this returns true. Throws misuse "send on closed channel".
  bool try_send(const T& value) const
    requires std::copy_constructible<T>
  {
    return may_send() && try_send_object(outgoing<T>{std::in_place, value});
  }
  bool try_send(T&& value) const {
    return may_send() && try_send_object(outgoing<T>{std::move(value)});
  }

  /// No more values will come. Receivers get what is queued, then "closed"; those that wait, and
  /// senders, which throw, are woken. Throws misuse when nil or closed already.
  void close() const { channel_close(chan_access::get(*this)); }

 protected:
  using Handle::Handle;

 private:
  void send_object(outgoing<T>&& out) const {
    settle(channel_send(chan_access::get(*this), out.slot()), out);
  }
  bool send_object(const context& ctx, outgoing<T>&& out) const {
    return settle(channel_send(chan_access::get(*this), ctx, out.slot()), out);
  }
  bool may_send() const noexcept {
    return !must_wait<chan_head::send_ready, false>(chan_access::get(*this));
  }
  bool try_send_object(outgoing<T>&& out) const {
    return settle(channel_try_send(chan_access::get(*this), out.slot()), out);
  }
  // Whether it was sent; if not, the value is its owner's again.
  static bool settle(passed p, outgoing<T>& out) {
    if (p == passed::value) {
      out.taken();
      return true;
    }
    out.give_back();
    if (p == passed::closed) throw_send_on_closed();
    return false;
  }
};

template <class Handle>
class sending<void, Handle> : public Handle {
 public:
  /// Sends one signal: see chan<T>::send.
  void send() const { settle(channel_send(chan_access::get(*this), nullptr)); }
  /// Cancellation: throws context_error if `ctx` has ended, or ends first.
  void send(const context& ctx) const {
    if (!settle(channel_send(chan_access::get(*this), ctx, nullptr))) throw_done(ctx);
  }
  /// Cancellation: sets `ec` to ctx.err(); cleared when sent.
  void send(const context& ctx, std::error_code& ec) const {
    ec.clear();
    if (!settle(channel_send(chan_access::get(*this), ctx, nullptr))) ec = err_of(ctx);
  }
  bool try_send() const {
    if (must_wait<chan_head::send_ready, false>(chan_access::get(*this))) return false;
    return settle(channel_try_send(chan_access::get(*this), nullptr));
  }
  /// See chan<T>::close.
  void close() const { channel_close(chan_access::get(*this)); }

 protected:
  using Handle::Handle;

 private:
  static bool settle(passed p) {
    if (p == passed::closed) throw_send_on_closed();
    return p == passed::value;
  }
};

/// What range-for uses: the values up to close. Each step receives. Keeps the channel, so that the
/// loop's body may let go of the handle.
template <class T>
class recv_iterator {
 public:
  using iterator_concept = std::input_iterator_tag;
  using value_type = T;
  using difference_type = std::ptrdiff_t;

  explicit recv_iterator(source_ref<source> channel) : channel_{std::move(channel)} { ++*this; }
  recv_iterator(recv_iterator&&) = default;
  recv_iterator& operator=(recv_iterator&&) = default;

  T& operator*() const noexcept { return *value_; }
  recv_iterator& operator++() {
    value_.reset();
    incoming<T> in;
    if (channel_recv(channel_.get(), in.slot()) == passed::value) in.take(value_);
    return *this;
  }
  void operator++(int) { ++*this; }
  friend bool operator==(const recv_iterator& it, std::default_sentinel_t) noexcept {
    return !it.value_.has_value();
  }

 private:
  source_ref<source> channel_;
  mutable std::optional<T> value_;
};

template <class T, class Handle>
class receiving : public Handle {
 public:
  /// The next value; empty once the channel is closed and drained. Waits.
  std::optional<T> recv() const {
    incoming<T> in;
    if (channel_recv(chan_access::get(*this), in.slot()) != passed::value) return std::nullopt;
    return in.take();
  }
  /// Cancellation: throws context_error if `ctx` has ended, or ends first; then nothing was taken.
  std::optional<T> recv(const context& ctx) const {
    incoming<T> in;
    const passed p = channel_recv(chan_access::get(*this), ctx, in.slot());
    if (p == passed::ended) throw_done(ctx);
    if (p == passed::closed) return std::nullopt;
    return in.take();
  }
  /// Cancellation: empty with `ec` set to ctx.err(). Empty with `ec` clear: closed.
  std::optional<T> recv(const context& ctx, std::error_code& ec) const {
    incoming<T> in;
    const passed p = channel_recv(chan_access::get(*this), ctx, in.slot());
    if (report_ended(p, ctx, ec) || p == passed::closed) return std::nullopt;
    return in.take();
  }
  /// Takes a value if there is one; never waits. Empty: none now, or closed.
  std::optional<T> try_recv() const {
    if (must_wait<chan_head::recv_ready, false>(chan_access::get(*this))) return std::nullopt;
    incoming<T> in;
    if (channel_try_recv(chan_access::get(*this), in.slot()) != passed::value) return std::nullopt;
    return in.take();
  }
  /// Tells the two apart: `ec` is operation_would_block for "none now", clear for closed.
  std::optional<T> try_recv(std::error_code& ec) const {
    ec.clear();
    incoming<T> in;
    const passed p = channel_try_recv(chan_access::get(*this), in.slot());
    if (p == passed::blocked) ec = std::make_error_code(std::errc::operation_would_block);
    if (p != passed::value) return std::nullopt;
    return in.take();
  }

  /// for (T& v : ch): receives until the channel is closed. Leaving early keeps the rest there.
  recv_iterator<T> begin() const { return recv_iterator<T>{chan_access::ref(*this)}; }
  std::default_sentinel_t end() const noexcept { return {}; }

 protected:
  using Handle::Handle;
};

template <class Handle>
class receiving<void, Handle> : public Handle {
 public:
  /// Waits for a signal; false once the channel is closed and drained.
  bool recv() const { return channel_recv(chan_access::get(*this), nullptr) == passed::value; }
  /// Cancellation: throws context_error if `ctx` has ended, or ends first.
  bool recv(const context& ctx) const {
    const passed p = channel_recv(chan_access::get(*this), ctx, nullptr);
    if (p == passed::ended) throw_done(ctx);
    return p == passed::value;
  }
  /// Cancellation: false with `ec` set to ctx.err(). False with `ec` clear: closed.
  bool recv(const context& ctx, std::error_code& ec) const {
    const passed p = channel_recv(chan_access::get(*this), ctx, nullptr);
    report_ended(p, ctx, ec);
    return p == passed::value;
  }
  /// True if it took a signal; never waits.
  bool try_recv() const {
    if (must_wait<chan_head::recv_ready, true>(chan_access::get(*this))) return false;
    return channel_try_recv(chan_access::get(*this), nullptr) == passed::value;
  }
  /// `ec` is operation_would_block for "none now", clear for closed.
  bool try_recv(std::error_code& ec) const {
    ec.clear();
    const passed p = channel_try_recv(chan_access::get(*this), nullptr);
    if (p == passed::blocked) ec = std::make_error_code(std::errc::operation_would_block);
    return p == passed::value;
  }

 protected:
  using Handle::Handle;
};

}  // namespace impl

/// A channel of T, both ends. T = void carries signals without a value. T may be incomplete until
/// the first operation: struct request { chan<request> replies; };
template <class T>
class chan : public impl::receiving<T, impl::sending<T, impl::chan_handle>> {
  using base = impl::receiving<T, impl::sending<T, impl::chan_handle>>;
  static_assert(std::same_as<T, std::remove_cvref_t<T>>, "a channel carries unqualified types");

 public:
  using value_type = T;
  /// Nil: every operation blocks for ever.
  chan() noexcept = default;

 private:
  friend struct impl::chan_access;
  explicit chan(impl::source_ref<impl::source> s) noexcept : base{std::move(s)} {}
};

/// The end that receives.
template <class T>
class recv_chan : public impl::receiving<T, impl::chan_handle> {
  using base = impl::receiving<T, impl::chan_handle>;

 public:
  using value_type = T;
  recv_chan() noexcept = default;
  recv_chan(const chan<T>& c) noexcept : base{impl::chan_access::ref(c)} {}

 private:
  friend struct impl::chan_access;
  explicit recv_chan(impl::source_ref<impl::source> s) noexcept : base{std::move(s)} {}
};

/// The end that sends and closes.
template <class T>
class send_chan : public impl::sending<T, impl::chan_handle> {
  using base = impl::sending<T, impl::chan_handle>;

 public:
  using value_type = T;
  send_chan() noexcept = default;
  send_chan(const chan<T>& c) noexcept : base{impl::chan_access::ref(c)} {}

 private:
  friend struct impl::chan_access;
  explicit send_chan(impl::source_ref<impl::source> s) noexcept : base{std::move(s)} {}
};

template <class T>
recv_chan(const chan<T>&) -> recv_chan<T>;
template <class T>
send_chan(const chan<T>&) -> send_chan<T>;

/// A new channel. Capacity 0: a send meets its receiver. Throws misuse "makechan: size out of
/// range" for a capacity that is negative or does not fit the address space.
template <class T>
[[nodiscard]] chan<T> make_chan(std::ptrdiff_t capacity = 0) {
  static_assert(std::is_void_v<T> || (std::is_object_v<T> && std::is_move_constructible_v<T>),
                "a channel carries void or movable objects");
  return impl::chan_access::make<chan<T>>(
      impl::source_ref<impl::source>::adopt(impl::make_channel(capacity, impl::element_ops_of<T>)));
}

namespace impl {
template <class T>
recv_chan<T> make_recv_chan(source_ref<source> s) noexcept {
  return chan_access::make<recv_chan<T>>(std::move(s));
}
struct chan_hash {
  std::size_t operator()(const chan_handle& h) const noexcept {
    return std::hash<source*>{}(chan_access::get(h));
  }
};
}  // namespace impl

}  // namespace downhaul

template <class T>
struct std::hash<downhaul::chan<T>> : downhaul::impl::chan_hash {};
template <class T>
struct std::hash<downhaul::recv_chan<T>> : downhaul::impl::chan_hash {};
template <class T>
struct std::hash<downhaul::send_chan<T>> : downhaul::impl::chan_hash {};
