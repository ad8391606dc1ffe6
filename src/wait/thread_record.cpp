// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
#include "wait/thread_record.hpp"

#include <mutex>
#include <new>
#include <type_traits>

#include "platform/fatal.hpp"
#include "platform/fork.hpp"
#include "platform/futex.hpp"
#include "platform/mutex.hpp"

namespace downhaul::impl {
namespace {

// A thread waits on its own state word: raw futex, type-stable memory.
void park_thread(waiter& w, mutex* held) noexcept DOWNHAUL_NO_THREAD_SAFETY_ANALYSIS {
  if (held != nullptr) held->unlock();
  abort_if_forked();
  if (!w.commit_park()) return;
  // The exchange in notify [park] is the only way out of parked; acquire sees what it released.
  while (w.state_word().load(std::memory_order_acquire) == waiter::parked) {
    futex_wait(w.state_word(), waiter::parked);
  }
}

void wake_thread(waiter& w) noexcept { futex_wake_one(w.state_word()); }

constexpr waiter_ops thread_ops{park_thread, wake_thread};

// All records, and those whose thread has ended. Never destroyed: threads may end after main.
struct record_list {
  ranked_mutex<rank::leaf> mu;
  thread_record* free = nullptr;             // guarded by mu
  std::atomic<thread_record*> all{nullptr};  // push only
  std::atomic<int> external{0};              // plain threads with a record in use
  std::atomic<int> ours{0};                  // the runtime's own
};
constinit record_list all_records;
static_assert(std::is_trivially_destructible_v<record_list>);

record_list& records() noexcept { return all_records; }

thread_record& take_record() noexcept {
  record_list& list = records();
  thread_record* r = nullptr;
  {
    const lock_scope lock{list.mu};
    r = list.free;
    if (r != nullptr) list.free = r->next_free;
  }
  if (r == nullptr) {
    r = new (std::nothrow) thread_record;
    // Everything here begins with this, the cheapest calls and destructors included.
    if (r == nullptr) fatal("out of memory: no record for a thread");
    r->next_record = list.all.load(std::memory_order_relaxed);  // [records] the CAS orders
    // [records] release: a reader that finds the record finds it whole (pairs with total()).
    while (!list.all.compare_exchange_weak(r->next_record, r, std::memory_order_release,
                                           std::memory_order_relaxed)) {
    }
  }
  r->current = &r->self;
  r->external = true;
  list.external.fetch_add(1, std::memory_order_relaxed);  // a count, read as a hint
  return *r;
}

void give_back(thread_record& r) noexcept {
  record_list& list = records();
  (r.external ? list.external : list.ours).fetch_sub(1, std::memory_order_relaxed);  // a count
  r.at = nullptr;
  r.clock = nullptr;
  r.coarse_now = 0;
  const lock_scope lock{list.mu};
  r.next_free = list.free;
  list.free = &r;
}

// Trivially destructible, so that it can be read during the whole of a thread's end.
thread_local thread_record* tls_record = nullptr;

// See worker_that_exits.
thread_local worker* tls_exits_from = nullptr;

// Gives the record back when the thread ends; also when a goroutine has called exit, which ends the
// thread-locals of its worker first: from then on that thread counts as a plain one. What uses the
// library later in the same thread's end takes another record and loses it: bounded by one a thread,
// and reachable from the list of all.
struct record_return {
  bool armed = false;
  ~record_return() {
    thread_record* r = tls_record;
    tls_record = nullptr;
    if (!armed || r == nullptr) return;
    tls_exits_from = r->at;
    give_back(*r);
  }
};
thread_local record_return tls_return;

[[gnu::noinline, gnu::cold]] thread_record& first_use() noexcept {
  tls_record = &take_record();
  tls_return.armed = true;
  return *tls_record;
}

}  // namespace

namespace {
std::uint64_t next_stream() noexcept {
  static std::atomic<std::uint64_t> streams{0};
  return streams.fetch_add(1, std::memory_order_relaxed);  // only distinct, not ordered
}
}  // namespace

thread_record::thread_record() noexcept : self{thread_ops}, choice{random::stream(next_stream())} {}

// Never inlined: a compiler that keeps a thread-local's address across a stack switch would read
// another thread's record.
[[gnu::noinline]] thread_record& this_thread() noexcept {
  thread_record* r = tls_record;
  asm volatile("" ::: "memory");  // nothing about the thread-local is kept from earlier calls
  return r != nullptr ? *r : first_use();
}

waiter& this_waiter() noexcept {
  running_waiter* w = this_thread().current;
  if (w == nullptr) fatal("downhaul: wait on the scheduler's stack");
  return *w;
}

bool on_goroutine() noexcept {
  thread_record& me = this_thread();
  return me.current != &me.self;
}

std::int64_t total(tally what) noexcept {
  std::int64_t sum = 0;
  // [records] acquire: pairs with the publication in take_record.
  for (thread_record* r = records().all.load(std::memory_order_acquire); r != nullptr;
       r = r->next_record) {
    // A snapshot; exact when the caller has synchronised with the counting threads.
    sum += r->tallies[static_cast<std::size_t>(what)].load(std::memory_order_relaxed);
  }
  return sum;
}

worker* worker_that_exits() noexcept { return tls_exits_from; }

int external_threads() noexcept {
  return records().external.load(std::memory_order_relaxed);  // a hint
}

int runtime_threads() noexcept {
  return records().ours.load(std::memory_order_relaxed);  // a hint
}

void mark_runtime_thread() noexcept {
  thread_record& me = this_thread();
  if (!me.external) return;
  me.external = false;
  records().external.fetch_sub(1, std::memory_order_relaxed);  // a count
  records().ours.fetch_add(1, std::memory_order_relaxed);      // a count
}

}  // namespace downhaul::impl
