// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// impl/channel.hpp (room: chan) — the channel behind the handles, without its element type.
//
// All take a channel or, where they only receive, a done; null is the nil channel. `element` is
// where a send moves from, `slot` raw storage that a receive moves into. None runs user code or
// wakes anybody under a lock. The caller keeps the source alive during the call.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <system_error>

#include "downhaul/impl/element.hpp"
#include "downhaul/impl/source.hpp"

namespace downhaul {
class context;
}

namespace downhaul::impl {

/// What of a channel may be looked at without a call: see impl/glance.hpp. The rest, and what [ready]
/// promises, is in chan/chan_core.hpp.
class chan_head : public source {
 public:
  static constexpr std::uint64_t recv_ready = 1;
  static constexpr std::uint64_t send_ready = 2;

  /// [ready] Which operations might not have to wait; above these bits, how often they have changed.
  std::uint64_t hint() const noexcept {
    return hint_.load(std::memory_order_acquire);  // [ready] pairs with update_hint
  }

 protected:
  chan_head(const element_ops& ops, std::size_t capacity, std::byte* ring) noexcept
      : source{source_kind::channel},
        ops_{ops},
        capacity_{capacity},
        ring_{ring},
        hint_{capacity > 0 ? send_ready : 0} {}
  ~chan_head() = default;

  const element_ops ops_;            // constant
  const std::size_t capacity_;       // constant
  std::byte* const ring_;            // constant; the places are guarded by the channel's lock
  std::atomic<std::uint64_t> hint_;  // [ready]
};

enum class passed : std::uint8_t {
  value,    // an element passed
  closed,   // receive: the channel is closed and drained; send: it is closed, nothing was moved
  blocked,  // try: would have to wait
  ended,    // the context ended first; nothing passed
};

/// One reference, the caller's. Throws misuse "makechan: size out of range", std::bad_alloc.
source* make_channel(std::ptrdiff_t capacity, const element_ops& ops);
/// Throws misuse "close of nil channel", "close of closed channel".
void channel_close(source* channel);

/// Throws misuse "send on closed channel": what `closed` means to a sender.
[[noreturn]] void throw_send_on_closed();

/// value or closed.
passed channel_send(source* channel, void* element) noexcept;
/// value, closed or ended.
passed channel_send(source* channel, const context& ctx, void* element) noexcept;
/// value, closed or blocked.
passed channel_try_send(source* channel, void* element) noexcept;

/// value or closed.
passed channel_recv(source* channel, void* slot) noexcept;
/// value, closed or ended.
passed channel_recv(source* channel, const context& ctx, void* slot) noexcept;
/// value, closed or blocked.
passed channel_try_recv(source* channel, void* slot) noexcept;

std::ptrdiff_t channel_size(source* channel) noexcept;
std::ptrdiff_t channel_capacity(source* channel) noexcept;

}  // namespace downhaul::impl
