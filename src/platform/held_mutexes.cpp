// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// Compiled in checked builds only.
//
// The linker finds these definitions before those of the system's library, also for calls from other
// shared libraries. pthread_cond_wait unlocks and locks inside that library, unseen: its mutex is held
// before and after, and a goroutine that calls it blocks its thread and does not leave it.
#include "platform/held_mutexes.hpp"

#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <pthread.h>

#include <array>
#include <atomic>
#include <cstddef>

#include "platform/backtrace.hpp"
#include "platform/fatal.hpp"
#include "platform/mutex.hpp"
#include "platform/sanitizer.hpp"

namespace downhaul::impl {

struct held_mutex {
  held_mutex* next = nullptr;
  const void* what = nullptr;
  const char* kind = nullptr;
  place where;
};

namespace {

constexpr std::size_t most_held = 4096;  // in the whole process; what is beyond is not noted

struct entry_store {
  mutex mu;
  std::array<held_mutex, most_held> entries DOWNHAUL_GUARDED_BY(mu);
  std::size_t used DOWNHAUL_GUARDED_BY(mu) = 0;
  held_mutex* free DOWNHAUL_GUARDED_BY(mu) = nullptr;
};
constinit entry_store store;

held_mutex* take_entry() noexcept {
  const lock_scope held{store.mu};
  held_mutex* e = store.free;
  if (e != nullptr) {
    store.free = e->next;
  } else if (store.used < most_held) {
    e = &store.entries[store.used++];
  }
  return e;
}

void give_entry(held_mutex& e) noexcept {
  const lock_scope held{store.mu};
  e.next = store.free;
  store.free = &e;
}

constinit thread_local mutex_ledger* ledger_here = nullptr;
constinit thread_local bool looking_up = false;

// The first backtrace loads a library: not while somebody's mutex is locked.
[[maybe_unused]] const int first_backtrace = [] {
  void* frame = nullptr;
  return ::backtrace(&frame, 1);
}();

// The function of this name that would be called without us. Null while looking one up.
void* system_function(std::atomic<void*>& found, const char* name) noexcept {
  // Every thread finds the same: no order needed.
  void* f = found.load(std::memory_order_relaxed);
  if (f != nullptr || looking_up) return f;
  looking_up = true;
  f = ::dlsym(RTLD_NEXT, name);
  looking_up = false;
  if (f == nullptr) fatal({"checked build: ", name, " is not in a shared library"});
  found.store(f, std::memory_order_relaxed);  // as above
  return f;
}

constexpr bool took_it(int result) noexcept { return result == 0 || result == EOWNERDEAD; }

}  // namespace

void mutex_ledger::note_locked(const void* what, const char* kind) noexcept {
  held_mutex* const e = take_entry();
  if (e == nullptr) return;
  e->what = what;
  e->kind = kind;
  e->where = place::here();
  e->next = first_;
  first_ = e;
}

void mutex_ledger::note_unlocked(const void* what) noexcept {
  for (held_mutex** link = &first_; *link != nullptr; link = &(*link)->next) {
    held_mutex& e = **link;
    if (e.what != what) continue;
    *link = e.next;
    give_entry(e);
    return;
  }
}

void mutex_ledger::print() const noexcept {
  for (const held_mutex* e = first_; e != nullptr; e = e->next) {
    say({"  the ", e->kind, " was locked at:\n"});
    e->where.print();
  }
}

DOWNHAUL_NOINLINE void track_mutexes(mutex_ledger* ledger) noexcept {
  ledger_here = ledger;
  asm volatile("" ::: "memory");
}

namespace {

template <class Call>
int lock_with(const void* what, const char* kind, Call call) noexcept {
  const int result = call();
  if (ledger_here != nullptr && took_it(result)) ledger_here->note_locked(what, kind);
  return result;
}

template <class Call>
int unlock_with(const void* what, Call call) noexcept {
  if (ledger_here != nullptr) ledger_here->note_unlocked(what);
  return call();
}

}  // namespace
}  // namespace downhaul::impl

// What is called while a name is looked up comes from the look-up itself, which is alone with it.
#define DOWNHAUL_SYSTEM(name, ...)                                                          \
  [&]() noexcept -> int {                                                                   \
    static constinit std::atomic<void*> found{nullptr};                                     \
    auto* const f =                                                                         \
        reinterpret_cast<decltype(&::name)>(downhaul::impl::system_function(found, #name)); \
    return f != nullptr ? f(__VA_ARGS__) : 0;                                               \
  }

using downhaul::impl::lock_with;
using downhaul::impl::unlock_with;

extern "C" {

int pthread_mutex_lock(pthread_mutex_t* m) noexcept {
  return lock_with(m, "mutex", DOWNHAUL_SYSTEM(pthread_mutex_lock, m));
}
int pthread_mutex_trylock(pthread_mutex_t* m) noexcept {
  return lock_with(m, "mutex", DOWNHAUL_SYSTEM(pthread_mutex_trylock, m));
}
int pthread_mutex_timedlock(pthread_mutex_t* m, const timespec* until) noexcept {
  return lock_with(m, "mutex", DOWNHAUL_SYSTEM(pthread_mutex_timedlock, m, until));
}
int pthread_mutex_clocklock(pthread_mutex_t* m, clockid_t clock, const timespec* until) noexcept {
  return lock_with(m, "mutex", DOWNHAUL_SYSTEM(pthread_mutex_clocklock, m, clock, until));
}
int pthread_mutex_unlock(pthread_mutex_t* m) noexcept {
  return unlock_with(m, DOWNHAUL_SYSTEM(pthread_mutex_unlock, m));
}

int pthread_rwlock_rdlock(pthread_rwlock_t* l) noexcept {
  return lock_with(l, "shared lock", DOWNHAUL_SYSTEM(pthread_rwlock_rdlock, l));
}
int pthread_rwlock_tryrdlock(pthread_rwlock_t* l) noexcept {
  return lock_with(l, "shared lock", DOWNHAUL_SYSTEM(pthread_rwlock_tryrdlock, l));
}
int pthread_rwlock_timedrdlock(pthread_rwlock_t* l, const timespec* until) noexcept {
  return lock_with(l, "shared lock", DOWNHAUL_SYSTEM(pthread_rwlock_timedrdlock, l, until));
}
int pthread_rwlock_clockrdlock(pthread_rwlock_t* l, clockid_t clock,
                               const timespec* until) noexcept {
  return lock_with(l, "shared lock", DOWNHAUL_SYSTEM(pthread_rwlock_clockrdlock, l, clock, until));
}
int pthread_rwlock_wrlock(pthread_rwlock_t* l) noexcept {
  return lock_with(l, "shared lock", DOWNHAUL_SYSTEM(pthread_rwlock_wrlock, l));
}
int pthread_rwlock_trywrlock(pthread_rwlock_t* l) noexcept {
  return lock_with(l, "shared lock", DOWNHAUL_SYSTEM(pthread_rwlock_trywrlock, l));
}
int pthread_rwlock_timedwrlock(pthread_rwlock_t* l, const timespec* until) noexcept {
  return lock_with(l, "shared lock", DOWNHAUL_SYSTEM(pthread_rwlock_timedwrlock, l, until));
}
int pthread_rwlock_clockwrlock(pthread_rwlock_t* l, clockid_t clock,
                               const timespec* until) noexcept {
  return lock_with(l, "shared lock", DOWNHAUL_SYSTEM(pthread_rwlock_clockwrlock, l, clock, until));
}
int pthread_rwlock_unlock(pthread_rwlock_t* l) noexcept {
  return unlock_with(l, DOWNHAUL_SYSTEM(pthread_rwlock_unlock, l));
}

}  // extern "C"
