// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// The end of the process, in every way, from everywhere a user's code runs, with and without load on
// all parts of the library at once. Each case is a process of exit_child.

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <string>
#include <tuple>

extern char** environ;

namespace {

struct ending {
  int status = 0;
  std::string errors;
  std::chrono::nanoseconds took{};
};

ending run_child(const std::string& how, const std::string& where, bool loaded) {
  int ends[2];
  EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, ends[1], STDERR_FILENO);
  std::string program = DOWNHAUL_EXIT_CHILD;
  std::string h = how;
  std::string w = where;
  std::string l = "load";
  char* const arguments[] = {program.data(), h.data(), w.data(), loaded ? l.data() : nullptr,
                             nullptr};
  const auto begin = std::chrono::steady_clock::now();
  pid_t child = 0;
  EXPECT_EQ(::posix_spawn(&child, program.c_str(), &actions, nullptr, arguments, environ), 0);
  ::posix_spawn_file_actions_destroy(&actions);
  ::close(ends[1]);
  ending e;
  char part[512];
  for (ssize_t n = 0; (n = ::read(ends[0], part, sizeof part)) > 0;) {
    e.errors.append(part, static_cast<std::size_t>(n));
  }
  ::close(ends[0]);
  EXPECT_EQ(::waitpid(child, &e.status, 0), child);
  e.took = std::chrono::steady_clock::now() - begin;
  return e;
}

class exit_from : public testing::TestWithParam<std::tuple<const char*, const char*, bool>> {};

TEST_P(exit_from, ends_the_process_as_it_says) {
  const auto [how, where, loaded] = GetParam();
  const ending e = run_child(how, where, loaded);
  if (std::string{how} == "terminate") {
    EXPECT_TRUE(WIFSIGNALED(e.status)) << e.status << '\n' << e.errors;
    EXPECT_EQ(WTERMSIG(e.status), SIGABRT) << e.errors;
  } else {
    EXPECT_TRUE(WIFEXITED(e.status)) << e.status << '\n' << e.errors;
    EXPECT_EQ(WEXITSTATUS(e.status), 7) << e.errors;
    EXPECT_EQ(e.errors, "");
  }
}

std::string name_of(const testing::TestParamInfo<exit_from::ParamType>& info) {
  const auto [how, where, loaded] = info.param;
  return std::string{how} + "_from_" + where + (loaded ? "_under_load" : "");
}

INSTANTIATE_TEST_SUITE_P(
    , exit_from,
    testing::Combine(testing::Values("exit", "quick_exit", "_exit", "terminate"),
                     testing::Values("main", "thread", "goroutine", "pinned", "run", "own_runtime",
                                     "callback", "in_place", "deadline", "timer", "blocking",
                                     "signal"),
                     testing::Bool()),
    name_of);
// exit() from a destructor that exit() runs is undefined; the other ways are not.
INSTANTIATE_TEST_SUITE_P(a_static_object, exit_from,
                         testing::Combine(testing::Values("_exit", "terminate"),
                                          testing::Values("static"), testing::Bool()),
                         name_of);
INSTANTIATE_TEST_SUITE_P(main_returns, exit_from,
                         testing::Combine(testing::Values("return"), testing::Values("main"),
                                          testing::Bool()),
                         name_of);

TEST(exit_from_a_goroutine, tells_of_a_terminate_where_the_goroutine_was_started) {
  const ending e = run_child("terminate", "goroutine", false);
  EXPECT_NE(e.errors.find("panic: terminate called without an exception\ngoroutine started at "),
            std::string::npos)
      << e.errors;
  EXPECT_NE(e.errors.find("exit_child.cpp:"), std::string::npos) << e.errors;
}

TEST(exit_from_a_goroutine, does_not_wait_for_the_goroutine_that_called_it) {
  // The patience of 100 ms is for others that compute. The best of some: the machine may be busy.
  auto best = std::chrono::nanoseconds::max();
  for (int i = 0; i < 5; ++i) best = std::min(best, run_child("exit", "goroutine", false).took);
  const auto plain = run_child("exit", "main", false).took;
  EXPECT_LT(best, plain + std::chrono::milliseconds{90});
}

}  // namespace
