// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors

#include "support/allocations.hpp"

#include <cstdlib>
#include <new>

namespace {
thread_local long count = 0;
}

namespace downhaul_test {
[[gnu::noinline]] long allocations() noexcept { return count; }
}  // namespace downhaul_test

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
