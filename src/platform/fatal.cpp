// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors

#include "platform/fatal.hpp"

#include <unistd.h>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdlib>

namespace downhaul::impl {

void write_text(int fd, std::string_view text) noexcept {
  while (!text.empty()) {
    const ssize_t written = ::write(fd, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return;
    text.remove_prefix(static_cast<std::size_t>(written));
  }
}

void write_number(int fd, unsigned long long number) noexcept {
  std::array<char, 20> digits;
  std::size_t first = digits.size();
  do {
    digits[--first] = static_cast<char>('0' + number % 10);
    number /= 10;
  } while (number != 0);
  write_text(fd, {digits.data() + first, digits.size() - first});
}

void fatal(std::string_view text) noexcept { fatal({text}); }

void fatal(std::initializer_list<std::string_view> pieces) noexcept {
  // One write for a message of ordinary length, so that threads do not mix their lines.
  std::array<char, 512> line;
  std::size_t used = 0;
  const auto append = [&](std::string_view piece) {
    const std::size_t room = line.size() - used;
    if (piece.size() > room) piece = piece.substr(0, room);
    used += piece.copy(line.data() + used, room);
  };
  append("fatal error: ");
  for (const std::string_view piece : pieces) append(piece);
  if (used == line.size()) --used;
  line[used++] = '\n';
  write_text(STDERR_FILENO, {line.data(), used});
  std::abort();
}

}  // namespace downhaul::impl
