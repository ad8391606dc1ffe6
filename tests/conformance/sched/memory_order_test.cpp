// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// SCHED-040 and 043 to 046: what happens before what, with plain variables; a ThreadSanitizer build is
// the judge. The channel's edges with a value are in channel_order_test.cpp, those of contexts and
// timers in cancel_order_test.cpp.
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <thread>
#include <vector>

#include "conformance/sched/edges.hpp"
#include "downhaul/chan.hpp"
#include "downhaul/error.hpp"
#include "downhaul/go.hpp"
#include "downhaul/runtime.hpp"
#include "downhaul/select.hpp"
#include "downhaul/wait_group.hpp"
#include "support/crew.hpp"
#include "support/test_runtime.hpp"
#include "support/unordered.hpp"

namespace {

namespace dh = downhaul;
using downhaul_test::crew;
using downhaul_test::form;
using downhaul_test::place;
using downhaul_test::put;
using downhaul_test::rounds;
using downhaul_test::sign;
using downhaul_test::take;
using downhaul_test::test_runtime;

TEST(SCHED_040, what_was_written_before_go_is_seen_by_the_goroutine) {
  int written = 0;
  auto done = dh::make_chan<int>();
  written = 1;
  dh::go([&] { done.send(written); });
  EXPECT_EQ(done.recv(), 1);
}

TEST(SCHED_040, however_it_is_started_and_from_wherever) {
  for (int round = 0; round < rounds(200); ++round) {
    int written = 0;
    auto done = dh::make_chan<int>();
    const auto f = [&written, done] { done.send(written); };
    written = 1;
    dh::go({.pinned = round % 8 == 0}, f);
    ASSERT_EQ(done.recv(), 1);
    {
      dh::wait_group wg;
      written = 2;
      wg.go(f);
      ASSERT_EQ(done.recv(), 2);
      wg.wait();
    }
    dh::go([&written, f] {
      written = 3;
      dh::go(f);
    });
    ASSERT_EQ(done.recv(), 3);
  }
  test_runtime other{2};
  int written = 1;
  other.run([&written] {
    EXPECT_EQ(written, 1);
    written = 2;
  });
  EXPECT_EQ(written, 2);
}

TEST(SCHED_040, the_end_of_a_goroutine_orders_nothing) {
  downhaul_test::expect_race([] {
    int written = 0;
    sign ended;
    std::thread reader{[&] {
      ended.await();
      while (dh::count_goroutines() != 0) std::this_thread::yield();
      ++written;
    }};
    dh::go([&] {
      written = 1;
      ended.raise();
    });
    reader.join();
  });
  // What does order it is what one adds.
  int written = 0;
  dh::wait_group wg;
  wg.go([&] { written = 1; });
  wg.wait();
  EXPECT_EQ(written, 1);
}

TEST(SCHED_043, a_receive_is_ordered_before_the_end_of_an_unbuffered_send) {
  downhaul_test::receive_orders_the_send_of<int>();
  EXPECT_FALSE(HasFailure());
}

TEST(SCHED_043, ten_thousand_times_from_hand_to_hand) {
  for (const place where : downhaul_test::all_places) {
    auto turn = dh::make_chan<int>();
    auto back = dh::make_chan<int>();
    int shared = 0;  // written by both: by one before it receives, by the other after it has sent
    const int n = rounds(10'000);
    crew players{where};
    players.start([&] {
      for (int i = 0; i < n; ++i) {
        ++shared;
        turn.recv();
        back.recv();
      }
    });
    players.start([&] {
      for (int i = 0; i < n; ++i) {
        turn.send(i);
        ++shared;
        back.send(i);
      }
    });
    players.join();
    EXPECT_EQ(shared, 2 * n);
  }
}

TEST(SCHED_043, with_a_buffer_the_send_has_ended_before_there_is_a_receive) {
  auto c = dh::make_chan<int>(1);
  sign sent;
  sign received;
  downhaul_test::on_two_threads(
      [&] {
        c.send(1);
        sent.raise();
        EXPECT_FALSE(received.is_up());
      },
      [&] {
        sent.await();  // would wait for ever if the send waited for us
        c.recv();
        received.raise();
      });
  EXPECT_TRUE(received.is_up());
}

TEST(SCHED_044, the_kth_receive_is_ordered_before_the_send_that_needs_its_place) {
  downhaul_test::receive_orders_the_send_that_needs_its_place<int>();
  EXPECT_FALSE(HasFailure());
}

TEST(SCHED_044, a_channel_with_one_place_is_a_mutex) {
  for (const place where : downhaul_test::all_places) {
    for (const form f : {form::plain, form::select}) {
      auto mu = dh::make_chan<int>(1);
      int count = 0;  // guarded by mu
      const int n = rounds(2'500);
      crew tasks{where};
      for (int t = 0; t < 4; ++t) {
        tasks.start([&, f] {
          for (int i = 0; i < n; ++i) {
            put(mu, f);
            ++count;
            take(mu, f);
          }
        });
      }
      tasks.join();
      EXPECT_EQ(count, 4 * n);
    }
  }
}

TEST(SCHED_044, a_channel_with_n_places_waits_for_n_tasks) {
  for (int round = 0; round < rounds(1'000); ++round) {
    auto group = dh::make_chan<void>(2);
    int first = 0;
    int second = 0;
    crew tasks{round % 10 == 0 ? place::threads : place::goroutines};
    group.send();
    tasks.start([&] {
      first = 1;
      group.recv();
    });
    group.send();
    tasks.start([&] {
      second = 1;
      group.recv();
    });
    group.send();
    group.send();
    ASSERT_EQ(first + second, 2);
  }
}

struct empty {};

TEST(SCHED_045, all_that_holds_for_elements_without_size_too) {
  downhaul_test::send_orders_its_receive<void>();
  downhaul_test::send_orders_its_receive<empty>();
  downhaul_test::close_orders_what_it_ends<void>();
  downhaul_test::close_orders_what_it_ends<empty>();
  downhaul_test::receive_orders_the_send_of<void>();
  downhaul_test::receive_orders_the_send_of<empty>();
  downhaul_test::receive_orders_the_send_that_needs_its_place<void>();
  downhaul_test::receive_orders_the_send_that_needs_its_place<empty>();
  EXPECT_FALSE(HasFailure());
}

TEST(SCHED_046, capacity_orders_nothing) {
  downhaul_test::expect_race([] {
    auto c = dh::make_chan<int>(1);
    int written = 0;
    sign sent;
    downhaul_test::on_two_threads(
        [&] {
          written = 1;
          c.send(1);
          sent.raise();
        },
        [&] {
          sent.await();
          written += static_cast<int>(c.capacity());
        });
  });
  EXPECT_EQ(dh::make_chan<int>(3).capacity(), 3);
}

// Nobody may rely on an order by size() either; it happens to take the channel's lock, so that there is
// none to be missed. What it says is true at some instant of the call.
TEST(SCHED_046, size_may_be_asked_at_any_time) {
  auto c = dh::make_chan<int>(3);
  std::atomic<bool> over{false};
  crew tasks{place::threads};
  tasks.start([&] {
    while (!over.load()) {
      const std::ptrdiff_t size = c.size();
      EXPECT_TRUE(size >= 0 && size <= 3) << size;
    }
  });
  for (int i = 0; i < rounds(10'000); ++i) {
    for (std::ptrdiff_t k = 1; k <= 3; ++k) {
      c.send(i);
      ASSERT_EQ(c.size(), k);
    }
    for (int k = 0; k < 3; ++k) c.recv();
  }
  over = true;
}

TEST(SCHED_046, what_does_not_go_through_at_once_orders_nothing) {
  // Two that look at the same empty, or full, channel in vain.
  const auto in_vain = [](std::ptrdiff_t capacity, auto look) {
    auto c = dh::make_chan<int>(capacity);
    for (std::ptrdiff_t i = 0; i < capacity; ++i) c.send(1);
    int written = 0;
    sign looked;
    downhaul_test::on_two_threads(
        [&] {
          written = 1;
          EXPECT_FALSE(look(c));
          looked.raise();
        },
        [&] {
          looked.await();
          EXPECT_FALSE(look(c));
          EXPECT_EQ(written, 1);
        });
  };
  const auto sends = [](dh::chan<int>& c) { return c.try_send(1); };
  const auto receives = [](dh::chan<int>& c) { return c.try_recv().has_value(); };
  const auto selects = [](dh::chan<int>& c) { return dh::select(dh::recv(c), dh::otherwise) == 0; };
  downhaul_test::expect_race([&] { in_vain(0, sends); });
  downhaul_test::expect_race([&] { in_vain(1, sends); });
  downhaul_test::expect_race([&] { in_vain(0, receives); });
  downhaul_test::expect_race([&] { in_vain(0, selects); });
  auto c = dh::make_chan<int>(1);
  EXPECT_FALSE(receives(c));
  EXPECT_TRUE(sends(c));
  EXPECT_FALSE(sends(c));
  EXPECT_EQ(c.size(), 1) << "what failed left no trace";
}

// That they are not ordered is no promise that could be broken: what is promised is that both happen.
TEST(SCHED_046, two_senders_and_one_who_loses_against_close_need_no_order) {
  for (int round = 0; round < rounds(1'000); ++round) {
    auto c = dh::make_chan<int>(2);
    std::atomic<int> sent{0};
    crew tasks{round % 10 == 0 ? place::threads : place::goroutines};
    for (int i = 0; i < 2; ++i) {
      tasks.start([&] {
        try {
          c.send(1);
          ++sent;
        } catch (const dh::misuse&) {  // the close came first
        }
      });
    }
    c.close();
    tasks.join();
    int received = 0;
    while (c.recv()) ++received;
    ASSERT_EQ(received, sent.load());
  }
}

}  // namespace
