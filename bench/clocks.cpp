// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// A million pending timers, and how late timers and sleepers are; as bench/rivals/go/timers.go.
#include <chrono>
#include <downhaul/downhaul.hpp>
#include <string>
#include <vector>

#include "rows.hpp"

namespace dh = downhaul;
using namespace std::chrono_literals;
using std::chrono::nanoseconds;

namespace {

void million() {
  constexpr std::size_t n = 1'000'000;
  std::vector<double> create, reset, stop;
  for (int r = 0; r < bench::at_most(5); ++r) {
    std::vector<dh::timer> timers(n);
    bench::random_delays random;
    const auto delay = [&] { return 1h + nanoseconds{random()}; };
    const auto t0 = bench::now();
    for (auto& t : timers) t = dh::timer{delay(), [] {}};
    create.push_back(bench::since(t0) / n);
    const auto t1 = bench::now();
    for (auto& t : timers) t.reset(delay());
    reset.push_back(bench::since(t1) / n);
    const auto t2 = bench::now();
    for (auto& t : timers) t.stop();
    stop.push_back(bench::since(t2) / n);
  }
  bench::emit("timer_1e6", "create", create, "ns/op");
  bench::emit("timer_1e6", "reset", reset, "ns/op");
  bench::emit("timer_1e6", "stop", stop, "ns/op");
}

void lateness() {
  constexpr std::size_t n = 20'000;
  std::vector<double> late;
  late.reserve(n);
  dh::mutex m;
  dh::wait_group wg;
  wg.add(n);
  const auto base = dh::now() + 200ms;
  for (std::size_t i = 0; i < n; ++i) {
    const auto due = base + 100us * i;
    dh::timer t{due - dh::now(), [&, due] {
                  const double l =
                      std::chrono::duration<double, std::micro>(dh::now() - due).count();
                  m.lock();
                  late.push_back(l);
                  m.unlock();
                  wg.done();
                }};
    t.detach();
  }
  wg.wait();
  bench::percentiles("timer_late", "1e4/s", std::move(late));
}

void oversleep(std::chrono::microseconds d, const std::string& name) {
  std::vector<double> late;
  for (int i = 0; i < 1000; ++i) {
    const auto start = bench::now();
    dh::sleep(d);
    late.push_back((bench::since(start) - static_cast<double>(nanoseconds{d}.count())) / 1e3);
  }
  bench::percentiles("sleep_late", name, std::move(late));
}

void rows() {
  if (bench::want("timer_1e6", "pending")) million();
  if (bench::want("timer_late", "1e4/s")) lateness();
  if (bench::want("sleep_late", "50us")) oversleep(50us, "50us");
  if (bench::want("sleep_late", "1ms")) oversleep(1ms, "1ms");
}

}  // namespace

int main(int argc, char** argv) {
  bench::init("downhaul", argc, argv);
  dh::runtime rt{{.workers = bench::workers}};
  rt.run(rows);
}
