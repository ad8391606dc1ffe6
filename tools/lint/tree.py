# SPDX-License-Identifier: MIT
# Copyright (c) 2026 the downhaul authors
"""The files of the repository, as the checks look at them."""

import re
import subprocess
from pathlib import Path

CODE = (".cpp", ".hpp")

_TOKENS = re.compile(
    r"""
    (?P<line>//[^\n]*)
  | (?P<block>/\*.*?\*/)
  | (?P<raw>\bR"(?P<mark>[^()\s\\]*)\(.*?\)(?P=mark)")
  | (?P<string>"(?:\\.|[^"\\\n])*")
  | (?P<char>(?<![0-9A-Za-z_])'(?:\\.|[^'\\\n])+')
    """,
    re.VERBOSE | re.DOTALL,
)


def without_comments_and_strings(text):
    """The same lines, with comments and the contents of literals blanked out. Includes keep their names."""

    def blank(match):
        if match.lastgroup == "string" and text.rfind("\n", 0, match.start()) + 1 == _include_at(text, match.start()):
            return match.group()
        return re.sub(r"[^\n]", " ", match.group())

    return _TOKENS.sub(blank, text)


def _include_at(text, position):
    """The start of the line of `position` when that line is an #include, else -1."""
    start = text.rfind("\n", 0, position) + 1
    return start if re.match(r"\s*#\s*include\b", text[start:position]) else -1


class File:
    def __init__(self, root, path):
        self.path = path  # relative to the root, with slashes
        self.text = (root / path).read_text(encoding="utf-8", errors="replace")
        self.lines = self.text.splitlines()
        self._code = None

    @property
    def code(self):
        """Lines without comments and literals."""
        if self._code is None:
            self._code = without_comments_and_strings(self.text).splitlines()
        return self._code

    def includes(self):
        """(line number, name) of each include in quotes or in angle brackets."""
        for number, line in enumerate(self.code, 1):
            if found := re.match(r'\s*#\s*include\s*["<]([^">]+)[">]', line):
                yield number, found.group(1)


class Tree:
    def __init__(self, root):
        self.root = Path(root)
        self.files = [File(self.root, path) for path in _listed(self.root) if (self.root / path).is_file()]
        self.by_path = {file.path: file for file in self.files}

    def under(self, *folders, suffixes=CODE):
        starts = tuple(folder + "/" for folder in folders)
        return [f for f in self.files if f.path.startswith(starts) and (suffixes is None or f.path.endswith(suffixes))]

    def text(self, path):
        file = self.by_path.get(path)
        return file.text if file else ""


def _listed(root):
    """What git knows or would add: builds and editors' leavings are no part of the tree."""
    if (root / ".git").exists():
        command = ["git", "-C", str(root), "ls-files", "-co", "--exclude-standard", "-z"]
        names = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        return sorted(set(filter(None, names.split("\0"))))
    return sorted(str(p.relative_to(root)) for p in root.rglob("*") if p.is_file())
