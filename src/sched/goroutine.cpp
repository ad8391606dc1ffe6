// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
#include "sched/goroutine.hpp"

#include <array>
#include <new>
#include <utility>

#include "platform/mutex.hpp"

namespace downhaul::impl {
namespace {

constexpr std::size_t blocks_per_slab = 63;

struct alignas(64) slab {
  slab* next = nullptr;  // constant once published
  std::array<goroutine, blocks_per_slab> blocks;
};

// [slabs]  push only; a reader that finds a slab finds its blocks constructed.
constinit std::atomic<slab*> all_slabs{nullptr};
constinit ranked_mutex<rank::leaf> free_mutex;

// Free batches, linked through the storage of their first blocks: taking and giving one is O(1).
struct batch_link {
  goroutine* next_batch;
  int count;
};
constinit goroutine* first_batch DOWNHAUL_GUARDED_BY(free_mutex) = nullptr;

batch_link& link_in(goroutine& first) noexcept {
  return *std::launder(reinterpret_cast<batch_link*>(first.storage));
}

void push_batch(const block_batch& b) noexcept DOWNHAUL_REQUIRES(free_mutex) {
  ::new (b.first->storage) batch_link{first_batch, b.count};
  first_batch = b.first;
}

block_batch pop_batch() noexcept DOWNHAUL_REQUIRES(free_mutex) {
  goroutine* const first = first_batch;
  if (first == nullptr) return {};
  const batch_link link = link_in(*first);
  first_batch = link.next_batch;
  return {first, link.count};
}

void give_batch(const block_batch& b) noexcept {
  if (b.first == nullptr) return;
  const lock_scope held{free_mutex};
  push_batch(b);
}

block_batch make_slab() {
  slab* const made = new slab;
  for (std::size_t i = 0; i + 1 < blocks_per_slab; ++i) made->blocks[i].next = &made->blocks[i + 1];
  made->next = all_slabs.load(std::memory_order_relaxed);  // [slabs] the exchange decides
  // W [slabs], read by for_each_block. Ends: a failure means that another slab was published.
  while (!all_slabs.compare_exchange_weak(made->next, made, std::memory_order_release,
                                          std::memory_order_relaxed)) {
  }
  return {made->blocks.data(), static_cast<int>(blocks_per_slab)};
}

block_batch take_batch() {
  {
    const lock_scope held{free_mutex};
    if (const block_batch b = pop_batch(); b.first != nullptr) return b;
  }
  return make_slab();
}

}  // namespace

void block_cache::refill() {
  if (other_.first != nullptr) {
    current_ = std::exchange(other_, {});
  } else {
    current_ = take_batch();
  }
}

void block_cache::spill() noexcept {
  give_batch(other_);
  other_ = std::exchange(current_, {});
}

void block_cache::clear() noexcept {
  give_batch(std::exchange(current_, {}));
  give_batch(std::exchange(other_, {}));
}

goroutine* take_block() {
  block_batch b = take_batch();
  goroutine* const g = b.take();
  give_batch(b);
  return g;
}

void give_block(goroutine& g) noexcept {
  constexpr int most = 128;
  const lock_scope held{free_mutex};
  block_batch b = pop_batch();
  if (b.count >= most) {
    push_batch(b);
    b = {};
  }
  b.give(g);
  push_batch(b);
}

void for_each_block(void (*see)(void* arg, goroutine& g, std::uint32_t life), void* arg) {
  // R [slabs]
  for (slab* s = all_slabs.load(std::memory_order_acquire); s != nullptr; s = s->next) {
    for (goroutine& g : s->blocks) {
      const std::uint32_t life = g.life.load(std::memory_order_acquire);  // R [life]
      if (static_cast<life_state>(life & 3) != life_state::free) see(arg, g, life);
    }
  }
}

}  // namespace downhaul::impl
