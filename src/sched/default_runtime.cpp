// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// sched/default_runtime.cpp — the runtime that is there without being made.
//
// Started by the first goroutine or callback, never destroyed. At process exit it is stopped, also
// when exit is called by one of its goroutines: nobody is joined, and those who do not come to a
// scheduling point within 100 ms are left alone.
#include <cstdlib>

#include "sched/abandon.hpp"
#include "sched/runtime_core.hpp"

namespace downhaul::impl {
namespace {

constexpr std::int64_t exit_patience = 100'000'000;

runtime_core* core_to_stop = nullptr;  // written once, before the handler that reads it

runtime_core* start_default() {
  auto* const made = new runtime_core{core_options{.is_default = true}};
  core_to_stop = made;
  std::atexit([] {
    core_to_stop->stop_for_exit(exit_patience);
    show_abandoned_to_leak_checker(*core_to_stop);
  });
  return made;
}

}  // namespace

runtime_core& default_core() {
  static runtime_core& never_destroyed = *start_default();
  return never_destroyed;
}

}  // namespace downhaul::impl
