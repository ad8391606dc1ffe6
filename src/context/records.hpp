// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// context/records.hpp — what the word of a context points at.
//
// Idea       Open, canceled and deadline-exceeded without a cause are three records that all share; a
//            record with a cause, or with a user's code, is made before it is published and belongs
//            to the context that ended with it. Descendants share the record, never copy it.
// Ownership  record.owner frees it. The shared ones are never destroyed.
#pragma once

#include <atomic>
#include <cstdint>
#include <exception>
#include <system_error>

#include "downhaul/impl/context_head.hpp"

namespace downhaul::impl {

struct fixed_records {
  fixed_records() noexcept;

  end_record open;
  end_record canceled;
  end_record deadline_exceeded;
  std::atomic<std::uintptr_t> never;  // the word of what cannot end
};

/// Static storage, never destroyed, made on first use.
union fixed_storage {
  constexpr fixed_storage() noexcept : none{} {}
  ~fixed_storage() {}
  char none;
  fixed_records records;
};
extern fixed_storage fixed_place;
extern std::atomic<bool> fixed_made;  // [fixed]
void make_fixed() noexcept;

inline const fixed_records& fixed() noexcept {
  // [fixed] acquire: pairs with make_fixed; the records are whole.
  if (!fixed_made.load(std::memory_order_acquire)) [[unlikely]]
    make_fixed();
  return fixed_place.records;
}

inline std::uintptr_t address_of(const end_record& r) noexcept {
  return reinterpret_cast<std::uintptr_t>(&r);
}

/// A record that `owner` frees; null when there is no memory.
end_record* make_record(std::error_code err, std::exception_ptr cause,
                        const context_head& owner) noexcept;
/// The shared record for this err and cause if there is one, else as above. Throws std::bad_alloc.
const end_record& record_or_throw(std::error_code err, std::exception_ptr cause,
                                  const context_head& owner);
/// The same, where nobody could be told: without memory the shared record that comes nearest, for a
/// user's own code `canceled`, and the cause is lost.
const end_record& record_for(std::error_code err, std::exception_ptr cause,
                             const context_head& owner) noexcept;
void free_record(const end_record* r) noexcept;

/// The cause of what ended without one: a context_error with `err`. Throws std::bad_alloc.
std::exception_ptr plain_cause(std::error_code err);

/// err and cause as they are now; the cause is null while open and when nothing richer is known.
struct ending {
  std::error_code err;
  std::exception_ptr cause;
};
ending ending_of(const context_head* node);

}  // namespace downhaul::impl
