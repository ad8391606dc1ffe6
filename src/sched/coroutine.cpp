// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
#include "sched/coroutine.hpp"

#include <array>
#include <cstring>
#include <new>
#include <utility>

#include "downhaul/error.hpp"
#include "platform/fatal.hpp"
#include "platform/fork.hpp"
#include "platform/monotonic.hpp"
#include "sched/registry.hpp"
#include "sched/runtime_core.hpp"

namespace downhaul::impl {
namespace {

// --- blocks ---

constexpr std::size_t blocks_per_slab = 102;  // 8 KiB with the allocator's own

struct slab {
  slab* next = nullptr;  // constant once published
  std::array<coroutine, blocks_per_slab> blocks;
};

// [slabs]  push only; a reader that finds a slab finds its blocks constructed.
constinit std::atomic<slab*> all_slabs{nullptr};

constexpr int batch_size = 64;   // handed on as a whole
constexpr int most_spare = 128;  // of one thread

// Free batches, linked by the handle's address of the first of each; a batch is linked by next.
constinit ranked_mutex<rank::leaf> free_mutex;
constinit coroutine* first_batch DOWNHAUL_GUARDED_BY(free_mutex) = nullptr;

void give_batch(spare_coroutines& from) noexcept {
  coroutine* const first = from.first;
  coroutine* last = first;
  for (int i = 1; i < batch_size; ++i) last = last->next;
  from.first = last->next;
  from.count -= batch_size;
  last->next = nullptr;
  const lock_scope held{free_mutex};
  first->handle = std::coroutine_handle<>::from_address(first_batch);
  first_batch = first;
}

bool take_batch(spare_coroutines& into) noexcept {
  const lock_scope held{free_mutex};
  if (first_batch == nullptr) return false;
  into = {first_batch, batch_size};
  first_batch = static_cast<coroutine*>(first_batch->handle.address());
  return true;
}

void refill(spare_coroutines& into) {
  if (take_batch(into)) return;
  slab* const made = new slab;
  for (std::size_t i = 0; i + 1 < blocks_per_slab; ++i) made->blocks[i].next = &made->blocks[i + 1];
  made->next = all_slabs.load(std::memory_order_relaxed);  // [slabs] the exchange decides
  // W [slabs], read by for_each_coroutine. Ends: a failure means that another slab was published.
  while (!all_slabs.compare_exchange_weak(made->next, made, std::memory_order_release,
                                          std::memory_order_relaxed)) {
  }
  into = {made->blocks.data(), static_cast<int>(blocks_per_slab)};
}

pool_worker* worker_here(const thread_record& me, const runtime_core& core) noexcept {
  worker* const here = me.at;
  if (here == nullptr || here->core != &core || here->kind != worker_kind::pool) return nullptr;
  return static_cast<pool_worker*>(here);
}

runtime_core& core_here(const thread_record& me) {
  return me.at != nullptr ? *me.at->core : default_core();
}

void hold(runtime_core& core, const thread_record& me) noexcept {
  if (pool_worker* const here = worker_here(me, core)) {
    ++here->held_refs;
  } else if (!core.is_default()) {
    core.ref();
  }
}
void let_go(runtime_core& core, const thread_record& me) noexcept {
  if (pool_worker* const here = worker_here(me, core)) {
    --here->held_refs;
  } else if (!core.is_default()) {
    core.unref();
  }
}

std::uintptr_t word_of(coroutine_label label) {
  if (label.name == nullptr) {
    if (label.owner == nullptr) return 0;
    return reinterpret_cast<std::uintptr_t>(label.owner) | coroutine::is_owner;
  }
  const std::size_t size = std::strlen(label.name) + 1;
  void* const memory = ::operator new(sizeof(coroutine_record) + size);
  auto* const record = ::new (memory) coroutine_record{label.owner, nullptr};
  std::memcpy(record + 1, label.name, size);
  return reinterpret_cast<std::uintptr_t>(record) | coroutine::is_record;
}

// Wins the election for who is destroyed, and hangs nowhere.
constinit wait_node nobody;

// --- waking ---

// A plain thread of the user's, where it is clear that no lock is held and no stack is short.
bool on_plain_thread(const thread_record& me) noexcept {
  return me.current == &me.self && me.external;
}

// M1. False: it is abandoned, and its destroyer is told; the ticket is his.
bool make_ticket_ready(coroutine& ticket) noexcept {
  std::uintptr_t fate = coroutine::waiting;
  // M1 [fate] release: pairs with D1; acquire for a failure: the destroyer's waiter is prepared
  if (ticket.fate().compare_exchange_strong(fate, coroutine::ready, std::memory_order_release,
                                            std::memory_order_acquire)) {  // [fate]
    return true;
  }
  reinterpret_cast<waiter*>(fate)->notify();
  return false;
}

// Ready ones on their way to where they go on.
class sorter {
 public:
  explicit sorter(thread_record& me) noexcept : me_{me} {}

  void add(coroutine& c) noexcept {
    runtime_core* core = c.core();
    if (c.is_ticket()) {
      if (!make_ticket_ready(c)) return;
      if (core == nullptr && on_plain_thread(me_)) return keep_here(c);
      if (core == nullptr) core = &core_here(me_);
    }
    if (core != core_) flush();
    core_ = core;
    c.next = nullptr;
    (first_ == nullptr ? first_ : last_->next) = &c;
    last_ = &c;
    ++count_;
  }
  void flush() noexcept {
    if (first_ == nullptr) return;
    // What a stopped runtime does not take is abandoned.
    static_cast<void>(
        core_->coroutines.push(*std::exchange(first_, nullptr), *last_, std::exchange(count_, 0)));
  }

 private:
  void keep_here(coroutine& c) noexcept {
    woken_coroutines& woken = me_.woken;
    c.next = nullptr;
    (woken.first == nullptr ? woken.first : woken.last->next) = &c;
    woken.last = &c;
  }

  thread_record& me_;
  runtime_core* core_ = nullptr;
  coroutine* first_ = nullptr;
  coroutine* last_ = nullptr;
  std::uint32_t count_ = 0;
};

// The waker has let go of everything. Who comes here while one is resumed leaves it to that loop.
void resume_woken() noexcept {
  thread_record& me = this_thread();  // a plain thread stays what it is
  if (!on_plain_thread(me) || me.woken.resuming) return;
  me.woken.resuming = true;
  while (coroutine* const c = me.woken.first) {
    me.woken.first = c->next;
    resume_coroutine(*c, nullptr);
  }
  me.woken.resuming = false;
}

void wake_coroutine(waiter& w) noexcept {
  sorter sorted{this_thread()};
  sorted.add(static_cast<coroutine&>(w));
  sorted.flush();
  resume_woken();
}

void wake_coroutines(list_node* first) noexcept {
  sorter sorted{this_thread()};
  while (first != nullptr) {
    auto& node = static_cast<wait_node&>(*first);
    auto& c = static_cast<coroutine&>(*node.who);
    first = node.next;
    node.next = nullptr;  // before it may go on
    sorted.add(c);
  }
  sorted.flush();
}

void cannot_park(waiter&, mutex*) noexcept { fatal("downhaul: a coroutine has no stack to park"); }

void give_ticket(coroutine& ticket) noexcept {
  runtime_core* const core = ticket.core();
  give_coroutine(ticket);
  if (core != nullptr) let_go(*core, this_thread());
}

// R1. False: it was destroyed meanwhile, and the ticket is given back.
bool claim(coroutine& ticket) noexcept {
  std::uintptr_t fate = coroutine::ready;
  // R1 [fate] acquire: pairs with D1
  if (ticket.fate().compare_exchange_strong(fate, coroutine::resumed, std::memory_order_acquire,
                                            std::memory_order_acquire)) {  // [fate]
    return true;
  }
  give_ticket(ticket);
  return false;
}

void resume_ticket(coroutine& ticket) noexcept {
  if (resume_executor* const where = ticket.core() == nullptr ? ticket.executor() : nullptr) {
    where->post(resumption{ticket});
    return;
  }
  if (claim(ticket)) ticket.handle.resume();
}

}  // namespace

const waiter_ops coroutine_ops{cannot_park, wake_coroutine, wake_coroutines, resume_woken};

coroutine& take_coroutine() {
  spare_coroutines& spare = this_thread().coroutines;
  if (spare.first == nullptr) refill(spare);
  coroutine& c = *spare.first;
  spare.first = c.next;
  --spare.count;
#ifdef DOWNHAUL_CHECKED
  c.mark_used();
#endif
  return c;
}

void give_coroutine(coroutine& c) noexcept {
  c.set_life(coroutine::free);
#ifdef DOWNHAUL_CHECKED
  c.mark_freed();
#endif
  spare_coroutines& spare = this_thread().coroutines;
  c.next = spare.first;
  spare.first = &c;
  if (++spare.count > most_spare) give_batch(spare);
}

void for_each_coroutine(void (*see)(void* arg, coroutine& c, std::uint32_t life), void* arg) {
  // R [slabs]
  for (slab* s = all_slabs.load(std::memory_order_acquire); s != nullptr; s = s->next) {
    for (coroutine& c : s->blocks) {
      const std::uint32_t life = c.life.load(std::memory_order_acquire);  // R [life]
      if ((life & 3) >= coroutine::live) see(arg, c, life);
    }
  }
}

// --- the life of what go started ---

coroutine* prepare_coroutine(runtime_core* in, std::source_location where, coroutine_label label) {
  abort_if_forked();
  const std::uintptr_t word = word_of(label);
  thread_record& me = this_thread();
  runtime_core& core = in != nullptr ? *in : core_here(me);
  coroutine* taken = nullptr;
  try {
    taken = &take_coroutine();
  } catch (...) {
    if ((word & coroutine::is_record) != 0)
      ::operator delete(reinterpret_cast<void*>(word & ~coroutine::tags));
    throw;
  }
  coroutine& c = *taken;
  hold(core, me);
  c.word.store(word, std::memory_order_relaxed);  // [life] not live yet
  c.home.store(reinterpret_cast<std::uintptr_t>(&core), std::memory_order_release);  // W [life]
  c.where.store(where, std::memory_order_release);                                   // W [life]
  return &c;
}

void start_coroutine(coroutine* prepared, std::coroutine_handle<> first,
                     kept_function* kept) noexcept {
  coroutine& c = *prepared;
  thread_record& me = this_thread();
  c.handle = first;
  c.scope = nullptr;
  const std::uintptr_t word = c.word.load(std::memory_order_relaxed);  // [life] not live yet
  if ((word & coroutine::is_record) != 0) {
    reinterpret_cast<coroutine_record*>(word & ~coroutine::tags)->kept = kept;
  } else if (word == 0) {
    c.word.store(reinterpret_cast<std::uintptr_t>(kept),
                 std::memory_order_relaxed);  // [life] not live yet
  }
  c.since.store(static_cast<std::uint32_t>(coarse_now_ns() >> coroutine::since_shift),
                std::memory_order_release);                           // W [life]
  c.state_word().store(waiter::notified, std::memory_order_relaxed);  // [park] nobody knows it yet
  c.set_life(coroutine::live);
  count(me, tally::goroutines, 1);
  while (!c.core()->coroutines.push(c, c, 1)) {
    // Its runtime has gone, the default one runs it; where that has gone too, nobody.
    runtime_core& heir = default_core();
    if (c.core() == &heir) return;
    let_go(*c.core(), me);
    c.home.store(reinterpret_cast<std::uintptr_t>(&heir), std::memory_order_release);  // W [life]
  }
}

void discard_coroutine(coroutine* prepared) noexcept {
  forget_label(*prepared);
  let_go(*prepared->core(), this_thread());
  give_coroutine(*prepared);
}

void end_coroutine(coroutine* ended) noexcept {
  if (kept_function* const kept = ended->kept()) kept->destroy(kept);
  forget_label(*ended);
  thread_record& me = this_thread();  // what was destroyed may have waited
  count(me, tally::goroutines, -1);
  runtime_core& core = *ended->core();
  give_coroutine(*ended);
  let_go(core, me);
}

void coroutine_threw(coroutine*) noexcept {
  try {
    throw;
  } catch (const context_error&) {
    // That is how a cancelled one stops.
  } catch (...) {
    std::terminate();  // last_words.cpp says what it was and where this was started
  }
}

void* take_frame(std::size_t size) { return this_thread().blocks.take(size); }

void give_frame(void* frame, std::size_t size) noexcept { this_thread().blocks.give(frame, size); }

// --- waits ---

coroutine& begin_wait(std::coroutine_handle<> h, coroutine* root, resume_on where) {
  if (root != nullptr) {
    root->handle = h;
    return *root;
  }
  abort_if_forked();
  thread_record& me = this_thread();
  runtime_core* const core = where.is_runtime() ? &core_here(me) : nullptr;
  coroutine& ticket = take_coroutine();
  if (core != nullptr) hold(*core, me);
  ticket.set_life(coroutine::ticket);
  ticket.handle = h;
  ticket.home.store(core != nullptr
                        ? reinterpret_cast<std::uintptr_t>(core)
                        : reinterpret_cast<std::uintptr_t>(where.to()) | coroutine::elsewhere,
                    std::memory_order_relaxed);                        // published by the sources
  ticket.fate().store(coroutine::waiting, std::memory_order_relaxed);  // [fate] the same
  return ticket;
}

bool commit_wait(coroutine& me, wait_reason why) noexcept {
  me.set_reason(why);
  if (!me.is_ticket()) {
    // What is current goes with the coroutine, not with its carrier.
    me.scope = this_waiter().scope;
    me.since.store(static_cast<std::uint32_t>(coarse_now_ns() >> coroutine::since_shift),
                   std::memory_order_relaxed);  // for lists
    me.set_life(coroutine::live);
  }
  if (me.commit_park()) return true;
  if (!me.is_ticket()) me.set_life(coroutine::on_cpu);
  return false;
}

void end_wait(coroutine& me) noexcept {
  if (me.is_ticket()) {
    give_ticket(me);
  } else {
    me.set_reason(wait_reason::none);
  }
}

const wait_node* stop_waiting(coroutine& ticket) noexcept {
  return ticket.try_win(nobody) ? nullptr : ticket.winner();
}

bool give_wait_up(coroutine& ticket) noexcept {
  if (ticket.winner() == &nobody) {
    give_ticket(ticket);
    return false;
  }
  waiter& me = this_waiter();
  me.prepare();
  // D1 [fate] release: pairs with M1 and R1; acquire: pairs with M1, the node is as the waker left it
  const std::uintptr_t fate =
      ticket.fate().exchange(reinterpret_cast<std::uintptr_t>(&me), std::memory_order_acq_rel);
  if (fate == coroutine::waiting) {
    me.park(wait_reason::coroutine_end);
    give_ticket(ticket);
  }
  return true;
}

void resume_coroutine(coroutine& c, carrier* by) noexcept {
  // Current contexts go with a task of ours, and stay with the thread otherwise.
  const bool ticket = c.is_ticket();
  const scoped_context* const outer =
      std::exchange(this_waiter().scope, ticket ? nullptr : c.scope);
  if (ticket) {
    resume_ticket(c);
  } else {
    c.set_life(coroutine::on_cpu);
    c.handle.resume();
  }
  while (by != nullptr && by->transfer) std::exchange(by->transfer, nullptr).resume();
  this_waiter().scope = outer;
}

}  // namespace downhaul::impl

namespace downhaul {

void resumption::operator()() const {
  if (impl::claim(*ticket_)) ticket_->handle.resume();
}

}  // namespace downhaul
