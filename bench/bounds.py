"""The bound: what no step can be faster than on this machine, as measured in the same run.

A step's matrix products at the peak of the multiply-add units, and Adam's bytes at the bandwidth of
the level of memory where they live. The two may overlap, so the bound is the larger one. It draws
no noise and evaluates no function. The rates are the best of the run: with less, a quick process
could undercut it.
"""

from typing import NamedTuple

from .comparison import group, medians, timed
from .tables import Table, seconds
from .workloads import parse


class Bound(NamedTuple):
    """Seconds of a step's products at the peak, of its bytes at the bandwidth, and the rate."""

    products: float
    bytes: float
    bandwidth: float

    @property
    def seconds(self):
        """The larger of the two."""
        return max(self.products, self.bytes)


def bounds_of(measured, dtype):
    """Return {workload: Bound} of a run's yardsticks; {} where its peak is below its BLAS rate.

    Parameters
    ----------
    found : dict
        With "cells" and "yardsticks".
    dtype : str
    """
    yards = measured.get("yardsticks") or []
    if not yards or max(yard["fma"] for yard in yards) < max(yard["blas"] for yard in yards):
        return {}
    peak = max(yard["fma"] for yard in yards)
    bounds = {}
    for workload in group(measured["cells"]):
        work = parse(workload)
        size = str(work.adam_working_set(dtype))
        rates = [yard["bandwidth"][size] for yard in yards if size in yard["bandwidth"]]
        if rates:
            moved = 2 * work.adam_working_set(dtype)  # read and written
            bounds[workload] = Bound(work.flops / peak, moved / max(rates), max(rates))
    return bounds


def below(cells, bounds):
    """Return the (workload, contender) whose median is below its bound: there may be none."""
    return [
        (cell["workload"], cell["contender"])
        for cell in cells
        if timed(cell)
        and cell["workload"] in bounds
        and min(medians(cell)) < bounds[cell["workload"]].seconds
        and cell["contender"] != "blas"
    ]


def bound_table(measured, dtype):
    """Return the machine's limits, and what BLAS makes of the same products."""
    yards, rows = measured["yardsticks"], []
    bounds = bounds_of(measured, dtype)
    for workload, by_name in group(measured["cells"]).items():
        if workload not in bounds:
            continue
        bound, flops = bounds[workload], parse(workload).flops
        blas = by_name.get("blas")
        products = min(medians(blas)) if blas and timed(blas) else None
        rows.append([
            workload, f"{flops / 1e6:.1f}", seconds(bound.products),
            f"{parse(workload).adam_working_set(dtype) / 1e6:.2f} MB",
            f"{bound.bandwidth / 1e9:.0f} GB/s", seconds(bound.bytes), seconds(bound.seconds),
            seconds(bound.products + bound.bytes),
            f"{seconds(products)}, {flops / products / 1e9:.0f} GFLOP/s" if products else "",
        ])  # fmt: skip
    header = ["workload", "MFLOP", "at the peak", "Adam walks", "at", "its bytes", "bound",
              "without overlap", "BLAS reference"]  # fmt: skip
    peaks = sorted(yard["fma"] / 1e9 for yard in yards)
    notes = [
        f"fused multiply-add peak {peaks[-1]:.0f} GFLOP/s, the best of {len(peaks)} readings from "
        f"{peaks[0]:.0f} up; BLAS's rate on a 1024 x 1024 product "
        f"{max(yard['blas'] for yard in yards) / 1e9:.0f} at best",
        "bound: products at the peak or Adam's bytes at the bandwidth, whichever takes longer; no "
        "noise, no function, no overhead. BLAS reference: the products alone, on as many threads "
        "as everybody has",
    ]
    if not bounds:
        notes.append("no bound: the peak came out below BLAS's rate, the machine was too busy")
    if wrong := below(measured["cells"], bounds):
        notes.append(f"BELOW THE BOUND, so the yardstick is wrong: {wrong}")
    return Table("step: the bound", header, rows, notes)
