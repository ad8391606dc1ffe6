# SPDX-License-Identifier: MIT
# Copyright (c) 2026 the downhaul authors
"""What is written in the code: memory orders, names, sleeps."""

import re

ORDER = re.compile(r"\bmemory_order(?:_|::)(?:relaxed|consume|acquire|release|acq_rel|seq_cst)\b")

RESERVED = re.compile(r"(?<![A-Za-z0-9_])(?:_[A-Z]\w*|\w*__\w*)")
# Names that belong to the compiler, the C library or a sanitizer, which one may use but not make.
GIVEN = re.compile(
    r"__(?:cxa|cxxabi|tsan|asan|lsan|ubsan|hwasan|sanitizer|builtin|has|cpp|SANITIZE|SIZEOF|atomic|sync)\w*"
    r"|__cplusplus|__(?:FILE|LINE|DATE|TIME|COUNTER|func|PRETTY_FUNCTION|FUNCTION|VA_ARGS|VA_OPT)(?:__)?"
    r"|__(?:linux|x86_64|aarch64|i386|amd64|GNUC|GNUC_MINOR|clang|clang_major|GLIBCXX|GLIBC|ELF|OPTIMIZE)(?:__)?"
    r"|__(?:attribute|asm|volatile|extension|restrict|inline|typeof|int128|thread|declspec)(?:__)?"
    r"|__GCC_\w+|__(?:errno_location|libc_single_threaded|gnu_cxx|GLIBC_PREREQ|NR_\w+|GXX_\w+|BYTE_ORDER|ORDER\w+)(?:__)?"
    r"|__STDCPP_\w+|__STDC_\w+|_GLIBCXX_\w+|_GNU_SOURCE|_POSIX_\w+|_SC_\w+|_Unwind_\w+|_U[RA]\w*|_Exit|_MSC_VER"
    r"|_LIBCPP_\w+|_NSIG|_IO\w*|_NPROCESSORS\w*"
)

SLEEP = re.compile(r"(?<!dh::)\bsleep_(?:for|until)\b|\busleep\s*\(|\bnanosleep\s*\(|(?<![\w>])::sleep\s*\(")
REAL_CLOCK = "real clock:"


def check_memory_orders(tree):
    """each memory order has a comment on its line or in the three lines above: the label and the partner"""
    found = []
    for file in tree.under("include", "src"):
        for number, line in enumerate(file.code, 1):
            if not ORDER.search(line):
                continue
            near = range(max(0, number - 4), number)
            # A comment is what the code lacks of the line.
            if not any(re.search(r"//|/\*|\*/", _only_comments(file, i)) for i in near):
                found.append((file.path, number, "a memory order without a comment that names its protocol and partner"))
    return found


def _only_comments(file, index):
    """The line with its code blanked out; a // inside a string stays out, for the code is blank there as well."""
    line = re.sub(r'"(?:\\.|[^"\\])*"', "", file.lines[index])
    return line[line.find("//"):] if "//" in line else line if re.match(r"\s*(/\*|\*)", line) else ""


def check_reserved_names(tree):
    """no name of ours starts with _X or has two underscores in a row"""
    found = []
    for file in tree.under("include", "src", "tests", "examples", "bench"):
        for number, line in enumerate(file.code, 1):
            for match in RESERVED.finditer(line):
                if not GIVEN.fullmatch(match.group()):
                    found.append((file.path, number, f"'{match.group()}' is a reserved name"))
    return found


def check_macros(tree):
    """macros of ours start with DOWNHAUL_"""
    found = []
    for file in tree.under("include", "src"):
        for number, line in enumerate(file.code, 1):
            made = re.match(r"\s*#\s*define\s+(\w+)", line)
            if made and not made.group(1).startswith("DOWNHAUL_"):
                found.append((file.path, number, f"macro '{made.group(1)}' does not start with DOWNHAUL_"))
    return found


def check_sleeps(tree):
    """tests wait for events; where the real clock is what is tested, a comment says 'real clock: why'"""
    found = []
    for file in tree.under("tests"):
        for number, line in enumerate(file.code, 1):
            if SLEEP.search(line) and not any(REAL_CLOCK in l for l in file.lines[max(0, number - 4):number]):
                found.append((file.path, number, "a test sleeps; wait for an event, or say '// real clock: why'"))
    return found


def check_disabled_tests(tree):
    """a disabled test gives a reason and a date"""
    found = []
    for file in tree.under("tests"):
        for number, line in enumerate(file.code, 1):
            if re.search(r"\bDISABLED_", line):
                above = "\n".join(file.lines[max(0, number - 4):number])
                if not re.search(r"//.*\b20\d\d-\d\d-\d\d\b", above):
                    found.append((file.path, number, "a disabled test without a reason and a date above it"))
    return found


CHECKS = [check_memory_orders, check_reserved_names, check_macros, check_sleeps, check_disabled_tests]
