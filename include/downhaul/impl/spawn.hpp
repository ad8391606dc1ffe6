// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// impl/spawn.hpp (room: wait; defined in sched) — the seam through which lower rooms start goroutines.
//
// Idea       A goroutine is prepared (its control block and closure exist), then started or
//            discarded. Preparing may allocate and throw; starting and discarding never do, so a
//            cancel or a timer can start what was prepared when it was registered.
// Ownership  The one who prepared owns it until start_goroutine or discard_goroutine.
// Threads    Any thread. A prepared goroutine belongs to the runtime current at preparation (from a
//            plain thread: the default one, which it starts); if that one has stopped by the time
//            of the start, it runs on the default one.
#pragma once

#include <cstddef>
#include <memory>
#include <new>
#include <source_location>
#include <type_traits>
#include <utility>

namespace downhaul::impl {

class goroutine;
class runtime_core;

struct closure_ops {
  void (*run)(void* closure);               // may throw: see the rules for uncaught exceptions
  void (*destroy)(void* closure) noexcept;  // after run, or instead of it
};

struct spawn_request {
  std::size_t size = 0;   // of the closure
  std::size_t align = 1;  // of the closure
  const closure_ops* ops = nullptr;
  std::source_location where;
  const char* name = nullptr;  // static storage or copied by sched; null: none
  std::size_t stack = 0;       // bytes; 0: the runtime's default
  bool pinned = false;
  const void* owner = nullptr;  // who counts it, to find it in lists of goroutines; null: nobody
  runtime_core* in = nullptr;   // null: the runtime current here
};

/// Allocates a goroutine with room for the closure. Throws std::bad_alloc.
goroutine* prepare_goroutine(const spawn_request& request);
/// Where the closure is to be constructed; stable until the goroutine has ended.
void* closure_storage(goroutine* prepared) noexcept;
/// Makes it runnable. Ends the caller's ownership.
void start_goroutine(goroutine* prepared) noexcept;
/// Gives back a prepared goroutine whose closure was never constructed or is destroyed already.
void discard_goroutine(goroutine* prepared) noexcept;

/// Less than to prepare one: only its memory, in that runtime or, if null, in the one current here. For
/// what most often comes to nothing, such as a registration that is stopped. Throws std::bad_alloc.
goroutine* reserve_goroutine(std::source_location where, runtime_core* in = nullptr);
/// Makes a prepared one of it, for a closure that needs no more than `size_of_reserved` bytes.
void prepare_reserved(goroutine* reserved, const closure_ops& ops) noexcept;
inline constexpr std::size_t size_of_reserved = 64;
void discard_reserved(goroutine* reserved) noexcept;

/// The runtime of a prepared goroutine, kept until let_go_of_runtime: for spawn_request::in.
runtime_core* hold_runtime_of(const goroutine* prepared) noexcept;
void let_go_of_runtime(runtime_core* held) noexcept;

template <class F>
inline constexpr closure_ops closure_ops_for{
    [](void* c) { (*static_cast<F*>(c))(); },
    [](void* c) noexcept { std::destroy_at(static_cast<F*>(c)); },
};

/// Prepares a goroutine that will run `f`. F is a nullary callable returning void.
template <class F>
goroutine* prepare_goroutine_with(F&& f, spawn_request request) {
  using closure = std::decay_t<F>;
  request.size = sizeof(closure);
  request.align = alignof(closure);
  request.ops = &closure_ops_for<closure>;
  goroutine* g = prepare_goroutine(request);
  if constexpr (std::is_nothrow_constructible_v<closure, F&&>) {
    ::new (closure_storage(g)) closure(std::forward<F>(f));
  } else {
    try {
      ::new (closure_storage(g)) closure(std::forward<F>(f));
    } catch (...) {
      discard_goroutine(g);
      throw;
    }
  }
  return g;
}

}  // namespace downhaul::impl
