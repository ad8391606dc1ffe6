// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// Waiters: a park and its notify in every order, elections, lists, and who is who.

#include <gmock/gmock.h>

#include <array>
#include <atomic>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "downhaul/impl/observer.hpp"
#include "platform/mutex.hpp"
#include "support/crew.hpp"
#include "wait/context_wait.hpp"
#include "wait/thread_record.hpp"
#include "wait/wait_reason.hpp"
#include "wait/waiter.hpp"

using namespace downhaul::impl;
using downhaul_test::crew;
using downhaul_test::place;
using downhaul_test::rounds;

namespace {

class waiting : public testing::TestWithParam<place> {
 protected:
  crew c{GetParam()};
};
INSTANTIATE_TEST_SUITE_P(, waiting, testing::ValuesIn(downhaul_test::all_places),
                         testing::PrintToStringParamName());

// --- park and notify ---

TEST_P(waiting, a_notify_before_the_park_is_kept) {
  bool returned = false;
  c.start([&] {
    waiter& me = this_waiter();
    me.prepare();
    me.notify();
    me.park(wait_reason::sleep);
    returned = true;
  });
  c.join();
  EXPECT_TRUE(returned);
}

TEST_P(waiting, a_notify_wakes_the_one_that_parked) {
  std::atomic<waiter*> who{nullptr};
  c.start([&] {
    waiter& me = this_waiter();
    me.prepare();
    who = &me;
    me.park(wait_reason::sleep);
    EXPECT_EQ(me.reason(), wait_reason::none);
  });
  c.wait_until_parked(0, wait_reason::sleep);
  who.load()->notify();
  c.join();
}

// Hand a token back and forth without any rest: each round both orders of park and notify occur.
TEST_P(waiting, no_notify_is_lost_or_doubled) {
  const int n = rounds(GetParam() == place::goroutines ? 50'000 : 10'000);
  // A cell is filled by one side and emptied by the other, which waits for that.
  struct cell {
    ranked_mutex<rank::channel> mu;
    int value = 0;              // guarded by mu
    waiter* sleeper = nullptr;  // guarded by mu
    void fill(int v) {
      waiter* wake = nullptr;
      {
        const lock_scope lock{mu};
        value = v;
        wake = std::exchange(sleeper, nullptr);
      }
      if (wake != nullptr) wake->notify();
    }
    int take() {
      for (;;) {
        waiter& me = this_waiter();
        {
          const lock_scope lock{mu};
          if (value != 0) return std::exchange(value, 0);
          EXPECT_EQ(sleeper, nullptr);
          me.prepare();
          sleeper = &me;
        }
        me.park(wait_reason::sleep);
        const lock_scope lock{mu};
        EXPECT_NE(value, 0) << "woken without a reason";
      }
    }
  };
  cell there;
  cell back;
  c.start([&] {
    for (int i = 1; i <= n; ++i) {
      there.fill(i);
      EXPECT_EQ(back.take(), i);
    }
  });
  c.start([&] {
    for (int i = 1; i <= n; ++i) {
      EXPECT_EQ(there.take(), i);
      back.fill(i);
    }
  });
  c.join();
}

TEST_P(waiting, one_node_wins_a_wait) {
  waiter& me = this_waiter();
  for (int i = 0; i < rounds(500); ++i) {
    std::array<wait_node, 4> nodes;
    std::atomic<int> winners{0};
    me.prepare();
    EXPECT_EQ(me.winner(), nullptr);
    crew all{GetParam()};
    for (wait_node& node : nodes) {
      all.start([&] {
        if (me.try_win(node)) {
          ++winners;
          EXPECT_EQ(me.winner(), &node);
        }
      });
    }
    all.join();
    EXPECT_EQ(winners, 1);
    EXPECT_NE(me.winner(), nullptr);
  }
}

TEST(waiting_list, notifies_all_in_order_and_touches_nobody_afterwards) {
  constexpr std::size_t n = 5;
  wake_list wake;
  EXPECT_TRUE(wake.empty());
  std::array<std::unique_ptr<wait_node>, n> nodes;
  crew c;
  std::atomic<std::size_t> ready{0};
  for (auto& node : nodes) {
    node = std::make_unique<wait_node>();
    c.start([&node, &ready] {
      waiter& me = this_waiter();
      me.prepare();
      node->who = &me;
      ++ready;
      me.park(wait_reason::sleep);
      EXPECT_FALSE(node->linked());
      node.reset();  // as a node on a stack that returns
    });
  }
  for (std::size_t i = 0; i < n; ++i) c.wait_until_parked(i, wait_reason::sleep);
  for (auto& node : nodes) wake.push(*node);
  EXPECT_FALSE(wake.empty());
  wake.notify_all();
  EXPECT_TRUE(wake.empty());
}

// --- lists ---

TEST(observers, keep_their_order_and_leave_from_anywhere) {
  std::array<wait_node, 4> n;
  wait_list list;
  EXPECT_TRUE(list.empty());
  EXPECT_EQ(list.front(), nullptr);
  EXPECT_EQ(list.pop_front(), nullptr);
  for (auto& node : n) list.push_back(node);
  EXPECT_EQ(list.count(), 4U);
  EXPECT_TRUE(n[2].linked());
  wait_list::remove(n[2]);
  EXPECT_FALSE(n[2].linked());
  wait_list::remove(n[3]);
  list.push_back(n[2]);
  EXPECT_EQ(list.pop_front(), &n[0]);
  EXPECT_EQ(list.front(), &n[1]);
  EXPECT_EQ(list.pop_front(), &n[1]);
  EXPECT_EQ(list.pop_front(), &n[2]);
  EXPECT_TRUE(list.empty());
  for (const auto& node : n) EXPECT_FALSE(node.linked());
}

// --- who am I ---

TEST_P(waiting, everybody_is_a_waiter_of_their_own) {
  ranked_mutex<rank::leaf> mu;
  std::set<waiter*> seen{&this_waiter()};
  EXPECT_FALSE(on_goroutine());
  for (std::size_t i = 0; i < 4; ++i) {
    c.start([&, i] {
      waiter& me = this_waiter();
      const bool goroutine =
          GetParam() == place::goroutines || (GetParam() == place::mixed && i % 2 == 1);
      EXPECT_EQ(on_goroutine(), goroutine);
      {
        const lock_scope lock{mu};
        seen.insert(&me);
      }
      me.prepare();
      me.park(wait_reason::sleep);
      EXPECT_EQ(&this_waiter(), &me) << "stable across a wait";
    });
  }
  for (std::size_t i = 0; i < 4; ++i) c.wait_until_parked(i, wait_reason::sleep);
  EXPECT_EQ(seen.size(), 5U);
  for (waiter* w : seen) {
    if (w != &this_waiter()) w->notify();
  }
  c.join();
}

TEST(waiting_threads, share_records_one_after_the_other) {
  std::set<thread_record*> records;
  const int before = external_threads();
  for (int i = 0; i < 20; ++i) {
    std::thread{[&] {
      records.insert(&this_thread());
      EXPECT_EQ(&this_thread(), &this_thread());
    }}.join();
  }
  EXPECT_LE(records.size(), 2U) << "a record is taken over by the next thread";
  EXPECT_EQ(external_threads(), before);
}

// A thread_local destroyed at the end of its thread may use the library once more.
struct late_user {
  waiter* seen = nullptr;
  ~late_user() { seen = &this_waiter(); }
};
TEST(waiting_threads, may_use_the_library_while_they_end) {
  std::thread{[] {
    static thread_local late_user late;
    late.seen = &this_waiter();  // the record is made after `late`, and given back before it
  }}.join();
}

TEST(waiting_tallies, add_up_over_threads) {
  const auto before = total(tally::timers);
  count(tally::timers, 5);
  std::thread{[] { count(tally::timers, 3); }}.join();
  EXPECT_EQ(total(tally::timers), before + 8);
  std::thread{[] { count(tally::timers, -8); }}.join();
  EXPECT_EQ(total(tally::timers), before);
}

TEST(wait_reasons, have_the_words_of_go) {
  const std::vector<std::pair<wait_reason, std::string_view>> words{
      {wait_reason::chan_receive, "chan receive"},
      {wait_reason::chan_send, "chan send"},
      {wait_reason::chan_receive_nil, "chan receive (nil chan)"},
      {wait_reason::chan_send_nil, "chan send (nil chan)"},
      {wait_reason::select, "select"},
      {wait_reason::select_no_cases, "select (no cases)"},
      {wait_reason::sleep, "sleep"},
      {wait_reason::mutex_lock, "sync.Mutex.Lock"},
      {wait_reason::shared_mutex_lock, "sync.RWMutex.Lock"},
      {wait_reason::shared_mutex_lock_shared, "sync.RWMutex.RLock"},
      {wait_reason::condition_wait, "sync.Cond.Wait"},
      {wait_reason::wait_group_wait, "sync.WaitGroup.Wait"},
  };
  for (const auto& [reason, text] : words) EXPECT_EQ(to_string(reason), text);
}

}  // namespace
