// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// impl/view_node.hpp (room: context) — a context without a done of its own: it shows its parent's.
#pragma once

#include <cstddef>
#include <new>

#include "downhaul/impl/context_head.hpp"
#include "downhaul/impl/observer.hpp"
#include "downhaul/impl/poison.hpp"

namespace downhaul::impl {

class view_node : public context_head {
 public:
  // Nobody waits on a view: done() leads to the parent's source.
  bool ready() noexcept final { return false; }
  bool watch(wait_node&) noexcept final { return true; }
  void unwatch(wait_node&) noexcept final {}

#ifdef DOWNHAUL_CHECKED
  static void operator delete(void* place, std::size_t size) noexcept {
    retire(place, size, 0, freed::context);
  }
  static void operator delete(void* place, std::size_t size, std::align_val_t align) noexcept {
    retire(place, size, static_cast<std::size_t>(align), freed::context);
  }
  // What comes with an operator delete hides the others.
  static void* operator new(std::size_t size) { return ::operator new(size); }
  static void* operator new(std::size_t size, std::align_val_t align) {
    return ::operator new(size, align);
  }
  static void* operator new(std::size_t, void* place) noexcept { return place; }
#endif

 protected:
  /// One reference, the caller's. Shows what `parent` (null: background) shows, and owns it.
  view_node(context_form form, context_head* parent) noexcept;
  ~view_node();

  /// Never ends, has no deadline.
  void show_nothing() noexcept;
};

}  // namespace downhaul::impl
