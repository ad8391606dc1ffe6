// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// A large set of small selects, made by the compiler: every form of the one case that is ready, with
// and without otherwise, with dummies (open channels that nobody uses) and nil channels before and
// behind it. Each operand is to be evaluated once, the ready case to be performed, and nothing else
// to be touched. Then the same as run-time lists, and all of it with nobody ready.

#include <gmock/gmock.h>

#include <array>
#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "downhaul/downhaul.hpp"

namespace dh = downhaul;

namespace {

// What a select may use, and how often it did.
struct bench {
  dh::chan<int> ready;  // a value to receive, or a place to send to
  dh::chan<int> dummy = dh::make_chan<int>();
  dh::chan<int> nil{};
  int evaluated = 0;

  const dh::chan<int>& use(const dh::chan<int>& ch) {
    ++evaluated;
    return ch;
  }
  template <class V>
  V use(V v) {
    ++evaluated;
    return v;
  }
};

// Destinations of all losing cases: nothing may arrive in them.
struct untouched {
  std::optional<int> a{111};
  std::optional<int> b{222};
  int calls = 0;
  bool as_before() const { return a == 111 && b == 222 && calls == 0; }
};

// What stands before and behind the ready case: bit 0 receives, bit 1 sends; dummies or nil.
template <int Sides, bool Nil, class Next>
int with_neighbours(bench& t, untouched& u, Next next) {
  const dh::chan<int>& ch = Nil ? t.nil : t.dummy;
  if constexpr (Sides == 0) {
    return next(std::tuple<>{}, std::tuple<>{});
  } else if constexpr (Sides == 1) {
    return next(std::forward_as_tuple(dh::recv(t.use(ch), u.a)), std::tuple<>{});
  } else if constexpr (Sides == 2) {
    return next(std::tuple<>{},
                std::forward_as_tuple(dh::send(t.use(ch), t.use(-1), [&u] { ++u.calls; })));
  } else {
    return next(
        std::forward_as_tuple(dh::send(t.use(ch), t.use(-1))),
        std::forward_as_tuple(dh::recv(t.use(ch), [&u] { ++u.calls; }), dh::recv(t.use(ch), u.b)));
  }
}
constexpr int operands_of_neighbours(int sides) {
  return sides == 0 ? 0 : sides == 1 ? 1 : sides == 2 ? 2 : 4;
}
constexpr int index_behind(int sides) { return sides == 1 || sides == 3 ? 1 : 0; }

template <bool Otherwise, class Before, class Ready, class Behind>
int perform(Before&& before, Ready&& ready, Behind&& behind) {
  const auto select = [](auto&&... cases) {
    return dh::select(std::forward<decltype(cases)>(cases)...);
  };
  auto all = std::tuple_cat(std::move(before), std::forward_as_tuple(std::forward<Ready>(ready)),
                            std::move(behind));
  if constexpr (Otherwise) {
    return std::apply(
        select,
        std::tuple_cat(std::move(all), std::tuple<const decltype(dh::otherwise)&>{dh::otherwise}));
  } else {
    return std::apply(select, std::move(all));
  }
}

// --- the forms of a receive -------------------------------------------------------------------------

struct into_variable {
  static int run(bench& t, auto perform_with) {
    std::optional<int> v;
    const int at = perform_with(dh::recv(t.use(t.ready), v));
    EXPECT_EQ(v, 5);
    return at;
  }
};
struct through_pointer {
  static int run(bench& t, auto perform_with) {
    const auto v = std::make_unique<std::optional<int>>();
    std::optional<int>* const where = v.get();
    const int at = perform_with(dh::recv(t.use(t.ready), *where));
    EXPECT_EQ(*v, 5);
    return at;
  }
};
struct into_map {
  static int run(bench& t, auto perform_with) {
    std::map<std::string, std::optional<int>> m;
    const int at = perform_with(dh::recv(t.use(t.ready), m["key"]));
    EXPECT_EQ(m["key"], 5);
    return at;
  }
};
struct into_wider {
  static int run(bench& t, auto perform_with) {
    double wide = 0;
    bool ok = false;
    const int at = perform_with(dh::recv(t.use(t.ready), [&](std::optional<int> got) {
      ok = got.has_value();
      wide = got.value_or(0);
    }));
    EXPECT_TRUE(ok);
    EXPECT_EQ(wide, 5.0);
    return at;
  }
};
struct by_name {
  static int run(bench& t, auto perform_with) {
    auto answer = dh::recv(t.use(t.ready));
    const int at = perform_with(answer);
    EXPECT_TRUE(answer.fired());
    EXPECT_EQ(answer.value(), 5);
    return at;
  }
};
struct discarded {
  static int run(bench& t, auto perform_with) { return perform_with(dh::recv(t.use(t.ready))); }
};
struct owned {
  static int run(bench& t, auto perform_with) {
    std::optional<int> v;
    const int at = perform_with(dh::recv(dh::recv_chan<int>{t.use(t.ready)}, v));
    EXPECT_EQ(v, 5);
    return at;
  }
};

// --- the forms of a send ----------------------------------------------------------------------------

struct of_variable {
  static int run(bench& t, auto perform_with) {
    const int v = t.use(5);
    return perform_with(dh::send(t.use(t.ready), v));
  }
};
struct of_temporary {
  static int run(bench& t, auto perform_with) {
    return perform_with(dh::send(t.use(t.ready), t.use(5)));
  }
};
struct of_narrower {
  static int run(bench& t, auto perform_with) {
    return perform_with(dh::send(t.use(t.ready), t.use(short{5})));
  }
};
struct with_handler {
  static int run(bench& t, auto perform_with) {
    int called = 0;
    const int at = perform_with(dh::send(t.use(t.ready), t.use(5), [&] { ++called; }));
    EXPECT_EQ(called, 1);
    return at;
  }
};

constexpr int combinations_of_a_form = 4 * 2 * 2;

template <class Form, bool Sends, int Sides, bool Nil, bool Otherwise>
void one(int& count) {
  ++count;
  bench t;
  untouched u;
  t.ready = dh::make_chan<int>(1);
  if (!Sends) t.ready.send(5);
  const int fired = Form::run(t, [&]<class Ready>(Ready&& ready) {
    return with_neighbours<Sides, Nil>(t, u, [&](auto before, auto behind) {
      return perform<Otherwise>(std::move(before), std::forward<Ready>(ready), std::move(behind));
    });
  });
  const std::string which = "sides " + std::to_string(Sides) + (Nil ? " nil" : " dummy") +
                            (Otherwise ? " otherwise" : "");
  EXPECT_EQ(fired, index_behind(Sides)) << which;
  EXPECT_EQ(t.evaluated, (Sends ? 2 : 1) + operands_of_neighbours(Sides)) << which;
  EXPECT_TRUE(u.as_before()) << which;
  EXPECT_EQ(t.ready.try_recv(), Sends ? std::optional{5} : std::nullopt) << which;
  EXPECT_FALSE(t.dummy.try_send(1)) << "somebody still waits there: " << which;
  EXPECT_FALSE(t.dummy.try_recv()) << "somebody still waits there: " << which;
}

template <class Form, bool Sends>
int every_combination() {
  int count = 0;
  [&]<int... I>(std::integer_sequence<int, I...>) {
    (one < Form, Sends, I / 4, (I & 2) != 0, (I & 1) != 0 > (count), ...);
  }(std::make_integer_sequence<int, combinations_of_a_form>{});
  return count;
}

template <class Form>
class programs_select5_receives : public testing::Test {};
using receive_forms =
    testing::Types<into_variable, through_pointer, into_map, into_wider, by_name, discarded, owned>;
TYPED_TEST_SUITE(programs_select5_receives, receive_forms);
TYPED_TEST(programs_select5_receives, in_every_company_take_the_value_and_touch_nothing_else) {
  EXPECT_EQ((every_combination<TypeParam, false>()), combinations_of_a_form);
}

template <class Form>
class programs_select5_sends : public testing::Test {};
using send_forms = testing::Types<of_variable, of_temporary, of_narrower, with_handler>;
TYPED_TEST_SUITE(programs_select5_sends, send_forms);
TYPED_TEST(programs_select5_sends, in_every_company_send_the_value_and_touch_nothing_else) {
  EXPECT_EQ((every_combination<TypeParam, true>()), combinations_of_a_form);
}

// --- the same as lists, made at run time ------------------------------------------------------------

enum class kind { recv_ready, send_ready, recv_never, send_never, recv_nil, send_nil, recv_closed };
constexpr std::array kinds{kind::recv_ready, kind::send_ready, kind::recv_never, kind::send_never,
                           kind::recv_nil,   kind::send_nil,   kind::recv_closed};
constexpr bool is_ready(kind k) {
  return k == kind::recv_ready || k == kind::send_ready || k == kind::recv_closed;
}

// All lists of three kinds, each with and without otherwise: 686. Those with nobody ready and no
// otherwise would wait for ever, and get a context that has a way out.
TEST(programs_select5_lists, of_any_three_kinds_choose_one_that_is_ready_and_do_just_that) {
  int chosen_ready = 0;
  int chosen_otherwise = 0;
  int cancelled = 0;
  for (const kind a : kinds) {
    for (const kind b : kinds) {
      for (const kind c : kinds) {
        for (const bool otherwise : {false, true}) {
          const std::array<kind, 3> list{a, b, c};
          std::array<dh::chan<int>, 3> channels;
          std::array<std::optional<int>, 3> got{100, 101, 102};
          std::array<int, 3> sent{};
          std::vector<dh::select_case> cases;
          bool any_ready = false;
          for (std::size_t i = 0; i < 3; ++i) {
            const kind k = list[i];
            if (k != kind::recv_nil && k != kind::send_nil) channels[i] = dh::make_chan<int>(1);
            if (k == kind::recv_ready || k == kind::send_never) channels[i].send(int(i));
            if (k == kind::recv_closed) channels[i].close();
            const bool sends =
                k == kind::send_ready || k == kind::send_never || k == kind::send_nil;
            if (sends) {
              cases.emplace_back(dh::send(channels[i], 50, [&sent, i] { ++sent[i]; }));
            } else {
              cases.emplace_back(dh::recv(channels[i], got[i]));
            }
            any_ready = any_ready || is_ready(k);
          }
          if (otherwise) cases.emplace_back(dh::otherwise);
          auto [ctx, cancel] = dh::with_cancel({});
          if (!any_ready && !otherwise) cancel();
          std::error_code ec;
          const int at = dh::select(ctx, ec, cases);

          if (!any_ready) {
            EXPECT_EQ(at, otherwise ? 3 : -1);
            EXPECT_EQ(ec, otherwise ? std::error_code{} : dh::errc::canceled);
            ++(otherwise ? chosen_otherwise : cancelled);
          } else {
            ASSERT_TRUE(at >= 0 && at < 3);
            ASSERT_TRUE(is_ready(list[static_cast<std::size_t>(at)]));
            ++chosen_ready;
          }
          for (std::size_t i = 0; i < 3; ++i) {
            const bool won = at == static_cast<int>(i);
            const std::optional<int> before{100 + int(i)};
            const std::optional<int> value =
                list[i] == kind::recv_closed ? std::nullopt : std::optional{int(i)};
            const bool sends = list[i] == kind::send_ready;
            EXPECT_EQ(got[i], won && !sends ? value : before);
            EXPECT_EQ(sent[i], won && sends ? 1 : 0);
            const bool was_full = list[i] == kind::recv_ready || list[i] == kind::send_never;
            const bool is_full = was_full ? !won : won && sends;
            EXPECT_EQ(channels[i].size(), is_full ? 1 : 0);
          }
        }
      }
    }
  }
  EXPECT_EQ(chosen_ready, 2 * (343 - 64));
  EXPECT_EQ(chosen_otherwise, 64);
  EXPECT_EQ(cancelled, 64);
}

}  // namespace
