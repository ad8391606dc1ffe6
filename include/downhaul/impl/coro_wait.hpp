// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// impl/coro_wait.hpp (room: sched) — one wait of a coroutine, without the types of what passes.
//
// Idea       Each kind of wait has a struct, which lies in the awaitable and so in the frame, and up to
//            four functions: suspend_ tries, else hangs the nodes and suspends; resume_ ends the wait
//            and says how it went; abandon_ does so where the frame is being destroyed.
// Ownership  The struct is the awaitable's. While it waits it does not move, and keeps its source.
// Threads    After suspend_ has returned true the coroutine may run, or be gone, on another thread.
#pragma once

#include <concepts>
#include <coroutine>
#include <cstddef>
#include <cstdint>

#include "downhaul/impl/channel.hpp"
#include "downhaul/impl/coro_block.hpp"
#include "downhaul/impl/coro_resume.hpp"
#include "downhaul/impl/observer.hpp"
#include "downhaul/impl/select_core.hpp"

namespace downhaul {
class clock;
}

namespace downhaul::impl {

/// Who is about to wait.
struct suspender {
  std::coroutine_handle<> handle;
  coroutine* root;  // under which it runs; null: it is somebody else's
  resume_on where;  // only then
};

/// What the promises of our tasks have in common: see impl/coro_task.hpp.
struct under_root {
  coroutine* root = nullptr;
};

template <class P>
concept says_where = requires(P& p) {
  { p.downhaul_resumes_on() } -> std::convertible_to<resume_on>;
};

template <class P>
coroutine* root_of(std::coroutine_handle<P> h) noexcept {
  if constexpr (std::derived_from<P, under_root>) {
    return h.promise().root;
  } else {
    return nullptr;
  }
}

/// Where a wait is to go on, as far as the awaitable says.
class asked_place {
 public:
  void operator=(resume_on place) noexcept { word_ = place.word(); }
  template <class P>
  suspender operator()(std::coroutine_handle<P> h) const {
    return by_word(h, word_);
  }
  /// The same of a word that is kept elsewhere; 0: it does not say.
  template <class P>
  static suspender by_word(std::coroutine_handle<P> h, std::uintptr_t word) {
    if (word != 0) return {h, root_of(h), resume_on::from_word(word)};
    if constexpr (says_where<P>) {
      return {h, root_of(h), h.promise().downhaul_resumes_on()};
    } else {
      return {h, root_of(h), resume_on::runtime()};
    }
  }

 private:
  std::uintptr_t word_ = 0;
};

/// What an awaitable in the frame is awaited through: GCC copies an awaiter that it is given by reference.
template <class Awaitable>
struct awaiter_of {
  Awaitable& in;

  bool await_ready() noexcept(noexcept(in.await_ready())) { return in.await_ready(); }
  template <class P>
  bool await_suspend(std::coroutine_handle<P> h) {
    return in.await_suspend(h);
  }
  decltype(auto) await_resume() { return in.await_resume(); }
};

enum class wait_phase : std::uint8_t { before, waits, over };

/// One send or receive.
struct chan_wait {
  chan_wait(source* s, bool is_send) noexcept : on{s}, sends{is_send} {}

  // Until it waits, the place asked for is where the waiter will be: a parked coroutine is small.
  void ask(resume_on place) noexcept { node.who = reinterpret_cast<waiter*>(place.word()); }
  template <class P>
  suspender who(std::coroutine_handle<P> h) const {
    return asked_place::by_word(h, reinterpret_cast<std::uintptr_t>(node.who));
  }

  wait_node node;
  source* on;
  wait_phase phase = wait_phase::before;
  passed result = passed::blocked;
  bool sends;
};
/// Without waiting. True: `result` says how it went.
bool try_chan(chan_wait& w, void* place) noexcept;
bool suspend_chan(chan_wait& w, void* place, const suspender& who);
passed resume_chan(chan_wait& w) noexcept;
/// Whether an element passed all the same.
bool abandon_chan(chan_wait& w) noexcept;

/// A select, or an operation with a context.
struct select_wait {
  source* done = nullptr;
  coroutine* who = nullptr;
  wait_node on_done;
  int fired = nothing_ready;
  wait_phase phase = wait_phase::before;
};
struct select_ops_view {
  select_op* const* ops;
  std::size_t n;
};
bool suspend_select(select_wait& w, select_ops_view cases, select_scratch scratch,
                    const suspender& who);
int resume_select(select_wait& w, select_ops_view cases) noexcept;
/// The index of what happened all the same, or less than 0.
int abandon_select(select_wait& w, select_ops_view cases) noexcept;

/// A sleep. `entry` is a sleeper, made when it waits.
struct sleep_wait {
  static constexpr std::size_t entry_size = 112;
#ifdef DOWNHAUL_CHECKED
  static constexpr std::size_t room = entry_size + 16;
#else
  static constexpr std::size_t room = entry_size;
#endif

  std::int64_t ns;  // how long; or until when
  bool until;
  source* done = nullptr;
  clock* on = nullptr;
  coroutine* who = nullptr;
  wait_phase phase = wait_phase::before;
  bool time_came = true;
  alignas(8) std::byte entry[room];
  wait_node on_done;
};
/// Returns false with `time_came` set where it need not wait.
bool suspend_sleep(sleep_wait& w, const suspender& who);
/// Whether the time came; else the context ended.
bool resume_sleep(sleep_wait& w) noexcept;
void abandon_sleep(sleep_wait& w) noexcept;

/// Hands control from one coroutine to another: what await_suspend is to return.
#ifdef __clang__
inline std::coroutine_handle<> transfer_to(coroutine*, std::coroutine_handle<> next) noexcept {
  return next;
}
#else
/// GCC makes tail calls from -O2 on and without sanitizers only; so the carrier's loop resumes `next`
/// where there is a carrier.
std::coroutine_handle<> transfer_to(coroutine* root, std::coroutine_handle<> next) noexcept;
#endif

}  // namespace downhaul::impl
