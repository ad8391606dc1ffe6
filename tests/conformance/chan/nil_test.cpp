// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// CHAN-020 to CHAN-024: the nil channel. That something waits for ever is told by the scheduler: see
// waits_for_ever.

#include <gmock/gmock.h>

#include <system_error>

#include "conformance/chan/forms.hpp"
#include "downhaul/chan.hpp"
#include "downhaul/go.hpp"
#include "downhaul/runtime.hpp"
#include "downhaul/select.hpp"

namespace dh = downhaul;
using downhaul_test::all_forms;
using downhaul_test::form;
using downhaul_test::misuse_of;
using downhaul_test::waits_for_ever;

namespace {

TEST(CHAN_020, a_send_waits_for_ever) {
  EXPECT_DEATH(dh::run([] { dh::chan<int>{}.send(1); }), waits_for_ever("chan send (nil chan)"));
  EXPECT_DEATH(dh::run([] { dh::send_chan<int>{}.send(1); }),
               waits_for_ever("chan send (nil chan)"));
  EXPECT_DEATH(dh::run([] { dh::chan<void>{}.send(); }), waits_for_ever("chan send (nil chan)"));
}

TEST(CHAN_020, a_receive_waits_for_ever) {
  EXPECT_DEATH(dh::run([] { static_cast<void>(dh::chan<int>{}.recv()); }),
               waits_for_ever("chan receive (nil chan)"));
  EXPECT_DEATH(dh::run([] { static_cast<void>(dh::recv_chan<int>{}.recv()); }),
               waits_for_ever("chan receive (nil chan)"));
  EXPECT_DEATH(dh::run([] { dh::chan<void>{}.recv(); }), waits_for_ever("chan receive (nil chan)"));
}

TEST(CHAN_021, cannot_be_closed) {
  EXPECT_EQ(misuse_of([] { dh::chan<int>{}.close(); }), "close of nil channel");
  EXPECT_EQ(misuse_of([] { dh::send_chan<int>{}.close(); }), "close of nil channel");
  EXPECT_EQ(misuse_of([] { dh::chan<void>{}.close(); }), "close of nil channel");
}

TEST(CHAN_022, operations_that_do_not_wait_are_not_possible_and_throw_nothing) {
  const dh::chan<int> nil;
  for (const form how : all_forms) {
    SCOPED_TRACE(testing::Message() << how);
    bool sent = true;
    EXPECT_NO_THROW(sent = downhaul_test::try_send_by(how, nil, 1));
    EXPECT_FALSE(sent);
    downhaul_test::found<int> found{true};
    EXPECT_NO_THROW(found = downhaul_test::try_recv_by(how, nil));
    EXPECT_FALSE(found.possible);
  }
  const dh::chan<void> signals;
  EXPECT_FALSE(signals.try_send());
  std::error_code ec;
  EXPECT_FALSE(signals.try_recv(ec));
  EXPECT_EQ(ec, std::errc::operation_would_block) << "not closed: not possible";
}

TEST(CHAN_023, a_loop_over_it_waits_for_ever) {
  const auto loop = [] {
    for ([[maybe_unused]] const int v : dh::chan<int>{}) ADD_FAILURE() << "a value of nothing";
  };
  EXPECT_DEATH(dh::run(loop), waits_for_ever("chan receive (nil chan)"));
}

// Main waits for one that can never come: both are asleep.
TEST(CHAN_024, who_waits_there_is_asleep_to_the_detection_of_deadlocks) {
  using testing::AllOf;
  using testing::HasSubstr;
  const auto main = [] {
    auto never = dh::make_chan<int>();
    dh::go(dh::go_options{.name = "sender"}, [] { dh::chan<int>{}.send(1); });
    dh::go(dh::go_options{.name = "receiver"}, [never] {
      static_cast<void>(dh::chan<int>{}.recv());
      never.send(1);
    });
    static_cast<void>(never.recv());
  };
  EXPECT_DEATH(dh::run(main),
               AllOf(waits_for_ever("chan receive"), HasSubstr("\"sender\" [chan send (nil chan)"),
                     HasSubstr("\"receiver\" [chan receive (nil chan)")));
}

}  // namespace
