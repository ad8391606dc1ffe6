// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// CHAN-100 to CHAN-102: what channels are used for. Plain variables: the race detector is the judge
// of what happens before what.

#include <gmock/gmock.h>

#include <atomic>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "conformance/chan/forms.hpp"
#include "downhaul/chan.hpp"
#include "downhaul/go.hpp"
#include "downhaul/select.hpp"
#include "support/crew.hpp"
#include "support/parked.hpp"

namespace dh = downhaul;
using downhaul::impl::wait_reason;
using downhaul_test::all_forms;
using downhaul_test::all_places;
using downhaul_test::crew;
using downhaul_test::form;
using downhaul_test::parked_recv;
using downhaul_test::place;
using downhaul_test::rounds;

namespace {

TEST(CHAN_100, one_place_makes_a_mutex_by_sending_or_by_receiving_first) {
  for (const place where : all_places) {
    for (const bool full_is_free : {false, true}) {
      auto mutex = dh::make_chan<void>(1);
      if (full_is_free) mutex.send();
      int guarded = 0;
      const int each = rounds(2000);
      {
        crew c{where};
        for (int t = 0; t < 4; ++t) {
          c.start([&] {
            for (int i = 0; i < each; ++i) {
              full_is_free ? static_cast<void>(mutex.recv()) : mutex.send();
              ++guarded;
              full_is_free ? mutex.send() : static_cast<void>(mutex.recv());
            }
          });
        }
      }
      EXPECT_EQ(guarded, 4 * each);
    }
  }
}

TEST(CHAN_100, places_make_a_counting_semaphore) {
  for (const place where : all_places) {
    auto permits = dh::make_chan<void>(3);
    auto inside = dh::make_chan<void>();
    auto leave = dh::make_chan<void>();
    crew c{where};
    for (int t = 0; t < 8; ++t) {
      c.start([=] {
        permits.send();
        inside.send();
        leave.recv();
        permits.recv();
      });
    }
    for (int t = 0; t < 3; ++t) inside.recv();
    for (int t = 3; t < 8; ++t) {
      EXPECT_EQ(permits.size(), 3);
      EXPECT_FALSE(inside.try_recv()) << "a fourth got in";
      leave.send();  // one leaves, and with that one may enter
      inside.recv();
    }
    for (int t = 0; t < 3; ++t) leave.send();
    c.join();
    EXPECT_EQ(permits.size(), 0);
  }
}

TEST(CHAN_100, places_make_a_wait_group) {
  for (const place where : all_places) {
    constexpr int n = 10;
    std::vector<int> done(n);  // plain: read after all have reported
    auto finished = dh::make_chan<void>(n);
    crew c{where};
    for (std::size_t i = 0; i < n; ++i) {
      c.start([&, i] {
        done[i] = 1;
        finished.recv();  // one task less
      });
    }
    // A place for each task; then n more fit only when all have taken theirs back.
    for (int i = 0; i < 2 * n; ++i) finished.send();
    EXPECT_THAT(done, testing::Each(1));
    c.join();
  }
}

TEST(CHAN_101, close_of_a_channel_of_void_is_a_broadcast) {
  for (const place where : all_places) {
    auto start = dh::make_chan<void>();
    int order = 0;  // plain
    std::atomic<int> seen{0};
    crew c{where};
    for (std::size_t i = 0; i < 9; ++i) {
      const form how = all_forms[i % 3];
      c.start([&, how] {
        bool signalled = true;
        if (how == form::plain) signalled = start.recv();
        if (how == form::one_case) dh::select(dh::recv(start, signalled));
        if (how == form::two_cases) {
          dh::select(dh::recv(start, signalled), dh::recv(dh::chan<int>{}));
        }
        EXPECT_FALSE(signalled);
        if (order == 7) ++seen;
      });
      c.wait_until_parked(i, parked_recv(how));
    }
    order = 7;
    start.close();
    c.join();
    EXPECT_EQ(seen, 9);
  }
}

TEST(CHAN_101, a_handle_made_nil_switches_its_case_off) {
  for (const place where : all_places) {
    auto a = dh::make_chan<int>();
    auto b = dh::make_chan<int>();
    crew c{where};
    for (const auto& ch : {a, b}) {
      c.start([ch] {
        for (int i = 1; i <= 5; ++i) ch.send(i);
        ch.close();
      });
    }
    int sum = 0;
    int closed = 0;
    int selects = 0;
    for (dh::recv_chan<int> in_a = a, in_b = b; in_a || in_b; ++selects) {
      std::optional<int> v;
      const int fired = dh::select(dh::recv(in_a, v), dh::recv(in_b, v));
      if (v) {
        sum += *v;
      } else {
        ++closed;
        (fired == 0 ? in_a : in_b) = {};  // or a closed channel would be ready for ever
      }
    }
    EXPECT_EQ(sum, 30);
    EXPECT_EQ(closed, 2);
    EXPECT_EQ(selects, 12);
  }
}

TEST(CHAN_101, so_does_one_for_a_send) {
  auto out = dh::make_chan<int>(3);
  dh::send_chan<int> sometimes;  // nil: nothing to send yet
  EXPECT_EQ(dh::select(dh::send(sometimes, 1), dh::otherwise), 1);
  sometimes = out;
  EXPECT_EQ(dh::select(dh::send(sometimes, 1), dh::otherwise), 0);
  sometimes = {};
  EXPECT_EQ(dh::select(dh::send(sometimes, 2), dh::otherwise), 1);
  EXPECT_EQ(out.size(), 1);
}

TEST(CHAN_102, a_request_carries_the_channel_of_its_reply) {
  struct request {
    int question;
    dh::send_chan<std::string> reply;
  };
  for (const place where : all_places) {
    auto requests = dh::make_chan<request>();
    crew c{where};
    for (int t = 0; t < 2; ++t) {
      c.start([requests] {
        for (auto& r : requests) r.reply.send(std::to_string(r.question * 2));
      });
    }
    {
      crew askers{where};
      for (int t = 0; t < 4; ++t) {
        askers.start([requests, t] {
          for (int i = 0; i < 100; ++i) {
            auto reply = dh::make_chan<std::string>();
            requests.send({100 * t + i, reply});
            EXPECT_EQ(reply.recv(), std::to_string(2 * (100 * t + i)));
          }
        });
      }
    }
    requests.close();
    c.join();
  }
}

TEST(CHAN_102, a_promise_with_one_place_lets_its_producer_end_whoever_gave_up) {
  for (const place where : all_places) {
    crew c{where};
    std::atomic<int> ended{0};
    auto stopped = dh::make_chan<void>();
    stopped.close();
    for (int i = 0; i < 20; ++i) {
      auto future = dh::make_chan<std::string>(1);
      c.start([future, &ended] {
        future.send("computed");
        ++ended;
      });
      if (i % 2 == 0) {
        EXPECT_EQ(future.recv(), "computed");
      } else {
        dh::select(dh::recv(stopped));  // gives up
      }
    }
    c.join();  // would hang if a producer waited for somebody to take its value
    EXPECT_EQ(ended, 20);
  }
}

}  // namespace
