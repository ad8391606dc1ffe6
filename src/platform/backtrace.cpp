// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// Compiled in checked builds only.
#include "platform/backtrace.hpp"

#include <cxxabi.h>
#include <dlfcn.h>
#include <execinfo.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "platform/fatal.hpp"

namespace downhaul::impl {
namespace {

void print_hex(std::uintptr_t number) noexcept {
  std::array<char, 2 + 2 * sizeof number> digits;
  std::size_t first = digits.size();
  do {
    digits[--first] = "0123456789abcdef"[number % 16];
    number /= 16;
  } while (number != 0);
  digits[--first] = 'x';
  digits[--first] = '0';
  say({{digits.data() + first, digits.size() - first}});
}

void print_frame(void* address) noexcept {
  Dl_info found{};
  const bool known = ::dladdr(address, &found) != 0;
  say({"    ", known ? std::string_view{found.dli_fname} : "?", "("});
  const auto at = reinterpret_cast<std::uintptr_t>(address);
  if (known && found.dli_sname != nullptr) {
    // The process is about to abort: memory may be asked for, and need not be given back.
    int status = -1;
    const char* const readable = abi::__cxa_demangle(found.dli_sname, nullptr, nullptr, &status);
    say({status == 0 ? readable : found.dli_sname, "+"});
    print_hex(at - reinterpret_cast<std::uintptr_t>(found.dli_saddr));
    say({") ["});
  } else {
    say({") ["});
  }
  // What addr2line -e wants: relative to where the file was loaded.
  print_hex(known ? at - reinterpret_cast<std::uintptr_t>(found.dli_fbase) : at);
  say({"]\n"});
}

}  // namespace

void say(std::initializer_list<std::string_view> pieces) noexcept {
  std::array<char, 512> line;
  std::size_t used = 0;
  for (const std::string_view piece : pieces) {
    used += piece.copy(line.data() + used, line.size() - used);
  }
  write_text(STDERR_FILENO, {line.data(), used});
}

void say_place(std::string_view what, const place& p) noexcept {
  say({"  ", what, ":\n"});
  p.print();
}

place place::here() noexcept {
  const int before = errno;
  place p;
  std::array<void*, most_frames + 1> all;
  const int n = ::backtrace(all.data(), static_cast<int>(all.size()));
  for (int i = 1; i < n; ++i)
    p.frames_[static_cast<std::size_t>(p.count_++)] = all[static_cast<std::size_t>(i)];
  errno = before;
  return p;
}

void place::print() const noexcept {
  for (int i = 0; i < count_; ++i) print_frame(frames_[static_cast<std::size_t>(i)]);
}

}  // namespace downhaul::impl
