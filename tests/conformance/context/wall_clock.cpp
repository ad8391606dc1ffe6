// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors

#include "conformance/context/wall_clock.hpp"

#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <atomic>

#include "support/crew.hpp"

namespace {
std::atomic<long> shifted{0};  // seconds
}

#if !defined(__SANITIZE_THREAD__) && !defined(__SANITIZE_ADDRESS__)
#if !defined(__has_feature)
#define DOWNHAUL_TEST_OWN_CLOCK 1
#elif !__has_feature(thread_sanitizer) && !__has_feature(address_sanitizer)
#define DOWNHAUL_TEST_OWN_CLOCK 1
#endif
#endif

#ifdef DOWNHAUL_TEST_OWN_CLOCK
extern "C" int clock_gettime(clockid_t which, timespec* t) noexcept {
  const long result = ::syscall(SYS_clock_gettime, which, t);
  if (result == 0 && which == CLOCK_REALTIME) t->tv_sec += shifted;
  return static_cast<int>(result);
}
#endif

namespace downhaul_test {

wall_clock::~wall_clock() { shifted = 0; }

bool wall_clock::shift(std::chrono::seconds by) const {
  const auto before = std::chrono::system_clock::now();
  shifted += by.count();
  const auto moved = std::chrono::system_clock::now() - before - by;
  return moved > std::chrono::seconds{-1} && moved < std::chrono::hours{1};
}

}  // namespace downhaul_test
