# SPDX-License-Identifier: MIT
# Copyright (c) 2026 the downhaul authors
"""The tree stands alone: it points at nothing a clone does not have."""

import posixpath
import re

# Folders of one person's machine, and folders beside a checkout.
MACHINE = re.compile(r"(?<![\w.}>)*-])/(?:home|root|mnt|work)(?:/|(?=[\s\"'`)]|$))")
BESIDE = re.compile(r"(?<![\w/])(?:\.\./)*shared/[A-Za-z_]+(?:\.\w+|/)")
TRACKER = re.compile(r"(?<![\w/#])(?:issue|ticket|PR|pull request)s? #?\d+\b", re.IGNORECASE)
DOCUMENT = re.compile(r"(?<![\w/.:-])((?:\.{1,2}/|[\w-]+/)*[\w.-]+\.md)\b")
LINK = re.compile(r"\]\(([^)\s]+)\)")
MADE_UP = "tools/lint/selftest.py"  # names documents of trees it makes


def check_machine_paths(tree):
    """no path of a machine, no folder outside the repository"""
    found = []
    for file in tree.files:
        for number, line in enumerate(file.lines, 1):
            for pattern in (MACHINE, BESIDE):
                if match := pattern.search(line):
                    found.append((file.path, number, f"'{match.group()}' is not in this repository"))
    return found


def check_trackers(tree):
    """no bare number of an issue: say what it was about; other projects' are written project#123"""
    return [(file.path, number, f"'{match.group()}': say what it was about instead")
            for file in tree.files for number, line in enumerate(file.lines, 1)
            if (match := TRACKER.search(line))]


def check_documents(tree):
    """each document that is named or linked to exists"""
    found = []
    names = {path.rpartition("/")[2] for path in tree.by_path}
    for file in tree.files:
        if file.path == MADE_UP:
            continue
        folder = file.path.rpartition("/")[0]
        fenced = False
        for number, line in enumerate(file.lines, 1):
            fenced ^= line.lstrip().startswith("```")
            if file.path.endswith(".md") and not fenced:
                for target in LINK.findall(re.sub(r"`[^`]*`", "", line)):  # [](int) is a lambda
                    path = target.partition("#")[0]
                    if path and "://" not in path and not target.startswith("mailto:") and not _exists(tree, folder, path):
                        found.append((file.path, number, f"links to {target}, which is not there"))
            for name in DOCUMENT.findall(re.sub(r"\w+://\S+", "", line)):
                if not _exists(tree, folder, name) and name not in names:
                    found.append((file.path, number, f"names {name}, which is not there"))
    return found


def _exists(tree, folder, path):
    for base in (folder, ""):
        full = posixpath.normpath(posixpath.join(base, path))
        if full in tree.by_path or any(p.startswith(full + "/") for p in tree.by_path):
            return True
    return False


REFUSAL = re.compile(r"(?:\bmisuse\{|\bfatal\((?!\s*\{))[^;]*;")
ERRORS = "docs/reference/errors.md"


def check_error_texts(tree):
    """each text of misuse and of a fatal error is in docs/reference/errors.md"""
    found = []
    documented = tree.text(ERRORS)
    for file in tree.under("include", "src"):
        text = re.sub(r"//[^\n]*", "", file.text)
        for statement in REFUSAL.finditer(text):
            for literal in re.findall(r'"((?:[^"\\]|\\.)+)"', statement.group()):
                if literal not in documented:
                    line = text.count("\n", 0, statement.start()) + 1
                    found.append((file.path, line, f"'{literal}' is not in {ERRORS}"))
    return found


CHECKS = [check_machine_paths, check_trackers, check_documents, check_error_texts]
