// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// downhaul/key.hpp — what a context's value is bound to.
//
// Idea       A key is an object; its identity is its address, its type is the type of the value. Two
//            keys never collide, whatever their names, and nothing is cast.
// Ownership  Static storage, as a rule `inline constexpr dh::key<std::string> request_id{"request_id"};`
//            A key must outlive the contexts that bind it; a temporary does not compile.
// Threads    Immutable.
// Source     Go context keys. Differs: typed.
#pragma once

#include <typeinfo>

namespace downhaul {

/// A key whose type is not known: what a user-written context is asked for.
class key_base {
 public:
  key_base(const key_base&) = delete;
  key_base& operator=(const key_base&) = delete;

  /// For texts and debugging; need not be unique.
  constexpr const char* name() const noexcept { return name_; }
  /// The type of the value.
  const std::type_info& type() const noexcept { return type_(); }

 protected:
  using type_function = const std::type_info& (*)() noexcept;
  constexpr key_base(const char* named, type_function typed) noexcept
      : name_{named}, type_{typed} {}
  ~key_base() = default;

 private:
  const char* name_;
  type_function type_;
};

template <class T>
class key : public key_base {
 public:
  using value_type = T;
  /// `named` has static storage.
  constexpr explicit key(const char* named) noexcept : key_base{named, &type_of_value} {}

 private:
  static const std::type_info& type_of_value() noexcept { return typeid(T); }
};

}  // namespace downhaul
