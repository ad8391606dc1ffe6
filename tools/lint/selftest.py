#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# Copyright (c) 2026 the downhaul authors
"""Each rule is shown a tree that breaks it and one that does not."""

import sys
import tempfile
import unittest
from pathlib import Path

sys.dont_write_bytecode = True  # ctest may run several of these at once

import code_rules
import layout
import lint
import rooms
import words
from tree import Tree, without_comments_and_strings

HEAD = "// SPDX-License-Identifier: MIT\n// Copyright (c) 2026 the downhaul authors\n"
OTHER_TREE = "/".join(("..", "shared", "PLAN" + ".md"))  # in parts, or this file would break the rule it tests
MACHINE = "/" + "home/someone/downhaul"


class Rules(unittest.TestCase):
    tried = set()

    def findings(self, check, files):
        self.tried.add(check)
        with tempfile.TemporaryDirectory() as root:
            for path, text in files.items():
                full = Path(root, path)
                full.parent.mkdir(parents=True, exist_ok=True)
                full.write_text(text, encoding="utf-8")
            return check(Tree(root))

    def finds(self, check, files, where, count=1):
        found = self.findings(check, files)
        self.assertEqual([f"{path}:{line}" for path, line, _ in found], [where] * count, found)

    def passes(self, check, files):
        self.assertEqual(self.findings(check, files), [])

    def test_an_include_that_goes_up(self):
        below = {"src/wait/waiter.hpp": "", "src/chan/chan.cpp": '#include "wait/waiter.hpp"\n'}
        self.passes(rooms.check_rooms, below)
        above = {"src/chan/core.hpp": "", "src/wait/waiter.cpp": '\n#include "chan/core.hpp"\n'}
        self.finds(rooms.check_rooms, above, "src/wait/waiter.cpp:2")

    def test_an_include_of_the_neighbour(self):
        self.finds(rooms.check_rooms,
                   {"src/sched/worker.hpp": "", "src/context/node.cpp": '#include <sched/worker.hpp>\n'},
                   "src/context/node.cpp:1")
        self.finds(rooms.check_rooms,
                   {"src/sync/once.hpp": "", "src/signal/s.cpp": '#include "sync/once.hpp"\n'}, "src/signal/s.cpp:1")

    def test_an_include_that_goes_up_through_a_public_header(self):
        files = {"tools/lint/rooms.txt": "chan chan.hpp\nsched go.hpp  # comment\n",
                 "include/downhaul/chan.hpp": '#include "downhaul/go.hpp"\n', "include/downhaul/go.hpp": ""}
        self.finds(rooms.check_rooms, files, "include/downhaul/chan.hpp:1")
        files["include/downhaul/chan.hpp"] = '// #include "downhaul/go.hpp"\n'
        self.passes(rooms.check_rooms, files)

    def test_headers_and_the_table_of_rooms_agree(self):
        self.finds(rooms.check_rooms, {"include/downhaul/chan.hpp": ""}, "include/downhaul/chan.hpp:1")
        self.finds(rooms.check_rooms, {"tools/lint/rooms.txt": "chan chan.hpp\n"}, "tools/lint/rooms.txt:1")
        self.finds(rooms.check_rooms, {"tools/lint/rooms.txt": "attic\n"}, "tools/lint/rooms.txt:1")
        self.finds(rooms.check_rooms, {"src/attic/a.hpp": ""}, "src/attic/a.hpp:1")

    def test_boost_above_the_platform(self):
        self.finds(rooms.check_rooms, {"src/sched/a.cpp": "#include <boost/context/fiber.hpp>\n"}, "src/sched/a.cpp:1")
        self.passes(rooms.check_rooms, {"src/platform/a.cpp": "#include <boost/context/fiber.hpp>\n"})

    def test_a_private_header_outside(self):
        self.finds(rooms.check_outsiders,
                   {"src/wait/waiter.hpp": "", "examples/tour.cpp": '#include "wait/waiter.hpp"\n'},
                   "examples/tour.cpp:1")
        self.finds(rooms.check_outsiders, {"bench/b.cpp": "#include <downhaul/impl/source.hpp>\n"}, "bench/b.cpp:1")
        self.passes(rooms.check_outsiders, {"examples/tour.cpp": "#include <downhaul/chan.hpp>\n"})

    def test_a_header_that_is_forgotten(self):
        files = {"include/CMakeLists.txt": "downhaul/downhaul.hpp", "include/downhaul/downhaul.hpp": "",
                 "include/downhaul/chan.hpp": ""}
        self.finds(rooms.check_umbrella, files, "include/downhaul/chan.hpp:1", count=2)
        files["include/CMakeLists.txt"] += " downhaul/chan.hpp\n"
        files["include/downhaul/downhaul.hpp"] = '#include "downhaul/chan.hpp"\n'
        self.passes(rooms.check_umbrella, files)

    def test_a_long_file(self):
        self.finds(layout.check_length, {"src/chan/chan.cpp": "\n" * 801}, "src/chan/chan.cpp:801")
        self.passes(layout.check_length, {"src/chan/chan.cpp": "\n" * 800})

    def test_a_file_without_licence(self):
        self.finds(layout.check_license, {"src/a.cpp": "int a;\n"}, "src/a.cpp:1")
        self.finds(layout.check_license, {"src/a.cpp": "// SPDX-License-Identifier: MIT\n"}, "src/a.cpp:2")
        self.finds(layout.check_license, {"run": "#!/bin/sh\n"}, "run:1")
        self.passes(layout.check_license, {"src/a.cpp": HEAD, "README": "hello"})

    def test_a_header_without_guard(self):
        self.finds(layout.check_pragma_once, {"src/a.hpp": HEAD}, "src/a.hpp:1")
        self.passes(layout.check_pragma_once, {"src/a.hpp": HEAD + "#pragma once\n"})

    def test_a_source_nobody_builds(self):
        files = {"src/chan/chan.cpp": "", "src/chan/CMakeLists.txt": "target_sources(downhaul PRIVATE\n  ring.cpp\n)"}
        self.finds(layout.check_built, files, "src/chan/chan.cpp:1")
        files["src/chan/CMakeLists.txt"] = "target_sources(downhaul PRIVATE chan.cpp)"
        files |= {"examples/tour.cpp": "", "examples/CMakeLists.txt": "downhaul_example(tour)",
                  "src/version.cpp": "", "CMakeLists.txt": "add_library(downhaul src/version.cpp)"}
        self.passes(layout.check_built, files)

    def test_a_bare_memory_order(self):
        bare = "int n;\nint m;\nint l;\nx.load(std::memory_order_acquire);\n"
        self.finds(code_rules.check_memory_orders, {"src/wait/a.cpp": bare}, "src/wait/a.cpp:4")
        self.finds(code_rules.check_memory_orders, {"src/wait/a.cpp": "// far\n" + bare}, "src/wait/a.cpp:5")
        self.passes(code_rules.check_memory_orders,
                    {"src/wait/a.cpp": "x.load(std::memory_order_acquire);  // R [publish]\n",
                     "src/wait/b.cpp": "// R [publish], see W\nx.load(\n    std::memory_order::acquire);\n",
                     "src/wait/c.cpp": "// memory_order_relaxed in prose\n\n\n\n",
                     "tests/unit/a.cpp": bare})

    def test_a_reserved_name(self):
        for line in ("int __x;", "struct _Node;", "int a__b;", "#define _GUARD"):
            self.finds(code_rules.check_reserved_names, {"src/a.cpp": line + "\n"}, "src/a.cpp:1")
        self.passes(code_rules.check_reserved_names,
                    {"src/a.cpp": '__cxa_get_globals(); __tsan_create_fiber(0); /* __x */ f("__y", 1\'000, _lower);\n'
                                  "#if defined(__linux__) && __has_feature(thread_sanitizer)\n#endif\n"
                                  "__attribute__((noinline)) int f();  // __z\n"})

    def test_a_macro_with_a_common_name(self):
        self.finds(code_rules.check_macros, {"src/a.hpp": "#define SELECT(x) x\n"}, "src/a.hpp:1")
        self.passes(code_rules.check_macros, {"src/a.hpp": "#  define DOWNHAUL_TSAN 1\n"})

    def test_a_sleep_in_a_test(self):
        self.finds(code_rules.check_sleeps, {"tests/unit/a.cpp": "std::this_thread::sleep_for(1ms);\n"},
                   "tests/unit/a.cpp:1")
        self.finds(code_rules.check_sleeps, {"tests/unit/a.cpp": "  ::sleep(1);\n"}, "tests/unit/a.cpp:1")
        self.passes(code_rules.check_sleeps,
                    {"tests/unit/a.cpp": "// real clock: a worker is blocked by the OS\nusleep(1);\n",
                     "tests/unit/b.cpp": "dh::sleep(1ms); downhaul::sleep(1ms); // sleep_for\n"})

    def test_a_disabled_test(self):
        self.finds(code_rules.check_disabled_tests, {"tests/unit/a.cpp": "TEST(a, DISABLED_b) {}\n"},
                   "tests/unit/a.cpp:1")
        self.passes(code_rules.check_disabled_tests,
                    {"tests/unit/a.cpp": "// 2026-01-31: needs a kernel with guard regions\nTEST(a, DISABLED_b) {}\n"})

    def test_a_path_of_one_machine(self):
        self.finds(words.check_machine_paths, {"a.md": f"see {MACHINE}\n"}, "a.md:1")
        self.finds(words.check_machine_paths, {"src/a.cpp": f"\n// as {OTHER_TREE} says\n"}, "src/a.cpp:2")
        self.passes(words.check_machine_paths,
                    {"a.md": "a network/worker, src/sched/worker.hpp, shared/exclusive, read /proc/self/maps\n"})

    def test_a_bare_number_of_an_issue(self):
        self.finds(words.check_trackers, {"src/a.cpp": "// see issue " + "#12\n"}, "src/a.cpp:1")
        self.passes(words.check_trackers, {"src/a.cpp": "// as in Kotlin#3504\n"})

    def test_a_document_that_is_not_there(self):
        self.finds(words.check_documents, {"a.md": "[wait](docs/wait.txt)\n"}, "a.md:1")
        self.finds(words.check_documents, {"src/a.cpp": "// see PLAN.md\n"}, "src/a.cpp:1")
        self.passes(words.check_documents, {"a.md": "a lambda: `[](int) {}`\n```cpp\n[](int) {}\n```\n"})
        self.passes(words.check_documents,
                    {"docs/wait.md": "[home](../a.md) https://example.org/b.md\n", "docs/c.md": "see wait.md\n",
                     "a.md": "[wait](docs/wait.md#park) [docs](docs) [out](https://example.org)\n"})

    def test_an_error_that_is_not_documented(self):
        files = {"src/a.cpp": 'if (x)\n  throw misuse{y ? "one" : "two"}; fatal("three");\n// fatal("four");\n'}
        self.finds(words.check_error_texts, files, "src/a.cpp:2", count=3)
        files["docs/reference/errors" + ".md"] = "| one | two |\n| fatal error: three |\n"
        self.passes(words.check_error_texts, files)

    def test_comments_and_strings_are_not_code(self):
        text = 'int a = 1\'000; // one\n/* two\n */ char c = \'"\'; f("three//", R"(four")");\n#include "five.hpp"\n'
        code = without_comments_and_strings(text)
        for word in ("one", "two", "three", "four"):
            self.assertNotIn(word, code)
        for word in ("int a = 1'000;", "char c =", "five.hpp"):
            self.assertIn(word, code)
        self.assertEqual(code.count("\n"), text.count("\n"))

    @classmethod
    def tearDownClass(cls):
        untried = {check.__name__ for check in lint.CHECKS} - {check.__name__ for check in cls.tried}
        if untried:
            raise AssertionError(f"rules without a test: {sorted(untried)}")


if __name__ == "__main__":
    unittest.main()
