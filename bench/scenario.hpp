// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// bench/scenario.hpp — a loop that has twins in bench/rivals, named "<scenario>/<parameter>/<workers>"
// and run inside a goroutine of a runtime with 1 and with 2 workers.
//
// Google Benchmark repeats, filters and reports; how many turns a repetition has is found as the
// rivals' programs find it (rows.hpp), and one call does them all, so that what is made before the
// loop is spread over it in theirs and ours alike. See main.cpp for the command line.
#pragma once

#include <benchmark/benchmark.h>

#include <cstdint>
#include <downhaul/downhaul.hpp>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "rows.hpp"

namespace bench {

using body = std::function<void(std::int64_t)>;

/// What --count can run: "<scenario>/<parameter>" and its body.
inline std::map<std::string, body>& counted() {
  static std::map<std::string, body> bodies;
  return bodies;
}

/// One for each number of workers, kept to the end as a rival's is: its stacks are warm.
inline downhaul::runtime& runtime_of(int workers) {
  static std::map<int, downhaul::runtime*> made;
  auto& rt = made[workers];
  if (rt == nullptr) rt = new downhaul::runtime{{.workers = workers}};
  return *rt;
}

/// f(n) does the work n times, as in the rivals' programs.
inline void scenario(const std::string& name, const std::string& parameter, body f) {
  counted()[name + "/" + parameter] = f;
  for (const int w : {1, 2}) {
    const auto measure = [f, w, n = std::make_shared<std::int64_t>(0)](benchmark::State& state) {
      const auto turn = [&f](std::uint64_t turns) { f(static_cast<std::int64_t>(turns)); };
      runtime_of(w).run([&] {
        if (*n == 0) *n = static_cast<std::int64_t>(turns_for(turn));
        for (auto _ : state) {
          const auto start = now();
          f(*n);
          state.SetIterationTime(since(start) / 1e9 / static_cast<double>(*n));
        }
      });
    };
    benchmark::RegisterBenchmark((name + "/" + parameter + "/" + std::to_string(w)).c_str(),
                                 measure)
        ->Iterations(1)
        ->UseManualTime();
  }
}

}  // namespace bench
