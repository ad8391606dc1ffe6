// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// CTX-175: contexts as one uses them.

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <exception>
#include <mutex>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "conformance/context/contexts.hpp"
#include "downhaul/after_func.hpp"
#include "downhaul/blocking.hpp"
#include "downhaul/chan.hpp"
#include "downhaul/condition_variable.hpp"
#include "downhaul/context.hpp"
#include "downhaul/go.hpp"
#include "downhaul/mutex.hpp"
#include "downhaul/runtime.hpp"
#include "downhaul/select.hpp"
#include "downhaul/time.hpp"
#include "support/parked.hpp"

namespace dh = downhaul;
using namespace std::chrono_literals;
using downhaul_test::because;
using downhaul_test::by_hand;
using downhaul_test::canceled;
using downhaul_test::cause_of;

namespace {

// Counts on a goroutine of its own, until told to stop.
dh::recv_chan<int> generate(const dh::context& ctx) {
  auto numbers = dh::make_chan<int>();
  dh::go([ctx, numbers] {
    for (int n = 1;; ++n) {
      if (dh::select(dh::recv(ctx.done()), dh::send(numbers, n)) == 0) return;
    }
  });
  return numbers;
}

TEST(CTX_175, a_generator_stops_when_it_is_cancelled) {
  std::vector<int> printed;
  {
    auto [ctx, cancel] = dh::with_cancel(dh::background());
    for (const int n : generate(ctx)) {
      printed.push_back(n);
      if (n == 5) break;
    }
    EXPECT_EQ(dh::count_goroutines(), 1u);
  }
  EXPECT_EQ(printed, (std::vector<int>{1, 2, 3, 4, 5}));
  downhaul_test::await_no_goroutines();
}

// What select says: the work is never ready.
std::string wait_for_work_or(const dh::context& ctx) {
  const dh::chan<int> work = dh::make_chan<int>();
  switch (dh::select(dh::recv(work), dh::recv(ctx.done()))) {
    case 0: return "work";
    default: return ctx.err().message();
  }
}

TEST(CTX_175, a_deadline_ends_a_wait) {
  auto [ctx, cancel] = dh::with_deadline(dh::background(), dh::now() + 1ms);
  EXPECT_EQ(wait_for_work_or(ctx), "context deadline exceeded");
}

TEST(CTX_175, a_timeout_ends_a_wait) {
  auto [ctx, cancel] = dh::with_timeout(dh::background(), 1ms);
  EXPECT_EQ(wait_for_work_or(ctx), "context deadline exceeded");
}

inline constexpr dh::key<std::string> language_key{"language"};
inline constexpr dh::key<std::string> color_key{"color"};

TEST(CTX_175, a_value_is_found_or_not) {
  const auto find = [](const dh::context& ctx, const dh::key<std::string>& k) {
    const std::string* found = ctx.value(k);
    return found != nullptr ? "found value: " + *found : std::string{"key not found: "} + k.name();
  };
  const dh::context ctx = dh::with_value(dh::background(), language_key, "C++");
  EXPECT_EQ(find(ctx, language_key), "found value: C++");
  EXPECT_EQ(find(ctx, color_key), "key not found: color");
}

TEST(CTX_175, after_func_wakes_those_who_wait_on_a_condition) {
  by_hand time;
  dh::mutex mu;
  dh::condition_variable changed;
  std::atomic<int> timed_out{0};
  const auto wait_on_condition = [&](const dh::context& ctx) {
    const dh::registration wake = dh::after_func(ctx, [&] {
      // The lock, so that nobody is between his look at ctx and his wait.
      const std::lock_guard lock{mu};
      changed.notify_all();
    });
    std::unique_lock lock{mu};
    while (!ctx.err()) changed.wait(lock);  // the condition never comes true
    EXPECT_EQ(ctx.err().message(), "context deadline exceeded");
    ++timed_out;
  };
  std::vector<dh::cancelable> contexts;
  for (int i = 0; i < 4; ++i) {
    contexts.push_back(dh::with_timeout(dh::background(), std::chrono::milliseconds{1 + i}));
    dh::go([&, ctx = contexts.back().ctx] { wait_on_condition(ctx); });
  }
  downhaul_test::await_parked("sync.Cond.Wait", 4);
  for (int i = 1; i <= 4; ++i) {
    time.pass(1ms);
    downhaul_test::wait_until([&] { return timed_out == i; });
  }
  downhaul_test::await_no_goroutines();
}

// A connection that is closed at the end of its life.
struct connection {
  connection() {
    if (::socketpair(AF_UNIX, SOCK_STREAM, 0, ends.data()) != 0)
      throw std::system_error{errno, std::system_category()};
  }
  connection(const connection&) = delete;
  connection& operator=(const connection&) = delete;
  ~connection() {
    for (const int end : ends) ::close(end);
  }
  std::array<int, 2> ends{};
};

// Reads from a connection; ends the reading when ctx ends.
ssize_t read_from(const dh::context& ctx, int end, std::array<char, 16>& buffer,
                  std::error_code& ec) {
  ec.clear();
  const dh::registration wake =
      dh::after_func(dh::inplace, ctx, [end]() noexcept { ::shutdown(end, SHUT_RD); });
  const ssize_t n = dh::blocking([&] { return ::recv(end, buffer.data(), buffer.size(), 0); });
  if (!wake.stop()) ec = ctx.err();  // it was ctx that ended it
  return n;
}

TEST(CTX_175, after_func_ends_a_read_from_a_connection) {
  const connection pipe;
  std::array<char, 16> buffer{};
  std::error_code ec;
  auto [open, cancel_open] = dh::with_cancel(dh::background());
  ASSERT_EQ(::send(pipe.ends[1], "ping", 4, 0), 4);
  EXPECT_EQ(read_from(open, pipe.ends[0], buffer, ec), 4);
  EXPECT_EQ(ec, std::error_code{});
  auto [ctx, cancel] = dh::with_timeout(dh::background(), 1ms);
  EXPECT_EQ(read_from(ctx, pipe.ends[0], buffer, ec), 0);
  EXPECT_EQ(ec.message(), "context deadline exceeded");
}

// A child of `ctx` that also ends with `other`, and with its cause.
struct merged {
  merged(const dh::context& ctx, const dh::context& other)
      : both{dh::with_cancel_cause(ctx)},
        when_other{dh::after_func(dh::inplace, other,
                                  [other, stop = dh::cancel_cause_func{both.cancel}]() noexcept {
                                    stop(other.cause());
                                  })} {}
  dh::cancelable_cause both;
  dh::registration when_other;
};

TEST(CTX_175, after_func_merges_two_contexts) {
  auto [ctx1, cancel1] = dh::with_cancel_cause(dh::background());
  auto [ctx2, cancel2] = dh::with_cancel_cause(dh::background());
  const merged m{ctx1, ctx2};
  EXPECT_FALSE(m.both.ctx.err());
  cancel2(because("ctx2 canceled"));
  m.both.ctx.done().recv();
  EXPECT_EQ(m.both.ctx.err(), canceled());
  EXPECT_EQ(cause_of(m.both.ctx), "ctx2 canceled");
  EXPECT_FALSE(ctx1.err());
  // And the one that is there already.
  auto [ctx3, cancel3] = dh::with_cancel_cause(dh::background());
  auto [built_in, cancel_built_in] = dh::merge(ctx1, ctx3);
  cancel3(because("ctx3 canceled"));
  EXPECT_EQ(cause_of(built_in), "ctx3 canceled");
}

}  // namespace
