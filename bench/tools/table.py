# SPDX-License-Identifier: MIT
# Copyright (c) 2026 the downhaul authors
"""The table of a run, and what a change did to it."""

NOISE = 1.3  # ratios closer than this say nothing until they repeat


def figure(value):
    if value is None:
        return "-"
    return f"{value:.1f}" if value < 1000 else f"{value:.0f}"


def verdict(results, key, budgets):
    """ok, OVER with what is over, or nothing where the budget has no line or the rival no figure"""
    budget = budgets.get(key[:2])
    if budget is None or results.median(key, "downhaul") is None:
        return ""
    over, seen = [], False
    for rival, most in (("go", budget.vs_go), (budget.rival, budget.vs_rival)):
        ratio = results.ratio(key, rival) if rival and most else None
        if ratio is not None:
            seen = True
            if ratio > most:
                over.append(f"{rival} {ratio:.2f}>{most:g}")
    return "OVER " + ", ".join(over) if over else "ok" if seen else ""


def must(budget):
    if budget is None:
        return ""
    parts = [f"{budget.vs_go:g} go"] if budget.vs_go else []
    parts += [f"{budget.vs_rival:g} {budget.rival}"] if budget.vs_rival else []
    return ", ".join(parts)


def aligned(rows):
    """Columns: the first two and what follows the figures to the left, figures to the right."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    words = {0, 1, 3, len(widths) - 1, len(widths) - 2}
    for row in rows:
        yield "  ".join(c.ljust(w) if i in words else c.rjust(w)
                        for i, (c, w) in enumerate(zip(row, widths))).rstrip()


def table(results, budgets):
    rivals = [p for p in results.peers() if p != "downhaul"]
    rows = [["scenario", "parameter", "w", "unit", "ours", "spread", *rivals, "÷go", "÷best", "must", "verdict"]]
    over = 0
    for key in results.rounds:
        best = results.best_rival(key)
        by_best = results.ratio(key, best[0]) if best else None
        by_go = results.ratio(key, "go")
        spread = results.spread(key)
        told = verdict(results, key, budgets)
        over += told.startswith("OVER")
        rows.append([key[0], key[1], str(key[2]), results.unit(key), figure(results.median(key, "downhaul")),
                     f"{spread:.2f}" if spread else "-", *(figure(results.median(key, r)) for r in rivals),
                     f"{by_go:.2f}" if by_go is not None else "-",
                     f"{by_best:.2f} {best[0]}" if by_best is not None else "-",
                     must(budgets.get(key[:2])), told])
    yield from aligned(rows)
    yield ""
    yield (f"{len(rows) - 1} rows, {over} over budget. \"-\": no such thing there, or not installed. "
           f"spread: largest round by smallest. Ratios under {NOISE} apart are noise until they repeat.")


def page(results, budgets):
    """The rows of the budget for a page: one line for both numbers of workers; bold is over."""
    yield "| scenario | parameter | unit | 1 worker: ours | ÷ Go | ÷ rival | 2 workers: ours | ÷ Go | ÷ rival | may be |"
    yield "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |"
    for scenario, parameter in budgets:
        budget = budgets[scenario, parameter]
        unit, cells = "", []
        for workers in (1, 2):
            key = (scenario, parameter, workers)
            ours = results.median(key, "downhaul")
            if ours is None:
                cells += ["-", "-", "-"]
                continue
            unit = results.unit(key)
            cells.append(figure(ours))
            for rival, most in (("go", budget.vs_go), (budget.rival, budget.vs_rival)):
                ratio = results.ratio(key, rival) if rival and most else None
                told = "-" if ratio is None else f"{ratio:.2f}"
                cells.append(f"**{told}**" if ratio is not None and ratio > most else told)
        if unit:
            yield f"| `{scenario}` | {parameter} | {unit} | {' | '.join(cells)} | {must(budget)} |"


def compare(before, after):
    """What a change did: ours after by ours before, and the same for Go, which the change cannot have moved."""
    rows = [["scenario", "parameter", "w", "unit", "before", "after", "ratio", "go moved", "", ""]]
    for key in after.rounds:
        old, new = before.median(key, "downhaul"), after.median(key, "downhaul")
        if not old or not new:
            continue
        go = [r.median(key, "go") for r in (before, after)]
        moved = go[1] / go[0] if all(go) else None
        ratio = new / old / (moved or 1)
        told = "dearer" if ratio > NOISE else "cheaper" if ratio < 1 / NOISE else ""
        rows.append([key[0], key[1], str(key[2]), after.unit(key), figure(old), figure(new), f"{new / old:.2f}",
                     f"{moved:.2f}" if moved else "-", told, ""])
    missing = [key for key in before.rounds if key not in after.rounds]
    yield from aligned(rows)
    yield ""
    yield (f"{len(rows) - 1} rows in both, {len(missing)} only before. dearer, cheaper: by more than {NOISE}, after "
           "taking out what Go moved by itself.")
