"""One or several runs' short story as Markdown: a row a workload and machine, a column a contender.

``python -m bench summary FILE.json [FILE.json ...]``; with ``--lines`` the two lines of the README.
"""

import argparse

import numpy as np

from . import results
from .comparison import REFERENCE, against_base, base_of, group, known, medians, say_of, timed
from .comparison import title_of as title
from .contenders import CONTENDERS
from .machines import label
from .planted import split_name
from .tables import ratio, seconds

TIMED = {
    "step": "a training step",
    "predict": "50 draws",
    "start": "a start",
    "fit": "to a held-out quality",
}
MARKS = {"ours is slower": "**{}**", "ours is faster": "{}", "no difference shown": "({})",
         "too noisy to tell": "({}?)"}  # fmt: skip


def order(names):
    """Return contenders in the order of the list, then those it does not know, by name."""
    return [name for name in CONTENDERS if name in names] + sorted(set(names) - set(CONTENDERS))


def bench_lines(bench, documents):
    """Return (table lines, losses, what was slower without a verdict), machines side by side.

    Both are {(workload, machine): ["JAX, jit 0.23", ...]}.
    """
    runs = [(label(document["machine"]), document, document["benches"][bench]["cells"])
            for document in documents if bench in document["benches"]]  # fmt: skip
    names = {
        cell["contender"]
        for _, _, cells in runs
        for cell in cells
        if timed(cell) and not split_name(cell["contender"])[0]
        and cell["contender"] not in (REFERENCE, base_of(cells))
    }  # fmt: skip
    names, rows, lost, unsure = order(names), {}, {}, {}
    bases = dict.fromkeys(base_of(cells) for _, _, cells in runs)
    shown = " or ".join(title(base) for base in bases if base) or "ours"
    for machine, document, cells in runs:
        comparisons, base = against_base(cells), base_of(cells)
        for workload, by_name in group(cells).items():
            ours = by_name.get(base)
            row = [workload, machine]
            row.append(seconds(np.median(medians(ours))) if ours and timed(ours) else "")
            for name in names:
                gap = comparisons.get((workload, name))
                row.append(MARKS.get(say_of(gap), "{}?").format(f"{gap.ratio:.2f}") if gap else "")
                if gap is None or gap.ratio >= 1:
                    continue
                called = document["contenders"].get(name, {}).get("title") or title(name)
                if say_of(gap) == "ours is slower":
                    lost.setdefault((workload, machine), []).append(f"{called} {ratio(gap)}")
                elif not gap.enough:
                    unsure.setdefault((workload, machine), []).append(f"{called} {gap.ratio:.2f}")
            rows.setdefault(workload, []).append(row)
    header = [TIMED[bench], "machine", shown, *map(title, names)]
    lines = ["| " + " | ".join(header) + " |", "| :--- | :--- |" + " ---: |" * (len(names) + 1)]
    lines += ["| " + " | ".join(row) + " |" for some in rows.values() for row in some]
    return lines, lost, unsure


def losses(documents, machine=True):
    """Return the lines that say what is lost, and what was slower in too few processes to judge.

    Parameters
    ----------
    documents : list of dict
    machine : bool
        Name the machine of each.
    """
    lost, unsure = {}, {}
    for bench in TIMED:
        if any(bench in document["benches"] for document in documents):
            _, more, too_few = bench_lines(bench, documents)
            lost |= {(bench, *key): names for key, names in more.items()}
            unsure |= {(bench, *key): names for key, names in too_few.items()}

    def told(lost):
        return "; ".join(
            f"{bench} {workload}{f' on {where}' if machine else ''}: {', '.join(names)}"
            for (bench, workload, where), names in lost.items()
        )

    lines = [f"Lost (times of others over ours): {told(lost) or 'no row that could be judged'}."]
    if unsure:
        lines.append(f"Slower than others, in too few processes for a verdict: {told(unsure)}.")
    return lines


def machine_line(document):
    """Return what a run ran on, and how quiet it was."""
    threads = sorted({setting["threads"] for setting in document["settings"].values()})
    noise = "; ".join(f"{name}: {noise['words']}" for name, noise in document["noise"].items())
    processes = sorted({
        len(medians(cell))
        for measured in document["benches"].values()
        for cell in measured.get("cells", [])
        if timed(cell)
    })  # fmt: skip
    ends = dict.fromkeys([*processes[:1], *processes[-1:]])  # none where nothing was timed: memory
    count = f", processes a contender: {' to '.join(map(str, ends))}" if ends else ""
    return (
        f"{label(document['machine'])}: {', '.join(map(str, threads))} threads for everyone, "
        f"{document['started'][:10]}{count}; {noise}."
    )


def summarize(documents):
    """Return the lines of a summary of runs, losses first.

    A cell is a contender's time over ours; bold where we lose (the interval is below 1), in
    brackets where no difference was shown, with a question mark where the run could not tell: too
    noisy, or too few processes for a verdict.

    Parameters
    ----------
    documents : list of dict
        As `results.read` returns them.
    """
    tables = []
    for bench in TIMED:
        if any(bench in document["benches"] for document in documents):
            tables += [*bench_lines(bench, documents)[0], ""]
    strangers = sorted({
        name for document in documents for name in document["contenders"]
        if not known(name) and not split_name(name)[0]
    })  # fmt: skip
    notes = [machine_line(document) for document in documents]
    if strangers:
        notes.append("Contenders of somebody's own: " + ", ".join(map(title, strangers)) + ".")
    words = (
        "Times of others are multiples of ours; bold: this project loses; in brackets: no "
        "difference shown; ?: the run cannot tell, or too few processes for a verdict."
    )
    body = "\n\n".join([*losses(documents), "\n".join(tables).rstrip(), words, *notes])
    return body.splitlines()


MAIN = "784-128-128-10/128"


def is_best(name):
    """Return whether a contender stands for its framework at its best, or is somebody's own."""
    return name not in CONTENDERS or CONTENDERS[name].form == "best"


def two_lines(document):
    """Return what a run says in two lines, the losses in the first, peers at their best.

    Raises
    ------
    ValueError
        Where the run has no training step at the main size.
    """
    cells = document["benches"].get("step", {}).get("cells", [])
    by_name = group(cells).get(MAIN, {})
    ours = by_name.get(base_of(cells))
    if not ours or not timed(ours):
        raise ValueError(f"summary: expected a step at {MAIN}, found none")
    rows = [
        (row.ratio, name, row)
        for (workload, name), row in against_base(cells).items()
        if workload == MAIN and not split_name(name)[0] and is_best(name)
    ]
    unsure = "" if all(row.enough for *_, row in rows) else " (too few processes for a verdict)"
    others = ", ".join(f"{title(name)} {value:.2f}" for value, name, _ in sorted(rows))
    return [
        " ".join(losses([document], machine=False)),
        f"A training step of {MAIN} on {label(document['machine'])}: "
        f"{seconds(np.median(medians(ours)))}; times as long{unsure}: {others}.",
    ]


def main(arguments):
    """Print the summary of files; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench summary", description=__doc__)
    parser.add_argument("files", nargs="+", metavar="FILE.json")
    parser.add_argument("--lines", action="store_true", help="the first file in two lines")
    options = parser.parse_args(arguments)
    documents = [results.read(path) for path in options.files]
    print("\n".join(two_lines(documents[0]) if options.lines else summarize(documents)))
    return 0
