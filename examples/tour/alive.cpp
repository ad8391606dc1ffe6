// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
#include "alive.hpp"

#include <downhaul/downhaul.hpp>

#include <fcntl.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>

namespace {

using namespace std::chrono_literals;

bool nothing_alive() {
  return downhaul::count_goroutines() == 0 && downhaul::count_contexts() == 0;
}

// A goroutine that has sent its last signal may still be on its way out.
void let_the_last_ones_out() {
  for (int i = 0; i < 1000 && !nothing_alive(); ++i) downhaul::sleep(1ms);
}

}  // namespace

// The linker calls the example's main main_of_example, and start-up code calls main_and_count as main.
extern "C" int main_of_example(int argc, char** argv) asm("__real_main");
extern "C" int main_and_count(int argc, char** argv) asm("__wrap_main");

extern "C" int main_and_count(int argc, char** argv) {
  const bool asked = ::fcntl(tour::alive_descriptor, F_GETFD) != -1;
  if (asked) std::setvbuf(stdout, nullptr, _IOLBF, 0);  // else a pipe gets all of it at the end
  const int status = main_of_example(argc, argv);
  if (asked) {
    let_the_last_ones_out();
    ::dprintf(tour::alive_descriptor, "%ld %ld\n", static_cast<long>(downhaul::count_goroutines()),
              static_cast<long>(downhaul::count_contexts()));
  }
  return status;
}
