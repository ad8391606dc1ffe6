// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// Checked builds: each object's invariants are looked at when its lock is given back, and locks are
// taken in order. Each test breaks one.

#include <gtest/gtest.h>

#include <cstddef>
#include <memory>
#include <mutex>

#include "chan/chan_core.hpp"
#include "context/cancel_node.hpp"
#include "downhaul/chan.hpp"
#include "downhaul/clock.hpp"
#include "downhaul/context.hpp"
#include "downhaul/runtime.hpp"
#include "platform/mutex.hpp"
#include "sched/runtime_core.hpp"
#include "sync/queue_lock.hpp"
#include "time/clock_state.hpp"
#include "time/timer_queue.hpp"
#include "wait/done_source.hpp"
#include "wait/waiter.hpp"

using namespace downhaul::impl;
namespace dh = downhaul;

namespace {

class checked_invariants_death : public testing::Test {
 protected:
  void SetUp() override { GTEST_FLAG_SET(death_test_style, "threadsafe"); }
};

// --- channels (CHAN-046) ---

struct broken_channel {
  explicit broken_channel(int capacity) : c{*chan_core::make(capacity, element_ops_of<int>)} {}

  wait_node& node() {
    wait_node& n = nodes[used++];
    n.who = &this_waiter();
    n.slot = &element;
    return n;
  }
  // What all other operations do between their lock and their unlock.
  template <class F>
  void change(F f) {
    const std::lock_guard lock{c.mu()};
    f();
  }

  chan_core& c;
  wait_node nodes[2];
  int used = 0;
  int element = 0;
};

TEST_F(checked_invariants_death, a_receiver_waits_though_there_is_a_value) {
  EXPECT_DEATH(
      {
        broken_channel b{1};
        channel_send(&b.c, &b.element);
        b.change([&] { b.c.enqueue_receiver(b.node()); });
      },
      "chan: I1 is broken");
}

TEST_F(checked_invariants_death, a_sender_waits_though_there_is_room) {
  EXPECT_DEATH(
      {
        broken_channel b{1};
        b.change([&] { b.c.enqueue_sender(b.node()); });
      },
      "chan: I2 is broken");
}

TEST_F(checked_invariants_death, somebody_waits_though_it_is_closed) {
  EXPECT_DEATH(
      {
        broken_channel b{0};
        b.c.close();
        b.change([&] { b.c.enqueue_receiver(b.node()); });
      },
      "chan: I3 is broken");
}

TEST_F(checked_invariants_death, two_wait_who_could_serve_each_other) {
  EXPECT_DEATH(
      {
        broken_channel b{0};
        static thread_record another;
        wait_node& sender = b.node();
        sender.who = &another.self;
        b.change([&] {
          b.c.enqueue_sender(sender);
          b.c.enqueue_receiver(b.node());
        });
      },
      "chan: I4 is broken");
}

TEST_F(checked_invariants_death, a_node_on_a_channel_belongs_to_nobody) {
  EXPECT_DEATH(
      {
        broken_channel b{0};
        wait_node& n = b.node();
        n.who = nullptr;
        b.change([&] { b.c.enqueue_receiver(n); });
      },
      "chan: nobody's node hangs");
}

TEST_F(checked_invariants_death, the_list_of_a_channel_is_torn) {
  EXPECT_DEATH(
      {
        broken_channel b{0};
        wait_node& first = b.node();
        b.change([&] { b.c.enqueue_receiver(first); });
        first.prev = &first;
        b.change([&] { b.c.enqueue_receiver(b.node()); });
      },
      "a list of waiters is torn");
}

// --- contexts ---

class hand_made final : public done_source {
 public:
  hand_made() : done_source{0} {}
  void forget_observers() { word_.store(0); }

 private:
  void dispose() noexcept override { delete this; }
};

TEST_F(checked_invariants_death, a_done_does_not_say_that_something_hangs_there) {
  EXPECT_DEATH(
      {
        auto* const done = new hand_made;
        wait_node n;
        n.who = &this_waiter();
        done->add(n);
        done->forget_observers();
        static_cast<void>(done->observers());
      },
      "something hangs on a done that does not say so");
}

TEST_F(checked_invariants_death, the_list_of_a_context_is_torn) {
  EXPECT_DEATH(
      {
        const auto above = dh::with_cancel(dh::background());
        const auto below = dh::with_cancel(above.ctx);
        auto& parent = cancel_node::of(done_of(above.ctx));
        auto& child = cancel_node::of(done_of(below.ctx));
        static_cast<child_link&>(child).prev = &static_cast<child_link&>(child);
        static_cast<void>(parent.observers());
      },
      "a list of waiters is torn");
}

TEST_F(checked_invariants_death, a_child_hangs_on_the_list_of_another) {
  EXPECT_DEATH(
      {
        const auto a = dh::with_cancel(dh::background());
        const auto b = dh::with_cancel(dh::background());
        merge_arm arm;
        arm.part_of = &cancel_node::of(done_of(b.ctx));
        arm.on = arm.part_of;
        cancel_node::of(done_of(a.ctx)).add(arm);
      },
      "a child hangs on another's list");
}

TEST_F(checked_invariants_death, nobodys_node_hangs_on_a_context) {
  EXPECT_DEATH(
      {
        const auto made = dh::with_cancel(dh::background());
        wait_node n;
        cancel_node::of(done_of(made.ctx)).add(n);
      },
      "context: nobody's node hangs");
}

// --- timers ---

constexpr std::int64_t second = 1'000'000'000;

struct broken_timers {
  void arm(timer_entry& e, std::int64_t when) {
    const lock_scope held{shard->mu};
    shard->arm(e, when);
  }
  // A change of something else in the queue.
  void touch() { arm(other, 3'600 * second); }
  std::unique_ptr<timer_shard> shard = std::make_unique<timer_shard>(0);
  timer_entry one;
  timer_entry two;
  timer_entry other;
};

TEST_F(checked_invariants_death, the_heap_of_timers_is_out_of_order) {
  EXPECT_DEATH(
      {
        broken_timers t;
        t.arm(t.one, -2);  // due: in the heap
        t.arm(t.two, -1);
        t.two.when = -3;
        t.touch();
      },
      "timers: the heap is out of order");
}

TEST_F(checked_invariants_death, the_heap_of_timers_is_torn) {
  EXPECT_DEATH(
      {
        broken_timers t;
        t.arm(t.one, -2);
        t.arm(t.two, -1);
        t.two.prev = nullptr;
        t.touch();
      },
      "timers: the heap is torn");
}

TEST_F(checked_invariants_death, a_timer_is_due_before_its_slot) {
  EXPECT_DEATH(
      {
        broken_timers t;
        t.arm(t.one, 10 * second);
        t.one.when = 5 * second;
        t.touch();
      },
      "timers: one is due before its slot");
}

TEST_F(checked_invariants_death, a_timer_is_not_where_it_says) {
  EXPECT_DEATH(
      {
        broken_timers t;
        t.arm(t.one, 10 * second);
        ++t.one.place;
        t.touch();
      },
      "timers: a timer is not where it says");
}

TEST_F(checked_invariants_death, a_slot_of_timers_is_torn) {
  EXPECT_DEATH(
      {
        broken_timers t;
        t.arm(t.one, 10 * second);
        t.arm(t.two, 10 * second);
        t.two.prev = nullptr;
        t.touch();
      },
      "timers: a slot is torn");
}

TEST_F(checked_invariants_death, a_shard_promises_a_later_time_than_its_queue) {
  EXPECT_DEATH(
      {
        broken_timers t;
        t.arm(t.one, 10 * second);
        t.shard->next.store(20 * second);
        t.touch();
      },
      "timers: one is due before its slot");
}

// --- the common queue ---

TEST_F(checked_invariants_death, what_is_not_alive_is_queued) {
  EXPECT_DEATH(
      {
        dh::runtime rt{dh::runtime_options{.workers = 1}};
        goroutine* const g = take_block();
        g->in.store(rt.core());
        rt.core()->make_runnable(*g, this_thread());
      },
      "run queue: what is queued is not alive");
}

// --- the order of locks ---

template <rank First, rank Second>
void lock_both() {
  ranked_mutex<First> first;
  ranked_mutex<Second> second_lock;
  first.lock();
  second_lock.lock();
  second_lock.unlock();
  first.unlock();
}

TEST_F(checked_invariants_death, a_context_and_a_timer_queue_are_not_locked_together) {
  EXPECT_DEATH((lock_both<rank::context, rank::timers>)(),
               "timers lock wanted while a context lock is held");
  EXPECT_DEATH((lock_both<rank::timers, rank::context>)(),
               "context lock wanted while a timers lock is held");
}

TEST_F(checked_invariants_death, nothing_is_locked_under_the_queue_of_a_sync_object) {
  EXPECT_DEATH((lock_both<rank::sync, rank::leaf>)(),
               "leaf lock wanted while a sync queue lock is held");
  EXPECT_DEATH((lock_both<rank::leaf, rank::sync>)(),
               "sync queue lock wanted while a leaf lock is held");
  EXPECT_DEATH(
      {
        const lock_scope held{queue_lock_of(nullptr)};
        static_cast<void>(dh::make_chan<int>().size());
      },
      "channel lock wanted while a sync queue lock is held(.|\n)*wanted at:(.|\n)*chan_core::size");
}

TEST_F(checked_invariants_death, every_pair_in_the_wrong_order_aborts) {
  EXPECT_DEATH((lock_both<rank::channel, rank::registry>)(),
               "registry lock wanted while a channel");
  EXPECT_DEATH((lock_both<rank::context, rank::channel>)(), "channel lock wanted while a context");
  EXPECT_DEATH((lock_both<rank::timers, rank::channel>)(), "channel lock wanted while a timers");
  EXPECT_DEATH((lock_both<rank::run_queue, rank::context>)(), "context lock wanted while a run q");
  EXPECT_DEATH((lock_both<rank::run_queue, rank::timers>)(), "timers lock wanted while a run q");
  EXPECT_DEATH((lock_both<rank::leaf, rank::run_queue>)(), "run queue lock wanted while a leaf");
}

TEST(checked_invariants, every_pair_in_the_right_order_is_fine) {
  lock_both<rank::registry, rank::channel>();
  lock_both<rank::channel, rank::context>();
  lock_both<rank::channel, rank::timers>();
  lock_both<rank::context, rank::run_queue>();
  lock_both<rank::timers, rank::run_queue>();
  lock_both<rank::run_queue, rank::sync>();
  lock_both<rank::run_queue, rank::leaf>();
  assert_no_locks_held();
}

}  // namespace
