// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// Channel operations and selects with a context: which comes first, and what a cancelled operation
// leaves behind.

#include <gmock/gmock.h>

#include <array>
#include <atomic>
#include <memory>
#include <system_error>
#include <utility>
#include <vector>

#include "context/inspect.hpp"
#include "downhaul/chan.hpp"
#include "downhaul/context.hpp"
#include "downhaul/context_base.hpp"
#include "downhaul/select.hpp"
#include "support/crew.hpp"
#include "wait/wait_reason.hpp"

namespace dh = downhaul;
using downhaul::impl::registrations;
using downhaul::impl::wait_reason;
using downhaul_test::crew;
using downhaul_test::place;
using downhaul_test::rounds;

namespace {

class chan_ctx : public testing::TestWithParam<place> {
 protected:
  crew c{GetParam()};
};
INSTANTIATE_TEST_SUITE_P(, chan_ctx, testing::ValuesIn(downhaul_test::all_places),
                         testing::PrintToStringParamName());

const std::error_code canceled = dh::errc::canceled;

dh::context ended() {
  auto [ctx, cancel] = dh::with_cancel(dh::background());
  cancel();
  return ctx;
}

template <class F>
std::error_code thrown_by(F f) {
  try {
    f();
  } catch (const dh::context_error& e) {
    return e.code();
  }
  return {};
}

// An operation in each form that must treat a context alike: throwing, with a code, and in selects.
// Each returns the context's error.
using send_form = std::error_code (*)(const dh::context&, const dh::chan<std::unique_ptr<int>>&,
                                      std::unique_ptr<int>&);
constexpr send_form send_forms[] = {
    [](const dh::context& ctx, const auto& ch, auto& v) {
      return thrown_by([&] { ch.send(ctx, std::move(v)); });
    },
    [](const dh::context& ctx, const auto& ch, auto& v) {
      std::error_code ec = std::make_error_code(std::errc::io_error);
      ch.send(ctx, std::move(v), ec);
      return ec;
    },
    [](const dh::context& ctx, const auto& ch, auto& v) {
      return thrown_by([&] { dh::select(ctx, dh::send(ch, std::move(v))); });
    },
    [](const dh::context& ctx, const auto& ch, auto& v) {
      std::error_code ec = std::make_error_code(std::errc::io_error);
      const int fired = dh::select(ctx, ec, dh::recv(dh::chan<int>{}), dh::send(ch, std::move(v)));
      EXPECT_EQ(fired, ec ? -1 : 1);
      return ec;
    },
};
using receive_form = std::error_code (*)(const dh::context&, const dh::chan<int>&,
                                         std::optional<int>&);
constexpr receive_form receive_forms[] = {
    [](const dh::context& ctx, const auto& ch, auto& v) {
      return thrown_by([&] { v = ch.recv(ctx); });
    },
    [](const dh::context& ctx, const auto& ch, auto& v) {
      std::error_code ec = std::make_error_code(std::errc::io_error);
      v = ch.recv(ctx, ec);
      return ec;
    },
    [](const dh::context& ctx, const auto& ch, auto& v) {
      return thrown_by([&] { dh::select(ctx, dh::recv(ch, v)); });
    },
    [](const dh::context& ctx, const auto& ch, auto& v) {
      std::error_code ec = std::make_error_code(std::errc::io_error);
      const int fired = dh::select(ctx, ec, dh::recv(dh::chan<int>{}), dh::recv(ch, v));
      EXPECT_EQ(fired, ec ? -1 : 1);
      return ec;
    },
    [](const dh::context& ctx, const auto& ch, auto& v) {
      std::error_code ec = std::make_error_code(std::errc::io_error);
      std::vector<dh::select_case> cases;
      cases.emplace_back(dh::recv(ch, v));
      const int fired = dh::select(ctx, ec, cases);
      EXPECT_EQ(fired, ec ? -1 : 0);
      return ec;
    },
};

// --- a context that has ended goes first ---

TEST(chan_ctx_ended, goes_before_a_ready_receive_and_takes_nothing) {
  for (const auto receive : receive_forms) {
    auto ch = dh::make_chan<int>(1);
    ch.send(1);
    std::optional<int> v;
    EXPECT_EQ(receive(ended(), ch, v), canceled);
    EXPECT_EQ(v, std::nullopt);
    EXPECT_EQ(ch.size(), 1);
  }
}

TEST(chan_ctx_ended, goes_before_a_ready_send_and_leaves_the_value) {
  for (const auto send : send_forms) {
    auto ch = dh::make_chan<std::unique_ptr<int>>(1);
    auto v = std::make_unique<int>(5);
    EXPECT_EQ(send(ended(), ch, v), canceled);
    ASSERT_NE(v, nullptr);
    EXPECT_EQ(ch.size(), 0);
  }
}

TEST(chan_ctx_ended, goes_before_a_closed_channel) {
  for (const auto send : send_forms) {
    auto ch = dh::make_chan<std::unique_ptr<int>>(1);
    ch.close();
    auto v = std::make_unique<int>(5);
    EXPECT_EQ(send(ended(), ch, v), canceled);
    ASSERT_NE(v, nullptr);
  }
}

TEST(chan_ctx_ended, goes_before_otherwise) {
  std::error_code ec;
  EXPECT_EQ(dh::select(ended(), ec, dh::otherwise), -1);
  EXPECT_EQ(ec, canceled);
  EXPECT_THROW(dh::select(ended(), dh::otherwise), dh::context_error);
}

// --- an open one does not interfere ---

TEST(chan_ctx_open, lets_operations_pass) {
  const auto [ctx, cancel] = dh::with_cancel(dh::background());
  for (const dh::context& with : {ctx, dh::background()}) {
    for (const auto send : send_forms) {
      auto ch = dh::make_chan<std::unique_ptr<int>>(1);
      auto v = std::make_unique<int>(5);
      EXPECT_EQ(send(with, ch, v), std::error_code{});
      EXPECT_EQ(v, nullptr);
      EXPECT_EQ(**ch.recv(), 5);
      ch.close();
      v = std::make_unique<int>(6);
      EXPECT_THROW(static_cast<void>(send(with, ch, v)), dh::misuse);
      EXPECT_NE(v, nullptr);
    }
    for (const auto receive : receive_forms) {
      auto ch = dh::make_chan<int>(1);
      ch.send(1);
      std::optional<int> v;
      EXPECT_EQ(receive(with, ch, v), std::error_code{});
      EXPECT_EQ(v, 1);
      ch.close();
      EXPECT_EQ(receive(with, ch, v), std::error_code{});
      EXPECT_EQ(v, std::nullopt);
    }
  }
  EXPECT_EQ(registrations(ctx), 0U);
}

TEST(chan_ctx_open, gives_void_its_forms) {
  const auto [ctx, cancel] = dh::with_cancel(dh::background());
  auto ch = dh::make_chan<void>(1);
  std::error_code ec = canceled;
  ch.send(ctx, ec);
  EXPECT_FALSE(ec);
  ec = canceled;
  EXPECT_TRUE(ch.recv(ctx, ec));
  EXPECT_FALSE(ec);
  ch.send(ctx);
  EXPECT_TRUE(ch.recv(ctx));
  ch.close();
  EXPECT_FALSE(ch.recv(ctx));
  EXPECT_THROW(ch.send(ctx), dh::misuse);
  EXPECT_THROW(ch.send(ctx, ec), dh::misuse);
  cancel();
  EXPECT_FALSE(ch.recv(ctx, ec));
  EXPECT_EQ(ec, canceled);
  ch.send(ctx, ec);
  EXPECT_EQ(ec, canceled);
  EXPECT_THROW(ch.send(ctx), dh::context_error);
  EXPECT_THROW(static_cast<void>(ch.recv(ctx)), dh::context_error);
}

// --- parked ---

TEST_P(chan_ctx, ends_a_parked_receive) {
  for (const auto receive : receive_forms) {
    crew one{GetParam()};
    const auto [ctx, cancel] = dh::with_cancel(dh::background());
    auto ch = dh::make_chan<int>();
    std::error_code ec;
    std::optional<int> v;
    one.start([&, &inner = ctx] { ec = receive(inner, ch, v); });
    one.wait_until_parked(0, wait_reason::select);
    EXPECT_EQ(registrations(ctx), 1U);
    cancel();
    one.join();
    EXPECT_EQ(ec, canceled);
    EXPECT_FALSE(ch.try_send(1)) << "nobody waits there any more";
    EXPECT_EQ(registrations(ctx), 0U);
  }
}

TEST_P(chan_ctx, ends_a_parked_send_and_gives_the_value_back) {
  for (const auto send : send_forms) {
    crew one{GetParam()};
    const auto [ctx, cancel] = dh::with_cancel(dh::background());
    auto ch = dh::make_chan<std::unique_ptr<int>>();
    std::error_code ec;
    auto v = std::make_unique<int>(5);
    one.start([&, &inner = ctx] { ec = send(inner, ch, v); });
    one.wait_until_parked(0, wait_reason::select);
    cancel();
    one.join();
    EXPECT_EQ(ec, canceled);
    ASSERT_NE(v, nullptr);
    EXPECT_EQ(*v, 5);
    EXPECT_FALSE(ch.try_recv());
  }
}

TEST_P(chan_ctx, does_not_end_what_has_completed) {
  for (const auto receive : receive_forms) {
    crew one{GetParam()};
    const auto [ctx, cancel] = dh::with_cancel(dh::background());
    auto ch = dh::make_chan<int>();
    std::error_code ec;
    std::optional<int> v;
    one.start([&, &inner = ctx] { ec = receive(inner, ch, v); });
    one.wait_until_parked(0, wait_reason::select);
    ASSERT_TRUE(ch.try_send(7));
    cancel();  // the receiver may not have run yet: the value is its all the same
    one.join();
    EXPECT_FALSE(ec);
    EXPECT_EQ(v, 7);
    EXPECT_EQ(registrations(ctx), 0U);
  }
}

TEST_P(chan_ctx, ends_the_wait_on_a_nil_channel) {
  const auto [ctx, cancel] = dh::with_cancel(dh::background());
  std::array<std::error_code, 3> ec;
  c.start([&, &inner = ctx] { static_cast<void>(dh::chan<int>{}.recv(inner, ec[0])); });
  c.start([&, &inner = ctx] { dh::chan<void>{}.send(inner, ec[1]); });
  c.start([&, &inner = ctx] { dh::select(inner, ec[2]); });  // no case at all
  for (std::size_t i = 0; i < 3; ++i) c.wait_until_parked(i, wait_reason::select);
  cancel();
  c.join();
  EXPECT_THAT(ec, testing::Each(canceled));
}

TEST_P(chan_ctx, gives_the_cause_to_the_exception) {
  const auto [ctx, cancel] = dh::with_cancel_cause(dh::background());
  auto ch = dh::make_chan<int>();
  std::exception_ptr cause;
  c.start([&, &inner = ctx] {
    try {
      static_cast<void>(ch.recv(inner));
    } catch (const dh::context_error& e) {
      cause = e.cause();
    }
  });
  c.wait_until_parked(0, wait_reason::select);
  cancel(std::runtime_error{"enough"});
  c.join();
  ASSERT_NE(cause, nullptr);
  EXPECT_THROW(std::rethrow_exception(cause), std::runtime_error);
}

// --- done() as a case ---

TEST_P(chan_ctx, done_is_a_case_like_any_other) {
  const auto [ctx, cancel] = dh::with_cancel(dh::background());
  auto ch = dh::make_chan<int>();
  std::array<int, 2> fired{-1, -1};
  bool ok = true;
  c.start([&, &inner = ctx] {
    fired[0] = dh::select(dh::recv(ch), dh::recv(inner.done(), ok));
    fired[1] = dh::select(dh::recv(ch), dh::recv(dh::context{inner}.done()));
  });
  c.wait_until_parked(0, wait_reason::select);
  EXPECT_EQ(dh::select(dh::recv(ctx.done()), dh::otherwise), 1);
  cancel();
  c.join();
  EXPECT_EQ(fired[0], 1);
  EXPECT_EQ(fired[1], 1);
  EXPECT_FALSE(ok) << "closed, not a signal";
  EXPECT_EQ(registrations(ctx), 0U);
}

TEST(chan_ctx_alone, a_closed_done_is_chosen_before_otherwise_and_completed_like_any_receive) {
  const dh::context ctx = ended();
  EXPECT_EQ(dh::select(dh::recv(ctx.done()), dh::otherwise), 0);
  EXPECT_EQ(dh::select(dh::otherwise, dh::recv(ctx.done())), 1);
  EXPECT_EQ(dh::select(dh::recv(ended().done()), dh::otherwise), 0) << "the case owns it";

  bool passed = true;
  dh::select(dh::recv(ctx.done(), passed), dh::otherwise);
  EXPECT_FALSE(passed) << "closed, not a signal";
  int plain = 0;
  std::vector<bool> told;
  dh::select(dh::recv(ctx.done(), [&] { ++plain; }), dh::otherwise);
  dh::select(dh::recv(ctx.done(), [&](bool ok) { told.push_back(ok); }), dh::otherwise);
  EXPECT_EQ(plain, 1);
  EXPECT_THAT(told, testing::ElementsAre(false));
  EXPECT_THROW(dh::select(dh::recv(ctx.done(), [] { throw 1; }), dh::otherwise), int);
}

TEST(chan_ctx_alone, a_named_case_says_after_each_look_whether_its_done_had_closed) {
  const auto [ctx, cancel] = dh::with_cancel(dh::background());
  auto over = dh::recv(ctx.done());
  EXPECT_EQ(dh::select(over, dh::otherwise), 1);
  EXPECT_FALSE(over.fired());
  cancel();
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(dh::select(over, dh::otherwise), 0);
    EXPECT_TRUE(over.fired());
    EXPECT_FALSE(over.value());
  }
}

TEST(chan_ctx_alone, the_context_in_front_goes_before_a_closed_done) {
  const dh::context ctx = ended();
  std::error_code ec;
  EXPECT_EQ(dh::select(ctx, ec, dh::recv(ended().done()), dh::otherwise), -1);
  EXPECT_EQ(ec, canceled);
}

TEST_P(chan_ctx, may_be_in_front_and_a_case_and_listed_twice) {
  for (const bool other_ends : {true, false}) {
    const auto [ctx, cancel] = dh::with_cancel(dh::background());
    const auto [other, stop] = dh::with_cancel(dh::background());
    crew one{GetParam()};
    std::error_code ec;
    int fired = -2;
    one.start([&, &outer = ctx, &inner = other] {
      auto done = dh::recv(inner.done());
      auto never = dh::recv(outer.done());
      fired = dh::select(outer, ec, done, never, done, never);
    });
    one.wait_until_parked(0, wait_reason::select);
    if (other_ends) {
      stop();
    } else {
      cancel();
    }
    one.join();
    EXPECT_TRUE(other_ends ? fired == 0 || fired == 2 : fired != 1) << fired;
    if (fired < 0) {
      EXPECT_EQ(ec, canceled);
    }
    EXPECT_EQ(registrations(ctx), 0U);
    EXPECT_EQ(registrations(other), 0U);
  }
}

// --- user-written contexts whose done is a channel ---

struct by_hand : dh::context_base {
  dh::chan<void> closes = dh::make_chan<void>();
  std::atomic<bool> over{false};
  dh::recv_chan<void> done() const override { return closes; }
  std::error_code err() const override {
    return over ? std::make_error_code(std::errc::owner_dead) : std::error_code{};
  }
  void end() {
    over = true;
    closes.close();
  }
};

TEST_P(chan_ctx, may_be_of_the_users_making) {
  for (const auto receive : receive_forms) {
    crew one{GetParam()};
    auto ctx = dh::make_context<by_hand>();
    auto ch = dh::make_chan<int>(1);
    std::optional<int> v;
    ch.send(1);
    EXPECT_EQ(receive(ctx, ch, v), std::error_code{});
    EXPECT_EQ(v, 1);
    std::error_code ec;
    one.start([&] { ec = receive(ctx, ch, v); });
    one.wait_until_parked(0, wait_reason::select);
    ctx->end();
    one.join();
    EXPECT_EQ(ec, std::errc::owner_dead);
    ch.send(2);
    EXPECT_EQ(receive(ctx, ch, v), std::errc::owner_dead);
    EXPECT_EQ(ch.size(), 1);
  }
}

// --- races ---

// A cancel against a hand-over: each value is received, or still its sender's; never both or neither.
TEST_P(chan_ctx, a_cancel_that_races_with_a_transfer_loses_nothing) {
  const int n = rounds(GetParam() == place::goroutines ? 5'000 : 500);
  for (int i = 0; i < n; ++i) {
    const auto [ctx, cancel] = dh::with_cancel(dh::background());
    auto ch = dh::make_chan<std::unique_ptr<int>>(i % 2);
    auto value = std::make_unique<int>(i);
    std::optional<std::unique_ptr<int>> got;
    std::error_code sender_ec;
    std::error_code receiver_ec;
    {
      crew three{GetParam()};
      three.start([&, &inner = ctx] { sender_ec = send_forms[i % 4](inner, ch, value); });
      three.start([&, &inner = ctx] {
        if (i % 3 == 0) {
          dh::select(inner, receiver_ec, dh::recv(ch, got));
        } else {
          got = ch.recv(inner, receiver_ec);
        }
      });
      three.start([&stop = cancel] { stop(); });
    }
    if (ch.size() > 0) got = ch.recv();
    const bool received = got && *got != nullptr;
    ASSERT_NE(received, value != nullptr);
    ASSERT_EQ(received, !sender_ec);
    if (receiver_ec) {
      ASSERT_EQ(receiver_ec, canceled);
    }
    ASSERT_EQ(registrations(ctx), 0U);
  }
}

// What happened before a cancel is visible after the wait that it ended.
TEST_P(chan_ctx, a_cancel_happens_before_the_end_of_the_wait) {
  for (int i = 0; i < rounds(200); ++i) {
    const auto [ctx, cancel] = dh::with_cancel(dh::background());
    int plain = 0;
    crew one{GetParam()};
    one.start([&, &stop = cancel] {
      plain = 7;
      stop();
    });
    std::error_code ec;
    if (i % 2 == 0) {
      dh::select(ctx, ec);
    } else {
      static_cast<void>(ctx.done().recv());
    }
    EXPECT_EQ(plain, 7);
  }
}

// Many selects on the same two contexts and on each other's channels, cancelled in the middle.
TEST_P(chan_ctx, one_cancel_ends_a_crowd) {
  const auto [ctx, cancel] = dh::with_cancel(dh::background());
  auto ping = dh::make_chan<int>();
  auto pong = dh::make_chan<int>(1);
  std::atomic<long> passes{0};
  for (int t = 0; t < 8; ++t) {
    c.start([&, t, &inner = ctx] {
      std::error_code ec;
      while (!ec) {
        switch (t % 4) {
          case 0: ping.send(inner, t, ec); break;
          case 1: static_cast<void>(ping.recv(inner, ec)); break;
          case 2: dh::select(inner, ec, dh::send(pong, t), dh::recv(ping)); break;
          default: dh::select(inner, ec, dh::recv(pong), dh::send(ping, t)); break;
        }
        ++passes;
      }
      EXPECT_EQ(ec, canceled);
    });
  }
  downhaul_test::wait_until([&] { return passes > rounds(20'000); });
  cancel();
  c.join();
  EXPECT_EQ(registrations(ctx), 0U);
  EXPECT_FALSE(ping.try_send(0));
  EXPECT_FALSE(ping.try_recv());
}

}  // namespace
