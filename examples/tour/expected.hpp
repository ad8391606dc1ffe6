// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// tour/expected.hpp — is what an example printed what its source says it prints?
//
// Each example ends with a comment that begins with "// Output:" and goes on with one line for each
// line of output, in order. In such a line
//   <word>      stands for anything without a blank, so <n> is a number that differs each time
//   <two words> stands for anything, blanks included
//   10* text    is a line that comes at least ten times, between the others, anywhere
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace tour {

/// The lines of the comment. Empty if the file has none.
std::vector<std::string> expected_output(const std::filesystem::path& source);

/// True if `line` is what `pattern` describes.
bool matches(const std::string& pattern, const std::string& line);

/// Empty if `printed` is as expected, else a sentence that says where it is not.
std::string difference(const std::vector<std::string>& expected,
                       const std::vector<std::string>& printed);

}  // namespace tour
