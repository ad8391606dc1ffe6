// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// impl/context_head.hpp (room: wait) — how every context begins: what its handle reads inline.
//
// Idea       A context is one counted object. Its head points at the word that says whether the
//            nearest context above (or this one) has ended, at the done that waiters hang on, at the
//            nearest deadline and at the newest value: nothing is searched for upwards. The head is
//            in front of done_source, so a done and its context are one object with one count.
// Ownership  A context owns its parent (counted); all other pointers lead to ancestors or to itself.
// Threads    Constant once the context is published, except the word.
// Cost       64 bytes; 8 more for the word of one that ends by itself.
//
// The word   see wait/done_source.hpp: flags in the low four bits, above them the address of an
//            end_record: what err() and cause() say. An open context points at a record whose err is
//            clear.
//
// [end]  The record is written before the word that points at it is stored (release), and a reader
//   of the word (acquire) may follow it. Records live as long as the context that ended first, and
//   descendants, which share the record, own that one through their parents.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <system_error>

#include "downhaul/impl/source.hpp"

namespace downhaul {
class clock;
}

namespace downhaul::impl {

class context_head;
struct value_entry;

/// The err of the user-written context that `node` leads to. Runs user code.
std::error_code ask_err(const context_head& node) noexcept;

/// Why a context ended; or, with a clear err, that it has not.
struct alignas(16) end_record {
  std::error_code err;
  std::exception_ptr cause;             // null: nothing richer than err
  const context_head* owner = nullptr;  // the context that frees it; null: static
};

/// Stands for the word where err and cause are those of a user-written context: it looks closed, so
/// that err() of an open context need not ask whether it is one.
struct ask_word {
  std::atomic<std::uintptr_t> word{0};  // constant: closed_bit, ask_bit, no record
  const context_head* whom = nullptr;   // the user-written context
};

/// A deadline and the clock it is on.
struct deadline_info {
  std::int64_t at = 0;  // ns of that clock
  downhaul::clock* on = nullptr;
};

enum class context_form : std::uint8_t {
  todo,
  cancel,
  deadline,
  value,
  without_cancel,
  merge,
  grace,
  user,
  stop_token,
  relay,  // made by the library between a user-written context and what hangs below it
};

class context_head : public source {
 public:
  static constexpr std::uintptr_t word_flags = 15;
  static constexpr std::uintptr_t closed_bit = 1;
  static constexpr std::uintptr_t ask_bit = 8;  // of an ask_word only

  context_form form() const noexcept { return form_; }
  /// Owned. Null: the background.
  context_head* parent() const noexcept { return parent_; }
  const deadline_info* deadline() const noexcept { return deadline_; }
  const value_entry* values() const noexcept { return values_; }

  /// True: err and cause are those of a user-written context.
  bool asks() const noexcept { return (word_at_end() & ask_bit) != 0; }
  /// What the word says; with a clear err while open. Only if not asks().
  const end_record& record() const noexcept { return record_in(word_at_end()); }
  /// Clear while open. Of the record of an open one only the category is looked at.
  std::error_code err() const noexcept {
    const std::uintptr_t w = word_at_end();
    if ((w & ask_bit) != 0) [[unlikely]]
      return ask_err(*this);
    const end_record& r = record_in(w);
    if ((w & closed_bit) == 0) return {0, r.err.category()};
    if (!r.err) __builtin_unreachable();  // lets `if (ctx.err())` do without the record
    return r.err;
  }
  /// The word that err() looks at.
  const std::atomic<std::uintptr_t>* end() const noexcept { return end_; }

  /// Where the context room keeps a recv_chan<void>, never destroyed, that refers to the done
  /// without counting it.
  const void* done_place() const noexcept { return done_; }

 private:
  std::uintptr_t word_at_end() const noexcept {
    // [end] acquire: pairs with the CAS that closes; the record is whole.
    return end_->load(std::memory_order_acquire);
  }
  static const end_record& record_in(std::uintptr_t w) noexcept {
    return *reinterpret_cast<const end_record*>(w & ~word_flags);
  }

 protected:
  // A done_source on its own, without the context room, leaves all this unused.
  context_head(std::uint32_t refs) noexcept : source{source_kind::done, refs} {}
  ~context_head() = default;

  // Constant after construction.
  context_form form_ = context_form::cancel;
  bool linked_ = false;  // hangs on the list of its parent's done; meaningful for cancel nodes
  bool direct_ =
      true;  // the done is that of the nearest cancel node above or here, or there is none
  const std::atomic<std::uintptr_t>* end_ = nullptr;
  alignas(void*) std::byte done_[sizeof(void*)] = {};
  context_head* parent_ = nullptr;
  const deadline_info* deadline_ = nullptr;  // null: none
  const value_entry* values_ = nullptr;      // null: none

  friend class node_access;
};

/// A context that ends by itself, as far as a look without a call goes: wait/done_source.hpp has the
/// rest, and says what the word holds.
class done_head : public context_head {
 public:
  bool closed() const noexcept {
#ifdef DOWNHAUL_CHECKED
    // [done] any value will do
    impl::expect_alive(static_cast<std::uint32_t>(word_.load(std::memory_order_relaxed) >> 32));
#endif
    return (word_.load(std::memory_order_acquire) & closed_bit) != 0;  // [done] pairs with C1
  }

 protected:
  done_head(std::uintptr_t open_word, std::uint32_t refs) noexcept
      : context_head{refs}, word_{open_word} {}
  ~done_head() = default;

  std::atomic<std::uintptr_t> word_;  // [done]
};

}  // namespace downhaul::impl
