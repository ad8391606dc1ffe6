// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// downhaul/select.hpp — wait for several things at once; exactly one of them happens.
//
// Idea       switch (dh::select(dh::recv(delay), dh::recv(ctx.done()), dh::send(out, v))) { … }
//            Cases are channels, dones, timers, tickers, signals. A case takes a handler, or a place
//            for the value, or a name: auto answer = dh::recv(ch); dh::select(ctx, answer);
//            if (answer.fired()) … A nil channel's case never fires.
// Ownership  recv(lvalue) borrows the handle, which must stay alive and unchanged during the select;
//            recv(rvalue) owns it. A send case is a temporary: it copies an lvalue, refers to an
//            rvalue, and moves from that only if it wins.
// Threads    From goroutines and plain threads, mixed on the same channels.
// Cost       Otherwise: one or two loads per case. One ready: a load per case and one lock. Waiting:
//            two locks per channel, one park. No allocation, but for a run-time list of more than 16
//            cases.
// Fairness   Among the cases ready at once, each is equally likely, whatever their order.
// Source     Go select. Differs: arguments are evaluated in C++'s order; a context can stand in
//            front, which then goes first.
#pragma once

#include <array>
#include <concepts>
#include <cstddef>
#include <exception>
#include <memory>
#include <span>
#include <system_error>
#include <type_traits>
#include <utility>

#include "downhaul/chan.hpp"
#include "downhaul/impl/select_case.hpp"

namespace downhaul {

/// Receives. After it fired, value() holds what came: empty (void: false) when closed.
template <class H>
  requires impl::receivable<std::remove_cvref_t<H>>
[[nodiscard]] auto recv(H&& from) {
  using held = std::conditional_t<std::is_lvalue_reference_v<H>, const std::remove_cvref_t<H>&,
                                  std::remove_cvref_t<H>>;
  return impl::recv_case<held, impl::no_handler>{std::forward<H>(from), {}};
}
/// Receives into `into` — an std::optional<T>, for void a bool — and only if it fired.
template <class H>
  requires impl::receivable<std::remove_cvref_t<H>>
[[nodiscard]] auto recv(
    H&& from, typename impl::received<impl::received_t<std::remove_cvref_t<H>>>::value_type& into) {
  using held = std::conditional_t<std::is_lvalue_reference_v<H>, const std::remove_cvref_t<H>&,
                                  std::remove_cvref_t<H>>;
  using assign = impl::assign_to<impl::received_t<std::remove_cvref_t<H>>>;
  return impl::recv_case<held, assign>{std::forward<H>(from), assign{&into}};
}
/// Receives and, if it fired, calls f(std::optional<T>) (void: f(bool)) or f(), after the select
/// has let go of everything. What f throws leaves select.
template <class H, class F>
  requires impl::receivable<std::remove_cvref_t<H>> &&
           impl::recv_handler<std::decay_t<F>, impl::received_t<std::remove_cvref_t<H>>>
[[nodiscard]] auto recv(H&& from, F&& f) {
  using held = std::conditional_t<std::is_lvalue_reference_v<H>, const std::remove_cvref_t<H>&,
                                  std::remove_cvref_t<H>>;
  return impl::recv_case<held, std::decay_t<F>>{std::forward<H>(from), std::forward<F>(f)};
}

namespace impl {

template <class H, class F, class... V>
auto make_send_case(const H& to, F&& f, V&&... value) {
  using T = sent_t<H>;
  using result = send_case<T, std::decay_t<F>>;
  if constexpr (std::is_void_v<T> || (std::is_same_v<V&&, T&&> && ...)) {
    return result{chan_access::ref(to), std::forward<F>(f), std::forward<V>(value)...};
  } else {
    return result{chan_access::ref(to), std::forward<F>(f), std::in_place,
                  std::forward<V>(value)...};
  }
}

}  // namespace impl

/// Sends `value`: an lvalue is copied now, an rvalue is moved from only if the case wins, anything
/// else is converted now. Throws misuse from select if the channel is closed and the case is picked.
template <impl::sender_handle H, class V>
  requires(!std::is_void_v<impl::sent_t<H>>) && std::convertible_to<V, impl::sent_t<H>>
[[nodiscard]] auto send(const H& to, V&& value) {
  return impl::make_send_case(to, impl::no_handler{}, std::forward<V>(value));
}
/// The same; calls f() after it fired.
template <impl::sender_handle H, class V, std::invocable F>
  requires(!std::is_void_v<impl::sent_t<H>>) && std::convertible_to<V, impl::sent_t<H>>
[[nodiscard]] auto send(const H& to, V&& value, F&& f) {
  return impl::make_send_case(to, std::forward<F>(f), std::forward<V>(value));
}
/// Sends a signal on a channel of void.
template <impl::sender_handle H>
  requires std::is_void_v<impl::sent_t<H>>
[[nodiscard]] auto send(const H& to) {
  return impl::make_send_case(to, impl::no_handler{});
}
template <impl::sender_handle H, std::invocable F>
  requires std::is_void_v<impl::sent_t<H>>
[[nodiscard]] auto send(const H& to, F&& f) {
  return impl::make_send_case(to, std::forward<F>(f));
}

/// Fires when, at one instant, no other case was ready: the select does not wait.
inline constexpr impl::otherwise_case otherwise{};

namespace impl {

struct select_list;

/// A case of a run-time list, without its types. It owns what it sends: nothing to give back.
class erased_case {
 public:
  virtual ~erased_case() = default;
  virtual select_op* begin() = 0;
  virtual void complete() = 0;
};

template <class C>
class erased final : public erased_case {
 public:
  explicit erased(C&& made) : case_{std::move(made)} {}
  select_op* begin() override { return case_.begin(); }
  void complete() override { case_.complete(); }

 private:
  C case_;
};

template <class C>
inline constexpr bool is_otherwise = std::same_as<std::remove_const_t<C>, otherwise_case>;

template <class C>
select_op* begin_case(C& c) {
  if constexpr (is_otherwise<C>) {
    return nullptr;
  } else {
    return c.begin();
  }
}
template <class C>
void complete_case(C& c) {
  if constexpr (!is_otherwise<C>) c.complete();
}
/// A case that did not fire takes its value back. What that throws is kept: the others' values
/// must go back too, and the case that fired must not lose its own.
template <class C>
void abandon_case(C& c, std::exception_ptr& thrown) noexcept {
  if constexpr (!is_otherwise<C>) {
    if constexpr (noexcept(c.abandon())) {
      c.abandon();
    } else {
      try {
        c.abandon();
      } catch (...) {
        if (thrown == nullptr) thrown = std::current_exception();
      }
    }
  }
}

/// A case of a select that did not wait and found nothing.
template <class C>
void miss_case(C& c, std::exception_ptr& thrown) noexcept {
  if constexpr (!is_otherwise<C>) {
    if constexpr (noexcept(c.miss())) {
      c.miss();
    } else {
      abandon_case(c, thrown);
    }
  }
}
template <class C>
bool case_waits(const C& c, sighting& seen) noexcept {
  if constexpr (is_otherwise<C>) {
    return true;
  } else {
    return c.waits(seen);
  }
}
template <bool Alone, class C>
bool case_still_waits(const C&, const sighting& seen) noexcept {
  if constexpr (is_otherwise<C>) {
    return true;
  } else {
    return C::template still_waits<Alone>(seen);
  }
}
/// True if at one instant no case could go on and `done`, if not null, was open: impl/glance.hpp.
template <std::size_t... I, class... Cases>
bool all_wait(std::index_sequence<I...>, source* done, const Cases&... cases) noexcept {
  constexpr bool alone = sizeof...(Cases) <= 2;  // one of them is the otherwise
  std::array<sighting, sizeof...(Cases)> seen;
  return (case_waits(cases, seen[I]) && ...) && (case_still_waits<alone>(cases, seen[I]) && ...) &&
         (done == nullptr || is_open(done));
}

/// Completes a receive from a done that has closed; false: it is something else, or open.
template <class C>
bool complete_if_over(C& c) {
  if constexpr (requires { c.is_over(); }) {
    if (!c.is_over()) return false;
    c.complete_over();
    return true;
  } else {
    return false;
  }
}

/// Whether the case that fired is a send that found its channel closed.
inline bool is_refused(const select_op* fired) noexcept {
  return fired != nullptr && fired->sends && !fired->node.ok;
}

template <class... Cases>
consteval int position_of_otherwise() {
  int at = nothing_ready;
  int i = 0;
  ((at = is_otherwise<Cases> ? i : at, ++i), ...);
  return at;
}

/// After a select: hands over what passed, gives back what did not, calls the handler. Returns `fired`.
template <class... Cases>
int settle_cases(int fired, select_op* const* ops, Cases&... cases) {
  const bool refused = fired >= 0 && is_refused(ops[static_cast<std::size_t>(fired)]);
  // The losers first: what they own goes back before the winner's handler runs.
  std::exception_ptr thrown;
  int i = 0;
  ((i++ != fired || refused ? abandon_case(cases, thrown) : void()), ...);
  if (refused) throw_send_on_closed();
  i = 0;
  ((i++ == fired ? complete_case(cases) : void()), ...);
  if (thrown != nullptr) std::rethrow_exception(std::move(thrown));
  return fired;
}

template <class... Cases>
int select_general(source* done, Cases&... cases) {
  constexpr std::size_t n = sizeof...(Cases);
  constexpr int on_otherwise = position_of_otherwise<Cases...>();
  constexpr select_mode mode = on_otherwise < 0 ? select_mode::wait : select_mode::try_only;

  std::array<select_op*, n + 1> ops{begin_case(cases)...};
  typename select_scratch::of<n> scratch;
  int fired = select_ops(ops.data(), n, mode, done, scratch.view());
  if (fired == nothing_ready) fired = on_otherwise;
  return settle_cases(fired, ops.data(), cases...);
}

template <class... Cases>
int select_static(source* done, Cases&... cases) {
  static_assert((0 + ... + int{is_otherwise<Cases>}) <= 1, "a select has at most one otherwise");
  constexpr int on_otherwise = position_of_otherwise<Cases...>();
  if constexpr (on_otherwise >= 0) {
    if (all_wait(std::index_sequence_for<Cases...>{}, done, cases...)) {
      std::exception_ptr thrown;
      (miss_case(cases, thrown), ...);
      if (thrown != nullptr) std::rethrow_exception(std::move(thrown));
      return on_otherwise;
    }
    // One done, and it is closed: nothing else to choose from.
    if constexpr (sizeof...(Cases) == 2) {
      if (done == nullptr && (complete_if_over(cases) || ...)) return 1 - on_otherwise;
    }
  }
  return select_general(done, cases...);
}

}  // namespace impl

/// A case of a run-time list. Made from recv(…), send(…) or otherwise; owns the value it sends and
/// its wait node; a borrowed channel stays borrowed, an rvalue is owned. A send case that has fired
/// is off: assign a new one.
class select_case {
 public:
  template <class C>
    requires std::derived_from<C, impl::case_base> && (!impl::is_otherwise<C>)
  select_case(C&& made)  // NOLINT(google-explicit-constructor): a list of cases reads as one
      : case_{std::make_unique<impl::erased<C>>(std::forward<C>(made))} {}
  select_case(impl::otherwise_case) noexcept {}  // NOLINT(google-explicit-constructor)

 private:
  friend struct impl::select_list;
  std::unique_ptr<impl::erased_case> case_;  // null: otherwise
};

/// Waits until one of the cases can go on, performs exactly that one, runs its handler and returns
/// its index. With `otherwise` it does not wait. Without any case it waits for ever.
/// Throws misuse "send on closed channel" if the case picked sends on a closed channel.
template <impl::select_argument... Cases>
int select(Cases&&... cases) {
  return impl::select_static(nullptr, cases...);
}
/// Cancellation: throws context_error if `ctx` has ended at the call — then nothing was taken — or
/// ends first while waiting. `ctx` has no index.
template <impl::select_argument... Cases>
int select(const context& ctx, Cases&&... cases) {
  const int fired = impl::select_static(impl::done_of(ctx), cases...);
  if (fired == impl::context_ended) impl::throw_done(ctx);
  return fired;
}
/// Cancellation: returns -1 with `ec` set to ctx.err(); `ec` is clear otherwise.
template <impl::select_argument... Cases>
int select(const context& ctx, std::error_code& ec, Cases&&... cases) {
  const int fired = impl::select_static(impl::done_of(ctx), cases...);
  ec = fired == impl::context_ended ? impl::err_of(ctx) : std::error_code{};
  return fired == impl::context_ended ? -1 : fired;
}

/// The same for a list made at run time, of up to 65,536 cases. Throws misuse
/// "reflect.Select: too many cases (max 65536)", "reflect.Select: multiple default cases".
int select(std::span<select_case> cases);
int select(const context& ctx, std::span<select_case> cases);
int select(const context& ctx, std::error_code& ec, std::span<select_case> cases);

}  // namespace downhaul
