"""How far apart two threads' cores were while steps were timed, and what a step took near and far.

A word takes some 30 ns between cores that share a cache and some 100 to 200 between others. A host
moves a virtual machine's cores from the one to the other within seconds, and what threads hand each
other then takes several times as long: the same step comes out at two times, for every contender.
"""

import numpy as np

from .comparison import base_of, group, timed, title_of
from .tables import Table, seconds

APART = 2.0  # times the shortest way from which on cores count as far


def hops_of(cells):
    """Return the ways that were measured around every burst, seconds, in no order."""
    return [way for cell in cells for *ways, _ in cell["seen"].get("hops", ()) for way in ways]


def side_of(before, after, least):
    """Return "near" or "far" of a burst by the ways around it, or "" where the cores moved."""
    far = before > APART * least, after > APART * least
    return {(False, False): "near", (True, True): "far"}.get(far, "")


def words(cells):
    """Return a line that says how far apart the cores were, or None where nobody measured."""
    hops = hops_of(cells)
    if not hops:
        return None
    least, most = min(hops), max(hops)
    if most <= APART * least:
        return f"a word takes {1e9 * np.median(hops):.0f} ns between two cores"
    return (f"the cores moved: a word took {1e9 * least:.0f} to {1e9 * most:.0f} ns between two of "
            "them, and steps on several threads with it (--near holds them to one)")  # fmt: skip


def distance_table(cells):
    """Return the `Table` of steps with near and with far cores; None where they did not move."""
    hops, base, rows = hops_of(cells), base_of(cells), []
    if not hops or max(hops) <= APART * min(hops):
        return None
    for workload, by_name in group(cells).items():
        times = {
            name: {"near": [], "far": [], "": []}
            for name, cell in by_name.items()
            if timed(cell) and cell["seen"].get("hops")
        }
        for name, sides in times.items():
            for before, after, sample in by_name[name]["seen"]["hops"]:
                sides[side_of(before, after, min(hops))].append(sample)
        for name, sides in times.items():
            row = [workload, title_of(name)]
            for side in ("near", "far"):
                ours, theirs = times.get(base, {}).get(side), sides[side]
                row += [seconds(np.median(theirs)) if theirs else "", str(len(theirs))]
                row.append(f"{np.median(theirs) / np.median(ours):.2f}" if ours and theirs else "")
            rows.append(row)
    header = ["workload", "contender", "near", "bursts", "x ours", "far", "bursts", "x ours"]
    notes = [f"far: a word takes over {APART:g} times the least, {1e9 * min(hops):.0f} ns, between "
             "two cores, before a burst and after it; medians of bursts, without a verdict: a "
             "process may have had both"]  # fmt: skip
    return Table("step: with near and with far cores", header, rows, notes)
