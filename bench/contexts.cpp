// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// Contexts: the loops of bench/rivals/go/context.go. Trees are in trees.cpp.
#include <chrono>
#include <memory>
#include <vector>

#include "scenario.hpp"

namespace dh = downhaul;
using namespace std::chrono_literals;

namespace {

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

// Two goroutines, each does half of the work.
template <class Half>
void two(std::int64_t n, Half half) {
  dh::wait_group wg;
  for (int g = 0; g < 2; ++g) wg.go([&half, n] { half(n / 2); });
  wg.wait();
}

dh::context cancelled() {
  auto [ctx, cancel] = dh::with_cancel(dh::background());
  return ctx;
}

void poll_err(const dh::context& ctx, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) benchmark::DoNotOptimize(static_cast<bool>(ctx.err()));
}

void poll_done(const dh::context& ctx, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) {
    benchmark::DoNotOptimize(dh::select(dh::recv(ctx.done()), dh::otherwise));
  }
}

void register_callbacks(const dh::context& ctx, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) {
    auto r = dh::after_func(ctx, [] {});
    r.stop();
  }
}

// One goroutine waits for the end of a context, is cancelled and says so; then the next context.
void cancel_and_wake(std::int64_t n) {
  auto contexts = dh::make_chan<dh::context>();
  auto ready = dh::make_chan<void>();
  auto done = dh::make_chan<void>();
  dh::go([=] {
    for (auto&& ctx : contexts) {
      ready.send();
      ctx.done().recv();
      done.send();
    }
  });
  for (std::int64_t i = 0; i < n; ++i) {
    auto [ctx, cancel] = dh::with_cancel(dh::background());
    contexts.send(ctx);
    ready.recv();
    cancel();
    done.recv();
  }
  contexts.close();
}

int register_all() {
  using bench::scenario;

  scenario("ctx_root_create_cancel", "-", [](std::int64_t n) {
    for (std::int64_t i = 0; i < n; ++i) {
      auto [ctx, cancel] = dh::with_cancel(dh::background());
      cancel();
    }
  });
  scenario("ctx_child_create_cancel", "-", [](std::int64_t n) {
    static const auto parent = dh::with_cancel(dh::background());
    for (std::int64_t i = 0; i < n; ++i) {
      auto [ctx, cancel] = dh::with_cancel(parent.ctx);
      cancel();
    }
  });
  scenario("ctx_child_create_cancel_2thr", "shared-parent", [](std::int64_t n) {
    static const auto parent = dh::with_cancel(dh::background());
    two(n, [](std::int64_t half) {
      for (std::int64_t i = 0; i < half; ++i) {
        auto [ctx, cancel] = dh::with_cancel(parent.ctx);
        cancel();
      }
    });
  });
  scenario("ctx_timeout_create_cancel", "-", [](std::int64_t n) {
    static const auto parent = dh::with_cancel(dh::background());
    for (std::int64_t i = 0; i < n; ++i) {
      auto [ctx, cancel] = dh::with_timeout(parent.ctx, 1h);
      cancel();
    }
  });
  scenario("ctx_err", "live", [](std::int64_t n) {
    static const auto live = dh::with_cancel(dh::background());
    poll_err(live.ctx, n);
  });
  scenario("ctx_err_2thr", "live-shared", [](std::int64_t n) {
    static const auto live = dh::with_cancel(dh::background());
    two(n, [](std::int64_t half) { poll_err(live.ctx, half); });
  });
  scenario("ctx_err", "live-under-10-values", [](std::int64_t n) {
    static const auto live = dh::with_cancel(dh::background());
    static const dh::context ctx = [] {
      dh::context c = live.ctx;
      for (std::int64_t i = 0; i < 10; ++i) c = dh::with_value(c, wanted, i);
      return c;
    }();
    poll_err(ctx, n);
  });
  scenario("ctx_err", "cancelled", [](std::int64_t n) {
    static const dh::context ctx = cancelled();
    poll_err(ctx, n);
  });
  scenario("ctx_done_poll", "live", [](std::int64_t n) {
    static const auto live = dh::with_cancel(dh::background());
    poll_done(live.ctx, n);
  });
  scenario("ctx_done_poll", "cancelled", [](std::int64_t n) {
    static const dh::context ctx = cancelled();
    poll_done(ctx, n);
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
    register_callbacks(live.ctx, n);
  });
  scenario("ctx_callback_reg_dereg_2thr", "live-shared", [](std::int64_t n) {
    static const auto live = dh::with_cancel(dh::background());
    two(n, [](std::int64_t half) { register_callbacks(live.ctx, half); });
  });
  scenario("ctx_callback_reg_dereg", "live, inplace", [](std::int64_t n) {
    static const auto live = dh::with_cancel(dh::background());
    for (std::int64_t i = 0; i < n; ++i) {
      auto r = dh::after_func(dh::inplace, live.ctx, []() noexcept {});
      r.stop();
    }
  });
  scenario("ctx_cancel_wake_1", "-", cancel_and_wake);
  return 0;
}

[[maybe_unused]] const int registered = register_all();

}  // namespace
