// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// What a channel may carry, and that each element is destroyed once, whatever happens to it.

#include <gmock/gmock.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "downhaul/chan.hpp"
#include "downhaul/select.hpp"
#include "support/crew.hpp"
#include "wait/wait_reason.hpp"

namespace dh = downhaul;
using downhaul::impl::wait_reason;
using downhaul_test::all_places;
using downhaul_test::crew;
using downhaul_test::place;
using testing::ElementsAre;

namespace {

// Counts its live objects, and holds a value of which a move leaves none.
template <class Tag>
struct counted {
  static inline std::atomic<int> live{0};
  int value;

  explicit counted(int v) : value{v} { ++live; }
  counted(const counted& other) : value{other.value} { ++live; }
  counted(counted&& other) noexcept : value{std::exchange(other.value, -1)} { ++live; }
  counted& operator=(const counted& other) = default;
  counted& operator=(counted&& other) noexcept {
    value = std::exchange(other.value, -1);
    return *this;
  }
  ~counted() { --live; }
};

struct small_tag {};
using small = counted<small_tag>;

struct large_tag {};
struct large : counted<large_tag> {
  using counted<large_tag>::counted;
  std::array<std::byte, 300> bulk{};
};

struct move_only {
  std::unique_ptr<int> held;
  explicit move_only(int v) : held{std::make_unique<int>(v)} {}
  int value() const { return held ? *held : -1; }
};

struct aligned_tag {};
struct alignas(128) over_aligned : counted<aligned_tag> {
  using counted<aligned_tag>::counted;
  over_aligned(const over_aligned& o) : counted<aligned_tag>{o} { check(); }
  over_aligned(over_aligned&& o) noexcept : counted<aligned_tag>{std::move(o)} { check(); }
  over_aligned& operator=(over_aligned&&) noexcept = default;
  void check() const { EXPECT_EQ(reinterpret_cast<std::uintptr_t>(this) % 128, 0U); }
};

struct big_aligned_tag {};
struct alignas(512) boxed_and_aligned : counted<big_aligned_tag> {
  using counted<big_aligned_tag>::counted;
  boxed_and_aligned(const boxed_and_aligned& o) : counted<big_aligned_tag>{o} { check(); }
  boxed_and_aligned(boxed_and_aligned&& o) noexcept : counted<big_aligned_tag>{std::move(o)} {
    check();
  }
  boxed_and_aligned& operator=(boxed_and_aligned&&) noexcept = default;
  void check() const { EXPECT_EQ(reinterpret_cast<std::uintptr_t>(this) % 512, 0U); }
};

// No assignment at all, and a move that copies.
struct constant {
  const int value;
};
struct large_constant {
  const int value;
  const std::array<int, 100> bulk{};
};

template <class T>
int value_of(const T& element) {
  if constexpr (requires { element.value(); }) {
    return element.value();
  } else {
    return element.value;
  }
}

template <class T>
class every_element : public testing::Test {};
using elements = testing::Types<small, large, move_only, over_aligned, boxed_and_aligned, constant,
                                large_constant>;
TYPED_TEST_SUITE(every_element, elements);

TYPED_TEST(every_element, passes_through_places_in_order) {
  auto ch = dh::make_chan<TypeParam>(3);
  for (int i = 0; i < 3; ++i) ch.send(TypeParam{i});
  EXPECT_EQ(value_of(*ch.recv()), 0);
  ch.send(TypeParam{3});
  ch.close();
  std::vector<int> seen;
  for (auto& v : ch) seen.push_back(value_of(v));
  EXPECT_THAT(seen, ElementsAre(1, 2, 3));
}

TYPED_TEST(every_element, is_handed_over_to_whoever_waits) {
  for (const place where : all_places) {
    for (const bool by_select : {false, true}) {
      SCOPED_TRACE(testing::Message() << where << " by select: " << by_select);
      auto ch = dh::make_chan<TypeParam>();
      crew c{where};
      std::vector<int> got;
      c.start([&] {
        for (int i = 0; i < 2; ++i) {
          std::optional<TypeParam> v;
          if (by_select) {
            dh::select(dh::recv(ch, v));
          } else {
            auto taken = ch.recv();
            if (taken) v.emplace(std::move(*taken));
          }
          got.push_back(value_of(*v));
        }
      });
      const auto parked = by_select ? wait_reason::select : wait_reason::chan_receive;
      c.wait_until_parked(0, parked);
      ch.send(TypeParam{7});
      c.wait_until_parked(0, parked);
      TypeParam object{8};
      EXPECT_TRUE(ch.try_send(std::move(object)));
      c.join();
      EXPECT_THAT(got, ElementsAre(7, 8));
    }
  }
}

TYPED_TEST(every_element, is_taken_from_whoever_waits_to_send_it) {
  for (const place where : all_places) {
    for (const bool by_select : {false, true}) {
      SCOPED_TRACE(testing::Message() << where << " by select: " << by_select);
      auto ch = dh::make_chan<TypeParam>();
      crew c{where};
      c.start([&] {
        TypeParam object{9};
        if (by_select) {
          dh::select(dh::send(ch, std::move(object)));
        } else {
          ch.send(std::move(object));
        }
      });
      c.wait_until_parked(0, by_select ? wait_reason::select : wait_reason::chan_send);
      const auto v = ch.try_recv();
      ASSERT_TRUE(v);
      EXPECT_EQ(value_of(*v), 9);
    }
  }
}

TYPED_TEST(every_element, stays_with_its_owner_when_it_is_not_taken) {
  auto full = dh::make_chan<TypeParam>(1);
  full.send(TypeParam{0});
  TypeParam mine{5};
  EXPECT_FALSE(full.try_send(std::move(mine)));
  EXPECT_EQ(value_of(mine), 5);
  EXPECT_EQ(dh::select(dh::send(full, std::move(mine)), dh::otherwise), 1);
  EXPECT_EQ(value_of(mine), 5);
  std::optional<TypeParam> other;
  EXPECT_EQ(dh::select(dh::send(dh::chan<TypeParam>{}, std::move(mine)), dh::recv(full, other)), 1);
  EXPECT_EQ(value_of(mine), 5);
  EXPECT_EQ(value_of(*other), 0);
}

TYPED_TEST(every_element, stays_with_its_owner_when_the_channel_is_closed) {
  auto ch = dh::make_chan<TypeParam>(1);
  ch.close();
  TypeParam mine{5};
  EXPECT_THROW(ch.send(std::move(mine)), dh::misuse);
  EXPECT_EQ(value_of(mine), 5);
  EXPECT_THROW(static_cast<void>(ch.try_send(std::move(mine))), dh::misuse);
  EXPECT_EQ(value_of(mine), 5);
  EXPECT_THROW(dh::select(dh::send(ch, std::move(mine))), dh::misuse);
  EXPECT_EQ(value_of(mine), 5);
}

TYPED_TEST(every_element, stays_with_its_owner_when_another_send_finds_its_channel_closed) {
  auto closed = dh::make_chan<int>(1);
  closed.close();
  auto full = dh::make_chan<TypeParam>();
  TypeParam mine{6};
  EXPECT_THROW(dh::select(dh::send(closed, 1), dh::send(full, std::move(mine))), dh::misuse);
  EXPECT_EQ(value_of(mine), 6);
}

TYPED_TEST(every_element, is_destroyed_with_the_last_handle) {
  auto ch = dh::make_chan<TypeParam>(4);
  for (int i = 0; i < 3; ++i) ch.send(TypeParam{i});
  static_cast<void>(ch.recv());  // so that what is left does not begin at the first place
  ch.send(TypeParam{3});
  ch.send(TypeParam{4});
  dh::recv_chan<TypeParam> view = ch;
  ch = {};
  EXPECT_EQ(value_of(*view.recv()), 1);
}

TYPED_TEST(every_element, goes_through_a_list_of_cases) {
  auto ch = dh::make_chan<TypeParam>(1);
  std::optional<TypeParam> got;
  std::vector<dh::select_case> cases;
  cases.push_back(dh::send(ch, TypeParam{1}));
  cases.push_back(dh::recv(ch, got));
  EXPECT_EQ(dh::select(cases), 0);
  EXPECT_EQ(dh::select(cases), 1);
  EXPECT_EQ(value_of(*got), 1);
}

TEST(chan_elements, leave_no_object_behind) {
  // The tests above are done; whatever they made is gone.
  EXPECT_EQ(counted<small_tag>::live, 0);
  EXPECT_EQ(counted<large_tag>::live, 0);
  EXPECT_EQ(counted<aligned_tag>::live, 0);
  EXPECT_EQ(counted<big_aligned_tag>::live, 0);
}

TEST(chan_elements, empty_a_slot_as_soon_as_it_is_received) {
  auto ch = dh::make_chan<small>(2);
  ch.send(small{1});
  {
    const auto v = ch.recv();
    EXPECT_EQ(small::live, 1);
  }
  EXPECT_EQ(small::live, 0);
}

TEST(chan_elements, of_no_size_are_counted) {
  struct empty {};
  auto ch = dh::make_chan<empty>(3);
  ch.send({});
  ch.send(empty{});
  EXPECT_EQ(ch.size(), 2);
  EXPECT_EQ(ch.capacity(), 3);
  EXPECT_TRUE(ch.recv());
  EXPECT_TRUE(ch.try_recv());
  EXPECT_FALSE(ch.try_recv());
  auto huge = dh::make_chan<empty>(PTRDIFF_MAX);  // nothing is stored
  huge.send({});
  EXPECT_EQ(huge.size(), 1);
}

TEST(chan_elements, may_be_a_megabyte) {
  struct megabyte {
    std::array<std::uint8_t, 1 << 20> bytes;
  };
  auto sample = std::make_unique<megabyte>();
  for (std::size_t i = 0; i < sample->bytes.size(); ++i) {
    sample->bytes[i] = static_cast<std::uint8_t>(i * 31);
  }
  for (const std::ptrdiff_t capacity : {0, 2}) {
    auto ch = dh::make_chan<std::unique_ptr<megabyte>>(capacity);
    auto whole = dh::make_chan<megabyte>(capacity);
    crew c;
    c.start([&] { whole.send(*sample); });
    std::unique_ptr<std::optional<megabyte>> got{new std::optional<megabyte>{whole.recv()}};
    EXPECT_EQ((*got)->bytes, sample->bytes);
  }
}

TEST(chan_elements, may_be_channels_functions_and_variants) {
  auto channels = dh::make_chan<dh::chan<int>>(1);
  channels.send(dh::make_chan<int>(1));
  auto inner = *channels.recv();
  inner.send(4);
  channels.send(inner);
  EXPECT_EQ(channels.recv()->recv(), 4);

  auto functions = dh::make_chan<std::function<int()>>(1);
  functions.send([] { return 5; });
  EXPECT_EQ((*functions.recv())(), 5);

  using either = std::variant<int, std::string>;
  auto variants = dh::make_chan<either>(1);
  variants.send("six");
  EXPECT_EQ(variants.recv(), either{"six"});

  auto optionals = dh::make_chan<std::optional<int>>(2);
  optionals.send(std::nullopt);
  optionals.send(7);
  std::optional<std::optional<int>> got;
  dh::select(dh::recv(optionals, got));
  EXPECT_TRUE(got && !*got);
  dh::select(dh::recv(optionals, got));
  EXPECT_EQ(**got, 7);
}

TEST(chan_elements, may_hide_their_address) {
  struct hidden {
    int value;
    explicit hidden(int v) : value{v} {}
    hidden(hidden&& other) noexcept : value{std::exchange(other.value, -1)} {}
    hidden* operator&() = delete;  // NOLINT(google-runtime-operator): some smart pointers do worse
  };
  auto ch = dh::make_chan<hidden>(2);
  ch.send(hidden{1});
  dh::select(dh::send(ch, hidden{2}));
  EXPECT_EQ(ch.recv()->value, 1);
  std::optional<hidden> got;
  dh::select(dh::recv(ch, got));
  EXPECT_EQ(got->value, 2);
}

TEST(chan_elements, may_carry_their_own_channel) {
  struct request {
    int question = 0;
    dh::chan<request> reply;
  };
  auto requests = dh::make_chan<request>(1);
  auto replies = dh::make_chan<request>(1);
  requests.send({20, replies});
  auto r = *requests.recv();
  r.reply.send({r.question + 1, {}});
  EXPECT_EQ(replies.recv()->question, 21);
}

TEST(chan_elements, are_copied_once_from_an_lvalue_and_never_from_an_rvalue) {
  struct copies {
    int made = 0;
    copies() = default;
    copies(const copies& o) : made{o.made + 1} {}
    copies(copies&&) noexcept = default;
    copies& operator=(copies&&) noexcept = default;
  };
  auto ch = dh::make_chan<copies>(2);
  const copies v;
  ch.send(v);
  dh::select(dh::send(ch, v));
  EXPECT_EQ(ch.recv()->made, 1);
  EXPECT_EQ(ch.recv()->made, 1);
  ch.send(copies{});
  dh::select(dh::send(ch, copies{}));
  EXPECT_EQ(ch.recv()->made, 0);
  EXPECT_EQ(ch.recv()->made, 0);
}

TEST(chan_elements, that_use_the_library_when_they_die_do_so_outside_its_locks) {
  struct user {
    dh::chan<int> log;
    explicit user(dh::chan<int> l) : log{std::move(l)} {}
    user(user&&) noexcept = default;
    ~user() {
      if (log) static_cast<void>(log.try_send(1));
    }
  };
  auto log = dh::make_chan<int>(10);
  {
    auto ch = dh::make_chan<user>(3);
    ch.send(user{log});
    ch.send(user{log});
    {
      const auto v = ch.recv();
    }
    EXPECT_EQ(log.size(), 1);
  }
  EXPECT_EQ(log.size(), 2);
}

}  // namespace
