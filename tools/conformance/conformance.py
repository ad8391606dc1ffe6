#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# Copyright (c) 2026 the downhaul authors
"""Which lines of docs/reference/conformance.md have a test, read from the tests themselves.

usage: conformance.py [--lines]   --lines prints every line with what became of it

A line is covered by TEST(CTX_022, …) in tests/conformance, or by a case of tests/compile_fail below a
comment that names it ("// CTX-031"). It deviates if "// deviates: why" stands above the test. What has
no test is explained in docs/reference/deviations.md. Fails on a test without an assertion, a line that
is neither covered nor explained, an explanation that no longer holds, and below 98 % coverage of what
can be covered.
"""

import re
import sys
from dataclasses import dataclass, field
from pathlib import Path

LIST = "docs/reference/conformance.md"
EXPLAINED = "docs/reference/deviations.md"
REQUIRED = 98.0  # per cent of the lines about what is built

ENTRY = re.compile(r"^\* \*\*([A-Z]+-\d{3})\*\* `(?:=|CT|EX|AB|OWN|VER|DEV|GO|C\+\+)`")
TEST = re.compile(r"^TEST(?:_F|_P)?\(([A-Z]+)_(\d{3}),\s*(\w+)\)", re.M)
# A function called expect_… is a test's own, and asserts.
ASSERTION = re.compile(r"\b(?:EXPECT_\w+|ASSERT_\w+|ADD_FAILURE|FAIL|static_assert|expect_\w+)\s*\(")
DEVIATES = re.compile(r"//\s*deviates:\s*\S")
NAMED = re.compile(r"[A-Z]+-\d{3}")
ROW = re.compile(r"^\| ((?:[A-Z]+-\d{3})(?:(?:, | to )[A-Z]+-\d{3})*) \| (.+) \|$")
SECTIONS = {  # heading in deviations.md: what it says of a line
    "Deviations": "deviating",
    "Not built": "not built",
    "Nothing to build": "nothing to build",
    "Not covered": "not covered",
}


@dataclass
class Line:
    number: str
    tests: list = field(default_factory=list)
    deviates: bool = False
    explained: str = ""
    reason: str = ""

    @property
    def area(self):
        return self.number.partition("-")[0]

    @property
    def state(self):
        if self.tests:
            return "deviating" if self.deviates else "covered"
        return self.explained or "missing"


def listed(root):
    """{number: Line}, in the order of the document"""
    lines, findings = {}, []
    for n, text in enumerate((root / LIST).read_text(encoding="utf-8").splitlines(), 1):
        if match := ENTRY.match(text):
            number = match[1]  # the decisions above the list look alike, without a tag
            if number in lines:
                findings.append(f"{LIST}:{n}: {number} is there twice")
            lines[number] = Line(number)
    return lines, findings


def block_after(text, at):
    """The text from the first '{' after `at` to the brace that closes it; strings and comments are skipped."""
    skip = re.compile(r'//[^\n]*|/\*.*?\*/|R"(\w*)\(.*?\)\1"|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])\'|[{}]', re.S)
    depth, start = 0, None
    for token in skip.finditer(text, at):
        if token[0] == "{":
            start = token.start() if depth == 0 else start
            depth += 1
        elif token[0] == "}":
            depth -= 1
            if depth == 0:
                return text[start:token.end()]
    return ""


def comment_above(text, at):
    above = []
    for line in reversed(text[:at].splitlines()):
        if not line.startswith("//"):
            break
        above.append(line)
    return "\n".join(reversed(above))


def without_comments(text):
    return re.sub(r"//[^\n]*|/\*.*?\*/", "", text, flags=re.S)


def read_tests(root, lines):
    findings = []
    for path in sorted((root / "tests/conformance").rglob("*.cpp")):
        text = path.read_text(encoding="utf-8")
        for match in TEST.finditer(text):
            number = f"{match[1]}-{match[2]}"
            where = f"{path.relative_to(root)}:{text.count(chr(10), 0, match.start()) + 1}"
            if number not in lines:
                findings.append(f"{where}: {LIST} has no line {number}")
                continue
            if not ASSERTION.search(without_comments(block_after(text, match.end()))):
                findings.append(f"{where}: {number}: the test {match[3]} asserts nothing")
            lines[number].tests.append(where)
            lines[number].deviates |= bool(DEVIATES.search(comment_above(text, match.start())))
    for path in sorted((root / "tests/compile_fail").glob("*.cpp")):
        text = path.read_text(encoding="utf-8").splitlines()
        for n, case in enumerate(text):
            if case.startswith("// FAILS") and n > 0 and text[n - 1].startswith("//"):
                for number in NAMED.findall(text[n - 1]):
                    where = f"{path.relative_to(root)}:{n + 1}"
                    if number in lines:
                        lines[number].tests.append(where)
                    else:
                        findings.append(f"{where}: {LIST} has no line {number}")
    return findings


def spread(text, lines):
    """'CTX-001, EG-002 to EG-004' as numbers; a range covers what the list has between its ends"""
    order = list(lines)
    for part in text.split(", "):
        first, _, last = part.partition(" to ")
        if first not in lines or (last and last not in lines):
            yield part
        else:
            yield from order[order.index(first):order.index(last or first) + 1]


def read_explanations(root, lines):
    findings, section = [], None
    for n, text in enumerate((root / EXPLAINED).read_text(encoding="utf-8").splitlines(), 1):
        where = f"{EXPLAINED}:{n}"
        if text.startswith("## "):
            section = SECTIONS.get(text[3:].strip())
        elif (match := ROW.match(text)) and section:
            for number in spread(match[1], lines):
                if number not in lines:
                    findings.append(f"{where}: {LIST} has no line {number}")
                    continue
                line = lines[number]
                line.reason = match[2]
                if section == "deviating":
                    if not line.deviates:
                        findings.append(f"{where}: no test of {number} says that it deviates")
                elif line.tests:
                    findings.append(f"{where}: {number} has a test: {line.tests[0]}")
                line.explained = section
    return findings


def check_lines(lines):
    for line in lines.values():
        if line.state == "missing":
            yield f"{LIST}: {line.number} has no test, and {EXPLAINED} does not say why"
        if line.deviates and not line.reason:
            yield f"{line.tests[0]}: {line.number} deviates, and {EXPLAINED} does not say why"


def table(lines):
    """rows of (area, lines, covered, deviating, not covered, not built, nothing to build, per cent)"""
    areas = {}
    for line in lines.values():
        areas.setdefault(line.area, []).append(line.state)
    areas["all"] = [line.state for line in lines.values()]
    for area, states in areas.items():
        tested = states.count("covered") + states.count("deviating")
        open_ = states.count("not covered") + states.count("missing")
        share = 100.0 * tested / (tested + open_) if tested + open_ else None
        yield (area, len(states), states.count("covered"), states.count("deviating"), open_,
               states.count("not built"), states.count("nothing to build"), share)


def main(arguments, root=Path(__file__).resolve().parents[2]):
    if arguments not in ([], ["--lines"]):
        print(__doc__)
        return 2
    lines, findings = listed(root)
    findings += read_tests(root, lines)
    findings += read_explanations(root, lines)
    findings += check_lines(lines)
    if arguments:
        for line in lines.values():
            what = f"{len(line.tests)} tests, {line.tests[0]}" if line.tests else ""
            print(f"{line.number:13} {line.state:17} {'; '.join(filter(None, (what, line.reason)))}")
    print(f"{'area':10}{'lines':>7}{'covered':>9}{'deviating':>11}{'not covered':>13}{'not built':>11}{'nothing':>9}{'share':>9}")
    for *row, share in table(lines):
        cells = f"{row[0]:10}{row[1]:7}{row[2]:9}{row[3]:11}{row[4]:13}{row[5]:11}{row[6]:9}"
        print(cells + ("        -" if share is None else f"{share:8.1f}%"))
        if row[0] == "all" and share is not None and share < REQUIRED:
            findings.append(f"{share:.1f} % of what is built is covered; {REQUIRED:.0f} % are asked for")
    for line in lines.values():
        if line.state == "deviating":
            print(f"{line.number} deviates: {line.reason}")
        elif line.state == "not covered":
            print(f"{line.number} is not covered: {line.reason}")
    for finding in findings:
        print(finding)
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
