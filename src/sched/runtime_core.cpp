// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
#include "sched/runtime_core.hpp"

#include <algorithm>
#include <csignal>
#include <exception>
#include <utility>

#include "platform/cpu.hpp"
#include "platform/fatal.hpp"
#include "platform/fork.hpp"
#include "platform/futex.hpp"
#include "platform/monotonic.hpp"
#include "sched/abandon.hpp"
#include "sched/deadlock.hpp"
#include "sched/last_words.hpp"
#include "sched/seat.hpp"
#include "sched/threads.hpp"

namespace downhaul::impl {
namespace {

constexpr std::uint32_t most_taken = 128;  // from the common queue at once

std::size_t default_bytes(std::size_t wanted) noexcept {
  return wanted == 0 ? default_stack_size : wanted;
}

}  // namespace

runtime_core::runtime_core(const core_options& options)
    : default_{options.is_default},
      seed_{options.seed},
      clock_{options.clock},
      target_{options.workers > 0 ? options.workers : available_cpus()},
      on_stall_{options.on_stall} {
  watch_forks();
  install_last_words();
  ::pthread_sigmask(SIG_SETMASK, nullptr, &signal_mask_);
  try {
    pools_[0].store(new stack_pool{default_bytes(options.stack)},
                    std::memory_order_relaxed);  // nobody else knows the core yet
    add_workers(workers());
  } catch (...) {
    free_parts();
    throw;
  }
}

void runtime_core::add_workers(int n) {
  int number = 0;
  {
    const lock_scope held{mu_};
    number = worker_count_;
    worker_count_ += n;
  }
  pool_worker* made = nullptr;  // linked by next_sleeper_, the lowest number first
  try {
    for (int i = n; i > 0; --i) {
      auto* const w = new pool_worker{*this, seed_of_worker(number + i)};
      w->next_sleeper_ = std::exchange(made, w);
    }
  } catch (...) {
    while (made != nullptr) delete std::exchange(made, made->next_sleeper_);
    throw;
  }
  const lock_scope held{mu_};
  while (made != nullptr) {
    pool_worker& w = *std::exchange(made, made->next_sleeper_);
    publish(w);
    w.asleep_ = true;  // a thread is started for it when it is first woken
    w.next_sleeper_ = sleepers_;
    sleepers_ = &w;
    sleeping_.fetch_add(1, std::memory_order_relaxed);  // I1, under mu_
    ++active_;
  }
}

pool_worker& runtime_core::add_worker() {
  auto* const w = new pool_worker{*this, seed_of_worker(++worker_count_)};
  publish(*w);
  return *w;
}

std::uint64_t runtime_core::seed_of_worker(int number) const noexcept {
  return random::stream(seed_ + static_cast<std::uint64_t>(number)).next();
}

void runtime_core::publish(pool_worker& w) noexcept {
  w.next_worker = all_.load(std::memory_order_relaxed);  // written under mu_
  all_.store(&w, std::memory_order_release);             // [workers] pairs with those who walk
}

// Reached only when no goroutine is left, or the core has stopped and none is known any more.
runtime_core::~runtime_core() { free_parts(); }

void runtime_core::free_parts() noexcept {
  pool_worker* w = all_.load(std::memory_order_relaxed);  // the last reference is ours
  while (w != nullptr) {
    pool_worker* const next = w->next_worker;
    delete w;
    w = next;
  }
  while (seats_ != nullptr) delete std::exchange(seats_, seats_->next_seat);
  for (auto& p : pools_) delete p.load(std::memory_order_relaxed);  // the last reference is ours
}

stack_pool& runtime_core::pool(std::size_t index) noexcept {
  return *pools_[index].load(std::memory_order_acquire);  // [pools] pairs with pool_for
}

// Pool k > 0 has stacks of smallest_stack_size << (k - 1).
std::uint8_t runtime_core::pool_for(std::size_t bytes) {
  if (bytes == 0 || bytes == pool(0).stack_size()) return 0;
  std::size_t index = 1;
  while (index + 1 < pool_count && (smallest_stack_size << (index - 1)) < bytes) ++index;
  stack_pool* made = pools_[index].load(std::memory_order_acquire);  // [pools]
  if (made == nullptr) {
    auto* const fresh = new stack_pool{smallest_stack_size << (index - 1)};
    // W [pools] release: who finds the pool finds it constructed.
    if (!pools_[index].compare_exchange_strong(made, fresh, std::memory_order_acq_rel,
                                               std::memory_order_acquire)) {  // [pools]
      delete fresh;
    }
  }
  return static_cast<std::uint8_t>(index);
}

void runtime_core::take_signal_mask() const noexcept {
  ::pthread_sigmask(SIG_SETMASK, &signal_mask_, nullptr);
}

void runtime_core::move(goroutine& g) noexcept {
  if (g.seat != nullptr) return call_guest(g);
  inject(g);
}

void runtime_core::inject(goroutine& g) noexcept {
  // `g` keeps us alive until it is queued; what we touch afterwards, this reference does.
  if (!default_) ref();
  pool_worker* taken = nullptr;
  bool stopped = false;
  {
    const lock_scope held{mu_};
    stopped = stopping_;
    if (!stopped) {
      queue_.push_back(g);
      size_.fetch_add(1, std::memory_order_seq_cst);  // P1 [idle]
      taken = pop_sleeper(nullptr);
    }
  }
  if (taken != nullptr) rouse(*taken);
  if (stopped && !g.has_stack() && !default_) {
    // It never ran: its runtime has gone, the default one runs it.
    runtime_core& heir = default_core();
    if (!heir.is_default()) return;
    g.in.store(&heir, std::memory_order_release);  // W [life]
    g.pool = 0;
    heir.inject(g);
    unref();  // the reference that g held
  }
  if (!default_) unref();
}

void runtime_core::inject_all(goroutine_list& some, std::uint32_t n) noexcept {
  // They keep us alive until they are queued; what we touch afterwards, this reference does.
  if (!default_) ref();
  pool_worker* taken = nullptr;
  bool stopped = false;
  {
    const lock_scope held{mu_};
    stopped = stopping_;
    if (!stopped) {
      queue_.append(some);
      size_.fetch_add(n, std::memory_order_seq_cst);  // P1 [idle]
      taken = pop_sleeper(nullptr);
    }
  }
  if (taken != nullptr) rouse(*taken);
  if (!default_) unref();
}

void ready_batch::add(goroutine& g, thread_record& me) noexcept {
  runtime_core& core = g.core();
  const worker* const here = me.at;
  const bool local = here != nullptr && here->core == &core && here->kind == worker_kind::pool;
  if (local || g.pins != 0) return core.make_runnable(g, me);
  if (core_ != &core) flush();
  core_ = &core;
  list_.push_back(g);
  ++count_;
}

void ready_batch::flush() noexcept {
  if (count_ != 0) core_->inject_all(list_, std::exchange(count_, 0));
  list_ = {};  // they are abandoned where the core has stopped
}

goroutine* runtime_core::take_common(run_ring& ring) noexcept {
  if (size_.load(std::memory_order_relaxed) == 0) return nullptr;  // a hint; see [idle]
  const lock_scope held{mu_};
  const std::uint32_t size = size_.load(std::memory_order_relaxed);  // under mu_
  std::uint32_t n = size / static_cast<std::uint32_t>(workers()) + 1;
  n = std::min({n, size, most_taken, ring.room() + 1});  // the ring must not grow under mu_
  if (n == 0) return nullptr;
  goroutine* const first = queue_.pop_front();
  for (std::uint32_t i = 1; i < n; ++i) ring.push(*queue_.pop_front());
  size_.fetch_sub(n, std::memory_order_release);  // under mu_
  return first;
}

void runtime_core::push_common(goroutine_list& some, std::uint32_t n) noexcept {
  pool_worker* taken = nullptr;
  {
    const lock_scope held{mu_};
    queue_.append(some);
    size_.fetch_add(n, std::memory_order_seq_cst);  // P1 [idle]
    taken = pop_sleeper(nullptr);
  }
  if (taken != nullptr) rouse(*taken);
}

void runtime_core::start_thread(pool_worker& w) noexcept {
  w.started_ = true;
  bool first = false;
  {
    const lock_scope held{mu_};
    ++running_threads_;
    if (!default_) ++unjoined_threads_;
    first = !std::exchange(monitored_, true);
  }
  if (first) start_monitor();
  const auto entry = [](void* arg) -> void* {
    const counted_thread here{"dh-worker"};
    static_cast<pool_worker*>(arg)->work();
    return nullptr;
  };
  try {
    if (default_) return start_detached_thread(entry, &w);
    const pthread_t id = start_joinable_thread(entry, &w);
    bool awaited = false;
    {
      const lock_scope held{mu_};
      w.thread_ = id;
      w.next_joinable_ = joinable_;
      joinable_ = &w;
      awaited = stopping_;
      progress_.fetch_add(1, std::memory_order_relaxed);  // under mu_, where its readers look again
    }
    if (awaited) futex_wake_all(progress_);
  } catch (const std::exception& e) {
    fatal({"cannot start a worker thread: ", e.what()});
  }
}

void runtime_core::thread_ended(pool_worker& w) noexcept {
  bool quiet = false;
  {
    const lock_scope held{mu_};
    // The worker's own share becomes part of the common count; the bias keeps that positive.
    refs_.fetch_add(w.held_refs, std::memory_order_relaxed);  // [refs] count only
    w.held_refs = 0;
    add_busy(-1);
    --running_threads_;
    quiet = is_quiet();
    progress_.fetch_add(1, std::memory_order_relaxed);  // under mu_, where its readers look again
  }
  // A runtime that is being stopped outlives its threads: this access is safe.
  if (quiet) futex_wake_all(progress_);
}

void runtime_core::add_busy(int n) noexcept {
  busy_.fetch_add(n, std::memory_order_relaxed);          // I2, under mu_
  busy_anywhere.fetch_add(n, std::memory_order_relaxed);  // a hint, confirmed later
}

void runtime_core::tell_to_stop() noexcept {
  pool_worker* asleep = nullptr;
  pool_worker* spare = nullptr;
  coroutines.close();
  {
    const lock_scope held{mu_};
    stopping_ = true;
    for (seat* s = seats_; s != nullptr; s = s->next_seat) s->tell_to_stop();
    for (pool_worker* w = sleepers_; w != nullptr; w = w->next_sleeper_) {
      w->asleep_ = false;
      sleeping_.fetch_sub(1, std::memory_order_relaxed);  // I1, under mu_
      if (w->started_) add_busy(1);
    }
    asleep = std::exchange(sleepers_, nullptr);
    spare = std::exchange(spares_, nullptr);
    for (pool_worker* w = spare; w != nullptr; w = w->next_sleeper_) {
      w->retired_ = false;
      add_busy(1);
    }
  }
  // Pairs with the publication of workers.
  for (pool_worker* w = all_.load(std::memory_order_acquire); w != nullptr; w = w->next_worker) {
    w->call_attention();
  }
  for (pool_worker* list : {asleep, spare}) {
    while (list != nullptr) {
      pool_worker* const next = list->next_sleeper_;
      if (list->started_) list->wake();
      list = next;
    }
  }
}

void runtime_core::stop() noexcept {
  if (worker* const here = this_thread().at; here != nullptr && here->core == this) {
    fatal("runtime destroyed by one of its own goroutines");
  }
  if (forked()) return;  // as in stop_for_exit
  stop_monitor();
  tell_to_stop();
  for (;;) {
    pool_worker* ready = nullptr;
    std::uint32_t seen = 0;
    {
      const lock_scope held{mu_};
      if (unjoined_threads_ == 0 && running_threads_ == 0) break;
      ready = std::exchange(joinable_, nullptr);
      for (pool_worker* w = ready; w != nullptr; w = w->next_joinable_) --unjoined_threads_;
      seen = progress_.load(std::memory_order_relaxed);  // under mu_
    }
    // Somebody is in the middle of starting one.
    if (ready == nullptr) futex_wait(progress_, seen);
    for (; ready != nullptr; ready = ready->next_joinable_) pthread_join(ready->thread_, nullptr);
  }
  show_abandoned_to_leak_checker(*this);
  // [refs] acq_rel as in unref: the bias and the owner's own go together.
  if (refs_.fetch_sub(running_bias + 1, std::memory_order_acq_rel) == running_bias + 1) delete this;
}

void runtime_core::stop_for_exit(std::int64_t patience_ns) noexcept {
  if (forked()) return;  // nobody came along, and a lock may be held for ever
  worker* here = this_thread().at;
  if (here == nullptr) here = worker_that_exits();
  const int own = here != nullptr && here->core == this ? 1 : 0;
  tell_to_stop();
  const std::int64_t until = steady_now_ns() + patience_ns;
  for (;;) {
    std::uint32_t seen = 0;
    {
      const lock_scope held{mu_};
      if (running_threads_ <= own) return;
      exit_waits_ = true;
      seen = progress_.load(std::memory_order_relaxed);  // under mu_
    }
    if (futex_wait_until(progress_, seen, until) == futex_result::timed_out) return;
  }
}

void runtime_core::begin_help() noexcept {
  if (!default_) ref();
  const lock_scope held{mu_};
  ++helped_;
}

void runtime_core::end_help() noexcept {
  bool quiet = false;
  {
    const lock_scope held{mu_};
    --helped_;
    quiet = is_quiet();
  }
  if (quiet) futex_wake_all(progress_);
  if (!default_) unref();
}

bool runtime_core::rests() noexcept {
  // Both under mu_.
  return busy_.load(std::memory_order_relaxed) == 0 && size_.load(std::memory_order_relaxed) == 0 &&
         helped_ == 0;
}

bool runtime_core::is_quiet() noexcept {
  const bool idle = rests();
  if (idle && quiet_waiters_ != 0) progress_.fetch_add(1, std::memory_order_relaxed);  // under mu_
  return exit_waits_ || (idle && quiet_waiters_ != 0);
}

void runtime_core::wait_until_quiet() noexcept {
  for (;;) {
    std::uint32_t seen = 0;
    {
      const lock_scope held{mu_};
      if (rests()) return;
      ++quiet_waiters_;
      seen = progress_.load(std::memory_order_relaxed);  // under mu_
    }
    futex_wait(progress_, seen);
    const lock_scope held{mu_};
    --quiet_waiters_;
  }
}

}  // namespace downhaul::impl
