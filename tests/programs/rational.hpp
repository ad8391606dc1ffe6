// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// programs/rational.hpp — exact fractions, for programs that check themselves.
//
// Idea       always in lowest terms, the denominator positive; equality is equality of both parts.
// Ownership  values.
// Threads    values.
// Cost       a gcd an operation. Overflow of 64 bits is a test's own fault and aborts it.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <numeric>
#include <ostream>

namespace downhaul_test {

class rational {
 public:
  rational(std::int64_t num = 0, std::int64_t den = 1) : num_{num}, den_{den} {
    const std::int64_t common = std::gcd(num_, den_);
    if (common == 0) std::abort();
    num_ /= den_ < 0 ? -common : common;
    den_ /= den_ < 0 ? -common : common;
  }
  friend rational operator+(const rational& a, const rational& b) {
    const std::int64_t common = std::gcd(a.den_, b.den_);
    return {sum(times(a.num_, b.den_ / common), times(b.num_, a.den_ / common)),
            times(a.den_, b.den_ / common)};
  }
  friend rational operator-(const rational& a) { return {-a.num_, a.den_}; }
  friend rational operator-(const rational& a, const rational& b) { return a + -b; }
  friend rational operator*(const rational& a, const rational& b) {
    // Crosswise first, so that the products stay small.
    const rational x{a.num_, b.den_};
    const rational y{b.num_, a.den_};
    return {times(x.num_, y.num_), times(x.den_, y.den_)};
  }
  friend rational operator/(const rational& a, const rational& b) {
    return a * rational{b.den_, b.num_};
  }
  friend bool operator==(const rational&, const rational&) = default;
  friend std::ostream& operator<<(std::ostream& out, const rational& r) {
    return out << r.num_ << '/' << r.den_;
  }

 private:
  static std::int64_t times(std::int64_t a, std::int64_t b) {
    std::int64_t product = 0;
    if (__builtin_mul_overflow(a, b, &product)) std::abort();
    return product;
  }
  static std::int64_t sum(std::int64_t a, std::int64_t b) {
    std::int64_t total = 0;
    if (__builtin_add_overflow(a, b, &total)) std::abort();
    return total;
  }

  std::int64_t num_;
  std::int64_t den_;
};

}  // namespace downhaul_test
