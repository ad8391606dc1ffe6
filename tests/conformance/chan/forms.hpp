// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// The ways to write one operation on a channel, and what may come of it. The list demands that all
// forms do the same.
#pragma once

#include <gmock/gmock.h>

#include <optional>
#include <ostream>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include "downhaul/chan.hpp"
#include "downhaul/error.hpp"
#include "downhaul/select.hpp"
#include "support/crew.hpp"

namespace downhaul_test {

/// Plain; a select of this case alone; a select with another case that is never ready.
enum class form { plain, one_case, two_cases };
inline constexpr form all_forms[] = {form::plain, form::one_case, form::two_cases};

inline std::ostream& operator<<(std::ostream& out, form f) {
  return out << (f == form::plain ? "plain" : f == form::one_case ? "one case" : "two cases");
}

template <class T>
void send_by(form how, const downhaul::chan<T>& ch, T value) {
  switch (how) {
    case form::plain: ch.send(std::move(value)); break;
    case form::one_case: downhaul::select(downhaul::send(ch, std::move(value))); break;
    case form::two_cases: {
      const auto never = downhaul::make_chan<int>();
      downhaul::select(downhaul::recv(never), downhaul::send(ch, std::move(value)));
    }
  }
}

template <class T>
std::optional<T> recv_by(form how, const downhaul::chan<T>& ch) {
  std::optional<T> got;
  switch (how) {
    case form::plain: got = ch.recv(); break;
    case form::one_case: downhaul::select(downhaul::recv(ch, got)); break;
    case form::two_cases: {
      const auto never = downhaul::make_chan<int>();
      downhaul::select(downhaul::recv(never), downhaul::recv(ch, got));
    }
  }
  return got;
}

/// Receives and throws the value away.
template <class T>
void discard_by(form how, const downhaul::chan<T>& ch) {
  switch (how) {
    case form::plain: static_cast<void>(ch.recv()); break;
    case form::one_case: downhaul::select(downhaul::recv(ch)); break;
    case form::two_cases: {
      const auto never = downhaul::make_chan<int>();
      downhaul::select(downhaul::recv(never), downhaul::recv(ch));
    }
  }
}

template <class T>
bool try_send_by(form how, const downhaul::chan<T>& ch, T value) {
  switch (how) {
    case form::plain: return ch.try_send(std::move(value));
    case form::one_case:
      return downhaul::select(downhaul::send(ch, std::move(value)), downhaul::otherwise) == 0;
    case form::two_cases: break;
  }
  const auto never = downhaul::make_chan<int>();
  return downhaul::select(downhaul::recv(never), downhaul::send(ch, std::move(value)),
                          downhaul::otherwise) == 1;
}

/// What a receive that does not wait found.
template <class T>
struct found {
  bool possible = false;
  std::optional<T> value{};  // possible and empty: closed

  friend bool operator==(const found&, const found&) = default;
  friend std::ostream& operator<<(std::ostream& out, const found& f) {
    if (!f.possible) return out << "not possible";
    return f.value ? out << "a value" : out << "closed";
  }
};

template <class T>
found<T> try_recv_by(form how, const downhaul::chan<T>& ch) {
  found<T> f;
  if (how == form::plain) {
    std::error_code ec;
    f.value = ch.try_recv(ec);
    f.possible = ec != std::errc::operation_would_block;
  } else if (how == form::one_case) {
    f.possible = downhaul::select(downhaul::recv(ch, f.value), downhaul::otherwise) == 0;
  } else {
    const auto never = downhaul::make_chan<int>();
    f.possible = downhaul::select(downhaul::recv(never), downhaul::recv(ch, f.value),
                                  downhaul::otherwise) == 1;
  }
  return f;
}

/// What a task in that operation waits for.
inline constexpr downhaul::impl::wait_reason parked_send(form how) {
  using downhaul::impl::wait_reason;
  return how == form::plain ? wait_reason::chan_send : wait_reason::select;
}
inline constexpr downhaul::impl::wait_reason parked_recv(form how) {
  using downhaul::impl::wait_reason;
  return how == form::plain ? wait_reason::chan_receive : wait_reason::select;
}

/// The text of the misuse that f throws, or "no misuse".
template <class F>
std::string misuse_of(F f) {
  try {
    f();
  } catch (const downhaul::misuse& e) {
    return e.what();
  }
  return "no misuse";
}

/// EXPECT_DEATH(downhaul::run(main), waits_for_ever("chan send (nil chan)")): the scheduler has
/// found that nothing can wake main, which waits for that reason. This alone proves "for ever".
inline testing::Matcher<const std::string&> waits_for_ever(std::string_view reason) {
  // The library's threads run: a child that is only forked would not have them.
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  using testing::HasSubstr;
  return testing::AllOf(HasSubstr("fatal error: all goroutines are asleep - deadlock!"),
                        HasSubstr("\"main\" [" + std::string{reason}));
}

}  // namespace downhaul_test
