// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors

#include "support/failing_allocations.hpp"

#include <cstddef>
#include <cstdlib>
#include <new>

namespace downhaul_test {
namespace {

constinit thread_local thread_allocations here;
constinit std::atomic<long> anywhere{0};

void add(std::atomic<long>& count, long n) noexcept {
  // Its own thread's, but for the destructor of a fail_allocation that has moved.
  count.store(count.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
}

void* allocate(std::size_t size, std::size_t align) noexcept {
  thread_allocations& mine = allocations_here();
  if (const long left = mine.until_failure.load(std::memory_order_relaxed); left > 0) {
    mine.until_failure.store(left - 1, std::memory_order_relaxed);
    if (left == 1) return nullptr;
  }
  if (size == 0) size = 1;
  void* const p = align <= __STDCPP_DEFAULT_NEW_ALIGNMENT__
                      ? std::malloc(size)
                      : std::aligned_alloc(align, (size + align - 1) / align * align);
  if (p == nullptr) return nullptr;
  add(mine.made, 1);
  anywhere.fetch_add(1, std::memory_order_relaxed);
  return p;
}

void* allocate_or_throw(std::size_t size, std::size_t align = 1) {
  if (void* const p = allocate(size, align)) return p;
  throw std::bad_alloc{};
}

void release(void* p) noexcept {
  if (p == nullptr) return;
  add(allocations_here().freed, 1);
  std::free(p);
}

constexpr std::size_t number(std::align_val_t align) { return static_cast<std::size_t>(align); }

}  // namespace

// Never inlined: a goroutine may ask on another thread than it asked last.
[[gnu::noinline]] thread_allocations& allocations_here() noexcept {
  asm volatile("" ::: "memory");
  return here;
}

long allocations_anywhere() noexcept { return anywhere.load(std::memory_order_relaxed); }

}  // namespace downhaul_test

using downhaul_test::allocate;
using downhaul_test::allocate_or_throw;
using downhaul_test::number;
using downhaul_test::release;

// All forms: a sanitizer would define those that are missing here, in its own way.
void* operator new(std::size_t size) { return allocate_or_throw(size); }
void* operator new[](std::size_t size) { return allocate_or_throw(size); }
void* operator new(std::size_t size, std::align_val_t a) {
  return allocate_or_throw(size, number(a));
}
void* operator new[](std::size_t size, std::align_val_t a) {
  return allocate_or_throw(size, number(a));
}
void* operator new(std::size_t size, const std::nothrow_t&) noexcept { return allocate(size, 1); }
void* operator new[](std::size_t size, const std::nothrow_t&) noexcept { return allocate(size, 1); }
void* operator new(std::size_t size, std::align_val_t a, const std::nothrow_t&) noexcept {
  return allocate(size, number(a));
}
void* operator new[](std::size_t size, std::align_val_t a, const std::nothrow_t&) noexcept {
  return allocate(size, number(a));
}
void operator delete(void* p) noexcept { release(p); }
void operator delete[](void* p) noexcept { release(p); }
void operator delete(void* p, std::size_t) noexcept { release(p); }
void operator delete[](void* p, std::size_t) noexcept { release(p); }
void operator delete(void* p, std::align_val_t) noexcept { release(p); }
void operator delete[](void* p, std::align_val_t) noexcept { release(p); }
void operator delete(void* p, std::size_t, std::align_val_t) noexcept { release(p); }
void operator delete[](void* p, std::size_t, std::align_val_t) noexcept { release(p); }
void operator delete(void* p, const std::nothrow_t&) noexcept { release(p); }
void operator delete[](void* p, const std::nothrow_t&) noexcept { release(p); }
void operator delete(void* p, std::align_val_t, const std::nothrow_t&) noexcept { release(p); }
void operator delete[](void* p, std::align_val_t, const std::nothrow_t&) noexcept { release(p); }
