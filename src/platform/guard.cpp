// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors

#include "platform/guard.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <charconv>

#include "platform/sanitizer.hpp"

namespace downhaul::impl {
namespace {

constexpr int guard_install = 102;  // MADV_GUARD_INSTALL, missing in headers before Linux 6.13

// 0: not forced, else 1 + guard_kind. Written by tests only, before the stacks it is meant for.
constinit std::atomic<int> forced{0};

// mprotect guards that exist. Only a count: a race oversteps the limit by a few.
constinit std::atomic<std::size_t> mprotect_guards{0};

// The system refused the last one that it was asked for: others use mappings too.
constinit std::atomic<bool> mprotect_refused{false};

/// Whether reading the page fails. A system call that reports EFAULT is the only way to ask without
/// a signal handler; a pipe, because writing to /dev/null reads nothing.
bool refuses_reads(const std::byte* page) noexcept {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) return false;
  const bool refused = ::write(ends[1], page, 1) == -1 && errno == EFAULT;
  ::close(ends[0]);
  ::close(ends[1]);
  return refused;
}

/// The call alone proves nothing: qemu-user, for one, reports success and installs no guard.
bool guard_regions_work() noexcept {
  const std::size_t size = page_size();
  void* const page =
      ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED) return false;
  const bool work = ::madvise(page, size, guard_install) == 0 &&
                    refuses_reads(static_cast<const std::byte*>(page));
  ::munmap(page, size);
  return work;
}

/// Whether stacks shall be guarded by regions. Not under AddressSanitizer: its leak checker dies
/// when a root region holds one.
bool guard_regions_wanted() noexcept {
  static const bool wanted = !DOWNHAUL_ASAN && guard_regions_work();
  return wanted;
}

/// Each mprotect guard splits a mapping: two more per stack. Three quarters of what the process may
/// have are for stacks, the rest stays for threads, libraries and large allocations.
std::size_t mprotect_guard_limit() noexcept {
  static const std::size_t limit = [] {
    std::size_t mappings = 65'530;
    if (const int fd = ::open("/proc/sys/vm/max_map_count", O_RDONLY | O_CLOEXEC); fd >= 0) {
      std::array<char, 24> text;
      if (const ssize_t got = ::read(fd, text.data(), text.size()); got > 0)
        std::from_chars(text.data(), text.data() + got, mappings);
      ::close(fd);
    }
    return mappings / 8 * 3;
  }();
  return limit;
}

bool try_guard_region(std::byte* low, std::size_t size) noexcept {
  // EINTR and EAGAIN mean that part of the range is done; asking again ends when it all is.
  for (int tries = 0; tries < 100; ++tries) {
    if (::madvise(low, size, guard_install) == 0) return true;
    if (errno != EINTR && errno != EAGAIN) return false;
  }
  return false;
}

bool try_mprotect(std::byte* low, std::size_t size) noexcept {
  // Relaxed: count only.
  if (mprotect_guards.fetch_add(1, std::memory_order_relaxed) < mprotect_guard_limit()) {
    const bool done = ::mprotect(low, size, PROT_NONE) == 0;
    mprotect_refused.store(!done, std::memory_order_relaxed);  // told to whoever asks, no more
    if (done) return true;
  }
  mprotect_guards.fetch_sub(1, std::memory_order_relaxed);  // count only
  return false;
}

/// What a new stack is to have, if the system does not refuse it.
guard_kind guard_wanted() noexcept {
  // Relaxed: see force_guard.
  if (const int kind = forced.load(std::memory_order_relaxed); kind != 0)
    return static_cast<guard_kind>(kind - 1);
  if (guard_regions_wanted()) return guard_kind::guard_region;
  return mprotect_guards.load(std::memory_order_relaxed) < mprotect_guard_limit()  // count only
             ? guard_kind::mprotect
             : guard_kind::canary;
}

}  // namespace

std::size_t page_size() noexcept {
  static const std::size_t size = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  return size;
}

void force_guard(std::optional<guard_kind> kind) noexcept {
  // Relaxed: the test that forces a kind makes its stacks on the same thread, or starts theirs.
  forced.store(kind ? 1 + static_cast<int>(*kind) : 0, std::memory_order_relaxed);
}

guard_kind guard_in_force() noexcept {
  const guard_kind wanted = guard_wanted();
  // As of the last attempt.
  const bool refused = mprotect_refused.load(std::memory_order_relaxed);
  return wanted == guard_kind::mprotect && refused ? guard_kind::canary : wanted;
}

guard_kind install_guard(std::byte* low, std::size_t size) noexcept {
  switch (guard_wanted()) {
    case guard_kind::guard_region:
      if (try_guard_region(low, size)) return guard_kind::guard_region;
      [[fallthrough]];
    case guard_kind::mprotect:
      if (try_mprotect(low, size)) return guard_kind::mprotect;
      [[fallthrough]];
    case guard_kind::canary: break;
  }
  return guard_kind::canary;
}

void forget_mprotect_guards(std::size_t count) noexcept {
  mprotect_guards.fetch_sub(count, std::memory_order_relaxed);  // count only
}

}  // namespace downhaul::impl
