// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// impl/select_case.hpp (room: chan) — the typed cases that select takes.
//
// A case has a begin(), which names its source anew and says where the element is, and after the
// select one of complete(), if it fired, which takes the element and calls the handler, and
// abandon(), if it did not. Before begin() it can be asked whether it waits (impl/glance.hpp); if all
// do, miss() ends a select that does not, instead of begin() and abandon(). drop() is complete() for
// one whose select has been destroyed meanwhile: it lets go of the element.
#pragma once

#include <concepts>
#include <functional>
#include <new>
#include <optional>
#include <type_traits>
#include <utility>

#include "downhaul/chan.hpp"
#include "downhaul/impl/element.hpp"
#include "downhaul/impl/glance.hpp"
#include "downhaul/impl/select_core.hpp"

namespace downhaul::impl {

template <class T>
T element_of_receiver(const recv_chan<T>&);
template <class T>
T element_of_receiver(const chan<T>&);

/// chan<T>, recv_chan<T>.
template <class H>
concept receiver_handle = requires(const H& h) { element_of_receiver(h); };
/// An object that has a channel to receive from: timer, ticker, signal_channel.
template <class H>
concept receiver_owner =
    requires(const H& h) { requires receiver_handle<std::remove_cvref_t<decltype(h.chan())>>; };
template <class H>
concept receivable = receiver_handle<H> || receiver_owner<H>;

template <receivable H>
decltype(auto) handle_of(const H& from) noexcept {
  if constexpr (receiver_handle<H>) {
    return (from);
  } else {
    return from.chan();
  }
}
template <receivable H>
using received_t = decltype(element_of_receiver(handle_of(std::declval<const H&>())));

/// Handlers of a receive: f(std::optional<T>) or f(); for void f(bool) or f().
template <class F, class T>
struct is_recv_handler
    : std::bool_constant<std::invocable<F&, std::optional<T>> || std::invocable<F&>> {};
template <class F>
struct is_recv_handler<F, void>
    : std::bool_constant<std::invocable<F&, bool> || std::invocable<F&>> {};
template <class F, class T>
concept recv_handler = is_recv_handler<F, T>::value;

struct no_handler {};

template <class T>
T element_of_sender(const send_chan<T>&);
template <class T>
T element_of_sender(const chan<T>&);

/// chan<T>, send_chan<T>.
template <class H>
concept sender_handle = requires(const H& h) { element_of_sender(h); };
template <sender_handle H>
using sent_t = decltype(element_of_sender(std::declval<const H&>()));

/// Puts what was received where the user said.
template <class T>
struct assign_to {
  std::optional<T>* where;
  void operator()(std::optional<T> v) const {
    if constexpr (std::is_move_assignable_v<std::optional<T>>) {
      *where = std::move(v);
    } else {
      where->reset();
      if (v) where->emplace(std::move(*v));
    }
  }
};
template <>
struct assign_to<void> {
  bool* where;
  void operator()(bool v) const noexcept { *where = v; }
};

struct case_base {};  // marks the case types

/// A select_op that costs nothing before its begin(): most selects that do not wait never come to it.
class late_op {
 public:
  late_op() noexcept {}
  late_op(const late_op&) = delete;
  late_op& operator=(const late_op&) = delete;

  select_op& begin() noexcept {
#ifdef DOWNHAUL_CHECKED
    end();
    begun_ = true;
#endif
    return *::new (static_cast<void*>(&op_)) select_op;
  }
  /// After begin().
  bool passed() const noexcept { return op_.node.ok; }

#ifdef DOWNHAUL_CHECKED
  ~late_op() { end(); }

 private:
  void end() noexcept {
    if (begun_) op_.~select_op();
    begun_ = false;
  }
  bool begun_ = false;
#else
  ~late_op() = default;

 private:
  static_assert(std::is_trivially_destructible_v<select_op>);
#endif
  union {
    select_op op_;
  };
};

/// What a receive case holds until its value is asked for: an optional<T>, or a bool for void.
template <class T>
class received {
 public:
  using value_type = std::optional<T>;
  void* slot() noexcept { return in_.slot(); }
  void reset() noexcept { value_.reset(); }
  void take(bool ok) {
    if (ok) in_.take(value_);
  }
  void drop() noexcept { in_.drop(); }
  value_type& value() noexcept { return value_; }

 private:
  incoming<T> in_;
  value_type value_;
};
template <>
class received<void> {
 public:
  using value_type = bool;
  void* slot() noexcept { return nullptr; }
  void reset() noexcept { value_ = false; }
  void take(bool ok) noexcept { value_ = ok; }
  void drop() noexcept {}
  value_type& value() noexcept { return value_; }

 private:
  bool value_ = false;
};

/// H is `const Handle&` (borrowed) or `Handle` (owned).
template <class H, class F>
class recv_case : public case_base {
  using handle = std::remove_cvref_t<H>;

 public:
  using element = received_t<handle>;

  recv_case(H from, F f) : from_{std::forward<H>(from)}, f_{std::move(f)} {}
  /// Only between selects.
  recv_case(recv_case&& other) noexcept(std::is_nothrow_move_constructible_v<F>)
      : from_{std::forward<H>(other.from_)}, f_{std::move(other.f_)} {}

  /// True if the last select chose this case.
  bool fired() const noexcept { return fired_; }
  /// What it received: empty (for void: false) means closed, or not fired.
  typename received<element>::value_type& value() noexcept { return received_.value(); }

  select_op* begin() {
    fired_ = false;
    received_.reset();
    if constexpr (receiver_owner<handle>) held_ = handle_of(from_);
    select_op& op = op_.begin();
    op.on = chan_access::get(current());
    op.slot = received_.slot();
    return &op;
  }
  bool waits(sighting& seen) const noexcept {
    return impl::waits<chan_head::recv_ready, may_be_done>(chan_access::get(handle_of(from_)),
                                                           seen);
  }
  template <bool Alone>
  static bool still_waits(const sighting& seen) noexcept {
    return impl::still_waits<may_be_done, Alone>(seen);
  }
  void miss() noexcept {
    fired_ = false;
    received_.reset();
  }
  void complete() { finish(op_.passed()); }
  /// True if it receives from a done that has closed: that never changes again, and what comes is known.
  bool is_over() const noexcept {
    if constexpr (!may_be_done) return false;
    const source* const s = chan_access::get(handle_of(from_));
    return s != nullptr && s->kind() == source_kind::done &&
           static_cast<const done_head*>(s)->closed();
  }
  /// Instead of begin() and complete(), where it is over.
  void complete_over() { finish(false); }
  void abandon() noexcept {}
  void drop() noexcept {
    if (op_.passed()) received_.drop();
  }

 private:
  struct nothing {};
  static constexpr bool may_be_done = std::is_void_v<element>;
  void finish(bool passed) {
    fired_ = true;
    received_.take(passed);
    if constexpr (!std::is_same_v<F, no_handler>) {
      if constexpr (std::is_invocable_v<F&, typename received<element>::value_type>) {
        std::invoke(f_, std::move(received_.value()));
      } else {
        std::invoke(f_);
      }
    }
  }
  const auto& current() const noexcept {
    if constexpr (receiver_owner<handle>) {
      return held_;
    } else {
      return from_;
    }
  }

  H from_;
  [[no_unique_address]] F f_;
  [[no_unique_address]] std::conditional_t<receiver_owner<handle>, recv_chan<element>, nothing>
      held_{};
  bool fired_ = false;
  received<element> received_;
  late_op op_;
};

/// Sends once: made for one select, as a temporary.
template <class T, class F>
class send_case : public case_base {
 public:
  template <class... Args>
  send_case(source_ref<source> to, F f, Args&&... args)
      : to_{std::move(to)}, f_{std::move(f)}, out_{std::forward<Args>(args)...} {}
  /// Into a list: takes the value itself, also where it was only referred to.
  send_case(send_case&& other)  // NOLINT(performance-noexcept-move-constructor): makes an element
      : to_{std::move(other.to_)}, f_{std::move(other.f_)}, out_{other.out_.release()} {}

  select_op* begin() noexcept {
    select_op& op = op_.begin();
    op.on = to_.get();
    op.sends = true;
    op.slot = out_.slot();
    return &op;
  }
  bool waits(sighting& seen) const noexcept {
    return impl::waits<chan_head::send_ready, false>(to_.get(), seen);
  }
  template <bool Alone>
  static bool still_waits(const sighting& seen) noexcept {
    return impl::still_waits<false, Alone>(seen);
  }
  void miss() noexcept(noexcept(abandon())) { abandon(); }
  void complete() {
    out_.taken();
    to_ = {};  // the value is gone: the case is off from now on
    if constexpr (!std::is_same_v<F, no_handler>) std::invoke(f_);
  }
  void abandon() noexcept(noexcept(out_.give_back())) { out_.give_back(); }
  void drop() noexcept {
    if (op_.passed()) out_.taken();
  }

 private:
  source_ref<source> to_;
  [[no_unique_address]] F f_;
  outgoing<T> out_;
  late_op op_;
};

struct otherwise_case : case_base {};

template <class C>
inline constexpr bool is_send_case = false;
template <class T, class F>
inline constexpr bool is_send_case<send_case<T, F>> = true;

/// What select takes: any case; a send case only as a temporary.
template <class C>
concept select_argument = std::derived_from<std::remove_cvref_t<C>, case_base> &&
                          (!is_send_case<std::remove_cvref_t<C>> || !std::is_lvalue_reference_v<C>);

}  // namespace downhaul::impl
