"""What a table of cells says: times, ratios to this project, multiples of the floor, losses."""

from .contenders import CONTENDERS
from .statistics import median_interval, ratio_interval, spread, verdict
from .tables import Table, ratio, seconds


def title_of(name):
    """Return a contender's title; a planted one keeps its own name."""
    return CONTENDERS[name].title if name in CONTENDERS else name


def base_of(cells):
    """Return the contender that the others are compared with: the faster back end that ran."""
    names = {cell["contender"] for cell in cells if cell["samples"]}
    return next((name for name in ("ours_numba", "ours_numpy") if name in names), None)


def group(cells, key="workload"):
    """Return {workload: {contender: cell}}, in order."""
    found = {}
    for cell in cells:
        found.setdefault(cell[key], {})[cell["contender"]] = cell
    return found


def moving_seconds(workload, bandwidth, dtype):
    """Return the seconds to move the bytes of a step's Adam at a bandwidth."""
    from .workloads import parse

    return parse(workload).adam_bytes(8 if dtype == "float64" else 4) / bandwidth


def add_floor(cells, yardsticks, dtype):
    """Give each floor cell its samples: products measured, plus Adam's bytes at the bandwidth.

    ``products`` keeps the products alone. Bandwidth is that of the same round.
    """
    for cell in cells:
        if cell["contender"] == "floor":
            cell["products"] = cell["samples"]
            cell["samples"] = [
                sample + moving_seconds(cell["workload"], one["bandwidth"], dtype)
                for sample, one in zip(cell["samples"], yardsticks, strict=True)
            ]


def step_table(title, cells, first=True, per="a step"):
    """Return the `Table` of cells, slowest workload last, with what is refused below."""
    base, rows, notes, losses = base_of(cells), [], [], []
    header = ["workload", "contender", per, "spread", "x ours", "x floor", "says"]
    if first:
        header.append("first step")
    for workload, by_name in group(cells).items():
        ours = by_name.get(base)
        floor = by_name.get("floor")
        for name, cell in by_name.items():
            if cell["refusal"]:
                notes.append(f"refused, {title_of(name)} on {workload}: {cell['refusal']}")
            if cell["refusal"] or not cell["samples"]:
                continue
            row = [workload, "floor" if name == "floor" else title_of(name)]
            row += [
                seconds(median_interval(cell["samples"]).median),
                f"{spread(cell['samples']):.1%}",
            ]
            against = ratio_interval(cell["samples"], ours["samples"]) if ours else None
            row.append(ratio(against) if against and name != base else "1" if name == base else "")
            if floor and floor["samples"] and name != "floor":
                row.append(ratio(ratio_interval(cell["samples"], floor["samples"])))
            else:
                row.append("")
            other = against and name not in (base, "floor")
            row.append(verdict(against) if other else "")
            if first:
                row.append("" if name == "floor" else seconds(cell["first_seconds"]))
            if other and against.high < 1:
                losses.append(f"{workload}: {title_of(name)} takes {ratio(against)} of our time")
            rows.append(row)
    if losses:
        notes.append("this project loses: " + "; ".join(losses))
    elif base:
        notes.append("this project loses no row whose interval excludes 1")
    return Table(title, header, rows, notes)
