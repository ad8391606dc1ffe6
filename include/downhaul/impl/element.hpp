// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// impl/element.hpp (room: chan) — how a channel stores and moves what it carries.
//
// Idea       The channel's code is not a template: it moves elements through an element_ops. Under
//            a channel's lock only elements of at most 256 bytes whose move cannot throw are
//            moved; any other element lives in a box, made before the lock, and its pointer moves.
// Rule       The sender's object is moved from and stays its owner's to destroy; an element in the
//            ring or in a receiver's slot is moved and destroyed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <new>
#include <optional>
#include <type_traits>
#include <utility>

namespace downhaul::impl {

struct element_ops {
  std::size_t size;  // of a stored element; 0 for void
  std::size_t align;
  void (*move)(void* to, void* from) noexcept;  // null: copy the bytes
  void (*destroy)(void* element) noexcept;      // null: nothing to do
};

inline constexpr std::size_t largest_inline_element = 256;

template <class T>
inline constexpr bool is_boxed =
    sizeof(T) > largest_inline_element || !std::is_nothrow_move_constructible_v<T> ||
    !std::is_nothrow_destructible_v<T>;
template <>
inline constexpr bool is_boxed<void> = false;

template <class T>
constexpr element_ops make_element_ops() noexcept {
  if constexpr (std::is_void_v<T>) {
    return {0, 1, nullptr, nullptr};
  } else if constexpr (is_boxed<T>) {
    return {sizeof(T*), alignof(T*), nullptr,
            [](void* e) noexcept { delete *static_cast<T**>(e); }};
  } else if constexpr (std::is_trivially_copyable_v<T>) {
    return {std::is_empty_v<T> ? 0 : sizeof(T), alignof(T), nullptr, nullptr};
  } else {
    return {sizeof(T), alignof(T),
            [](void* to, void* from) noexcept { ::new (to) T(std::move(*static_cast<T*>(from))); },
            [](void* e) noexcept { std::destroy_at(static_cast<T*>(e)); }};
  }
}

template <class T>
inline constexpr element_ops element_ops_of = make_element_ops<T>();

/// Where a receive puts an element before the receiver's own code takes it.
template <class T>
class incoming {
 public:
  void* slot() noexcept { return &storage_; }
  /// Moves the element out; call once, after the receive delivered one. If T's move throws, the
  /// value is gone with it.
  std::optional<T> take() {
    const owned element{*this};
    return std::optional<T>{std::in_place, std::move(*element.get())};
  }
  /// Destroys it instead.
  void drop() noexcept { const owned element{*this}; }
  /// The same into `to`, which need not be assignable.
  void take(std::optional<T>& to) {
    const owned element{*this};
    to.emplace(std::move(*element.get()));
  }

 private:
  using stored = std::conditional_t<is_boxed<T>, T*, T>;

  // Destroys the element at the end, however that is reached.
  class owned {
   public:
    explicit owned(incoming& in) noexcept : in_{in} {}
    owned(const owned&) = delete;
    owned& operator=(const owned&) = delete;
    ~owned() {
      if constexpr (is_boxed<T>) {
        delete get();
      } else {
        std::destroy_at(get());
      }
    }
    T* get() const noexcept {
      auto* const in_place = std::launder(reinterpret_cast<stored*>(&in_.storage_));
      if constexpr (is_boxed<T>) {
        return *in_place;
      } else {
        return in_place;
      }
    }

   private:
    incoming& in_;
  };

  alignas(stored) std::byte storage_[sizeof(stored)];
};

/// An object on its way into a channel: refers to the sender's own where that may be moved from.
template <class T>
class outgoing {
 public:
  /// Refers to `value`, and moves from it only when the channel takes it.
  explicit outgoing(T&& value) : element_{std::addressof(value)} {
    if constexpr (is_boxed<T>) {
      origin_ = std::addressof(value);
      element_ = new T(std::move(value));
    }
  }
  /// Holds an element of its own.
  template <class... Args>
  explicit outgoing(std::in_place_t, Args&&... args) {
    if constexpr (is_boxed<T>) {
      element_ = new T(std::forward<Args>(args)...);
    } else {
      own_.emplace(std::forward<Args>(args)...);
      element_ = std::addressof(*own_);
    }
  }
  /// An element of its own, out of another's: see release().
  struct released {
    outgoing& from;
  };
  explicit outgoing(released r) : outgoing{std::in_place, std::move(*r.from.element_)} {
    if constexpr (is_boxed<T>) r.from.origin_ = nullptr;
  }
  released release() noexcept { return {*this}; }

  outgoing(const outgoing&) = delete;
  outgoing& operator=(const outgoing&) = delete;
  ~outgoing() {
    if constexpr (is_boxed<T>) {
      // An exception has come between the boxing and the channel, from another case of a select, say.
      if (origin_ != nullptr && element_ != nullptr && std::uncaught_exceptions() != 0) {
        try {
          give_back();
        } catch (...) {  // the first exception is on its way already
        }
      }
      delete element_;
    }
  }

  void* slot() noexcept {
    if constexpr (is_boxed<T>) {
      return &element_;
    } else {
      return element_;
    }
  }
  /// The channel has taken it.
  void taken() noexcept {
    if constexpr (is_boxed<T>) element_ = nullptr;
  }
  /// The channel has not: what was boxed goes back to where it came from, where T can be moved
  /// there.
  void give_back() noexcept(!is_boxed<T> || std::is_nothrow_move_assignable_v<T> ||
                            !std::is_move_assignable_v<T>) {
    if constexpr (is_boxed<T>) {
      T* const origin = std::exchange(origin_, nullptr);
      if (origin == nullptr) return;
      if constexpr (std::is_move_assignable_v<T>) {
        *origin = std::move(*element_);
      } else if constexpr (std::is_nothrow_move_constructible_v<T> &&
                           std::is_nothrow_destructible_v<T>) {
        std::destroy_at(origin);
        std::construct_at(origin, std::move(*element_));
      }
    }
  }

 private:
  struct nothing {};
  T* element_ = nullptr;
  [[no_unique_address]] std::conditional_t<is_boxed<T>, T*, nothing> origin_{};
  [[no_unique_address]] std::conditional_t<is_boxed<T>, nothing, std::optional<T>> own_{};
};

template <>
class outgoing<void> {
 public:
  void* slot() noexcept { return nullptr; }
  void taken() noexcept {}
  void give_back() noexcept {}
  struct released {};
  outgoing() noexcept = default;
  explicit outgoing(released) noexcept {}
  released release() noexcept { return {}; }
};

}  // namespace downhaul::impl
