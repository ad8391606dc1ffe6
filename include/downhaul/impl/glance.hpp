// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// impl/glance.hpp (room: chan) — the non-blocking operation that finds nothing, inline and without a
// lock.
//
// Idea       Who asks in a loop ("is it cancelled yet?") gets "not now" nearly every time. For that
//            answer it is enough to look; only what might go on takes the locks.
// Cost       One load for each done, two for each channel, one where there is nothing else.
//
// Why it is one instant (SEL-006)   A select may say "none is ready" only if at one moment none was. A
//   look at one channel after the other does not show that: a value may have moved from the second
//   to the first meanwhile. So all are looked at twice. Let t be the moment of the last look of the
//   first round. Each channel's word, which counts its changes [ready], is the same before and
//   after t, hence it is what it was at t, and at t nothing could go on with any of them. A done
//   never reopens: found open in the second round, after t, it was open at t. One channel and nothing
//   else: the look is the moment. The count has 62 bits and does not come round.
//   Orders: each look is an acquire, so the rounds stay apart. And if some channel became ready (W1)
//   before another ceased to be (W2), where "before" is what the program can know (happens-before),
//   then who saw W2 in the first round sees W1, and its number, in the second.
//   A bit that is set may be wrong (I5); then the slow way looks under the locks.
#pragma once

#include <cstdint>

#include "downhaul/impl/channel.hpp"
#include "downhaul/impl/context_head.hpp"
#include "downhaul/impl/source.hpp"

namespace downhaul::impl {

/// An operation on a source, as the first round saw it.
struct sighting {
  const source* on = nullptr;
  std::uint64_t hint = 0;
};

/// First round: false if an operation of this `Bit` might go on. Dones are left to the second.
template <std::uint64_t Bit, bool MayBeDone>
inline bool waits(const source* s, sighting& seen) noexcept {
  seen.on = s;
  if (s == nullptr || (s->kind() == source_kind::done && MayBeDone)) return true;
  seen.hint = static_cast<const chan_head*>(s)->hint();
  return (seen.hint & Bit) == 0;
}

/// Second round: whether that still holds. `Alone`: there is no other operation.
template <bool MayBeDone, bool Alone>
inline bool still_waits(const sighting& seen) noexcept {
  if (seen.on == nullptr) return true;
  if constexpr (MayBeDone) {
    if (seen.on->kind() == source_kind::done) {
      return !static_cast<const done_head*>(seen.on)->closed();
    }
  }
  return Alone || static_cast<const chan_head*>(seen.on)->hint() == seen.hint;
}

/// Second round, for the done of the context in front: a user-written context may have a channel.
inline bool is_open(const source* done) noexcept {
  if (done->kind() == source_kind::done) return !static_cast<const done_head*>(done)->closed();
  return (static_cast<const chan_head*>(done)->hint() & chan_head::recv_ready) == 0;
}

/// One operation alone: true if it has to wait.
template <std::uint64_t Bit, bool MayBeDone>
inline bool must_wait(const source* s) noexcept {
  sighting seen;
  return waits<Bit, MayBeDone>(s, seen) && still_waits<MayBeDone, true>(seen);
}

}  // namespace downhaul::impl
