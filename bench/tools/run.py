# SPDX-License-Identifier: MIT
# Copyright (c) 2026 the downhaul authors
"""Rounds: of each family of rows all programs in turn, one process at a time, so that what the machine does meanwhile
meets ours and the rivals alike."""

import os
import platform
import re
import subprocess
from pathlib import Path

import programs
from names import BENCH
from results import Results

WORKERS = (1, 2)
WITH_ONE = ("growth", "memory")  # families for which one worker says all
ALONE = ("parked", "memory")  # rows that read the memory of their process, which must be fresh


def in_processes(asks):
    """Parts a list of what is asked for into what may be measured in one process."""
    together = [ask for ask in asks if not ask.startswith(ALONE)]
    return ([together] if together else []) + [[ask] for ask in asks if ask.startswith(ALONE)]


def unique(items):
    return list(dict.fromkeys(item for item in items if item))


def workers_of(family):
    return (1,) if family in WITH_ONE else WORKERS


def measure(build, rows, rivals, names, effort):
    results = Results()
    for row in rows:  # in the order of scenarios.tsv
        for workers in workers_of(row.family):
            results.rounds[row.scenario, row.parameter, workers] = {}
    families = unique(row.family for row in rows)
    for turn in range(effort.rounds):
        for family in families:
            mine = [row for row in rows if row.family == family]
            for workers in workers_of(family):
                programs.say(f"round {turn + 1} of {effort.rounds}, {family}, {workers} worker{'s'[:workers - 1]}, "
                             f"load {os.getloadavg()[0]:.1f}")
                for program in unique(row.program for row in mine):
                    run_ours(build, program, mine, workers, effort, results)
                for rival in rivals:
                    run_rival(rival, mine, workers, names, effort, results)
    results.rounds = {key: row for key, row in results.rounds.items() if "downhaul" in row}
    return results


def run_ours(build, program, rows, workers, effort, results):
    rows = [row for row in rows if row.program == program]
    ours = programs.Ours(build, program)
    for asks in in_processes(unique(row.asks for row in rows)):
        printed = ours.run(asks, workers, effort)
        for row in rows:
            if row.asks in asks and (row.scenario, row.parameter) in printed:
                results.add((row.scenario, row.parameter, workers), "downhaul", printed[row.scenario, row.parameter])


def run_rival(rival, rows, workers, names, effort, results):
    if not rival.has_workers and workers != WORKERS[0]:
        return  # its figures stand beside both
    asked = unique(names.asks(peer, row) for row in rows for peer in rival.peers)
    for asks in in_processes(asked):
        printed = rival.run(asks, workers, effort)
        for peer in rival.peers:
            for row in rows:
                name = names.name(peer, row)
                if name in printed and names.asks(peer, row) in asks:
                    for w in [workers] if rival.has_workers else workers_of(row.family):
                        results.add((row.scenario, row.parameter, w), peer, printed[name])


def first_line(*command):
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[0].strip()
    except (OSError, IndexError, subprocess.CalledProcessError):
        return ""


def environment(build, rivals):
    """What was measured with what on what."""
    processor = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(encoding="utf-8"), re.MULTILINE)
    yield f"CPU: {processor.group(1) if processor else platform.machine()}, {len(os.sched_getaffinity(0))} to run on"
    yield f"kernel: {platform.system()} {platform.release()}"
    cache = (build / "CMakeCache.txt").read_text(encoding="utf-8")
    compiler = re.search(r"^CMAKE_CXX_COMPILER:\w+=(.*)$", cache, re.MULTILINE)
    kind = re.search(r"^CMAKE_BUILD_TYPE:\w+=(.*)$", cache, re.MULTILINE)
    yield f"C++: {first_line(compiler.group(1), '--version')}, {kind.group(1)}"
    yield f"downhaul: {first_line('git', '-C', str(BENCH), 'describe', '--always', '--dirty')}"
    peers = {rival.peer for rival in rivals}
    if "go" in peers:
        yield f"go: {first_line('go', 'version')}"
    for rival in rivals:
        if rival.peer != "tokio":
            continue
        locked = rival.lock.read_text(encoding="utf-8")
        versions = dict(re.findall(r'name = "([\w-]+)"\nversion = "([^"]+)"', locked))
        wanted = ("tokio", "tokio-util", "crossbeam-channel")
        rustc = first_line(str(Path(programs.cargo()).with_name("rustc")), "--version")
        yield "tokio: " + ", ".join(f"{name} {versions[name]}" for name in wanted) + f", {rustc}"
    for peer, package in (("boost_fiber", "libboost-fiber*-dev"), ("tbb", "libtbb-dev"), ("asio", "libasio-dev")):
        if peer in peers:
            yield f"{peer}: {first_line('dpkg-query', '-W', '-f', '${Version} ', package) or 'version unknown'}"
