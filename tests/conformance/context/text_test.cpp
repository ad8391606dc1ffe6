// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// CTX-160 to CTX-163: how contexts print.

#include <gmock/gmock.h>

#include <atomic>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "conformance/context/contexts.hpp"
#include "downhaul/context.hpp"
#include "downhaul/context_base.hpp"
#include "downhaul/key.hpp"

namespace dh = downhaul;
using namespace std::chrono_literals;
using downhaul_test::because;
using downhaul_test::by_hand;
using downhaul_test::name_key;
using downhaul_test::number_key;
using testing::MatchesRegex;

namespace {

TEST(CTX_160, each_context_adds_to_the_text_of_its_parent) {
  auto [a, cancel_a] = dh::with_cancel(dh::background());
  EXPECT_EQ(to_string(a), "context.Background.WithCancel");
  auto [b, cancel_b] = dh::with_cancel_cause(a);
  EXPECT_EQ(to_string(b), "context.Background.WithCancel.WithCancel");
  const dh::context c = dh::with_value(b, name_key, "Ann");
  EXPECT_EQ(to_string(c), to_string(b) + ".WithValue(name, Ann)");
  const dh::context d = dh::without_cancel(c);
  EXPECT_EQ(to_string(d), to_string(c) + ".WithoutCancel");
  EXPECT_EQ(to_string(dh::without_cancel(dh::todo())), "context.TODO.WithoutCancel");
  cancel_a();
  EXPECT_EQ(to_string(b), "context.Background.WithCancel.WithCancel") << "ended or not";
}

TEST(CTX_160, deadlines_show_when_and_how_long) {
  by_hand time;
  const auto text = [](const char* left) {
    return MatchesRegex(std::string{"context\\.TODO\\.WithDeadline\\([0-9]{4}-[0-9]{2}-[0-9]{2} "
                                    "[0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{3} UTC \\["} +
                        left + "\\]\\)");
  };
  auto [a, cancel_a] = dh::with_deadline(dh::todo(), time.in(90s));
  auto [b, cancel_b] = dh::with_timeout(dh::todo(), 90s);
  auto [c, cancel_c] = dh::with_deadline_cause(dh::todo(), time.in(90s), because("late"));
  auto [d, cancel_d] = dh::with_timeout_cause(dh::todo(), 90s, because("late"));
  for (const dh::context& ctx : {a, b, c, d}) EXPECT_THAT(to_string(ctx), text("1\\.5m"));
  time.pass(89s);
  for (const dh::context& ctx : {a, b, c, d}) EXPECT_THAT(to_string(ctx), text("1s"));
  time.pass(2s);
  for (const dh::context& ctx : {a, b, c, d}) EXPECT_THAT(to_string(ctx), text("-1s"));
}

struct speaks {
  std::string to_string() const { return "in its own words"; }
};
struct spoken_of {};
std::string to_string(const spoken_of&) { return "in other words"; }
struct silent {
  int secret = 42;
};

template <class T, class... Args>
std::string text_of_value(Args&&... args) {
  static constexpr dh::key<T> k{"k"};
  return to_string(dh::with_value(dh::background(), k, std::forward<Args>(args)...));
}

// deviates: a key is an object and prints its name; Go prints the key's own text or its type.
TEST(CTX_161, values_show_their_own_text_or_their_type_alone) {
  EXPECT_EQ(text_of_value<std::string>("as it is"), "context.Background.WithValue(k, as it is)");
  EXPECT_EQ(text_of_value<std::string_view>("view"), "context.Background.WithValue(k, view)");
  EXPECT_EQ(text_of_value<const char*>("literal"), "context.Background.WithValue(k, literal)");
  EXPECT_EQ(text_of_value<speaks>(), "context.Background.WithValue(k, in its own words)");
  EXPECT_EQ(text_of_value<spoken_of>(), "context.Background.WithValue(k, in other words)");
  EXPECT_EQ(text_of_value<std::nullptr_t>(nullptr), "context.Background.WithValue(k, <nil>)");
  EXPECT_EQ(text_of_value<int*>(nullptr), "context.Background.WithValue(k, <nil>)");
  EXPECT_EQ(text_of_value<std::optional<int>>(), "context.Background.WithValue(k, <nil>)");
  EXPECT_EQ(text_of_value<int>(42), "context.Background.WithValue(k, int)");
  EXPECT_EQ(text_of_value<silent>(),
            "context.Background.WithValue(k, (anonymous namespace)::silent)");
  EXPECT_EQ(text_of_value<std::vector<int>>(3u, 42).find("42"), std::string::npos)
      << "values do not leak into logs";
}

inline constexpr dh::key<std::string> key1{"context_test.key1"};
inline constexpr dh::key<std::string> key2{"context_test.key2(1)"};

TEST(CTX_161, a_chain_of_values) {
  const dh::context c1 = dh::with_value(dh::background(), key1, "c1k1");
  EXPECT_EQ(to_string(dh::with_value(c1, key2, "c2k2")),
            "context.Background.WithValue(context_test.key1, c1k1)"
            ".WithValue(context_test.key2(1), c2k2)");
}

struct plain : dh::context_base {};
struct named : dh::context_base {
  std::string to_string() const override { return "the named one"; }
};

TEST(CTX_162, a_user_written_parent_prints_the_name_of_its_class) {
  auto [a, cancel_a] = dh::with_cancel(dh::make_context<plain>());
  EXPECT_EQ(to_string(a), "(anonymous namespace)::plain.WithCancel");
  auto [b, cancel_b] = dh::with_cancel(dh::make_context<named>());
  EXPECT_EQ(to_string(b), "the named one.WithCancel");
  EXPECT_EQ(to_string(dh::make_context<downhaul_test::wrapper>(a)), "downhaul_test::wrapper");
}

TEST(CTX_163, printing_is_safe_while_another_cancels) {
  struct chain {
    dh::cancelable_cause parent = dh::with_cancel_cause(dh::background());
    dh::cancelable child = dh::with_timeout(
        dh::make_context<downhaul_test::wrapper>(dh::with_value(parent.ctx, number_key, 1)),
        std::chrono::nanoseconds::max());
    std::string text() const { return to_string(child.ctx) + to_string(parent.ctx); }
    std::string before = text();
    std::string meanwhile;
  };
  downhaul_test::race<chain>(
      downhaul_test::rounds(5'000), [](chain&) {},
      [](chain& c) {
        EXPECT_EQ(c.meanwhile, c.before);
        EXPECT_EQ(c.text(), c.before);
      },
      [](chain& c) { c.parent.cancel(because("why")); }, [](chain& c) { c.meanwhile = c.text(); });
}

}  // namespace
