// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// support/channel_lock.hpp — keeps a channel locked, to show what gets by without its lock.
//
// Idea       channel_lock held{ch}; then, on another thread, an operation that needs no lock ends
//            and one that does would hang, and be killed by ctest.
// Ownership  The channel outlives it.
// Threads    Made and ended on the same plain thread, which does nothing with the library meanwhile.
// Cost       the lock.
#pragma once

#include "chan/chan_core.hpp"
#include "downhaul/chan.hpp"

namespace downhaul_test {

class [[nodiscard]] channel_lock {
 public:
  template <class T>
  explicit channel_lock(const downhaul::chan<T>& ch)
      : core_{downhaul::impl::as_channel(downhaul::impl::chan_access::get(ch))} {
    core_.mu().lock();
  }
  channel_lock(const channel_lock&) = delete;
  channel_lock& operator=(const channel_lock&) = delete;
  ~channel_lock() { core_.mu().unlock(); }

 private:
  downhaul::impl::chan_core& core_;
};

}  // namespace downhaul_test
