// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// bench/rivals/context_scenarios.hpp — the context rows for any C++ cancellation type, by policy P:
//   P::Source (default constructible), P::Token, P::token(Source&), P::cancel(Source&),
//   P::cancelled(Token const&), P::template Callback<F>(Token, F)
// A child context is emulated the usual way: its own Source plus a callback on the
// parent that cancels it.
#pragma once
#include <memory>
#include <thread>

#include "../rows.hpp"

namespace bench {
template <class P>
struct Child {
  typename P::Source src;
  struct Fwd {
    typename P::Source* s;
    void operator()() const noexcept { P::cancel(*s); }
  };
  typename P::template Callback<Fwd> link;
  explicit Child(typename P::Token t) : link(std::move(t), Fwd{&src}) {}
};
template <class F>
void two(std::uint64_t n, F f) {
  std::thread t([&] { f(n / 2); });
  f(n / 2);
  t.join();
}
template <class P>
void ctx_all() {
  using S = typename P::Source;
  using C = Child<P>;
  struct Nop {
    void operator()() const noexcept {}
  };
  loop("ctx_root_create_cancel", "-", [](auto n) {
    while (n--) {
      S s;
      keep(&s);
      P::cancel(s);
    }
  });
  {
    S root;
    loop("ctx_child_create_cancel", "on the stack", [&](auto n) {
      while (n--) {
        C c(P::token(root));
        P::cancel(c.src);
      }
    });
    loop("ctx_child_create_cancel", "-", [&](auto n) {
      while (n--) {
        auto c = std::make_unique<C>(P::token(root));
        P::cancel(c->src);
      }
    });
    loop("ctx_child_create_cancel_2thr", "shared-parent", [&](auto n) {
      two(n, [&](auto m) {
        while (m--) {
          C c(P::token(root));
          P::cancel(c.src);
        }
      });
    });
    auto tok = P::token(root);
    std::uint64_t hit = 0;
    loop("ctx_err", "live", [&](auto n) {
      while (n--)
        if (P::cancelled(tok)) ++hit;
      keep(hit);
    });
    loop("ctx_err_2thr", "live-shared", [&](auto n) {
      two(n, [&](auto m) {
        std::uint64_t h = 0;
        while (m--)
          if (P::cancelled(tok)) ++h;
        keep(h);
      });
    });
    loop("ctx_token_copy", "copy+destroy", [&](auto n) {
      while (n--) {
        auto t = tok;
        keep(&t);
      }
    });
    loop("ctx_callback_reg_dereg", "live", [&](auto n) {
      while (n--) {
        typename P::template Callback<Nop> c(tok, Nop{});
        keep(&c);
      }
    });
    loop("ctx_callback_reg_dereg_2thr", "live-shared", [&](auto n) {
      two(n, [&](auto m) {
        while (m--) {
          typename P::template Callback<Nop> c(tok, Nop{});
          keep(&c);
        }
      });
    });
    P::cancel(root);
    loop("ctx_err", "cancelled", [&](auto n) {
      while (n--)
        if (P::cancelled(tok)) ++hit;
      keep(hit);
    });
  }
  for (int w : {1, 10, 100, 1000, 100000, 1000000}) {
    auto nm = std::to_string(w);
    if (!want("ctx_tree_width", nm)) continue;
    int inner = w < 10000 ? 20000 / w : 1;
    std::vector<double> cr, ca, de, to;
    for (int k = 0; k < at_most(w >= 100000 ? 5 : 7); ++k) {
      std::vector<std::unique_ptr<S>> roots(inner);
      std::vector<std::unique_ptr<C>> kids(std::size_t(inner) * w);
      auto t0 = now();
      for (int i = 0; i < inner; ++i) {
        roots[i] = std::make_unique<S>();
        for (int j = 0; j < w; ++j)
          kids[std::size_t(i) * w + j] = std::make_unique<C>(P::token(*roots[i]));
      }
      auto t1 = now();
      for (auto& r : roots) P::cancel(*r);
      auto t2 = now();
      if (!P::cancelled(P::token(kids.back()->src))) std::abort();
      kids.clear();
      roots.clear();
      auto t3 = now();
      double d = double(inner) * w;
      cr.push_back(double(t1 - t0) / d);
      ca.push_back(double(t2 - t1) / d);
      de.push_back(double(t3 - t2) / d);
      to.push_back(double(t3 - t0) / d);
    }
    emit("ctx_tree_width_create", nm, cr, "ns/child");
    emit("ctx_tree_width_cancel", nm, ca, "ns/child");
    emit("ctx_tree_width_destroy", nm, de, "ns/child");
    emit("ctx_tree_width_total", nm, to, "ns/child");
  }
  for (int w : {1, 10, 100, 1000, 10000}) {
    auto nm = std::to_string(w);
    if (!want("ctx_tree_depth", nm)) continue;
    int inner = 20000 / w;
    std::vector<double> cr, ca;
    for (int k = 0; k < at_most(7); ++k) {
      std::vector<std::unique_ptr<S>> roots(inner);
      std::vector<std::unique_ptr<C>> kids(std::size_t(inner) * w);
      auto t0 = now();
      for (int i = 0; i < inner; ++i) {
        roots[i] = std::make_unique<S>();
        S* p = roots[i].get();
        for (int j = 0; j < w; ++j) {
          auto& c = kids[std::size_t(i) * w + j];
          c = std::make_unique<C>(P::token(*p));
          p = &c->src;
        }
      }
      auto t1 = now();
      for (auto& r : roots) P::cancel(*r);
      auto t2 = now();
      if (!P::cancelled(P::token(kids.back()->src))) std::abort();
      while (!kids.empty()) kids.pop_back();
      double d = double(inner) * w;
      cr.push_back(double(t1 - t0) / d);
      ca.push_back(double(t2 - t1) / d);
    }
    emit("ctx_tree_depth_create", nm, cr, "ns/level");
    emit("ctx_tree_depth_cancel", nm, ca, "ns/level");
  }
}
}  // namespace bench
