// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// Elements whose copy or move throws: the channel stays whole, and nothing is destroyed twice.

#include <gmock/gmock.h>

#include <atomic>
#include <optional>
#include <string>
#include <utility>

#include "downhaul/chan.hpp"
#include "downhaul/select.hpp"
#include "support/crew.hpp"
#include "support/fragile.hpp"
#include "wait/wait_reason.hpp"

namespace dh = downhaul;
using downhaul::impl::wait_reason;
using downhaul_test::all_places;
using downhaul_test::crew;
using downhaul_test::fragile;
using downhaul_test::place;
using downhaul_test::refused;

namespace {

class chan_of_fragile : public testing::Test {
 protected:
  void SetUp() override { fragile::fuse = -1; }
  void TearDown() override {
    fragile::fuse = -1;
    EXPECT_EQ(fragile::live, 0);
  }
};

TEST_F(chan_of_fragile, throws_before_it_touches_the_channel) {
  auto ch = dh::make_chan<fragile>(1);
  fragile v{1};
  fragile::fuse = 0;
  EXPECT_THROW(ch.send(std::move(v)), refused);
  EXPECT_EQ(v.value, 1);
  EXPECT_EQ(ch.size(), 0);
  ch.send(std::move(v));
  EXPECT_EQ(ch.size(), 1);
}

TEST_F(chan_of_fragile, loses_the_value_but_not_the_channel_when_a_receive_throws) {
  auto ch = dh::make_chan<fragile>(2);
  ch.send(fragile{1});
  ch.send(fragile{2});
  fragile::fuse = 0;
  EXPECT_THROW(static_cast<void>(ch.recv()), refused);
  EXPECT_EQ(ch.size(), 1);
  EXPECT_EQ(ch.recv()->value, 2);
}

TEST_F(chan_of_fragile, throws_in_the_receiver_that_was_parked) {
  for (const place where : all_places) {
    auto ch = dh::make_chan<fragile>();
    std::atomic<bool> threw{false};
    crew c{where};
    c.start([&] {
      try {
        static_cast<void>(ch.recv());
      } catch (const refused&) {
        threw = true;
      }
    });
    c.wait_until_parked(0, wait_reason::chan_receive);
    fragile::fuse = 1;  // the move into the box succeeds, the one out of it does not
    ch.send(fragile{1});
    c.join();
    EXPECT_TRUE(threw);
    EXPECT_FALSE(ch.try_recv());
  }
}

TEST_F(chan_of_fragile, keeps_what_a_select_received_when_giving_a_loser_back_throws) {
  auto full = dh::make_chan<fragile>();
  auto ready = dh::make_chan<int>(1);
  ready.send(3);
  std::optional<int> got;
  fragile loser{1};
  fragile::fuse = 1;
  EXPECT_THROW(dh::select(dh::send(full, std::move(loser)), dh::recv(ready, got)), refused);
  EXPECT_EQ(got, 3);  // what completed is not dropped
}

TEST_F(chan_of_fragile, gives_every_loser_back_though_one_throws) {
  auto full = dh::make_chan<fragile>();
  auto ready = dh::make_chan<std::string>(1);
  ready.send("here");
  std::optional<std::string> got;
  fragile first{1};
  fragile second{2};
  fragile::fuse = 2;  // two moves into boxes, then one back
  EXPECT_THROW(dh::select(dh::send(full, std::move(first)), dh::send(full, std::move(second)),
                          dh::recv(ready, got)),
               refused);
  EXPECT_EQ(got, "here");
  EXPECT_EQ(second.value, 2);
}

struct copy_throws {
  int value = 0;
  copy_throws() = default;
  copy_throws(const copy_throws&) { throw refused{}; }
  copy_throws(copy_throws&&) noexcept = default;
  copy_throws& operator=(copy_throws&&) noexcept = default;
};

TEST(chan_elements, whose_copy_throws_leave_the_channel_as_it_was) {
  auto ch = dh::make_chan<copy_throws>(1);
  const copy_throws v;
  EXPECT_THROW(ch.send(v), refused);
  EXPECT_THROW(static_cast<void>(ch.try_send(v)), refused);
  EXPECT_THROW(dh::select(dh::send(ch, v), dh::otherwise), refused);
  EXPECT_EQ(ch.size(), 0);
  ch.send(copy_throws{});
  EXPECT_TRUE(ch.try_recv());
}

}  // namespace
