// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// Closing: who is woken and how, what is left, and that a channel stays usable after each misuse.

#include <gmock/gmock.h>

#include <array>
#include <atomic>
#include <functional>
#include <string>
#include <system_error>
#include <vector>

#include "downhaul/chan.hpp"
#include "downhaul/select.hpp"
#include "support/crew.hpp"
#include "wait/wait_reason.hpp"

namespace dh = downhaul;
using downhaul::impl::wait_reason;
using downhaul_test::crew;
using downhaul_test::place;
using downhaul_test::rounds;
using testing::Each;
using testing::UnorderedElementsAre;

namespace {

class chan_close : public testing::TestWithParam<place> {
 protected:
  crew c{GetParam()};
};
INSTANTIATE_TEST_SUITE_P(, chan_close, testing::ValuesIn(downhaul_test::all_places),
                         testing::PrintToStringParamName());

// Runs f, which must throw misuse, and returns the text.
template <class F>
std::string misuse_of(F f) {
  try {
    f();
  } catch (const dh::misuse& e) {
    return e.what();
  }
  return "no misuse";
}

TEST_P(chan_close, wakes_every_parked_receiver_with_no_value) {
  auto ch = dh::make_chan<int>();
  std::array<std::optional<int>, 6> got;
  got.fill(99);
  for (std::size_t i = 0; i < got.size(); ++i) {
    c.start([&, i] {
      if (i % 2 == 0) {
        got[i] = ch.recv();
      } else {
        dh::select(dh::recv(ch, got[i]));
      }
    });
  }
  for (std::size_t i = 0; i < got.size(); ++i) {
    c.wait_until_parked(i, i % 2 == 0 ? wait_reason::chan_receive : wait_reason::select);
  }
  ch.close();
  c.join();
  EXPECT_THAT(got, Each(std::nullopt));
}

TEST_P(chan_close, makes_every_parked_sender_throw_and_drops_its_value) {
  for (const std::ptrdiff_t capacity : {0, 1}) {
    crew senders{GetParam()};
    auto ch = dh::make_chan<int>(capacity);
    if (capacity > 0) ch.send(0);
    std::array<std::string, 4> said;
    for (std::size_t i = 0; i < said.size(); ++i) {
      senders.start([&, i] {
        said[i] = misuse_of([&] {
          if (i % 2 == 0) {
            ch.send(7);
          } else {
            dh::select(dh::send(ch, 7), dh::recv(dh::chan<int>{}));
          }
        });
      });
    }
    for (std::size_t i = 0; i < said.size(); ++i) {
      senders.wait_until_parked(i, i % 2 == 0 ? wait_reason::chan_send : wait_reason::select);
    }
    ch.close();
    senders.join();
    EXPECT_THAT(said, Each(std::string{"send on closed channel"}));
    if (capacity > 0) {
      EXPECT_EQ(ch.recv(), 0);
    }
    EXPECT_EQ(ch.recv(), std::nullopt);
  }
}

TEST_P(chan_close, ends_every_loop_over_the_channel) {
  auto ch = dh::make_chan<int>();
  std::atomic<int> sum{0};
  for (int i = 0; i < 5; ++i) {
    c.start([&] {
      for (const int v : ch) sum += v;
    });
  }
  for (int i = 1; i <= 100; ++i) ch.send(i);
  ch.close();
  c.join();
  EXPECT_EQ(sum, 5050);
}

TEST_P(chan_close, by_the_receiver_is_allowed) {
  auto ch = dh::make_chan<int>(1);
  c.start([&] {
    static_cast<void>(ch.recv());
    ch.close();
  });
  ch.send(1);
  c.join();
  EXPECT_EQ(ch.recv(), std::nullopt);
}

TEST(chan_closed, yields_what_is_queued_and_then_nothing_for_ever) {
  auto ch = dh::make_chan<int>(3);
  for (int i = 0; i < 3; ++i) ch.send(i);
  ch.close();
  EXPECT_EQ(ch.size(), 3);
  EXPECT_EQ(ch.capacity(), 3);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(ch.recv(), i);
  for (int i = 0; i < 10; ++i) EXPECT_EQ(ch.recv(), std::nullopt);
  std::error_code ec = std::make_error_code(std::errc::io_error);
  EXPECT_EQ(ch.try_recv(ec), std::nullopt);
  EXPECT_FALSE(ec) << "clear: closed, not empty";
}

TEST(chan_closed, refuses_sends_and_a_second_close_and_stays_usable) {
  for (const std::ptrdiff_t capacity : {0, 2}) {
    auto ch = dh::make_chan<int>(capacity);
    if (capacity > 0) ch.send(4);
    ch.close();
    for (int i = 0; i < 2; ++i) {
      EXPECT_EQ(misuse_of([&] { ch.send(1); }), "send on closed channel");
      EXPECT_EQ(misuse_of([&] { static_cast<void>(ch.try_send(1)); }), "send on closed channel");
      EXPECT_EQ(misuse_of([&] { dh::select(dh::send(ch, 1)); }), "send on closed channel");
      EXPECT_EQ(misuse_of([&] { dh::select(dh::send(ch, 1), dh::otherwise); }),
                "send on closed channel");
      EXPECT_EQ(misuse_of([&] { ch.close(); }), "close of closed channel");
    }
    if (capacity > 0) {
      EXPECT_EQ(ch.recv(), 4);
    }
    EXPECT_EQ(ch.recv(), std::nullopt);
  }
  auto signals = dh::make_chan<void>(1);
  signals.close();
  EXPECT_EQ(misuse_of([&] { signals.send(); }), "send on closed channel");
  EXPECT_EQ(misuse_of([&] { static_cast<void>(signals.try_send()); }), "send on closed channel");
  EXPECT_FALSE(signals.recv());
}

TEST(chan_closed, misuse_is_a_logic_error) {
  static_assert(std::is_base_of_v<std::logic_error, dh::misuse>);
  EXPECT_THROW(dh::chan<int>{}.close(), std::logic_error);
  EXPECT_THROW(static_cast<void>(dh::make_chan<int>(-1)), std::logic_error);
}

// One receive in each of the forms that must behave alike: plain, with a code, try, select alone,
// select with a case that is never ready, the same with otherwise, and from a list.
using receive = std::function<std::optional<int>(dh::recv_chan<int>)>;
const std::vector<receive>& receives() {
  static const dh::chan<int> never = dh::make_chan<int>();
  static const std::vector<receive> all{
      [](dh::recv_chan<int> ch) { return ch.recv(); },
      [](dh::recv_chan<int> ch) { return ch.try_recv(); },
      [](dh::recv_chan<int> ch) {
        std::error_code ec;
        auto v = ch.try_recv(ec);
        EXPECT_FALSE(ec);
        return v;
      },
      [](dh::recv_chan<int> ch) {
        std::optional<int> v = 77;
        EXPECT_EQ(dh::select(dh::recv(ch, v)), 0);
        return v;
      },
      [](dh::recv_chan<int> ch) {
        std::optional<int> v = 77;
        EXPECT_EQ(dh::select(dh::recv(never), dh::recv(ch, v)), 1);
        return v;
      },
      [](dh::recv_chan<int> ch) {
        std::optional<int> v = 77;
        EXPECT_EQ(dh::select(dh::otherwise, dh::recv(ch, v), dh::recv(never)), 1);
        return v;
      },
      [](dh::recv_chan<int> ch) {
        std::optional<int> v = 77;
        std::vector<dh::select_case> cases;
        cases.emplace_back(dh::recv(never));
        cases.emplace_back(dh::recv(ch, v));
        EXPECT_EQ(dh::select(cases), 1);
        return v;
      },
  };
  return all;
}

TEST(chan_closed, is_the_same_for_every_form_of_receive) {
  for (const auto& receive_from : receives()) {
    for (const std::ptrdiff_t capacity : {0, 2}) {
      auto ch = dh::make_chan<int>(capacity);
      if (capacity > 0) {
        ch.send(1);
        ch.send(2);
      }
      ch.close();
      if (capacity > 0) {
        EXPECT_EQ(receive_from(ch), 1);
        EXPECT_EQ(receive_from(ch), 2);
      }
      EXPECT_EQ(receive_from(ch), std::nullopt);
      EXPECT_EQ(receive_from(ch), std::nullopt);
    }
  }
}

// A receive that must not wait, against a close: the channel is at every instant either not empty or
// closed, so that "empty" is never right.
TEST_P(chan_close, is_never_seen_as_empty_by_a_try_while_a_value_or_the_close_is_there) {
  for (int i = 0; i < rounds(10'000) / 10; ++i) {
    // Ten channels a round, or most of the time goes into starting tasks.
    std::vector<dh::chan<int>> all;
    for (int k = 0; k < 10; ++k) {
      all.push_back(dh::make_chan<int>(1));
      all.back().send(1);
    }
    std::atomic<int> turn{-1};
    std::atomic<int> empty{0};
    crew other{GetParam()};
    other.start([&] {
      for (int k = 0; k < 10; ++k) {
        downhaul_test::wait_until([&] { return turn >= k; });
        std::error_code ec;
        static_cast<void>(all[static_cast<std::size_t>(k)].try_recv(ec));
        if (ec) ++empty;
      }
    });
    for (int k = 0; k < 10; ++k) {
      turn = k;
      all[static_cast<std::size_t>(k)].close();
      static_cast<void>(all[static_cast<std::size_t>(k)].recv());
    }
    other.join();
    EXPECT_EQ(empty, 0);
  }
}

// Once a producer has promised to send no more, closing hits no late send.
TEST_P(chan_close, after_the_last_producer_stopped_hits_no_send) {
  for (int i = 0; i < rounds(200); ++i) {
    auto work = dh::make_chan<int>(3);
    auto stopped = dh::make_chan<void>();
    crew producers{GetParam()};
    for (int t = 0; t < 3; ++t) {
      producers.start([work, stopped, t] {
        for (int k = 0; k < 5; ++k) work.send(t);
        stopped.send();
      });
    }
    producers.start([work, stopped] {
      for (int t = 0; t < 3; ++t) stopped.recv();
      work.close();
    });
    int seen = 0;
    for ([[maybe_unused]] const int v : work) ++seen;
    EXPECT_EQ(seen, 15);
  }
}

TEST_P(chan_close, is_a_broadcast) {
  auto quit = dh::make_chan<void>();
  std::atomic<int> stopped{0};
  for (int i = 0; i < 10; ++i) {
    c.start([&] {
      dh::select(dh::recv(quit), dh::recv(dh::chan<int>{}));
      ++stopped;
    });
  }
  for (std::size_t i = 0; i < 10; ++i) c.wait_until_parked(i, wait_reason::select);
  quit.close();
  c.join();
  EXPECT_EQ(stopped, 10);
}

// A close that races with receives and sends: each ends in one of the two ways there are.
TEST_P(chan_close, races_with_senders_and_receivers_and_loses_nothing_that_was_sent) {
  for (int i = 0; i < rounds(500); ++i) {
    auto ch = dh::make_chan<int>(i % 3);
    std::atomic<int> sent{0};
    std::atomic<int> received{0};
    crew all{GetParam()};
    for (int t = 0; t < 2; ++t) {
      all.start([&] {
        try {
          for (;;) {
            ch.send(1);
            ++sent;
          }
        } catch (const dh::misuse&) {
        }
      });
      all.start([&] {
        for ([[maybe_unused]] const int v : ch) ++received;
      });
    }
    downhaul_test::wait_until([&] { return received > 5; });
    ch.close();
    all.join();
    while (ch.try_recv()) ++received;
    EXPECT_EQ(sent, received);
  }
}

}  // namespace
