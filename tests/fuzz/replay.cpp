// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// Runs the programs of the corpus, and as many random ones as it is told to, without libFuzzer:
//   replay <folder> <how many random ones>
// Which random ones, DOWNHAUL_SEED says. Ends with an abort where the library and the model differ, and
// prints the program that did it, so that it can become one of the corpus.

#include <unistd.h>

#include <algorithm>
#include <cinttypes>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

#include "downhaul/runtime.hpp"
#include "fuzz/machine.hpp"
#include "support/crew.hpp"
#include "support/seed.hpp"

namespace {

using program = std::vector<std::uint8_t>;

program read(const std::filesystem::path& file) {
  std::ifstream in{file, std::ios::binary};
  return {std::istreambuf_iterator<char>{in}, {}};
}

// What is being run, for the case that it is the last.
char text[2048];
void print_program(int) { static_cast<void>(!::write(2, text, std::strlen(text))); }

void run(const std::string& name, const program& p) {
  int n = std::snprintf(text, sizeof text, "%s:", name.c_str());
  for (const auto byte : p) {
    if (n + 8 > static_cast<int>(sizeof text)) break;
    n += std::snprintf(text + n, 4, " %02x", byte);
  }
  std::snprintf(text + n, 2, "\n");
  downhaul_test::run_program(p.data(), p.size());
}

program at_random(std::mt19937_64& rng) {
  program p(rng() % 200);
  for (auto& byte : p) byte = static_cast<std::uint8_t>(rng());
  return p;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: %s <folder> <random programs>\n", argv[0]);
    return 2;
  }
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator{argv[1]})
    files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  if (files.empty()) {
    std::fprintf(stderr, "there is no corpus in %s\n", argv[1]);
    return 2;
  }
  std::signal(SIGABRT, print_program);
  for (const auto& file : files) run(file.filename(), read(file));
  std::printf("DOWNHAUL_SEED=%" PRIu64 "\n", downhaul_test::seed());
  std::mt19937_64 rng{downhaul_test::seed()};
  const int n = downhaul_test::rounds(std::atoi(argv[2]));
  for (int i = 0; i < n; ++i) {
    run("random program " + std::to_string(i), at_random(rng));
  }
  std::printf("%zu programs of the corpus and %d random ones: no difference\n", files.size(), n);
  return 0;
}
