// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// tour/program.hpp — runs an example as a process of its own and listens to what it prints.
#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

namespace tour {

struct result {
  int status = 0;                  // exit status; 128 + n when signal n ended it
  bool timed_out = false;          // it was killed after `limit`
  std::vector<std::string> lines;  // of stdout and stderr
  long goroutines = -1;            // alive after its main had returned; -1: it did not say
  long contexts = -1;
  std::chrono::duration<double> took{};
};

/// Runs `program` and calls `on_line(pid, line)` for each line as it comes. Throws
/// std::system_error if it cannot be started.
result run(const std::filesystem::path& program, const std::vector<std::string>& arguments,
           std::chrono::seconds limit, const std::function<void(int, const std::string&)>& on_line);

/// Sends SIGINT to process `pid`, from a third process, as Ctrl-C or a supervisor would.
void interrupt_from_outside(int pid);

}  // namespace tour
