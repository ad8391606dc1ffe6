// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors

#include "platform/cpu.hpp"

#include <fcntl.h>
#include <sched.h>
#include <unistd.h>
#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <memory>

namespace downhaul::impl {
namespace {

std::string content_of(const std::string& path) {
  std::string text;
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return text;
  char buffer[4096];
  ssize_t got = 0;
  while ((got = ::read(fd, buffer, sizeof buffer)) > 0 || (got < 0 && errno == EINTR))
    if (got > 0) text.append(buffer, static_cast<std::size_t>(got));
  ::close(fd);
  return text;
}

/// Cuts and returns what precedes the next `separator`.
std::string_view cut(std::string_view& rest, char separator) noexcept {
  const std::size_t at = rest.find(separator);
  const std::string_view piece = rest.substr(0, at);
  rest = at == std::string_view::npos ? std::string_view{} : rest.substr(at + 1);
  return piece;
}

std::optional<std::int64_t> number_in(std::string_view text) noexcept {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end == text.data()) return std::nullopt;
  return number;
}

std::optional<int> rounded_up(std::int64_t quota, std::int64_t period) noexcept {
  if (quota <= 0 || period <= 0) return std::nullopt;
  const std::int64_t cpus = quota / period + (quota % period != 0 ? 1 : 0);
  return static_cast<int>(std::clamp<std::int64_t>(cpus, 1, 1 << 20));
}

std::optional<int> smaller(std::optional<int> a, std::optional<int> b) noexcept {
  if (!a || !b) return a ? a : b;
  return std::min(*a, *b);
}

bool names(std::string_view list, std::string_view item) noexcept {
  while (!list.empty())
    if (cut(list, ',') == item) return true;
  return false;
}

/// Where the hierarchy is mounted, as `<root>/proc/self/mountinfo` says: "v2" for the unified one.
std::string mount_point(const std::string& mountinfo, std::string_view controller) {
  std::string_view rest = mountinfo;
  while (!rest.empty()) {
    std::string_view line = cut(rest, '\n');
    const std::size_t dash = line.find(" - ");
    if (dash == std::string_view::npos) continue;
    std::string_view after = line.substr(dash + 3);
    const std::string_view type = cut(after, ' ');
    cut(after, ' ');  // the mounted device
    const bool wanted =
        controller.empty() ? type == "cgroup2" : type == "cgroup" && names(after, controller);
    if (!wanted) continue;
    for (int field = 0; field < 4; ++field) cut(line, ' ');  // id, parent, device, root
    return std::string{cut(line, ' ')};
  }
  return {};
}

/// Applies `quota_in` to the group and each ancestor. In a container the path in /proc/self/cgroup
/// may not exist below the mount; then only the mount itself answers.
template <class QuotaIn>
std::optional<int> smallest_on_path(const std::string& mount, std::string path, QuotaIn quota_in) {
  std::optional<int> limit = quota_in(mount);
  while (path.size() > 1) {
    limit = smaller(limit, quota_in(mount + path));
    path.resize(path.rfind('/') == std::string::npos ? 0 : path.rfind('/'));
  }
  return limit;
}

int cpus_in_affinity_mask() noexcept {
  // The kernel refuses a mask smaller than its own: grow until it fits.
  for (int cpus = 1024; cpus <= 1 << 20; cpus *= 2) {
    const std::unique_ptr<cpu_set_t, void (*)(cpu_set_t*)> set{
        CPU_ALLOC(static_cast<std::size_t>(cpus)), [](cpu_set_t* s) { CPU_FREE(s); }};
    if (!set) break;
    const std::size_t size = CPU_ALLOC_SIZE(static_cast<std::size_t>(cpus));
    if (::sched_getaffinity(0, size, set.get()) == 0) return CPU_COUNT_S(size, set.get());
    if (errno != EINVAL) break;
  }
  return 1;
}

}  // namespace

std::optional<int> cpus_of_cpu_max(std::string_view content) noexcept {
  const std::optional<std::int64_t> quota = number_in(cut(content, ' '));  // "max" is no number
  const std::optional<std::int64_t> period = number_in(content);
  if (!quota) return std::nullopt;
  return rounded_up(*quota, period.value_or(100'000));
}

std::optional<int> cpus_of_cfs(std::string_view quota, std::string_view period) noexcept {
  return rounded_up(number_in(quota).value_or(-1), number_in(period).value_or(100'000));
}

std::optional<std::string_view> cgroup_path(std::string_view proc_self_cgroup,
                                            std::string_view controller) noexcept {
  while (!proc_self_cgroup.empty()) {
    std::string_view line = cut(proc_self_cgroup, '\n');
    const std::string_view hierarchy = cut(line, ':');
    const std::string_view controllers = cut(line, ':');
    const bool wanted = controller.empty() ? hierarchy == "0" && controllers.empty()
                                           : names(controllers, controller);
    if (wanted) return line;
  }
  return std::nullopt;
}

std::optional<int> cgroup_cpus(const std::string& root) {
  const std::string groups = content_of(root + "/proc/self/cgroup");
  const std::string mounts = content_of(root + "/proc/self/mountinfo");
  std::optional<int> limit;
  if (const auto path = cgroup_path(groups, "")) {
    const std::string mount = mount_point(mounts, "");
    if (!mount.empty())
      limit = smallest_on_path(root + mount, std::string{*path}, [](const std::string& group) {
        return cpus_of_cpu_max(content_of(group + "/cpu.max"));
      });
  }
  if (const auto path = cgroup_path(groups, "cpu")) {
    const std::string mount = mount_point(mounts, "cpu");
    if (!mount.empty())
      limit = smaller(
          limit, smallest_on_path(root + mount, std::string{*path}, [](const std::string& group) {
            return cpus_of_cfs(content_of(group + "/cpu.cfs_quota_us"),
                               content_of(group + "/cpu.cfs_period_us"));
          }));
  }
  return limit;
}

int available_cpus() noexcept {
  const int allowed = std::max(1, cpus_in_affinity_mask());
  try {
    return std::min(allowed, cgroup_cpus("").value_or(allowed));
  } catch (...) {  // no memory for a few paths: the mask alone answers
    return allowed;
  }
}

}  // namespace downhaul::impl
