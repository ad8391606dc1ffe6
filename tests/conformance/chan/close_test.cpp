// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// CHAN-050 to CHAN-063: close.

#include <gmock/gmock.h>

#include <array>
#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <typeinfo>
#include <vector>

#include "conformance/chan/forms.hpp"
#include "downhaul/chan.hpp"
#include "downhaul/error.hpp"
#include "downhaul/go.hpp"
#include "downhaul/select.hpp"
#include "downhaul/wait_group.hpp"
#include "support/crew.hpp"

namespace dh = downhaul;
using downhaul::impl::wait_reason;
using downhaul_test::all_forms;
using downhaul_test::all_places;
using downhaul_test::crew;
using downhaul_test::form;
using downhaul_test::found;
using downhaul_test::misuse_of;
using downhaul_test::parked_recv;
using downhaul_test::parked_send;
using downhaul_test::place;
using downhaul_test::recv_by;
using downhaul_test::rounds;
using downhaul_test::send_by;
using downhaul_test::try_recv_by;
using downhaul_test::try_send_by;

namespace {

constexpr const char* send_on_closed = "send on closed channel";
constexpr const char* close_of_closed = "close of closed channel";

TEST(CHAN_050, what_is_queued_still_comes_out_in_order_and_then_nothing_for_ever) {
  for (const form how : all_forms) {
    for (const int n : {0, 1, 5}) {
      SCOPED_TRACE(testing::Message() << how << ", capacity " << n);
      auto ch = dh::make_chan<int>(n);
      for (int i = 0; i < n; ++i) ch.send(i);
      ch.close();
      for (int i = 0; i < n; ++i) {
        if (i % 2 == 0) {
          EXPECT_EQ(recv_by(how, ch), i);
        } else {
          EXPECT_EQ(try_recv_by(how, ch), (found<int>{true, i}));
        }
      }
      for (int i = 0; i < 100; ++i) {
        EXPECT_EQ(recv_by(how, ch), std::nullopt);
        EXPECT_EQ(try_recv_by(how, ch), (found<int>{true, std::nullopt}));
      }
    }
  }
}

TEST(CHAN_051, a_send_throws_and_its_value_is_discarded) {
  for (const form how : all_forms) {
    for (const int n : {0, 1, 3}) {
      SCOPED_TRACE(testing::Message() << how << ", capacity " << n);
      auto ch = dh::make_chan<int>(n);
      ch.close();
      for (int i = 0; i < 3; ++i) {
        EXPECT_EQ(misuse_of([&] { send_by(how, ch, 7); }), send_on_closed);
        EXPECT_EQ(ch.size(), 0);
        EXPECT_EQ(ch.recv(), std::nullopt);
        EXPECT_EQ(try_recv_by(how, ch), (found<int>{true, std::nullopt}));
      }
    }
  }
  auto signals = dh::make_chan<void>(1);
  signals.close();
  EXPECT_EQ(misuse_of([&] { signals.send(); }), send_on_closed);
  EXPECT_FALSE(signals.recv());
}

TEST(CHAN_052, a_send_that_does_not_wait_throws_too) {
  for (const form how : all_forms) {
    for (const int queued : {0, 1, 2}) {
      SCOPED_TRACE(testing::Message() << how << ", " << queued << " of 2 queued");
      auto ch = dh::make_chan<int>(2);
      for (int i = 0; i < queued; ++i) ch.send(i);
      ch.close();
      EXPECT_EQ(misuse_of([&] { static_cast<void>(try_send_by(how, ch, 7)); }), send_on_closed);
      EXPECT_EQ(ch.size(), queued);
    }
    auto unbuffered = dh::make_chan<int>();
    unbuffered.close();
    EXPECT_EQ(misuse_of([&] { static_cast<void>(try_send_by(how, unbuffered, 7)); }),
              send_on_closed);
  }
  auto signals = dh::make_chan<void>();
  signals.close();
  EXPECT_EQ(misuse_of([&] { static_cast<void>(signals.try_send()); }), send_on_closed);
}

TEST(CHAN_053, a_second_close_throws) {
  for (const int n : {0, 2}) {
    auto ch = dh::make_chan<int>(n);
    const dh::send_chan<int> out = ch;
    EXPECT_EQ(misuse_of([&] { ch.close(); }), "no misuse");
    EXPECT_EQ(misuse_of([&] { ch.close(); }), close_of_closed);
    EXPECT_EQ(misuse_of([&] { out.close(); }), close_of_closed);
  }
  auto signals = dh::make_chan<void>();
  signals.close();
  EXPECT_EQ(misuse_of([&] { signals.close(); }), close_of_closed);
}

TEST(CHAN_053, of_closes_at_once_just_one_succeeds) {
  for (const place where : all_places) {
    for (int i = 0; i < rounds(500); ++i) {
      auto ch = dh::make_chan<int>();
      std::atomic<int> closed{0};
      std::atomic<int> refused{0};
      crew c{where};
      for (int t = 0; t < 3; ++t) {
        c.start([&] { ++(misuse_of([&] { ch.close(); }) == close_of_closed ? refused : closed); });
      }
      c.join();
      ASSERT_EQ(closed, 1);
      ASSERT_EQ(refused, 2);
    }
  }
}

TEST(CHAN_054, wakes_every_parked_receiver_with_nothing) {
  for (const place where : all_places) {
    for (const int capacity : {0, 2}) {
      auto ch = dh::make_chan<int>(capacity);
      std::array<std::optional<int>, 9> got;
      got.fill(-1);
      crew c{where};
      for (std::size_t i = 0; i < got.size(); ++i) {
        const form how = all_forms[i % 3];
        c.start([&, i, how] { got[i] = recv_by(how, ch); });
        c.wait_until_parked(i, parked_recv(how));
      }
      ch.close();
      c.join();
      EXPECT_THAT(got, testing::Each(std::nullopt));
    }
  }
}

TEST(CHAN_055, every_parked_sender_throws_in_its_own_goroutine_and_nothing_is_delivered) {
  for (const place where : all_places) {
    for (const int capacity : {0, 2}) {
      auto ch = dh::make_chan<int>(capacity);
      for (int i = 0; i < capacity; ++i) ch.send(i);
      std::array<std::string, 6> thrown;
      crew c{where};
      for (std::size_t i = 0; i < thrown.size(); ++i) {
        c.start([&, i] { thrown[i] = misuse_of([&] { ch.send(100 + static_cast<int>(i)); }); });
        c.wait_until_parked(i, wait_reason::chan_send);
      }
      EXPECT_NO_THROW(ch.close());
      c.join();
      EXPECT_THAT(thrown, testing::Each(send_on_closed));
      for (int i = 0; i < capacity; ++i) EXPECT_EQ(ch.recv(), i);
      EXPECT_EQ(ch.recv(), std::nullopt);
    }
  }
}

TEST(CHAN_056, so_does_every_sender_that_waits_in_a_select) {
  for (const place where : all_places) {
    for (const form how : {form::one_case, form::two_cases}) {
      auto ch = dh::make_chan<int>();
      auto other = dh::make_chan<int>();
      std::array<std::string, 4> thrown;
      crew c{where};
      for (std::size_t i = 0; i < thrown.size(); ++i) {
        c.start([&, i] {
          thrown[i] = misuse_of([&] {
            if (i % 2 == 0) {
              send_by(how, ch, 7);
            } else {
              std::vector<dh::select_case> cases;
              cases.emplace_back(dh::recv(other));
              cases.emplace_back(dh::send(ch, 7));
              dh::select(cases);
            }
          });
        });
        c.wait_until_parked(i, wait_reason::select);
      }
      ch.close();
      c.join();
      EXPECT_THAT(thrown, testing::Each(send_on_closed));
      EXPECT_EQ(ch.recv(), std::nullopt);
      EXPECT_FALSE(other.try_send(1)) << "nobody is left there";
    }
  }
}

TEST(CHAN_057, the_channel_is_usable_after_each_of_these) {
  const std::vector<std::function<void(const dh::chan<int>&)>> misuses{
      [](const auto& ch) { ch.close(); },
      [](const auto& ch) { ch.send(1); },
      [](const auto& ch) { static_cast<void>(ch.try_send(1)); },
      [](const auto& ch) { dh::select(dh::send(ch, 1)); },
      [](const auto& ch) { dh::select(dh::send(ch, 1), dh::recv(dh::chan<int>{})); },
      [](const auto& ch) { dh::select(dh::send(ch, 1), dh::otherwise); },
  };
  for (const auto& misuse : misuses) {
    auto ch = dh::make_chan<int>(2);
    ch.send(4);
    ch.close();
    for (int i = 0; i < 2; ++i) EXPECT_NE(misuse_of([&] { misuse(ch); }), "no misuse");
    // From elsewhere: a lock that is left held would hold it up.
    crew c{place::threads};
    c.start([&] {
      EXPECT_EQ(ch.size(), 1);
      EXPECT_EQ(ch.recv(), 4);
      EXPECT_EQ(ch.recv(), std::nullopt);
      EXPECT_EQ(dh::select(dh::recv(ch), dh::recv(dh::chan<int>{})), 0);
      EXPECT_EQ(misuse_of([&] { misuse(ch); }),
                &misuse == &misuses[0] ? close_of_closed : send_on_closed);
    });
    c.join();
    EXPECT_EQ(ch.try_recv(), std::nullopt);
  }
}

TEST(CHAN_058, leaves_length_and_capacity_and_needs_no_empty_channel) {
  for (int queued = 0; queued <= 3; ++queued) {
    auto ch = dh::make_chan<int>(3);
    for (int i = 0; i < queued; ++i) ch.send(i);
    ch.close();
    for (int left = queued; left > 0; --left) {
      EXPECT_EQ(ch.size(), left);
      EXPECT_EQ(ch.capacity(), 3);
      static_cast<void>(ch.recv());
    }
    EXPECT_EQ(ch.size(), 0);
    EXPECT_EQ(ch.capacity(), 3);
  }
}

TEST(CHAN_059, may_come_from_whom_you_like) {
  for (const place where : all_places) {
    auto ch = dh::make_chan<int>();
    crew c{where};
    // The receiver closes; the maker sends.
    c.start([ch] {
      EXPECT_EQ(ch.recv(), 1);
      ch.close();
    });
    ch.send(1);
    c.join();
    EXPECT_EQ(misuse_of([&] { ch.send(2); }), send_on_closed);

    // A third one, who does neither.
    auto other = dh::make_chan<int>();
    std::optional<int> got = 5;
    const auto receiver = c.start([&] { got = other.recv(); });
    c.wait_until_parked(receiver, wait_reason::chan_receive);
    c.start([out = dh::send_chan<int>{other}] { out.close(); });
    c.join();
    EXPECT_EQ(got, std::nullopt);
  }
}

// A producer that can be stopped: after stop() has returned it sends no more.
class bell {
 public:
  explicit bell(dh::chan<int> to) : to_{std::move(to)} {}
  void ring(int v) {
    const std::lock_guard lock{mutex_};
    if (stopped_) return;
    if (to_.try_send(v)) ++sent_;
  }
  int stop() {
    const std::lock_guard lock{mutex_};
    stopped_ = true;
    return sent_;
  }

 private:
  std::mutex mutex_;  // not held across a wait
  dh::chan<int> to_;
  bool stopped_ = false;
  int sent_ = 0;
};

TEST(CHAN_060, after_stop_close_and_range_meet_no_late_send) {
  for (const place where : all_places) {
    for (int i = 0; i < rounds(300); ++i) {
      auto ch = dh::make_chan<int>(8);
      bell b{ch};
      std::atomic<bool> enough{false};
      std::atomic<int> late{0};
      crew c{where};
      for (int t = 0; t < 2; ++t) {
        c.start([&] {
          for (int v = 0; !enough; ++v) {
            if (misuse_of([&] { b.ring(v); }) != "no misuse") ++late;
            downhaul_test::give_way();
          }
        });
      }
      int received = 0;
      for (int k = 0; k < i % 4; ++k) received += ch.recv().has_value() ? 1 : 0;
      const int sent = b.stop();
      ch.close();
      for ([[maybe_unused]] const int v : ch) ++received;
      enough = true;
      c.join();
      ASSERT_EQ(received, sent);
      ASSERT_EQ(late, 0);
    }
  }
}

TEST(CHAN_060, after_a_wait_for_all_senders_close_and_range_have_every_value) {
  for (int i = 0; i < rounds(300); ++i) {
    auto ch = dh::make_chan<int>(20);
    dh::wait_group senders;
    for (int t = 0; t < 5; ++t) {
      senders.go([ch] {
        for (int k = 0; k < 4; ++k) ch.send(1);
      });
    }
    senders.wait();
    ch.close();
    int sum = 0;
    for (const int v : ch) sum += v;
    ASSERT_EQ(sum, 20);
  }
}

// Every form of every operation, on channels that are closed: empty, with data, with and without
// places. What each does must be what the plain form does.
TEST(CHAN_061, all_forms_of_all_operations_agree_on_closed_channels) {
  enum class operation { recv, discard, try_recv, send, try_send };
  constexpr operation all[] = {operation::recv, operation::discard, operation::try_recv,
                               operation::send, operation::try_send};
  const auto outcome = [](operation what, form how, const dh::chan<int>& ch) -> std::string {
    std::string text;
    const auto describe = [](std::optional<int> v) { return v ? std::to_string(*v) : "closed"; };
    const std::string thrown = misuse_of([&] {
      switch (what) {
        case operation::recv: text = describe(recv_by(how, ch)); break;
        case operation::discard:
          downhaul_test::discard_by(how, ch);
          text = "discarded";
          break;
        case operation::try_recv: {
          const auto f = try_recv_by(how, ch);
          text = f.possible ? describe(f.value) : "not possible";
          break;
        }
        case operation::send:
          send_by(how, ch, 9);
          text = "sent";
          break;
        case operation::try_send: text = try_send_by(how, ch, 9) ? "sent" : "not possible"; break;
      }
    });
    return text.empty() ? thrown : text;
  };
  struct state {
    int capacity;
    int queued;
  };
  for (const state s : {state{0, 0}, state{2, 0}, state{2, 1}, state{2, 2}}) {
    for (const operation what : all) {
      for (const form how : all_forms) {
        SCOPED_TRACE(testing::Message()
                     << "capacity " << s.capacity << ", " << s.queued << " queued, operation "
                     << static_cast<int>(what) << ", " << how);
        auto ch = dh::make_chan<int>(s.capacity);
        for (int i = 0; i < s.queued; ++i) ch.send(i);
        ch.close();
        const bool sends = what == operation::send || what == operation::try_send;
        const std::string expected = sends                        ? send_on_closed
                                     : what == operation::discard ? "discarded"
                                     : s.queued > 0               ? "0"
                                                                  : "closed";
        EXPECT_EQ(outcome(what, how, ch), expected);
        EXPECT_EQ(ch.size(), sends || s.queued == 0 ? s.queued : s.queued - 1);
        EXPECT_EQ(ch.capacity(), s.capacity);
        const bool one_left = sends ? s.queued > 0 : s.queued > 1;
        EXPECT_EQ(ch.recv(), one_left ? std::optional{sends ? 0 : 1} : std::nullopt);
      }
    }
  }
}

TEST(CHAN_062, what_is_thrown_is_a_misuse) {
  static_assert(std::is_base_of_v<std::logic_error, dh::misuse>);
  const auto type_thrown_by = [](auto f) -> const std::type_info& {
    try {
      f();
    } catch (const std::exception& e) {
      return typeid(e);
    }
    return typeid(void);
  };
  auto closed = dh::make_chan<int>(1);
  closed.close();
  EXPECT_EQ(type_thrown_by([&] { closed.close(); }), typeid(dh::misuse));
  EXPECT_EQ(type_thrown_by([&] { closed.send(1); }), typeid(dh::misuse));
  EXPECT_EQ(type_thrown_by([&] { static_cast<void>(closed.try_send(1)); }), typeid(dh::misuse));
  EXPECT_EQ(type_thrown_by([&] { dh::select(dh::send(closed, 1)); }), typeid(dh::misuse));
  EXPECT_EQ(type_thrown_by([] { static_cast<void>(dh::make_chan<int>(-1)); }), typeid(dh::misuse));
  EXPECT_EQ(type_thrown_by([] { static_cast<void>(dh::make_chan<int>(PTRDIFF_MAX)); }),
            typeid(dh::misuse));
  EXPECT_EQ(type_thrown_by([] { dh::chan<int>{}.close(); }), typeid(dh::misuse));
}

// Which of them goes on first is nobody's business; that each does, once, is.
TEST(CHAN_063, wakes_all_in_whatever_order) {
  for (const place where : all_places) {
    auto ch = dh::make_chan<int>();
    std::mutex mutex;
    std::vector<std::size_t> order;
    crew c{where};
    constexpr std::size_t n = 8;
    for (std::size_t i = 0; i < n; ++i) {
      c.start([&, i] {
        static_cast<void>(ch.recv());
        const std::lock_guard lock{mutex};
        order.push_back(i);
      });
      c.wait_until_parked(i, wait_reason::chan_receive);
    }
    ch.close();
    c.join();
    EXPECT_THAT(order, testing::UnorderedElementsAre(0, 1, 2, 3, 4, 5, 6, 7));
  }
}

}  // namespace
