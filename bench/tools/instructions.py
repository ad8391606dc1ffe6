# SPDX-License-Identifier: MIT
# Copyright (c) 2026 the downhaul authors
"""How many instructions one turn of a loop takes, with one worker: what a loaded machine does not change.

A loop is run N and 2N times under Valgrind and the difference divided by N, so that starting and ending count nothing.
instructions.tsv holds what one turn took when it was last written, for GCC 12 and the preset release on x86-64, and by
how much it may be exceeded; with another compiler the figures differ, and only a table of its own says something.
"""

import concurrent.futures
import os
import re
import shutil
import subprocess
import sys

import names

TABLE = names.BENCH / "instructions.tsv"
HEADING = "program\tscenario\tparameter\tturns\tinstructions\ttolerance"
TOLERANCE = 0.1
SMALLEST = 1  # instructions: less is rounding


def instructions(build, program, name, turns):
    done = subprocess.run(
        ["valgrind", "--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null",
         build / "bench" / f"bench_{program}", "--count", name, str(turns)],
        capture_output=True, text=True, check=False)
    found = re.search(r"I\s+refs:\s+([\d,]+)", done.stderr)
    if done.returncode != 0 or not found:
        sys.exit(f"bench: {program} --count {name} failed: {done.stderr[-400:]}")
    return int(found.group(1).replace(",", ""))


def a_turn(build, program, name, turns):
    return (instructions(build, program, name, 2 * turns) - instructions(build, program, name, turns)) / turns


def dearer(now, then, tolerance):
    return now > then * (1 + tolerance) + SMALLEST


def read(path=TABLE):
    return [(program, scenario, parameter, int(turns), float(count or 0), float(tolerance or TOLERANCE))
            for program, scenario, parameter, turns, count, tolerance in names.read_tsv(path, 6)]


def report(rows, counts):
    """Lines to print, and whether a row got dearer."""
    failed = False
    yield f"{'scenario':30} {'parameter':32} {'then':>9} {'now':>9}  change"
    for (_, scenario, parameter, _, then, tolerance), now in zip(rows, counts):
        told = ""
        if not then:
            told = "  not in the table yet"
        elif dearer(now, then, tolerance):
            told, failed = f"  DEARER than the {tolerance:.0%} that are tolerated", True
        elif dearer(then, now, tolerance):
            told = "  cheaper: write the table anew"
        change = f"{now / then - 1:+7.1%}" if then else "    new"
        yield f"{scenario:30} {parameter:32} {then:9.1f} {now:9.1f}  {change}{told}"
    yield "some rows got dearer" if failed else "no row got dearer"


def main(build, regex, update):
    if shutil.which("valgrind") is None:
        sys.exit("bench: valgrind is not installed")
    table = read()
    chosen = [row for row in table if re.search(regex, f"{row[1]}/{row[2]}")]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        counts = list(pool.map(lambda row: a_turn(build, row[0], f"{row[1]}/{row[2]}", row[3]), chosen))
    lines = list(report(chosen, counts))
    print(*lines, sep="\n")
    if update:
        found = dict(zip((row[:3] for row in chosen), counts))
        with open(TABLE, "w", encoding="utf-8") as out:
            print(HEADING, file=out)
            for row in table:
                print(*row[:4], f"{found.get(row[:3], row[4]):.1f}", f"{row[5]:g}", sep="\t", file=out)
        return 0
    return lines[-1] == "some rows got dearer"
