// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// Arithmetic of power series, each series a goroutine that gives its next coefficient on demand. A
// product is a network of goroutines that grows with every coefficient; a function that is defined by
// its own derivative is a network with a loop in it. All of it is checked against exact fractions.
// The coefficients travel as they are, as std::any, and behind a unique_ptr.

#include <gmock/gmock.h>

#include <any>
#include <array>
#include <concepts>
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "downhaul/downhaul.hpp"
#include "programs/rational.hpp"
#include "support/crew.hpp"

namespace dh = downhaul;
using downhaul_test::rational;

namespace {

template <class Item>
Item wrap(rational r) {
  if constexpr (std::same_as<Item, std::unique_ptr<rational>>) {
    return std::make_unique<rational>(r);
  } else {
    return Item{r};
  }
}
rational unwrap(const rational& r) { return r; }
rational unwrap(const std::any& r) { return std::any_cast<rational>(r); }
rational unwrap(const std::unique_ptr<rational>& r) { return *r; }

// One demand, one coefficient. Whoever has asked takes the answer before it asks again.
template <class Item>
struct series {
  dh::chan<void> demand = dh::make_chan<void>();
  dh::chan<Item> answer = dh::make_chan<Item>();
};

template <class Item>
class calculator {
 public:
  using ser = series<Item>;
  explicit calculator(dh::context ctx) : ctx_{std::move(ctx)} {}

  rational next(const ser& s) const {
    s.demand.send(ctx_);
    return unwrap(s.answer.recv(ctx_).value());
  }

  // The coefficients are f(0), f(1), …
  template <class F>
  ser make(F f) const {
    return start([f](const calculator& me, const ser& out) {
      for (int n = 0;; ++n) {
        out.demand.recv(me.ctx_);
        me.put(out, f(n));
      }
    });
  }
  ser constant(rational c) const {
    return make([c](int n) { return n == 0 ? c : rational{}; });
  }
  ser x() const {
    return make([](int n) { return rational{n == 1 ? 1 : 0}; });
  }

  ser sum(ser u, ser v) const {
    return zip(u, v, [](const rational& a, const rational& b) { return a + b; });
  }
  ser difference(ser u, ser v) const {
    return zip(u, v, [](const rational& a, const rational& b) { return a - b; });
  }
  ser scaled(rational c, ser u) const {
    return map(u, [c](int, const rational& a) { return c * a; });
  }
  ser derivative(ser u) const {
    return start([u](const calculator& me, const ser& out) {
      out.demand.recv(me.ctx_);
      me.next(u);
      for (int n = 1;; ++n) {
        me.put(out, rational{n} * me.next(u));
        out.demand.recv(me.ctx_);
      }
    });
  }
  ser integral(ser u, rational c = {}) const {
    return start([u, c](const calculator& me, const ser& out) {
      out.demand.recv(me.ctx_);
      me.put(out, c);
      for (int n = 1;; ++n) {
        out.demand.recv(me.ctx_);
        me.put(out, me.next(u) / rational{n});
      }
    });
  }
  // x·u
  ser shifted(ser u) const {
    return start([u](const calculator& me, const ser& out) {
      out.demand.recv(me.ctx_);
      me.put(out, {});
      me.copy(u, out);
    });
  }
  // (u0 + xU)(v0 + xV) = u0·v0 + x(u0·V + v0·U + x·U·V): a new network for each coefficient.
  ser product(ser u, ser v) const {
    return start([u, v](const calculator& me, const ser& out) {
      out.demand.recv(me.ctx_);
      const rational u0 = me.next(u);
      const rational v0 = me.next(v);
      me.put(out, u0 * v0);
      const auto us = me.split(u);
      const auto vs = me.split(v);
      const ser rest = me.sum(me.sum(me.scaled(u0, vs[0]), me.scaled(v0, us[0])),
                              me.shifted(me.product(us[1], vs[1])));
      me.copy(rest, out);
    });
  }
  // u without its first coefficient, which is 0: u/x
  ser tail(ser u) const {
    return start([u](const calculator& me, const ser& out) {
      out.demand.recv(me.ctx_);
      if (me.next(u) != rational{}) ADD_FAILURE() << "there is a constant part";
      me.put(out, me.next(u));
      me.copy(u, out);
    });
  }
  // u(v), where v = x·V has no constant part: u0 + x·(V·U(v))
  ser composed(ser u, ser v) const {
    return start([u, v](const calculator& me, const ser& out) {
      const auto vs = me.split(v);
      out.demand.recv(me.ctx_);
      me.put(out, me.next(u));
      me.copy(me.product(me.composed(u, vs[1]), me.tail(vs[0])), out);
    });
  }
  // 1/(1 - u), where u = x·U has no constant part: r = 1 + x·(U·r)
  ser geometric(ser u) const {
    return looped([this, u](ser r) { return sum(constant({1}), shifted(product(tail(u), r))); },
                  {1});
  }
  // e' = u'·e
  ser exponential(ser u) const {
    return looped([this, u](ser e) { return integral(product(derivative(u), e), {1}); }, {1});
  }
  // 1/(1 + x²), integrated
  ser arctangent() const {
    return integral(make([](int n) { return rational{n % 2 != 0 ? 0 : n % 4 == 0 ? 1 : -1}; }));
  }
  // t' = 1 + t²
  ser tangent() const {
    return looped(
        [this](ser t) {
          const auto ts = split(t);
          return integral(sum(constant({1}), product(ts[0], ts[1])));
        },
        {});
  }

  // Two series from one. It asks on behalf of the side that is ahead; what the other has not asked
  // for yet is kept. While it waits for the source it goes on serving that other side, for in a
  // loop it is just this that the source waits for.
  std::array<ser, 2> split(ser from) const {
    const std::array<ser, 2> sides{};
    dh::go([me = *this, from, sides] { me.serve_both(from, sides); });
    return sides;
  }

 private:
  void put(const ser& out, rational r) const { out.answer.send(ctx_, wrap<Item>(r)); }
  void copy(const ser& from, const ser& out) const {
    for (;;) {
      out.demand.recv(ctx_);
      put(out, next(from));
    }
  }
  template <class Body>
  ser start(Body body) const {
    const ser out;
    dh::go([me = *this, out, body] { body(me, out); });
    return out;
  }
  template <class F>
  ser map(ser u, F f) const {
    return start([u, f](const calculator& me, const ser& out) {
      for (int n = 0;; ++n) {
        out.demand.recv(me.ctx_);
        me.put(out, f(n, me.next(u)));
      }
    });
  }
  // Asks both, takes the answers in whatever order they come.
  template <class F>
  ser zip(ser u, ser v, F f) const {
    return start([u, v, f](const calculator& me, const ser& out) {
      for (;;) {
        out.demand.recv(me.ctx_);
        auto to_u = u.demand;
        auto to_v = v.demand;
        dh::recv_chan<Item> from_u;
        dh::recv_chan<Item> from_v;
        std::optional<Item> a;
        std::optional<Item> b;
        while (!a || !b) {
          switch (dh::select(me.ctx_, dh::send(to_u), dh::send(to_v), dh::recv(from_u, a),
                             dh::recv(from_v, b))) {
            case 0:
              to_u = {};
              from_u = u.answer;
              break;
            case 1:
              to_v = {};
              from_v = v.answer;
              break;
            case 2: from_u = {}; break;
            case 3: from_v = {}; break;
          }
        }
        me.put(out, f(unwrap(*a), unwrap(*b)));
      }
    });
  }
  // The series s with s = f(s), whose first coefficient is known: it is what gets the loop going.
  template <class F>
  ser looped(F f, rational first) const {
    ser given;  // what f sees
    const auto sides = split(given);
    const ser made = f(sides[0]);
    dh::go([me = *this, made, given, first] {
      given.demand.recv(me.ctx_);
      me.put(given, first);
      if (me.next(made) != first) ADD_FAILURE() << "the loop starts with something else";
      me.copy(made, given);
    });
    return sides[1];
  }

  void serve_both(const ser& from, const std::array<ser, 2>& sides) const {
    std::array<std::deque<rational>, 2> kept;
    std::array<bool, 2> asked{};
    bool to_ask = false;   // the source is to be asked
    bool waiting = false;  // it was
    for (;;) {
      for (std::size_t i = 0; i < 2; ++i) {
        if (!asked[i]) continue;
        if (!kept[i].empty()) {
          put(sides[i], kept[i].front());
          kept[i].pop_front();
          asked[i] = false;
        } else if (!waiting) {
          to_ask = true;
        }
      }
      std::optional<Item> answer;
      const auto quiet = [&](std::size_t i) {
        return asked[i] ? dh::recv_chan<void>{} : dh::recv_chan<void>{sides[i].demand};
      };
      const auto demand = to_ask ? from.demand : dh::chan<void>{};
      const auto come = waiting ? dh::recv_chan<Item>{from.answer} : dh::recv_chan<Item>{};
      switch (dh::select(ctx_, dh::recv(quiet(0)), dh::recv(quiet(1)), dh::send(demand),
                         dh::recv(come, answer))) {
        case 0: asked[0] = true; break;
        case 1: asked[1] = true; break;
        case 2:
          to_ask = false;
          waiting = true;
          break;
        case 3:
          waiting = false;
          for (auto& queue : kept) queue.push_back(unwrap(answer.value()));
          break;
      }
    }
  }

  dh::context ctx_;
};

template <class Item>
class programs_power_series : public testing::Test {
 protected:
  using calc = calculator<Item>;
  using ser = series<Item>;
  using list = std::vector<rational>;

  // The first n coefficients of what f makes.
  template <class F>
  static list first(int n, F f) {
    auto [ctx, cancel] = dh::with_cancel({});
    const calc c{ctx};
    const ser s = f(c);
    list found;
    for (int i = 0; i < n; ++i) found.push_back(c.next(s));
    return found;
  }
  template <class F>
  static list formula(int n, F f) {
    list all;
    for (int i = 0; i < n; ++i) all.push_back(f(i));
    return all;
  }
  static rational inverse_factorial(int n) {
    rational r{1};
    for (int i = 2; i <= n; ++i) r = r / rational{i};
    return r;
  }
  static rational of_arctangent(int n) {
    return n % 2 == 0 ? rational{} : rational{n % 4 == 1 ? 1 : -1, n};
  }
  static constexpr int length = 10;
  // A product has a number of goroutines that grows with the square of the coefficients asked for.
  static constexpr int short_length = downhaul_test::sanitized ? 7 : 10;
};

using carriers = testing::Types<rational, std::any, std::unique_ptr<rational>>;
TYPED_TEST_SUITE(programs_power_series, carriers);

TYPED_TEST(programs_power_series, sum_and_difference_are_coefficient_by_coefficient) {
  const auto ones = [](int) { return rational{1}; };
  const auto naturals = [](int n) { return rational{n}; };
  EXPECT_EQ(this->first(10, [&](auto& c) { return c.sum(c.make(ones), c.make(naturals)); }),
            this->formula(10, [](int n) { return rational{n + 1}; }));
  EXPECT_EQ(this->first(10, [&](auto& c) { return c.difference(c.make(ones), c.make(naturals)); }),
            this->formula(10, [](int n) { return rational{1 - n}; }));
}

TYPED_TEST(programs_power_series, product_of_two_geometric_series_counts) {
  const auto ones = [](int) { return rational{1}; };
  EXPECT_EQ(this->first(this->short_length,
                        [&](auto& c) { return c.product(c.make(ones), c.make(ones)); }),
            this->formula(this->short_length, [](int n) { return rational{n + 1}; }));
}

TYPED_TEST(programs_power_series, derivative_undoes_the_integral) {
  const auto f = [](int n) { return rational{2 * n + 1, n + 3}; };
  EXPECT_EQ(this->first(10, [&](auto& c) { return c.derivative(c.make(f)); }),
            this->formula(10, [&](int n) { return rational{n + 1} * f(n + 1); }));
  EXPECT_EQ(
      this->first(10, [&](auto& c) { return c.integral(c.make(f), {7}); }),
      this->formula(10, [&](int n) { return n == 0 ? rational{7} : f(n - 1) / rational{n}; }));
  EXPECT_EQ(this->first(10, [&](auto& c) { return c.derivative(c.integral(c.make(f), {5})); }),
            this->formula(10, f));
}

TYPED_TEST(programs_power_series, split_gives_both_sides_everything_however_far_apart_they_are) {
  auto [ctx, cancel] = dh::with_cancel({});
  const calculator<TypeParam> c{ctx};
  const auto sides = c.split(c.make([](int n) { return rational{n}; }));
  for (int i = 0; i < 20; ++i) ASSERT_EQ(c.next(sides[0]), rational{i});
  for (int i = 0; i < 30; ++i) ASSERT_EQ(c.next(sides[1]), rational{i});
  for (int i = 20; i < 40; ++i) ASSERT_EQ(c.next(sides[0]), rational{i});
}

TYPED_TEST(programs_power_series, exponential_has_the_inverse_factorials) {
  EXPECT_EQ(this->first(this->short_length, [](auto& c) { return c.exponential(c.x()); }),
            this->formula(this->short_length, this->inverse_factorial));
}

// e^(x + x²) = e^x · e^(x²)
TYPED_TEST(programs_power_series, exponential_of_a_sum_is_the_product_of_the_exponentials) {
  const auto both = [](int n) { return rational{n == 1 || n == 2 ? 1 : 0}; };
  const auto square = [](int n) { return rational{n == 2 ? 1 : 0}; };
  const int n = this->short_length - 2;
  EXPECT_EQ(this->first(n, [&](auto& c) { return c.exponential(c.make(both)); }),
            this->first(n, [&](auto& c) {
              return c.product(c.exponential(c.x()), c.exponential(c.make(square)));
            }));
}

TYPED_TEST(programs_power_series, geometric_series_of_twice_x_has_the_powers_of_two) {
  EXPECT_EQ(
      this->first(this->short_length, [](auto& c) { return c.geometric(c.scaled({2}, c.x())); }),
      this->formula(this->short_length, [](int n) { return rational{std::int64_t{1} << n}; }));
}

TYPED_TEST(programs_power_series, arctangent_has_the_inverse_odd_numbers) {
  EXPECT_EQ(this->first(this->length, [](auto& c) { return c.arctangent(); }),
            this->formula(this->length, this->of_arctangent));
}

TYPED_TEST(programs_power_series, tangent_solves_its_own_differential_equation) {
  const std::vector<rational> known{{0},     {1}, {0},       {1, 3}, {0},
                                    {2, 15}, {0}, {17, 315}, {0},    {62, 2835}};
  const int n = this->short_length;
  EXPECT_EQ(this->first(n, [](auto& c) { return c.tangent(); }),
            std::vector<rational>(known.begin(), known.begin() + n));
}

TYPED_TEST(programs_power_series, tangent_of_the_arctangent_is_x) {
  const int n = downhaul_test::sanitized ? 4 : 6;
  EXPECT_EQ(this->first(n, [](auto& c) { return c.composed(c.tangent(), c.arctangent()); }),
            this->formula(n, [](int i) { return rational{i == 1 ? 1 : 0}; }));
}

// A product alone is hundreds of goroutines; one cancel ends them all.
TYPED_TEST(programs_power_series, one_cancel_ends_hundreds_of_goroutines) {
  const std::size_t before = dh::count_goroutines();
  {
    auto [ctx, cancel] = dh::with_cancel({});
    const calculator<TypeParam> c{ctx};
    const auto ones = [](int) { return rational{1}; };
    const auto s = c.product(c.product(c.make(ones), c.make(ones)), c.make(ones));
    for (int i = 0; i < 30; ++i) EXPECT_EQ(c.next(s), rational((i + 1) * (i + 2) / 2));
    EXPECT_GT(dh::count_goroutines(), before + 100);
  }
  downhaul_test::wait_until([&] { return dh::count_goroutines() <= before; });
}

TEST(programs_power_series_workers, tangent_on_one_and_on_four_workers) {
  for (const int workers : {1, 4}) {
    dh::runtime on{dh::runtime_options{.workers = workers}};
    on.run([] {
      auto [ctx, cancel] = dh::with_cancel({});
      const calculator<rational> c{ctx};
      const auto t = c.tangent();
      const std::vector<rational> known{{0}, {1}, {0}, {1, 3}, {0}, {2, 15}, {0}};
      for (const rational& k : known) EXPECT_EQ(c.next(t), k);
    });
    downhaul_test::wait_until([&] { return on.goroutines() == 0; });
  }
}

}  // namespace
