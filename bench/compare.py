"""``python -m bench compare OLD.json NEW.json``: did this project get slower?

Two runs of one machine hours apart differ by the machine's own speed. So what is compared is the
time over the BLAS reference's in the same set of processes, wherever the bench has one; the clock
alone where it has none, or where ``--absolute`` asks for it. (`versus` times both at once, which is
better wherever both can be built.)
"""

import argparse
from typing import NamedTuple

import numpy as np

from . import results
from .comparison import REFERENCE, medians, timed, title_of
from .machines import check_widths, differences
from .planted import split_name
from .statistics import TOO_WIDE, Comparison, compare_apart, needed_apart, share_level
from .tables import Table, percent, ratio

DESCRIPTION = (
    "Did this project get slower between two runs? Exit code 1 where it did, 4 where a row is too "
    "noisy to tell or has too few processes for a verdict."
)


class Change(NamedTuple):
    """A cell in both runs: new over old of its time (over the reference's)."""

    bench: str
    workload: str
    contender: str
    found: Comparison
    over_reference: bool
    processes: tuple

    @property
    def enough(self):
        """True where there are processes enough for a verdict at the level."""
        return needed_apart(*self.processes) <= self.found.level

    def judge(self, fail_above):
        """Return "SLOWER" (fails), "slower", "faster", "as before", or why there is no verdict."""
        if not self.enough:
            return f"no verdict: {self.processes[0]} and {self.processes[1]} processes are too few"
        if self.found.low > 1:
            return "SLOWER" if self.found.ratio > fail_above else "slower"
        if self.found.high < 1:
            return "faster"
        return "too noisy to tell" if self.found.shows > TOO_WIDE else "as before"


def cells_of(document):
    """Return {(bench, workload, contender): medians} of every cell that was timed.

    Where a run holds a contender twice (one planted slow), the planted one, the last, counts; not
    its A/A row, which is left out.
    """
    return {
        (bench, cell["workload"], split_name(cell["contender"])[1]): medians(cell)
        for bench, measured in document["benches"].items()
        for cell in measured.get("cells", [])
        if timed(cell) and split_name(cell["contender"])[0] != "again"
    }


def relative(cells, key, absolute):
    """Return (times, True) over the reference's of the same processes, or (times, False)."""
    reference, times = cells.get((*key[:2], REFERENCE)), np.asarray(cells[key])
    if absolute or reference is None or len(reference) != len(times):
        return times, False
    return times / np.asarray(reference), True


def changes(old, new, absolute=False):
    """Return the `Change` of every contender's cell that both documents hold."""
    before, after = cells_of(old), cells_of(new)
    keys = [key for key in before if key in after and key[2] != REFERENCE]
    changed = []
    for key in keys:
        first, over = relative(before, key, absolute)
        second, over_too = relative(after, key, absolute)
        if over != over_too:
            first, second, over = np.asarray(before[key]), np.asarray(after[key]), False
        comparison = compare_apart(second, first, share_level(len(keys)))
        changed.append(Change(*key, comparison, over, (len(first), len(second))))
    return changed


def make_parser():
    """Return the parser of ``compare``."""
    parser = argparse.ArgumentParser(prog="python -m bench compare", description=DESCRIPTION)
    parser.add_argument("old")
    parser.add_argument("new")
    parser.add_argument(
        "--fail-above",
        type=float,
        default=1.0,
        metavar="RATIO",
        help="fail where new / old is above and shown to be (default 1)",
    )
    parser.add_argument("--contenders", default="ours_numba,ours_numpy",
                        help="which ones may fail it (default: this project's)")  # fmt: skip
    parser.add_argument("--absolute", action="store_true", help="by the clock, not by BLAS")
    parser.add_argument("--any-machine", action="store_true",
                        help="also where the vectors are of different widths")  # fmt: skip
    return parser


def main(arguments):
    """Print the comparison; return 0, 1 (slower), 4 (too noisy), 2 for a mistake."""
    options = make_parser().parse_args(arguments)
    if not options.fail_above >= 1:
        raise ValueError(f"fail-above: expected a ratio of at least 1, found {options.fail_above}")
    old, new = results.read(options.old), results.read(options.new)
    widths = check_widths(old, new, options.any_machine)
    changed = changes(old, new, options.absolute)
    judged = options.contenders.split(",")
    if not any(change.contender in judged for change in changed):
        raise ValueError(f"compare: the two runs have no cell of {options.contenders} in common")
    rows, words = [], []
    for change in changed:
        word = change.judge(options.fail_above)
        if change.contender in judged:
            words.append(word)
        else:
            word = word.lower()
        shows = percent(change.found.shows) if np.isfinite(change.found.shows) else ""
        rows.append([change.bench, change.workload, title_of(change.contender), ratio(change.found),
                     shows, "BLAS" if change.over_reference else "clock", word])  # fmt: skip
    notes = [*filter(None, [widths]), *differences(old, new)]
    notes += [f"{name} run, {bench}: {noise['words']}" for name, run in (("old", old), ("new", new))
              for bench, noise in run["noise"].items()]  # fmt: skip
    notes.append(f"level {share_level(1):.0%} over {len(changed)} rows")
    notes.append(f"{words.count('SLOWER')} of this project's cells slower, shown and by more than "
                 f"{options.fail_above:g}")  # fmt: skip
    header = ["bench", "workload", "contender", "new / old", "could show", "by", "says"]
    print(Table("new run against old", header, rows, notes).text())
    if "SLOWER" in words:
        return 1
    unclear = any(word.startswith(("too noisy", "no verdict")) for word in words)
    return 4 if unclear else 0
