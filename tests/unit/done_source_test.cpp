// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// A source that closes once: registering races with closing and neither is missed.

#include "wait/done_source.hpp"

#include <gmock/gmock.h>

#include <array>
#include <atomic>

#include "platform/mutex.hpp"
#include "support/crew.hpp"
#include "wait/context_wait.hpp"
#include "wait/wait_reason.hpp"
#include "wait/waiter.hpp"

using namespace downhaul::impl;
using downhaul_test::crew;
using downhaul_test::place;
using downhaul_test::rounds;

namespace {

// Closes as [done] in done_source.hpp says a done is closed.
class hand_closed final : public done_source {
 public:
  hand_closed() : done_source{0} {}
  void close() {
    if ((word_.fetch_or(closed_bit) & observed_bit) == 0) return;  // C1; nobody to tell
    wake_list wake;
    {
      const lock_scope lock{mu_};  // C2
      while (observer* o = observers_.pop_front()) {
        auto& n = static_cast<wait_node&>(*o);
        if (!n.elect || n.who->try_win(n)) wake.push(n);
      }
    }
    wake.notify_all();
  }
  bool was_observed() const { return (word_.load() & observed_bit) != 0; }

 private:
  void dispose() noexcept override { delete this; }
};
using hand_ref = source_ref<hand_closed>;
hand_ref make() { return hand_ref::adopt(new hand_closed); }

class done_sources : public testing::TestWithParam<place> {
 protected:
  crew c{GetParam()};
};
INSTANTIATE_TEST_SUITE_P(, done_sources, testing::ValuesIn(downhaul_test::all_places),
                         testing::PrintToStringParamName());

TEST(done_source, counts_who_hangs_there) {
  const auto done = make();
  wait_node a;
  wait_node b;
  EXPECT_EQ(done->observers(), 0U);
  EXPECT_FALSE(done->was_observed());
  EXPECT_TRUE(done->add(a));
  EXPECT_TRUE(done->was_observed());
  EXPECT_TRUE(done->add(b));
  EXPECT_EQ(done->observers(), 2U);
  EXPECT_TRUE(done->remove(a));
  EXPECT_FALSE(done->remove(a));
  EXPECT_EQ(done->observers(), 1U);
  EXPECT_TRUE(done->remove(b));
  EXPECT_FALSE(done->closed());
  EXPECT_FALSE(done->ready());
}

TEST(done_source, takes_nobody_once_it_is_closed) {
  const auto done = make();
  done->close();
  EXPECT_TRUE(done->closed());
  EXPECT_TRUE(done->ready());
  wait_node n;
  EXPECT_FALSE(done->add(n));
  EXPECT_FALSE(done->watch(n));
  EXPECT_FALSE(n.linked());
  done->unwatch(n);
  EXPECT_EQ(done->observers(), 0U);
}

// [done] Either the registration is refused, or the close finds it: nobody waits for ever.
TEST_P(done_sources, misses_no_waiter_that_comes_while_it_closes) {
  const int n = rounds(GetParam() == place::goroutines ? 20'000 : 2'000);
  std::array<hand_ref, 2> done{make(), make()};
  std::atomic<int> turn{0};
  std::atomic<int> through{0};
  c.start([&] {
    for (int i = 1; i <= n; ++i) {
      downhaul_test::wait_until([&] { return turn >= i; });
      wait_node node;
      waiter& me = this_waiter();
      me.prepare();
      node.who = &me;
      if (done[static_cast<std::size_t>(i % 2)]->watch(node)) me.park(wait_reason::chan_receive);
      through = i;
    }
  });
  for (int i = 1; i <= n; ++i) {
    done[static_cast<std::size_t>(i % 2)] = make();
    turn = i;
    done[static_cast<std::size_t>(i % 2)]->close();
    downhaul_test::wait_until([&] { return through >= i; });
  }
  c.join();
}

// --- a wait on a list of one's own that a done may end ---

struct own_list {
  ranked_mutex<rank::channel> mu;
  wait_list list;  // guarded by mu

  wait_result wait(source* done) {
    waiter& me = this_waiter();
    wait_node node;
    me.prepare();
    node.who = &me;
    node.elect = done != nullptr;
    {
      const lock_scope lock{mu};
      list.push_back(node);
    }
    const wait_result r = park_with_source(me, node, done, wait_reason::sleep);
    if (r == wait_result::done) {
      const lock_scope lock{mu};
      if (node.linked()) wait_list::remove(node);
    }
    return r;
  }
  bool wake_one() {
    waiter* wake = nullptr;
    {
      const lock_scope lock{mu};
      while (wait_node* n = list.pop_front()) {
        if (n->elect && !n->who->try_win(*n)) continue;
        wake = n->who;
        break;
      }
    }
    if (wake != nullptr) wake->notify();
    return wake != nullptr;
  }
  std::size_t count() {
    const lock_scope lock{mu};
    return list.count();
  }
};

TEST_P(done_sources, end_a_wait_on_another_list) {
  const auto done = make();
  own_list list;
  std::array<wait_result, 3> results{};
  c.start([&] { results[0] = list.wait(done.get()); });
  c.wait_until_parked(0, wait_reason::sleep);
  c.start([&] { results[1] = list.wait(nullptr); });
  c.wait_until_parked(1, wait_reason::sleep);
  c.start([&] { results[2] = list.wait(done.get()); });
  c.wait_until_parked(2, wait_reason::sleep);
  EXPECT_EQ(done->observers(), 2U);
  EXPECT_TRUE(list.wake_one());
  downhaul_test::wait_until([&] { return done->observers() == 1; });
  done->close();
  downhaul_test::wait_until([&] { return list.count() == 1; });
  EXPECT_TRUE(list.wake_one());
  c.join();
  EXPECT_THAT(results,
              testing::ElementsAre(wait_result::woken, wait_result::woken, wait_result::done));
  EXPECT_EQ(list.count(), 0U);
  EXPECT_EQ(list.wait(done.get()), wait_result::done) << "closed at the call";
}

// A wake against a close: exactly one of them has ended the wait, and the other knows.
TEST_P(done_sources, and_wakes_agree_on_who_ended_a_wait) {
  for (int i = 0; i < rounds(1000); ++i) {
    const auto done = make();
    own_list list;
    wait_result result{};
    bool woke = false;
    crew three{GetParam()};
    three.start([&] { result = list.wait(done.get()); });
    three.start([&] { woke = list.wake_one(); });
    three.start([&] { done->close(); });
    three.join();
    EXPECT_EQ(woke, result == wait_result::woken);
    EXPECT_EQ(list.count(), 0U);
    EXPECT_EQ(done->observers(), 0U);
  }
}

}  // namespace
