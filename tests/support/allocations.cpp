// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors

#include "support/allocations.hpp"

#include <cstddef>
#include <cstdlib>
#include <new>

#ifdef DOWNHAUL_TEST_SANITIZED
// As in sanitizer/allocator_interface.h, which GCC does not install.
extern "C" int __sanitizer_install_malloc_and_free_hooks(void (*on_malloc)(const volatile void*,
                                                                           std::size_t),
                                                         void (*on_free)(const volatile void*));
#endif

namespace {
thread_local long count = 0;
}

namespace downhaul_test {
[[gnu::noinline]] long allocations() noexcept { return count; }
}  // namespace downhaul_test

#ifdef DOWNHAUL_TEST_SANITIZED
// The sanitizer has replaced operator new already, but tells of each allocation.
namespace {
void on_malloc(const volatile void*, std::size_t) { ++count; }
void on_free(const volatile void*) {}
[[maybe_unused]] const int installed =
    __sanitizer_install_malloc_and_free_hooks(on_malloc, on_free);
}  // namespace
#else
void* operator new(std::size_t size) {
  ++count;
  if (void* p = std::malloc(size == 0 ? 1 : size)) return p;
  throw std::bad_alloc{};
}
void* operator new(std::size_t size, std::align_val_t align) {
  ++count;
  const auto a = static_cast<std::size_t>(align);
  if (void* p = std::aligned_alloc(a, (size + a - 1) / a * a)) return p;
  throw std::bad_alloc{};
}
void operator delete(void* p) noexcept { std::free(p); }
void operator delete(void* p, std::size_t) noexcept { std::free(p); }
void operator delete(void* p, std::align_val_t) noexcept { std::free(p); }
void operator delete(void* p, std::size_t, std::align_val_t) noexcept { std::free(p); }
#endif
