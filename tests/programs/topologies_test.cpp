// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// Six ways of connecting senders with receivers — directly, through selects, crosswise — with
// channels of capacities 0, 1, 10 and 100: 10,944 sends and receives, each checked. And one sender
// with ten receivers.

#include <gmock/gmock.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <numeric>
#include <span>
#include <vector>

#include "downhaul/downhaul.hpp"
#include "support/crew.hpp"

namespace dh = downhaul;

namespace {

constexpr int per_channel = 57;

// The i-th value on channel number `on`.
int value_of(int on, int i) { return on * 1000 + i; }

struct line {
  int number = 0;
  dh::chan<int> ch{};
};
std::vector<line> lines(int first, int n, std::ptrdiff_t capacity) {
  std::vector<line> all;
  for (int i = 0; i < n; ++i) all.push_back({first + i, dh::make_chan<int>(capacity)});
  return all;
}

class exchange {
 public:
  int operations() const { return operations_; }
  int wrong() const { return wrong_; }

  void send_directly(const line& l) {
    for (int i = 0; i < per_channel; ++i) {
      l.ch.send(value_of(l.number, i));
      ++operations_;
    }
  }
  void recv_directly(const line& l) {
    for (int i = 0; i < per_channel; ++i) check(l.ch.recv().value(), l, i);
  }
  // Any of the lines, whichever can; what is through is switched off. Sends on the first ones,
  // receives from the others.
  template <std::size_t Sends, std::size_t Recvs>
  void by_select(std::array<line, Sends> to, std::array<line, Recvs> from) {
    std::array<int, Sends> sent{};
    std::array<int, Recvs> received{};
    int left = per_channel * static_cast<int>(Sends + Recvs);
    for (; left > 0; --left) {
      std::vector<dh::select_case> cases;
      std::array<std::optional<int>, Recvs> got;
      for (std::size_t i = 0; i < Sends; ++i) {
        cases.emplace_back(dh::send(to[i].ch, value_of(to[i].number, sent[i])));
      }
      for (std::size_t i = 0; i < Recvs; ++i) cases.emplace_back(dh::recv(from[i].ch, got[i]));
      const int at = dh::select(cases);
      if (at < static_cast<int>(Sends)) {
        const auto i = static_cast<std::size_t>(at);
        ++operations_;
        if (++sent[i] == per_channel) to[i].ch = {};
      } else {
        const std::size_t i = static_cast<std::size_t>(at) - Sends;
        check(got[i].value(), from[i], received[i]);
        if (++received[i] == per_channel) from[i].ch = {};
      }
    }
  }

 private:
  void check(int v, const line& l, int i) {
    ++operations_;
    if (v != value_of(l.number, i)) ++wrong_;
  }

  std::atomic<int> operations_{0};
  std::atomic<int> wrong_{0};
};

template <std::size_t N>
std::array<line, N> some(const std::vector<line>& all, std::size_t first = 0) {
  std::array<line, N> part;
  std::copy_n(all.begin() + static_cast<std::ptrdiff_t>(first), N, part.begin());
  return part;
}

// 24 channels, 57 values on each, sent and received: 2736 operations.
void all_topologies(exchange& ex, std::ptrdiff_t capacity) {
  dh::wait_group done;
  const auto spawn = [&](auto f) { done.go(std::move(f)); };

  // 1: direct to direct
  for (const line& l : lines(0, 3, capacity)) {
    spawn([&ex, l] { ex.send_directly(l); });
    spawn([&ex, l] { ex.recv_directly(l); });
  }
  // 2: direct to select
  const auto second = lines(3, 3, capacity);
  for (const line& l : second) spawn([&ex, l] { ex.send_directly(l); });
  spawn([&ex, from = some<3>(second)] { ex.by_select(std::array<line, 0>{}, from); });
  // 3: select to direct
  const auto third = lines(6, 3, capacity);
  spawn([&ex, to = some<3>(third)] { ex.by_select(to, std::array<line, 0>{}); });
  for (const line& l : third) spawn([&ex, l] { ex.recv_directly(l); });
  // 4: select to select
  const auto fourth = lines(9, 3, capacity);
  spawn([&ex, to = some<3>(fourth)] { ex.by_select(to, std::array<line, 0>{}); });
  spawn([&ex, from = some<3>(fourth)] { ex.by_select(std::array<line, 0>{}, from); });
  // 5: crosswise: each sends on two and receives from two, in one select
  const auto fifth = lines(12, 4, capacity);
  spawn([&ex, to = some<2>(fifth), from = some<2>(fifth, 2)] { ex.by_select(to, from); });
  spawn([&ex, to = some<2>(fifth, 2), from = some<2>(fifth)] { ex.by_select(to, from); });
  // 6: eight ways, mixed: selects of four and four against direct ones and against each other
  const auto sixth = lines(16, 8, capacity);
  spawn([&ex, to = some<4>(sixth), from = some<4>(sixth, 4)] { ex.by_select(to, from); });
  for (std::size_t i = 0; i < 2; ++i) {
    spawn([&ex, l = sixth[i]] { ex.recv_directly(l); });
    spawn([&ex, l = sixth[4 + i]] { ex.send_directly(l); });
  }
  spawn([&ex, to = some<2>(sixth, 6), from = some<2>(sixth, 2)] { ex.by_select(to, from); });

  done.wait();
}

TEST(programs_topologies, six_of_them_with_four_capacities_make_10944_operations) {
  for (const int workers : {1, 4}) {
    dh::runtime on{dh::runtime_options{.workers = workers}};
    on.run([] {
      exchange ex;
      for (const std::ptrdiff_t capacity : {0, 1, 10, 100}) all_topologies(ex, capacity);
      EXPECT_EQ(ex.operations(), 10'944);
      EXPECT_EQ(ex.wrong(), 0);
    });
    downhaul_test::wait_until([&] { return on.goroutines() == 0; });
  }
}

TEST(programs_topologies, all_at_once_do_not_disturb_each_other) {
  exchange ex;
  dh::wait_group done;
  for (const std::ptrdiff_t capacity : {0, 1, 10, 100}) {
    done.go([&ex, capacity] { all_topologies(ex, capacity); });
  }
  done.wait();
  EXPECT_EQ(ex.operations(), 10'944);
  EXPECT_EQ(ex.wrong(), 0);
}

// A thousand numbers, two places, ten receivers: each number comes once, and whoever receives one
// sees what the sender had written for it.
TEST(programs_topologies, one_sender_and_ten_receivers_share_a_thousand_numbers) {
  constexpr int n = 1000;
  for (int round = 0; round < 10; ++round) {
    auto ch = dh::make_chan<int>(2);
    std::vector<int> written(n);
    std::vector<std::atomic<int>> seen(n);
    std::array<std::vector<int>, 10> by_receiver;
    dh::wait_group done;
    for (auto& mine : by_receiver) {
      done.go([&, ch] {
        for (const int v : ch) {
          if (written[static_cast<std::size_t>(v)] != v + 1) ADD_FAILURE() << v;
          ++seen[static_cast<std::size_t>(v)];
          mine.push_back(v);
        }
      });
    }
    done.go([&, ch] {
      for (int i = 0; i < n; ++i) {
        written[static_cast<std::size_t>(i)] = i + 1;
        ch.send(i);
      }
      ch.close();
    });
    done.wait();
    EXPECT_EQ(std::ranges::count_if(seen, [](const auto& times) { return times == 1; }), n);
    std::size_t total = 0;
    for (const auto& mine : by_receiver) {
      EXPECT_TRUE(std::ranges::is_sorted(mine));
      total += mine.size();
    }
    EXPECT_EQ(total, n);
  }
}

}  // namespace
