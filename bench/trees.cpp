// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// The cancel tree: how it grows with the children of one context and with depth. As
// bench/rivals/go/context.go measures it: small trees many at a time, to make the clock's cost vanish.
#include <downhaul/downhaul.hpp>
#include <initializer_list>
#include <string>
#include <vector>

#include "rows.hpp"

namespace dh = downhaul;
using sizes = std::initializer_list<std::size_t>;

namespace {

struct costs {
  std::vector<double> create, cancel, destroy;
};

std::size_t at_once(std::size_t size) { return size < 10'000 ? 20'000 / size : 1; }

void require_cancelled(const dh::context& ctx) {
  if (!ctx.err()) std::abort();
}

void width(std::size_t w, costs& c) {
  const std::size_t inner = at_once(w);
  const auto all = static_cast<double>(inner * w);
  std::vector<dh::cancelable> roots(inner);
  std::vector<dh::cancelable> kids(inner * w);
  const auto t0 = bench::now();
  for (std::size_t i = 0; i < inner; ++i) {
    roots[i] = dh::with_cancel(dh::background());
    for (std::size_t j = 0; j < w; ++j) kids[i * w + j] = dh::with_cancel(roots[i].ctx);
  }
  c.create.push_back(bench::since(t0) / all);
  const auto t1 = bench::now();
  for (auto& r : roots) r.cancel();
  c.cancel.push_back(bench::since(t1) / all);
  require_cancelled(kids.back().ctx);
  const auto t2 = bench::now();
  kids.clear();
  roots.clear();
  c.destroy.push_back(bench::since(t2) / all);
}

void depth(std::size_t d, costs& c) {
  const std::size_t inner = at_once(d);
  const auto all = static_cast<double>(inner * d);
  std::vector<dh::cancelable> chains(inner * (d + 1));
  const auto t0 = bench::now();
  for (std::size_t i = 0; i < inner; ++i) {
    dh::cancelable* chain = &chains[i * (d + 1)];
    chain[0] = dh::with_cancel(dh::background());
    for (std::size_t j = 1; j <= d; ++j) chain[j] = dh::with_cancel(chain[j - 1].ctx);
  }
  c.create.push_back(bench::since(t0) / all);
  const auto t1 = bench::now();
  for (std::size_t i = 0; i < inner; ++i) chains[i * (d + 1)].cancel();
  c.cancel.push_back(bench::since(t1) / all);
  require_cancelled(chains.back().ctx);
}

void rows() {
  for (const std::size_t w : sizes{1, 10, 100, 1'000, 10'000, 100'000, 1'000'000}) {
    const auto name = std::to_string(w);
    if (!bench::want("ctx_tree_width", name)) continue;
    costs c;
    for (int k = 0; k < bench::at_most(w >= 100'000 ? 5 : 7); ++k) width(w, c);
    bench::emit("ctx_tree_width_create", name, c.create, "ns/child");
    bench::emit("ctx_tree_width_cancel", name, c.cancel, "ns/child");
    bench::emit("ctx_tree_width_destroy", name, c.destroy, "ns/child");
  }
  for (const std::size_t d : sizes{1, 10, 100, 1'000, 10'000, 100'000, 1'000'000}) {
    const auto name = std::to_string(d);
    if (!bench::want("ctx_tree_depth", name)) continue;
    costs c;
    for (int k = 0; k < bench::at_most(d >= 100'000 ? 5 : 7); ++k) depth(d, c);
    bench::emit("ctx_tree_depth_create", name, c.create, "ns/level");
    bench::emit("ctx_tree_depth_cancel", name, c.cancel, "ns/level");
  }
}

}  // namespace

int main(int argc, char** argv) {
  bench::init("downhaul", argc, argv);
  dh::runtime rt{{.workers = bench::workers}};
  rt.run(rows);
}
