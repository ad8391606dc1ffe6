#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# Copyright (c) 2026 the downhaul authors
"""Holds the tree to the rules that a compiler does not know. `lint.py --list` prints them."""

import sys
from pathlib import Path

import code_rules
import layout
import rooms
import words
from tree import Tree

CHECKS = rooms.CHECKS + layout.CHECKS + code_rules.CHECKS + words.CHECKS


def name_of(check):
    return check.__name__.removeprefix("check_")


def main(arguments):
    if arguments == ["--list"]:
        for check in CHECKS:
            print(f"{name_of(check):16} {check.__doc__}")
        return 0
    tree = Tree(Path(__file__).resolve().parents[2])
    total = 0
    for check in CHECKS:
        for path, line, message in check(tree):
            print(f"{path}:{line}: {name_of(check)}: {message}")
            total += 1
    print(f"{len(CHECKS)} rules, {len(tree.files)} files, {total} findings")
    return 1 if total else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
