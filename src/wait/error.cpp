// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
#include "downhaul/error.hpp"

#include <string>
#include <utility>

namespace downhaul {
namespace {

class category final : public std::error_category {
 public:
  const char* name() const noexcept override { return "downhaul"; }

  std::string message(int value) const override {
    switch (static_cast<errc>(value)) {
      case errc::canceled: return "context canceled";
      case errc::deadline_exceeded: return "context deadline exceeded";
    }
    return value == 0 ? "no error" : "unknown context error";
  }

  std::error_condition default_error_condition(int value) const noexcept override {
    switch (static_cast<errc>(value)) {
      case errc::canceled: return std::errc::operation_canceled;
      case errc::deadline_exceeded: return std::errc::timed_out;
    }
    return {value, *this};
  }
};

}  // namespace

const std::error_category& context_category() noexcept {
  static const union place {
    place() noexcept : never_destroyed{} {}
    ~place() {}
    category never_destroyed;
  } here;
  return here.never_destroyed;
}

context_error::context_error(std::error_code err, std::exception_ptr cause)
    : std::system_error{err}, cause_{std::move(cause)} {}

context_error::context_error(std::error_code err, std::exception_ptr cause, const char* what)
    : std::system_error{err, what}, cause_{std::move(cause)} {}

}  // namespace downhaul
