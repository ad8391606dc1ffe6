# SPDX-License-Identifier: MIT
# Copyright (c) 2026 the downhaul authors
"""The programs that are measured: ours and the rivals'. How each is built and asked for rows."""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

import results
from names import BENCH

TIMED_BY_GOOGLE_BENCHMARK = ("channels", "contexts", "coroutines", "timers")
LONGEST = 900  # seconds for one run of one program


def exactly(asks):
    """A regular expression for all of these names, as basic as each of the programs' dialects is."""
    escaped = (re.sub(r"([.\[\](){}*+?|^$\\])", r"\\\1", ask) for ask in asks)
    return f"^({'|'.join(escaped)})"


def say(text):
    print(f"bench: {text}", file=sys.stderr, flush=True)


def output_of(command, **named):
    """What it printed; less or nothing when it failed, which is said."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=LONGEST, **named)
    except subprocess.TimeoutExpired as late:
        say(f"{Path(command[0]).name} was stopped after {LONGEST} s: {command[1:]}")
        return (late.stdout or b"").decode()
    if done.returncode != 0:
        say(f"{Path(command[0]).name} ended with {done.returncode}: {done.stderr.strip()[-300:]}")
    return done.stdout


class Effort:
    def __init__(self, rounds=3, repetitions=5, milliseconds=60, seconds=5.0):
        self.rounds, self.repetitions, self.milliseconds = rounds, repetitions, milliseconds
        self.seconds = seconds  # of what is watched under pressure


class Ours:
    peer = "downhaul"

    def __init__(self, build, program):
        self.program = program
        self.binary = build / "bench" / f"bench_{program}"
        if not self.binary.exists():
            sys.exit(f"bench/run: {self.binary} is missing: build the preset 'release' first")

    def run(self, asks, workers, effort):
        if self.program in TIMED_BY_GOOGLE_BENCHMARK:
            return self.timed(asks, workers, effort)
        return results.parse(output_of([self.binary, "-p", str(workers), "-r", str(effort.repetitions),
                                        "-t", str(effort.milliseconds), "-s", str(effort.seconds),
                                        exactly(asks) + "$"]))

    def timed(self, asks, workers, effort):
        with tempfile.NamedTemporaryFile(suffix=".json") as out:
            output_of([self.binary, f"--benchmark_filter={exactly(asks)}/{workers}/",
                       f"--benchmark_repetitions={effort.repetitions}",
                       "-t", str(effort.milliseconds),
                       f"--benchmark_out={out.name}", "--benchmark_out_format=json"])
            text = Path(out.name).read_text(encoding="utf-8")
        return from_google_benchmark(text)


def from_google_benchmark(text):
    found = {}
    for run in json.loads(text)["benchmarks"] if text.strip() else ():
        if run["run_type"] == "iteration":
            scenario, parameter = run["run_name"].split("/")[:2]
            found.setdefault((scenario, parameter), []).append(run["real_time"])
    return {name: results.Figure(median(times), min(times), max(times), "ns/op") for name, times in found.items()}


class Go:
    peer, peers = "go", ("go",)
    has_workers = True

    def __init__(self, build):
        self.binary = build / "bench" / "rival_go"
        subprocess.run(["go", "build", "-o", self.binary, "."], cwd=BENCH / "rivals/go", check=True)

    def run(self, asks, workers, effort):
        return results.parse(output_of(
            [self.binary, "-reps", str(effort.repetitions), "-target", f"{effort.milliseconds}ms", exactly(asks) + "$"],
            env={**os.environ, "GOMAXPROCS": str(workers)}))


class Tokio:
    """tokio and tokio_util, and crossbeam between plain threads."""
    peer, peers = "tokio", ("tokio", "crossbeam")
    has_workers = True

    def __init__(self, build):
        source, target = BENCH / "rivals/tokio", build / "bench" / "tokio"
        try:
            compile_rust(source, target, "--locked")
        except subprocess.CalledProcessError:
            if not DEBIANS_CRATES.exists():
                raise
            say("crates.io does not answer: Debian's librust-*-dev instead")
            source = of_debians_crates(source, build / "bench" / "tokio-debian")
            compile_rust(source, target, "--offline")
        self.lock = source / "Cargo.lock"
        self.binary = target / "release" / "tokio_rival"

    def run(self, asks, workers, effort):
        return results.parse(output_of([self.binary, "-p", str(workers), "-r", str(effort.repetitions),
                                        "-t", str(effort.milliseconds), *asks]))


class Cpp:
    """One of the rivals that CMake has built."""

    def __init__(self, build, name, peer, has_workers):
        self.peer, self.peers = peer, (peer,)
        self.has_workers = has_workers
        self.binary = build / "bench" / "rivals" / f"rival_{name}"
        if not self.binary.exists():
            raise FileNotFoundError(f"{self.binary.name} was not built")

    def run(self, asks, workers, effort):
        return results.parse(output_of([self.binary, "-p", str(workers), "-r", str(effort.repetitions),
                                        "-t", str(effort.milliseconds), exactly(asks) + "$"]))


DEBIANS_CRATES = Path("/usr/share/cargo/registry")


def compile_rust(source, target, *options):
    subprocess.run([cargo(), "build", "--release", "--quiet", *options], cwd=source, check=True,
                   env={**os.environ, "CARGO_TARGET_DIR": str(target)})


def of_debians_crates(source, copy):
    """The same program with any version of the same generation, out of a folder."""
    shutil.copytree(source / "src", copy / "src", dirs_exist_ok=True)
    manifest = (source / "Cargo.toml").read_text(encoding="utf-8")
    manifest = re.sub(r'"=(0\.\d+|[1-9]\d*)\.[\d.]+"', r'"\1"', manifest)
    (copy / "Cargo.toml").write_text(manifest + "\n[workspace]\n", encoding="utf-8")
    (copy / ".cargo").mkdir(exist_ok=True)
    (copy / ".cargo/config.toml").write_text(
        f'[source.crates-io]\nreplace-with = "debian"\n[source.debian]\ndirectory = "{DEBIANS_CRATES}"\n', encoding="utf-8")
    return copy


def cargo():
    return shutil.which("cargo") or shutil.which("cargo", path=str(Path.home() / ".cargo/bin"))


KNOWN = {  # peers that a rival's program stands for, and how to come by it
    ("go",): Go,
    ("tokio", "crossbeam"): Tokio,
    ("std",): lambda build: Cpp(build, "stop_token", "std", False),
    ("std", "threads"): lambda build: Cpp(build, "thread", "std", False),
    ("boost_fiber",): lambda build: Cpp(build, "boost_fiber", "boost_fiber", True),
    ("tbb",): lambda build: Cpp(build, "tbb", "tbb", True),
    ("asio",): lambda build: Cpp(build, "asio", "asio", False),
    ("asio", "echo"): lambda build: Cpp(build, "asio_echo", "asio", False),
}


def rivals(build, only=()):
    """Those that are here or can be built, and wanted; for each of the others a line that says why not."""
    found = []
    for peers, make in KNOWN.items():
        if only and not set(only) & set(peers):
            continue
        try:
            found.append(make(build))
        except (OSError, TypeError, subprocess.CalledProcessError) as why:
            say(f"{peers[0]} is left out: {why}")
    return found
