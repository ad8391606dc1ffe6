# SPDX-License-Identifier: MIT
# Copyright (c) 2026 the downhaul authors
"""Figures of several rounds, ours and the rivals', and the file they are kept in."""

from statistics import median
from typing import NamedTuple

COLUMNS = "scenario\tparameter\tworkers\tpeer\tmedian\tsmallest\tlargest\tunit\trounds"


class Figure(NamedTuple):
    """What a program printed for a row in one round."""
    median: float
    smallest: float
    largest: float
    unit: str


class Results:
    def __init__(self):
        self.rounds = {}  # {(scenario, parameter, workers): {peer: [Figure]}}
        self.notes = []  # what was measured on what

    def add(self, key, peer, figure):
        self.rounds.setdefault(key, {}).setdefault(peer, []).append(figure)

    def peers(self):
        found = {peer for row in self.rounds.values() for peer in row}
        return sorted(found, key=lambda p: (p != "downhaul", p != "go", p != "tokio", p))

    def median(self, key, peer):
        figures = self.rounds.get(key, {}).get(peer)
        return median(f.median for f in figures) if figures else None

    def unit(self, key):
        return next(iter(self.rounds[key].values()))[0].unit

    def spread(self, key, peer="downhaul"):
        """How far the rounds lie apart, largest by smallest; of one round, its repetitions."""
        figures = self.rounds.get(key, {}).get(peer)
        if not figures:
            return None
        values = [f.median for f in figures]
        low, high = (min(values), max(values)) if len(values) > 1 else (figures[0].smallest, figures[0].largest)
        return high / low if low > 0 else None

    def ratio(self, key, rival):
        """Ours by theirs, the median of the rounds: what ran at about the same time is compared."""
        row = self.rounds.get(key, {})
        pairs = [o.median / t.median for o, t in zip(row.get("downhaul", []), row.get(rival, [])) if t.median > 0]
        return median(pairs) if pairs else None

    def best_rival(self, key):
        """(peer, median) of the cheapest that is not ours, or None"""
        theirs = [(self.median(key, p), p) for p in self.rounds[key] if p != "downhaul"]
        return min(theirs)[::-1] if theirs else None

    def write(self, path):
        with open(path, "w", encoding="utf-8") as out:
            for note in self.notes:
                out.write(f"# {note}\n")
            out.write(COLUMNS + "\n")
            for (scenario, parameter, workers), row in self.rounds.items():
                for peer, figures in row.items():
                    out.write("\t".join(map(str, (
                        scenario, parameter, workers, peer, median(f.median for f in figures),
                        min(f.smallest for f in figures), max(f.largest for f in figures), figures[0].unit,
                        ",".join(f"{f.median:g}" for f in figures)))) + "\n")

    def overlay(self, later):
        """The rows of a later run stand for ours."""
        self.rounds.update(later.rounds)
        return self

    @classmethod
    def read(cls, path):
        results = cls()
        with open(path, encoding="utf-8") as lines:
            for line in lines:
                line = line.rstrip("\n")
                if line.startswith("# "):
                    results.notes.append(line[2:])
                elif line and line != COLUMNS:
                    scenario, parameter, workers, peer, _, low, high, unit, rounds = line.split("\t")
                    for value in rounds.split(","):
                        results.add((scenario, parameter, int(workers)), peer,
                                    Figure(float(value), float(low), float(high), unit))
        return results


def parse(text):
    """{(their scenario, their parameter): Figure} of the rows that a program printed"""
    rows = {}
    for line in text.splitlines():
        cells = line.split("\t")
        if len(cells) >= 8:
            rows[cells[1], cells[2]] = Figure(float(cells[4]), float(cells[5]), float(cells[6]), cells[7])
    return rows
