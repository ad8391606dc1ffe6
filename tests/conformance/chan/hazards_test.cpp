// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// CHAN-110 to CHAN-115: what only C++ has to fear.

#include <gmock/gmock.h>

#include <array>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "conformance/chan/forms.hpp"
#include "downhaul/chan.hpp"
#include "downhaul/context.hpp"
#include "downhaul/error.hpp"
#include "downhaul/go.hpp"
#include "downhaul/runtime.hpp"
#include "downhaul/select.hpp"
#include "support/crew.hpp"
#include "support/fragile.hpp"
#include "support/parked.hpp"
#include "support/test_runtime.hpp"

namespace dh = downhaul;
using downhaul::impl::wait_reason;
using downhaul_test::all_forms;
using downhaul_test::all_places;
using downhaul_test::crew;
using downhaul_test::form;
using downhaul_test::fragile;
using downhaul_test::parked_recv;
using downhaul_test::parked_send;
using downhaul_test::place;
using downhaul_test::refused;
using downhaul_test::rounds;

namespace {

template <class F>
bool throws_refused(F f) {
  try {
    f();
  } catch (const refused&) {
    return true;
  }
  return false;
}

// The strong guarantee on the side that sends: nothing happened, the value is where it was.
TEST(CHAN_110, a_move_that_throws_while_sending_leaves_value_channel_and_peer_alone) {
  for (const place where : all_places) {
    for (const form receiving : all_forms) {
      for (const bool parked : {false, true}) {
        auto ch = dh::make_chan<fragile>(1);
        std::optional<int> got;
        crew c{where};
        if (parked) {
          c.start([&] {
            const auto v = downhaul_test::recv_by(receiving, ch);
            if (v) got = v->value;
          });
          c.wait_until_parked(0, parked_recv(receiving));
        }
        fragile v{5};
        using dh::otherwise;
        fragile::fuse = 0;
        EXPECT_TRUE(throws_refused([&] { ch.send(std::move(v)); }));
        fragile::fuse = 0;
        EXPECT_TRUE(throws_refused([&] { static_cast<void>(ch.try_send(std::move(v))); }));
        fragile::fuse = 0;
        EXPECT_TRUE(throws_refused([&] { dh::select(dh::send(ch, std::move(v)), otherwise); }));
        EXPECT_EQ(v.value, 5);
        EXPECT_EQ(ch.size(), 0);
        if (parked) c.wait_until_parked(0, parked_recv(receiving));  // not half woken
        ch.send(std::move(v));
        EXPECT_EQ(ch.size(), parked ? 0 : 1);
        c.join();
        if (!parked) got = ch.recv()->value;
        EXPECT_EQ(got, 5);
        EXPECT_FALSE(ch.try_recv()) << "not twice";
      }
    }
  }
  EXPECT_EQ(fragile::live, 0);
}

// On the side that receives the value is gone with the exception; the rest is whole.
TEST(CHAN_110, a_move_that_throws_while_receiving_loses_that_value_alone) {
  for (const form receiving : all_forms) {
    auto ch = dh::make_chan<fragile>(1);
    ch.send(fragile{1});
    crew c{place::goroutines};
    c.start([ch] { ch.send(fragile{2}); });  // moves no more once it is parked
    c.wait_until_parked(0, wait_reason::chan_send);
    fragile::fuse = 0;
    EXPECT_TRUE(throws_refused([&] { static_cast<void>(downhaul_test::recv_by(receiving, ch)); }));
    EXPECT_EQ(ch.recv()->value, 2) << "the sender has been served";
    EXPECT_FALSE(ch.try_recv());
    c.join();
    EXPECT_EQ(fragile::live, 0);
  }
}

TEST(CHAN_110, a_parked_receiver_throws_by_itself_and_its_sender_does_not) {
  for (const place where : all_places) {
    for (const form receiving : all_forms) {
      auto ch = dh::make_chan<fragile>();
      std::atomic<bool> threw{false};
      crew c{where};
      c.start([&] {
        threw = throws_refused([&] { static_cast<void>(downhaul_test::recv_by(receiving, ch)); });
      });
      c.wait_until_parked(0, parked_recv(receiving));
      fragile::fuse = 1;  // the move into its box succeeds, the one out of it does not
      EXPECT_NO_THROW(ch.send(fragile{1}));
      c.join();
      EXPECT_TRUE(threw);
      fragile::fuse = -1;
      EXPECT_FALSE(ch.try_send(fragile{2})) << "nobody is left there";
      EXPECT_FALSE(ch.try_recv());
      EXPECT_EQ(fragile::live, 0);
    }
  }
}

struct no_default {
  const int value;
  explicit no_default(int v) : value{v} {}
};

TEST(CHAN_111, elements_need_no_default_constructor_for_closed_is_an_empty_optional) {
  static_assert(!std::is_default_constructible_v<no_default>);
  auto ch = dh::make_chan<no_default>(6);
  for (int i = 0; i < 6; ++i) ch.send(no_default{i});
  ch.close();
  EXPECT_EQ(ch.recv()->value, 0);
  EXPECT_EQ(ch.try_recv()->value, 1);
  std::optional<no_default> got;
  dh::select(dh::recv(ch, got));
  EXPECT_EQ(got->value, 2);
  auto named = dh::recv(ch);
  dh::select(named);
  EXPECT_EQ(named.value()->value, 3);
  for (const no_default& v : ch) {
    EXPECT_EQ(v.value, 4);
    break;
  }
  std::vector<dh::select_case> cases;
  cases.emplace_back(dh::recv(ch, [](std::optional<no_default> v) { EXPECT_EQ(v->value, 5); }));
  dh::select(cases);
  // Closed and drained.
  EXPECT_FALSE(ch.recv());
  EXPECT_FALSE(ch.try_recv());
  dh::select(dh::recv(ch, got));
  EXPECT_FALSE(got);
  dh::select(named);
  EXPECT_TRUE(named.fired() && !named.value());
}

// Receivers' values lie on their own stacks and are written by others; senders' are read from theirs.
// What is published badly, the race detector sees, or the sums do.
TEST(CHAN_112, values_on_a_parked_stack_are_published_both_ways) {
  struct block {
    std::array<int, 16> words;
  };
  for (const place where : all_places) {
    const int n = rounds(where == place::goroutines ? 20'000 : 3000);
    auto there = dh::make_chan<block>();
    auto back = dh::make_chan<block>();
    std::atomic<int> torn{0};
    crew c{where};
    for (std::size_t t = 0; t < 2; ++t) {
      const form how = all_forms[2 * t];
      c.start([&, how] {
        for (int i = 0; i < n; ++i) {
          block v = *downhaul_test::recv_by(how, there);
          for (const int word : v.words) torn += word != v.words[0] ? 1 : 0;
          downhaul_test::send_by(how, back, v);
        }
      });
    }
    for (int t = 0; t < 2; ++t) {
      c.start([&, t] {
        for (int i = 0; i < n; ++i) {
          block v{};
          v.words.fill(2 * i + t);
          there.send(v);
          const block answer = *back.recv();
          for (const int word : answer.words) torn += word != answer.words[0] ? 1 : 0;
        }
      });
    }
    c.join();
    EXPECT_EQ(torn, 0) << where;
  }
}

// A parked operation ends early only by its context; it has left the queue then.
TEST(CHAN_113, an_operation_that_is_unwound_has_left_the_queue) {
  for (const place where : all_places) {
    for (const bool sends : {true, false}) {
      auto ch = dh::make_chan<std::string>();
      auto [ctx, cancel] = dh::with_cancel(dh::background());
      std::atomic<int> unwound{0};
      crew c{where};
      std::optional<std::string> behind;
      c.start([&, ctx = ctx] {
        std::string mine = "mine";
        try {
          if (sends) {
            ch.send(ctx, std::move(mine));
          } else {
            static_cast<void>(ch.recv(ctx));
          }
        } catch (const dh::context_error& e) {
          EXPECT_EQ(e.code(), dh::errc::canceled);
          EXPECT_EQ(mine, "mine");
          ++unwound;
        }
      });
      c.wait_until_parked(0, wait_reason::select);
      const auto next = c.start([&] {
        if (sends) {
          ch.send("behind");
        } else {
          behind = ch.recv();
        }
      });
      c.wait_until_parked(next, sends ? wait_reason::chan_send : wait_reason::chan_receive);
      cancel();
      if (sends) {
        EXPECT_EQ(ch.try_recv(), "behind") << "whether the first has run yet or not";
      } else {
        EXPECT_TRUE(ch.try_send("for the second"));
      }
      c.join();
      EXPECT_EQ(unwound, 1);
      EXPECT_FALSE(ch.try_recv());
      EXPECT_FALSE(ch.try_send("nobody"));
      if (!sends) {
        EXPECT_EQ(behind, "for the second");
      }
    }
  }
}

// The goroutines of a runtime that ends while they wait are not unwound but abandoned, where they
// are: in the queues too. Whoever meets them there comes to no harm.
TEST(CHAN_113, an_abandoned_operation_harms_nobody) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  const auto child = [] {
    auto in = dh::make_chan<int>();
    auto out = dh::make_chan<int>();
    auto both = dh::make_chan<int>();
    {
      dh::runtime rt{dh::runtime_options{.workers = 1}};
      rt.go([=] { static_cast<void>(in.recv()); });
      rt.go([=] { out.send(5); });
      rt.go([=] { dh::select(dh::recv(both), dh::recv(in)); });
      while (downhaul_test::parked("chan receive") + downhaul_test::parked("chan send") +
                 downhaul_test::parked("select") <
             3) {
        std::this_thread::yield();
      }
    }
    const bool taken = in.try_send(1);
    const auto got = out.try_recv();
    both.close();
    in.close();
    std::fprintf(stderr, "taken %d, got %d\n", taken ? 1 : 0, got.value_or(-1));
    std::exit(0);
  };
  EXPECT_EXIT(child(), testing::ExitedWithCode(0), "taken 1, got 5");
}

// The list leaves it open; here they are supported.
TEST(CHAN_114, plain_threads_do_everything_that_goroutines_do) {
  auto ch = dh::make_chan<int>();
  auto answers = dh::make_chan<int>(1);
  auto stop = dh::make_chan<void>();
  std::atomic<int> sum{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 2; ++t) {
    threads.emplace_back([&] {
      for (const int v : ch) sum += v;
    });
    threads.emplace_back([&] {
      for (;;) {
        std::optional<int> v;
        if (dh::select(dh::recv(ch, v), dh::recv(stop)) == 1 || !v) break;
        sum += *v;
      }
    });
  }
  threads.emplace_back([&] {
    while (!answers.try_send(1)) std::this_thread::yield();
  });
  for (int i = 1; i <= 100; ++i) ch.send(i);
  EXPECT_EQ(answers.recv(), 1);
  stop.close();
  ch.close();
  for (auto& t : threads) t.join();
  EXPECT_EQ(sum, 5050);
}

TEST(CHAN_114, and_both_meet_on_one_channel) {
  auto ping = dh::make_chan<int>();
  auto pong = dh::make_chan<int>();
  dh::go([=] {
    for (const int v : ping) pong.send(v + 1);
    pong.close();
  });
  std::thread asking{[=] {
    for (int i = 0; i < 100; ++i) {
      ping.send(i);
      EXPECT_EQ(pong.recv(), i + 1);
    }
    ping.close();
    EXPECT_EQ(pong.recv(), std::nullopt);
  }};
  asking.join();
}

// Stacks do not move: pointers to locals hold across a wait, whoever runs the goroutine afterwards.
TEST(CHAN_115, pointers_to_locals_stay_valid_across_a_wait) {
  downhaul_test::test_runtime rt{3};
  constexpr int n = 50;
  auto addresses = dh::make_chan<int*>();
  auto go_on = dh::make_chan<int>();
  std::atomic<int> right{0};
  for (int i = 0; i < n; ++i) {
    rt.go([=, &right] {
      int local = i;
      int* const before = &local;
      addresses.send(&local);
      std::optional<int> by_select;
      if (i % 2 == 0) {
        by_select = go_on.recv();
      } else {
        dh::select(dh::recv(go_on, by_select), dh::recv(dh::chan<int>{}));
      }
      if (&local == before && local == i + 1000 && by_select == 1) ++right;
    });
  }
  std::vector<int*> all;
  for (int i = 0; i < n; ++i) all.push_back(*addresses.recv());
  rt.run_until_parked();
  for (int* const p : all) *p += 1000;  // in stacks whose goroutines wait
  for (int i = 0; i < n; ++i) go_on.send(1);
  rt.run_until_parked();
  EXPECT_EQ(right, n);
}

}  // namespace
