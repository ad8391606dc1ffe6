// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// impl/coro_block.hpp (room: sched) — the seam through which coroutines are started, ended and named.
//
// Idea       What go(task) starts has a control block for its life, the coroutine of src/sched/. It is
//            prepared, then started or discarded, as a goroutine is (impl/spawn.hpp).
// Ownership  The one who prepared it owns it until start_coroutine; then the runtime, until
//            end_coroutine, which the task calls when its frame is gone.
// Threads    Any.
#pragma once

#include <coroutine>
#include <cstddef>
#include <memory>
#include <source_location>
#include <type_traits>
#include <utility>

namespace downhaul::impl {

class coroutine;
class runtime_core;

/// The function that made a task, kept until the task has ended.
struct kept_function {
  void (*destroy)(kept_function* me) noexcept;
};
template <class F>
struct kept_function_of : kept_function {
  template <class G>
  explicit kept_function_of(G&& g)
      : kept_function{[](kept_function* me) noexcept {
          delete static_cast<kept_function_of*>(me);
        }},
        f(std::forward<G>(g)) {}
  F f;
};

/// How lists of goroutines know it, beside where it was started.
struct coroutine_label {
  const void* owner = nullptr;  // who counts it; aligned to 4; null: nobody
  const char* name = nullptr;   // copied; null: none
};

/// A block in the runtime `in` (null: the one current here). Throws std::bad_alloc.
coroutine* prepare_coroutine(runtime_core* in, std::source_location where,
                             coroutine_label label = {});
/// Makes it runnable: `first` is resumed by the runtime. `kept` may be null, and is where there is an
/// owner and no name.
void start_coroutine(coroutine* prepared, std::coroutine_handle<> first,
                     kept_function* kept) noexcept;
void discard_coroutine(coroutine* prepared) noexcept;
/// Its frame is gone. Destroys what was kept.
void end_coroutine(coroutine* ended) noexcept;

/// An exception has reached the end of it: returns if that is its way to stop, else ends the program.
/// In a handler.
void coroutine_threw(coroutine* thrower) noexcept;

/// Memory for frames. Throws std::bad_alloc.
void* take_frame(std::size_t size);
void give_frame(void* frame, std::size_t size) noexcept;

}  // namespace downhaul::impl
