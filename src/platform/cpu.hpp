// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// Idea       how many CPUs this process may use, and how to spin politely.
// Threads    any.
// Cost       available_cpus reads a handful of files: 50 us or so; ask once.
// Source     sched_getaffinity(2); Documentation/admin-guide/cgroup-v2.rst, cgroup-v1 cpu bandwidth.

#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace downhaul::impl {

/// Tells the CPU that this is a spin loop.
inline void cpu_pause() noexcept {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("isb" ::: "memory");  // `yield` is a no-op on most cores
#endif
}

/// CPUs in the affinity mask, but no more than the cgroup quota rounded up; at least 1.
int available_cpus() noexcept;

/// The quota of the cgroup that `<root>/proc/self/cgroup` names and of its ancestors, in CPUs
/// rounded up; nullopt when there is none. `root` is "" but in tests.
std::optional<int> cgroup_cpus(const std::string& root);

/// "200000 100000" -> 2, "max 100000" -> nullopt: the content of a cgroup v2 cpu.max.
std::optional<int> cpus_of_cpu_max(std::string_view content) noexcept;
/// cpu.cfs_quota_us and cpu.cfs_period_us of cgroup v1; a quota of -1 is none.
std::optional<int> cpus_of_cfs(std::string_view quota, std::string_view period) noexcept;
/// The path of the v2 group in the text of /proc/self/cgroup, or of the v1 group of `controller`.
std::optional<std::string_view> cgroup_path(std::string_view proc_self_cgroup,
                                            std::string_view controller) noexcept;

}  // namespace downhaul::impl
