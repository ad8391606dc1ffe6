// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// child_process.hpp — a run of child.cpp, which signals are sent to.
//
// Idea       child_process c{"listen INT", "say ready", "recv"};  c.line();  c.send(SIGINT);  c.line()
// Ownership  The end of its life kills what still runs.
// Threads    One.
#pragma once

#include <csignal>

#include "support/spawned_process.hpp"

namespace downhaul_test {

class child_process : public spawned_process {
 public:
  template <class... Words>
  explicit child_process(const char* first, Words... more)
      : spawned_process{{DOWNHAUL_CONFORMANCE_SIGNAL_CHILD, first, more...}} {}
};

}  // namespace downhaul_test
