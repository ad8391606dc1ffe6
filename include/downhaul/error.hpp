// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// downhaul/error.hpp — why an operation did not do its work.
//
// Idea       A context that ended is an std::error_code of one category, equal to the standard's
//            conditions: canceled == std::errc::operation_canceled, deadline_exceeded ==
//            std::errc::timed_out. The throwing form of an operation throws context_error, which
//            adds the cause. Misuse of an object throws misuse, with the text Go gives it.
// Ownership  Values. The category is never destroyed.
// Threads    Everything here is immutable.
// Source     Go context.Canceled, context.DeadlineExceeded; std::system_error.
#pragma once

#include <exception>
#include <stdexcept>
#include <system_error>
#include <type_traits>

namespace downhaul {

enum class errc {
  canceled = 1,       ///< "context canceled"; == std::errc::operation_canceled
  deadline_exceeded,  ///< "context deadline exceeded"; == std::errc::timed_out
};

/// The category of errc, named "downhaul".
const std::error_category& context_category() noexcept;

inline std::error_code make_error_code(errc e) noexcept {
  return {static_cast<int>(e), context_category()};
}

/// Thrown by an operation whose context has ended. One that leaves a goroutine ends just that
/// goroutine: this is how a cancelled goroutine stops.
class context_error : public std::system_error {
 public:
  explicit context_error(std::error_code err, std::exception_ptr cause = nullptr);
  context_error(std::error_code err, std::exception_ptr cause, const char* what);

  /// Why the context ended; null when nothing richer than code() is known.
  const std::exception_ptr& cause() const noexcept { return cause_; }

 private:
  std::exception_ptr cause_;
};

/// Wrong use of an object: "close of closed channel", "sync: negative WaitGroup counter".
class misuse : public std::logic_error {
 public:
  using std::logic_error::logic_error;
};

}  // namespace downhaul

template <>
struct std::is_error_code_enum<downhaul::errc> : std::true_type {};
