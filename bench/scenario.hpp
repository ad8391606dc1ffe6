// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// bench/scenario.hpp — a loop that has twins in bench/rivals, named "<scenario>/<parameter>/<workers>"
// and run inside a goroutine of a runtime with 1 and with 2 workers.
//
// Timed by Google Benchmark (main.cpp), or run so and so many times for tools/instructions.py:
//
//     bench_channels --count pingpong/- 100000
#pragma once

#include <benchmark/benchmark.h>

#include <cstdint>
#include <downhaul/downhaul.hpp>
#include <functional>
#include <map>
#include <string>
#include <utility>

namespace bench {

/// What --count can run: "<scenario>/<parameter>" and its body.
inline std::map<std::string, std::function<void(std::int64_t)>>& counted() {
  static std::map<std::string, std::function<void(std::int64_t)>> bodies;
  return bodies;
}

/// body(n) does the work n times, as f(n) does in the rivals' programs: once for a measurement, so
/// what it makes before its loop is spread over all of it.
template <class Body>
void scenario(const std::string& name, const std::string& parameter, Body body) {
  counted()[name + "/" + parameter] = body;
  for (const int workers : {1, 2}) {
    benchmark::RegisterBenchmark((name + "/" + parameter + "/" + std::to_string(workers)).c_str(),
                                 [body, workers](benchmark::State& state) {
                                   downhaul::runtime rt{{.workers = workers}};
                                   rt.run([&] {
                                     const auto n = state.max_iterations;
                                     while (state.KeepRunningBatch(n)) body(n);
                                   });
                                 })
        ->UseRealTime();
  }
}

}  // namespace bench
