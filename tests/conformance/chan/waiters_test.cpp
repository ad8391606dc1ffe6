// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// CHAN-080 to CHAN-086: the order of waiters, hand-off, wake-ups, what waiting costs.

#include <gmock/gmock.h>

#include <array>
#include <atomic>
#include <optional>
#include <string>
#include <vector>

#include "conformance/chan/cost.hpp"
#include "conformance/chan/forms.hpp"
#include "downhaul/chan.hpp"
#include "downhaul/go.hpp"
#include "downhaul/runtime.hpp"
#include "downhaul/select.hpp"
#include "support/allocations.hpp"
#include "support/crew.hpp"
#include "support/test_runtime.hpp"

namespace dh = downhaul;
using downhaul::impl::wait_reason;
using downhaul_test::all_forms;
using downhaul_test::all_places;
using downhaul_test::allocations;
using downhaul_test::crew;
using downhaul_test::form;
using downhaul_test::parked_recv;
using downhaul_test::parked_send;
using downhaul_test::place;
using downhaul_test::rounds;
using downhaul_test::test_runtime;

namespace {

TEST(CHAN_080, receivers_are_served_in_the_order_of_their_arrival_plain_ones_and_selects) {
  for (const place where : all_places) {
    for (const int capacity : {0, 3}) {
      auto ch = dh::make_chan<int>(capacity);
      std::vector<int> got(9, -1);
      crew c{where};
      for (std::size_t i = 0; i < got.size(); ++i) {
        const form how = all_forms[i % 3];
        c.start([&, i, how] { got[i] = downhaul_test::recv_by(how, ch).value_or(-1); });
        c.wait_until_parked(i, parked_recv(how));
      }
      for (int i = 0; i < 9; ++i) ASSERT_TRUE(ch.try_send(i));
      c.join();
      EXPECT_THAT(got, testing::ElementsAre(0, 1, 2, 3, 4, 5, 6, 7, 8)) << where;
    }
  }
}

TEST(CHAN_080, senders_are_served_in_the_order_of_their_arrival_plain_ones_and_selects) {
  for (const place where : all_places) {
    for (const int capacity : {0, 1, 3}) {
      auto ch = dh::make_chan<int>(capacity);
      for (int i = 0; i < capacity; ++i) ch.send(i);
      crew c{where};
      for (std::size_t i = 0; i < 9; ++i) {
        const form how = all_forms[i % 3];
        c.start([=] { downhaul_test::send_by(how, ch, capacity + static_cast<int>(i)); });
        c.wait_until_parked(i, parked_send(how));
      }
      for (int i = 0; i < capacity + 9; ++i) ASSERT_EQ(ch.try_recv(), i) << where;
    }
  }
}

// Whoever came later tries in every form before the one that waited can run.
TEST(CHAN_081, nobody_overtakes_a_parked_receiver) {
  for (const form waiting : all_forms) {
    for (const form barging : all_forms) {
      for (const int capacity : {0, 1}) {
        test_runtime rt{1};
        auto ch = dh::make_chan<int>(capacity);
        std::optional<int> got;
        rt.go([&] { got = downhaul_test::recv_by(waiting, ch); });
        rt.run_until_parked();
        rt.run([&] {
          EXPECT_TRUE(downhaul_test::try_send_by(form::plain, ch, 1));
          EXPECT_FALSE(downhaul_test::try_recv_by(barging, ch).possible) << "it is the other's";
        });
        rt.run_until_parked();
        EXPECT_EQ(got, 1);
      }
    }
  }
}

TEST(CHAN_081, nobody_overtakes_a_parked_sender) {
  for (const form waiting : all_forms) {
    for (const form barging : all_forms) {
      for (const int capacity : {0, 1}) {
        test_runtime rt{1};
        auto ch = dh::make_chan<int>(capacity);
        for (int i = 0; i < capacity; ++i) ch.send(i);
        rt.go([&] { downhaul_test::send_by(waiting, ch, capacity); });
        rt.run_until_parked();
        rt.run([&] {
          for (int i = 0; i < capacity; ++i) {
            EXPECT_EQ(ch.try_recv(), i);
            EXPECT_FALSE(downhaul_test::try_send_by(barging, ch, 9)) << "the place is the other's";
          }
          EXPECT_EQ(ch.try_recv(), capacity);
        });
      }
    }
  }
}

TEST(CHAN_081, nor_one_that_comes_to_wait) {
  test_runtime rt{1};
  auto ch = dh::make_chan<int>();
  std::optional<int> first;
  rt.go([&] { first = ch.recv(); });
  rt.run_until_parked();
  const auto second = rt.run([&] {
    ch.send(1);  // to the one that waits, which has not run yet
    rt.go([ch] { ch.send(2); });
    return ch.recv();
  });
  rt.run_until_parked();
  EXPECT_EQ(first, 1);
  EXPECT_EQ(second, 2);
}

// With one worker the select cannot have run between the two operations: its node still rests on the
// second channel when it has won on the first.
TEST(CHAN_082, a_select_that_has_won_elsewhere_is_skipped) {
  for (const bool sending : {false, true}) {
    for (const bool somebody_behind : {false, true}) {
      test_runtime rt{1};
      auto a = dh::make_chan<int>();
      auto b = dh::make_chan<int>();
      int fired = -1;
      std::optional<int> behind;
      rt.go([&] {
        fired = sending ? dh::select(dh::send(a, 5), dh::recv(b))
                        : dh::select(dh::recv(a), dh::recv(b));
      });
      rt.run_until_parked();
      if (somebody_behind) {
        rt.go([&] {
          if (sending) {
            a.send(6);
            behind = 6;
          } else {
            behind = a.recv();
          }
        });
        rt.run_until_parked();
      }
      rt.run([&] {
        EXPECT_TRUE(b.try_send(0));
        if (sending) {
          EXPECT_EQ(a.try_recv(), somebody_behind ? std::optional{6} : std::nullopt);
          EXPECT_FALSE(a.try_recv());
        } else {
          EXPECT_EQ(a.try_send(6), somebody_behind);
          EXPECT_FALSE(a.try_send(7));
        }
      });
      rt.run_until_parked();
      EXPECT_EQ(fired, 1);
      EXPECT_EQ(behind, somebody_behind ? std::optional{6} : std::nullopt);
    }
  }
}

TEST(CHAN_082, a_plain_partner_waits_rather_than_meet_it) {
  test_runtime rt{1};
  auto a = dh::make_chan<int>();
  auto b = dh::make_chan<int>();
  rt.go([&] { EXPECT_EQ(dh::select(dh::recv(a), dh::recv(b)), 1); });
  rt.run_until_parked();
  bool sent = false;
  rt.run([&] {
    EXPECT_TRUE(b.try_send(0));
    rt.go([&] {
      a.send(1);
      sent = true;
    });
  });
  rt.run_until_parked();
  EXPECT_FALSE(sent);
  EXPECT_EQ(a.recv(), 1);
}

/// How many goroutines of that name wait.
std::size_t waiting(std::string_view name) {
  std::size_t n = 0;
  for (const dh::goroutine_info& g : dh::list_goroutines()) {
    if (g.name == name && g.doing == dh::goroutine_info::state::waiting) ++n;
  }
  return n;
}

// One worker, and its goroutine looks before it gives way: who was made runnable has not run.
TEST(CHAN_083, one_operation_makes_one_goroutine_runnable_and_close_all) {
  constexpr std::size_t n = 20;
  const dh::go_options named{.name = "one of many"};
  for (const bool senders : {false, true}) {
    for (const form how : all_forms) {
      test_runtime rt{1};
      auto ch = dh::make_chan<int>(1);
      if (senders) ch.send(-1);
      std::atomic<std::size_t> ended{0};
      for (std::size_t i = 0; i < n; ++i) {
        rt.go(named, [&] {
          if (senders) {
            static_cast<void>(
                downhaul_test::misuse_of([&] { downhaul_test::send_by(how, ch, 1); }));
          } else {
            downhaul_test::discard_by(how, ch);
          }
          ++ended;
        });
      }
      rt.run_until_parked();
      rt.run([&] {
        for (std::size_t i = 0; i < n / 2; ++i) {
          EXPECT_EQ(waiting("one of many"), n - i);
          if (senders) {
            EXPECT_TRUE(ch.try_recv());
          } else {
            EXPECT_TRUE(ch.try_send(1));
          }
          EXPECT_EQ(waiting("one of many"), n - i - 1);
        }
      });
      rt.run_until_parked();
      EXPECT_EQ(ended, n / 2);
      rt.run([&] {
        ch.close();
        EXPECT_EQ(waiting("one of many"), 0U);
      });
      rt.run_until_parked();
      EXPECT_EQ(ended, n);
    }
  }
}

// Beside parked operations goes on what must not wake them: other channels, attempts on the same
// channels, selects that come and go in the same queues.
TEST(CHAN_084, nobody_wakes_without_his_operation_being_done) {
  for (const place where : all_places) {
    auto quiet_in = dh::make_chan<int>();
    auto quiet_out = dh::make_chan<int>();
    auto busy = dh::make_chan<int>();
    std::atomic<int> returned{0};
    std::array<std::optional<int>, 3> got;
    crew c{where};
    for (std::size_t i = 0; i < 3; ++i) {
      c.start([&, i] {
        got[i] = downhaul_test::recv_by(all_forms[i], quiet_in);
        ++returned;
      });
      c.wait_until_parked(i, parked_recv(all_forms[i]));
    }
    for (std::size_t i = 0; i < 3; ++i) {
      c.start([&, i] {
        downhaul_test::send_by(all_forms[i], quiet_out, 10 + static_cast<int>(i));
        ++returned;
      });
      c.wait_until_parked(3 + i, parked_send(all_forms[i]));
    }
    const int n = rounds(where == place::goroutines ? 10'000 : 2000);
    const auto passer = c.start([&] {
      for (int i = 0; i < n; ++i) {
        if (i % 2 == 0) {
          busy.send(i);
        } else {
          // Comes and goes in the queue of quiet_in, behind the others.
          dh::select(dh::send(busy, i), dh::recv(quiet_in), dh::send(quiet_out, -1));
        }
      }
    });
    static_cast<void>(passer);
    for (int i = 0; i < n; ++i) {
      EXPECT_FALSE(quiet_in.try_recv());
      EXPECT_FALSE(quiet_out.try_send(-1));
      ASSERT_EQ(busy.recv(), i);
      ASSERT_EQ(returned, 0);
    }
    for (int i = 0; i < 3; ++i) {
      quiet_in.send(i);
      downhaul_test::wait_until([&] { return returned == 2 * i + 1; });
      EXPECT_EQ(quiet_out.recv(), 10 + i);
      downhaul_test::wait_until([&] { return returned == 2 * i + 2; });
    }
    c.join();
    for (int i = 0; i < 3; ++i) EXPECT_EQ(got[static_cast<std::size_t>(i)], i);
  }
}

/// CPU time of a hand-over to one of n parked receivers, which then goes to the end of the line.
double cost_at_the_ends(int n) {
  test_runtime rt{1};
  auto ch = dh::make_chan<int>();
  for (int i = 0; i < n; ++i) {
    rt.go([ch] {
      while (ch.recv()) {
      }
    });
  }
  rt.run_until_parked();
  constexpr int operations = 2000;
  const double spent = rt.run([&] {
    const double begin = downhaul_test::cpu_ns();
    for (int i = 0; i < operations; ++i) {
      while (!ch.try_send(i)) dh::yield();
      dh::yield();
    }
    return downhaul_test::cpu_ns() - begin;
  });
  ch.close();
  return spent / operations;
}

TEST(CHAN_085, joining_and_leaving_a_line_costs_the_same_however_long_it_is) {
  using namespace downhaul_test;
  const int many = rounds(many_waiters);
  const double ends_of_few = least_of([] { return cost_at_the_ends(few_waiters); });
  const double ends_of_many = least_of([=] { return cost_at_the_ends(many); });
  const double middle_of_few = least_of([] { return cost_of_leaving_a_line(few_waiters); });
  const double middle_of_many = least_of([=] { return cost_of_leaving_a_line(many); });
  EXPECT_LT(ends_of_many, most_growth * ends_of_few);
  EXPECT_LT(middle_of_many, most_growth * middle_of_few);
}

// Records of waiters that pile up would have to be allocated. Threads and pinned goroutines, each of
// which counts its own allocations.
TEST(CHAN_086, a_hundred_thousand_waits_allocate_nothing) {
  const int n = rounds(100'000);
  for (const bool pinned : {false, true}) {
    auto here = dh::make_chan<int>();
    auto there = dh::make_chan<int>();
    auto never = dh::make_chan<int>();
    auto ended = dh::make_chan<long>(2);
    const auto side = [=](bool first) {
      long before = 0;
      for (int i = 0; i < n; ++i) {
        if (i == 100) before = allocations();  // whatever is made at first use
        if (first == (i % 2 == 0)) {
          dh::select(dh::send(here, i), dh::recv(never), dh::recv(there));
        } else {
          dh::select(dh::recv(never), dh::recv(here), dh::send(there, i));
        }
      }
      ended.send(allocations() - before);
    };
    if (pinned) {
      const dh::go_options own_thread{.pinned = true};
      for (const bool first : {true, false}) dh::go(own_thread, [=] { side(first); });
      EXPECT_EQ(ended.recv(), 0);
      EXPECT_EQ(ended.recv(), 0);
    } else {
      crew c{place::threads};
      for (const bool first : {true, false}) c.start([=] { side(first); });
      c.join();
      EXPECT_EQ(ended.recv(), 0);
      EXPECT_EQ(ended.recv(), 0);
    }
  }
}

// Each round makes a channel, waits on it and on one that stays, and closes it: the channel is all
// that is allocated.
TEST(CHAN_086, nor_do_rounds_of_select_and_close) {
  const int n = rounds(20'000);
  auto stays = dh::make_chan<int>();
  auto fresh = dh::make_chan<dh::chan<int>>(1);
  auto turn = dh::make_chan<void>();
  long made = -1;
  crew c{place::threads};
  c.start([&] {
    long before = 0;
    for (int i = 0; i < n; ++i) {
      if (i == 10) before = allocations();
      const auto ch = *fresh.recv();
      dh::select(dh::recv(stays), dh::recv(ch), dh::recv(stays));
      turn.send();
    }
    made = allocations() - before;
  });
  long before = 0;
  for (int i = 0; i < n; ++i) {
    if (i == 10) before = allocations();
    auto ch = dh::make_chan<int>();
    fresh.send(ch);
    if (i % 3 == 0) c.wait_until_parked(0, wait_reason::select);
    ch.close();
    turn.recv();
  }
  EXPECT_EQ(allocations() - before, n - 10) << "the channels themselves";
  c.join();
  EXPECT_EQ(made, 0);
}

}  // namespace
