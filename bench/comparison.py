"""What a table of cells says: times, ratios to this project, what it could have shown, losses."""

import numpy as np

from .contenders import CONTENDERS, entry
from .planted import split_name
from .statistics import LEVEL, compare, needed, share_level
from .tables import Table, percent, ratio, seconds

REFERENCE = "blas"
TITLES = {"blas": "BLAS reference", "bound": "bound"}


def title_of(name):
    """Return a contender's title; a planted one keeps its own name, an own one its class."""
    if name in TITLES:
        return TITLES[name]
    kind, contender = split_name(name)
    try:
        title = entry(contender).title
    except ValueError:  # another bench's own contender
        title = contender.rpartition(":")[2] or contender
    if kind == "again":
        return f"{title}, again"
    return f"{kind}: {title}" if kind else title


def known(name):
    """Return True for a contender of this bench, False for a person's own."""
    return name in CONTENDERS or name in TITLES


def medians(cell):
    """Return the median of each process's samples."""
    return [float(np.median(process)) for process in cell["processes"] if process]


def timed(cell):
    """Return True where a cell has times and was not refused."""
    return not cell["refusal"] and any(cell["processes"])


def base_of(cells):
    """Return the contender that the others are compared with: the faster back end that ran."""
    names = {cell["contender"] for cell in cells if timed(cell)}
    return next((name for name in ("ours_numba", "ours_numpy") if name in names), None)


def group(cells, key="workload"):
    """Return {workload: {contender: cell}}, in order."""
    groups = {}
    for cell in cells:
        groups.setdefault(cell[key], {})[cell["contender"]] = cell
    return groups


def against_base(cells, level=LEVEL):
    """Return {(workload, contender): Comparison} of every timed cell with this project's.

    The level of one is shared among them all. Where a process of one of two failed, both are
    compared by as many processes as both have.
    """
    base, pairs = base_of(cells), {}
    for workload, by_name in group(cells).items():
        ours = by_name.get(base)
        for name, cell in by_name.items():
            if name not in (base, REFERENCE) and ours and timed(cell) and timed(ours):
                pairs[workload, name] = medians(cell), medians(ours)
    told_once = sum(len(theirs) == 1 for theirs, _ in pairs.values())  # no verdict: no row
    row_level = share_level(len(pairs) - told_once, level)
    comparisons = {}
    for key, (theirs, ours) in pairs.items():
        n = min(len(theirs), len(ours))
        comparisons[key] = compare(theirs[:n], ours[:n], row_level)
    return comparisons


def say_of(comparison, name=""):
    """Return a comparison's verdict as said of this project, or of an A/A row by its name."""
    if split_name(name)[0] == "again" and comparison.enough:
        return "holds 1" if comparison.low <= 1 <= comparison.high else "EXCLUDES 1"
    words = {"slower": "ours is faster", "faster": "ours is slower"}
    return words.get(comparison.verdict, comparison.verdict)


def again_words(measured):
    """Return (what the A/A rows say, True where one of them excludes 1)."""
    rows = {key: row for key, row in measured.items() if split_name(key[1])[0] == "again"}
    if not rows:
        return "no A/A row: nothing vouches for these intervals", False
    if not any(row.enough for row in rows.values()):
        return "the A/A rows have too few processes to vouch for anything", False
    wrong = [key[0] for key, row in rows.items() if row.enough and not row.low <= 1 <= row.high]
    if wrong:
        return (f"the A/A row excludes 1 on {', '.join(wrong)}: these intervals are too narrow, "
                "believe no verdict of this run"), True  # fmt: skip
    return "the A/A rows hold 1: " + "; ".join(ratio(row) for row in rows.values()), False


def level_words(measured):
    """Return what the table's level is, and how many processes a verdict needs."""
    if not measured:
        return "nothing to compare with"
    row = max(measured.values(), key=lambda row: row.processes)
    return (
        f"level {LEVEL:.0%} over all rows, {row.level:.2%} each; "
        f"{row.processes} processes a contender, fewer than {needed(row.level)} give no verdict; "
        "could show: the smallest difference that is found in 9 of 10 such runs"
    )


def inconclusive(cells):
    """Return True where a row is too noisy to tell, or an A/A row excludes 1."""
    comparisons = against_base(cells)
    return again_words(comparisons)[1] or any(
        row.verdict == "too noisy to tell" for row in comparisons.values()
    )


def could_show(comparison):
    """Return the smallest difference as text, "" where there is none."""
    return percent(comparison.shows) if np.isfinite(comparison.shows) else ""


def step_table(title, cells, bounds=None, first=True, per="a step"):
    """Return the `Table` of cells, with what is refused below.

    Parameters
    ----------
    bounds : dict of workload to `bounds.Bound`, optional
    first : bool
        With the time to the first step.
    """
    base, comparisons, rows, notes, losses = base_of(cells), against_base(cells), [], [], []
    header = ["workload", "contender", per, "spread", "x ours", "could show", "says"]
    header += ["x bound"] if bounds else []
    header += ["first step"] if first else []
    for workload, by_name in group(cells).items():
        for name, cell in by_name.items():
            if cell["refusal"]:
                notes.append(f"refused, {title_of(name)} on {workload}: {cell['refusal']}")
            if not timed(cell):
                continue
            times = medians(cell)
            told = comparisons.get((workload, name))
            row = [workload, title_of(name), seconds(np.median(times)), percent(spread_of(times))]
            row += [ratio(told), could_show(told), say_of(told, name)] if told else \
                ["1" if name == base else "", "", ""]  # fmt: skip
            if bounds:
                row.append(f"{np.median(times) / bounds[workload].seconds:.2f}")
            if first:
                row.append(seconds(np.median(cell["first_seconds"]))
                           if cell["first_seconds"] and name != REFERENCE else "")  # fmt: skip
            if told and say_of(told, name) == "ours is slower":
                losses.append(f"{workload}: {title_of(name)} takes {ratio(told)} of our time")
            rows.append(row)
        if bounds and workload in bounds and any(map(timed, by_name.values())):
            blank = [""] * (len(header) - 3)
            rows.append([workload, "bound", seconds(bounds[workload].seconds), *blank])
    if losses:
        notes.append("this project loses: " + "; ".join(losses))
    elif base:
        notes.append("this project loses no row whose interval excludes 1")
    notes += [level_words(comparisons), again_words(comparisons)[0], *form_lines(cells)]
    return Table(title, header, rows, notes)


def form_lines(cells):
    """Return a line that says in which form each contender stands in the table."""
    forms = {}
    for name in dict.fromkeys(cell["contender"] for cell in cells if timed(cell)):
        if name in CONTENDERS:
            forms.setdefault(CONTENDERS[name].form, []).append(title_of(name))
    words = {"specification": "specification, not tuned"}
    return ["; ".join(f"{words.get(form, form)}: {', '.join(names)}"
                      for form, names in forms.items())] if forms else []  # fmt: skip


def spread_of(times):
    """Return half the distance of the quartiles of processes over their median."""
    from .statistics import spread

    return spread(times)
