// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// CHAN-087 and CHAN-103: many rounds, many goroutines.

#include <gmock/gmock.h>

#include <atomic>
#include <memory>
#include <optional>
#include <vector>

#include "downhaul/chan.hpp"
#include "downhaul/go.hpp"
#include "downhaul/select.hpp"
#include "support/crew.hpp"

namespace dh = downhaul;
using downhaul_test::crew;
using downhaul_test::place;
using downhaul_test::rounds;

namespace {

struct result {
  static inline std::atomic<long> alive{0};
  const int number;
  explicit result(int n) : number{n} { ++alive; }
  result(const result&) = delete;
  result& operator=(const result&) = delete;
  ~result() { --alive; }
};

// Each task has a worker that makes its results, and every second one is sent by a select that would
// also stop if "done" were closed.
TEST(CHAN_087, fresh_objects_handed_over_are_not_lost_doubled_or_leaked) {
  constexpr int tasks = 100;
  const int each = rounds(100'000);
  auto done = dh::make_chan<void>();
  std::atomic<long> received{0};
  std::atomic<long> out_of_order{0};
  crew c{place::goroutines};
  for (int t = 0; t < tasks; ++t) {
    auto results = dh::make_chan<std::unique_ptr<result>>();
    c.start([=] {
      for (int i = 0; i < each; ++i) {
        auto fresh = std::make_unique<result>(i);
        if (i % 2 == 0) {
          results.send(std::move(fresh));
        } else {
          dh::select(dh::send(results, std::move(fresh)), dh::recv(done));
        }
      }
      results.close();
    });
    c.start([&, results] {
      int expected = 0;
      long wrong = 0;
      for (const auto& r : results) {
        if (r == nullptr || r->number != expected) ++wrong;
        ++expected;
      }
      received += expected;
      out_of_order += wrong;
    });
  }
  c.join();
  EXPECT_EQ(received, long{tasks} * each);
  EXPECT_EQ(out_of_order, 0);
  EXPECT_EQ(result::alive, 0);
}

// Here "done" is closed in the middle: what a select did not send is still its owner's.
TEST(CHAN_087, nor_when_the_selects_give_up) {
  for (int round = 0; round < rounds(30); ++round) {
    auto results = dh::make_chan<std::unique_ptr<result>>(round % 3);
    auto done = dh::make_chan<void>();
    std::atomic<long> sent{0};
    std::atomic<long> kept{0};
    std::atomic<long> received{0};
    {
      crew c{place::goroutines};
      crew receivers{place::goroutines};
      for (int t = 0; t < 2; ++t) {
        receivers.start([&] {
          for (const auto& r : results) received += r != nullptr ? 1 : 0;
        });
      }
      for (int t = 0; t < 4; ++t) {
        c.start([&] {
          for (int i = 0;; ++i) {
            auto fresh = std::make_unique<result>(i);
            if (dh::select(dh::send(results, std::move(fresh)), dh::recv(done)) == 1) {
              kept += fresh != nullptr ? 1 : 0;
              return;
            }
            ++sent;
          }
        });
      }
      while (sent < 20 + round) downhaul_test::give_way();
      done.close();
      c.join();
      results.close();
    }
    ASSERT_EQ(kept, 4);
    ASSERT_EQ(received, sent);
    ASSERT_EQ(result::alive, 0);
  }
}

TEST(CHAN_103, a_chain_of_ten_thousand_passes_one_value_on) {
  const int links = rounds(10'000);
  crew c{place::goroutines};
  const auto first = dh::make_chan<int>();
  auto in = first;
  for (int i = 0; i < links; ++i) {
    auto out = dh::make_chan<int>();
    c.start([in, out] { out.send(*in.recv() + 1); });
    in = out;
  }
  first.send(0);
  EXPECT_EQ(in.recv(), links);
  c.join();  // all have ended
}

}  // namespace
