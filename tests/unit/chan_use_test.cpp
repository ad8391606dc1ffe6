// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// What channels are used for: the done of a context, mutexes, semaphores, requests, chains.

#include <gmock/gmock.h>

#include <atomic>
#include <cstddef>
#include <system_error>

#include "downhaul/chan.hpp"
#include "support/crew.hpp"
#include "wait/done_source.hpp"
#include "wait/wait_reason.hpp"

namespace dh = downhaul;
using downhaul::impl::wait_reason;
using downhaul_test::crew;
using downhaul_test::place;
using downhaul_test::rounds;
using testing::ElementsAre;

namespace {

class chan_use : public testing::TestWithParam<place> {
 protected:
  crew c{GetParam()};
};
INSTANTIATE_TEST_SUITE_P(, chan_use, testing::ValuesIn(downhaul_test::all_places),
                         testing::PrintToStringParamName());

// --- the done of a context, seen as a channel ---

class hand_closed final : public dh::impl::done_source {
 public:
  hand_closed() : done_source{0} {}
  void close() {
    const auto before = word_.fetch_or(closed_bit);
    if ((before & observed_bit) == 0) return;
    dh::impl::wake_list wake;
    {
      const dh::impl::lock_scope lock{mu_};
      while (auto* o = static_cast<dh::impl::wait_node*>(observers_.pop_front())) {
        if (!o->elect || o->who->try_win(*o)) wake.push(*o);
      }
    }
    wake.notify_all();
  }

 private:
  void dispose() noexcept override { delete this; }
};

TEST_P(chan_use, a_done_receives_when_it_closes) {
  auto* source = new hand_closed;
  const auto done =
      dh::impl::make_recv_chan<void>(dh::impl::source_ref<dh::impl::source>::adopt(source));
  EXPECT_FALSE(done.try_recv());
  std::error_code ec;
  EXPECT_FALSE(done.try_recv(ec));
  EXPECT_EQ(ec, std::errc::operation_would_block);
  EXPECT_EQ(done.size(), 0);
  EXPECT_EQ(done.capacity(), 0);
  bool woken[3] = {true, true, true};
  for (std::size_t i = 0; i < 3; ++i) c.start([&, i] { woken[i] = done.recv(); });
  for (std::size_t i = 0; i < 3; ++i) c.wait_until_parked(i, wait_reason::chan_receive);
  EXPECT_EQ(source->observers(), 3U);
  source->close();
  c.join();
  EXPECT_THAT(woken, ElementsAre(false, false, false));
  EXPECT_EQ(source->observers(), 0U);
  EXPECT_FALSE(done.recv());
  EXPECT_FALSE(done.try_recv(ec));
  EXPECT_FALSE(ec);
}

// --- idioms ---

TEST_P(chan_use, one_place_makes_a_mutex) {
  auto mutex = dh::make_chan<void>(1);
  int guarded = 0;
  const int each = rounds(5000);
  for (int t = 0; t < 4; ++t) {
    c.start([&] {
      for (int i = 0; i < each; ++i) {
        mutex.send();
        ++guarded;
        mutex.recv();
      }
    });
  }
  c.join();
  EXPECT_EQ(guarded, 4 * each);
}

TEST_P(chan_use, places_make_a_semaphore) {
  auto permits = dh::make_chan<void>(3);
  std::atomic<int> inside{0};
  std::atomic<int> most{0};
  for (int t = 0; t < 8; ++t) {
    c.start([&] {
      for (int i = 0; i < rounds(1000); ++i) {
        permits.send();
        const int now = ++inside;
        int seen = most;
        while (seen < now && !most.compare_exchange_weak(seen, now)) {
        }
        --inside;
        permits.recv();
      }
    });
  }
  c.join();
  EXPECT_LE(most, 3);
}

TEST_P(chan_use, a_request_carries_its_reply_channel) {
  struct request {
    int question;
    dh::send_chan<int> reply;
  };
  auto requests = dh::make_chan<request>();
  c.start([requests] {
    for (auto& r : requests) r.reply.send(r.question * 2);
  });
  for (int i = 0; i < 100; ++i) {
    auto reply = dh::make_chan<int>(1);  // one place: who answers never waits
    requests.send({i, reply});
    EXPECT_EQ(reply.recv(), 2 * i);
  }
  requests.close();
}

TEST_P(chan_use, a_daisy_chain_passes_one_value_through_all) {
  const int links = GetParam() == place::goroutines ? rounds(10'000) : 40;
  const auto first = dh::make_chan<int>();
  auto in = first;
  for (int i = 0; i < links; ++i) {
    auto out = dh::make_chan<int>();
    c.start([in, out] { out.send(*in.recv() + 1); });
    in = out;
  }
  first.send(0);
  EXPECT_EQ(in.recv(), links);
}

}  // namespace
