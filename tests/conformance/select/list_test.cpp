// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// SEL-060 to SEL-063: select over a list made at run time.

#include <gmock/gmock.h>

#include <concepts>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "conformance/chan/forms.hpp"
#include "downhaul/chan.hpp"
#include "downhaul/runtime.hpp"
#include "downhaul/select.hpp"
#include "support/crew.hpp"

namespace dh = downhaul;
using downhaul::impl::wait_reason;
using downhaul_test::crew;
using downhaul_test::misuse_of;
using downhaul_test::place;
using downhaul_test::waits_for_ever;

namespace {

enum class entry {
  recv_ready,
  recv_blocking,
  recv_closed,
  recv_nil,
  send_ready,
  send_blocking,
  send_closed,
  send_nil,
  otherwise,
};
constexpr int kinds = 9;
constexpr int untouched = -1;

/// A list of such entries, each on a channel of its own, and what must come of a select over it.
class mix {
 public:
  explicit mix(const std::vector<entry>& entries) : entries_{entries}, got_(entries.size()) {
    for (std::size_t i = 0; i < entries_.size(); ++i) {
      const int at = static_cast<int>(i);
      got_[i] = untouched;
      channels_.push_back(dh::make_chan<int>(1));
      const dh::chan<int>& ch = channels_.back();
      switch (entries_[i]) {
        case entry::recv_ready: ch.send(100 + at); break;
        case entry::send_blocking: ch.send(0); break;
        case entry::recv_closed:
        case entry::send_closed: ch.close(); break;
        case entry::recv_nil:
        case entry::send_nil: channels_.back() = {}; break;
        case entry::otherwise: otherwise_ = at; break;
        case entry::recv_blocking:
        case entry::send_ready: break;
      }
    }
    // Last, for a case may borrow its channel.
    for (std::size_t i = 0; i < entries_.size(); ++i) {
      if (entries_[i] == entry::otherwise) {
        cases_.emplace_back(dh::otherwise);
      } else if (entries_[i] < entry::send_ready) {
        cases_.emplace_back(dh::recv(channels_[i], got_[i]));
      } else {
        cases_.emplace_back(dh::send(channels_[i], 200 + static_cast<int>(i)));
      }
    }
  }

  bool ready(std::size_t i) const {
    const entry e = entries_[i];
    return e == entry::recv_ready || e == entry::recv_closed || e == entry::send_ready ||
           e == entry::send_closed;
  }
  bool any_ready() const {
    for (std::size_t i = 0; i < entries_.size(); ++i) {
      if (ready(i)) return true;
    }
    return false;
  }
  bool has_otherwise() const { return otherwise_ >= 0; }

  /// Selects, with nothing to wait for, and checks what happened.
  void select_at_once() {
    int fired = untouched;
    const std::string thrown = misuse_of([&] { fired = dh::select(cases_); });
    if (thrown != "no misuse") {
      ASSERT_EQ(thrown, "send on closed channel");
      ASSERT_THAT(entries_, testing::Contains(entry::send_closed));
    } else if (!any_ready()) {
      ASSERT_EQ(fired, otherwise_);
    } else {
      ASSERT_GE(fired, 0);
      ASSERT_TRUE(ready(static_cast<std::size_t>(fired)));
      ASSERT_NE(entries_[static_cast<std::size_t>(fired)], entry::send_closed);
    }
    expect_only(fired);
  }

  /// Waits, and is woken by what makes entry `which` possible.
  void select_and_wake(std::size_t which) {
    int fired = untouched;
    crew c{place::goroutines};
    c.start([&] { fired = dh::select(cases_); });
    c.wait_until_parked(0, wait_reason::select);
    if (entries_[which] == entry::recv_blocking) {
      channels_[which].send(100 + static_cast<int>(which));
    } else {
      ASSERT_EQ(channels_[which].recv(), 0);
    }
    c.join();
    ASSERT_EQ(fired, static_cast<int>(which));
    const bool received = entries_[which] == entry::recv_blocking;
    entries_[which] = received ? entry::recv_ready : entry::send_ready;  // as if it had been
    expect_only(fired);
  }

  const std::vector<entry>& entries() const { return entries_; }

 private:
  // The case that fired took effect, and no other did.
  void expect_only(int fired) {
    for (std::size_t i = 0; i < entries_.size(); ++i) {
      const bool won = static_cast<int>(i) == fired;
      switch (entries_[i]) {
        case entry::recv_ready:
          ASSERT_EQ(got_[i], won ? 100 + fired : untouched);
          ASSERT_EQ(channels_[i].size(), won ? 0 : 1);
          break;
        case entry::recv_closed:
          ASSERT_EQ(got_[i], won ? std::nullopt : std::optional{untouched});
          break;
        case entry::send_ready:
          ASSERT_EQ(channels_[i].size(), won ? 1 : 0);
          if (won) {
            ASSERT_EQ(channels_[i].recv(), 200 + fired);
          }
          break;
        case entry::send_blocking: ASSERT_EQ(channels_[i].recv(), 0); break;
        default: ASSERT_EQ(got_[i], untouched); break;
      }
    }
  }

  std::vector<entry> entries_;
  std::vector<dh::chan<int>> channels_;
  std::vector<std::optional<int>> got_;
  std::vector<dh::select_case> cases_;
  int otherwise_ = untouched;
};

/// Every list of `length` entries with at most one otherwise.
std::vector<std::vector<entry>> all_lists(int length) {
  std::vector<std::vector<entry>> all;
  int count = 1;
  for (int i = 0; i < length; ++i) count *= kinds;
  for (int number = 0; number < count; ++number) {
    std::vector<entry> list;
    for (int rest = number, i = 0; i < length; ++i, rest /= kinds) {
      list.push_back(static_cast<entry>(rest % kinds));
    }
    if (std::count(list.begin(), list.end(), entry::otherwise) < 2) all.push_back(list);
  }
  return all;
}

std::string text_of(const std::vector<entry>& list) {
  std::string text = "entries";
  for (const entry e : list) text += ' ' + std::to_string(static_cast<int>(e));
  return text;
}

TEST(SEL_060, every_mix_of_entries_fires_what_can_fire_and_nothing_else) {
  for (int length = 1; length <= 4; ++length) {
    for (const auto& list : all_lists(length)) {
      mix m{list};
      if (!m.any_ready() && !m.has_otherwise()) continue;
      m.select_at_once();
      ASSERT_FALSE(HasFailure()) << text_of(list);
    }
  }
}

TEST(SEL_060, every_mix_that_cannot_go_on_waits_for_any_of_its_entries) {
  for (int length = 1; length <= 3; ++length) {
    for (const auto& list : all_lists(length)) {
      const mix probe{list};
      if (probe.any_ready() || probe.has_otherwise()) continue;
      for (std::size_t which = 0; which < list.size(); ++which) {
        if (list[which] == entry::recv_nil || list[which] == entry::send_nil) continue;
        mix m{list};
        m.select_and_wake(which);
        ASSERT_FALSE(HasFailure()) << text_of(list) << ", woken by " << which;
      }
    }
  }
}

// Lengths on both sides of what is kept on the stack.
TEST(SEL_060, long_lists_do_the_same) {
  for (const std::size_t length : {15U, 16U, 17U, 18U, 64U}) {
    for (std::size_t which = 0; which < length; ++which) {
      std::vector<entry> list(length, entry::recv_nil);
      for (std::size_t i = 0; i < length; i += 2) list[i] = entry::recv_blocking;
      list[which] = entry::send_blocking;
      mix m{list};
      m.select_and_wake(which);
      ASSERT_FALSE(HasFailure()) << length << ", woken by " << which;
      list[which] = entry::send_ready;
      mix at_once{list};
      at_once.select_at_once();
      ASSERT_FALSE(HasFailure()) << length << ", ready: " << which;
    }
  }
}

TEST(SEL_061, takes_65536_cases_and_refuses_more) {
  constexpr std::size_t most = 65'536;
  std::vector<dh::chan<int>> channels;
  std::vector<dh::select_case> cases;
  channels.reserve(most + 1);
  for (std::size_t i = 0; i < most; ++i) {
    channels.push_back(dh::make_chan<int>());
    channels.back().close();
    cases.emplace_back(dh::recv(channels.back()));
  }
  for (int i = 0; i < 20; ++i) {
    const int fired = dh::select(cases);
    ASSERT_GE(fired, 0);
    ASSERT_LT(fired, static_cast<int>(most));
  }
  constexpr const char* text = "reflect.Select: too many cases (max 65536)";
  cases.emplace_back(dh::otherwise);
  EXPECT_EQ(misuse_of([&] { dh::select(cases); }), text);
  cases.back() = dh::recv(channels.front());
  EXPECT_EQ(misuse_of([&] { dh::select(cases); }), text);
  cases.pop_back();
  EXPECT_EQ(misuse_of([&] { dh::select(cases); }), "no misuse");
}

TEST(SEL_061, waits_on_65536_cases) {
  constexpr std::size_t most = 65'536;
  std::vector<dh::chan<void>> channels(most);
  std::vector<dh::select_case> cases;
  for (auto& ch : channels) {
    ch = dh::make_chan<void>();
    cases.emplace_back(dh::recv(ch));
  }
  for (const std::size_t which : {std::size_t{0}, most / 2, most - 1}) {
    int fired = untouched;
    crew c{place::goroutines};
    c.start([&] { fired = dh::select(cases); });
    c.wait_until_parked(0, wait_reason::select);
    channels[which].send();
    c.join();
    EXPECT_EQ(fired, static_cast<int>(which));
  }
}

template <class H, class V>
concept can_send_value = requires(const H& h, V v) { dh::send(h, v); };
template <class H>
concept can_send_nothing = requires(const H& h) { dh::send(h); };
template <class H, class V>
concept can_recv_into = requires(const H& h, V& v) { dh::recv(h, v); };
template <class H>
concept can_recv = requires(const H& h) { dh::recv(h); };

TEST(SEL_062, what_is_malformed_does_not_compile_or_throws) {
  std::vector<dh::select_case> cases;
  cases.emplace_back(dh::otherwise);
  cases.emplace_back(dh::recv(dh::make_chan<int>()));
  cases.emplace_back(dh::otherwise);
  EXPECT_EQ(misuse_of([&] { dh::select(cases); }), "reflect.Select: multiple default cases");
  // Whatever is ready: a malformed list does nothing.
  auto ready = dh::make_chan<int>(1);
  ready.send(1);
  cases[1] = dh::recv(ready);
  EXPECT_EQ(misuse_of([&] { dh::select(cases); }), "reflect.Select: multiple default cases");
  EXPECT_EQ(ready.size(), 1);

  // An otherwise with a channel or a value: it is no function, and nothing else makes one.
  static_assert(!std::invocable<decltype(dh::otherwise), dh::chan<int>>);
  static_assert(!std::invocable<decltype(dh::otherwise), int>);
  static_assert(!std::is_constructible_v<dh::select_case, dh::chan<int>>);
  static_assert(!std::is_default_constructible_v<dh::select_case>, "a case is of some kind");
  // A send has a value of the right kind, and none for void.
  static_assert(can_send_value<dh::chan<int>, int> && !can_send_nothing<dh::chan<int>>);
  static_assert(can_send_nothing<dh::chan<void>> && !can_send_value<dh::chan<void>, int>);
  static_assert(!can_send_value<dh::chan<int>, std::string>);
  // A receive has no value to give, only a place.
  static_assert(can_recv_into<dh::chan<int>, std::optional<int>>);
  static_assert(!can_recv_into<dh::chan<int>, const int> && !can_recv_into<dh::chan<int>, int>);
  // Each in its direction, and on channels only.
  static_assert(can_recv<dh::recv_chan<int>> && !can_recv<dh::send_chan<int>>);
  static_assert(can_send_value<dh::send_chan<int>, int>);
  static_assert(!can_send_value<dh::recv_chan<int>, int>);
  static_assert(!can_recv<int> && !can_send_value<int, int>);
}

TEST(SEL_063, an_empty_list_waits_for_ever) {
  const auto empty_span = [] { dh::select(std::span<dh::select_case>{}); };
  const auto empty_vector = [] {
    std::vector<dh::select_case> none;
    dh::select(none);
  };
  EXPECT_DEATH(dh::run(empty_span), waits_for_ever("select (no cases)"));
  EXPECT_DEATH(dh::run(empty_vector), waits_for_ever("select (no cases)"));
}

}  // namespace
