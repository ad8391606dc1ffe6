// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// CHAN-030 to CHAN-033: channels without places.

#include <gmock/gmock.h>

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "conformance/chan/forms.hpp"
#include "downhaul/chan.hpp"
#include "downhaul/go.hpp"
#include "support/crew.hpp"

namespace dh = downhaul;
using downhaul::impl::wait_reason;
using downhaul_test::all_forms;
using downhaul_test::all_places;
using downhaul_test::crew;
using downhaul_test::form;
using downhaul_test::found;
using downhaul_test::parked_recv;
using downhaul_test::parked_send;
using downhaul_test::place;
using downhaul_test::try_recv_by;
using downhaul_test::try_send_by;

namespace {

TEST(CHAN_030, a_send_ends_when_its_value_is_taken_and_not_before) {
  for (const place where : all_places) {
    for (const form how : all_forms) {
      SCOPED_TRACE(testing::Message() << where << ", " << how);
      auto ch = dh::make_chan<int>();
      std::atomic<int> sent{0};
      crew c{where};
      c.start([&] {
        for (int i = 1; i <= 3; ++i) {
          downhaul_test::send_by(how, ch, i);
          sent = i;
        }
      });
      for (int i = 1; i <= 3; ++i) {
        c.wait_until_parked(0, parked_send(how));
        EXPECT_EQ(sent, i - 1) << "the sender of value " << i << " waits for its receiver";
        EXPECT_EQ(ch.recv(), i);
      }
      c.join();
      EXPECT_EQ(sent, 3);
    }
  }
}

TEST(CHAN_030, a_receive_ends_when_somebody_delivers_and_not_before) {
  for (const place where : all_places) {
    for (const form how : all_forms) {
      SCOPED_TRACE(testing::Message() << where << ", " << how);
      auto ch = dh::make_chan<std::string>();
      std::atomic<int> received{0};
      crew c{where};
      c.start([&] {
        for (int i = 1; i <= 3; ++i) {
          EXPECT_EQ(downhaul_test::recv_by(how, ch), std::to_string(i));
          received = i;
        }
      });
      for (int i = 1; i <= 3; ++i) {
        c.wait_until_parked(0, parked_recv(how));
        EXPECT_EQ(received, i - 1);
        ch.send(std::to_string(i));
      }
      c.join();
      EXPECT_EQ(received, 3);
    }
  }
}

template <class T>
void expect_partner_needed(T one, T two, place where, form parked, form trying) {
  SCOPED_TRACE(testing::Message() << where << ", parked: " << parked << ", trying: " << trying);
  const found<T> impossible;
  auto ch = dh::make_chan<T>();
  EXPECT_FALSE(try_send_by(trying, ch, one)) << "nobody is there";
  EXPECT_EQ(try_recv_by(trying, ch), impossible);

  crew c{where};
  std::optional<T> got;
  const auto receiver = c.start([&] { got = downhaul_test::recv_by(parked, ch); });
  c.wait_until_parked(receiver, parked_recv(parked));
  EXPECT_EQ(try_recv_by(trying, ch), impossible) << "a receiver is no partner";
  EXPECT_TRUE(try_send_by(trying, ch, one));
  EXPECT_FALSE(try_send_by(trying, ch, two)) << "the partner is taken";

  const auto sender = c.start([&] { downhaul_test::send_by(parked, ch, two); });
  c.wait_until_parked(sender, parked_send(parked));
  EXPECT_FALSE(try_send_by(trying, ch, one)) << "a sender is no partner";
  EXPECT_EQ(try_recv_by(trying, ch), (found<T>{true, two}));
  EXPECT_EQ(try_recv_by(trying, ch), impossible);
  c.join();
  EXPECT_EQ(got, one);
}

template <class T>
void expect_place_or_value_needed(T one, T two, form trying) {
  SCOPED_TRACE(testing::Message() << "trying: " << trying);
  const found<T> impossible;
  auto ch = dh::make_chan<T>(1);
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(try_recv_by(trying, ch), impossible);
    EXPECT_TRUE(try_send_by(trying, ch, one));
    EXPECT_FALSE(try_send_by(trying, ch, two));
    EXPECT_EQ(try_recv_by(trying, ch), (found<T>{true, one}));
  }
}

TEST(CHAN_031, what_does_not_wait_succeeds_only_with_a_parked_partner) {
  const auto check = [](auto one, auto two) {
    for (const place where : all_places) {
      for (const form parked : all_forms) {
        for (const form trying : all_forms) {
          expect_partner_needed(one, two, where, parked, trying);
          if (testing::Test::HasFailure()) return;
        }
      }
    }
    for (const form trying : all_forms) expect_place_or_value_needed(one, two, trying);
  };
  check(std::int32_t{123}, std::int32_t{-4});
  check(std::int64_t{1} << 40, std::int64_t{-5});
  check(true, false);
  check(std::string{"hello"}, std::string{"a text that does not fit into the object itself"});
  EXPECT_FALSE(dh::make_chan<int>().try_send(1));
}

// One side polls, the other waits: they meet, and nothing is lost.
TEST(CHAN_031, polling_meets_a_waiting_partner_in_the_end) {
  for (const place where : all_places) {
    for (const std::ptrdiff_t capacity : {0, 1}) {
      for (const form how : all_forms) {
        auto ch = dh::make_chan<std::string>(capacity);
        crew c{where};
        c.start([ch, how] {
          for (int i = 0; i < 50; ++i) {
            while (!try_send_by(how, ch, std::to_string(i))) downhaul_test::give_way();
          }
        });
        for (int i = 0; i < 50; ++i) ASSERT_EQ(ch.recv(), std::to_string(i));
        c.start([ch] {
          for (int i = 0; i < 50; ++i) ch.send(std::to_string(i));
        });
        for (int i = 0; i < 50; ++i) {
          found<std::string> got;
          while (!(got = try_recv_by(how, ch)).possible) downhaul_test::give_way();
          ASSERT_EQ(got.value, std::to_string(i));
        }
      }
    }
  }
}

TEST(CHAN_032, a_value_arrives_intact_whatever_the_forms) {
  struct message {
    int number = 0;
    std::string text;
    bool operator==(const message&) const = default;
  };
  const message sent{42, "a text that does not fit into the object itself"};
  enum class first { nobody, sender, receiver };
  for (const place where : all_places) {
    for (const form sending : all_forms) {
      for (const form receiving : all_forms) {
        for (const first parked : {first::nobody, first::sender, first::receiver}) {
          for (const bool discard : {false, true}) {
            SCOPED_TRACE(testing::Message() << where << ", " << sending << " to " << receiving);
            auto ch = dh::make_chan<message>();
            std::optional<message> got;
            std::atomic<int> ended{0};
            const auto send = [&] {
              downhaul_test::send_by(sending, ch, sent);
              ++ended;
            };
            const auto receive = [&] {
              if (discard) {
                downhaul_test::discard_by(receiving, ch);
              } else {
                got = downhaul_test::recv_by(receiving, ch);
              }
              ++ended;
            };
            {
              crew c{where};
              if (parked == first::receiver) {
                c.start(receive);
                c.wait_until_parked(0, parked_recv(receiving));
                send();
              } else {
                c.start(send);
                if (parked == first::sender) c.wait_until_parked(0, parked_send(sending));
                receive();
              }
            }
            ASSERT_EQ(ended, 2);
            ASSERT_EQ(got.has_value(), !discard);
            if (got) {
              ASSERT_EQ(*got, sent);
            }
            ASSERT_FALSE(ch.try_recv()) << "it came once";
          }
        }
      }
    }
  }
}

// Each waits for its predecessor's token, receives its value, and passes the token on.
TEST(CHAN_033, a_daisy_chain_receives_in_the_order_of_its_making) {
  for (const place where : all_places) {
    const int links = where == place::goroutines ? 1000 : 20;
    auto ch = dh::make_chan<int>();
    auto in = dh::make_chan<void>();
    const auto start = in;
    crew c{where};
    std::vector<int> received(static_cast<std::size_t>(links), -1);
    for (int i = 0; i < links; ++i) {
      auto out = dh::make_chan<void>();
      c.start([&received, ch, in, out, i] {
        in.recv();
        received[static_cast<std::size_t>(i)] = *ch.recv();
        out.send();
      });
      in = out;
    }
    start.send();
    for (int i = 0; i < links; ++i) ch.send(i);
    in.recv();
    c.join();
    for (int i = 0; i < links; ++i) ASSERT_EQ(received[static_cast<std::size_t>(i)], i);
  }
}

}  // namespace
