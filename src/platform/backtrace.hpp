// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// platform/backtrace.hpp — places in the program, for the reports of checked builds.
//
// Idea       Return addresses, taken when something happens that may have to be told later. As text:
//            file(function+offset) [address], which addr2line turns into a line.
// Threads    any.
// Cost       here(): some 200 ns a frame. Checked builds only.
#pragma once

#ifdef DOWNHAUL_CHECKED
#include <array>
#include <initializer_list>
#include <string_view>

namespace downhaul::impl {

class place {
 public:
  static constexpr int most_frames = 12;

  /// The callers of whoever calls it.
  [[gnu::noinline]] static place here() noexcept;
  /// To stderr, a line each, indented. No allocation.
  void print() const noexcept;

 private:
  std::array<void*, most_frames> frames_{};
  int count_ = 0;
};

/// The pieces to stderr, in one write if they are short.
void say(std::initializer_list<std::string_view> pieces) noexcept;
/// "  <what>:" and the place, to stderr.
void say_place(std::string_view what, const place& p) noexcept;

}  // namespace downhaul::impl
#endif
