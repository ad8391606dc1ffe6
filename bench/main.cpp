// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// The entry of the programs that Google Benchmark reports for.
//
//     bench_channels [-t MILLISECONDS] [--benchmark_filter=…] [--benchmark_repetitions=…] …
//     bench_channels --count "<scenario>/<parameter>" TURNS      for tools/instructions.py
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "scenario.hpp"

namespace {

int count(const char* which, const char* turns) {
  const auto found = bench::counted().find(which);
  if (found == bench::counted().end()) {
    std::fprintf(stderr, "there is no %s here\n", which);
    return 1;
  }
  downhaul::runtime rt{{.workers = 1}};
  rt.run([&] { found->second(std::atoll(turns)); });
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 4 && std::strcmp(argv[1], "--count") == 0) return count(argv[2], argv[3]);
  std::string repetitions = "--benchmark_repetitions=5";
  std::string aggregates = "--benchmark_display_aggregates_only=true";
  std::vector<char*> arguments{argv[0], repetitions.data(), aggregates.data()};
  for (int i = 1; i < argc; ++i) {
    if (std::strcmp(argv[i], "-t") == 0 && i + 1 < argc) {
      bench::target_ns = std::atof(argv[++i]) * 1e6;
    } else {
      arguments.push_back(argv[i]);
    }
  }
  int n = static_cast<int>(arguments.size());
  benchmark::Initialize(&n, arguments.data());
  if (benchmark::ReportUnrecognizedArguments(n, arguments.data())) return 1;
  benchmark::RunSpecifiedBenchmarks();
  std::fflush(stdout);
  std::_Exit(0);  // the runtimes are still there
}
