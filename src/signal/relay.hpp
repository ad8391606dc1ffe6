// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// signal/relay.hpp — who listens for which signal, and the thread that tells them.
//
// Idea       One thread of the library sleeps until the handler, or a caller here, rings. It alone
//            holds the list of subscribers and delivers; so a delivery takes no lock of this room,
//            and what has been removed by it gets nothing more. Callers change things by a request
//            that it serves, after it has delivered what was pending.
// Ownership  The list holds a reference to each subscriber. The thread and all state are never
//            destroyed; they are made by the first subscription.
// Threads    The functions may be called from anywhere but the relay; they exclude each other. Each
//            waits for the relay, which never waits for user code.
// Cost       One or two hand-shakes with a sleeping thread, some 50 us.
//
// The mask   The relay blocks all signals but faults and those listened to. So a signal that the
//            program's own threads block since its start is received all the same while somebody
//            listens, and waits in the kernel again afterwards. It is blocked before the former
//            action is put back, which must not meet it on the relay.
#pragma once

#include "downhaul/impl/observer.hpp"
#include "signal/signal_set.hpp"

namespace downhaul::impl {

class subscriber : public list_node {
 public:
  subscriber() noexcept = default;
  subscriber(const subscriber&) = delete;
  subscriber& operator=(const subscriber&) = delete;

  virtual void keep() noexcept = 0;    // one reference more
  virtual void let_go() noexcept = 0;  // one less
  /// A signal has come. On the relay: must not block nor run user code.
  virtual void deliver(int signal) noexcept = 0;

 protected:
  ~subscriber() = default;

 private:
  friend class relay;
  signal_set listens_;       // written by the relay; also read under the callers' lock
  bool subscribed_ = false;  // under the callers' lock
};

/// `s` listens for `signals`. Throws std::system_error when there is no thread.
void subscribe(subscriber& s, signal_set signals);
/// In addition to what it listens for; nothing if it is not subscribed (any more).
void extend(subscriber& s, signal_set signals);
/// False if it is not subscribed. When this returns nothing is delivered to it any more.
bool unsubscribe(subscriber& s) noexcept;
/// Ends all subscriptions to `signals`.
void unsubscribe_all(signal_set signals) noexcept;
/// The same, and the kernel drops these signals from now on.
void ignore_signals(signal_set signals);
bool signal_ignored(int signal) noexcept;

}  // namespace downhaul::impl
