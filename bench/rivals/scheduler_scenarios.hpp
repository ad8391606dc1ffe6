// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// bench/rivals/scheduler_scenarios.hpp — goroutine and channel rows for any fiber/coroutine/thread library, by policy P:
//   P::go(f)            start f as a fiber
//   P::yield()
//   P::Chan<T>(cap)     push(v) -> bool, pop(v) -> bool, close(); cap 0 = rendezvous
//   P::WG               add(n), done(), wait()
//   P::sleep_us(n), P::max_live  the most fibers that may be alive at once
//   P::Gate             wait(), open()
//   P::cap(c)           what to ask Chan for to get room for c elements
//   P::slow_reps, P::park_reps, P::do_sieve, P::do_skynet
// Everything runs inside a fiber; the program starts the runtime.
#pragma once
#include <deque>
#include <memory>
#include <mutex>

#include "../rows.hpp"

namespace bench {
// A plain channel from a mutex and a condition variable, for libraries that have none.
template <class T, class M, class CV>
class CvChan {
  M m;
  CV not_empty, not_full, taken;
  std::deque<T> q;
  std::size_t cap;
  std::uint64_t pushed = 0, popped = 0;
  bool closed = false;

 public:
  explicit CvChan(std::size_t c) : cap(c) {}
  bool push(T v) {
    std::unique_lock<M> l(m);
    while (!closed && q.size() >= (cap ? cap : 1)) not_full.wait(l);
    if (closed) return false;
    q.push_back(std::move(v));
    auto my = ++pushed;
    not_empty.notify_one();
    if (!cap)
      while (!closed && popped < my) taken.wait(l);
    return true;
  }
  bool pop(T& v) {
    std::unique_lock<M> l(m);
    while (!closed && q.empty()) not_empty.wait(l);
    if (q.empty()) return false;
    v = std::move(q.front());
    q.pop_front();
    ++popped;
    if (!cap) taken.notify_all();
    not_full.notify_one();
    return true;
  }
  void close() {
    std::unique_lock<M> l(m);
    closed = true;
    not_empty.notify_all();
    not_full.notify_all();
    taken.notify_all();
  }
};
// A wait group from a mutex and a condition variable.  The state is shared, because the
// last done() may still be inside unlock() when the waiter has gone on.
template <class M, class CV>
class CvWG {
  struct S {
    M m;
    CV cv;
    long n = 0;
  };
  std::shared_ptr<S> s = std::make_shared<S>();

 public:
  void add(long k) {
    std::unique_lock<M> l(s->m);
    s->n += k;
  }
  void done() {
    auto h = s;
    std::unique_lock<M> l(h->m);
    if (--h->n == 0) h->cv.notify_all();
  }
  void wait() {
    auto h = s;
    std::unique_lock<M> l(h->m);
    while (h->n > 0) h->cv.wait(l);
  }
};

template <class P>
void prodcons(int np, int nc, std::size_t cap, std::uint64_t n) {
  typename P::template Chan<std::uint64_t> ch(cap);
  typename P::WG pw, cw;
  pw.add(np);
  cw.add(nc);
  for (int p = 0; p < np; ++p)
    P::go([&, n, np] {
      for (std::uint64_t i = 0; i < n / np; ++i) ch.push(i);
      pw.done();
    });
  for (int c = 0; c < nc; ++c)
    P::go([&] {
      std::uint64_t v;
      while (ch.pop(v)) {
      }
      cw.done();
    });
  pw.wait();
  ch.close();
  cw.wait();
}
// The filters stay parked after the last prime, as in the Go program, so that closing
// is not part of what is timed (and some rivals' close is not safe here). They leak.
template <class P>
double run_sieve(int n, long expect) {
  using C = typename P::template Chan<long>;
  auto t = now();
  C* in = new C(P::cap(0));
  P::go([in] {
    for (long i = 2; in->push(i); ++i) {
    }
  });
  long p = 0;
  for (int i = 0; i < n; ++i) {
    in->pop(p);
    C* out = new C(P::cap(0));
    P::go([in, out, p] {
      long v;
      while (in->pop(v))
        if (v % p != 0 && !out->push(v)) break;
    });
    in = out;
  }
  double d = double(now() - t) / 1e6;
  if (p != expect) {
    std::fprintf(stderr, "sieve: %ld\n", p);
    std::abort();
  }
  return d;
}
// The channel is shared, since the parent may go on while the last child is still in push().
template <class P>
using SkyChan = std::shared_ptr<typename P::template Chan<long>>;
template <class P>
void skynet(SkyChan<P> const& c, long num, long size, long div) {
  if (size == 1) {
    c->push(num);
    return;
  }
  auto rc = std::make_shared<typename P::template Chan<long>>(P::skynet_cap);
  long sum = 0, v = 0;
  for (long i = 0; i < div; ++i) {
    long sub = num + i * (size / div), sz = size / div;
    P::go([rc, sub, sz, div] { skynet<P>(rc, sub, sz, div); });
  }
  for (long i = 0; i < div; ++i) {
    rc->pop(v);
    sum += v;
  }
  c->push(sum);
}
// The same tree with a counter to join on and no channel: for runtimes without channels.
template <class P>
void skynet_wg(std::uint64_t* out, long num, long size, long div) {
  if (size == 1) {
    *out = std::uint64_t(num);
    return;
  }
  typename P::WG wg;
  std::uint64_t r[10];
  wg.add(div);
  for (long i = 0; i < div; ++i) {
    auto* q = r + i;
    long sub = num + i * (size / div), sz = size / div;
    P::go([wg, q, sub, sz, div]() mutable {
      skynet_wg<P>(q, sub, sz, div);
      wg.done();
    });
  }
  wg.wait();
  std::uint64_t s = 0;
  for (long i = 0; i < div; ++i) s += r[i];
  *out = s;
}

template <class P>
void sched_all() {
  using WG = typename P::WG;
  loop("spawn_join_1", "-", [](auto n) {
    while (n--) {
      WG wg;
      wg.add(1);
      P::go([&wg] { wg.done(); });
      wg.wait();
    }
  });
  {
    const std::uint64_t B = std::min<std::uint64_t>(100000, P::max_live);
    loop("spawn_join_batch", B == 100000 ? "1e5" : std::to_string(B), [B](auto n) {
      while (n) {
        auto k = std::min<std::uint64_t>(n, B);
        n -= k;
        WG wg;
        wg.add(long(k));
        for (std::uint64_t i = 0; i < k; ++i) P::go([&wg] { wg.done(); });
        wg.wait();
      }
    });
  }
  for (int g : {2, 1000})
    loop("yield", std::to_string(g) + " goroutines", [g](auto n) {
      WG wg;
      wg.add(g);
      for (int i = 0; i < g; ++i)
        P::go([&wg, n, g] {
          for (std::uint64_t j = 0; j < n / g; ++j) P::yield();
          wg.done();
        });
      wg.wait();
    });
  loop("pingpong", "round trip, 2 unbuffered chans", [](auto n) {
    typename P::template Chan<std::uint64_t> a(0), b(0);
    WG wg;
    wg.add(1);
    P::go([&] {
      std::uint64_t v = 0;
      for (std::uint64_t i = 0; i < n; ++i) {
        a.pop(v);
        b.push(v);
      }
      wg.done();
    });
    std::uint64_t v = 0;
    for (std::uint64_t i = 0; i < n; ++i) {
      a.push(i);
      b.pop(v);
    }
    wg.wait();
  });
  for (int cap : {0, 1, 100}) {
    const std::string nm = "cap " + std::to_string(cap);
    auto c = P::cap(cap);
    loop("prodcons_1to1", nm, [c](auto n) { prodcons<P>(1, 1, c, n); });
    loop("prodcons_4to4", nm, [c](auto n) { prodcons<P>(4, 4, c, n); });
    loop("prodcons_100to100", nm, [c](auto n) { prodcons<P>(100, 100, c, n); });
  }
  loop("chan_buffered_same_goroutine", "send+recv cap 1", [](auto n) {
    typename P::template Chan<std::uint64_t> c(P::cap(1));
    std::uint64_t v;
    while (n--) {
      c.push(n);
      c.pop(v);
    }
  });
  if (P::max_live >= 100000)
    fixed("fanout_fanin", "1e5 via chan cap 128", "ms", 7, [] {
      auto t = now();
      const long n = 100000;
      typename P::template Chan<long> ch(P::cap(128));
      WG wg;
      wg.add(n);
      for (long i = 0; i < n; ++i)
        P::go([&ch, &wg, i] {
          ch.push(i);
          wg.done();
        });
      long s = 0, v = 0;
      for (long i = 0; i < n; ++i) {
        ch.pop(v);
        s += v;
      }
      if (s != n * (n - 1) / 2) std::abort();
      double d = double(now() - t) / 1e6;
      wg.wait();
      return d;
    });
  if (P::do_skynet)
    fixed("skynet", "1e6 leaves", "ms", P::slow_reps, [] {
      auto t = now();
      auto c = std::make_shared<typename P::template Chan<long>>(P::skynet_cap);
      P::go([c] { skynet<P>(c, 0, 1000000, 10); });
      long v = 0;
      c->pop(v);
      double d = double(now() - t) / 1e6;
      if (v != 499999500000L) std::abort();
      return d;
    });
  if (P::do_skynet)
    fixed("skynet_wg", "1e6 leaves", "ms", P::slow_reps, [] {
      auto t = now();
      std::uint64_t v = 0;
      skynet_wg<P>(&v, 0, 1000000, 10);
      if (v != 499999500000ull) std::abort();
      return double(now() - t) / 1e6;
    });
  for (const long us : {50L, 1000L}) {
    const std::string name = us == 50 ? "50us" : "1ms";
    if (!want("sleep_late", name)) continue;
    std::vector<double> xs;
    for (int i = 0; i < 1000; ++i) {
      auto t = now();
      P::sleep_us(us);
      xs.push_back((double(now() - t) - double(us) * 1000) / 1e3);
    }
    percentiles("sleep_late", name, xs);
  }
  // N parked fibers, woken by one close of a channel (what Go does for ctx.Done()).
  for (long n : {100000L, 1000000L}) {
    auto nm = std::to_string(n);
    if (!want("parked", nm) || n > long(P::max_live)) continue;
    std::vector<double> mem, spawn, call, wake;
    for (int r = 0; r < at_most(P::park_reps); ++r) {
      typename P::Gate done;
      WG ready, out;
      ready.add(n);
      out.add(n);
      double r0 = rss();
      auto t0 = now();
      for (long i = 0; i < n; ++i)
        P::go([&] {
          ready.done();
          done.wait();
          out.done();
        });
      ready.wait();
      auto t1 = now();
      P::sleep_us(20000);
      double r1 = rss();
      if (r == 0) mem.push_back((r1 - r0) / double(n));
      auto t2 = now();
      done.open();
      auto t3 = now();
      out.wait();
      auto t4 = now();
      spawn.push_back(double(t1 - t0) / double(n));
      call.push_back(double(t3 - t2) / 1e6);
      wake.push_back(double(t4 - t2) / 1e6);
    }
    emit("parked_rss", nm, mem, "B/goroutine");
    emit("parked_spawn", nm, spawn, "ns/goroutine");
    emit("parked_cancel_call", nm, call, "ms");
    emit("parked_cancel_all_exited", nm, wake, "ms");
  }
  if (P::do_sieve)
    fixed("sieve", "2000 primes, plain", "ms", P::slow_reps,
          [] { return run_sieve<P>(2000, 17389); });
}
}  // namespace bench
