// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// EG-030 to 038: singleflight.
#include "downhaul/singleflight.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <stdexcept>
#include <string>

#include "downhaul/chan.hpp"
#include "downhaul/context.hpp"
#include "downhaul/select.hpp"
#include "support/crew.hpp"
#include "support/parked.hpp"

namespace {

namespace dh = downhaul;
using dh::impl::wait_reason;
using downhaul_test::all_places;
using downhaul_test::await_parked;
using downhaul_test::crew;
using downhaul_test::place;

using flights = dh::singleflight<std::string, int>;

TEST(EG_030, those_who_ask_at_the_same_time_share_one_execution_and_its_result) {
  for (const place where : all_places) {
    flights same;
    auto go_on = dh::make_chan<void>();
    std::atomic<int> calls{0};
    crew callers{where};
    for (std::size_t i = 0; i < 10; ++i) {
      callers.start([&] {
        EXPECT_EQ(same.run(dh::background(), "key",
                           [&](const dh::context&) {
                             go_on.recv();
                             return ++calls;
                           }),
                  1);
      });
      callers.wait_until_parked(i, wait_reason::chan_receive);
    }
    go_on.close();
    callers.join();
    EXPECT_EQ(calls.load(), 1);
  }
}

TEST(EG_030, and_its_exception) {
  flights same;
  auto go_on = dh::make_chan<void>();
  std::atomic<int> thrown{0};
  crew callers{place::goroutines};
  for (std::size_t i = 0; i < 10; ++i) {
    callers.start([&] {
      try {
        same.run(dh::background(), "key", [&](const dh::context&) -> int {
          go_on.recv();
          throw std::runtime_error{"not found"};
        });
        ADD_FAILURE();
      } catch (const std::runtime_error& e) {
        EXPECT_STREQ(e.what(), "not found");
        ++thrown;
      }
    });
    callers.wait_until_parked(i, wait_reason::chan_receive);
  }
  go_on.close();
  callers.join();
  EXPECT_EQ(thrown.load(), 10);
}

TEST(EG_031, shared_is_false_for_one_alone_and_true_for_all_when_others_joined) {
  flights same;
  EXPECT_FALSE(same.run_shared({}, "a", [](const dh::context&) { return 1; }).shared);
  auto go_on = dh::make_chan<void>();
  crew callers{place::goroutines};
  for (std::size_t i = 0; i < 3; ++i) {
    callers.start([&] {
      const auto got = same.run_shared({}, "a", [&](const dh::context&) {
        go_on.recv();
        return 2;
      });
      EXPECT_TRUE(got.shared);
      EXPECT_EQ(got.value, 2);
    });
    callers.wait_until_parked(i, wait_reason::chan_receive);
  }
  go_on.close();
  callers.join();
}

TEST(EG_032, who_asks_afterwards_starts_anew) {
  flights same;
  int calls = 0;
  for (int i = 1; i <= 3; ++i) {
    EXPECT_EQ(same.run({}, "key", [&](const dh::context&) { return ++calls; }), i);
  }
  EXPECT_EQ(same.run({}, "other", [&](const dh::context&) { return ++calls; }), 4);
}

// deviates: There is no form that returns a channel; a goroutine that calls run() and sends to a channel with room for one does the same, and leaks as little.
TEST(EG_033, a_result_may_be_sent_to_a_channel_with_room_for_one_that_nobody_reads) {
  flights same;
  auto result = dh::make_chan<int>(1);
  auto dropped = dh::make_chan<int>(1);
  for (const auto& to : {result, dropped}) {
    dh::go([&same, to] { to.send(same.run({}, "key", [](const dh::context&) { return 7; })); });
  }
  EXPECT_EQ(result.recv(), 7);
  downhaul_test::await_no_goroutines();
}

TEST(EG_034, after_forget_the_next_starts_anew_and_the_old_end_does_not_remove_it) {
  flights same;
  auto first_goes_on = dh::make_chan<void>();
  auto second_goes_on = dh::make_chan<void>();
  crew callers{place::goroutines};
  callers.start([&] {
    EXPECT_EQ(same.run({}, "key",
                       [&](const dh::context&) {
                         first_goes_on.recv();
                         return 1;
                       }),
              1);
  });
  callers.wait_until_parked(0, wait_reason::chan_receive);
  same.forget("key");
  callers.start([&] {
    EXPECT_EQ(same.run({}, "key",
                       [&](const dh::context&) {
                         second_goes_on.recv();
                         return 2;
                       }),
              2);
  });
  callers.wait_until_parked(1, wait_reason::chan_receive);
  first_goes_on.close();
  await_parked("chan receive", 2);  // the second caller and its flight
  callers.start([&] {
    EXPECT_EQ(same.run({}, "key", [](const dh::context&) { return 3; }), 2)
        << "it shares the second's";
  });
  callers.wait_until_parked(2, wait_reason::chan_receive);
  second_goes_on.close();
  callers.join();
}

TEST(EG_035, an_exception_of_f_is_one_object_for_all_callers) {
  flights same;
  auto go_on = dh::make_chan<void>();
  std::atomic<const void*> object{nullptr};
  std::atomic<int> thrown{0};
  crew callers{place::goroutines};
  for (std::size_t i = 0; i < 5; ++i) {
    callers.start([&] {
      try {
        same.run({}, "key", [&](const dh::context&) -> int {
          go_on.recv();
          throw std::runtime_error{"invalid memory address"};
        });
      } catch (const std::runtime_error& e) {
        const void* none = nullptr;
        if (!object.compare_exchange_strong(none, &e)) {
          EXPECT_EQ(none, &e);
        }
        ++thrown;
      }
    });
    callers.wait_until_parked(i, wait_reason::chan_receive);
  }
  go_on.close();
  callers.join();
  EXPECT_EQ(thrown.load(), 5);
}

// deviates: As there is no form that returns a channel, an exception always has a caller to go to.
TEST(EG_036, an_exception_of_f_reaches_the_caller_and_does_not_end_the_program) {
  flights same;
  EXPECT_THROW(same.run({}, "key", [](const dh::context&) -> int { throw std::logic_error{"e"}; }),
               std::logic_error);
  EXPECT_EQ(same.run({}, "key", [](const dh::context&) { return 1; }), 1);
}

TEST(EG_038, a_default_made_one_works) {
  dh::singleflight<int, std::string> same;
  EXPECT_EQ(same.run({}, 1, [](const dh::context&) { return "one"; }), "one");
}

}  // namespace
