// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// std::thread as the goroutine, mutex and condition variable channels. Memory is what the user's side
// takes; the kernel's stacks come on top. No sieve: it takes most of a minute.
#include <pthread.h>
#include <unistd.h>
#include <condition_variable>
#include <thread>
#include "../scheduler_scenarios.hpp"
struct P {
  static constexpr long max_live = 10000;
  static constexpr bool do_sieve = false, do_skynet = false;
  static constexpr int slow_reps = 3, park_reps = 3;
  static constexpr std::size_t skynet_cap = 0;
  static std::size_t cap(int c) { return std::size_t(c); }
  template <class F>
  static void go(F f) {
    auto* p = new F(std::move(f));
    pthread_attr_t a;
    pthread_attr_init(&a);
    pthread_attr_setstacksize(&a, 65536);
    pthread_attr_setdetachstate(&a, PTHREAD_CREATE_DETACHED);
    pthread_t t;
    while (pthread_create(
        &t, &a,
        [](void* q) -> void* {
          std::unique_ptr<F> f(static_cast<F*>(q));
          (*f)();
          return nullptr;
        },
        p))
      std::this_thread::yield();
    pthread_attr_destroy(&a);
  }
  static void yield() { std::this_thread::yield(); }
  static void sleep_us(long us) { std::this_thread::sleep_for(std::chrono::microseconds(us)); }
  template <class T>
  using Chan = bench::CvChan<T, std::mutex, std::condition_variable>;
  using WG = bench::CvWG<std::mutex, std::condition_variable>;
  struct Gate {
    std::mutex m;
    std::condition_variable cv;
    bool o = false;
    void wait() {
      std::unique_lock<std::mutex> l(m);
      while (!o) cv.wait(l);
    }
    void open() {
      std::unique_lock<std::mutex> l(m);
      o = true;
      cv.notify_all();
    }
  };
};
int main(int argc, char** argv) {
  bench::init("std", argc, argv);
  bench::sched_all<P>();
  if (bench::want("parked", "10000")) {
    const long n = 10000;
    std::vector<double> mem, spawn, wake;
    for (int r = 0; r < bench::at_most(3); ++r) {
      P::Gate g;
      P::WG ready, out;
      ready.add(n);
      out.add(n);
      double r0 = bench::rss();
      auto t0 = bench::now();
      for (long i = 0; i < n; ++i)
        P::go([&] {
          ready.done();
          g.wait();
          out.done();
        });
      ready.wait();
      auto t1 = bench::now();
      P::sleep_us(50000);
      if (!r) mem.push_back((bench::rss() - r0) / n);
      auto t2 = bench::now();
      g.open();
      out.wait();
      auto t3 = bench::now();
      spawn.push_back(double(t1 - t0) / n);
      wake.push_back(double(t3 - t2) / 1e6);
      P::sleep_us(200000);
    }
    bench::emit("parked_rss", "10000", mem, "B/goroutine");
    bench::emit("parked_spawn", "10000", spawn, "ns/goroutine");
    bench::emit("parked_cancel_all_exited", "10000", wake, "ms");
  }
  std::fflush(stdout);
  _exit(0);  // the sieve's threads are still parked
}
