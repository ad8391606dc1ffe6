// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// impl/with_value.hpp (room: context) — bindings: a context that adds one value.
//
// Idea       The bindings that a context can see form a persistent trie over mixed key addresses, two
//            bits a level. A binding is a context and a trie node at once. The newest one is the
//            root; it holds, for each level, the three subtrees whose digit there differs from its
//            own. To look a key up: compare; else take the first level where the digits differ,
//            follow the subtree, repeat. Nothing is walked upwards.
// Ownership  Subtrees are ancestors, which the parent link keeps alive. One allocation: the node, the
//            value, the subtrees.
// Threads    Immutable once made.
// Cost       Lookup: about 0.75 log4(n) hops among n keys. Memory: 24 bytes for each of about
//            log4(n) + 1 levels. See docs/design/values.md.
//
// Invariants
//   V1  the mix is a bijection: two keys never have all digits in common
//   V2  siblings[3 l + r - 1] of a root is the newest binding among those that agree with it in the
//       digits before level l and whose digit at l is its own xor r; null if there is none
//   V3  of a binding that is itself reached through level l, the levels up to l are not looked at
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <string>
#include <string_view>
#include <type_traits>
#include <typeinfo>
#include <utility>

#include "downhaul/context.hpp"
#include "downhaul/impl/view_node.hpp"
#include "downhaul/key.hpp"

namespace downhaul::impl {

/// Asked when the trie misses: a user-written find(), or a merge.
class value_tail {
 public:
  virtual const void* ask(const key_base& k) const noexcept = 0;

 protected:
  ~value_tail() = default;
};

struct value_entry {
  const key_base* key = nullptr;  // null: an empty trie, which has only a tail
  std::uint64_t hash = 0;
  const void* value = nullptr;
  const value_tail* tail = nullptr;  // what the values seen here go on to; null: nowhere
  const value_entry** siblings = nullptr;
  std::uint32_t levels = 0;
};

/// Demangled.
std::string type_name(const std::type_info& type);

template <class T>
std::string text_of_value(const T& value) {
  if constexpr (std::is_null_pointer_v<T>) {
    return "<nil>";
  } else if constexpr (std::convertible_to<const T&, std::string_view> && !std::is_pointer_v<T>) {
    return std::string{std::string_view{value}};
  } else if constexpr (std::is_pointer_v<T>) {
    if (value == nullptr) return "<nil>";
    if constexpr (std::convertible_to<const T&, std::string_view>) return std::string{value};
    return type_name(typeid(T));
  } else if constexpr (requires {
                         { value.to_string() } -> std::convertible_to<std::string>;
                       }) {
    return value.to_string();
  } else if constexpr (requires {
                         { to_string(value) } -> std::convertible_to<std::string>;
                       }) {
    return to_string(value);
  } else if constexpr (requires {
                         value.has_value();
                         *value;
                       }) {
    return value.has_value() ? text_of_value(*value) : std::string{"<nil>"};
  } else {
    return type_name(typeid(T));
  }
}

class value_node : public view_node {
 public:
  const value_entry& entry() const noexcept { return entry_; }
  virtual std::string value_as_text() const = 0;

 protected:
  value_node(context_head* parent, const key_base& k, const void* value,
             const value_entry** siblings, std::uint32_t levels) noexcept;
  ~value_node() = default;

 private:
  value_entry entry_;
};

/// How many levels a new binding of `k` below `parent` needs.
std::uint32_t levels_needed(const context_head* parent, const key_base& k) noexcept;

template <class T>
class value_node_of final : public value_node {
 public:
  template <class... Args>
  static context_head* make(context_head* parent, const key_base& k, Args&&... args) {
    const std::uint32_t levels = levels_needed(parent, k);
    void* place = allocate(sizeof(value_node_of) + std::size_t{levels} * 3 * sizeof(void*));
    if constexpr (std::is_nothrow_constructible_v<T, Args...>) {
      return ::new (place) value_node_of{parent, k, levels, std::forward<Args>(args)...};
    } else {
      // The value is made first: if that throws, nothing else has happened.
      auto* object = static_cast<value_node_of*>(place);
      try {
        return ::new (place) value_node_of{parent, k, levels, std::forward<Args>(args)...};
      } catch (...) {
        deallocate(object);
        throw;
      }
    }
  }

 private:
  template <class... Args>
  value_node_of(context_head* parent, const key_base& k, std::uint32_t levels, Args&&... args)
      : value_node{parent, k, std::addressof(value_),
                   reinterpret_cast<const value_entry**>(this + 1), levels},
        value_(std::forward<Args>(args)...) {}
  ~value_node_of() = default;

  static constexpr bool over_aligned = alignof(T) > __STDCPP_DEFAULT_NEW_ALIGNMENT__;
  static void* allocate(std::size_t size) {
    if constexpr (over_aligned) return ::operator new(size, std::align_val_t{alignof(T)});
    return ::operator new(size);
  }
  static void deallocate(void* place) noexcept {
    if constexpr (over_aligned) {
      ::operator delete(place, std::align_val_t{alignof(T)});
    } else {
      ::operator delete(place);
    }
  }
  void dispose() noexcept override {
#ifdef DOWNHAUL_CHECKED
    const std::size_t size = sizeof(value_node_of) + entry().levels * 3 * sizeof(void*);
    this->~value_node_of();
    retire(this, size, alignof(T), freed::context);
#else
    this->~value_node_of();
    deallocate(this);
#endif
  }
  std::string value_as_text() const override { return text_of_value(value_); }

  const T value_;
};

}  // namespace downhaul::impl

namespace downhaul {

/// A child that binds `k` to a T made of `args`; everything else is the parent's. The value lives as
/// long as a context that can see it. Throws what the making of T throws.
template <class T, class... Args>
  requires std::constructible_from<T, Args...>
[[nodiscard]] context with_value(const context& parent, const key<T>& k, Args&&... args) {
  return impl::context_access::adopt(impl::value_node_of<T>::make(
      impl::context_access::node(parent), k, std::forward<Args>(args)...));
}
template <class T, class... Args>
context with_value(const context& parent, const key<T>&& k, Args&&... args) = delete;

}  // namespace downhaul
