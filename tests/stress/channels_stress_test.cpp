// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// ORACLE: a ledger with one line for each value. A sender writes down whether its operation said that
// the value was sent, and checks that a value which was not is still its own; a receiver writes down
// what it got. In the end each value sent has been received exactly once, each other one never; what
// one receiver gets from one sender over one channel comes in the order it was sent; and no element
// is left alive.
//
// Many senders and receivers, on goroutines and on threads, over channels of several capacities: by
// plain operations, attempts, selects and lists, which give up by otherwise, by a time-out, or because
// their context was cancelled.

#include <gmock/gmock.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <thread>
#include <vector>

#include "downhaul/downhaul.hpp"
#include "stress/length.hpp"

namespace dh = downhaul;
using namespace std::chrono_literals;

namespace {

std::atomic<long> alive{0};

// Counts itself.
class counted {
 public:
  counted() { ++alive; }
  counted(const counted&) { ++alive; }
  counted(counted&&) noexcept { ++alive; }
  counted& operator=(const counted&) = default;
  counted& operator=(counted&&) noexcept = default;
  ~counted() { --alive; }
};

struct small : counted {
  int id = -1;
  explicit small(int i) : id{i} {}
  bool holds(int i) const { return id == i; }
};
// Moved only, and only one of its moves is valid.
struct owner : counted {
  std::unique_ptr<int> id;
  explicit owner(int i) : id{std::make_unique<int>(i)} {}
  bool holds(int i) const { return id != nullptr && *id == i; }
};
// Too large to be moved under a lock.
struct large : counted {
  std::array<int, 100> ids{};
  explicit large(int i) { ids.fill(i); }
  bool holds(int i) const { return ids.front() == i && ids.back() == i; }
};
int id_of(const small& e) { return e.id; }
int id_of(const owner& e) { return *e.id; }
int id_of(const large& e) { return e.ids.front() == e.ids.back() ? e.ids.front() : -1; }

// A context that somebody cancels again and again.
class fickle {
 public:
  fickle() { renew(); }
  dh::context get() const {
    const std::lock_guard lock{mu_};
    return now_.ctx;
  }
  void renew() {
    auto next = dh::with_cancel({});
    const std::lock_guard lock{mu_};
    std::swap(now_, next);
  }

 private:
  mutable std::mutex mu_;
  dh::cancelable now_{};
};

constexpr int senders = 4;
constexpr int receivers = 4;
constexpr int per_sender = 150;
constexpr std::size_t channels = 3;

template <class E>
class market {
 public:
  explicit market(std::mt19937_64& rng) {
    constexpr std::array<std::ptrdiff_t, 4> capacities{0, 1, 2, 7};
    for (auto& ch : channels_) ch = dh::make_chan<E>(capacities[rng() % capacities.size()]);
  }

  void send_all(int me, std::mt19937_64 rng) {
    for (int i = 0; i < per_sender; ++i) {
      const int id = me * per_sender + i;
      E e{id};
      const std::size_t a = rng() % channels;
      const std::size_t b = rng() % channels;
      const int on = send_one(e, static_cast<int>(rng() % 8), a, b, rng);
      ASSERT_TRUE(on >= 0 || e.holds(id)) << "a value that was not sent was taken";
      sent_[static_cast<std::size_t>(id)] = on + 1;
    }
  }
  void receive_all(std::mt19937_64 rng) {
    // What came last of each sender on each channel.
    std::array<std::array<int, senders>, channels> last{};
    for (auto& of : last) of.fill(-1);
    std::array<dh::recv_chan<E>, channels> open;
    for (std::size_t i = 0; i < channels; ++i) open[i] = channels_[i];
    std::size_t left = channels;
    while (left > 0) {
      std::optional<E> got;
      bool closed = false;
      const int on = receive_one(open, got, closed, rng);
      if (on < 0) continue;
      const auto at = static_cast<std::size_t>(on);
      if (closed) {
        open[at] = {};
        --left;
        continue;
      }
      const int id = id_of(got.value());
      ASSERT_TRUE(id >= 0 && id < senders * per_sender);
      ++received_[static_cast<std::size_t>(id)];
      received_on_[static_cast<std::size_t>(id)] = on;
      int& before = last[at][static_cast<std::size_t>(id / per_sender)];
      ASSERT_LT(before, id) << "one sender's values came in another order on one channel";
      before = id;
    }
  }
  void renew() { ctx_.renew(); }
  void close() {
    for (const auto& ch : channels_) ch.close();
  }
  // How many values were sent and were not.
  std::pair<int, int> audit() const {
    int through = 0;
    int kept = 0;
    for (std::size_t id = 0; id < received_.size(); ++id) {
      EXPECT_EQ(received_[id], sent_[id] > 0 ? 1 : 0) << "value " << id;
      if (sent_[id] > 0) {
        EXPECT_EQ(received_on_[id], sent_[id] - 1) << "value " << id;
      }
      ++(sent_[id] > 0 ? through : kept);
    }
    return {through, kept};
  }

 private:
  // The channel it went to; -1: it gave up.
  int send_one(E& e, int how, std::size_t a, std::size_t b, std::mt19937_64& rng) {
    const int on_a = static_cast<int>(a);
    const int on_b = static_cast<int>(b);
    std::error_code ec;
    switch (how) {
      case 0: channels_[a].send(std::move(e)); return on_a;
      case 1: return channels_[a].try_send(std::move(e)) ? on_a : -1;
      case 2:
        return dh::select(dh::send(channels_[a], std::move(e)), dh::otherwise) == 0 ? on_a : -1;
      case 3:
        return dh::select(dh::send(channels_[a], std::move(e)), dh::recv(dh::after(soon(rng)))) == 0
                   ? on_a
                   : -1;
      case 4: channels_[a].send(ctx_.get(), std::move(e), ec); return ec ? -1 : on_a;
      case 5: {
        const auto [ctx, cancel] = dh::with_timeout(ctx_.get(), soon(rng));
        channels_[a].send(ctx, std::move(e), ec);
        return ec ? -1 : on_a;
      }
      case 6: {
        // Two cases cannot refer to one value: the other case would be left with nothing.
        if (a == b) return -1;
        const int id = id_of(e);
        E other{id};
        const int at = dh::select(ctx_.get(), ec, dh::send(channels_[a], std::move(e)),
                                  dh::send(channels_[b], std::move(other)));
        if (at == 1 && !e.holds(id)) return -2;
        return at == 0 ? on_a : at == 1 ? on_b : -1;
      }
      default: {
        std::vector<dh::select_case> cases;
        cases.emplace_back(dh::send(channels_[a], E{id_of(e)}));
        cases.emplace_back(dh::recv(dh::after(soon(rng))));
        return dh::select(ctx_.get(), ec, cases) == 0 ? on_a : -1;
      }
    }
  }
  int receive_one(const std::array<dh::recv_chan<E>, channels>& open, std::optional<E>& got,
                  bool& closed, std::mt19937_64& rng) {
    const std::size_t a = rng() % channels;
    const int on = open[a] ? static_cast<int>(a) : -1;
    std::error_code ec;
    switch (rng() % 6) {
      case 0:
        got = open[a].try_recv(ec);
        closed = !got && !ec;
        if (ec) downhaul_test::give_way();
        return ec ? -1 : on;
      case 1: {
        const auto [ctx, cancel] = dh::with_timeout(ctx_.get(), soon(rng));
        got = open[a].recv(ctx, ec);
        closed = !got && !ec;
        return ec ? -1 : on;
      }
      case 2: {
        const int at =
            dh::select(dh::recv(open[0], got), dh::recv(open[1], got), dh::recv(open[2], got));
        closed = !got;
        return at;
      }
      case 3: {
        const int at = dh::select(dh::recv(open[0], got), dh::recv(open[1], got),
                                  dh::recv(open[2], got), dh::recv(dh::after(soon(rng))));
        closed = !got;
        return at < 3 ? at : -1;
      }
      case 4: {
        const int at = dh::select(ctx_.get(), ec, dh::recv(open[2], got), dh::recv(open[1], got));
        closed = !got;
        return at < 0 ? -1 : 2 - at;
      }
      default: {
        std::vector<dh::select_case> cases;
        for (const auto& ch : open) cases.emplace_back(dh::recv(ch, got));
        cases.emplace_back(dh::otherwise);
        const int at = dh::select(cases);
        closed = !got;
        if (at == 3) downhaul_test::give_way();
        return at < 3 ? at : -1;
      }
    }
  }
  static std::chrono::microseconds soon(std::mt19937_64& rng) {
    return std::chrono::microseconds{rng() % 60};
  }

  std::array<dh::chan<E>, channels> channels_;
  fickle ctx_;
  std::vector<int> sent_ = std::vector<int>(senders * per_sender);  // 0: no, else channel + 1
  std::vector<std::atomic<int>> received_ = std::vector<std::atomic<int>>(senders * per_sender);
  std::vector<std::atomic<int>> received_on_ = std::vector<std::atomic<int>>(senders * per_sender);
};

template <class E>
void trade(std::uint64_t round, int& through, int& kept) {
  auto rng = downhaul_test::random_source(round);
  market<E> m{rng};
  dh::wait_group sending;
  dh::wait_group receiving;
  const auto mine = [&](std::uint64_t task) {
    return downhaul_test::random_source(round * 100 + task);
  };
  for (int i = 1; i < senders; ++i) {
    sending.go([&, i] { m.send_all(i, mine(static_cast<std::uint64_t>(i))); });
  }
  for (int i = 1; i < receivers; ++i) {
    receiving.go([&, i] { m.receive_all(mine(50 + static_cast<std::uint64_t>(i))); });
  }
  std::thread one_sender{[&] { m.send_all(0, mine(0)); }};
  std::thread one_receiver{[&] { m.receive_all(mine(50)); }};
  std::atomic<bool> done{false};
  dh::wait_group cancelling;
  cancelling.go([&] {
    while (!done) {
      m.renew();
      dh::sleep(30us);
    }
  });
  sending.wait();
  dh::blocking([&] { one_sender.join(); });
  m.close();
  receiving.wait();
  dh::blocking([&] { one_receiver.join(); });
  done = true;
  cancelling.wait();
  const auto [t, k] = m.audit();
  through += t;
  kept += k;
}

class stress_channels : public testing::TestWithParam<int> {
 protected:
  template <class E>
  static void run() {
    int through = 0;
    int kept = 0;
    const long before = alive;
    downhaul_test::run_on(GetParam(), [&] {
      const downhaul_test::deadline_of_test end{0.66};
      for (std::uint64_t round = 0; !end.over() && !HasFailure(); ++round) {
        trade<E>(round, through, kept);
      }
    });
    EXPECT_GT(through, 0);
    EXPECT_GT(kept, 0);
    EXPECT_EQ(alive, before) << "elements are left";
  }
};
INSTANTIATE_TEST_SUITE_P(workers, stress_channels, testing::Values(1, 4),
                         testing::PrintToStringParamName());

TEST_P(stress_channels, every_small_value_sent_is_received_once) { run<small>(); }
TEST_P(stress_channels, every_moved_value_sent_is_received_once) { run<owner>(); }
TEST_P(stress_channels, every_boxed_value_sent_is_received_once) { run<large>(); }

}  // namespace
