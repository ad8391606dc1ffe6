// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// The last reference: gone at once, in a loop however deep the nesting, and never too early.

#include <gmock/gmock.h>

#include <array>
#include <atomic>
#include <memory>
#include <vector>

#include "downhaul/chan.hpp"
#include "downhaul/go.hpp"
#include "downhaul/select.hpp"
#include "support/crew.hpp"
#include "wait/wait_reason.hpp"

namespace dh = downhaul;
using downhaul::impl::wait_reason;
using downhaul_test::crew;
using downhaul_test::place;
using downhaul_test::rounds;

namespace {

class release : public testing::TestWithParam<place> {
 protected:
  crew c{GetParam()};
};
INSTANTIATE_TEST_SUITE_P(, release, testing::ValuesIn(downhaul_test::all_places),
                         testing::PrintToStringParamName());

struct counted {
  static inline std::atomic<int> live{0};
  counted() { ++live; }
  counted(const counted&) { ++live; }
  counted& operator=(const counted&) = default;
  ~counted() { --live; }
};

// A channel that holds a channel that holds a channel …
struct nested {
  dh::chan<nested> inner;
  counted here;
};
dh::chan<nested> nest(int depth) {
  dh::chan<nested> outer;
  for (int i = 0; i < depth; ++i) {
    auto next = dh::make_chan<nested>(2);
    next.send({std::exchange(outer, {}), {}});
    if (i % 1000 == 0) next.send({});
    outer = std::move(next);
  }
  return outer;
}

// On a goroutine the stack is 256 KiB: recursion would not get far.
TEST_P(release, of_channels_nested_100000_deep_does_not_recurse) {
  c.start([] {
    auto outer = nest(rounds(100'000));
    EXPECT_GE(counted::live, rounds(100'000));
    outer = {};
    EXPECT_EQ(counted::live, 0) << "at once, in the thread that let go";
  });
}

TEST_P(release, of_large_elements_does_not_recurse_either) {
  struct large {
    dh::chan<large> inner;
    counted here;
    std::array<char, 500> bulk{};
  };
  c.start([] {
    dh::chan<large> outer;
    for (int i = 0; i < rounds(20'000); ++i) {
      auto next = dh::make_chan<large>(1);
      next.send({std::exchange(outer, {}), {}, {}});
      outer = std::move(next);
    }
    outer = {};
    EXPECT_EQ(counted::live, 0);
  });
}

TEST_P(release, happens_once_whoever_is_last) {
  for (int i = 0; i < rounds(1000); ++i) {
    auto ch = dh::make_chan<counted>(3);
    ch.send({});
    ch.send({});
    EXPECT_EQ(counted::live, 2);
    {
      crew all{GetParam()};
      for (int t = 0; t < 3; ++t) all.start([copy = ch]() mutable { copy = {}; });
      ch = {};
    }
    EXPECT_EQ(counted::live, 0);
  }
}

TEST_P(release, waits_for_the_last_parked_operation) {
  auto ch = dh::make_chan<counted>();
  std::weak_ptr<int> alive;
  {
    auto token = std::make_shared<int>(1);
    alive = token;
    auto carried = dh::make_chan<std::shared_ptr<int>>(1);
    carried.send(std::move(token));
    auto holder = std::make_unique<dh::chan<std::shared_ptr<int>>>(carried);
    c.start([&, mine = std::make_shared<int>(2)]() mutable {
      auto* h = holder.get();
      h->send(std::move(mine));  // full: waits, with a handle that goes away meanwhile
    });
    c.wait_until_parked(0, wait_reason::chan_send);
    holder.reset();
    EXPECT_FALSE(alive.expired());
    EXPECT_TRUE(carried.recv());
    EXPECT_TRUE(alive.expired());
  }
  c.join();
}

TEST_P(release, of_a_cycle_is_up_to_who_made_it) {
  // A channel in its own queue keeps itself; taking it out frees both.
  auto ch = dh::make_chan<nested>(1);
  ch.send({ch, {}});
  EXPECT_EQ(counted::live, 1);
  {
    auto out = ch.recv();
    ch = {};
    EXPECT_TRUE(out->inner);
  }
  EXPECT_EQ(counted::live, 0);
}

// An element's destructor may wait; what is released meanwhile on the same goroutine follows.
TEST_P(release, goes_on_after_a_destructor_that_waits) {
  struct waits {
    dh::chan<int> from;
    dh::chan<nested> last;
    waits(dh::chan<int> f, dh::chan<nested> l) : from{std::move(f)}, last{std::move(l)} {}
    waits(waits&&) noexcept = default;
    ~waits() {
      if (from) static_cast<void>(from.recv());
    }
  };
  auto gate = dh::make_chan<int>();
  c.start([gate] {
    auto ch = dh::make_chan<waits>(2);
    ch.send({gate, nest(10)});
    ch.send({gate, nest(10)});
    ch = {};
    EXPECT_EQ(counted::live, 0);
  });
  for (int i = 0; i < 2; ++i) {
    c.wait_until_parked(0, wait_reason::chan_receive);
    EXPECT_TRUE(gate.try_send(i));
  }
}

TEST(release_refs, count_handles_and_nothing_else) {
  auto ch = dh::make_chan<int>();
  auto* source = dh::impl::chan_access::get(ch);
  EXPECT_EQ(source->refs(), 1U);
  {
    const dh::recv_chan<int> view = ch;
    EXPECT_EQ(source->refs(), 2U);
    auto named = dh::recv(ch);
    EXPECT_EQ(source->refs(), 2U) << "borrowed";
    auto owning = dh::recv(dh::recv_chan{view});
    EXPECT_EQ(source->refs(), 3U);
    dh::select(named, owning, dh::otherwise);
    EXPECT_EQ(source->refs(), 3U);
  }
  EXPECT_EQ(source->refs(), 1U);
  EXPECT_TRUE(source->try_ref());
  source->unref();
}

}  // namespace
