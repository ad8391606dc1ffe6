// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// CTX-100 to CTX-106: why a context has ended. CTX-104 has its storm in race_test.cpp.

#include <gtest/gtest.h>

#include <exception>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>

#include "conformance/context/contexts.hpp"
#include "downhaul/context.hpp"
#include "downhaul/context_base.hpp"

namespace dh = downhaul;
using namespace std::chrono_literals;
using downhaul_test::because;
using downhaul_test::by_hand;
using downhaul_test::canceled;
using downhaul_test::cause_of;
using downhaul_test::late;
using downhaul_test::number_key;
using downhaul_test::wrapper;

namespace {

TEST(CTX_100, the_first_to_end_it_fixes_the_cause_for_good) {
  by_hand time;
  auto [top, cancel_top] = dh::with_cancel_cause(dh::background());
  auto [middle, cancel_middle] = dh::with_cancel_cause(top);
  auto [low, cancel_low] = dh::with_timeout_cause(middle, 1s, because("low"));
  for (const dh::context& ctx : {top, middle, low}) EXPECT_EQ(ctx.cause(), nullptr);
  cancel_middle(because("middle"));
  EXPECT_EQ(cause_of(top), "none");
  EXPECT_EQ(cause_of(middle), "middle");
  EXPECT_EQ(cause_of(low), "middle") << "an ancestor counts";
  cancel_top(because("top"));
  cancel_low();
  time.pass(1s);
  EXPECT_EQ(cause_of(top), "top");
  EXPECT_EQ(cause_of(middle), "middle");
  EXPECT_EQ(cause_of(low), "middle");
}

TEST(CTX_101, without_one_the_cause_is_the_err) {
  by_hand time;
  auto [a, cancel_a] = dh::with_cancel(dh::background());
  cancel_a();
  EXPECT_EQ(cause_of(a), "canceled");
  auto [b, cancel_b] = dh::with_cancel_cause(dh::background());
  cancel_b();
  EXPECT_EQ(cause_of(b), "canceled");
  auto [c, cancel_c] = dh::with_cancel_cause(dh::background());
  cancel_c(std::exception_ptr{});
  EXPECT_EQ(cause_of(c), "canceled");
  auto [d, cancel_d] = dh::with_cancel_cause(dh::background());
  cancel_d(std::error_code{});
  EXPECT_EQ(cause_of(d), "canceled");
  auto [e, cancel_e] = dh::with_timeout(dh::background(), 1s);
  auto [f, cancel_f] = dh::with_timeout_cause(dh::background(), 1s, nullptr);
  time.pass(1s);
  EXPECT_EQ(cause_of(e), "late");
  EXPECT_EQ(cause_of(f), "late");
  EXPECT_EQ(e.reason(), late().message());
}

TEST(CTX_102, err_stays_what_it_is_and_the_cause_is_not_wrapped) {
  auto [a, cancel_a] = dh::with_cancel_cause(dh::background());
  const std::exception_ptr given = std::make_exception_ptr(because("given"));
  cancel_a(given);
  EXPECT_EQ(a.err(), canceled());
  EXPECT_EQ(a.cause(), given) << "the very object";
  auto [below, cancel_below] = dh::with_timeout(a, 1h);
  EXPECT_EQ(below.err(), canceled());
  EXPECT_EQ(below.cause(), given);
  auto [b, cancel_b] = dh::with_timeout_cause(dh::background(), 0s, given);
  EXPECT_EQ(b.err(), late());
  EXPECT_EQ(b.cause(), given);
  // Nothing of "canceled" can be found in it.
  try {
    std::rethrow_exception(a.cause());
  } catch (const std::system_error&) {
    ADD_FAILURE() << "it was a runtime_error";
  } catch (const std::runtime_error& e) {
    EXPECT_STREQ(e.what(), "given");
  }
}

// --- the table: "p" the parent, "c" the child; calls in order; then err and cause of the child ---

// "err / cause".
std::string told(const dh::context& ctx) {
  return (ctx.err() ? ctx.err().message() : "none") + " / " + cause_of(ctx);
}

TEST(CTX_103, case_01_background) { EXPECT_EQ(told(dh::background()), "none / none"); }

TEST(CTX_103, case_02_todo) { EXPECT_EQ(told(dh::todo()), "none / none"); }

TEST(CTX_103, case_03_with_cancel_cancelled) {
  auto [c, cancel] = dh::with_cancel(dh::background());
  cancel();
  EXPECT_EQ(told(c), "context canceled / canceled");
}

TEST(CTX_103, case_04_with_cancel_cause_cancelled_with_x) {
  auto [c, cancel] = dh::with_cancel_cause(dh::background());
  cancel(because("X"));
  EXPECT_EQ(told(c), "context canceled / X");
}

TEST(CTX_103, case_05_with_cancel_cause_cancelled_with_null) {
  auto [c, cancel] = dh::with_cancel_cause(dh::background());
  cancel(nullptr);
  EXPECT_EQ(told(c), "context canceled / canceled");
}

// A parent and its child, both cancelled with causes.
struct family {
  dh::cancelable_cause p = dh::with_cancel_cause(dh::background());
  dh::cancelable_cause c = dh::with_cancel_cause(p.ctx);
};

TEST(CTX_103, case_06_p_with_p_then_c_with_c) {
  const family f;
  f.p.cancel(because("P"));
  f.c.cancel(because("C"));
  EXPECT_EQ(told(f.c.ctx), "context canceled / P");
}

TEST(CTX_103, case_07_c_with_c_then_p_with_p) {
  const family f;
  f.c.cancel(because("C"));
  f.p.cancel(because("P"));
  EXPECT_EQ(told(f.c.ctx), "context canceled / C");
}

TEST(CTX_103, case_08_p_with_p_then_plain_c) {
  auto [p, cancel_p] = dh::with_cancel_cause(dh::background());
  auto [c, cancel_c] = dh::with_cancel(p);
  cancel_p(because("P"));
  cancel_c();
  EXPECT_EQ(told(c), "context canceled / P");
}

TEST(CTX_103, case_09_plain_c_then_p_with_p) {
  auto [p, cancel_p] = dh::with_cancel_cause(dh::background());
  auto [c, cancel_c] = dh::with_cancel(p);
  cancel_c();
  cancel_p(because("P"));
  EXPECT_EQ(told(c), "context canceled / canceled");
}

TEST(CTX_103, case_10_plain_p_then_c_with_c) {
  auto [p, cancel_p] = dh::with_cancel(dh::background());
  auto [c, cancel_c] = dh::with_cancel_cause(p);
  cancel_p();
  cancel_c(because("C"));
  EXPECT_EQ(told(c), "context canceled / canceled");
}

TEST(CTX_103, case_11_c_with_c_then_plain_p) {
  auto [p, cancel_p] = dh::with_cancel(dh::background());
  auto [c, cancel_c] = dh::with_cancel_cause(p);
  cancel_c(because("C"));
  cancel_p();
  EXPECT_EQ(told(c), "context canceled / C");
}

TEST(CTX_103, case_12_timeout_zero_then_cancel) {
  auto [c, cancel] = dh::with_timeout(dh::background(), 0s);
  cancel();
  EXPECT_EQ(told(c), "context deadline exceeded / late");
}

TEST(CTX_103, case_13_long_timeout_then_cancel) {
  auto [c, cancel] = dh::with_timeout(dh::background(), 1h);
  cancel();
  EXPECT_EQ(told(c), "context canceled / canceled");
}

TEST(CTX_103, case_14_timeout_zero_with_t_then_cancel) {
  auto [c, cancel] = dh::with_timeout_cause(dh::background(), 0s, because("T"));
  cancel();
  EXPECT_EQ(told(c), "context deadline exceeded / T");
}

TEST(CTX_103, case_15_long_timeout_with_t_then_cancel) {
  auto [c, cancel] = dh::with_timeout_cause(dh::background(), 1h, because("T"));
  cancel();
  EXPECT_EQ(told(c), "context canceled / canceled");
}

TEST(CTX_103, case_16_timeout_zero_with_t_then_p_with_f) {
  auto [p, cancel_p] = dh::with_cancel_cause(dh::background());
  auto [c, cancel_c] = dh::with_timeout_cause(p, 0s, because("T"));
  cancel_p(because("F"));
  EXPECT_EQ(told(c), "context deadline exceeded / T");
}

TEST(CTX_103, case_17_long_timeout_with_t_then_p_with_f) {
  auto [p, cancel_p] = dh::with_cancel_cause(dh::background());
  auto [c, cancel_c] = dh::with_timeout_cause(p, 1h, because("T"));
  cancel_p(because("F"));
  EXPECT_EQ(told(c), "context canceled / F");
}

TEST(CTX_103, case_18_without_cancel_of_background) {
  EXPECT_EQ(told(dh::without_cancel(dh::background())), "none / none");
}

TEST(CTX_103, case_19_without_cancel_of_p_then_p_with_f) {
  auto [p, cancel_p] = dh::with_cancel_cause(dh::background());
  const dh::context c = dh::without_cancel(p);
  cancel_p(because("F"));
  EXPECT_EQ(told(p), "context canceled / F");
  EXPECT_EQ(told(c), "none / none");
}

TEST(CTX_103, case_20_without_cancel_of_an_expired_timeout_with_t) {
  auto [p, cancel_p] = dh::with_timeout_cause(dh::background(), 0s, because("T"));
  EXPECT_EQ(told(p), "context deadline exceeded / T");
  EXPECT_EQ(told(dh::without_cancel(p)), "none / none");
}

TEST(CTX_105, is_found_through_values_and_wrappers) {
  auto [outer, cancel_outer] = dh::with_cancel_cause(dh::background());
  auto [inner, cancel_inner] = dh::with_cancel_cause(outer);
  const dh::context value = dh::with_value(inner, number_key, 1);
  const dh::context wrapped = dh::make_context<wrapper>(value);
  const dh::context last = dh::with_value(dh::make_context<wrapper>(wrapped), number_key, 2);
  for (const dh::context& ctx : {value, wrapped, last}) EXPECT_EQ(cause_of(ctx), "none");
  cancel_inner(because("inner"));
  cancel_outer(because("outer"));
  for (const dh::context& ctx : {value, wrapped, last}) EXPECT_EQ(cause_of(ctx), "inner");
  EXPECT_EQ(cause_of(outer), "outer");
}

TEST(CTX_106, who_was_woken_by_done_finds_a_cause) {
  for (int i = 0; i < downhaul_test::rounds(100); ++i) {
    auto [parent, cancel] = dh::with_cancel_cause(dh::background());
    auto [child, cancel_child] = dh::with_cancel(parent);
    const dh::context all[] = {parent, dh::with_value(parent, number_key, 1), child};
    downhaul_test::crew woken{downhaul_test::place::goroutines};
    for (const dh::context& ctx : all) {
      woken.start([ctx] {
        ctx.done().recv();
        EXPECT_EQ(cause_of(ctx), "why");
        EXPECT_EQ(ctx.err(), canceled());
      });
    }
    cancel(because("why"));
    woken.join();
  }
}

}  // namespace
