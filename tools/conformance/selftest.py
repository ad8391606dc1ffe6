#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# Copyright (c) 2026 the downhaul authors
"""conformance.py is shown trees that break what it holds them to, and one that does not."""

import contextlib
import io
import sys
import tempfile
import unittest
from pathlib import Path

sys.dont_write_bytecode = True  # ctest may run several of these at once

import conformance

LIST = """
* **CHAN-001** `=` One.
* **CHAN-002** `EX` ★ Two.
* **CHAN-003** `CT` Three.
* **CHAN-004** a decision, not a line
"""
ONE = "TEST(CHAN_001, is_one) {\n  if (true) { EXPECT_EQ(1, 1); }\n}\n"
TWO = 'TEST_P(CHAN_002, is_two) { auto s = "}"; ASSERT_TRUE(s); }\n'
CASE = "// CHAN-003\n// FAILS 1: deleted\n"


class Conformance(unittest.TestCase):
    def run_on(self, tests, case=CASE, explained="", arguments=()):
        with tempfile.TemporaryDirectory() as root:
            for path, text in {
                conformance.LIST: LIST,
                conformance.EXPLAINED: explained,
                "tests/conformance/chan/one_test.cpp": tests,
                "tests/compile_fail/chan.cpp": case,
            }.items():
                full = Path(root, path)
                full.parent.mkdir(parents=True, exist_ok=True)
                full.write_text(text, encoding="utf-8")
            said = io.StringIO()
            with contextlib.redirect_stdout(said):
                status = conformance.main(list(arguments), Path(root))
            return status, said.getvalue()

    def fails(self, why, *arguments, **named):
        status, said = self.run_on(*arguments, **named)
        self.assertEqual(status, 1, said)
        self.assertRegex(said, why)

    def test_a_covered_list_passes(self):
        status, said = self.run_on(ONE + TWO, arguments=["--lines"])
        self.assertEqual(status, 0, said)
        self.assertRegex(said, r"all +3 +3 +0 +0 +0 +0 +100\.0%")
        self.assertRegex(said, r"CHAN-001 +covered")

    def test_a_line_without_a_test_must_be_explained(self):
        self.fails("CHAN-002 has no test", ONE)
        explained = "## Not built\n| CHAN-001 to CHAN-002 | later |\n"
        self.assertEqual(self.run_on("", explained=explained)[0], 0)

    def test_too_much_that_is_explained_but_not_covered_fails(self):
        self.fails("66.7 %", ONE, explained="## Not covered\n| CHAN-002 | hard |\n")

    def test_a_test_asserts(self):
        self.fails("asserts nothing", ONE + "TEST(CHAN_002, is_two) { f(); }  // EXPECT_EQ(\nEXPECT_EQ(1, 1);\n")

    def test_a_test_names_a_line_of_the_list(self):
        self.fails("no line CHAN-009", ONE + TWO + ONE.replace("001", "009"))
        self.fails("no line CHAN-009", ONE + TWO, case=CASE.replace("003", "003, CHAN-009"))

    def test_a_deviation_is_on_the_page_and_in_the_test(self):
        page = "## Deviations\n| CHAN-001 | otherwise |\n"
        deviating = "// deviates: because\n" + ONE
        self.assertEqual(self.run_on(deviating + TWO, explained=page)[0], 0)
        self.fails("does not say why", deviating + TWO)
        self.fails("no test of CHAN-001 says that it deviates", ONE + TWO, explained=page)

    def test_an_explanation_ends_when_a_test_comes(self):
        self.fails("CHAN-002 has a test", ONE + TWO, explained="## Not built\n| CHAN-002 | later |\n")
        self.fails("no line CHAN-010", ONE + TWO, explained="## Not built\n| CHAN-010 | later |\n")


if __name__ == "__main__":
    unittest.main()
