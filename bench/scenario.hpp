// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// bench/scenario.hpp — a benchmark named like its twin in bench/go, run inside a goroutine of a
// runtime with 1 and with 2 workers.
//
// Names are "<scenario>/<parameter>/<workers>"; bench/run puts rows of the same name side by side.
#pragma once

#include <benchmark/benchmark.h>

#include <cstdint>
#include <downhaul/downhaul.hpp>
#include <string>
#include <utility>

namespace bench {

/// body(n) does the work n times, as f(n) does in bench/go.
template <class Body>
void scenario(const std::string& name, const std::string& parameter, Body body) {
  for (const int workers : {1, 2}) {
    benchmark::RegisterBenchmark((name + "/" + parameter + "/" + std::to_string(workers)).c_str(),
                                 [body, workers](benchmark::State& state) {
                                   downhaul::runtime rt{{.workers = workers}};
                                   rt.run([&] {
                                     // One batch is long enough to make the clock's own cost vanish.
                                     constexpr std::int64_t batch = 1000;
                                     while (state.KeepRunningBatch(batch)) body(batch);
                                   });
                                 })
        ->UseRealTime()
        ->MinTime(0.1)
        ->Repetitions(5)
        ->ReportAggregatesOnly();
  }
}

/// The same for work that is measured whole: body() once is one iteration of `items` items.
template <class Body>
void whole(const std::string& name, const std::string& parameter, std::int64_t items, Body body) {
  for (const int workers : {1, 2}) {
    benchmark::RegisterBenchmark((name + "/" + parameter + "/" + std::to_string(workers)).c_str(),
                                 [body, workers, items](benchmark::State& state) {
                                   downhaul::runtime rt{{.workers = workers}};
                                   rt.run([&] {
                                     for (auto _ : state) body(state);
                                   });
                                   state.SetItemsProcessed(state.iterations() * items);
                                 })
        ->UseManualTime()
        ->Iterations(5)
        ->Repetitions(5)
        ->ReportAggregatesOnly();
  }
}

}  // namespace bench
