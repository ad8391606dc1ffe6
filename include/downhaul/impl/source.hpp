// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// impl/source.hpp (room: wait) — what can be waited for.
//
// Idea       A source owns a list of observers. A channel is a source whose waiters exchange values;
//            the done of a context is a source that closes once. Handles (chan, recv_chan, context)
//            are counted references to a source.
// Ownership  Intrusive count. The last unref() disposes of the source in a loop: what is released
//            while a release is under way on the same goroutine or thread joins that one's queue,
//            so a chain of a million sources is freed without recursion.
// Threads    ref/unref from anywhere.
// Cost       ref, unref: one relaxed/acq_rel RMW each.
#pragma once

#include <atomic>
#include <cstdint>
#include <utility>

#include "downhaul/impl/poison.hpp"

namespace downhaul::impl {

struct wait_node;

enum class source_kind : std::uint8_t { channel, done };

class source {
 public:
  source(const source&) = delete;
  source& operator=(const source&) = delete;

  source_kind kind() const noexcept {
    expect_alive();
    return kind_;
  }

  void ref() noexcept {
    expect_owned();
    refs_.fetch_add(1, std::memory_order_relaxed);  // [refs] count only: the caller owns one
  }
  /// False when the last reference is gone already: the source is dying, leave it alone.
  bool try_ref() noexcept {
    expect_alive();
    std::uint32_t n = refs_.load(std::memory_order_relaxed);  // [refs] the CAS below decides
    while (n != 0) {
      // [refs] count only: whoever calls this keeps the memory alive by another way (a lock).
      if (refs_.compare_exchange_weak(n, n + 1, std::memory_order_relaxed)) return true;
    }
    return false;
  }
  void unref() noexcept {
    expect_owned();
    // [refs] release: what this owner did is visible to the one who disposes; acquire: he sees it.
    if (refs_.fetch_sub(1, std::memory_order_acq_rel) == 1) release(this);
  }
  /// unref() for a source that nobody may try_ref any more: its last owner needs no RMW.
  void unref_settled() noexcept {
    expect_owned();
    // [refs] acquire: sees what the other owners did before they let go. A count of one is the
    // caller's own, and nobody can add to it.
    if (refs_.load(std::memory_order_acquire) == 1) {
      release(this);
    } else {
      unref();
    }
  }
  /// unref(), unless that would be the last: then false, and the caller is the only owner.
  bool unref_unless_last() noexcept {
    expect_owned();
    std::uint32_t n = refs_.load(std::memory_order_acquire);  // [refs] as in unref_settled
    while (n != 1) {
      // [refs] release and acquire as in unref
      if (refs_.compare_exchange_weak(n, n - 1, std::memory_order_acq_rel,
                                      std::memory_order_acquire)) {  // [refs] looked at again
        return true;
      }
    }
    return false;
  }
  /// True once waiting for this source would not block: a done is closed, a channel has something
  /// to receive or is closed. Takes no value.
  virtual bool ready() noexcept = 0;
  /// Hangs a waiter's node here, to be woken when the source becomes ready; a value that arrives
  /// with it is discarded (its slot is null: only for elements of no size). False: ready already,
  /// and nothing is linked.
  virtual bool watch(wait_node& node) noexcept = 0;
  /// Unlinks the node if it is still linked.
  virtual void unwatch(wait_node& node) noexcept = 0;

  std::uint32_t refs() const noexcept {
    return refs_.load(std::memory_order_relaxed);  // [refs] a hint, for tests
  }

 protected:
  explicit source(source_kind kind, std::uint32_t refs = 1) noexcept : refs_{refs}, kind_{kind} {}
  ~source() = default;

 private:
  friend class release_queue;
  /// Frees the object. Called once, without any lock, never nested inside another dispose().
  virtual void dispose() noexcept = 0;
  static void release(source* last) noexcept;

#ifdef DOWNHAUL_CHECKED
  void expect_alive() const noexcept {
    impl::expect_alive(refs_.load(std::memory_order_relaxed));  // [refs] any value will do
  }
  // The caller owns a reference: then there is one.
  void expect_owned() const noexcept {
    expect_alive();
    // [refs] the caller's own is in it
    if (refs_.load(std::memory_order_relaxed) == 0) die_of_dead_reference(kind_);
  }
  [[noreturn]] static void die_of_dead_reference(source_kind kind) noexcept;
#else
  void expect_alive() const noexcept {}
  void expect_owned() const noexcept {}
#endif

  source* next_released_ = nullptr;  // owned by the release queue it is on
  std::atomic<std::uint32_t> refs_;  // [refs]
  const source_kind kind_;
};

/// A counted reference; null is allowed (a nil channel).
template <class Source>
class source_ref {
 public:
  source_ref() noexcept = default;
  /// Takes over the reference that the caller owns.
  static source_ref adopt(Source* s) noexcept {
    source_ref r;
    r.source_ = s;
    return r;
  }
  static source_ref share(Source* s) noexcept {
    if (s != nullptr) s->ref();
    return adopt(s);
  }
  source_ref(const source_ref& other) noexcept : source_{other.source_} {
    if (source_ != nullptr) source_->ref();
  }
  source_ref(source_ref&& other) noexcept : source_{std::exchange(other.source_, nullptr)} {}
  source_ref& operator=(source_ref other) noexcept {
    std::swap(source_, other.source_);
    return *this;
  }
  ~source_ref() {
    if (source_ != nullptr) source_->unref();
  }

  Source* get() const noexcept { return source_; }
  Source* operator->() const noexcept { return source_; }
  Source& operator*() const noexcept { return *source_; }
  explicit operator bool() const noexcept { return source_ != nullptr; }
  /// Gives the reference up to the caller.
  Source* detach() noexcept { return std::exchange(source_, nullptr); }

  friend bool operator==(const source_ref& a, const source_ref& b) noexcept {
    return a.source_ == b.source_;
  }

 private:
  Source* source_ = nullptr;
};

}  // namespace downhaul::impl
