// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// The tour: runs the examples one after another, shows what they print, and holds each to what its
// source says it prints. `tour` takes no more than 20 seconds; `tour values deadlines` runs two of
// them. Exits with 1 and says which if one fails. Each is a process of its own. Most of them sleep
// most of their time, so they do it together; those that measure come last and have the machine alone.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <future>
#include <string>
#include <utility>
#include <vector>

#include "expected.hpp"
#include "memory.hpp"
#include "program.hpp"

namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

struct stop {
  const char* heading;
  const char* example;
  bool alone = false;
};

constexpr stop stops[] = {
    {"One cancel ends a goroutine where it waits", "first"},
    {"A timer and a context: nothing is left behind, whichever fires", "timer_and_context"},
    {"A result or a time-out, both outcomes", "result_or_timeout"},
    {"The same with an unbuffered channel: who was left behind?", "leaked_sender"},
    {"A generator that ends with its context", "generator"},
    {"Cases with names", "named_cases"},
    {"A pipeline of workers", "worker_pipeline"},
    {"Threads and goroutines on the same channels", "threads_and_goroutines"},
    {"Ten goroutines stopped by a SIGINT from outside", "stop_on_ctrl_c"},
    {"Values through layers", "values"},
    {"A deadline inherited by grandchildren", "deadlines"},
    {"A user-written context in the middle of a chain", "user_context"},
    {"Functions that run when a context ends", "after_func"},
    {"A blocking call made cancellable", "blocking_call"},
    {"A pool guarded by a mutex and a condition", "connection_pool"},
    {"Three backends, the first two answers, the third cancelled", "three_backends"},
    {"A pipeline that stops on the first error", "stops_on_first_error"},
    {"Workers that stop on SIGTERM within a grace", "stop_within_grace"},
    {"A cache: one look-up for all who miss, and a refresh", "cache"},
    {"A library function with and without a context", "with_and_without"},
    {"Coroutines: tasks that await each other and everything else", "coroutines"},
    {"A thread, a goroutine and a coroutine in one select", "three_callers"},
    {"std::jthread and contexts, both ways", "jthread"},
    {"A million contexts cancelled by one call", "million_contexts", true},
    {"A million parked goroutines woken by one cancel", "million_goroutines", true},
};

#ifdef DOWNHAUL_TOUR_SMALL  // under a sanitizer, in a checked build
constexpr int many = 10'000;
#else
constexpr int many = 1'000'000;
#endif

// A parked goroutine takes a page of its stack and some more; a million take about 5 GiB.
int goroutines_that_fit() {
  const std::uint64_t gib = tour::available_memory() >> 30;
  if (gib >= 8 || many < 100'000) return many;
  const int fewer = gib >= 1 ? 100'000 : 10'000;
  std::printf("   (%d GiB of memory are available, a million want 8: taking %d)\n",
              static_cast<int>(gib), fewer);
  return fewer;
}

std::vector<std::string> arguments_of(const std::string& example) {
  if (example == "million_contexts") return {std::to_string(many)};
  if (example == "million_goroutines") return {std::to_string(goroutines_that_fit())};
  return {};
}

struct totals {
  int failed = 0;
  long goroutines = 0;
  long contexts = 0;
};

tour::result visit(const stop& s, const fs::path& beside) {
  return tour::run(beside / s.example, arguments_of(s.example), 60s,
                   [](int pid, const std::string& line) {
                     if (line.starts_with("press Ctrl-C")) tour::interrupt_from_outside(pid);
                   });
}

void show(const stop& s, std::future<tour::result> visited, totals& sum) {
  std::printf("\n== %s\n   examples/%s.cpp\n", s.heading, s.example);
  const tour::result r = visited.get();
  for (const std::string& line : r.lines) std::printf("   | %s\n", line.c_str());

  std::string wrong;
  const auto expected =
      tour::expected_output(fs::path{DOWNHAUL_EXAMPLES} / (std::string{s.example} + ".cpp"));
  if (r.timed_out) {
    wrong = "it did not end and was killed";
  } else if (r.status != 0) {
    wrong = "it ended with status " + std::to_string(r.status);
  } else if (expected.empty()) {
    wrong = "its source does not say what it prints";
  } else if (wrong = tour::difference(expected, r.lines); !wrong.empty()) {
    // said already
  } else if (r.goroutines < 0 || r.contexts < 0) {
    wrong = "it did not say what was alive after its main had returned";
  } else if (r.goroutines + r.contexts > 0) {
    wrong = "alive after its main had returned: " + std::to_string(r.goroutines) + " goroutines, " +
            std::to_string(r.contexts) + " contexts";
  }
  sum.goroutines += std::max(r.goroutines, 0L);
  sum.contexts += std::max(r.contexts, 0L);
  if (wrong.empty()) {
    std::printf("   as expected, %.2f s\n", r.took.count());
  } else {
    ++sum.failed;
    std::printf("   FAILED: %s\n", wrong.c_str());
  }
}

int guide(const fs::path& beside, const std::vector<std::string>& names) {
  const auto begun = std::chrono::steady_clock::now();
  totals sum;
  std::vector<std::string> unknown = names;
  std::vector<std::pair<const stop*, std::future<tour::result>>> visits;
  for (const stop& s : stops) {
    if (!names.empty() && std::erase(unknown, s.example) == 0) continue;
    const auto when = s.alone ? std::launch::deferred : std::launch::async;
    visits.emplace_back(&s, std::async(when, visit, s, beside));
  }

  std::string failed;
  for (auto& [s, visited] : visits) {
    const int before = sum.failed;
    show(*s, std::move(visited), sum);
    if (sum.failed > before) failed += std::string{" "} + s->example;
  }
  for (const std::string& name : unknown) failed += " " + name + " (there is none)";

  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begun;
  std::printf("\n== %d programs, %.1f s\n", static_cast<int>(visits.size()), took.count());
  if (!failed.empty()) std::printf("FAILED:%s\n", failed.c_str());
  if (sum.goroutines + sum.contexts == 0 && failed.empty()) {
    std::puts("goroutines and contexts alive: none");
  } else {
    std::printf("goroutines and contexts alive: %ld and %ld\n", sum.goroutines, sum.contexts);
  }
  return failed.empty() ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) try {
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  return guide(fs::read_symlink("/proc/self/exe").parent_path(), {argv + 1, argv + argc});
} catch (const std::exception& e) {
  std::printf("FAILED: the tour itself: %s\n", e.what());
  return 1;
}
