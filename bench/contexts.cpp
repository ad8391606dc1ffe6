// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// The context tree: the scenarios of bench/go/context.go; std::stop_token beside ctx_err.
#include <chrono>
#include <memory>
#include <stop_token>
#include <vector>

#include "scenario.hpp"

namespace dh = downhaul;
using namespace std::chrono_literals;

namespace {

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// Cancels `width` children of one root at once; only the cancel is timed. Each iteration is one
// child, as in the Go twin.
void cancel_width(benchmark::State& state, std::int64_t width) {
  while (state.KeepRunningBatch(width)) {
    auto [root, cancel] = dh::with_cancel(dh::background());
    std::vector<dh::cancelable> children;
    children.reserve(static_cast<std::size_t>(width));
    for (std::int64_t i = 0; i < width; ++i) children.push_back(dh::with_cancel(root));
    const auto start = std::chrono::steady_clock::now();
    cancel();
    state.SetIterationTime(seconds_since(start));
    if (!children.back().ctx.err()) state.SkipWithError("not cancelled");
  }
}

void cancel_depth(benchmark::State& state, std::int64_t depth) {
  while (state.KeepRunningBatch(depth)) {
    std::vector<dh::cancelable> chain;
    chain.reserve(static_cast<std::size_t>(depth) + 1);
    chain.push_back(dh::with_cancel(dh::background()));
    for (std::int64_t i = 0; i < depth; ++i) chain.push_back(dh::with_cancel(chain.back().ctx));
    const auto start = std::chrono::steady_clock::now();
    chain.front().cancel();
    state.SetIterationTime(seconds_since(start));
    if (!chain.back().ctx.err()) state.SkipWithError("not cancelled");
  }
}

template <class Body>
void timed(const std::string& name, std::int64_t size, Body body) {
  for (const int workers : {1, 2}) {
    benchmark::RegisterBenchmark(
        (name + "/" + std::to_string(size) + "/" + std::to_string(workers)).c_str(),
        [=](benchmark::State& state) {
          dh::runtime rt{{.workers = workers}};
          rt.run([&] { body(state, size); });
        })
        ->UseManualTime()
        ->Iterations(size * (size >= 100'000 ? 3 : 30))
        ->Repetitions(5)
        ->ReportAggregatesOnly();
  }
}

inline constexpr dh::key<std::int64_t> wanted{"wanted"};

// `wanted` at the bottom, below depth - 1 other bindings.
dh::context under_bindings(int depth) {
  static const std::vector<std::unique_ptr<dh::key<int>>> others = [] {
    std::vector<std::unique_ptr<dh::key<int>>> keys;
    for (int i = 0; i < 1000; ++i) keys.push_back(std::make_unique<dh::key<int>>("other"));
    return keys;
  }();
  dh::context ctx = dh::with_value(dh::background(), wanted, std::int64_t{42});
  for (int i = 0; i < depth - 1; ++i) {
    ctx = dh::with_value(ctx, *others[static_cast<std::size_t>(i)], i);
  }
  return ctx;
}

int register_all() {
  using bench::scenario;

  scenario("ctx_child_create_cancel", "-", [](std::int64_t n) {
    static const auto parent = dh::with_cancel(dh::background());
    for (std::int64_t i = 0; i < n; ++i) {
      auto [ctx, cancel] = dh::with_cancel(parent.ctx);
      cancel();
    }
  });
  scenario("ctx_child_create_cancel_2thr", "shared-parent", [](std::int64_t n) {
    static const auto parent = dh::with_cancel(dh::background());
    dh::wait_group wg;
    for (int g = 0; g < 2; ++g) {
      wg.go([n] {
        for (std::int64_t i = 0; i < n / 2; ++i) {
          auto [ctx, cancel] = dh::with_cancel(parent.ctx);
          cancel();
        }
      });
    }
    wg.wait();
  });
  scenario("ctx_timeout_create_cancel", "-", [](std::int64_t n) {
    static const auto parent = dh::with_cancel(dh::background());
    for (std::int64_t i = 0; i < n; ++i) {
      auto [ctx, cancel] = dh::with_timeout(parent.ctx, 1h);
      cancel();
    }
  });
  for (const std::int64_t width : {1'000, 100'000, 1'000'000}) {
    timed("ctx_tree_width_cancel", width, cancel_width);
  }
  timed("ctx_tree_depth_cancel", 10'000, cancel_depth);
  scenario("ctx_err", "live", [](std::int64_t n) {
    static const auto live = dh::with_cancel(dh::background());
    const dh::context& ctx = live.ctx;
    for (std::int64_t i = 0; i < n; ++i) benchmark::DoNotOptimize(static_cast<bool>(ctx.err()));
  });
  scenario("ctx_err", "live-under-10-values", [](std::int64_t n) {
    static const auto live = dh::with_cancel(dh::background());
    static const dh::context ctx = [] {
      dh::context c = live.ctx;
      for (std::int64_t i = 0; i < 10; ++i) c = dh::with_value(c, wanted, i);
      return c;
    }();
    for (std::int64_t i = 0; i < n; ++i) benchmark::DoNotOptimize(static_cast<bool>(ctx.err()));
  });
  scenario("ctx_err", "cancelled", [](std::int64_t n) {
    static const dh::context ctx = [] {
      auto [c, cancel] = dh::with_cancel(dh::background());
      return c;
    }();
    for (std::int64_t i = 0; i < n; ++i) benchmark::DoNotOptimize(static_cast<bool>(ctx.err()));
  });
  scenario("std_stop_token", "live", [](std::int64_t n) {
    static std::stop_source source;
    static const std::stop_token token = source.get_token();
    for (std::int64_t i = 0; i < n; ++i) benchmark::DoNotOptimize(token.stop_requested());
  });
  scenario("ctx_done_poll", "live", [](std::int64_t n) {
    static const auto live = dh::with_cancel(dh::background());
    for (std::int64_t i = 0; i < n; ++i) {
      dh::select(dh::recv(live.ctx.done()), dh::otherwise);
    }
  });
  for (const int depth : {1, 10, 100, 1000}) {
    scenario("ctx_value", std::to_string(depth), [ctx = under_bindings(depth)](std::int64_t n) {
      std::int64_t sum = 0;
      for (std::int64_t i = 0; i < n; ++i) {
        sum += *ctx.value(wanted);
        benchmark::DoNotOptimize(sum);
      }
    });
  }
  scenario("ctx_withvalue_create", "-", [](std::int64_t n) {
    for (std::int64_t i = 0; i < n; ++i) {
      benchmark::DoNotOptimize(dh::with_value(dh::background(), wanted, i));
    }
  });
  scenario("ctx_callback_reg_dereg", "live", [](std::int64_t n) {
    static const auto live = dh::with_cancel(dh::background());
    for (std::int64_t i = 0; i < n; ++i) {
      auto r = dh::after_func(live.ctx, [] {});
      r.stop();
    }
  });
  return 0;
}

[[maybe_unused]] const int registered = register_all();

}  // namespace
