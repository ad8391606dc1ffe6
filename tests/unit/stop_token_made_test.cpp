// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// std::stop_tokens made of contexts, and std::jthreads with both.

#include <gtest/gtest.h>

#include <condition_variable>
#include <mutex>
#include <optional>
#include <stop_token>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "context/inspect.hpp"
#include "downhaul/chan.hpp"
#include "downhaul/context.hpp"
#include "support/crew.hpp"
#include "support/leaves_nothing.hpp"
#include "support/user_contexts.hpp"

#if defined(__GNUC__) && !defined(__clang__)
// GCC 12 at -Og takes the standard's stop_source(), which passes itself along, for an uninitialised use.
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif

namespace {

namespace dh = downhaul;
using namespace std::chrono_literals;
using dh::impl::registrations;
using downhaul_test::wait_until;

class token_of_a_context : public downhaul_test::leaves_nothing {};
class stop_token_jthread : public downhaul_test::leaves_nothing {};

TEST_F(token_of_a_context, stops_with_it) {
  auto [ctx, cancel] = dh::with_cancel(dh::background());
  const std::stop_token token = dh::to_stop_token(ctx);
  EXPECT_EQ(dh::to_stop_token(ctx), token);
  EXPECT_EQ(registrations(ctx), 1u);
  bool told = false;
  const std::stop_callback on_stop{token, [&] {
                                     told = true;
                                     EXPECT_TRUE(ctx.err());
                                   }};
  EXPECT_FALSE(token.stop_requested());
  cancel();
  EXPECT_TRUE(token.stop_requested());
  EXPECT_TRUE(told);
  EXPECT_TRUE(dh::to_stop_token(ctx).stop_requested());
}

TEST_F(token_of_a_context, that_never_ends_cannot_be_stopped) {
  EXPECT_FALSE(dh::to_stop_token(dh::background()).stop_possible());
  EXPECT_FALSE(dh::to_stop_token(dh::todo()).stop_possible());
  const auto parent = dh::with_cancel(dh::background());
  EXPECT_FALSE(dh::to_stop_token(dh::without_cancel(parent.ctx)).stop_possible());
}

TEST_F(token_of_a_context, cannot_stop_when_that_has_gone_open) {
  std::stop_token token;
  {
    auto [ctx, cancel] = dh::with_cancel(dh::background());
    cancel.detach();
    token = dh::to_stop_token(ctx);
    EXPECT_TRUE(token.stop_possible());
  }
  EXPECT_EQ(dh::count_contexts(), 0);
  EXPECT_FALSE(token.stop_possible());
  EXPECT_FALSE(token.stop_requested());
}

TEST_F(token_of_a_context, stops_when_its_deadline_passes) {
  std::mutex mu;
  std::condition_variable_any changed;
  const auto soon = dh::with_timeout(dh::background(), 1ms);
  std::unique_lock held{mu};
  EXPECT_FALSE(changed.wait(held, dh::to_stop_token(soon.ctx), [] { return false; }));
  EXPECT_EQ(soon.ctx.err(), dh::errc::deadline_exceeded);
}

TEST_F(token_of_a_context, made_again_of_it_ends_last_and_leaves_no_cycle) {
  std::stop_source source;
  for (const bool stops : {false, true}) {
    const dh::context there{source.get_token()};
    const std::stop_token back = dh::to_stop_token(there);
    const dh::context again{back};
    EXPECT_NE(back, source.get_token());
    const std::stop_callback in_order{back, [&] { EXPECT_TRUE(there.err()); }};
    if (stops) source.request_stop();
    EXPECT_EQ(back.stop_requested(), stops);
    EXPECT_EQ(static_cast<bool>(again.err()), stops);
  }
  EXPECT_EQ(dh::count_contexts(), 0);
}

TEST_F(token_of_a_context, and_back_a_few_times_over) {
  std::stop_source source;
  std::vector<dh::context> all{dh::context{source.get_token()}};
  for (int i = 0; i < 50; ++i) all.emplace_back(dh::to_stop_token(all.back()));
  source.request_stop();
  for (const dh::context& ctx : all) EXPECT_TRUE(ctx.err());
}

TEST_F(token_of_a_context, may_lose_a_callback_and_the_last_handle_inside_that_callback) {
  struct drops {
    std::optional<dh::cancelable>* what;
    std::optional<std::stop_callback<drops>>* self;
    void operator()() const {
      what->reset();
      self->reset();
    }
  };
  std::optional<dh::cancelable> ctx{dh::with_cancel(dh::background())};
  std::optional<std::stop_callback<drops>> callback;
  callback.emplace(dh::to_stop_token(ctx->ctx), drops{&ctx, &callback});
  ctx->cancel();
  EXPECT_FALSE(ctx.has_value());
  EXPECT_FALSE(callback.has_value());
}

TEST_F(token_of_a_context, may_be_asked_for_again_inside_its_callback) {
  const auto made = dh::with_cancel(dh::background());
  const auto other = dh::with_cancel(dh::background());
  bool stopped = false;
  const std::stop_callback asks{dh::to_stop_token(made.ctx), [&] {
                                  stopped = dh::to_stop_token(made.ctx).stop_requested();
                                  EXPECT_FALSE(dh::to_stop_token(other.ctx).stop_requested());
                                }};
  made.cancel();
  EXPECT_TRUE(stopped);
}

TEST_F(token_of_a_context, that_only_carries_a_value_is_the_one_of_its_parent) {
  static constexpr dh::key<int> number{"number"};
  const auto parent = dh::with_cancel(dh::background());
  EXPECT_EQ(dh::to_stop_token(dh::with_value(parent.ctx, number, 1)),
            dh::to_stop_token(parent.ctx));
}

// --- of a user's ---

TEST_F(token_of_a_context, written_by_a_user_stops_with_it) {
  using namespace downhaul_test;
  const auto root = dh::with_cancel(dh::background());
  const auto linked = dh::make_context<wrapper>(root.ctx);
  EXPECT_EQ(dh::to_stop_token(linked), dh::to_stop_token(root.ctx));
  EXPECT_FALSE(dh::to_stop_token(dh::make_context<no_done>(root.ctx)).stop_possible());

  const auto own = dh::make_context<own_done>(root.ctx);
  const auto called = dh::make_context<calls_back>(root.ctx);
  const auto around = dh::make_context<wrapper>(own);
  const std::stop_token of_own = dh::to_stop_token(own);
  const std::stop_token of_called = dh::to_stop_token(called);
  EXPECT_EQ(dh::to_stop_token(own), of_own);
  EXPECT_EQ(dh::to_stop_token(around), of_own);
  EXPECT_NE(of_own, of_called);
  own->end_under_lock(dh::make_error_code(dh::errc::canceled));
  wait_until([&] { return of_own.stop_requested(); });
  EXPECT_TRUE(dh::to_stop_token(own).stop_requested());
  EXPECT_FALSE(of_called.stop_requested());
  called->end_and_call(dh::make_error_code(dh::errc::canceled));
  wait_until([&] { return of_called.stop_requested(); });
}

TEST_F(token_of_a_context, written_by_a_user_does_not_keep_it) {
  using namespace downhaul_test;
  std::stop_token of_own;
  std::stop_token of_called;
  {
    const auto own = dh::make_context<own_done>(dh::background());
    of_own = dh::to_stop_token(own);
    of_called = dh::to_stop_token(dh::make_context<calls_back>(dh::background()));
    EXPECT_TRUE(of_own.stop_possible());
  }
  EXPECT_EQ(dh::count_contexts(), 0);
  EXPECT_FALSE(of_own.stop_possible());
  EXPECT_FALSE(of_called.stop_possible());
}

TEST_F(token_of_a_context,
       written_by_a_user_is_stopped_if_its_last_handle_goes_right_after_its_end) {
  std::stop_token token;
  {
    const auto own = dh::make_context<downhaul_test::own_done>(dh::background());
    token = dh::to_stop_token(own);
    own->end(dh::make_error_code(dh::errc::canceled));
  }
  wait_until([&] { return token.stop_requested(); });
}

TEST_F(token_of_a_context, written_by_a_user_goes_with_it_and_not_with_one_around_it) {
  using namespace downhaul_test;
  const auto own = dh::make_context<own_done>(dh::background());
  const std::stop_token token = dh::to_stop_token(dh::make_context<wrapper>(own));
  EXPECT_TRUE(token.stop_possible());
  own->end(dh::make_error_code(dh::errc::canceled));
  wait_until([&] { return token.stop_requested(); });
}

// --- std::jthread ---

TEST_F(stop_token_jthread, a_body_that_takes_a_token_has_a_context_of_it) {
  std::error_code ended;
  const auto started = dh::make_chan<void>();
  {
    const std::jthread worker{[&](std::stop_token stop) {
      const dh::context ctx{std::move(stop)};
      const auto child = dh::with_timeout(ctx, 1h);
      started.send();
      child.ctx.done().recv();
      ended = child.ctx.err();
    }};
    started.recv();
  }
  EXPECT_EQ(ended, dh::errc::canceled);
}

TEST_F(stop_token_jthread, one_that_waits_by_a_token_ends_with_a_context) {
  auto [ctx, cancel] = dh::with_cancel(dh::background());
  bool stopped = false;
  std::jthread worker{[&stopped](const std::stop_token& of_ctx) {
                        std::mutex mu;
                        std::condition_variable_any changed;
                        std::unique_lock held{mu};
                        stopped = !changed.wait(held, of_ctx, [] { return false; });
                      },
                      dh::to_stop_token(ctx)};
  cancel();
  worker.join();
  EXPECT_TRUE(stopped);
}

// The body has two reasons to end: its jthread goes, or the context ends. A merge has both.
TEST_F(stop_token_jthread, ends_with_its_own_stop_or_with_a_context) {
  for (const bool by_context : {false, true}) {
    auto [ctx, cancel] = dh::with_cancel(dh::background());
    std::jthread worker{[above = ctx](std::stop_token stop) {
      const auto both = dh::merge(dh::context{std::move(stop)}, above);
      std::mutex mu;
      std::condition_variable_any changed;
      std::unique_lock held{mu};
      changed.wait(held, dh::to_stop_token(both.ctx), [] { return false; });
      EXPECT_TRUE(both.ctx.err());
    }};
    by_context ? cancel() : static_cast<void>(worker.request_stop());
    worker.join();
  }
}

}  // namespace
