# SPDX-License-Identifier: MIT
# Copyright (c) 2026 the downhaul authors
"""How files look from outside: length, licence, and that someone builds them."""

LONGEST = 800
LICENSED = (".cpp", ".hpp", ".py", ".cmake", ".txt", ".go", ".sh")


def check_length(tree):
    """no file is longer than 800 lines"""
    return [(f.path, len(f.lines), f"{len(f.lines)} lines; at most {LONGEST}: part it by concept")
            for f in tree.under("include", "src", "tests", "examples", "bench", "tools", suffixes=None)
            if len(f.lines) > LONGEST]


def check_license(tree):
    """the first lines name the licence, and in C++ the holder"""
    found = []
    for file in tree.files:
        name = file.path.rpartition("/")[2]
        script = file.text.startswith("#!")
        if not (file.path.endswith(LICENSED) or script) or name in ("LICENSE", "requirements.txt"):
            continue
        head = "\n".join(file.lines[:4])
        if "SPDX-License-Identifier: MIT" not in head:
            found.append((file.path, 1, "lacks 'SPDX-License-Identifier: MIT' at its top"))
        elif file.path.endswith((".cpp", ".hpp")) and "Copyright (c) 2026 the downhaul authors" not in head:
            found.append((file.path, 2, "lacks 'Copyright (c) 2026 the downhaul authors' below the licence"))
    return found


def check_pragma_once(tree):
    """each header has #pragma once"""
    return [(f.path, 1, "lacks #pragma once") for f in tree.files
            if f.path.endswith(".hpp") and "#pragma once" not in f.lines]


def check_built(tree):
    """each source is named by the CMakeLists.txt of its folder, or of one above it"""
    found = []
    for file in tree.under("src", "tests", "examples", "bench", suffixes=(".cpp",)):
        folder, _, name = file.path.rpartition("/")
        stem = name.removesuffix(".cpp")
        below = name
        while True:
            words = tree.text(folder + "/CMakeLists.txt" if folder else "CMakeLists.txt")
            words = words.replace("(", " ").replace(")", " ").split()
            # downhaul_example(tour) and downhaul_compile_fail(chan) leave out the suffix.
            if any(w in (below, "../" + name, stem) or w.endswith("/" + below) for w in words):
                break
            if not folder:
                found.append((file.path, 1, "is in no CMakeLists.txt: nobody builds it"))
                break
            folder, _, last = folder.rpartition("/")
            below = last + "/" + below
        # A consumer's main.cpp is named by the projects below it.
        if found and found[-1][0] == file.path and file.path == "tests/consume/main.cpp":
            found.pop()
    return found


CHECKS = [check_length, check_license, check_pragma_once, check_built]
