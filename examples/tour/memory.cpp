// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
#include "memory.hpp"

#include <algorithm>
#include <fstream>
#include <limits>
#include <string>

namespace tour {

namespace {

constexpr std::uint64_t unlimited = std::numeric_limits<std::uint64_t>::max();

// The number in a file that holds just that; `unlimited` when there is none ("max").
std::uint64_t number_in(const char* file) {
  std::uint64_t n = 0;
  return std::ifstream{file} >> n ? n : unlimited;
}

std::uint64_t left_below(const char* limit_file, const char* usage_file) {
  const std::uint64_t limit = number_in(limit_file);
  const std::uint64_t used = number_in(usage_file);
  if (limit == unlimited || used == unlimited) return unlimited;
  return limit - std::min(limit, used);
}

}  // namespace

std::uint64_t available_memory() {
  std::uint64_t available = unlimited;
  std::ifstream file{"/proc/meminfo"};
  for (std::string word; file >> word;) {
    if (std::uint64_t kib = 0; word == "MemAvailable:" && file >> kib) available = kib * 1024;
  }
  // Inside a container these are the files of its own group; outside the root group has none.
  return std::min({available,
                   left_below("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
                   left_below("/sys/fs/cgroup/memory/memory.limit_in_bytes",
                              "/sys/fs/cgroup/memory/memory.usage_in_bytes")});
}

}  // namespace tour
