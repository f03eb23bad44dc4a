"""``python -m bench compare OLD.json NEW.json``: did this project get slower?

Two runs of one machine hours apart differ by the machine's own speed. So what is compared is the
time over the floor of the same run, round by round, wherever the bench has a floor; the clock
alone where it has none, or where ``--absolute`` asks for it.
"""

import argparse
from typing import NamedTuple

import numpy as np

from . import results
from .comparison import title_of
from .statistics import bootstrap
from .tables import Table, ratio

DESCRIPTION = "Did this project get slower between two runs? Exit code 1 where it did."


class Change(NamedTuple):
    """A cell in both runs; new / old of its time (over the floor), with an interval."""

    bench: str
    workload: str
    contender: str
    median: float
    low: float
    high: float
    over_floor: bool

    def judge(self, fail_above):
        """Return "slower" (fails), "faster", "as before", or "too noisy to tell"."""
        if self.low > 1 and self.median > fail_above:
            return "SLOWER"
        if self.high < 1 and self.median < 1 / fail_above:
            return "faster"
        return "too noisy to tell" if self.high > fail_above * self.low else "as before"


def cells_of(document):
    """Return {(bench, workload, contender): samples} of every cell that was timed."""
    return {
        (bench, cell["workload"], cell["contender"].rpartition(":")[2]): cell["samples"]
        for bench, found in document["benches"].items()
        for cell in found.get("cells", [])
        if cell["samples"] and not cell["refusal"]
    }


def relative(cells, key, absolute):
    """Return (samples, True) over the floor's of the same round, or (samples, False) as they are.

    Where a run holds a contender twice (one planted slow), the planted one, the last, counts.
    """
    floor = cells.get((*key[:2], "floor"))
    samples = np.asarray(cells[key])
    if absolute or floor is None or len(floor) != len(samples):
        return samples, False
    return samples / np.asarray(floor), True


def changes(old, new, absolute=False):
    """Return the `Change` of every contender's cell that both documents hold.

    The interval is the bootstrap's, of the quotient of the two medians.
    """
    before, after = cells_of(old), cells_of(new)
    found = []
    for key in before:
        if key not in after or key[2] == "floor":
            continue
        first, over = relative(before, key, absolute)
        second, over_too = relative(after, key, absolute)
        if over != over_too:
            first, second, over = np.asarray(before[key]), np.asarray(after[key]), False
        low, high = bootstrap(
            [first, second], lambda both: np.median(both[1], axis=1) / np.median(both[0], axis=1)
        )
        median = float(np.median(second) / np.median(first))
        found.append(Change(*key, median, float(low), float(high), over))
    return found


def comparable(old, new):
    """Return what differs between two runs that should not, in words."""
    words = []
    for name in set(old["settings"]) & set(new["settings"]):
        for key in ("dtype", "threads"):
            a, b = old["settings"][name][key], new["settings"][name][key]
            if a != b:
                words.append(f"{name}: {key} {a} before, {b} now")
    a, b = old["machine"].get("cpu_model_name"), new["machine"].get("cpu_model_name")
    if a != b:
        words.append(f"another processor: {a} before, {b} now")
    return words


def main(arguments):
    """Print the comparison; return 0, 1 where this project got slower, 2 for a mistake."""
    parser = argparse.ArgumentParser(prog="python -m bench compare", description=DESCRIPTION)
    parser.add_argument("old")
    parser.add_argument("new")
    parser.add_argument("--fail-above", type=float, default=1.10, metavar="RATIO",
                        help="fail where new / old is above (default 1.10)")  # fmt: skip
    parser.add_argument("--contenders", default="ours_numba,ours_numpy",
                        help="which ones may fail it (default: this project's)")  # fmt: skip
    parser.add_argument("--absolute", action="store_true", help="by the clock, not by the floor")
    options = parser.parse_args(arguments)
    if not options.fail_above > 1:
        raise ValueError(f"fail-above: expected a ratio above 1, found {options.fail_above}")
    old, new = results.read(options.old), results.read(options.new)
    found = changes(old, new, options.absolute)
    judged = options.contenders.split(",")
    if not any(one.contender in judged for one in found):
        raise ValueError(f"compare: the two runs have no cell of {options.contenders} in common")
    rows, slower = [], []
    for one in found:
        word = one.judge(options.fail_above)
        if word == "SLOWER" and one.contender in judged:
            slower.append(one)
        elif word == "SLOWER":
            word = "slower"
        rows.append([one.bench, one.workload, title_of(one.contender), ratio(one),
                     "floor" if one.over_floor else "clock", word])  # fmt: skip
    notes = [*comparable(old, new)]
    notes += [f"{name} run, {bench}: {one['words']}" for name, run in (("old", old), ("new", new))
              for bench, one in run["noise"].items()]  # fmt: skip
    notes.append(f"{len(slower)} of this project's cells slower by more than {options.fail_above}")
    header = ["bench", "workload", "contender", "new / old", "by", "says"]
    print(Table("new run against old", header, rows, notes).text())
    return 1 if slower else 0
