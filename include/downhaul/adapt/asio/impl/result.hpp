// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// adapt/asio/impl/result.hpp (room: adapt) — from what a handler is called with to what a caller gets.
//
// Idea       void(), void(error_code, T...), void(exception_ptr, T...), void(T...): the error becomes an
//            exception or an error_code; no value void, one value itself, several a tuple.
// Ownership  The outcome of one operation, written by its handler, read once by the one who waited.
// Threads    Ordered by the end of the wait.
#pragma once

#include <boost/asio/error.hpp>
#include <boost/system/error_code.hpp>
#include <boost/system/system_error.hpp>
#include <concepts>
#include <exception>
#include <optional>
#include <system_error>
#include <tuple>
#include <type_traits>
#include <utility>

#include "downhaul/context.hpp"
#include "downhaul/runtime.hpp"

namespace downhaul::impl {

/// Where an error goes that is not thrown. One of the two, or none.
struct asio_error_place {
  std::error_code* std_code = nullptr;
  boost::system::error_code* boost_code = nullptr;

  bool throws() const noexcept { return std_code == nullptr && boost_code == nullptr; }
  void set(std::error_code ec) const {
    if (std_code != nullptr) *std_code = ec;
    if (boost_code != nullptr) *boost_code = ec;
  }
  void set(const boost::system::error_code& ec) const {
    if (std_code != nullptr) *std_code = ec;
    if (boost_code != nullptr) *boost_code = ec;
  }
  void clear() const noexcept {
    if (std_code != nullptr) std_code->clear();
    if (boost_code != nullptr) boost_code->clear();
  }
};

/// What a caller gets of the values. `Throws`: he gets one that is there, or an exception. Otherwise
/// there may be none: then it is default-made, and where that cannot be, an optional is empty.
template <bool Throws, class... Values>
struct asio_values {
  using all = std::tuple<Values...>;
  using plain = all;
  static plain from(all&& values) { return std::move(values); }
};
template <bool Throws>
struct asio_values<Throws> {
  using plain = void;
  static void from(std::tuple<>&&) noexcept {}
};
template <bool Throws, class T>
struct asio_values<Throws, T> {
  using plain = T;
  static T from(std::tuple<T>&& values) { return std::get<0>(std::move(values)); }
};

template <bool Throws, class... Values>
using asio_return_t = std::conditional_t<
    Throws || sizeof...(Values) == 0 || (std::default_initializable<Values> && ...),
    typename asio_values<Throws, Values...>::plain,
    std::optional<std::conditional_t<sizeof...(Values) == 0, std::tuple<>,
                                     typename asio_values<Throws, Values...>::plain>>>;

/// What the handler was called with, or why it was not.
template <class... Values>
class asio_outcome {
 public:
  using all = std::tuple<Values...>;

  template <class... Args>
  void set(boost::system::error_code ec, Args&&... args) {
    code_ = ec;
    values_.emplace(std::forward<Args>(args)...);
  }
  template <class... Args>
  void set_exception(std::exception_ptr e, Args&&... args) {
    exception_ = std::move(e);
    values_.emplace(std::forward<Args>(args)...);
  }
  void fail(std::exception_ptr e) noexcept { exception_ = std::move(e); }
  void abandon() noexcept { code_ = boost::asio::error::operation_aborted; }

  /// `ended`: the context of the call had the operation cancelled; null: nobody did.
  template <bool Throws>
  asio_return_t<Throws, Values...> take(const asio_error_place& place, const context* ended) {
    place.clear();
    if (exception_ != nullptr) {
      keep_reachable(exception_);
      if (!(ended != nullptr && says_aborted(exception_))) {
        std::rethrow_exception(std::exchange(exception_, nullptr));
      }
      end<Throws>(place, *ended);
    } else if (code_) {
      if (ended != nullptr && code_ == boost::asio::error::operation_aborted) {
        end<Throws>(place, *ended);
      } else {
        if constexpr (Throws) throw boost::system::system_error{code_};
        place.set(code_);
      }
    }
    return give<Throws>();
  }
  /// Of an operation that was not started, for `ctx` has ended.
  template <bool Throws>
  static asio_return_t<Throws, Values...> none(const asio_error_place& place, const context& ctx) {
    end<Throws>(place, ctx);
    return asio_outcome{}.template give<Throws>();
  }

 private:
  template <bool Throws>
  static void end(const asio_error_place& place, const context& ctx) {
    if constexpr (Throws) ctx.check();
    place.set(ctx.err());
  }
  static bool says_aborted(const std::exception_ptr& e) noexcept {
    try {
      std::rethrow_exception(e);
    } catch (const boost::system::system_error& error) {
      return error.code() == boost::asio::error::operation_aborted;
    } catch (...) {
      return false;
    }
  }

  template <bool Throws>
  asio_return_t<Throws, Values...> give() {
    if constexpr (sizeof...(Values) != 0) {
      using result = asio_return_t<Throws, Values...>;
      using values = asio_values<Throws, Values...>;
      if (values_.has_value()) return values::from(std::move(*values_));
      // A call that throws has thrown by now, unless the handler ran without an error.
      if constexpr (std::default_initializable<result>) return result{};
    }
#if defined(__GNUC__)
    if constexpr (sizeof...(Values) != 0) __builtin_unreachable();
#endif
  }

  std::optional<all> values_;
  boost::system::error_code code_;
  std::exception_ptr exception_;
};

/// What a completion signature says.
template <class Signature>
struct asio_signature;
template <class... Values>
struct asio_signature_values {
  using outcome = asio_outcome<Values...>;
  template <bool Throws>
  using result = asio_return_t<Throws, Values...>;
};
template <class R, class... Args>
struct asio_signature<R(Args...)> : asio_signature_values<std::decay_t<Args>...> {
  template <class Outcome, class... Given>
  static void deliver(Outcome& to, Given&&... values) {
    to.set(boost::system::error_code{}, std::forward<Given>(values)...);
  }
};
template <class R, class Error, class... Args>
  requires std::same_as<std::decay_t<Error>, boost::system::error_code>
struct asio_signature<R(Error, Args...)> : asio_signature_values<std::decay_t<Args>...> {
  template <class Outcome, class... Given>
  static void deliver(Outcome& to, const boost::system::error_code& ec, Given&&... values) {
    to.set(ec, std::forward<Given>(values)...);
  }
};
template <class R, class Error, class... Args>
  requires std::same_as<std::decay_t<Error>, std::exception_ptr>
struct asio_signature<R(Error, Args...)> : asio_signature_values<std::decay_t<Args>...> {
  template <class Outcome, class... Given>
  static void deliver(Outcome& to, std::exception_ptr e, Given&&... values) {
    to.set_exception(std::move(e), std::forward<Given>(values)...);
  }
};

}  // namespace downhaul::impl
