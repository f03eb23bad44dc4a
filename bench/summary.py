"""A run's short story as Markdown: one row a workload, one column a contender, and what is lost."""

import argparse

from . import results
from .comparison import base_of, group, title_of
from .contenders import CONTENDERS
from .statistics import median_interval, ratio_interval, verdict
from .tables import ratio, seconds

TIMED = {"step": "a training step", "predict": "50 draws for 10,000 rows", "start": "a start"}


def summarize(document):
    """Return the lines of a run's summary.

    A cell is a contender's time over ours, the median of the rounds' ratios; bold where we lose
    (the interval is below 1), in brackets where the interval holds 1: no difference was shown.

    Parameters
    ----------
    document : dict
        As `results.read` returns it.
    """
    lines, lost = [], []
    for bench in [name for name in TIMED if name in document["benches"]]:
        cells = document["benches"][bench]["cells"]
        base = base_of(cells)
        timed = {cell["contender"] for cell in cells if cell["samples"]} - {base}
        names = [name for name in CONTENDERS if name in timed]
        lines += [
            f"| {TIMED[bench]} | {title_of(base)} | " + " | ".join(map(title_of, names)) + " |",
            "| :--- |" + " ---: |" * (len(names) + 1),
        ]
        for workload, by_name in group(cells).items():
            ours = by_name[base]["samples"]
            row = [workload, seconds(median_interval(ours).median)]
            for name in names:
                samples = by_name[name]["samples"] if name in by_name else []
                if not samples:
                    row.append("")
                    continue
                found = ratio_interval(samples, ours)
                said = verdict(found)
                if said == "ours is slower":
                    lost.append(f"{workload}, {title_of(name)}: {ratio(found)}")
                mark = {"ours is slower": "**{}**", "ours is faster": "{}"}.get(said, "({})")
                row.append(mark.format(f"{found.median:.2f}"))
            lines.append("| " + " | ".join(row) + " |")
        lines.append("")
    machine = document["machine"]
    threads = {settings["threads"] for settings in document["settings"].values()}
    noise = "; ".join(f"{name}: {one['words']}" for name, one in document["noise"].items())
    lines.append(
        f"Times of others are multiples of ours. {machine.get('cpu_model_name', 'Unknown CPU')}, "
        f"{', '.join(map(str, sorted(threads)))} threads for everyone, {document['started'][:10]}; "
        f"{noise}."
    )
    lines.append("Lost: " + ("; ".join(lost) if lost else "no row whose interval excludes 1") + ".")
    return lines


def main(arguments):
    """Print the summary of a file; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench summary", description=__doc__)
    parser.add_argument("file", metavar="FILE.json")
    print("\n".join(summarize(results.read(parser.parse_args(arguments).file))))
    return 0
