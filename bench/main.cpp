// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// The entry of the programs that Google Benchmark times. As long and as often as the rivals measure,
// unless the command line says otherwise.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "scenario.hpp"

namespace {

int count(const char* which, const char* times) {
  const auto found = bench::counted().find(which);
  if (found == bench::counted().end()) {
    std::fprintf(stderr, "there is no %s here\n", which);
    return 1;
  }
  const std::int64_t n = std::atoll(times);
  downhaul::runtime rt{{.workers = 1}};
  rt.run([&] { found->second(n); });
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 4 && std::strcmp(argv[1], "--count") == 0) return count(argv[2], argv[3]);
  std::string min_time = "--benchmark_min_time=0.06";
  std::string repetitions = "--benchmark_repetitions=5";
  std::string aggregates = "--benchmark_display_aggregates_only=true";
  std::vector<char*> arguments{argv[0], min_time.data(), repetitions.data(), aggregates.data()};
  arguments.insert(arguments.end(), argv + 1, argv + argc);
  int n = static_cast<int>(arguments.size());
  benchmark::Initialize(&n, arguments.data());
  if (benchmark::ReportUnrecognizedArguments(n, arguments.data())) return 1;
  benchmark::RunSpecifiedBenchmarks();
}
