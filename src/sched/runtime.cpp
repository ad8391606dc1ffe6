// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
#include "downhaul/runtime.hpp"

#include <algorithm>

#include "platform/monotonic.hpp"
#include "platform/sanitizer.hpp"
#include "sched/deadlock.hpp"
#include "sched/registry.hpp"
#include "sched/runtime_core.hpp"

#if DOWNHAUL_TSAN
#include <mutex>
#endif

namespace downhaul {
namespace impl {

namespace {

// What run(main) runs: while it does, and not a moment longer, a deadlock is looked for.
struct checked_main {
  const run_request& main;
  bool by_thread;

  static void run(void* me) {
    const auto& [main, by_thread] = *static_cast<const checked_main*>(me);
    begin_deadlock_check(by_thread);
    main.body(main.arg);
    end_deadlock_check(by_thread);
  }
};

}  // namespace

void run_and_wait(runtime_core* in, const run_request& request) {
  checked_main checked{request, this_thread().external};
  run_closure body{request.body, request.arg, nullptr};
  if (request.reports_deadlock) body = {checked_main::run, &checked, nullptr};
  waiter& caller = this_waiter();
  spawn_request spawn;
  spawn.where = request.where;
  spawn.name = request.options.name;
  spawn.stack = request.options.stack;
  spawn.pinned = request.options.pinned;
  spawn.in = in;
  body.caller = &caller;
  goroutine* const g = prepare_goroutine_with(body, spawn);
  g->joined = true;
  caller.prepare();
  start_goroutine(g);
  caller.park(wait_reason::runtime_run);
}

#if DOWNHAUL_TSAN
// The count inside exception_ptr lies in a library that is not instrumented.
void keep_reachable(const std::exception_ptr& e) {
  static std::mutex& mu = *new std::mutex;
  static auto& kept = *new std::vector<std::exception_ptr>;
  const std::lock_guard held{mu};
  kept.push_back(e);
}
#else
void keep_reachable(const std::exception_ptr&) {}
#endif

}  // namespace impl

runtime::runtime(runtime_options options)
    : core_{new impl::runtime_core{{.workers = options.workers,
                                    .stack = options.stack,
                                    .clock = options.clock,
                                    .seed = options.seed,
                                    .is_default = false,
                                    .on_stall = std::move(options.on_stall)}}} {}

runtime::~runtime() { core_->stop(); }

int runtime::workers() const noexcept { return core_->workers(); }

void runtime::workers(int n) { core_->set_workers(n); }

std::size_t runtime::goroutines() const {
  std::size_t n = 0;
  impl::for_each_goroutine([&](const impl::goroutine_facts& g) { n += g.core == core_ ? 1 : 0; });
  return n;
}

std::uint64_t runtime::stalls() const noexcept { return core_->stalls(); }

namespace {

goroutine_info info_of(const impl::goroutine_facts& g, std::int64_t now) {
  goroutine_info info{};
  info.where = g.where;
  info.name = g.name;
  info.age = std::chrono::nanoseconds{std::max<std::int64_t>(0, now - g.since)};
  switch (g.doing) {
    case impl::activity::runnable:
      info.doing = goroutine_info::state::runnable;
      info.reason = "runnable";
      break;
    case impl::activity::running:
      info.doing = goroutine_info::state::running;
      info.reason = "running";
      break;
    case impl::activity::waiting:
      info.doing = goroutine_info::state::waiting;
      info.reason = impl::to_string(g.reason);
      break;
  }
  return info;
}

}  // namespace

std::vector<goroutine_info> list_goroutines() {
  std::vector<goroutine_info> list;
  const std::int64_t now = impl::steady_now_ns();
  impl::for_each_goroutine(
      [&](const impl::goroutine_facts& g) { list.push_back(info_of(g, now)); });
  return list;
}

std::vector<goroutine_info> impl::list_goroutines_of(const void* owner) {
  std::vector<goroutine_info> list;
  const std::int64_t now = steady_now_ns();
  for_each_goroutine([&](const goroutine_facts& g) {
    if (g.owner == owner) list.push_back(info_of(g, now));
  });
  return list;
}

std::size_t count_goroutines() noexcept {
  const std::int64_t n = impl::total(impl::tally::goroutines);
  return n > 0 ? static_cast<std::size_t>(n) : 0;
}

std::string to_string(const goroutine_info& g) {
  using std::chrono::duration_cast;
  std::string text = "goroutine ";
  if (!g.name.empty()) text += '"' + g.name + "\" ";
  text += '[';
  text += g.reason;
  if (const auto ms = duration_cast<std::chrono::milliseconds>(g.age).count(); ms > 0) {
    text += ", " + std::to_string(ms) + " ms";
  }
  text += "] started at ";
  text += g.where.file_name();
  text += ':' + std::to_string(g.where.line()) + " (" + g.where.function_name() + ')';
  return text;
}

}  // namespace downhaul
