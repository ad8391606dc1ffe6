// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
#include "context/records.hpp"

#include <new>
#include <utility>

#include "downhaul/context_base.hpp"
#include "downhaul/error.hpp"
#include "platform/sanitizer.hpp"

namespace downhaul::impl {
namespace {

// Storage whose content is never destroyed: contexts may end after main has returned.
template <class T>
union immortal {
  template <class... Args>
  explicit immortal(Args&&... args) : value(std::forward<Args>(args)...) {}
  ~immortal() {}
  T value;
};

#if DOWNHAUL_TSAN
// ThreadSanitizer does not see the count inside an exception_ptr and reports a race when the last
// copy dies on another thread. So this build keeps one, reachable, for ever.
struct kept_cause {
  std::exception_ptr cause;
  kept_cause* next = nullptr;
};
std::atomic<kept_cause*> kept_causes{nullptr};

void keep(const std::exception_ptr& cause) noexcept {
  auto* k = new (std::nothrow) kept_cause{cause};
  if (k == nullptr) return;
  k->next = kept_causes.load(std::memory_order_relaxed);  // [kept] push only; the CAS decides
  // [kept] release: nobody reads the list but the leak checker; the next push sees k whole.
  while (!kept_causes.compare_exchange_weak(k->next, k, std::memory_order_release,
                                            std::memory_order_relaxed)) {
  }
}
#else
void keep(const std::exception_ptr&) noexcept {}
#endif

}  // namespace

fixed_records::fixed_records() noexcept : never{address_of(open)} {
  canceled.err = errc::canceled;
  deadline_exceeded.err = errc::deadline_exceeded;
}

constinit fixed_storage fixed_place;
constinit std::atomic<bool> fixed_made{false};

void make_fixed() noexcept {
  [[maybe_unused]] static const bool once = [] {
    ::new (static_cast<void*>(&fixed_place.records)) fixed_records;
    fixed_made.store(true, std::memory_order_release);  // [fixed] pairs with fixed()
    return true;
  }();
}

end_record* make_record(std::error_code err, std::exception_ptr cause,
                        const context_head& owner) noexcept {
  if (cause != nullptr) keep(cause);
  return new (std::nothrow) end_record{err, std::move(cause), &owner};
}

namespace {

// Null: there is none.
const end_record* shared_record(std::error_code err) noexcept {
  if (err == errc::canceled) return &fixed().canceled;
  if (err == errc::deadline_exceeded) return &fixed().deadline_exceeded;
  return nullptr;
}

// Null: no memory.
const end_record* find_or_make(std::error_code err, std::exception_ptr cause,
                               const context_head& owner) noexcept {
  if (cause == nullptr) {
    if (const end_record* shared = shared_record(err)) return shared;
  }
  return make_record(err, std::move(cause), owner);
}

}  // namespace

const end_record& record_or_throw(std::error_code err, std::exception_ptr cause,
                                  const context_head& owner) {
  const end_record* r = find_or_make(err, std::move(cause), owner);
  if (r == nullptr) throw std::bad_alloc{};
  return *r;
}

const end_record& record_for(std::error_code err, std::exception_ptr cause,
                             const context_head& owner) noexcept {
  if (const end_record* r = find_or_make(err, std::move(cause), owner)) return *r;
  const end_record* nearest = shared_record(err);
  return nearest != nullptr ? *nearest : fixed().canceled;
}

void free_record(const end_record* r) noexcept { delete r; }

std::exception_ptr plain_cause(std::error_code err) {
  // Made on first use, then shared.
  static const immortal<std::exception_ptr> canceled{
      std::make_exception_ptr(context_error{errc::canceled})};
  static const immortal<std::exception_ptr> deadline_exceeded{
      std::make_exception_ptr(context_error{errc::deadline_exceeded})};
  if (err == errc::canceled) return canceled.value;
  if (err == errc::deadline_exceeded) return deadline_exceeded.value;
  return std::make_exception_ptr(context_error{err});
}

ending ending_of(const context_head* node) {
  if (node == nullptr) return {};
  if (!node->asks()) {
    const end_record& r = node->record();
    return {r.err, r.cause};
  }
  const context_base& object = asked(*node).object();
  ending e{object.err(), nullptr};
  if (e.err) e.cause = object.cause();
  return e;
}

}  // namespace downhaul::impl
