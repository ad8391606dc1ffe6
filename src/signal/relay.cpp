// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// [bell]  relay_bell counts up after a signal's bit was set, or a request was posted. The relay reads
//   it, then looks at both, then sleeps unless it has changed: what came before is seen, what came
//   after wakes it.
// [request]  R1 the caller writes the request, under the callers' lock; R2 stores its number
//   (release); rings. The relay: R3 loads the number (acquire); serves; R4 stores it as served
//   (release), which the caller awaits (acquire).
//   Model of both: tests/models/signal_release.pml
#include "signal/relay.hpp"

#include <csignal>
#include <mutex>
#include <optional>
#include <thread>

#include "platform/fork.hpp"
#include "platform/futex.hpp"
#include "platform/mutex.hpp"
#include "platform/thread.hpp"
#include "sched/deadlock.hpp"
#include "signal/handler.hpp"
#include "wait/thread_record.hpp"

namespace downhaul::impl {

class relay {
 public:
  static relay& get() noexcept {
    static union place {
      place() noexcept : never_destroyed{} {}
      ~place() {}
      relay never_destroyed;
    } here;
    return here.never_destroyed;
  }

  void add(subscriber& s, signal_set signals, bool joins);
  bool remove(subscriber& s) noexcept;
  void drop(signal_set signals, afterwards then) noexcept;
  bool ignored(int signal) noexcept;

 private:
  struct request {
    signal_set unblocked{};  // the relay's mask from now on: all else is blocked
    subscriber* joins = nullptr;
    signal_set listens{};  // of the one who joins, in addition
    subscriber* leaves = nullptr;
    signal_set nobody{};  // taken from all
  };

  void start() DOWNHAUL_REQUIRES(callers_);
  void hand_over(const request& r) noexcept;
  void run() noexcept;
  void serve(const request& r) noexcept;
  void deliver_pending() noexcept;
  static void set_mask(signal_set unblocked) noexcept;

  // Nobody else has this lock when it waits for the relay, which takes no lock at all.
  mutex callers_;
  bool started_ DOWNHAUL_GUARDED_BY(callers_) = false;
  int listeners_[most_signals + 1] = {};             // guarded by callers_: subscribers of each
  signal_set caught_ DOWNHAUL_GUARDED_BY(callers_);  // listeners_ != 0
  std::optional<hold_deadlock_check> something_may_come_ DOWNHAUL_GUARDED_BY(callers_);

  request request_;                        // [request]
  std::atomic<std::uint32_t> asked_{0};    // [request]
  std::atomic<std::uint32_t> served_{0};   // [request] a futex
  observer_list<subscriber> subscribers_;  // the relay's own
};

void relay::start() {
  if (started_) return;
  watch_forks();
  // The thread is born with everything blocked.
  sigset_t all;
  sigset_t mine;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &mine);
  try {
    std::thread{[this] { run(); }}.detach();
  } catch (...) {
    ::pthread_sigmask(SIG_SETMASK, &mine, nullptr);
    throw;
  }
  ::pthread_sigmask(SIG_SETMASK, &mine, nullptr);
  started_ = true;
}

void relay::hand_over(const request& r) noexcept {
  request_ = r;                                                             // R1
  const std::uint32_t number = asked_.load(std::memory_order_relaxed) + 1;  // ours alone
  asked_.store(number, std::memory_order_release);                          // R2 [request]
  relay_bell.fetch_add(1, std::memory_order_release);                       // [bell]
  futex_wake_one(relay_bell);
  for (;;) {
    const std::uint32_t served =
        served_.load(std::memory_order_acquire);  // [request] pairs with R4
    if (served == number) return;
    futex_wait(served_, served);
  }
}

void relay::run() noexcept {
  mark_runtime_thread();
  name_this_thread("dh-signals");
  set_mask({});
  for (;;) {
    const std::uint32_t seen = relay_bell.load(std::memory_order_acquire);  // [bell]
    const std::uint32_t asked = asked_.load(std::memory_order_acquire);     // R3 [request]
    deliver_pending();
    if (asked != served_.load(std::memory_order_relaxed)) {  // our own store
      serve(request_);
      served_.store(asked, std::memory_order_release);  // R4 [request]
      futex_wake_one(served_);
    }
    futex_wait(relay_bell, seen);
  }
}

void relay::serve(const request& r) noexcept {
  if (r.joins != nullptr) {
    if (!r.joins->linked()) subscribers_.push_back(*r.joins);
    r.joins->listens_ = r.joins->listens_ | r.listens;
  }
  if (r.leaves != nullptr) {
    observer_list<subscriber>::remove(*r.leaves);
    r.leaves->listens_ = {};
  }
  if (!r.nobody.empty()) {
    for (subscriber* s = subscribers_.front(); s != nullptr; s = subscribers_.after(*s)) {
      s->listens_ = s->listens_ - r.nobody;
    }
  }
  set_mask(r.unblocked);
  if (r.joins != nullptr) deliver_pending();
}

// A signal that nobody on the list listens for yet stays pending: its subscriber is about to join.
void relay::deliver_pending() noexcept {
  const signal_set come{pending_signals.load(std::memory_order_acquire)};  // [caught] pairs with H3
  if (come.empty()) return;
  signal_set heard;
  for (subscriber* s = subscribers_.front(); s != nullptr; s = subscribers_.after(*s)) {
    heard = heard | (come & s->listens_);
  }
  // Before they are delivered: what comes again from here on is told again.
  pending_signals.fetch_and(~heard.bits(), std::memory_order_acq_rel);  // [caught] pairs with H3
  heard.for_each([this](int signal) {
    for (subscriber* s = subscribers_.front(); s != nullptr; s = subscribers_.after(*s)) {
      if (s->listens_.has(signal)) s->deliver(signal);
    }
  });
}

void relay::set_mask(signal_set unblocked) noexcept {
  sigset_t blocked;
  ::sigfillset(&blocked);
  (unblocked | faults()).for_each([&blocked](int signal) { ::sigdelset(&blocked, signal); });
  ::pthread_sigmask(SIG_SETMASK, &blocked, nullptr);
}

void relay::add(subscriber& s, signal_set signals, bool joins) {
  abort_if_forked();
  const lock_scope lock{callers_};
  if (!joins && !s.subscribed_) return;
  start();
  if (!s.subscribed_) s.keep();
  s.subscribed_ = true;
  const signal_set added = signals - s.listens_;
  added.for_each([this](int signal) {
    if (listeners_[signal]++ == 0) catch_signal(signal);
  });
  caught_ = caught_ | added;
  if (!caught_.empty() && !something_may_come_) something_may_come_.emplace();
  hand_over({.unblocked = caught_, .joins = &s, .listens = added});
}

bool relay::remove(subscriber& s) noexcept {
  if (forked()) return false;  // no relay here, and the lock may be held for ever
  {
    const lock_scope lock{callers_};
    if (!s.subscribed_) return false;
    s.subscribed_ = false;
    signal_set unheard;
    s.listens_.for_each([&](int signal) {
      if (--listeners_[signal] == 0) unheard.add(signal);
    });
    caught_ = caught_ - unheard;
    if (!unheard.empty()) hand_over({.unblocked = caught_});
    unheard.for_each([](int signal) { release_signal(signal, afterwards::former); });
    hand_over({.unblocked = caught_, .leaves = &s});
    if (caught_.empty()) something_may_come_.reset();
  }
  s.let_go();
  return true;
}

void relay::drop(signal_set signals, afterwards then) noexcept {
  abort_if_forked();
  const lock_scope lock{callers_};
  const signal_set ended = signals & caught_;
  if (!ended.empty()) {
    caught_ = caught_ - ended;
    hand_over({.unblocked = caught_});
    ended.for_each([&](int signal) {
      listeners_[signal] = 0;
      release_signal(signal, then);
    });
    hand_over({.unblocked = caught_, .nobody = ended});
    if (caught_.empty()) something_may_come_.reset();
  }
  if (then == afterwards::dropped) (signals - ended).for_each(drop_signal);
}

bool relay::ignored(int signal) noexcept {
  const lock_scope lock{callers_};
  return !caught_.has(signal) && is_dropped(signal);
}

void subscribe(subscriber& s, signal_set signals) { relay::get().add(s, signals, true); }
void extend(subscriber& s, signal_set signals) { relay::get().add(s, signals, false); }
bool unsubscribe(subscriber& s) noexcept { return relay::get().remove(s); }
void unsubscribe_all(signal_set signals) noexcept {
  relay::get().drop(signals, afterwards::former);
}
void ignore_signals(signal_set signals) { relay::get().drop(signals, afterwards::dropped); }
bool signal_ignored(int signal) noexcept { return relay::get().ignored(signal); }

}  // namespace downhaul::impl
