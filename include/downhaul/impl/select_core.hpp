// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// impl/select_core.hpp (room: chan) — select, without the types of what passes.
#pragma once

#include <cstddef>
#include <cstdint>

#include "downhaul/impl/observer.hpp"
#include "downhaul/impl/source.hpp"

namespace downhaul::impl {

/// One case as the engine sees it. `node.ok` says afterwards, of the case that fired, whether an
/// element passed (else: closed, and a send is to throw).
struct select_op {
  source* on = nullptr;  // null: nil, never ready
  bool sends = false;
  bool hung = false;  // of a done, while waiting: its node hangs there (a case may be listed twice)
  void* slot = nullptr;  // see impl/channel.hpp
  wait_node node;
};

enum class select_mode : std::uint8_t { wait, try_only };

inline constexpr int nothing_ready = -1;  // try_only
inline constexpr int context_ended = -2;
inline constexpr int select_waits = -3;  // begin_select

/// Room to work in: one entry per case.
struct select_scratch {
  std::uint16_t* candidates;
  source** locks;

  template <std::size_t N>
  class of {
   public:
    select_scratch view() noexcept { return {candidates_, locks_}; }

   private:
    std::uint16_t candidates_[N == 0 ? 1 : N];
    source* locks_[N == 0 ? 1 : N];
  };
};

inline constexpr std::size_t most_select_cases = 65'536;

/// Waits until one of `n` operations can go on (or, try_only, looks once), performs exactly one,
/// uniformly at random among those that can, and returns its index. A null op is skipped.
/// `done`, if not null, goes first: context_ended if it is ready at the call or first while parked.
/// The same op may stand there twice. The caller keeps all sources alive.
int select_ops(select_op* const* ops, std::size_t n, select_mode mode, source* done,
               select_scratch scratch) noexcept;

/// The first half of a select that waits, for a waiter that rests in another way than by park: as
/// select_ops, or select_waits, and the nodes hang. `scratch` is needed during the call only.
int begin_select(select_op* const* ops, std::size_t n, source* done, select_scratch scratch,
                 waiter& me, wait_node& on_done) noexcept;
/// The second half, after it was notified: takes the nodes off that lost, and says who has won.
/// nothing_ready: nobody had, and now nobody will (of one that gives its wait up).
int end_select(select_op* const* ops, std::size_t n, source* done, const waiter& me,
               wait_node& on_done) noexcept;

}  // namespace downhaul::impl
