// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// time/timer_function.cpp — a function that the clock runs in a goroutine.
//
// Idea       The goroutine's memory is reserved when the timer is armed, so firing cannot fail. Popping
//            the entry decides: from then on this run takes place, and stop returns false.
// Ownership  The function and its timer are freed by the last holder: the object or, detached, the
//            armed entry; and each run, from the pop to its end. A server of the clock never is
//            the last, so no destructor of a user's runs there.
// Threads    Everything below is guarded by the shard's lock; nothing is called, woken or freed under
//            it. Waiters of a drop: at most one, the object's owner.
// Model      tests/models/timer_function.pml: who holds it, and who waits for whom.
//
// [quiet]  True of a new timer, and set under the lock by a stop that leaves it disarmed and without a
//   run; cleared under the lock by whoever arms it. While it is set nobody but callers of the object
//   touches the timer, and of these the one that drops it is the last: he needs no lock. Release and
//   acquire: he sees what was done under the lock.
#include <algorithm>
#include <atomic>
#include <cstddef>
#include <mutex>
#include <new>
#include <utility>

#include "downhaul/impl/spawn.hpp"
#include "downhaul/impl/timer_core.hpp"
#include "time/clock_state.hpp"

namespace downhaul::impl {

class timer_function final : public timer_entry {
 public:
  timer_function(const timer_function_ops& ops, std::source_location where,
                 const thread_record& me) noexcept
      : timer_entry{&fire_entry, &try_ref_entry}, ops_{&ops}, where_{where} {
    clock& c = clock_of(me);
    clock_state::of(c).adopt(*this, c);
  }

  static timer_function* make(const timer_function_ops& ops, std::source_location where);
  /// Frees the memory; the function is destroyed already, or was never constructed.
  void free() noexcept;
  void* function() noexcept;

  bool stop() noexcept {
    timer_shard& s = shard_of(*this);
    const lock_scope lock{s.mu};
    const bool was = s.queue.remove(*this);
    if (holders_ == 1) quiet_.store(true, std::memory_order_release);  // [quiet] pairs with drop
    return was;
  }
  void start(std::int64_t delay);
  bool reset(std::int64_t delay);
  void drop() noexcept;
  void detach() noexcept;

 private:
  // The closure of a prepared goroutine.
  struct run_closure {
    timer_function* timer;
    goroutine* next_started;
  };
  // A run under way; on the stack of its goroutine.
  struct run {
    explicit run(timer_function& t) noexcept : timer{t}, who{&this_waiter()} {
      const lock_scope lock{shard_of(timer).mu};
      next = std::exchange(timer.runs_, this);
    }
    run(const run&) = delete;
    run& operator=(const run&) = delete;
    ~run() { timer.end(*this); }

    timer_function& timer;
    const waiter* who;
    run* next = nullptr;
  };

  static void run_prepared(void* closure) {
    timer_function& t = *static_cast<run_closure*>(closure)->timer;
    const run here{t};
    t.ops_->call(t.function());
  }
  static constexpr closure_ops prepared_ops{run_prepared, [](void*) noexcept {}};

  static run_closure& closure_of(goroutine* g) noexcept {
    return *static_cast<run_closure*>(closure_storage(g));
  }
  // Under the shard's lock: the reserved goroutine is prepared for a run.
  goroutine* take_run_locked() noexcept {
    if (!detached_) ++holders_;  // detached: the armed entry's hold becomes the run's
    goroutine* const g = std::exchange(reserved_, nullptr);
    if (runs_in_ == nullptr) runs_in_ = hold_runtime_of(g);
    prepare_reserved(g, prepared_ops);
    static_assert(sizeof(run_closure) <= size_of_reserved);
    ::new (closure_storage(g)) run_closure{this, nullptr};
    return g;
  }
  bool runs_here_locked() const noexcept {
    const waiter* me = &this_waiter();
    const run* r = runs_;
    while (r != nullptr && r->who != me) r = r->next;
    return r != nullptr;
  }
  void end(const run& ended) noexcept;
  void destroy() noexcept {
    ops_->destroy(function());
    free();
  }

  static bool try_ref_entry(timer_entry& e) noexcept {
    auto& t = static_cast<timer_function&>(e);
    goroutine* g = t.take_run_locked();
    closure_of(g).next_started = std::exchange(t.started_, g);
    return true;
  }
  static void fire_entry(timer_entry& e, std::int64_t) noexcept {
    auto& t = static_cast<timer_function&>(e);
    goroutine* g = nullptr;
    {
      // As many pops as firings: there is one for each, no matter whose.
      const lock_scope lock{shard_of(t).mu};
      g = t.started_;
      t.started_ = closure_of(g).next_started;
    }
    start_goroutine(g);  // its run holds the timer; it may be gone now
  }

  // What arming and stopping touch comes first: with a million timers it is memory that costs.
  goroutine* reserved_ = nullptr;  // to be started when due; not null while armed
  runtime_core* runs_in_ =
      nullptr;                 // since it was first due: the maker's, for the next arming; owned
  std::uint32_t holders_ = 1;  // see Ownership
  bool detached_ = false;
  std::atomic<bool> quiet_{true};        // [quiet]
  const timer_function_ops* const ops_;  // constant; the function lies behind this object
  const std::source_location where_;     // constant
  goroutine* started_ = nullptr;  // popped, but not started yet; by run_closure::next_started
  run* runs_ = nullptr;
  waiter* dropper_ = nullptr;  // waits for the end of all runs
};

namespace {

struct layout {
  std::size_t align;
  std::size_t offset;
  std::size_t size;
};
layout layout_of(const timer_function_ops& ops) noexcept {
  // A power of two: no division, for this is asked several times for each timer.
  const std::size_t offset = (sizeof(timer_function) + ops.align - 1) & ~(ops.align - 1);
  return {std::max(alignof(timer_function), ops.align), offset, offset + ops.size};
}

}  // namespace

timer_function* timer_function::make(const timer_function_ops& ops, std::source_location where) {
  const layout l = layout_of(ops);
  thread_record& me = this_thread();
  void* const memory = l.align > __STDCPP_DEFAULT_NEW_ALIGNMENT__
                           ? ::operator new(l.size, std::align_val_t{l.align})
                           : me.blocks.take(l.size);
  count(me, tally::timers, 1);
  return ::new (memory) timer_function{ops, where, me};
}

void* timer_function::function() noexcept {
  return reinterpret_cast<std::byte*>(this) + layout_of(*ops_).offset;
}

void timer_function::free() noexcept {
  const layout l = layout_of(*ops_);
  if (runs_in_ != nullptr) let_go_of_runtime(runs_in_);
  this->~timer_function();
  thread_record& me = this_thread();
  count(me, tally::timers, -1);
#ifdef DOWNHAUL_CHECKED
  retire(this, l.size, l.align, freed::timer);
#else
  if (l.align > __STDCPP_DEFAULT_NEW_ALIGNMENT__) {
    ::operator delete(this, std::align_val_t{l.align});
  } else {
    me.blocks.give(this, l.size);
  }
#endif
}

// Nobody else knows the timer yet: what reset has to look at under the lock before it can reserve is
// known, and one lock is enough.
void timer_function::start(std::int64_t delay) {
  reserved_ = reserve_goroutine(where_);
  const std::int64_t due = due_after(now_on(*owner), delay);
  if (due == never) return;
  timer_shard& s = shard_of(*this);
  goroutine* at_once = nullptr;
  bool sooner = false;
  {
    const lock_scope lock{s.mu};
    quiet_.store(false, std::memory_order_relaxed);  // [quiet] under the lock
    if (delay > 0) {
      sooner = s.arm(*this, due);
    } else {
      at_once = take_run_locked();
    }
  }
  if (at_once != nullptr) start_goroutine(at_once);
  if (sooner) owner->attend(due);
}

bool timer_function::reset(std::int64_t delay) {
  const std::int64_t due = due_after(now_on(*owner), delay);
  timer_shard& s = shard_of(*this);
  goroutine* spare = nullptr;
  goroutine* at_once = nullptr;
  bool was = false;
  bool sooner = false;
  for (;;) {
    runtime_core* in = nullptr;
    {
      const lock_scope lock{s.mu};
      quiet_.store(false, std::memory_order_relaxed);  // [quiet] under the lock
      in = runs_in_;
      if (reserved_ == nullptr) reserved_ = std::exchange(spare, nullptr);
      if (reserved_ != nullptr || due == never) {
        if (delay > 0) {
          was = s.queue.move(*this, due);
          sooner = due != never && s.lower(due);
        } else {
          was = s.queue.remove(*this);
          at_once = take_run_locked();
        }
        break;
      }
    }
    spare = reserve_goroutine(where_, in);  // null: the maker's runtime, for it was never due
  }
  if (spare != nullptr) discard_reserved(spare);
  if (at_once != nullptr) start_goroutine(at_once);
  if (sooner) owner->attend(due);
  return was;
}

void timer_function::drop() noexcept {
  if (quiet_.load(std::memory_order_acquire)) {  // [quiet] pairs with stop
    if (reserved_ != nullptr) discard_reserved(reserved_);
    return destroy();
  }
  timer_shard& s = shard_of(*this);
  goroutine* unused = nullptr;
  bool last = false;
  for (;;) {
    waiter& me = this_waiter();
    {
      const lock_scope lock{s.mu};
      s.queue.remove(*this);
      if (holders_ == 1 || runs_here_locked()) {
        unused = std::exchange(reserved_, nullptr);
        last = --holders_ == 0;
        break;
      }
      me.prepare();
      dropper_ = &me;
    }
    me.park(wait_reason::callback_wait);
  }
  if (unused != nullptr) discard_reserved(unused);
  if (last) destroy();
}

void timer_function::detach() noexcept {
  timer_shard& s = shard_of(*this);
  goroutine* unused = nullptr;
  bool last = false;
  {
    const lock_scope lock{s.mu};
    detached_ = true;
    if (!queued()) {
      unused = std::exchange(reserved_, nullptr);
      last = --holders_ == 0;
    }
  }
  if (unused != nullptr) discard_reserved(unused);
  if (last) destroy();
}

void timer_function::end(const run& ended) noexcept {
  waiter* wake = nullptr;
  bool last = false;
  {
    const lock_scope lock{shard_of(*this).mu};
    run** link = &runs_;
    while (*link != &ended) link = &(*link)->next;
    *link = ended.next;
    last = --holders_ == 0;
    if (holders_ == 1) wake = std::exchange(dropper_, nullptr);
  }
  if (wake != nullptr) wake->notify();
  if (last) destroy();
}

timer_function* make_timer_function(const timer_function_ops& ops, std::source_location where) {
  return timer_function::make(ops, where);
}
void* function_storage(timer_function* timer) noexcept { return timer->function(); }
void discard_timer_function(timer_function* timer) noexcept { timer->free(); }
void start_timer_function(timer_function* timer, std::int64_t delay) { timer->start(delay); }
bool stop_timer_function(timer_function* timer) noexcept { return timer->stop(); }
bool reset_timer_function(timer_function* timer, std::int64_t delay) { return timer->reset(delay); }
void drop_timer_function(timer_function* timer) noexcept { timer->drop(); }
void detach_timer_function(timer_function* timer) noexcept { timer->detach(); }

}  // namespace downhaul::impl
