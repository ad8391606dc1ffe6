// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// sched/spawn.cpp — preparing, starting, parking and waking goroutines: the seams of the wait room.
#include "downhaul/go.hpp"

#include <algorithm>
#include <new>
#include <thread>

#include "downhaul/error.hpp"
#include "platform/fatal.hpp"
#include "platform/fork.hpp"
#include "platform/monotonic.hpp"
#include "sched/registry.hpp"
#include "sched/runtime_core.hpp"

namespace downhaul::impl {
namespace {

pool_worker* pool_worker_of(const thread_record& me, const runtime_core& core) noexcept {
  worker* const here = me.at;
  if (here == nullptr || here->core != &core || here->kind != worker_kind::pool) return nullptr;
  return static_cast<pool_worker*>(here);
}

// A free block that holds a reference to `core`. Throws std::bad_alloc.
goroutine& take_for(runtime_core& core, pool_worker* here, std::source_location where) {
  goroutine& g = here != nullptr ? *here->blocks.take() : *take_block();
  g.in.store(&core, std::memory_order_release);  // W [life]
  if (here != nullptr) {
    ++here->held_refs;
  } else if (!core.is_default()) {
    core.ref();
  }
  g.where.store(where, std::memory_order_release);  // W [life]
  return g;
}

void give_back(goroutine& g, pool_worker* here) noexcept {
  runtime_core& core = g.core();
  if (here != nullptr) {
    here->blocks.give(g);
    --here->held_refs;
    return;
  }
  give_block(g);
  if (!core.is_default()) core.unref();
}

// A closure that does not fit: storage holds this instead.
struct box {
  void* address;
  std::size_t align;
};

box make_box(const spawn_request& request) {
  const std::size_t align = std::max(request.align, goroutine::inline_align);
  return {::operator new(request.size, std::align_val_t{align}), align};
}

void free_box(goroutine& g) noexcept {
  const box b = *std::launder(reinterpret_cast<box*>(g.storage));
  ::operator delete(b.address, std::align_val_t{b.align});
}

void park_goroutine(waiter& w, mutex* held) noexcept DOWNHAUL_NO_THREAD_SAFETY_ANALYSIS {
  auto& g = static_cast<goroutine&>(w);
  worker& here = g.at();
  leaving how = leaving::parked;
  if (held != nullptr) {
    if (here.kind == worker_kind::pool) [[likely]] {
      here.to_unlock = held;
      how = leaving::locked;
    } else {
      held->unlock();
    }
  }
  abort_if_forked();
  switch_to(g.run, here.leave(g, how));
  g.at().arrive();  // maybe another worker
}

void wake_goroutine(waiter& w) noexcept {
  auto& g = static_cast<goroutine&>(w);
  g.core().make_runnable(g, this_thread());
}

void wake_goroutines(list_node* first) noexcept {
  thread_record& me = this_thread();
  ready_batch batch;
  while (first != nullptr) {
    auto& node = static_cast<wait_node&>(*first);
    auto& g = static_cast<goroutine&>(*node.who);
    first = node.next;
    node.next = nullptr;  // before it may run
    batch.add(g, me);
  }
  batch.flush();
}

void run_user_code(goroutine& g) {
  try {
    g.closure->run(g.closure_address());
  } catch (const context_error&) {
    // That is how a cancelled goroutine stops. Anything else finds no handler: the search for one
    // ends at the bottom of this stack, and std::terminate is called with nothing unwound.
  }
}

}  // namespace

const waiter_ops goroutine_ops{park_goroutine, wake_goroutine, wake_goroutines};

execution& goroutine_entry(void* goroutine_block) {
  auto& g = *static_cast<goroutine*>(goroutine_block);
  g.at().arrive();
  run_user_code(g);
  waiter* const joiner =
      g.joined ? static_cast<const run_closure*>(g.closure_address())->caller : nullptr;
  g.closure->destroy(g.closure_address());
  if (g.boxed) free_box(g);
  worker& here = g.at();
  here.joiner = joiner;
  return here.leave(g, leaving::ended);
}

goroutine* prepare_goroutine(const spawn_request& request) {
  abort_if_forked();
  thread_record& me = this_thread();
  runtime_core& core = request.in != nullptr ? *request.in
                       : me.at != nullptr    ? *me.at->core
                                             : default_core();
  const std::uint8_t pool = request.stack == 0 ? std::uint8_t{0} : core.pool_for(request.stack);
  pool_worker* const here = pool_worker_of(me, core);
  goroutine& g = take_for(core, here, request.where);
#ifdef DOWNHAUL_CHECKED
  g.mark_used();
  g.last_thread = nullptr;
#endif
  g.closure = request.ops;
  g.pool = pool;
  g.pins = request.pinned ? 1 : 0;
  // They share a byte: written together and not read back, else each waits for the store before it.
  const bool boxed =
      request.size > goroutine::inline_closure || request.align > goroutine::inline_align;
  g.joined = false;
  g.carries = false;
  g.boxed = boxed;
  goroutine_label known_as;
  if (boxed || request.name != nullptr) [[unlikely]] {
    try {
      known_as = goroutine_label{request.owner, request.name};
      if (boxed) ::new (g.storage) box{make_box(request)};
    } catch (...) {
      known_as.free();
      give_back(g, here);
      throw;
    }
  } else {
    known_as = goroutine_label{request.owner, nullptr};
  }
  g.label.store(known_as, std::memory_order_release);  // W [life]
  g.set_life(life_state::prepared);
  return &g;
}

goroutine* reserve_goroutine(std::source_location where, runtime_core* in) {
  abort_if_forked();
  thread_record& me = this_thread();
  runtime_core& core = in != nullptr ? *in : me.at != nullptr ? *me.at->core : default_core();
  return &take_for(core, pool_worker_of(me, core), where);
}

// Its life says free until now, so that lists pass it over.
void prepare_reserved(goroutine* reserved, const closure_ops& ops) noexcept {
  goroutine& g = *reserved;
#ifdef DOWNHAUL_CHECKED
  g.mark_used();
  g.last_thread = nullptr;
#endif
  g.closure = &ops;
  g.pool = 0;
  g.pins = 0;
  g.joined = false;
  g.carries = false;
  g.boxed = false;
  g.label.store({}, std::memory_order_release);  // W [life]
  g.set_life(life_state::prepared);
}
static_assert(size_of_reserved <= goroutine::inline_closure);

void discard_reserved(goroutine* reserved) noexcept {
  give_back(*reserved, pool_worker_of(this_thread(), reserved->core()));
}

void* closure_storage(goroutine* prepared) noexcept { return prepared->closure_address(); }

void start_goroutine(goroutine* prepared) noexcept {
  abort_if_forked();
  thread_record& me = this_thread();
  goroutine& g = *prepared;
  pool_worker* const here = pool_worker_of(me, g.core());
  g.since.store(here != nullptr ? here->now : coarse_now_ns(),
                std::memory_order_release);  // W [life]
  g.set_life(life_state::live);
  count(me, tally::goroutines, 1);
  if (g.pins != 0) [[unlikely]]
    return g.core().start_pinned(g);
  if (here != nullptr) return here->push_next(g);
  g.core().make_runnable(g, me);
}

void start_carrier_goroutine(goroutine* prepared) noexcept {
  thread_record& me = this_thread();
  goroutine& g = *prepared;
  g.carries = true;
  g.set_life(life_state::live);
  g.core().make_runnable(g, me);
}

void discard_goroutine(goroutine* prepared) noexcept {
  goroutine& g = *prepared;
  pool_worker* const here = pool_worker_of(this_thread(), g.core());
  if (g.boxed) free_box(g);
  forget(g);
  give_back(g, here);
}

runtime_core* hold_runtime_of(const goroutine* prepared) noexcept {
  runtime_core& core = prepared->core();
  if (!core.is_default()) core.ref();
  return &core;
}

void let_go_of_runtime(runtime_core* held) noexcept {
  if (!held->is_default()) held->unref();
}

void fatal_go_of_nil() noexcept { fatal("go of nil func value"); }

}  // namespace downhaul::impl

namespace downhaul {

void yield() noexcept {
  impl::thread_record& me = impl::this_thread();
  if (me.current == nullptr || me.current == &me.self) {
    std::this_thread::yield();
    return;
  }
  impl::abort_if_forked();
  auto& g = static_cast<impl::goroutine&>(*me.current);
  impl::switch_to(g.run, g.at().leave(g, impl::leaving::yielded));
  g.at().arrive();  // maybe another worker
}

}  // namespace downhaul
