// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// SCHED-040 to 048: what happens before what, with plain variables; a ThreadSanitizer build is the judge.

#include <gtest/gtest.h>

#include "downhaul/chan.hpp"
#include "downhaul/go.hpp"

namespace dh = downhaul;

namespace {

TEST(SCHED_040, what_was_written_before_go_is_seen_by_the_goroutine) {
  int written = 0;
  auto done = dh::make_chan<int>();
  written = 1;
  dh::go([&] { done.send(written); });
  EXPECT_EQ(done.recv(), 1);
}

}  // namespace
