// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// Contexts made of std::stop_tokens.

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <optional>
#include <stop_token>
#include <thread>
#include <utility>

#include "context/inspect.hpp"
#include "downhaul/after_func.hpp"
#include "downhaul/chan.hpp"
#include "downhaul/context.hpp"
#include "downhaul/go.hpp"
#include "downhaul/pin.hpp"
#include "support/crew.hpp"
#include "support/leaves_nothing.hpp"
#include "support/test_runtime.hpp"

#if defined(__GNUC__) && !defined(__clang__)
// GCC 12 at -Og takes the standard's stop_source(), which passes itself along, for an uninitialised use.
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif

namespace {

namespace dh = downhaul;
using namespace std::chrono_literals;
using dh::impl::registrations;
using downhaul_test::give_way;
using downhaul_test::test_runtime;

class context_of_a_token : public downhaul_test::leaves_nothing {};
class stop_asked_by_a_goroutine : public testing::Test {};

// --- a context of a token ---

TEST_F(context_of_a_token, ends_when_a_stop_is_requested) {
  std::stop_source source;
  const dh::context ctx{source.get_token()};
  auto [child, cancel] = dh::with_cancel(ctx);
  EXPECT_FALSE(ctx.err());
  source.request_stop();
  EXPECT_EQ(ctx.err(), dh::errc::canceled);
  EXPECT_TRUE(child.err());
  EXPECT_TRUE(dh::context{source.get_token()}.err());
  EXPECT_EQ(dh::context{std::stop_token{}}, dh::background());
  EXPECT_EQ(to_string(ctx), "context.StopToken");
}

TEST_F(context_of_a_token, has_ended_from_the_beginning_if_the_stop_was_before) {
  std::stop_source source;
  source.request_stop();
  const dh::context ctx{source.get_token()};
  EXPECT_EQ(ctx.err(), dh::errc::canceled);
  EXPECT_EQ(ctx.reason(), "context canceled");
  bool ran = false;
  const auto now = dh::after_func(dh::inplace, ctx, [&]() noexcept { ran = true; });
  EXPECT_TRUE(ran);
}

TEST_F(context_of_a_token, is_the_background_if_nobody_can_stop_it_any_more) {
  std::stop_token token;
  {
    const std::stop_source source;
    token = source.get_token();
  }
  EXPECT_EQ(dh::context{token}, dh::background());
}

TEST_F(context_of_a_token, stays_open_when_the_source_goes_without_a_stop) {
  auto source = std::make_unique<std::stop_source>();
  const dh::context ctx{source->get_token()};
  auto [child, cancel] = dh::with_cancel(ctx);
  source.reset();
  EXPECT_FALSE(ctx.err());
  EXPECT_EQ(registrations(ctx), 1u);
  cancel();
  EXPECT_TRUE(child.err());
  EXPECT_FALSE(ctx.err());
}

TEST_F(context_of_a_token, may_go_before_its_token) {
  std::stop_source source;
  {
    const dh::context ctx{source.get_token()};
  }
  EXPECT_TRUE(source.request_stop());
}

TEST_F(context_of_a_token, is_another_one_for_each_time_it_is_made) {
  std::stop_source source;
  const dh::context one{source.get_token()};
  std::optional<dh::context> other{std::in_place, source.get_token()};
  EXPECT_NE(one, *other);
  const auto below = dh::with_cancel(*other);
  other.reset();
  source.request_stop();
  EXPECT_TRUE(one.err());
  EXPECT_TRUE(below.ctx.err());
}

TEST_F(context_of_a_token, ends_a_merge_it_is_part_of) {
  std::stop_source source;
  auto other = dh::with_cancel_cause(dh::background());
  const auto both = dh::merge(other.ctx, dh::context{source.get_token()});
  const auto neither = dh::merge(dh::background(), dh::context{source.get_token()});
  const auto first = dh::merge(dh::context{source.get_token()}, other.ctx);
  EXPECT_FALSE(both.ctx.err());
  source.request_stop();
  EXPECT_EQ(both.ctx.err(), dh::errc::canceled);
  EXPECT_TRUE(neither.ctx.err());
  EXPECT_TRUE(first.ctx.err());
  EXPECT_FALSE(other.ctx.err());
}

TEST_F(context_of_a_token, may_lose_its_last_handle_in_a_callback_of_its_end) {
  std::stop_source source;
  std::optional<dh::context> ctx{std::in_place, source.get_token()};
  auto drop = dh::after_func(dh::inplace, *ctx, [&]() noexcept { ctx.reset(); });
  drop.detach();
  source.request_stop();
  EXPECT_FALSE(ctx.has_value());
}

TEST_F(context_of_a_token, may_lose_its_last_handle_in_another_callback_of_its_token) {
  for (const bool made_first : {false, true}) {
    std::stop_source source;
    std::optional<dh::context> ctx;
    if (made_first) ctx.emplace(source.get_token());
    const std::stop_callback drop{source.get_token(), [&] { ctx.reset(); }};
    if (!made_first) ctx.emplace(source.get_token());
    source.request_stop();
    EXPECT_FALSE(ctx.has_value());
  }
}

// The requester is in the middle of the callbacks; the worker that drops the last handle is its
// runtime's only one, and goes on.
TEST_F(context_of_a_token, holds_nobody_up_who_drops_its_last_handle_during_its_end) {
  test_runtime rt{1};
  std::stop_source source;
  std::optional<dh::context> ctx{std::in_place, source.get_token()};
  const auto started = dh::make_chan<void>();
  const auto go_on = dh::make_chan<void>();
  dh::after_func(dh::inplace, *ctx, [&]() noexcept {
    started.send();
    go_on.recv();
  }).detach();
  std::thread requester{[&] { source.request_stop(); }};
  rt.run([&] {
    started.recv();
    ctx.reset();
  });
  go_on.send();
  requester.join();
}

// --- a goroutine asks for the stop ---

// The standard's state knows its requester by its thread: were the callback to run on this goroutine,
// it would wait, go on on another thread, and there wait for ever for itself to end.
TEST_F(stop_asked_by_a_goroutine, is_not_moved_by_callbacks_that_wait) {
  test_runtime rt{2};
  for (int i = 0; i < downhaul_test::rounds(200); ++i) {
    rt.run([] {
      std::stop_source source;
      std::optional<dh::context> ctx{std::in_place, source.get_token()};
      const auto ended = dh::make_chan<void>(1);
      dh::after_func(dh::inplace, *ctx, [&]() noexcept {
        const std::thread::id before = std::this_thread::get_id();
        for (int n = 0; n < 100 && std::this_thread::get_id() == before; ++n) {
          dh::go([] {});
          give_way();
        }
        ctx.reset();
        ended.send();
      }).detach();
      const std::thread::id here = std::this_thread::get_id();
      source.request_stop();
      EXPECT_EQ(std::this_thread::get_id(), here);
      ended.recv();
    });
  }
}

TEST_F(stop_asked_by_a_goroutine, has_ended_the_context_and_what_is_below_on_return) {
  test_runtime rt{2};
  rt.run([] {
    std::stop_source source;
    const dh::context ctx{source.get_token()};
    const auto child = dh::with_cancel(ctx);
    const std::stop_token token = dh::to_stop_token(child.ctx);
    bool told = false;
    const std::stop_callback on_stop{token, [&] { told = true; }};
    source.request_stop();
    EXPECT_TRUE(ctx.err());
    EXPECT_TRUE(child.ctx.err());
    EXPECT_TRUE(token.stop_requested());
    EXPECT_TRUE(told);
  });
}

TEST_F(stop_asked_by_a_goroutine, runs_callbacks_in_place_on_another) {
  test_runtime rt{1};
  rt.run([] {
    std::stop_source source;
    const dh::context ctx{source.get_token()};
    const dh::impl::waiter* const me = &dh::impl::this_waiter();
    const dh::impl::waiter* ran_on = nullptr;
    const auto ran = dh::make_chan<void>();
    const auto callback = dh::after_func(dh::inplace, ctx, [&]() noexcept {
      ran_on = &dh::impl::this_waiter();
      ran.send();
    });
    source.request_stop();
    ran.recv();
    EXPECT_NE(ran_on, me);
  });
}

// A callback of the user's that waits moves the requester, but the context's own end does not depend
// on the thread.
TEST_F(stop_asked_by_a_goroutine, may_have_been_moved_by_others_and_still_ends_the_last_handle) {
  test_runtime rt{2};
  for (int i = 0; i < downhaul_test::rounds(200); ++i) {
    rt.run([] {
      std::stop_source source;
      std::optional<dh::context> ctx{std::in_place, source.get_token()};
      std::optional<dh::cancelable> below{dh::with_cancel(*ctx)};
      bool dropped = false;
      // Called first, for it was registered last.
      const std::stop_callback moves{source.get_token(), [&] {
                                       const auto before = std::this_thread::get_id();
                                       for (int n = 0; n < 100; ++n) {
                                         dh::go([] {});
                                         give_way();
                                         if (std::this_thread::get_id() != before) break;
                                       }
                                     }};
      // Lets go of the last handle in the middle of the context's end.
      const std::stop_callback drops{dh::to_stop_token(below->ctx), [&] {
                                       EXPECT_TRUE(ctx->err());
                                       below.reset();
                                       ctx.reset();
                                       dropped = true;
                                     }};
      source.request_stop();
      EXPECT_TRUE(dropped);
    });
  }
}

TEST_F(stop_asked_by_a_goroutine, lets_callbacks_wait_and_destroy_themselves_if_it_is_pinned) {
  test_runtime rt{2};
  rt.run([] {
    const dh::pin here;
    std::stop_source source;
    struct waits {
      std::optional<std::stop_callback<waits>>* self;
      void operator()() const {
        for (int n = 0; n < 10; ++n) dh::yield();
        self->reset();
      }
    };
    std::optional<std::stop_callback<waits>> callback;
    callback.emplace(source.get_token(), waits{&callback});
    source.request_stop();
    EXPECT_FALSE(callback.has_value());
  });
}

}  // namespace
