# SPDX-License-Identifier: MIT
# Copyright (c) 2026 the downhaul authors
"""Which rows there are (scenarios.tsv), what the rivals call them (rivals.tsv) and what is allowed (budget.tsv)."""

import re
from pathlib import Path
from typing import NamedTuple

BENCH = Path(__file__).resolve().parents[1]


class Row(NamedTuple):
    family: str
    program: str  # of ours
    scenario: str
    parameter: str
    asks: str  # what makes a program print it, as scenario/parameter

    @property
    def name(self):
        return f"{self.scenario}/{self.parameter}"


class Budget(NamedTuple):
    vs_go: float | None
    rival: str
    vs_rival: float | None


def read_tsv(path, columns):
    """The lines below the heading, filled up to so many columns."""
    rows = []
    for line in Path(path).read_text(encoding="utf-8").splitlines()[1:]:
        if line and not line.startswith("#"):
            cells = line.split("\t")
            rows.append(tuple(cells + [""] * (columns - len(cells))))
    return rows


def scenarios(regex=".", path=BENCH / "scenarios.tsv"):
    wanted = re.compile(regex)
    rows = [Row(family, program, scenario, parameter, asks or f"{scenario}/{parameter}")
            for family, program, scenario, parameter, asks in read_tsv(path, 5)]
    return [row for row in rows if wanted.search(row.name)]


def group_of(scenario, parameter):
    """What a program is asked for to get this row: some print several rows for one name."""
    if scenario.startswith("ctx_tree_"):
        return f"{scenario.rpartition('_')[0]}/{parameter}"
    if scenario.startswith("parked_"):
        return f"parked/{parameter}"
    if scenario.startswith("echo_"):
        return f"echo/{re.sub(', p(50|99)$', '', parameter)}"
    if scenario == "timer_1e6":
        return "timer_1e6/pending"
    return f"{scenario}/{re.sub(' (p50|p99|max)$', '', parameter)}"


class Rivals:
    """Their names for our rows: the same, but where rivals.tsv says otherwise ("-": they have no such thing)."""

    def __init__(self, path=BENCH / "rivals.tsv"):
        self.differing = {}
        for rival, scenario, parameter, theirs, their_parameter in read_tsv(path, 5):
            self.differing[rival, scenario, parameter] = None if theirs == "-" else (theirs, their_parameter)

    def name(self, rival, row):
        """(their scenario, their parameter), or None"""
        key = rival, row.scenario, row.parameter
        if key in self.differing:
            return self.differing[key]
        return None if rival == "crossbeam" else (row.scenario, row.parameter)

    def asks(self, rival, row):
        found = self.name(rival, row)
        return found and group_of(*found)


def budget(path=BENCH / "budget.tsv"):
    number = lambda text: float(text) if text else None  # noqa: E731
    return {(scenario, parameter): Budget(number(go), rival, number(most))
            for scenario, parameter, go, rival, most in read_tsv(path, 5)}
