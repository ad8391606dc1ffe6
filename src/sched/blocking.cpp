// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// sched/blocking.cpp — calls on threads outside the workers.
//
// Idea       A cache of threads serves jobs; a job lies on the stack of the one who waits for it.
//            A goroutine parks until its job has ended; where a context may interrupt, it waits for
//            the job or the context's done, whichever is first, and in the latter case sends the
//            interrupt as a second job and waits for both.
// Threads    A helper sits on a worker of kind `helper`, so that what it starts joins the runtime
//            of the goroutine it works for.
// Lock order  the cache's lock and a job's lock are leaves.
#include "downhaul/blocking.hpp"

#include <memory>
#include <mutex>
#include <new>
#include <type_traits>

#include "downhaul/impl/coro_blocking.hpp"
#include "platform/fork.hpp"
#include "platform/futex.hpp"
#include "platform/monotonic.hpp"
#include "platform/mutex.hpp"
#include "sched/coroutine.hpp"
#include "sched/deadlock.hpp"
#include "sched/runtime_core.hpp"
#include "sched/threads.hpp"
#include "wait/context_wait.hpp"

namespace downhaul::impl {
namespace {

constexpr std::int64_t kept_for = 10'000'000'000;  // ns that an unused thread stays

class job {
 public:
  job(const blocking_call& call, runtime_core* home) noexcept : call_{call}, home_{home} {}

  void run() noexcept { call_.body(call_.arg); }
  runtime_core* home() const noexcept { return home_; }

  /// The last touch of the job by the one who ran it.
  void finish() noexcept {
    wait_node* told = nullptr;
    {
      const lock_scope held{mu_};
      finished_ = true;
      if (waiting_ != nullptr && (!waiting_->elect || waiting_->who->try_win(*waiting_))) {
        told = waiting_;
      }
      waiting_ = nullptr;
    }
    if (told != nullptr) told->who->notify();
  }

  /// Waits until it has finished (woken), or until `done` (null: never) has ended.
  wait_result wait(source* done) noexcept {
    waiter& w = this_waiter();
    wait_node node;
    w.prepare();
    node.who = &w;
    node.elect = done != nullptr;
    if (!hang(node)) return wait_result::woken;
    const wait_result result = park_with_source(w, node, done, wait_reason::blocking_call);
    if (result == wait_result::done) take_off();
    return result;
  }

  /// For who does not park: hangs `node`, or false if it has finished; and takes it off.
  bool hang(wait_node& node) noexcept {
    const lock_scope held{mu_};
    if (finished_) return false;
    waiting_ = &node;
    return true;
  }
  void take_off() noexcept {
    const lock_scope held{mu_};
    waiting_ = nullptr;
  }

  job* next = nullptr;  // guarded by the cache's lock

 private:
  // From before the goroutine parks: the thread that is to run this may be long in coming.
  const hold_deadlock_check something_may_happen_;
  const blocking_call call_;
  runtime_core* const home_;  // kept alive by the goroutine that waits; null: none
  ranked_mutex<rank::leaf> mu_;
  bool finished_ DOWNHAUL_GUARDED_BY(mu_) = false;
  wait_node* waiting_ DOWNHAUL_GUARDED_BY(mu_) = nullptr;
};

struct helper {
  helper* next = nullptr;               // guarded by the cache's lock
  job* task = nullptr;                  // published by state
  std::atomic<std::uint32_t> state{0};  // [helper] 1: a task has come; the futex
};

// Idle helpers, the one used last first. Never destroyed: helpers may outlive main.
struct helper_cache {
  ranked_mutex<rank::leaf> mu;
  helper* idle DOWNHAUL_GUARDED_BY(mu) = nullptr;
};
constinit helper_cache all_helpers;
static_assert(std::is_trivially_destructible_v<helper_cache>);

helper_cache& helpers() noexcept { return all_helpers; }

void serve(job& task) noexcept {
  runtime_core* const home = task.home();
  if (home == nullptr) {
    task.run();
    task.finish();
    return;
  }
  worker at{*home, worker_kind::helper};
  thread_record& me = this_thread();
  me.at = &at;
  me.clock = home->clock();
  task.run();
  me.at = nullptr;
  me.clock = nullptr;
  task.finish();
  home->end_help();
}

/// Waits for a task; false: there was none for a while, and the helper is off the list.
bool wait_for_task(helper& self) noexcept {
  {
    const lock_scope held{helpers().mu};
    self.next = helpers().idle;
    helpers().idle = &self;
  }
  const std::int64_t until = steady_now_ns() + kept_for;
  // R [helper]
  while (self.state.load(std::memory_order_acquire) == 0) {
    if (futex_wait_until(self.state, 0, until) == futex_result::woken) continue;
    const lock_scope held{helpers().mu};
    helper** link = &helpers().idle;
    while (*link != nullptr && *link != &self) link = &(*link)->next;
    if (*link == nullptr) continue;  // somebody is about to give us a task
    *link = self.next;
    return false;
  }
  self.state.store(0, std::memory_order_relaxed);  // [helper] ours again
  return true;
}

void* help(void* arg) {
  const counted_thread here{"dh-blocking"};
  mark_runtime_thread();
  auto* const self = static_cast<helper*>(arg);
  do {
    serve(*self->task);
  } while (wait_for_task(*self));
  delete self;
  return nullptr;
}

void submit(job& task) {
  helper* h = nullptr;
  {
    const lock_scope held{helpers().mu};
    h = helpers().idle;
    if (h != nullptr) helpers().idle = h->next;
  }
  if (h == nullptr) {
    auto fresh = std::make_unique<helper>();
    fresh->task = &task;
    start_detached_thread(help, fresh.get());
    static_cast<void>(fresh.release());  // its thread's
    return;
  }
  h->task = &task;
  h->state.store(1, std::memory_order_release);  // W [helper]
  futex_wake_one(h->state);
}

// The core knows of the call before its goroutine parks.
void start_help(job& task) {
  runtime_core* const home = task.home();
  if (home != nullptr) home->begin_help();
  try {
    submit(task);
  } catch (...) {
    if (home != nullptr) home->end_help();
    throw;
  }
}

runtime_core* home_here() noexcept {
  const thread_record& me = this_thread();
  return me.at != nullptr ? me.at->core : nullptr;
}

// From a plain thread f stays here, and a helper waits for the context in its place.
struct guard_of_plain_thread {
  source* done;
  job* f;
  const blocking_call* interrupt;
};

void watch_for(void* arg) noexcept {
  const auto& g = *static_cast<const guard_of_plain_thread*>(arg);
  if (g.f->wait(g.done) == wait_result::done) g.interrupt->body(g.interrupt->arg);
}

}  // namespace

void run_blocking(const blocking_call& call) {
  abort_if_forked();
  if (!on_goroutine()) return call.body(call.arg);
  job task{call, home_here()};
  start_help(task);
  task.wait(nullptr);
}

void run_blocking(const context& ctx, const blocking_call& call, const blocking_call& interrupt) {
  source* const done = done_of(ctx);
  if (done == nullptr) return run_blocking(call);
  abort_if_forked();
  job task{call, home_here()};
  if (!on_goroutine()) {
    guard_of_plain_thread g{done, &task, &interrupt};
    job watch{{watch_for, &g}, home_here()};
    start_help(watch);
    task.run();
    task.finish();
    watch.wait(nullptr);
    return;
  }
  start_help(task);
  if (task.wait(done) == wait_result::woken) return;
  job stop{interrupt, home_here()};
  try {
    start_help(stop);
  } catch (...) {
    // No thread or no memory left: better from here than not at all, since f may never end without
    // it, and what it uses lies on our stack.
    stop.run();
    stop.finish();
  }
  stop.wait(nullptr);
  task.wait(nullptr);
}

// --- for coroutines ---

static_assert(sizeof(job) <= blocking_wait::room && alignof(job) <= 8);

static job& job_of(blocking_wait& w) noexcept {
  return *std::launder(reinterpret_cast<job*>(w.place_of_job));
}

bool suspend_blocking(blocking_wait& w, const blocking_call& call, std::coroutine_handle<> h,
                      coroutine* root, resume_on where) {
  coroutine& me = begin_wait(h, root, where);
  job& task = *::new (static_cast<void*>(w.place_of_job)) job{call, home_here()};
  try {
    start_help(task);
  } catch (...) {
    std::destroy_at(&task);
    end_wait(me);
    throw;
  }
  w.node.who = &me;
  w.node.elect = me.is_ticket();
  me.prepare();
  if (task.hang(w.node)) {
    w.waits = true;
    return commit_wait(me, wait_reason::blocking_call);
  }
  std::destroy_at(&task);
  end_wait(me);
  return false;
}

void resume_blocking(blocking_wait& w) noexcept {
  if (!w.waits) return;
  w.waits = false;
  std::destroy_at(&job_of(w));
  end_wait(static_cast<coroutine&>(*w.node.who));
}

void abandon_blocking(blocking_wait& w) noexcept {
  job& task = job_of(w);
  auto& me = static_cast<coroutine&>(*w.node.who);
  if (stop_waiting(me) == nullptr) task.take_off();
  give_wait_up(me);
  task.wait(nullptr);  // it uses the frame
  std::destroy_at(&task);
}

}  // namespace downhaul::impl
