#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# Copyright (c) 2026 the downhaul authors
"""What bench/run computes from what the programs print: names, medians, ratios, verdicts."""

import json
import re
import sys
import tempfile
import unittest
from pathlib import Path

sys.dont_write_bytecode = True  # ctest may run several of these at once

import instructions
import names
import programs
import run
import table
from results import Figure, Results, parse


def results_of(rows):
    """{key: {peer: [median of each round]}}"""
    results = Results()
    for key, peers in rows.items():
        for peer, values in peers.items():
            for value in values:
                results.add(key, peer, Figure(value, value, value, "ns/op"))
    return results


KEY = ("ctx_err", "live", 1)


class Names(unittest.TestCase):
    def test_each_row_of_the_budget_and_each_other_name_is_a_row_of_ours(self):
        ours = {(row.scenario, row.parameter) for row in names.scenarios()}
        self.assertEqual(set(names.budget()) - ours, set())
        self.assertEqual({key[1:] for key in names.Rivals().differing} - ours, set())

    def test_rows_are_unique_and_chosen_by_a_regex(self):
        rows = [row.name for row in names.scenarios()]
        self.assertEqual(len(rows), len(set(rows)))
        self.assertEqual([row.name for row in names.scenarios("^pingpong")], ["pingpong/round trip, 2 unbuffered chans"])

    def test_a_rival_has_the_same_name_another_one_or_no_such_row(self):
        rivals = names.Rivals()
        pingpong, = names.scenarios("^pingpong")
        self.assertEqual(rivals.name("go", pingpong), (pingpong.scenario, pingpong.parameter))
        self.assertEqual(rivals.asks("tokio", pingpong), "pingpong/round trip, 2 mpsc cap 1")
        self.assertIsNone(rivals.asks("crossbeam", pingpong))

    def test_rows_that_come_together_are_asked_for_together(self):
        self.assertEqual(names.group_of("ctx_tree_width_cancel", "1000"), "ctx_tree_width/1000")
        self.assertEqual(names.group_of("timer_late", "1e4/s p99"), "timer_late/1e4/s")
        for row in names.scenarios():
            if "stackless" not in row.scenario and row.family in ("contexts", "goroutines", "timers"):
                self.assertEqual(names.group_of(row.scenario, row.parameter), row.asks, row.name)

    def test_a_regex_takes_exactly_the_names(self):
        found = re.compile(programs.exactly(["a/1 (mpsc)", "b/x+y"]) + "$")
        self.assertTrue(found.search("a/1 (mpsc)") and found.search("b/x+y"))
        self.assertFalse(found.search("a/1 (mpsc) 2") or found.search("b/xxy"))

    def test_what_reads_the_memory_of_its_process_is_alone_in_it(self):
        self.assertEqual(run.in_processes(["a/1", "parked/2", "b/3", "parked/4"]),
                         [["a/1", "b/3"], ["parked/2"], ["parked/4"]])


class Printed(unittest.TestCase):
    def test_rows_of_a_program(self):
        printed = parse("noise\ngo\tyield\t2 goroutines\t1\t62.00\t60.00\t70.00\tns/op\t0 B/op\n")
        self.assertEqual(printed, {("yield", "2 goroutines"): Figure(62, 60, 70, "ns/op")})

    def test_repetitions_of_google_benchmark(self):
        text = json.dumps({"benchmarks": [
            *({"run_type": "iteration", "run_name": "ctx_err/live/1/real_time", "real_time": t} for t in (3, 1, 2)),
            {"run_type": "aggregate", "run_name": "ctx_err/live/1/real_time", "real_time": 9}]})
        self.assertEqual(programs.from_google_benchmark(text), {("ctx_err", "live"): Figure(2, 1, 3, "ns/op")})
        self.assertEqual(programs.from_google_benchmark(""), {})


class Figures(unittest.TestCase):
    def test_ratios_are_of_the_same_round(self):
        results = results_of({KEY: {"downhaul": [10, 40, 12], "go": [20, 80, 20]}})
        self.assertEqual(results.ratio(KEY, "go"), 0.5)
        self.assertEqual(results.spread(KEY), 4)
        self.assertIsNone(results.ratio(KEY, "tokio"))

    def test_the_best_rival_is_the_cheapest(self):
        results = results_of({KEY: {"downhaul": [1], "go": [5], "std": [2]}})
        self.assertEqual(results.best_rival(KEY), ("std", 2))
        self.assertIsNone(results_of({KEY: {"downhaul": [1]}}).best_rival(KEY))

    def test_a_file_gives_back_what_was_written(self):
        results = results_of({KEY: {"downhaul": [1.5, 2], "go": [5]}})
        results.notes = ["CPU: one"]
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "x.tsv")
            results.write(path)
            again = Results.read(path)
        self.assertEqual(again.notes, results.notes)
        self.assertEqual(again.median(KEY, "downhaul"), 1.75)
        self.assertEqual(again.unit(KEY), "ns/op")


class Verdicts(unittest.TestCase):
    BUDGETS = {KEY[:2]: names.Budget(0.5, "std", 1.2)}

    def verdict(self, **peers):
        return table.verdict(results_of({KEY: {p: [v] for p, v in peers.items()}}), KEY, self.BUDGETS)

    def test_within_over_and_unknown(self):
        self.assertEqual(self.verdict(downhaul=1, go=2, std=1), "ok")
        self.assertEqual(self.verdict(downhaul=1, go=1.5, std=1), "OVER go 0.67>0.5")
        self.assertEqual(self.verdict(downhaul=2, go=2, std=1), "OVER go 1.00>0.5, std 2.00>1.2")
        self.assertEqual(self.verdict(downhaul=1), "")
        self.assertEqual(table.verdict(results_of({("x", "-", 1): {"downhaul": [1], "go": [1]}}), ("x", "-", 1), {}), "")

    def test_the_table_counts_what_is_over(self):
        results = results_of({KEY: {"downhaul": [2], "go": [2]}})
        said = "\n".join(table.table(results, self.BUDGETS))
        self.assertRegex(said, r"ctx_err +live +1 +ns/op +2\.0")
        self.assertIn("1 rows, 1 over budget", said)

    def test_the_page_has_a_line_for_both_numbers_of_workers_and_a_later_run_replaces_rows(self):
        first = results_of({KEY: {"downhaul": [2], "go": [2]}, (*KEY[:2], 2): {"downhaul": [1], "go": [4]}})
        later = results_of({KEY: {"downhaul": [1], "go": [2], "std": [1]}})
        said = list(table.page(first, self.BUDGETS))[-1]
        self.assertIn("| 2.0 | **1.00** | - | 1.0 | 0.25 | - | 0.5 go, 1.2 std |", said)
        self.assertIn("| 1.0 | 0.50 | 1.00 |", list(table.page(first.overlay(later), self.BUDGETS))[-1])

    def test_compare_takes_out_what_go_moved(self):
        before = results_of({KEY: {"downhaul": [10], "go": [10]}, ("a", "-", 1): {"downhaul": [10]}})
        after = results_of({KEY: {"downhaul": [20], "go": [20]}, ("a", "-", 1): {"downhaul": [20]}})
        said = list(table.compare(before, after))
        self.assertNotIn("dearer", said[1])
        self.assertIn("dearer", said[2])


class Instructions(unittest.TestCase):
    ROWS = [("contexts", "ctx_err", "live", 100, 100.0, 0.05)]

    def said(self, now, rows=None):
        return list(instructions.report(rows or self.ROWS, [now]))

    def test_only_what_is_dearer_than_tolerated_fails(self):
        self.assertEqual(self.said(104)[-1], "no row got dearer")
        self.assertEqual(self.said(107)[-1], "some rows got dearer")
        self.assertIn("cheaper", self.said(80)[1])
        self.assertEqual(self.said(7, [(*self.ROWS[0][:4], 0.0, 0.05)])[-1], "no row got dearer")

    def test_the_table_names_rows_of_ours(self):
        ours = {(row.program, row.scenario, row.parameter) for row in names.scenarios()}
        self.assertEqual({row[:3] for row in instructions.read()} - ours, set())


if __name__ == "__main__":
    unittest.main()
