// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// context/foreign_child.hpp — a cancel node that may hang below a user-written context.
#pragma once

#include "context/cancel_node.hpp"
#include "context/foreign_link.hpp"

namespace downhaul::impl {

class extended_node : public cancel_node {
 public:
  extended_node(context_form form, context_head* parent, std::uint32_t refs) noexcept
      : cancel_node{form, parent, shape::extended, refs} {}

  /// attach(), whatever the parent is. Ends this if the parent has ended. May throw.
  void attach_anyhow() {
    if (links_directly(parent())) {
      attach();
    } else {
      foreign_link::hang(*this, *parent(), foreign_);
    }
  }
  /// Instead, for one without a parent: ends this when `done` closes.
  void follow(source& done) { foreign_link::follow(*this, done, foreign_); }
  void settle() noexcept override {
    if (foreign_ != nullptr) foreign_->detach();
  }

 protected:
  ~extended_node() = default;

  /// The first thing in dispose().
  void take_leave() noexcept {
    if (closed()) return;  // then it has settled, by K3
    unlink();
    settle();
  }

 private:
  foreign_link* foreign_ = nullptr;  // a share of it, until settled; constant once hung
};

/// Calls f, which makes `n` ready, and gives up the maker's `refs` references if that throws.
template <class Node, class F>
Node* made_ready(Node* n, std::uint32_t refs, F f) {
  try {
    f(*n);
  } catch (...) {
    while (refs-- > 0) n->unref();
    throw;
  }
  return n;
}

}  // namespace downhaul::impl
