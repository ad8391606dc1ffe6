// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// Checked builds: what is used after it was freed is found, and what is freed while in use.

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <utility>

#include "chan/chan_core.hpp"
#include "context/cancel_node.hpp"
#include "downhaul/after_func.hpp"
#include "downhaul/chan.hpp"
#include "downhaul/clock.hpp"
#include "downhaul/context.hpp"
#include "downhaul/go.hpp"
#include "downhaul/impl/poison.hpp"
#include "downhaul/key.hpp"
#include "downhaul/runtime.hpp"
#include "downhaul/timer.hpp"
#include "sched/goroutine.hpp"
#include "time/timer_queue.hpp"
#include "wait/done_source.hpp"
#include "wait/waiter.hpp"

using namespace downhaul::impl;
namespace dh = downhaul;

namespace {

class checked_freed_death : public testing::Test {
 protected:
  void SetUp() override { GTEST_FLAG_SET(death_test_style, "threadsafe"); }
};

// The mistake each test makes: an address that is kept beyond the last reference.
source* freed_channel() {
  source* const s = make_channel(1, element_ops_of<int>);
  s->unref();
  return s;
}
done_source* freed_context() {
  auto [ctx, cancel] = dh::with_cancel(dh::background());
  return static_cast<done_source*>(done_of(ctx));
}

constexpr const char* channel_used = "a channel was used after it was freed";
constexpr const char* context_used = "a context was used after it was freed";

TEST_F(checked_freed_death, a_reference_to_a_freed_channel) {
  EXPECT_DEATH(freed_channel()->ref(), channel_used);
  EXPECT_DEATH(freed_channel()->unref(), channel_used);
  EXPECT_DEATH(static_cast<void>(freed_channel()->try_ref()), channel_used);
  EXPECT_DEATH(freed_channel()->unref_settled(), channel_used);
}

TEST_F(checked_freed_death, an_operation_on_a_freed_channel) {
  int element = 0;
  EXPECT_DEATH(channel_recv(freed_channel(), &element), channel_used);
  EXPECT_DEATH(channel_send(freed_channel(), &element), channel_used);
  EXPECT_DEATH(channel_close(freed_channel()), channel_used);
  EXPECT_DEATH(channel_size(freed_channel()), channel_used);
}

TEST_F(checked_freed_death, a_freed_context) {
  EXPECT_DEATH(freed_context()->ref(), context_used);
  EXPECT_DEATH(static_cast<void>(freed_context()->try_ref()), context_used);
  EXPECT_DEATH(static_cast<void>(freed_context()->closed()), context_used);
  EXPECT_DEATH(static_cast<void>(freed_context()->observers()), context_used);
}

TEST_F(checked_freed_death, a_freed_value) {
  static constexpr dh::key<int> number{"number"};
  EXPECT_DEATH(
      {
        context_head* node = nullptr;
        {
          const dh::context ctx = dh::with_value(dh::background(), number, 1);
          node = context_access::node(ctx);
        }
        node->ref();
      },
      context_used);
}

TEST_F(checked_freed_death, a_freed_timer_channel) {
  EXPECT_DEATH(
      {
        source* const s = make_timer_channel(1'000'000'000'000, 0);
        s->unref();
        stop_timer_channel(s);
      },
      "a timer was used after it was freed");
}

TEST_F(checked_freed_death, a_reference_that_nobody_owns) {
  EXPECT_DEATH(
      {
        // A second unref from the destructor of an element: nobody owns the channel by then.
        struct looks_back {
          source** at = nullptr;
          looks_back() = default;
          explicit looks_back(source** s) : at{s} {}
          looks_back(looks_back&& other) noexcept : at{std::exchange(other.at, nullptr)} {}
          ~looks_back() {
            if (at != nullptr) (*at)->unref();
          }
        };
        source* itself = make_channel(1, element_ops_of<looks_back>);
        looks_back element{&itself};
        alignas(looks_back) std::byte place[sizeof(looks_back)];
        ::new (place) looks_back{std::move(element)};
        channel_send(itself, place);
        itself->unref();
      },
      "a reference to a channel was used that nobody owns");
}

TEST_F(checked_freed_death, a_goroutine_that_is_woken_after_its_end) {
  EXPECT_DEATH(
      {
        dh::runtime rt{dh::runtime_options{.workers = 1}};
        waiter* who = nullptr;
        rt.run([&] { who = &this_waiter(); });
        who->notify();
      },
      "a goroutine was used after it was freed");
}

TEST_F(checked_freed_death, a_goroutine_that_is_elected_after_its_end) {
  EXPECT_DEATH(
      {
        dh::runtime rt{dh::runtime_options{.workers = 1}};
        waiter* who = nullptr;
        rt.run([&] { who = &this_waiter(); });
        wait_node node;
        static_cast<void>(who->try_win(node));
      },
      "a goroutine was used after it was freed");
}

TEST_F(checked_freed_death, a_wait_that_was_not_prepared) {
  EXPECT_DEATH(this_waiter().park(wait_reason::sleep), "a wait was not prepared");
}

TEST_F(checked_freed_death, a_wait_node_that_hangs_on_a_list_when_it_ends) {
  EXPECT_DEATH(
      {
        wait_list list;
        wait_node node;
        list.push_back(node);
      },
      "a wait node was freed while it hung on a list");
}

TEST_F(checked_freed_death, a_wait_node_that_is_looked_at_after_its_end) {
  EXPECT_DEATH(
      {
        alignas(wait_node) std::byte place[sizeof(wait_node)];
        auto* const node = ::new (place) wait_node;
        node->~wait_node();
        static_cast<void>(std::launder(node)->linked());
      },
      "a wait node was used after it was freed");
}

TEST_F(checked_freed_death, a_timer_that_is_armed_when_it_ends) {
  EXPECT_DEATH(
      {
        auto queue = std::make_unique<timer_queue>(0);
        timer_node node;
        queue->insert(node, 1);
      },
      "a timer was freed while it was armed");
}

TEST_F(checked_freed_death, a_timer_that_is_armed_after_its_end) {
  EXPECT_DEATH(
      {
        auto queue = std::make_unique<timer_queue>(0);
        alignas(timer_node) std::byte place[sizeof(timer_node)];
        auto* const node = ::new (place) timer_node;
        node->~timer_node();
        queue->insert(*std::launder(node), 1);
      },
      "a timer was used after it was freed");
}

// --- writing ---

TEST_F(checked_freed_death, a_write_to_what_was_freed) {
  EXPECT_DEATH(
      {
        source* const s = freed_channel();
        std::memset(reinterpret_cast<std::byte*>(s) + 16, 0, 4);
        check_retired();
      },
      "a channel was written to after it was freed");
}

TEST_F(checked_freed_death, a_write_is_found_when_the_memory_is_needed) {
  EXPECT_DEATH(
      {
        std::memset(static_cast<void*>(freed_context()), 1, sizeof(done_source));
        for (int i = 0; i < 10'000; ++i) static_cast<void>(dh::with_cancel(dh::background()));
      },
      "a context was written to after it was freed");
}

TEST_F(checked_freed_death, a_write_is_found_when_the_process_ends) {
  EXPECT_DEATH(
      {
        std::memset(static_cast<void*>(freed_context()), 1, sizeof(done_source));
        std::exit(0);
      },
      "a context was written to after it was freed");
}

// --- what is right ---

TEST(checked_freed, says_what_the_memory_was) {
  const auto word_at = [](const void* place) {
    std::uint32_t word = 0;
    std::memcpy(&word, place, sizeof word);
    return word;
  };
  EXPECT_EQ(word_at(freed_channel()), poison_of(freed::channel));
  EXPECT_EQ(word_at(freed_context()), poison_of(freed::context));
  EXPECT_TRUE(is_poison(poison_of(freed::goroutine)));
  EXPECT_FALSE(is_poison(0));
  EXPECT_FALSE(is_poison(2));
}

TEST(checked_freed, memory_is_kept_for_a_while_and_then_given_back) {
  const std::size_t most = std::size_t{512} * 4096;
  for (int i = 0; i < 2'000; ++i) {
    static_cast<void>(dh::make_chan<int>(100));
    static_cast<void>(dh::make_chan<char>(1 << 16));  // too large to be kept
  }
  EXPECT_GT(check_retired(), 0U);
  EXPECT_LE(check_retired(), most);
}

TEST(checked_freed, over_aligned_memory_goes_back_as_it_came) {
  struct alignas(64) wide {
    char bytes[64];
  };
  for (int i = 0; i < 2'000; ++i) static_cast<void>(dh::make_chan<wide>(2));
  check_retired();
}

}  // namespace
