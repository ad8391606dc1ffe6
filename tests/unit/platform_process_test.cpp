// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>

#include "platform/cpu.hpp"
#include "platform/fatal.hpp"
#include "platform/fork.hpp"
#include "platform/random.hpp"
#include "platform/thread.hpp"

namespace downhaul::impl {
namespace {

TEST(platform_cpu, cpu_max_is_rounded_up) {
  EXPECT_EQ(cpus_of_cpu_max("max 100000\n"), std::nullopt);
  EXPECT_EQ(cpus_of_cpu_max("200000 100000\n"), 2);
  EXPECT_EQ(cpus_of_cpu_max("250000 100000\n"), 3);
  EXPECT_EQ(cpus_of_cpu_max("1000 100000\n"), 1);
  EXPECT_EQ(cpus_of_cpu_max("150000"), 2) << "the default period is 100 ms";
  EXPECT_EQ(cpus_of_cpu_max(""), std::nullopt);
  EXPECT_EQ(cpus_of_cpu_max("garbage"), std::nullopt);
  EXPECT_EQ(cpus_of_cpu_max("100000 0"), std::nullopt);
}

TEST(platform_cpu, cfs_quota_is_rounded_up) {
  EXPECT_EQ(cpus_of_cfs("-1\n", "100000\n"), std::nullopt);
  EXPECT_EQ(cpus_of_cfs("50000\n", "100000\n"), 1);
  EXPECT_EQ(cpus_of_cfs("300001\n", "100000\n"), 4);
  EXPECT_EQ(cpus_of_cfs("", ""), std::nullopt);
}

TEST(platform_cpu, finds_the_group_of_a_controller) {
  const std::string_view hybrid = "12:cpu,cpuacct:/a/b\n3:memory:/m\n0::/unified\n";
  EXPECT_EQ(cgroup_path(hybrid, ""), "/unified");
  EXPECT_EQ(cgroup_path(hybrid, "cpu"), "/a/b");
  EXPECT_EQ(cgroup_path(hybrid, "cpuset"), std::nullopt);
  EXPECT_EQ(cgroup_path("", ""), std::nullopt);
}

class platform_cgroup : public testing::Test {
 protected:
  platform_cgroup() {
    std::string name = (std::filesystem::temp_directory_path() / "cgroup-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) ADD_FAILURE() << "mkdtemp";
    root_ = name;
  }
  ~platform_cgroup() override { std::filesystem::remove_all(root_); }

  void put(const std::string& path, const std::string& content) {
    const std::filesystem::path file = root_ + path;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream{file} << content;
  }

  std::string root_;
};

TEST_F(platform_cgroup, the_smallest_quota_on_the_way_up_counts_in_v2) {
  put("/proc/self/cgroup", "0::/service/job\n");
  put("/proc/self/mountinfo",
      "22 1 0:21 / /proc rw - proc proc rw\n"
      "29 22 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw\n");
  EXPECT_EQ(cgroup_cpus(root_), std::nullopt);
  put("/sys/fs/cgroup/service/job/cpu.max", "800000 100000\n");
  EXPECT_EQ(cgroup_cpus(root_), 8);
  put("/sys/fs/cgroup/service/cpu.max", "250000 100000\n");
  EXPECT_EQ(cgroup_cpus(root_), 3);
}

TEST_F(platform_cgroup, v1_is_read_where_it_is_mounted) {
  put("/proc/self/cgroup", "4:cpu,cpuacct:/docker/x\n1:name=systemd:/y\n");
  put("/proc/self/mountinfo",
      "33 22 0:30 / /sys/fs/cgroup/cpu,cpuacct rw shared:9 - cgroup cgroup rw,cpu,cpuacct\n");
  put("/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "150000\n");  // as seen in a container
  put("/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(cgroup_cpus(root_), 2);
}

TEST_F(platform_cgroup, no_files_mean_no_quota) { EXPECT_EQ(cgroup_cpus(root_), std::nullopt); }

TEST(platform_cpu, honours_the_affinity_mask) {
  std::thread{[] {
    EXPECT_GE(available_cpus(), 1);
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(::sched_getcpu(), &one);
    ASSERT_EQ(::sched_setaffinity(0, sizeof one, &one), 0);
    EXPECT_EQ(available_cpus(), 1);
  }}.join();
}

TEST(platform_random, stays_below_and_reaches_everything) {
  random r = random::stream(0);
  std::array<int, 7> hits{};
  constexpr int draws = 70'000;
  for (int i = 0; i < draws; ++i) ++hits.at(r.below(7));
  for (const int count : hits) {  // 10,000 expected, standard deviation 93
    EXPECT_GT(count, 9'400) << "seed " << process_seed();
    EXPECT_LT(count, 10'600) << "seed " << process_seed();
  }
  EXPECT_EQ(r.below(0), 0u);
  EXPECT_EQ(r.below(1), 0u);
}

TEST(platform_random, streams_differ_and_equal_seeds_agree) {
  EXPECT_NE(random::stream(1).next(), random::stream(2).next());
  random a{5};
  random b{5};
  for (int i = 0; i < 10; ++i) EXPECT_EQ(a.next(), b.next());
}

TEST(platform_random_death, the_environment_can_fix_the_seed) {
  testing::GTEST_FLAG(death_test_style) = "threadsafe";  // a process that chose no seed yet
  EXPECT_EXIT((::setenv("DOWNHAUL_SEED", "42", 1), std::_Exit(process_seed() == 42 ? 0 : 1)),
              testing::ExitedWithCode(0), "");
}

TEST(platform_fatal_death, prints_one_line_and_aborts) {
  EXPECT_EXIT(fatal("it broke"), testing::KilledBySignal(SIGABRT), "^fatal error: it broke\n");
  EXPECT_EXIT(fatal({"a", "b", "c"}), testing::KilledBySignal(SIGABRT), "^fatal error: abc\n");
  EXPECT_EXIT(fatal(std::string(5000, 'x')), testing::KilledBySignal(SIGABRT), "xxx\n");
}

TEST(platform_fatal_death, numbers_are_written_in_decimal) {
  EXPECT_EXIT((write_number(STDERR_FILENO, 18'446'744'073'709'551'615u), std::_Exit(0)),
              testing::ExitedWithCode(0), "18446744073709551615");
  EXPECT_EXIT((write_number(STDERR_FILENO, 0), std::_Exit(0)), testing::ExitedWithCode(0), "0");
}

TEST(platform_fork, the_child_knows_that_it_was_forked) {
  watch_forks();
  watch_forks();
  EXPECT_FALSE(forked());
  abort_if_forked();
  const pid_t child = ::fork();
  if (child == 0) ::_exit(forked() ? 7 : 1);
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 7);
  EXPECT_FALSE(forked());
}

TEST(platform_fork_death, use_in_the_child_aborts) {
  EXPECT_EXIT(
      {
        watch_forks();
        const pid_t child = ::fork();
        if (child == 0) abort_if_forked();
        int status = 0;
        ::waitpid(child, &status, 0);
        std::_Exit(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT ? 0 : 1);
      },
      testing::ExitedWithCode(0), "fatal error: used after fork");
}

TEST(platform_thread, has_a_name_and_no_timer_slack) {
  std::thread{[] {
    name_this_thread("downhaul-test");
    std::array<char, 16> name{};
    ASSERT_EQ(::pthread_getname_np(::pthread_self(), name.data(), name.size()), 0);
    EXPECT_STREQ(name.data(), "downhaul-test");
    set_timer_slack_1ns();
    EXPECT_EQ(::prctl(PR_GET_TIMERSLACK, 0, 0, 0, 0), 1);
  }}.join();
}

}  // namespace
}  // namespace downhaul::impl
