// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors

#include "platform/sanitizer.hpp"

#if DOWNHAUL_ASAN
#include <atomic>
#include <cstdint>
#include <new>

namespace downhaul::impl {
namespace {

struct copied_words {
  copied_words* next;
  // the words follow
};

// W [copies] by the exchange; read by the leak checker alone, which has stopped everybody.
constinit std::atomic<copied_words*> copies{nullptr};

// Word by word and volatile, so that it does not become a checked memcpy: much of a stack is poisoned.
DOWNHAUL_UNINSTRUMENTED void copy(const std::uintptr_t* from, std::size_t count,
                                  volatile std::uintptr_t* to) noexcept {
  for (std::size_t i = 0; i < count; ++i)
    to[i] = static_cast<const volatile std::uintptr_t*>(from)[i];
}

}  // namespace

void show_to_leak_checker(std::span<const std::byte> memory) noexcept {
  const std::size_t count = memory.size() / sizeof(std::uintptr_t);
  void* const place =
      ::operator new(sizeof(copied_words) + count * sizeof(std::uintptr_t), std::nothrow);
  if (place == nullptr) return;
  auto* const made =
      ::new (place) copied_words{copies.load(std::memory_order_relaxed)};  // [copies]
  copy(reinterpret_cast<const std::uintptr_t*>(memory.data()), count,
       reinterpret_cast<volatile std::uintptr_t*>(made + 1));
  // W [copies] Ends: a failure means that another copy was added.
  while (!copies.compare_exchange_weak(made->next, made, std::memory_order_release,
                                       std::memory_order_relaxed)) {
  }
}

}  // namespace downhaul::impl
#endif
