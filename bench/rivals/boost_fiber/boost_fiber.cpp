// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// Boost.Fiber.  -p 1: round_robin on one thread; -p 2: work_stealing(2) on two, which poll when idle, as
// is Boost's default. 16 KiB stacks, pooled on one thread. Children run first: with launch::post a
// million leaves would hold a million stacks. Where we have room for 100, a buffered_channel has 127.
#include <unistd.h>
#include <boost/fiber/algo/work_stealing.hpp>
#include <boost/fiber/all.hpp>
#include <thread>
#include "../scheduler_scenarios.hpp"
namespace bf = boost::fibers;
static constexpr std::size_t stack_size = 16384;
static bool pooled = true;
static constexpr bf::launch how = bf::launch::dispatch;
static thread_local std::unique_ptr<bf::pooled_fixedsize_stack> pool;
struct P {
  static constexpr long max_live = 1000000;
  static constexpr bool do_sieve = true, do_skynet = true;
  static constexpr int slow_reps = 5, park_reps = 5;
  static constexpr std::size_t skynet_cap = 0;
  static std::size_t cap(int c) { return c == 0 ? 0 : c == 1 ? 2 : 128; }  // one slot stays empty
  template <class F>
  static void go(F f) {
    if (pooled) {
      if (!pool) pool = std::make_unique<bf::pooled_fixedsize_stack>(stack_size);
      bf::fiber(how, std::allocator_arg, *pool, std::move(f)).detach();
    } else
      bf::fiber(how, std::allocator_arg, bf::fixedsize_stack(stack_size), std::move(f)).detach();
  }
  static void yield() { boost::this_fiber::yield(); }
  static void sleep_us(long us) { boost::this_fiber::sleep_for(std::chrono::microseconds(us)); }
  template <class T>
  struct Chan {
    std::unique_ptr<bf::buffered_channel<T>> b;
    std::unique_ptr<bf::unbuffered_channel<T>> u;
    explicit Chan(std::size_t c) {
      if (c)
        b = std::make_unique<bf::buffered_channel<T>>(c);
      else
        u = std::make_unique<bf::unbuffered_channel<T>>();
    }
    bool push(T v) { return (b ? b->push(v) : u->push(v)) == bf::channel_op_status::success; }
    bool pop(T& v) { return (b ? b->pop(v) : u->pop(v)) == bf::channel_op_status::success; }
    void close() { b ? b->close() : u->close(); }
  };
  using WG = bench::CvWG<bf::mutex, bf::condition_variable>;
  struct Gate {
    bf::buffered_channel<int> c{2};
    void wait() {
      int v;
      c.pop(v);
    }
    void open() { c.close(); }
  };
};
int main(int argc, char** argv) {
  bench::init("boost_fiber", argc, argv);
  if (bench::workers == 1) {
    bench::sched_all<P>();
    std::fflush(stdout);
    _exit(0);
  }
  // pooled stacks are not thread safe; a stolen fiber frees its stack elsewhere
  pooled = false;
  bf::mutex m;
  bf::condition_variable cv;
  bool stop = false;
  std::thread t([&] {
    bf::use_scheduling_algorithm<bf::algo::work_stealing>(bench::workers, false);
    std::unique_lock<bf::mutex> l(m);
    cv.wait(l, [&] { return stop; });
  });
  bf::use_scheduling_algorithm<bf::algo::work_stealing>(bench::workers, false);
  bench::sched_all<P>();
  std::fflush(stdout);
  _exit(0);  // the sieve's fibers are still parked
}
