# SPDX-License-Identifier: MIT
# Copyright (c) 2026 the downhaul authors
"""Pictures of a run, one for each family, drawn by gnuplot as SVG."""

import re
import shutil
import subprocess

COLOURS = ("#1b6ca8", "#e07b39", "#7a5195", "#3d9970", "#b03a5b", "#888888", "#c9a227", "#444444")


LONGEST = 34  # characters of a label


def escape(text):
    return re.sub(r"([_^{}@&~\\])", r"\\\\\1", text).replace('"', "'")


def bars(results, keys, title, path):
    """Cost by Go's, for each row and peer, on a logarithmic scale: below 1 is cheaper than Go."""
    keys = [key for key in keys if results.median(key, "go")]
    peers = [p for p in results.peers() if p != "go" and any(results.median(key, p) for key in keys)]
    if not keys:
        return None
    lines = []
    for key in keys:
        ratios = (results.ratio(key, "go") if p == "downhaul" else by(results, key, p) for p in peers)
        label = f"{key[0]} {key[1]}" if key[1] != "-" else key[0]
        label = escape(label if len(label) <= LONGEST else label[:LONGEST - 1] + "…")
        lines.append(f'"{label}" ' + " ".join(f"{r:.4f}" if r else "NaN" for r in ratios))
    columns = ", ".join(
        f"$rows using {i + 2}:{'xtic(1)' if i == 0 else 'xtic(1)'} title \"{escape(p)}\" lc rgb '{COLOURS[i % len(COLOURS)]}'"
        for i, p in enumerate(peers))
    return f"""set output '{path}'
set terminal svg size {max(700, 36 * len(keys) + 200)},640 background '#ffffff' font 'sans,11'
set title "{title}"
set style data histograms
set style histogram clustered gap 1
set style fill solid
set logscale y
set ylabel 'cost by Go (below 1: cheaper)'
set yrange [0.005:100]
set xtics rotate by -60 scale 0 font 'sans,9'
set bmargin 12
set rmargin 10
set grid ytics
set key outside top horizontal
$rows << END
{chr(10).join(lines)}
END
plot {columns}, 1 with lines dt 2 lc rgb '#000000' notitle
reset
"""


def by(results, key, peer):
    mine, go = results.median(key, peer), results.median(key, "go")
    return mine / go if mine and go else None


def growth(results, keys, path):
    """Cost of one element as their number grows: a flat line is linear in total."""
    series = {}
    for key in keys:
        if key[1].isdigit():
            for peer in results.rounds[key]:
                series.setdefault((key[0], peer), []).append((int(key[1]), results.median(key, peer)))
    series = {name: sorted(points) for name, points in series.items() if len(points) > 2}
    if not series:
        return None
    blocks, plots = [], []
    for i, ((scenario, peer), points) in enumerate(sorted(series.items())):
        blocks.append(f"$s{i} << END\n" + "\n".join(f"{n} {v:g}" for n, v in points) + "\nEND")
        dash = 1 if peer == "downhaul" else 2
        plots.append(f"$s{i} with linespoints dt {dash} title \"{escape(scenario)} {escape(peer)}\"")
    return f"""set output '{path}'
set terminal svg size 1100,700 background '#ffffff' font 'sans,11'
set title 'Cost of one element, by how many there are (1 worker)'
set logscale xy
set xlabel 'elements'
set ylabel 'ns each'
set grid
set key outside right
{chr(10).join(blocks)}
plot {', '.join(plots)}
reset
"""


def draw(results, rows, directory):
    """Writes the pictures and returns their paths; none without gnuplot."""
    if shutil.which("gnuplot") is None:
        return []
    scripts = {}
    for family in dict.fromkeys(row.family for row in rows):
        names = [(row.scenario, row.parameter) for row in rows if row.family == family]
        if family == "growth":  # some of its points are rows of other families
            grown = {scenario for scenario, _ in names}
            names = [(row.scenario, row.parameter) for row in rows if row.scenario in grown]
        for workers in ((1,) if family == "growth" else (1, 2)):
            keys = [(*name, workers) for name in names if (*name, workers) in results.rounds]
            path = directory / (f"{family}.svg" if family == "growth" else f"{family}_{workers}.svg")
            plural = "s" if workers > 1 else ""
            script = growth(results, keys, path) if family == "growth" else bars(
                results, keys, f"{family}, {workers} worker{plural}", path)
            if script:
                scripts[path] = script
    if scripts:
        subprocess.run(["gnuplot"], input="".join(scripts.values()), text=True, check=True)
    return list(scripts)
