// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// impl/user_node.hpp (room: context) — the context around an object of a user's class.
#pragma once

#include <concepts>
#include <exception>
#include <functional>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <system_error>
#include <utility>

#include "downhaul/context.hpp"
#include "downhaul/impl/view_node.hpp"
#include "downhaul/impl/with_value.hpp"

namespace downhaul {
class context_base;
}

namespace downhaul::impl {

/// Which parts the user's class has of its own; the others are the parent's, and cost nothing.
struct own_parts {
  bool deadline = true;
  bool err = true;  // or cause
  bool find = true;
  bool after_func = true;
};

class user_node : public view_node, public value_tail {
 public:
  const context_base& object() const noexcept { return *object_; }
  bool has_after_func() const noexcept { return own_.after_func; }
  /// The done of the nearest cancel node above; null: none, or cut off.
  source* nearest_done() const noexcept { return nearest_done_; }

  /// What follows the done, for who must not keep this. Null: none was made yet. Guarded by who asks.
  context& follower() noexcept { return follower_; }

  /// Only if has_after_func(): the object's own after_func.
  virtual std::function<bool()> attach(std::function<void()> f) = 0;
  /// Distinguishes the classes of objects.
  virtual const void* tag() const noexcept = 0;

 protected:
  user_node() noexcept : view_node{context_form::user, nullptr} {}
  ~user_node();

  /// Called once the object exists: takes its parent, asks it for its done and its deadline.
  void show(const context_base& object, own_parts own);

 private:
  const void* ask(const key_base& k) const noexcept final;

  const context_base* object_ = nullptr;
  ask_word ask_;  // with an err or a cause of its own
  own_parts own_;
  source* nearest_done_ = nullptr;
  recv_chan<void> own_done_;  // keeps a done that is not an ancestor's
  context follower_;          // hangs on own_done_
  deadline_info own_deadline_;
  value_entry own_entry_;  // with a find of its own: the empty trie that leads to it
};

/// Only if node.asks(): the user-written context that err and cause are asked of.
const user_node& asked(const context_head& node) noexcept;

template <class T>
class user_node_of final : public user_node {
 public:
  template <class... Args>
  static user_node_of* make(Args&&... args) {
    return new user_node_of(std::forward<Args>(args)...);
  }
  T& get() noexcept { return object_; }
  static const void* tag_of_class() noexcept {
    static constexpr char here = 0;
    return &here;
  }

 private:
  static constexpr bool has_own_after_func = requires(T& t, std::function<void()> f) {
    { t.after_func(std::move(f)) } -> std::convertible_to<std::function<bool()>>;
  };
  // A member inherited from context_base has that class in its type. What cannot be named from here
  // (private, overloaded) is taken for the user's own.
  static constexpr own_parts own_parts_of() noexcept {
    own_parts own;
    own.deadline = !requires {
      requires std::same_as<decltype(&T::deadline),
                            std::optional<time_point> (context_base::*)() const>;
    };
    own.err = !requires {
      requires std::same_as<decltype(&T::err), std::error_code (context_base::*)() const>;
      requires std::same_as<decltype(&T::cause), std::exception_ptr (context_base::*)() const>;
    };
    own.find = !requires {
      requires std::same_as<decltype(&T::find),
                            const void* (context_base::*)(const key_base&) const noexcept>;
    };
    own.after_func = has_own_after_func;
    return own;
  }

  template <class... Args>
  explicit user_node_of(Args&&... args) : object_(std::forward<Args>(args)...) {
    show(object_, own_parts_of());
  }
  ~user_node_of() = default;

  void dispose() noexcept override { delete this; }
  const void* tag() const noexcept override { return tag_of_class(); }
  std::function<bool()> attach([[maybe_unused]] std::function<void()> f) override {
    if constexpr (has_own_after_func) {
      return object_.after_func(std::move(f));
    } else {
      return {};
    }
  }

  T object_;
};

}  // namespace downhaul::impl
