// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// bench/rows.hpp — how a benchmark program repeats, takes medians and prints, ours and the rivals'
// alike, so that rows stand side by side:
//
//     peer \t scenario \t parameter \t workers \t median \t smallest \t largest \t unit
//
// Command line: program [-p WORKERS] [-r REPETITIONS] [-t MILLISECONDS] [-s SECONDS] [REGEX]
// where the regex is on scenario/parameter
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <regex>
#include <string>
#include <utility>
#include <vector>

namespace bench {

inline const char* peer = "?";
inline int workers = 1;
inline int repetitions = 7;
inline double target_ns = 60e6;  // of one repetition
inline double seconds = 2;       // of what is watched for a while
inline std::regex filter{"."};

inline void init(const char* name, int argc, char** argv) {
  peer = name;
  for (int i = 1; i < argc; ++i) {
    const bool more = i + 1 < argc;
    if (more && std::strcmp(argv[i], "-p") == 0) {
      workers = std::atoi(argv[++i]);
    } else if (more && std::strcmp(argv[i], "-r") == 0) {
      repetitions = std::atoi(argv[++i]);
    } else if (more && std::strcmp(argv[i], "-t") == 0) {
      target_ns = std::atof(argv[++i]) * 1e6;
    } else if (more && std::strcmp(argv[i], "-s") == 0) {
      seconds = std::atof(argv[++i]);
    } else {
      filter = std::regex(argv[i]);
    }
  }
}

inline std::uint64_t now() {
  return static_cast<std::uint64_t>(
      std::chrono::nanoseconds{std::chrono::steady_clock::now().time_since_epoch()}.count());
}
/// Nanoseconds, for dividing.
inline double since(std::uint64_t start) { return static_cast<double>(now() - start); }

/// The compiler must believe that `v` is used.
template <class T>
void keep(const T& v) {
  asm volatile("" : : "r,m"(v) : "memory");
}

inline bool want(const std::string& scenario, const std::string& parameter) {
  return std::regex_search(scenario + "/" + parameter, filter);
}

inline void emit(const std::string& scenario, const std::string& parameter, std::vector<double> xs,
                 const std::string& unit) {
  if (xs.empty()) return;
  std::sort(xs.begin(), xs.end());
  std::printf("%s\t%s\t%s\t%d\t%.2f\t%.2f\t%.2f\t%s\n", peer, scenario.c_str(), parameter.c_str(),
              workers, xs[xs.size() / 2], xs.front(), xs.back(), unit.c_str());
  std::fflush(stdout);
}

/// How many turns f(n) has to make so that one repetition lasts long enough. A call that was long is
/// made again and the shorter one believed: what else the machine did must not end the search.
template <class F>
std::uint64_t turns_for(F&& f) {
  for (std::uint64_t n = 1;; n *= 4) {
    double d = target_ns;
    for (int attempt = 0; attempt < 2 && d >= target_ns / 4; ++attempt) {
      const auto t = now();
      f(n);
      d = std::min(attempt == 0 ? since(t) + 1 : d, since(t) + 1);
    }
    if (d >= target_ns / 4 || n >= (1ULL << 32)) {
      return std::max<std::uint64_t>(
          1, static_cast<std::uint64_t>(static_cast<double>(n) * target_ns / d));
    }
  }
}

/// Nanoseconds for each of the n turns of f(n).
template <class F>
void loop(const std::string& scenario, const std::string& parameter, F f) {
  if (!want(scenario, parameter)) return;
  const std::uint64_t n = turns_for(f);
  std::vector<double> xs;
  for (int r = 0; r < repetitions; ++r) {
    const auto t = now();
    f(n);
    xs.push_back(since(t) / static_cast<double>(n));
  }
  emit(scenario, parameter, std::move(xs), "ns/op");
}

/// Fewer repetitions, when the command line asks for fewer.
inline int at_most(int k) { return std::min(k, std::max(1, repetitions)); }

/// f() returns the measured value itself.
template <class F>
void fixed(const std::string& scenario, const std::string& parameter, const std::string& unit,
           int k, F f) {
  if (!want(scenario, parameter)) return;
  std::vector<double> xs;
  for (int r = 0; r < at_most(k); ++r) xs.push_back(f());
  emit(scenario, parameter, std::move(xs), unit);
}

/// Three rows: "<parameter> p50", p99 and max.
inline void percentiles(const std::string& scenario, const std::string& parameter,
                        std::vector<double> xs, const std::string& unit = "us") {
  if (xs.empty()) return;
  std::sort(xs.begin(), xs.end());
  const auto at = [&](double p) {
    return xs[static_cast<std::size_t>(p * static_cast<double>(xs.size() - 1))];
  };
  emit(scenario, parameter + " p50", {at(.5)}, unit);
  emit(scenario, parameter + " p99", {at(.99)}, unit);
  emit(scenario, parameter + " max", {at(1)}, unit);
}

/// The memory of this process that is in RAM, in bytes.
inline double rss() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.rfind("VmRSS:", 0) == 0) return std::atof(line.c_str() + 6) * 1024;
  }
  return 0;
}

/// The same numbers in every program and language.
class random_delays {
 public:
  /// Nanoseconds, below an hour.
  std::uint64_t operator()() {
    x_ ^= x_ << 13;
    x_ ^= x_ >> 7;
    x_ ^= x_ << 17;
    return x_ % 3'600'000'000'000;
  }

 private:
  std::uint64_t x_ = 88172645463325252;
};

}  // namespace bench
