// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// downhaul/context_base.hpp — contexts written by users.
//
// Idea       Derive from context_base and override what differs; the rest is the parent's. An object
//            made by make_context<T> is a context like any other and may stand anywhere in the tree.
// Ownership  The object lives inside its context and ends with its last handle.
// Threads    All overridden members may be called from anywhere, at once, without any lock of the
//            library held.
// Stable     deadline() and done() are asked once, by make_context. err() must be clear until done()
//            is closed, not clear from then on, and never change again. A done that closes, or
//            delivers, while err() is clear ends the program: "context: internal error: missing
//            cancel error".
// Below it   A child links directly to the nearest ancestor of ours if this context's done is that
//            one's: then a cancel above reaches it before it returns. Otherwise the child registers a
//            callback, with the class's own after_func if it has one:
//                S after_func(std::function<void()> f);   // S: callable as bool(), stops
//            which must call f once, after done() is closed, on any thread; else with done(). In both
//            cases a goroutine then reads err() and cause() and ends the child, so it follows a little
//            later. No goroutine runs while this context is open.
// Source     Go's Context interface, embedded.
#pragma once

#include <exception>
#include <optional>
#include <string>
#include <system_error>
#include <type_traits>
#include <utility>

#include "downhaul/context.hpp"
#include "downhaul/impl/user_node.hpp"

namespace downhaul {

class context_base {
 public:
  explicit context_base(context parent = {}) noexcept : parent_{std::move(parent)} {}
  context_base(const context_base&) = delete;
  context_base& operator=(const context_base&) = delete;
  virtual ~context_base() = default;

  /// As it was given; a wrapper forwards to it.
  const context& parent() const noexcept { return parent_; }

  virtual std::optional<time_point> deadline() const;
  virtual recv_chan<void> done() const;
  /// Any code; children get it verbatim.
  virtual std::error_code err() const;
  /// Asked only when err() is not clear. Null: nothing richer than err().
  virtual std::exception_ptr cause() const;
  /// What is bound to `k`, of type k.type(); null: absent here. Must not call back into this context.
  virtual const void* find(const key_base& k) const noexcept;
  /// The start of the texts of what is below. By default the name of the class.
  virtual std::string to_string() const;

 private:
  const context parent_;
};

/// A context whose object can be reached.
template <class T>
class context_of : public context {
 public:
  context_of() noexcept = default;

  /// Null if this handle was made without make_context, or moved from.
  T* get() const noexcept {
    impl::context_head* node = impl::context_access::node(*this);
    if (node == nullptr || node->form() != impl::context_form::user) return nullptr;
    auto* user = static_cast<impl::user_node*>(node);
    if (user->tag() != impl::user_node_of<T>::tag_of_class()) return nullptr;
    return &static_cast<impl::user_node_of<T>*>(user)->get();
  }
  T* operator->() const noexcept { return get(); }
  T& operator*() const noexcept { return *get(); }

 private:
  template <class U, class... Args>
  friend context_of<U> make_context(Args&&... args);
  explicit context_of(context ctx) noexcept : context{std::move(ctx)} {}
};

/// Makes a T of `args`, and a context of it. Throws what T's constructor, done() and deadline() throw.
template <class T, class... Args>
[[nodiscard]] context_of<T> make_context(Args&&... args) {
  static_assert(std::is_base_of_v<context_base, T>, "a user's context derives from context_base");
  return context_of<T>{
      impl::context_access::adopt(impl::user_node_of<T>::make(std::forward<Args>(args)...))};
}

}  // namespace downhaul
