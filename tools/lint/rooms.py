# SPDX-License-Identifier: MIT
# Copyright (c) 2026 the downhaul authors
"""Includes run down only: platform < wait < chan < time < context, sched < sync, signal < coro < debug < adapt."""

FLOORS = {
    "platform": 0,
    "wait": 1,
    "chan": 2,
    "time": 3,
    "context": 4,
    "sched": 4,
    "sync": 5,
    "signal": 5,
    "coro": 6,
    "debug": 7,
    "adapt": 8,
}

UMBRELLA = "include/downhaul/downhaul.hpp"


def header_rooms(tree):
    """{path of a public header: room}, and what is wrong with the table itself."""
    rooms, found = {}, []
    table = "tools/lint/rooms.txt"
    for number, line in enumerate(tree.text(table).splitlines(), 1):
        room, *headers = line.partition("#")[0].split() or [None]
        if room is not None and room not in FLOORS:
            found.append((table, number, f"there is no room '{room}'"))
            continue
        for header in headers:
            path = "include/downhaul/" + header
            rooms[path] = room
            if path not in tree.by_path:
                found.append((table, number, f"there is no {path}"))
    return rooms, found


def room_of(path, headers):
    parts = path.split("/")
    if parts[0] == "src":
        return parts[1] if len(parts) > 2 else "platform"
    return headers.get(path)


def check_rooms(tree):
    """a room includes only rooms below it, and never its neighbour on the same floor"""
    headers, found = header_rooms(tree)
    for file in tree.under("include", "src"):
        room = room_of(file.path, headers)
        if file.path == UMBRELLA:
            continue
        if room is None:
            found.append((file.path, 1, "has no room: add it to tools/lint/rooms.txt"))
            continue
        if room not in FLOORS:
            found.append((file.path, 1, f"src/{room} is no room"))
            continue
        for number, name in file.includes():
            if name.startswith("boost/") and room not in ("platform", "adapt"):
                found.append((file.path, number, "Boost is used in src/platform and the adapters only"))
            target = _target(tree, file, name)
            if target is None:
                continue
            if target == UMBRELLA:
                found.append((file.path, number, "the library does not include its own umbrella"))
                continue
            other = room_of(target, headers)
            if other in FLOORS and other != room and FLOORS[other] >= FLOORS[room]:
                found.append((file.path, number, f"{room} (floor {FLOORS[room]}) includes {target} "
                                                 f"of {other} (floor {FLOORS[other]})"))
            if file.path.startswith("include/") and target.startswith("src/"):
                found.append((file.path, number, "a public header includes a private one"))
    return found


def _target(tree, file, name):
    """The file in this tree that an include means, or None."""
    beside = file.path.rpartition("/")[0] + "/" + name
    for path in ("include/" + name, "src/" + name, beside):
        if path in tree.by_path:
            return path
    return None


def check_outsiders(tree):
    """examples, benchmarks and consumers use what is installed, and nothing from src or downhaul/impl"""
    found = []
    for file in tree.under("examples", "bench", "tests/consume", "tests/conformance"):
        for number, name in file.includes():
            if name.startswith("downhaul/impl/") or "src/" + name in tree.by_path:
                found.append((file.path, number, f"includes {name}, which is not public"))
    return found


def check_umbrella(tree):
    """each public header is in include/CMakeLists.txt, and in downhaul.hpp unless it is a part of others"""
    found = []
    listed = tree.text("include/CMakeLists.txt").split()
    umbrella = tree.by_path.get(UMBRELLA)
    included = {name for _, name in umbrella.includes()} if umbrella else None
    for file in tree.under("include"):
        name = file.path.removeprefix("include/")
        if name not in listed:
            found.append((file.path, 1, "is not listed in include/CMakeLists.txt: it would not be installed"))
        apart = name.startswith(("downhaul/impl/", "downhaul/testing/", "downhaul/adapt/"))
        if included is not None and file.path != UMBRELLA and not apart and name not in included:
            found.append((file.path, 1, "is not included by downhaul/downhaul.hpp"))
    return found


CHECKS = [check_rooms, check_outsiders, check_umbrella]
