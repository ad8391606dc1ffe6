// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// SCHED-041 and 042: a send and its receive, a close and what it ends. See edges.hpp.
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <vector>

#include "conformance/sched/edges.hpp"
#include "downhaul/chan.hpp"
#include "downhaul/select.hpp"
#include "support/crew.hpp"
#include "support/unordered.hpp"

namespace {

namespace dh = downhaul;
using dh::impl::wait_reason;
using downhaul_test::crew;
using downhaul_test::on_two_threads;
using downhaul_test::once_parked;
using downhaul_test::place;
using downhaul_test::rounds;
using downhaul_test::sign;

TEST(SCHED_041, a_send_is_ordered_before_the_end_of_its_receive) {
  downhaul_test::send_orders_its_receive<int>();
  EXPECT_FALSE(HasFailure());
}

struct large {
  char bytes[1'000] = {};  // too large for the channel's lock: boxed
};

TEST(SCHED_041, also_for_elements_that_are_boxed) {
  downhaul_test::send_orders_its_receive<large>();
  EXPECT_FALSE(HasFailure());
}

TEST(SCHED_041, also_for_each_value_of_a_loop_over_the_channel) {
  for (const std::ptrdiff_t capacity : {0, 3}) {
    const auto n = static_cast<std::size_t>(rounds(10'000));
    std::vector<int> written(n);
    auto c = dh::make_chan<std::size_t>(capacity);
    std::size_t received = 0;
    on_two_threads(
        [&] {
          for (std::size_t i = 0; i < n; ++i) {
            written[i] = 1;
            c.send(i);
          }
          c.close();
        },
        [&] {
          for (const std::size_t i : c) {
            ASSERT_EQ(written[i], 1);
            ++received;
          }
        });
    EXPECT_EQ(received, n);
  }
}

TEST(SCHED_041, what_lies_behind_a_pointer_that_is_sent_is_seen) {
  for (const place where : downhaul_test::all_places) {
    auto c = dh::make_chan<std::unique_ptr<int>>();
    crew tasks{where};
    const int n = rounds(10'000);
    tasks.start([&, c] {
      for (int i = 0; i < n; ++i) c.send(std::make_unique<int>(i));
    });
    tasks.start([&, c] {
      for (int i = 0; i < n; ++i) ASSERT_EQ(**c.recv(), i);
    });
    tasks.join();
    EXPECT_EQ(c.size(), 0);
  }
}

TEST(SCHED_041, a_thread_and_a_goroutine_too) {
  for (const bool sender_first : {true, false}) {
    auto c = dh::make_chan<int>();
    int accessed = 0;
    crew tasks{place::mixed};
    const auto send = [&] {
      accessed = 1;
      c.send(1);
    };
    const auto receive = [&] {
      c.recv();
      EXPECT_EQ(accessed, 1);
    };
    sender_first ? tasks.start(send) : tasks.start(receive);
    sender_first ? tasks.start(receive) : tasks.start(send);
    tasks.join();
    EXPECT_EQ(accessed, 1);
  }
}

TEST(SCHED_042, a_close_is_ordered_before_a_receive_that_returns_because_of_it) {
  downhaul_test::close_orders_what_it_ends<int>();
  EXPECT_FALSE(HasFailure());
}

TEST(SCHED_042, also_before_the_end_of_a_loop_over_the_channel) {
  for (const bool parked : {false, true}) {
    auto c = dh::make_chan<int>();
    int accessed = 0;
    const auto close = [&] {
      accessed = 1;
      c.close();
    };
    const auto loop = [&] {
      for (const int v : c) ADD_FAILURE() << v;
      EXPECT_EQ(accessed, 1);
    };
    if (parked) {
      once_parked(wait_reason::chan_receive, close, loop);
    } else {
      sign closed;
      on_two_threads(
          [&] {
            close();
            closed.raise();
          },
          [&] {
            closed.await();
            loop();
          });
    }
  }
}

TEST(SCHED_042, also_before_a_select_that_does_not_wait) {
  auto c = dh::make_chan<int>();
  int accessed = 0;
  on_two_threads(
      [&] {
        accessed = 1;
        c.close();
      },
      [&] {
        std::optional<int> got = 7;
        // Polls: the select itself must order, on its way without a lock too.
        while (dh::select(dh::recv(c, got), dh::otherwise) != 0) std::this_thread::yield();
        EXPECT_EQ(got, std::nullopt);
        EXPECT_EQ(accessed, 1);
      });
}

TEST(SCHED_042, also_before_receives_that_only_try_by_polling) {
  auto c = dh::make_chan<int>(1);
  int accessed = 0;
  on_two_threads(
      [&] {
        accessed = 1;
        c.close();
      },
      [&] {
        std::error_code ec = std::make_error_code(std::errc::operation_would_block);
        while (ec) {
          EXPECT_EQ(c.try_recv(ec), std::nullopt);
          std::this_thread::yield();
        }
        EXPECT_EQ(accessed, 1);
      });
}

TEST(SCHED_042, also_before_the_receive_after_the_last_value) {
  auto c = dh::make_chan<int>(1);
  int accessed = 0;
  sign closed;
  on_two_threads(
      [&] {
        c.send(7);
        accessed = 1;
        c.close();
        closed.raise();
      },
      [&] {
        closed.await();
        EXPECT_EQ(c.recv(), 7);
        EXPECT_EQ(c.recv(), std::nullopt);
        EXPECT_EQ(accessed, 1);
      });
}

TEST(SCHED_042, also_before_each_of_many_that_it_wakes) {
  auto c = dh::make_chan<int>();
  int accessed = 0;
  sign parked;
  crew tasks{place::threads};
  tasks.start([&] {
    parked.await();
    accessed = 1;
    c.close();
  });
  for (int i = 0; i < 4; ++i) {
    tasks.start([&] {
      EXPECT_EQ(c.recv(), std::nullopt);
      EXPECT_EQ(accessed, 1);
    });
  }
  for (std::size_t i = 1; i <= 4; ++i) tasks.wait_until_parked(i, wait_reason::chan_receive);
  parked.raise();
}

}  // namespace
