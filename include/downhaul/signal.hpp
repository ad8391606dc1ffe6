// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// downhaul/signal.hpp — signals of the operating system, as values on a channel or as a cancel.
//
// Idea       signal_channel interrupts{SIGINT}; interrupts.recv(); — or notify_context(parent,
//            {SIGINT}), a context that the signal ends. As long as anybody listens for a signal its
//            default action is off; when the last one stops, what was there before is back.
// Ownership  The subscription ends with the signal_channel; that of a notify_context with the call
//            or the end of its cancel.
// Threads    Everything from anywhere. Starting and stopping wait some 50 us for the library's own
//            thread.
// Delivery   Every subscriber gets every signal that it listens for. A signal waits for its receiver
//            in the channel, once for each number: one that comes again before it was received is
//            merged with it; different ones never push each other out, and nobody holds up anybody
//            else. The order of different numbers is not kept.
// Cost       A thread, started by the first subscription, which sleeps.
// Handlers   Nothing is installed for a signal before it is subscribed to. A handler function that
//            was there is called as well. The handler runs on the alternate stack where a thread has
//            one, and restarts what it interrupts (SA_ONSTACK, SA_RESTART). A fault of the program
//            itself (SIGSEGV and its like, not sent by kill) always goes to what was there before,
//            and what was sent by kill, to somebody who listens, does not.
// Source     Go os/signal (1.26). Differs: the above; nothing is changed for signals not listened to.
#pragma once

#include <csignal>
#include <initializer_list>
#include <iterator>
#include <optional>
#include <string>
#include <system_error>
#include <utility>

#include "downhaul/chan.hpp"
#include "downhaul/context.hpp"
#include "downhaul/error.hpp"
#include "downhaul/fwd.hpp"

namespace downhaul {

/// Receives signals until the end of its life. A case of select, too: recv(interrupts).
class signal_channel {
 public:
  /// Listens for all signals, save faults and those that cannot be caught.
  signal_channel() : signal_channel{std::initializer_list<int>{}} {}
  /// Listens for `signals`; an empty list means all. Numbers that are none are passed over, and so
  /// are SIGKILL and SIGSTOP. Throws std::bad_alloc, std::system_error when there is no thread.
  signal_channel(std::initializer_list<int> signals);
  /// The moved-from one is stopped, and its channel nil.
  signal_channel(signal_channel&& other) noexcept : chan_{std::exchange(other.chan_, {})} {}
  signal_channel& operator=(signal_channel&& other) noexcept {
    if (this != &other) {
      stop();
      chan_ = std::exchange(other.chan_, {});
    }
    return *this;
  }
  /// As stop().
  ~signal_channel() { stop(); }

  /// Listens for these too. Nothing after stop().
  void add(std::initializer_list<int> signals);

  /// The number of the next signal; empty after stop(), when all that had come was received. Waits.
  std::optional<int> recv() const { return chan_.recv(); }
  /// Cancellation: throws context_error if `ctx` has ended, or ends first; then nothing was taken.
  std::optional<int> recv(const context& ctx) const { return chan_.recv(ctx); }
  /// Cancellation: empty with `ec` set to ctx.err(). Empty with `ec` clear: stopped.
  std::optional<int> recv(const context& ctx, std::error_code& ec) const {
    return chan_.recv(ctx, ec);
  }
  /// Takes a signal if one has come; never waits.
  std::optional<int> try_recv() const { return chan_.try_recv(); }
  /// `ec` is operation_would_block for "none now", clear for stopped.
  std::optional<int> try_recv(std::error_code& ec) const { return chan_.try_recv(ec); }
  /// What select and range-for receive from; closed by stop().
  const recv_chan<int>& chan() const noexcept { return chan_; }
  auto begin() const { return chan_.begin(); }
  std::default_sentinel_t end() const noexcept { return {}; }

  /// Ends the subscription: afterwards nothing more comes, and the channel is closed. What came
  /// before can still be received. A signal that races with this is either received here or takes
  /// the action that is in force afterwards; it is never lost. Harmless when repeated.
  void stop() noexcept;

 private:
  recv_chan<int> chan_;
};

/// Ends the subscriptions of all to `signals`, and ignores these signals until somebody subscribes
/// to them again. An empty list means all.
void ignore(std::initializer_list<int> signals);
/// Ends the subscriptions of all to `signals` and puts back what was in force before the first. The
/// channels stay open. Does not undo ignore(). An empty list means all.
void reset(std::initializer_list<int> signals = {});
/// True while `signal` is ignored, by ignore() or since the program was started (nohup).
bool ignored(int signal) noexcept;

/// "interrupt", "terminated", "user defined signal 1", …; "signal 40" for those without a name.
std::string signal_name(int signal);

/// Why a context made by notify_context ended: a signal. Its code is errc::canceled.
class signal_error : public context_error {
 public:
  explicit signal_error(int number);
  /// The signal's number.
  int number() const noexcept { return number_; }
  /// "interrupt signal received".
  const char* what() const noexcept override { return text_.what(); }

 private:
  int number_;
  std::runtime_error text_;  // a string whose copies cannot throw
};

/// A child that also ends, with errc::canceled and a signal_error as cause, when one of `signals`
/// comes; an empty list means all. The subscription stays until its cancel is called or ends, also
/// after the first signal and after the parent's end: a second Ctrl-C is swallowed as long as the
/// scope is open, and kills afterwards. Throws as signal_channel does.
cancelable notify_context(const context& parent, std::initializer_list<int> signals);

}  // namespace downhaul
