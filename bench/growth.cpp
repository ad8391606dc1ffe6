// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// What one element costs as there are 1 to 1,000,000 of them: goroutines parked, timers pending,
// waiters on one channel, cases of a select, values. (Children and depth: trees.cpp.) And what others
// see of it when a million children are cancelled at once.
#include <atomic>
#include <chrono>
#include <downhaul/downhaul.hpp>
#include <functional>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "rows.hpp"

namespace dh = downhaul;
using sizes = std::initializer_list<std::size_t>;
using namespace std::chrono_literals;

namespace {

constexpr std::size_t small_stack = 64 * 1024;  // a million of the default are too many addresses

// Small numbers are measured many at a time, to make the clock's cost vanish.
std::size_t at_once(std::size_t n) { return n < 10'000 ? 10'000 / n : 1; }

// Parks n goroutines in wait(), lets them go by release() and waits until they have ended.
struct parked {
  dh::wait_group ready, ended;
  std::function<void()> wait, release;

  void start(std::size_t n) {
    ready.add(static_cast<std::ptrdiff_t>(n));
    ended.add(static_cast<std::ptrdiff_t>(n));
    for (std::size_t i = 0; i < n; ++i) {
      dh::go({.stack = small_stack}, [this] {
        ready.done();
        wait();
        ended.done();
      });
    }
  }
};

void park_and_release(const std::string& scenario, std::size_t n,
                      const std::function<std::unique_ptr<parked>()>& make) {
  std::vector<double> in, out;
  const auto all = static_cast<double>(n * at_once(n));
  for (int r = 0; r < bench::at_most(5); ++r) {
    std::vector<std::unique_ptr<parked>> groups(at_once(n));
    for (auto& g : groups) g = make();
    const auto t0 = bench::now();
    for (auto& g : groups) g->start(n);
    for (auto& g : groups) g->ready.wait();
    in.push_back(bench::since(t0) / all);
    dh::sleep(5ms);  // the last ones park
    const auto t1 = bench::now();
    for (auto& g : groups) g->release();
    for (auto& g : groups) g->ended.wait();
    out.push_back(bench::since(t1) / all);
  }
  bench::emit(scenario + "_park", std::to_string(n), in, "ns/goroutine");
  bench::emit(scenario + "_release", std::to_string(n), out, "ns/goroutine");
}

std::unique_ptr<parked> until_cancelled() {
  auto group = std::make_unique<parked>();
  auto scope = std::make_shared<dh::cancelable>(dh::with_cancel(dh::background()));
  group->wait = [ctx = scope->ctx] { ctx.done().recv(); };
  group->release = [scope] { scope->cancel(); };
  return group;
}

std::unique_ptr<parked> on_one_channel() {
  auto group = std::make_unique<parked>();
  auto ch = dh::make_chan<int>();
  group->wait = [ch] { ch.recv(); };
  group->release = [ch] { ch.close(); };
  return group;
}

void timers(std::size_t n) {
  std::vector<double> create, stop;
  const std::size_t all = n * at_once(n);
  for (int r = 0; r < bench::at_most(5); ++r) {
    double c = 0;
    double s = 0;
    std::vector<dh::timer> pending(n);
    bench::random_delays random;
    for (std::size_t k = 0; k < at_once(n); ++k) {
      const auto t0 = bench::now();
      for (auto& t : pending) t = dh::timer{1h + std::chrono::nanoseconds{random()}, [] {}};
      c += bench::since(t0);
      const auto t1 = bench::now();
      for (auto& t : pending) t.stop();
      s += bench::since(t1);
    }
    create.push_back(c / static_cast<double>(all));
    stop.push_back(s / static_cast<double>(all));
  }
  bench::emit("growth_timers_create", std::to_string(n), create, "ns/timer");
  bench::emit("growth_timers_stop", std::to_string(n), stop, "ns/timer");
}

void cases(std::size_t n) {
  std::vector<dh::chan<int>> channels;
  for (std::size_t i = 0; i < n; ++i) channels.push_back(dh::make_chan<int>(1));
  std::vector<dh::select_case> list;
  std::vector<double> ready;
  for (int r = 0; r < bench::at_most(5); ++r) {
    const auto start = bench::now();
    for (std::size_t k = 0; k < at_once(n); ++k) {
      channels[(k * 7919) % n].send(1);
      list.clear();
      for (const auto& c : channels) list.emplace_back(dh::recv(c));
      dh::select(std::span{list});
    }
    ready.push_back(bench::since(start) / static_cast<double>(n * at_once(n)));
  }
  bench::emit("growth_cases_one_ready", std::to_string(n), ready, "ns/case");
}

void waiting_cases(std::size_t n) {
  std::vector<dh::chan<int>> channels;
  for (std::size_t i = 0; i < n; ++i) channels.push_back(dh::make_chan<int>());
  std::vector<dh::select_case> list;
  std::vector<double> waited;
  const std::size_t times = at_once(n);
  for (int r = 0; r < bench::at_most(5); ++r) {
    const auto start = bench::now();
    dh::go([&channels, n, times] {
      for (std::size_t k = 0; k < times; ++k) channels[(k * 7919) % n].send(1);
    });
    for (std::size_t k = 0; k < times; ++k) {
      list.clear();
      for (const auto& c : channels) list.emplace_back(dh::recv(c));
      dh::select(std::span{list});
    }
    waited.push_back(bench::since(start) / static_cast<double>(n * times));
  }
  bench::emit("growth_cases_waiting", std::to_string(n), waited, "ns/case");
}

void values(std::size_t n) {
  static const auto others = [] {
    std::vector<std::unique_ptr<dh::key<int>>> keys(1'000'000);
    for (auto& k : keys) k = std::make_unique<dh::key<int>>("other");
    return keys;
  }();
  static constexpr dh::key<int> wanted{"wanted"};
  std::vector<double> bind, find;
  for (int r = 0; r < bench::at_most(5); ++r) {
    dh::context ctx;
    const auto t0 = bench::now();
    for (std::size_t k = 0; k < at_once(n); ++k) {
      ctx = dh::with_value(dh::background(), wanted, 42);
      for (std::size_t i = 1; i < n; ++i) ctx = dh::with_value(ctx, *others[i], 1);
    }
    bind.push_back(bench::since(t0) / static_cast<double>(n * at_once(n)));
    constexpr int times = 1000;
    long sum = 0;
    const auto t1 = bench::now();
    for (int i = 0; i < times; ++i) {
      sum += *ctx.value(wanted);
      bench::keep(sum);
    }
    find.push_back(bench::since(t1) / times);
  }
  bench::emit("growth_values_bind", std::to_string(n), bind, "ns/value");
  bench::emit("growth_values_find", std::to_string(n), find, "ns/op");
}

// A plain thread makes and cancels a context again and again while a million children of `parent`
// are cancelled: how long the longest of its rounds took.
void neighbour(const std::string& name, bool under_the_cancelled, bool cancels) {
  constexpr std::size_t children = 1'000'000;
  std::vector<double> took;
  for (int r = 0; r < bench::at_most(3); ++r) {
    auto top = dh::with_cancel(dh::background());
    auto cancelled = dh::with_cancel(top.ctx);
    std::vector<dh::cancelable> kids(children);
    for (auto& k : kids) k = dh::with_cancel(cancelled.ctx);
    std::atomic<bool> stop{false};
    std::atomic<bool> going{false};
    std::thread beside{[&] {
      const dh::context parent = under_the_cancelled ? cancelled.ctx : top.ctx;
      while (!stop.load()) {
        const auto start = bench::now();
        {
          auto [ctx, cancel] = dh::with_cancel(parent);
          cancel();
        }
        took.push_back(bench::since(start) / 1e3);
        going.store(true);
      }
    }};
    while (!going.load()) std::this_thread::yield();
    if (cancels) {
      cancelled.cancel();
    } else {
      dh::sleep(20ms);
    }
    stop.store(true);
    beside.join();
  }
  bench::percentiles("growth_neighbour", name, std::move(took));
}

void rows() {
  for (const std::size_t n : sizes{1, 10, 100, 1'000, 10'000, 100'000, 1'000'000}) {
    const auto name = std::to_string(n);
    if (bench::want("growth_goroutines", name))
      park_and_release("growth_goroutines", n, until_cancelled);
    if (bench::want("growth_waiters", name)) park_and_release("growth_waiters", n, on_one_channel);
    if (bench::want("growth_timers", name)) timers(n);
    if (bench::want("growth_values", name)) values(n);
  }
  for (const std::size_t n : sizes{1, 10, 100, 1'000, 10'000, 65'536}) {  // no select takes more
    if (!bench::want("growth_cases", std::to_string(n))) continue;
    cases(n);
    waiting_cases(n);
  }
  if (bench::want("growth_neighbour", "undisturbed")) neighbour("undisturbed", false, false);
  if (bench::want("growth_neighbour", "sibling")) neighbour("sibling", false, true);
  if (bench::want("growth_neighbour", "same parent")) neighbour("same parent", true, true);
}

}  // namespace

int main(int argc, char** argv) {
  bench::init("downhaul", argc, argv);
  dh::runtime rt{{.workers = bench::workers}};
  rt.run(rows);
}
