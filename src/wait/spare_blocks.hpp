// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// wait/spare_blocks.hpp — small blocks that a thread keeps for its next object of that size.
//
// Idea       What lives for one call (a child context, a registration) is freed where the next one is
//            about to be made. A few blocks of four sizes stay with the thread instead of going back to
//            the allocator: 11 ns for its pair of calls become 2 to 3.
// Ownership  The thread record, which is never freed; at most `most` blocks of each size.
// Threads    The owner alone. A block may be taken on one thread and given on another.
// Off        in builds with a sanitizer, which would not see a use after the end.
#pragma once

#include <cstddef>
#include <cstdint>
#include <new>

#include "platform/sanitizer.hpp"

namespace downhaul::impl {

class spare_blocks {
 public:
  /// Throws std::bad_alloc.
  void* take(std::size_t size) {
    const std::size_t c = class_of(size);
    if (c < classes && first_[c] != nullptr) {
      block* b = first_[c];
      first_[c] = b->next;
      --count_[c];
      return b;
    }
    return ::operator new(c < classes ? size_of(c) : size);
  }
  /// `size` is the one it was taken with.
  void give(void* place, std::size_t size) noexcept {
    const std::size_t c = class_of(size);
    if (c >= classes || count_[c] >= most) {
      ::operator delete(place);
      return;
    }
    first_[c] = ::new (place) block{first_[c]};
    ++count_[c];
  }

 private:
  struct block {
    block* next;
  };
  static constexpr std::size_t classes =
      DOWNHAUL_ASAN || DOWNHAUL_TSAN || DOWNHAUL_VALGRIND ? 0 : 4;
  static constexpr std::size_t class_count = 4;
  static constexpr std::uint8_t most = 8;
  // Less the allocator's own word, so that they fill its size classes.
  static constexpr std::size_t sizes[class_count] = {120, 152, 184, 248};
  static constexpr std::size_t size_of(std::size_t c) noexcept { return sizes[c]; }
  static constexpr std::size_t class_of(std::size_t size) noexcept {
    if (classes == 0 || size > sizes[3]) return class_count;
    if (size <= sizes[1]) return size <= sizes[0] ? 0 : 1;
    return size <= sizes[2] ? 2 : 3;
  }

  block* first_[class_count] = {};
  std::uint8_t count_[class_count] = {};
};

}  // namespace downhaul::impl
