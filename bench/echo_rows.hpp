// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// bench/echo_rows.hpp — the echo rows of a server that listens on a port, ours or a rival's.
//
// The client is another process, echo_load.cpp, so that all servers have the same one.
#pragma once

#include <array>
#include <cstdio>
#include <filesystem>
#include <string>
#include <vector>

#include "rows.hpp"

namespace bench {

inline std::string connections_text(int n) {
  return std::to_string(n) + (n == 1 ? " connection" : " connections");
}

/// Runs the client against `port` and prints rows. `load`: where the client is.
inline void echo_rows(const std::filesystem::path& load, int port, const char* how = "") {
  for (const int connections : {1, 64}) {
    const std::string many = connections_text(connections) + how;
    if (!want("echo", many)) continue;
    std::vector<double> each;
    std::vector<double> p50;
    std::vector<double> p99;
    const std::string command = load.string() + ' ' + std::to_string(port) + ' ' +
                                std::to_string(connections) + ' ' +
                                std::to_string(static_cast<int>(target_ns / 1e6 * 5));
    for (int r = 0; r < repetitions; ++r) {
      std::FILE* const out = ::popen(command.c_str(), "r");
      std::array<double, 3> figures{};
      if (out != nullptr &&
          std::fscanf(out, "%lf %lf %lf", &figures[0], &figures[1], &figures[2]) == 3) {
        each.push_back(figures[0]);
        p50.push_back(figures[1]);
        p99.push_back(figures[2]);
      }
      if (out != nullptr) ::pclose(out);
    }
    emit("echo_throughput", many, each, "ns/op");
    emit("echo_latency", many + ", p50", p50, "ns");
    emit("echo_latency", many + ", p99", p99, "ns");
  }
}

/// Where the client is: in `folder`, relative to this program.
inline std::filesystem::path echo_load_in(const char* folder) {
  return std::filesystem::read_symlink("/proc/self/exe").parent_path() / folder / "bench_echo_load";
}

}  // namespace bench
