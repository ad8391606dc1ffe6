// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
#include "expected.hpp"

#include <fstream>
#include <string_view>

namespace tour {

namespace {

constexpr std::string_view heading = "// Output:";

bool glob(std::string_view pattern, std::string_view line) {
  const std::size_t open = pattern.find('<');
  const std::size_t close = open == pattern.npos ? open : pattern.find('>', open);
  if (close == pattern.npos) return pattern == line;
  if (!line.starts_with(pattern.substr(0, open))) return false;
  const bool blanks = pattern.substr(open, close - open).find(' ') != pattern.npos;
  pattern.remove_prefix(close + 1);
  line.remove_prefix(open);
  while (!line.empty() && (blanks || line.front() != ' ')) {
    line.remove_prefix(1);
    if (glob(pattern, line)) return true;
  }
  return false;
}

struct repeated_line {
  std::string pattern;
  int missing = 0;
};

// "10* text" -> {"text", 10}; {"", 0} for a line that comes once.
repeated_line as_repeated(const std::string& line) {
  const std::size_t star = line.find("* ");
  if (star == 0 || star == line.npos || line.find_first_not_of("0123456789") != star) return {};
  return {line.substr(star + 2), std::stoi(line)};
}

}  // namespace

std::vector<std::string> expected_output(const std::filesystem::path& source) {
  std::ifstream file{source};
  std::vector<std::string> lines;
  bool inside = false;
  for (std::string line; std::getline(file, line);) {
    if (inside && line.starts_with("//   ")) lines.push_back(line.substr(5));
    inside |= line == heading;
  }
  return lines;
}

bool matches(const std::string& pattern, const std::string& line) { return glob(pattern, line); }

std::string difference(const std::vector<std::string>& expected,
                       const std::vector<std::string>& printed) {
  std::vector<std::string> once;
  std::vector<repeated_line> often;
  for (const std::string& line : expected) {
    repeated_line r = as_repeated(line);
    r.missing > 0 ? often.push_back(std::move(r)) : once.push_back(line);
  }

  std::size_t next = 0;
  for (const std::string& line : printed) {
    repeated_line* known = nullptr;
    for (repeated_line& r : often) {
      if (matches(r.pattern, line)) known = &r;
    }
    if (known != nullptr) {
      --known->missing;
    } else if (next == once.size()) {
      return "'" + line + "' was not expected";
    } else if (matches(once[next], line)) {
      ++next;
    } else {
      return "expected '" + once[next] + "', not '" + line + "'";
    }
  }
  if (next < once.size()) return "'" + once[next] + "' was not printed";
  for (const repeated_line& r : often) {
    if (r.missing > 0)
      return "'" + r.pattern + "' is missing " + std::to_string(r.missing) + " times";
  }
  return {};
}

}  // namespace tour
