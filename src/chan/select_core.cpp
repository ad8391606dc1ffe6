// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// chan/select_core.cpp — one waiter on many sources.
//
// Idea       First look, without locks, which cases might be ready, and try these one by one in
//            random order, each under its own channel's lock: whatever succeeds was ready, and all
//            ready ones are equally likely to be tried first. Only if none succeeds are all
//            channels locked at once: to be able to say "none was ready at one instant", or to
//            hang a node on each before anything can change.
// Cost       A ready select: a load per case and one lock. A waiting one: each channel locked twice.
// Source     Go runtime/select.go for the rules. Differs: Go locks all channels also when one is
//            ready.
//
// Why "none ready" is one instant (SEL): all channels are locked when they are judged. A done is not
//   locked, but it never reopens: found open after the channels were judged, it was open while they
//   were. Hence with no channel, or one whose hint is read first, no lock is needed at all.
//
// Election   All nodes of a waiting select name the same waiter; [elect] in waiter.hpp lets one win.
//   A node may sit on the queue of a channel whose partner loses the election on it: that partner
//   takes it off. The rest are taken off by the owner after it woke, channel by channel.
//
// Chance     Where two cases wait on one source, the node in front wins: nodes are hung in random order
//   then, so that each appearance of a channel is a ticket also in a select that has to wait.
//
// Lock order  channels by ascending address, each once; dones afterwards, one at a time.
#include "downhaul/impl/select_core.hpp"

#include <algorithm>
#include <functional>

#include "chan/chan_core.hpp"
#include "wait/done_source.hpp"
#include "wait/thread_record.hpp"

namespace downhaul::impl {
namespace {

bool is_channel(const select_op& op) noexcept {
  return op.on != nullptr && op.on->kind() == source_kind::channel;
}
bool is_done(const select_op& op) noexcept {
  return op.on != nullptr && op.on->kind() == source_kind::done;
}

class selection {
 public:
  selection(select_op* const* ops, std::size_t n, source* done, select_scratch scratch) noexcept
      : ops_{ops}, n_{n}, done_{done}, scratch_{scratch} {}

  int run(select_mode mode) noexcept {
    if (done_ != nullptr && done_->ready()) return context_ended;
    int fired = try_candidates<false>();
    if (fired == nothing_ready && mode == select_mode::try_only) {
      if (looked_at_one_instant()) return nothing_ready;
      lock_all();
      fired = try_candidates<true>();
      unlock_all();
      finish_wake();
    } else if (fired == nothing_ready) {
      fired = wait();
    }
    return fired;
  }

  int begin(waiter& me, wait_node& on_done) noexcept {
    if (done_ != nullptr && done_->ready()) return context_ended;
    const int fired = try_candidates<false>();
    return fired != nothing_ready ? fired : hang(me, on_done);
  }

  // Takes every node but the winner's off its list. Returns the winner's index.
  int end(const waiter& me, wait_node& on_done) noexcept {
    const wait_node* const winner = me.winner();
    const int index = take_off_losers(winner);
    if (done_ != nullptr && winner != &on_done) done_->unwatch(on_done);
    return winner == &on_done ? context_ended : index;
  }

 private:
  // Tries the cases that may be ready in random order. Locked: all channels are, and what is found
  // is exact; otherwise each attempt locks its own.
  template <bool Locked>
  int try_candidates() noexcept {
    std::size_t left = 0;
    channels_ = 0;
    dones_ = 0;
    has_nodes_ = false;
    for (std::size_t i = 0; i < n_; ++i) {
      if (ops_[i] == nullptr || ops_[i]->on == nullptr) continue;
      const select_op& op = *ops_[i];
      ++(is_channel(op) ? channels_ : dones_);
      has_nodes_ = true;
      if (maybe_ready(op)) scratch_.candidates[left++] = static_cast<std::uint16_t>(i);
    }
    while (left > 0) {
      const std::size_t pick =
          left == 1 ? 0 : this_thread().choice.below(static_cast<std::uint32_t>(left));
      const std::size_t i = scratch_.candidates[pick];
      scratch_.candidates[pick] = scratch_.candidates[--left];
      if (attempt<Locked>(*ops_[i])) return static_cast<int>(i);
    }
    return nothing_ready;
  }

  static bool maybe_ready(const select_op& op) noexcept {
    if (!is_channel(op)) return static_cast<done_source*>(op.on)->closed();
    return as_channel(op.on).maybe_ready(op.sends ? chan_core::send_ready : chan_core::recv_ready);
  }

  // Holds the lock of op's channel if Locked.
  template <bool Locked>
  bool attempt(select_op& op) noexcept DOWNHAUL_NO_THREAD_SAFETY_ANALYSIS {
    if (!is_channel(op)) {
      op.node.ok = false;
      return true;  // a done that was closed is
    }
    chan_core& c = as_channel(op.on);
    if constexpr (!Locked) c.mu().lock();
    const passed p = op.sends ? c.send_locked(op.slot, wake_) : c.recv_locked(op.slot, wake_);
    if constexpr (!Locked) {
      c.mu().unlock();
      finish_wake();
    }
    op.node.ok = p == passed::value;
    return p != passed::blocked;
  }

  void finish_wake() noexcept {
    if (wake_ != nullptr) std::exchange(wake_, nullptr)->notify();
  }

  // The hints were read channel first only if there is at most one channel: read again, in order.
  bool looked_at_one_instant() const noexcept {
    if (channels_ > 1) return false;
    for (std::size_t i = 0; i < n_; ++i) {
      if (ops_[i] != nullptr && is_channel(*ops_[i]) && maybe_ready(*ops_[i])) return false;
    }
    if (channels_ == 0) return true;
    for (std::size_t i = 0; i < n_; ++i) {
      if (ops_[i] != nullptr && is_done(*ops_[i]) && maybe_ready(*ops_[i])) return false;
    }
    return true;
  }

  void lock_all() noexcept DOWNHAUL_NO_THREAD_SAFETY_ANALYSIS {
    locked_ = 0;
    for (std::size_t i = 0; i < n_; ++i) {
      if (ops_[i] != nullptr && is_channel(*ops_[i])) scratch_.locks[locked_++] = ops_[i]->on;
    }
    source** const end = scratch_.locks + locked_;
    if (locked_ > 1) {
      std::sort(scratch_.locks, end, std::less<source*>{});
      locked_ = static_cast<std::size_t>(std::unique(scratch_.locks, end) - scratch_.locks);
    }
    for (std::size_t i = 0; i < locked_; ++i) as_channel(scratch_.locks[i]).mu().lock();
  }
  void unlock_all() noexcept DOWNHAUL_NO_THREAD_SAFETY_ANALYSIS {
    for (std::size_t i = locked_; i-- > 0;) as_channel(scratch_.locks[i]).mu().unlock();
  }

  int wait() noexcept {
    waiter& me = this_waiter();
    wait_node on_done;
    const int fired = hang(me, on_done);
    if (fired != select_waits) return fired;
    const bool nobody = !has_nodes_ && done_ == nullptr;
    me.park(nobody ? wait_reason::select_no_cases : wait_reason::select);
    return end(me, on_done);
  }

  // Hangs all nodes, unless something is ready by now.
  int hang(waiter& me, wait_node& on_done) noexcept DOWNHAUL_NO_THREAD_SAFETY_ANALYSIS {
    lock_all();
    const int fired = try_candidates<true>();
    if (fired != nothing_ready) {
      unlock_all();
      finish_wake();
      return fired;
    }
    if (channels_ > locked_ || dones_ > 1) shuffle();
    me.prepare();
    for (std::size_t k = 0; k < n_; ++k) {
      const std::size_t i = at(k);
      if (ops_[i] == nullptr || ops_[i]->on == nullptr) continue;
      wait_node& node = ops_[i]->node;
      if (node.linked()) continue;  // a case that is listed twice
      node.who = &me;
      node.slot = ops_[i]->slot;
      node.ok = false;
      node.elect = true;
      ops_[i]->hung = false;
      if (!is_channel(*ops_[i])) continue;
      chan_core& c = as_channel(ops_[i]->on);
      ops_[i]->sends ? c.enqueue_sender(node) : c.enqueue_receiver(node);
    }
    unlock_all();
    on_done.who = &me;
    on_done.elect = true;
    return decided_by_watching(me, on_done) ? end(me, on_done) : select_waits;
  }

  // From now on cases are gone through in random order.
  void shuffle() noexcept {
    for (std::size_t k = 0; k < n_; ++k) {
      const std::size_t other = this_thread().choice.below(static_cast<std::uint32_t>(k + 1));
      scratch_.candidates[k] = scratch_.candidates[other];
      scratch_.candidates[other] = static_cast<std::uint16_t>(k);
    }
    shuffled_ = true;
  }
  // The case that comes k-th when nodes are hung.
  std::size_t at(std::size_t k) const noexcept { return shuffled_ ? scratch_.candidates[k] : k; }

  // Hangs the nodes of dones. True if one had closed meanwhile and this made it the winner, in
  // which case nobody will notify.
  bool decided_by_watching(waiter& me, wait_node& on_done) noexcept {
    if (done_ != nullptr && !done_->watch(on_done)) return me.try_win(on_done);
    for (std::size_t k = 0; k < n_; ++k) {
      const std::size_t i = at(k);
      if (ops_[i] == nullptr || !is_done(*ops_[i]) || ops_[i]->hung) continue;
      ops_[i]->hung = true;
      if (!static_cast<done_source*>(ops_[i]->on)->watch(ops_[i]->node)) {
        return me.try_win(ops_[i]->node);
      }
    }
    return false;
  }

  int take_off_losers(const wait_node* winner) noexcept {
    int index = nothing_ready;
    for (std::size_t i = 0; i < n_; ++i) {
      if (ops_[i] == nullptr || ops_[i]->on == nullptr) continue;
      if (&ops_[i]->node == winner) {
        index = static_cast<int>(i);
      } else {
        ops_[i]->on->unwatch(ops_[i]->node);
      }
    }
    return index;
  }

  select_op* const* const ops_;
  const std::size_t n_;
  source* const done_;
  const select_scratch scratch_;
  std::size_t locked_ = 0;
  std::size_t channels_ = 0;  // cases on channels, duplicates counted
  std::size_t dones_ = 0;     // cases on dones, likewise
  bool shuffled_ = false;     // candidates hold an order of all cases
  bool has_nodes_ = false;
  waiter* wake_ = nullptr;  // the partner of the attempt that succeeded
};

}  // namespace

int select_ops(select_op* const* ops, std::size_t n, select_mode mode, source* done,
               select_scratch scratch) noexcept {
  return selection{ops, n, done, scratch}.run(mode);
}

int begin_select(select_op* const* ops, std::size_t n, source* done, select_scratch scratch,
                 waiter& me, wait_node& on_done) noexcept {
  return selection{ops, n, done, scratch}.begin(me, on_done);
}

int end_select(select_op* const* ops, std::size_t n, source* done, const waiter& me,
               wait_node& on_done) noexcept {
  return selection{ops, n, done, {}}.end(me, on_done);
}

}  // namespace downhaul::impl
