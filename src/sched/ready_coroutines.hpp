// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// sched/ready_coroutines.hpp — the coroutines of a runtime that may go on, and who resumes them.
//
// Idea       A list under a lock. A carrier, a goroutine that is in no list of goroutines, takes one after
//            the other and resumes it, yields now and then, and ends when there is none.
// Ownership  One in each runtime_core. A carrier is a goroutine like others.
// Threads    Any.
// Cost       One lock to queue one or a chain, one to take one.
//
// Invariants (whenever mu_ is free)
//   R1 first_ is not null => serving_ > 0, or the runtime has stopped
//   R2 serving_ counts the carriers that run, or are runnable, and will call next() again; not those
//      that are away: inside a blocking form that a coroutine has called
//   R3 closed_ => nothing is added
// Lock order  mu_ has the rank of a leaf: nothing is taken inside, no carrier is started inside.
#pragma once

#include <coroutine>
#include <cstdint>

#include "platform/mutex.hpp"

namespace downhaul::impl {

class coroutine;
class goroutine;
class runtime_core;

/// The closure of a carrier's goroutine.
class carrier {
 public:
  explicit carrier(runtime_core& of) noexcept : of_{&of} {}
  void operator()();

  /// That of a goroutine which is one.
  static carrier& of(goroutine& g) noexcept;
  /// That of the goroutine which runs here; null: it is none.
  static carrier* here() noexcept;

  // Its goroutine's own.
  const coroutine* running = nullptr;
  std::coroutine_handle<> transfer;  // to be resumed as soon as what runs has returned

 private:
  friend class ready_coroutines;
  runtime_core* const of_;
  bool away_ = false;  // guarded by mu_
};

class ready_coroutines {
 public:
  explicit ready_coroutines(runtime_core& of) noexcept : of_{&of} {}

  /// Queues the chain from `first` to `last`, linked by `next`. False: the runtime has stopped.
  bool push(coroutine& first, coroutine& last, std::uint32_t n) noexcept;
  /// For a carrier: what it is to resume. Null: it is to end.
  coroutine* next(carrier& c) noexcept;
  /// The goroutine of a carrier, which has left its stack, is about to park.
  void leaves_service(goroutine& g) noexcept;
  /// The runtime stops.
  void close() noexcept;

 private:
  bool wants_carrier() const noexcept DOWNHAUL_REQUIRES(mu_);
  void start_carrier() noexcept;

  runtime_core* const of_;
  alignas(64) ranked_mutex<rank::leaf> mu_;
  coroutine* first_ DOWNHAUL_GUARDED_BY(mu_) = nullptr;
  coroutine* last_ DOWNHAUL_GUARDED_BY(mu_) = nullptr;  // meaningful while first_ is not null
  std::uint32_t size_ DOWNHAUL_GUARDED_BY(mu_) = 0;
  int serving_ DOWNHAUL_GUARDED_BY(mu_) = 0;
  bool closed_ DOWNHAUL_GUARDED_BY(mu_) = false;
};

}  // namespace downhaul::impl
