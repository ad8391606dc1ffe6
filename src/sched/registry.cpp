// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
#include "sched/registry.hpp"

#include <cstring>
#include <new>

#include "platform/mutex.hpp"
#include "platform/sanitizer.hpp"
#include "platform/stack_switch.hpp"
#include "sched/abandon.hpp"
#include "sched/coroutine.hpp"
#include "sched/runtime_core.hpp"

namespace downhaul::impl {
namespace {

// Held while names are read or freed, so that a name that is seen stays.
constinit ranked_mutex<rank::registry> names_mutex;

// Of coroutines, which `see` then hears of.
void show_coroutine(void* see, coroutine& c, std::uint32_t life) {
  goroutine_facts facts{};
  // R [life]: if the generation has not changed afterwards, they are one coroutine's.
  facts.where = c.where.load(std::memory_order_acquire);                       // R [life]
  const std::uintptr_t home = c.home.load(std::memory_order_acquire);          // R [life]
  const std::uint32_t since = c.since.load(std::memory_order_acquire);         // R [life]
  const std::uintptr_t word = c.word.load(std::memory_order_acquire);          // R [life]
  const std::uint32_t state = c.state_word().load(std::memory_order_acquire);  // a snapshot
  facts.reason = c.reason();
  if (c.life.load(std::memory_order_relaxed) >> 2 != life >> 2) return;  // [life] after the loads
  facts.core = reinterpret_cast<const runtime_core*>(home);
  facts.name = "";
  if ((word & coroutine::tags) == coroutine::is_owner) {
    facts.owner = reinterpret_cast<const void*>(word & ~coroutine::tags);
  } else if ((word & coroutine::tags) == coroutine::is_record && word != coroutine::is_record) {
    // Stays, for names_mutex is held. A ticket's fate is never of this kind.
    const auto& record = *reinterpret_cast<const coroutine_record*>(word & ~coroutine::tags);
    facts.owner = record.owner;
    facts.name = record.name();
  }
  facts.since = std::int64_t{since} << coroutine::since_shift;
  facts.doing = state == waiter::parked           ? activity::waiting
                : (life & 3) == coroutine::on_cpu ? activity::running
                                                  : activity::runnable;
  (*static_cast<const std::function<void(const goroutine_facts&)>*>(see))(facts);
}

}  // namespace

const char carriers{};

goroutine_label::goroutine_label(const void* owner, const char* name) {
  if (name == nullptr) {
    if (owner != nullptr) word_ = reinterpret_cast<std::uintptr_t>(owner) | no_record;
    return;
  }
  const std::size_t size = std::strlen(name) + 1;
  void* const memory = ::operator new(sizeof(record) + size);
  std::memcpy(static_cast<std::byte*>(memory) + sizeof(record), name, size);
  word_ = reinterpret_cast<std::uintptr_t>(::new (memory) record{owner});
}

void goroutine_label::free() noexcept {
  if (is_record()) ::operator delete(as_record());
}

void forget(goroutine& ended) noexcept {
  goroutine_label mine = ended.label.load(std::memory_order_relaxed);  // our own store
  ended.set_life(life_state::free);
#ifdef DOWNHAUL_CHECKED
  ended.mark_freed();
  poison(ended.storage, sizeof ended.storage, freed::goroutine);
#endif
  if (!mine.is_record()) [[likely]]
    return;
  {
    const lock_scope held{names_mutex};
    ended.label.store({}, std::memory_order_relaxed);  // under names_mutex
  }
  mine.free();
}

void forget_label(coroutine& ended) noexcept {
  const std::uintptr_t word = ended.word.load(std::memory_order_relaxed);  // our own store
  if ((word & coroutine::tags) != coroutine::is_record) [[likely]]
    return;
  {
    const lock_scope held{names_mutex};
    ended.word.store(0, std::memory_order_relaxed);  // under names_mutex
  }
  ::operator delete(reinterpret_cast<void*>(word & ~coroutine::tags));
}

void for_each_goroutine(const std::function<void(const goroutine_facts&)>& see) {
  const lock_scope held{names_mutex};
  for_each_block(
      [](void* arg, goroutine& g, std::uint32_t life) {
        if (static_cast<life_state>(life & 3) != life_state::live) return;
        goroutine_facts facts{};
        // R [life]: if `life` has not changed afterwards, they are one goroutine's.
        facts.where = g.where.load(std::memory_order_acquire);                     // R [life]
        const goroutine_label known_as = g.label.load(std::memory_order_acquire);  // R [life]
        facts.since = g.since.load(std::memory_order_acquire);                     // R [life]
        facts.core = g.in.load(std::memory_order_acquire);                         // R [life]
        facts.owner = known_as.owner();
        if (facts.owner == &carriers) return;
        facts.name = known_as.name() != nullptr ? known_as.name() : "";
        facts.reason = g.reason();
        facts.at = g.seen_at.load(std::memory_order_relaxed);  // a snapshot
        // Snapshots.
        const std::uint32_t state = g.state_word().load(std::memory_order_acquire);
        const bool on_cpu = g.on_cpu.load(std::memory_order_acquire);
        facts.doing = state == waiter::parked ? activity::waiting
                      : on_cpu                ? activity::running
                                              : activity::runnable;
        if (g.life.load(std::memory_order_relaxed) != life) return;  // [life] after the loads above
        (*static_cast<const std::function<void(const goroutine_facts&)>*>(arg))(facts);
      },
      const_cast<void*>(static_cast<const void*>(&see)));
  for_each_coroutine(show_coroutine, const_cast<void*>(static_cast<const void*>(&see)));
}

void show_abandoned_to_leak_checker([[maybe_unused]] const runtime_core& core) noexcept {
#if DOWNHAUL_ASAN
  for_each_block(
      [](void* stopped, goroutine& g, std::uint32_t life) {
        if (static_cast<life_state>(life & 3) != life_state::live || &g.core() != stopped) return;
        // A snapshot: of a stopped core only who would not stop in time still runs.
        if (g.on_cpu.load(std::memory_order_acquire) || !g.has_stack()) return;
        show_to_leak_checker(live_part(g.run));
      },
      const_cast<runtime_core*>(&core));
#endif
}

}  // namespace downhaul::impl
