// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// What each end of a channel can do, and what does not compile: the whole matrix. The messages are
// looked at in tests/compile_fail/chan.cpp.

#include <gmock/gmock.h>

#include <concepts>

#include "downhaul/downhaul.hpp"

namespace dh = downhaul;

namespace {

template <class H>
concept sends = requires(const H& h) { h.send(1); };
template <class H>
concept tries_to_send = requires(const H& h) { h.try_send(1); };
template <class H>
concept receives = requires(const H& h) { h.recv(); };
template <class H>
concept tries_to_receive = requires(const H& h) { h.try_recv(); };
template <class H>
concept closes = requires(const H& h) { h.close(); };
template <class H>
concept ranges = requires(const H& h) {
  h.begin();
  h.end();
};
template <class H>
concept selects_send = requires(const H& h) { dh::select(dh::send(h, 1)); };
template <class H>
concept selects_receive = requires(const H& h) { dh::select(dh::recv(h)); };
template <class H>
concept cancellable_receive = requires(const H& h, dh::context ctx) { h.recv(ctx); };
template <class H>
concept cancellable_send = requires(const H& h, dh::context ctx) { h.send(ctx, 1); };

template <class H>
concept has_a_sending_end =
    sends<H> && tries_to_send<H> && closes<H> && selects_send<H> && cancellable_send<H>;
template <class H>
concept has_no_sending_end =
    !sends<H> && !tries_to_send<H> && !closes<H> && !selects_send<H> && !cancellable_send<H>;
template <class H>
concept has_a_receiving_end =
    receives<H> && tries_to_receive<H> && ranges<H> && selects_receive<H> && cancellable_receive<H>;
template <class H>
concept has_no_receiving_end = !receives<H> && !tries_to_receive<H> && !ranges<H> &&
                               !selects_receive<H> && !cancellable_receive<H>;

using both = dh::chan<int>;
using out = dh::send_chan<int>;
using in = dh::recv_chan<int>;

TEST(programs_perm, an_end_has_its_own_operations_and_none_of_the_other) {
  static_assert(has_a_sending_end<both> && has_a_receiving_end<both>);
  static_assert(has_a_sending_end<out> && has_no_receiving_end<out>);
  static_assert(has_no_sending_end<in> && has_a_receiving_end<in>);
  static_assert(has_no_sending_end<int> && has_no_receiving_end<int>);
  // What a timer and a context hand out can only be received from.
  static_assert(
      std::same_as<std::decay_t<decltype(dh::timer{}.chan())>, dh::recv_chan<dh::time_point>>);
  static_assert(std::same_as<decltype(dh::context{}.done()), dh::recv_chan<void>>);
  SUCCEED();
}

TEST(programs_perm, only_the_whole_channel_converts_and_only_to_an_end) {
  static_assert(std::convertible_to<both, out> && std::convertible_to<both, in>);
  static_assert(!std::constructible_from<both, out> && !std::constructible_from<both, in>);
  static_assert(!std::constructible_from<in, out> && !std::constructible_from<out, in>);
  static_assert(!std::assignable_from<both&, in> && !std::assignable_from<both&, out>);
  // Other elements are another channel.
  static_assert(!std::constructible_from<dh::chan<long>, both>);
  static_assert(!std::constructible_from<dh::recv_chan<long>, both>);
  static_assert(!std::constructible_from<dh::send_chan<void>, both>);
  const both ch = dh::make_chan<int>(1);
  const in i = ch;
  const out o = ch;
  EXPECT_EQ(ch, i);
  EXPECT_EQ(o, ch);
  EXPECT_EQ(i, o);
  o.send(3);
  EXPECT_EQ(i.recv(), 3);
}

}  // namespace
