// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
#include "sched/goroutine.hpp"

#include <array>

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
constinit goroutine* free_blocks DOWNHAUL_GUARDED_BY(free_mutex) = nullptr;

goroutine* take_chain(int most, int& taken) noexcept {
  const lock_scope held{free_mutex};
  goroutine* const first = free_blocks;
  goroutine* last = first;
  if (first == nullptr) return nullptr;
  for (taken = 1; taken < most && last->next != nullptr; ++taken) last = last->next;
  free_blocks = last->next;
  last->next = nullptr;
  return first;
}

void give_chain(goroutine& first, goroutine& last) noexcept {
  const lock_scope held{free_mutex};
  last.next = free_blocks;
  free_blocks = &first;
}

/// A chain of all blocks of a new slab.
goroutine* make_slab() {
  slab* const made = new slab;
  for (std::size_t i = 0; i + 1 < blocks_per_slab; ++i) made->blocks[i].next = &made->blocks[i + 1];
  made->next = all_slabs.load(std::memory_order_relaxed);  // [slabs] the exchange decides
  // W [slabs], read by for_each_block. Ends: a failure means that another slab was published.
  while (!all_slabs.compare_exchange_weak(made->next, made, std::memory_order_release,
                                          std::memory_order_relaxed)) {
  }
  return made->blocks.data();
}

}  // namespace

goroutine* block_cache::refill() {
  int taken = 0;
  goroutine* chain = take_chain(batch, taken);
  if (chain == nullptr) {
    chain = make_slab();
    taken = static_cast<int>(blocks_per_slab);
  }
  free_ = chain->next;
  count_ = taken - 1;
  return chain;
}

void block_cache::spill() noexcept {
  goroutine* const first = free_;
  goroutine* last = first;
  for (int i = 1; i < batch; ++i) last = last->next;
  free_ = last->next;
  count_ -= batch;
  give_chain(*first, *last);
}

void block_cache::clear() noexcept {
  if (free_ == nullptr) return;
  goroutine* last = free_;
  while (last->next != nullptr) last = last->next;
  give_chain(*free_, *last);
  free_ = nullptr;
  count_ = 0;
}

goroutine* take_block() {
  int taken = 0;
  if (goroutine* g = take_chain(1, taken)) return g;
  goroutine* const chain = make_slab();
  give_chain(*chain->next, *(chain + blocks_per_slab - 1));
  return chain;
}

void give_block(goroutine& g) noexcept { give_chain(g, g); }

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
