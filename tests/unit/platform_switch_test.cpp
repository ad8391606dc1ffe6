// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors

#include "platform/stack_switch.hpp"

#include <execinfo.h>
#include <gtest/gtest.h>

#include <array>
#include <cfenv>
#include <exception>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "platform/sanitizer.hpp"
#include "platform/stack.hpp"

namespace downhaul::impl {
namespace {

/// A task on a stack of its own, driven by hand: run() switches to it, leave() back to the driver.
class coroutine {
 public:
  coroutine(stack_pool& pool, std::function<void(coroutine&)> body)
      : pool_(pool), on_(pool.acquire()), body_(std::move(body)) {
    make_execution(task_, *on_, start, this);
  }
  ~coroutine() {
    EXPECT_TRUE(finished_);
    pool_.release(on_);
  }
  coroutine(const coroutine&) = delete;
  coroutine& operator=(const coroutine&) = delete;

  void run() {
    execution driver;
    adopt_thread_stack(driver);
    driver_ = &driver;
    switch_to(driver, task_);
  }
  void leave() { switch_to(task_, *driver_); }
  bool finished() const { return finished_; }
  const execution& task() const { return task_; }
  const stack& on() const { return *on_; }

 private:
  static execution& start(void* self) {
    auto& c = *static_cast<coroutine*>(self);
    c.body_(c);
    c.finished_ = true;
    return *c.driver_;
  }

  stack_pool& pool_;
  stack* on_;
  std::function<void(coroutine&)> body_;
  execution task_;
  execution* driver_ = nullptr;
  bool finished_ = false;
};

int caught_number() {
  try {
    std::rethrow_exception(std::current_exception());
  } catch (int number) {
    return number;
  }
}

TEST(platform_switch, goes_there_and_back) {
  stack_pool pool;
  std::string order;
  coroutine c{pool, [&](coroutine& self) {
                order += 'a';
                self.leave();
                order += 'c';
              }};
  c.run();
  order += 'b';
  c.run();
  order += 'd';
  EXPECT_EQ(order, "abcd");
}

TEST(platform_switch, keeps_locals_and_the_rounding_mode_of_each_side) {
  stack_pool pool;
  coroutine c{pool, [](coroutine& self) {
                std::array<int, 500> numbers{};
                for (std::size_t i = 0; i < numbers.size(); ++i) numbers[i] = static_cast<int>(i);
                std::fesetround(FE_UPWARD);
                self.leave();
                for (std::size_t i = 0; i < numbers.size(); ++i)
                  EXPECT_EQ(numbers[i], static_cast<int>(i));
                EXPECT_EQ(std::fegetround(), FE_UPWARD);
              }};
  c.run();
  EXPECT_EQ(std::fegetround(), FE_TONEAREST);
  c.run();
  EXPECT_EQ(std::fegetround(), FE_TONEAREST);
}

TEST(platform_switch, a_finished_task_leaves_a_stack_that_runs_the_next) {
  stack_pool pool;
  const void* stack_of_first = nullptr;
  for (int round = 0; round < 100; ++round) {
    bool ran = false;
    coroutine c{pool, [&](coroutine& self) {
                  self.leave();
                  ran = true;
                }};
    if (round == 0) stack_of_first = &c.on();
    EXPECT_EQ(&c.on(), stack_of_first);
    c.run();
    c.run();
    EXPECT_TRUE(ran);
    EXPECT_NE(c.on().idle_context, nullptr);
  }
}

TEST(platform_switch, a_trimmed_stack_runs_the_next_task_too) {
  stack_pool pool;
  for (int round = 0; round < 10; ++round) {
    coroutine{pool, [](coroutine&) {}}.run();
    EXPECT_FALSE(pool.trim());
  }
}

TEST(platform_switch, tasks_may_follow_each_other_directly) {
  stack_pool pool;
  execution driver;
  adopt_thread_stack(driver);
  struct step {
    execution task;
    execution* next;
    int visits = 0;
    static execution& body(void* self) {
      auto& s = *static_cast<step*>(self);
      ++s.visits;
      return *s.next;
    }
  };
  std::array<step, 10> steps;
  std::array<stack*, 10> on{};
  for (int round = 0; round < 3; ++round) {
    for (std::size_t i = 0; i < steps.size(); ++i) {
      if (round == 0) on[i] = pool.acquire();
      steps[i].next = i + 1 < steps.size() ? &steps[i + 1].task : &driver;
      make_execution(steps[i].task, *on[i], step::body, &steps[i]);
    }
    switch_to(driver, steps[0].task);
    for (const step& s : steps) EXPECT_EQ(s.visits, round + 1);
  }
  for (stack* const s : on) pool.release(s);
}

TEST(platform_switch, a_wait_inside_catch_keeps_its_own_exception) {
  stack_pool pool;
  const auto body = [](int number) {
    return [number](coroutine& self) {
      try {
        throw number;
      } catch (...) {
        EXPECT_EQ(std::uncaught_exceptions(), 0);
        self.leave();
        EXPECT_EQ(caught_number(), number);
        try {
          throw number + 1;
        } catch (int) {
          self.leave();
          EXPECT_EQ(caught_number(), number + 1);
        }
        self.leave();
        EXPECT_EQ(caught_number(), number);
      }
      EXPECT_EQ(std::current_exception(), nullptr);
      self.leave();
      EXPECT_EQ(std::current_exception(), nullptr);
    };
  };
  coroutine a{pool, body(10)};
  coroutine b{pool, body(20)};
  while (!a.finished() || !b.finished()) {
    if (!a.finished()) a.run();
    EXPECT_EQ(std::current_exception(), nullptr);
    if (!b.finished()) b.run();
    EXPECT_EQ(std::current_exception(), nullptr);
    EXPECT_EQ(std::uncaught_exceptions(), 0);
  }
}

TEST(platform_switch, a_caught_exception_can_be_thrown_on_after_a_wait) {
  stack_pool pool;
  const auto body = [](const char* text) {
    return [text](coroutine& self) {
      std::string seen;
      try {
        try {
          throw std::runtime_error{text};
        } catch (const std::exception&) {
          self.leave();
          throw;
        }
      } catch (const std::exception& e) {
        self.leave();
        seen = e.what();
      }
      EXPECT_EQ(seen, text);
    };
  };
  coroutine a{pool, body("first")};
  coroutine b{pool, body("second")};
  while (!a.finished()) {
    a.run();
    b.run();
  }
}

struct leaves_when_destroyed {
  coroutine& self;
  int in_flight;
  ~leaves_when_destroyed() {
    EXPECT_EQ(std::uncaught_exceptions(), in_flight);
    self.leave();
    EXPECT_EQ(std::uncaught_exceptions(), in_flight);
    // A further exception thrown and caught while the first one unwinds.
    try {
      throw std::runtime_error{"inner"};
    } catch (const std::runtime_error&) {
      self.leave();
      EXPECT_EQ(std::uncaught_exceptions(), in_flight);
    }
    self.leave();
  }
};

TEST(platform_switch, a_wait_during_unwinding_keeps_the_exception_in_flight) {
  stack_pool pool;
  const auto unwinding = [](int number) {
    return [number](coroutine& self) {
      int seen = 0;
      try {
        const leaves_when_destroyed guard{self, 1};
        throw number;
      } catch (int caught) {
        seen = caught;
        self.leave();
        EXPECT_EQ(caught_number(), number);
      }
      EXPECT_EQ(seen, number);
      EXPECT_EQ(std::uncaught_exceptions(), 0);
    };
  };
  coroutine a{pool, unwinding(1)};
  coroutine b{pool, unwinding(2)};
  coroutine calm{pool, [](coroutine& self) {
                   for (int i = 0; i < 4; ++i) {
                     EXPECT_EQ(std::uncaught_exceptions(), 0);
                     EXPECT_EQ(std::current_exception(), nullptr);
                     self.leave();
                   }
                 }};
  while (!a.finished() || !b.finished() || !calm.finished())
    for (coroutine* c : {&a, &b, &calm}) {
      if (!c->finished()) c->run();
      EXPECT_EQ(std::uncaught_exceptions(), 0);
      EXPECT_EQ(std::current_exception(), nullptr);
    }
}

TEST(platform_switch, the_driver_may_itself_be_handling_an_exception) {
  stack_pool pool;
  coroutine c{pool, [](coroutine& self) {
                EXPECT_EQ(std::current_exception(), nullptr);
                try {
                  throw 5;
                } catch (int) {
                  self.leave();
                  EXPECT_EQ(caught_number(), 5);
                }
              }};
  try {
    throw 7;
  } catch (int) {
    c.run();
    EXPECT_EQ(caught_number(), 7);
  }
  EXPECT_EQ(std::current_exception(), nullptr);
  c.run();
}

TEST(platform_switch, exceptions_move_to_another_thread_with_their_task) {
  stack_pool pool;
  const auto body = [](int number) {
    return [number](coroutine& self) {
      const std::thread::id before = std::this_thread::get_id();
      try {
        const leaves_when_destroyed guard{self, 1};
        throw number;
      } catch (int caught) {
        EXPECT_EQ(caught, number);
        self.leave();
        EXPECT_EQ(caught_number(), number);
      }
      EXPECT_EQ(std::current_exception(), nullptr);
      static_cast<void>(before);
    };
  };
  coroutine a{pool, body(1)};
  coroutine b{pool, body(2)};
  const auto one_step = [&](bool a_first) {
    for (coroutine* c : {a_first ? &a : &b, a_first ? &b : &a}) {
      c->run();
      EXPECT_EQ(std::uncaught_exceptions(), 0);
      EXPECT_EQ(std::current_exception(), nullptr);
    }
  };
  one_step(true);
  // Each step runs on a new thread, which exits before the next: nothing of it may be remembered.
  for (bool a_first = false; !a.finished(); a_first = !a_first)
    std::thread{one_step, a_first}.join();
  EXPECT_TRUE(b.finished());
}

TEST(platform_switch, live_part_is_where_a_parked_task_has_its_frames) {
  stack_pool pool;
  const int* local = nullptr;
  coroutine c{pool, [&](coroutine& self) {
                const int number = 5;
                local = &number;
                self.leave();
              }};
  c.run();
  const auto live = live_part(c.task());
  EXPECT_EQ(live.data() + live.size(), c.on().top);
  EXPECT_LT(live.size(), c.on().size());
  const auto* const address = reinterpret_cast<const std::byte*>(local);
#if !DOWNHAUL_ASAN  // a fake frame may hold it
  EXPECT_GE(address, live.data());
  EXPECT_LT(address, c.on().top);
#endif
  static_cast<void>(address);
  c.run();
}

TEST(platform_switch, backtraces_end_at_the_bottom_of_the_task) {
  stack_pool pool;
  int depth = 0;
  coroutine c{pool, [&](coroutine&) {
                std::array<void*, 200> frames{};
                depth = ::backtrace(frames.data(), static_cast<int>(frames.size()));
              }};
  c.run();
  EXPECT_GT(depth, 2);
  EXPECT_LT(depth, 30);
}

TEST(platform_switch, many_tasks_stay_parked_at_once) {
  constexpr int count = 2'000;
  stack_pool pool{64 * 1024};
  std::vector<std::unique_ptr<coroutine>> all;
  int sum = 0;
  for (int i = 0; i < count; ++i) {
    all.push_back(std::make_unique<coroutine>(pool, [&sum, i](coroutine& self) {
      const auto kept = std::make_unique<int>(i);
      self.leave();
      sum += *kept;
    }));
    all.back()->run();
  }
  for (const auto& c : all) c->run();
  EXPECT_EQ(sum, count * (count - 1) / 2);
}

}  // namespace
}  // namespace downhaul::impl
