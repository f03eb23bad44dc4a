"""Variance of the gradient over the noise against batch size: the Flipout paper's own claim."""

import time

import numpy as np

from bnn_ref import Adam, Categorical, DenseFlipout, Network, Normal, State, reference

from .. import estimators
from ..fitting import images
from ..machine import Watch
from ..slopes import curve
from ..statistics import median_interval
from ..tables import Table, seconds
from .variance_plot import plot

HELP = "variance of the gradient over the noise by batch size, for four estimators"
WORKLOADS = []
CONTENDERS = []
ROUNDS = 15  # of timing each estimator
PROCESSES = 1
AGAIN = False
BATCHES = (16, 32, 64, 128, 256, 512, 1024)
MOST_INDEPENDENT = 256  # in the network, for time
TIMED_BATCH = 128
HIDDEN = 32
SEED = 11

__all__ = ["CONTENDERS", "HELP", "ROUNDS", "WORKLOADS", "plot", "run", "tables"]


def cases(data):
    """Return [(name, network, targets)]: a linear layer with squared loss, a ReLU network."""
    inputs, outputs = data.inputs, data.outputs
    y = np.asarray(data.train.y)
    linear = Network([DenseFlipout(inputs, outputs, bias="none")], Normal())
    network = Network(
        [DenseFlipout(inputs, HIDDEN, activation="relu"), DenseFlipout(HIDDEN, outputs)],
        Categorical(),
    )
    return [("linear layer", linear, np.eye(outputs)[y]), ("network", network, y.astype(np.int64))]


def trained(network, x, y, steps=500):
    """Return parameters after that many Adam steps with Flipout, batches of 128, KL weight 1/N."""
    state = State.start(network.init(SEED, x.dtype))
    rng = np.random.default_rng(SEED)
    for _ in range(steps):
        index = rng.integers(0, len(x), 128)
        reference.train_step(state, x[index], y[index], seed=SEED, kl_weight=1 / len(x),
                             adam=Adam(0.01))  # fmt: skip
    return state.parameters


def measure(case, network, parameters, x, y, estimator, draws):
    """Return the curves of an estimator: a list of {"case", "estimator", "tensor", ...}."""
    batches = BATCHES
    if estimator == "independent" and len(network.layers) > 1:
        batches = [batch for batch in BATCHES if batch <= MOST_INDEPENDENT]
    kept = {name: [] for name in estimators.TENSORS}
    for place, batch in enumerate(batches):
        gradients = estimators.gradients(network, parameters, x[:batch], y[:batch], estimator,
                                         draws, SEED + 1 + place)  # fmt: skip
        for name, rows in gradients.items():
            kept[name].append(estimators.squared_deviations(rows))
    curves = []
    for name, deviations in kept.items():
        entry = {"case": case, "estimator": estimator, "tensor": name}
        entry.update(curve(batches, deviations)._asdict(), closed=None, closed_floor=None)
        entry["deviations"] = [[float(f"{value:.5g}") for value in row] for row in deviations]
        if len(network.layers) == 1:
            p = parameters.layers[0]
            kernel_sigma = reference.sigma(p.scale_shift, p.kernel_rho)
            if name == "kernel_mu" and estimator != "shared":
                entry["closed"] = [
                    estimators.kernel_mu_variance(x[:batch], kernel_sigma) for batch in batches
                ]
            if name == "kernel_rho" and estimator == "flipout":
                entry["closed_floor"] = estimators.kernel_rho_floor(x[: batches[-1]], p)
        curves.append(entry)
    return curves


def time_estimators(network, parameters, x, y, rounds, calls=20):
    """Return {estimator: seconds of a draw and its gradient, one for each round}, interleaved."""
    x, y = x[:TIMED_BATCH], y[:TIMED_BATCH]
    taken = {name: [] for name in estimators.ESTIMATORS}
    for turn in range(rounds + 1):
        for name, samples in taken.items():
            start = time.perf_counter()
            for draw in range(calls):
                estimators.gradient_of(network, parameters, x, y, name, SEED, draw)
            if turn:  # the first round warms up
                samples.append((time.perf_counter() - start) / calls)
    return taken


def run(settings, say):
    """Return {"curves", "times", "draws", "data", "shares"}."""
    watch = Watch()
    data = images(settings.data.split(",")[0], settings.dtype)
    rows = data.train.x.shape[0]
    if rows < BATCHES[-1]:
        raise ValueError(f"data: expected at least {BATCHES[-1]} training rows, found {rows}")
    order = np.random.default_rng(SEED).permutation(rows)[:8192]
    x = np.ascontiguousarray(data.train.x[order])
    curves, times = [], {}
    for name, network, y in cases(data):
        y = y[order]
        for state in ("untrained", "trained"):
            case = f"{name}, {state}"
            parameters = network.init(SEED, x.dtype)
            parameters = trained(network, x, y) if state == "trained" else parameters
            for estimator in estimators.ESTIMATORS:
                start = time.monotonic()
                curves += measure(case, network, parameters, x, y, estimator, settings.draws)
                say(f"  {case}, {estimator}: {time.monotonic() - start:.0f} s")
        times[name] = time_estimators(network, parameters, x, y, settings.rounds)
    return {"curves": curves, "times": times, "draws": settings.draws,
            "data": "digits" if settings.data == "digits" else "images",
            "shares": watch.shares()}  # fmt: skip


def written(triple, digits=3):
    """Return (value, low, high) as text."""
    value, low, high = (f"{number:.{digits}g}" for number in triple)
    return f"{value} [{low}, {high}]"


def tables(measured):
    """Return the slopes, the variances beside the closed form, and time times variance."""
    return [slope_table(measured), closed_table(measured), worth_table(measured)]


def slope_table(measured):
    """Return the slopes, the fits a + b / B, and how the last two points compare."""
    rows = []
    for row in measured["curves"]:
        last = row["variances"][-1][0] / row["variances"][-2][0]
        rows.append([row["case"], row["tensor"], row["estimator"],
                     f"{row['batches'][0]}..{row['batches'][-1]}",
                     "{:.3f} [{:.3f}, {:.3f}]".format(*row["slope"]), f"{last:.2f}",
                     written(row["floor"]), written(row["inverse"])])  # fmt: skip
    notes = [
        f"{measured['draws']} noise draws a point, {measured['data']} scaled to [0, 1]; variance "
        "summed over entries; intervals 95 %, bootstrap over draws",
        "last: variance at the largest batch over that at half of it (0.5 falls as 1 / B, 1 is "
        "level); a + b / B: a is what no batch size removes",
    ]
    header = ["case", "tensor", "estimator", "batches", "slope", "last", "a", "b"]
    return Table("variance: slopes against batch size", header, rows, notes)


def closed_table(measured):
    """Return the linear layer's variances by batch size, the closed form beside them."""
    chosen = [row for row in measured["curves"] if row["case"].startswith("linear")]
    header = ["case", "tensor", "estimator", *map(str, BATCHES)]
    rows, notes = [], []
    for row in chosen:
        values = [f"{value:.3g}" for value, _, _ in row["variances"]]
        rows.append([row["case"], row["tensor"], row["estimator"], *values])
        if row["closed"] and row["estimator"] == "flipout":
            rows.append([row["case"], row["tensor"], "closed form",
                         *[f"{value:.3g}" for value in row["closed"]]])  # fmt: skip
        if row["closed_floor"]:
            floor, fitted = row["closed_floor"], written(row["floor"])
            notes.append(
                f"{row['case']}: Flipout's floor in kernel_rho, closed form {floor:.3g}, fitted a "
                f"{fitted}"
            )
    return Table("variance: linear layer, by batch size", header, rows, notes)


def worth_table(measured):
    """Return time times variance at a batch of 128, relative to Flipout's: lower is better."""
    rows = []
    for case in dict.fromkeys(row["case"] for row in measured["curves"]):
        times = measured["times"][case.split(",")[0]]
        for estimator in estimators.ESTIMATORS:
            row = [case, estimator, seconds(median_interval(times[estimator]).median)]
            for tensor in estimators.TENSORS:
                theirs, ours = (_at(measured, case, of, tensor) for of in (estimator, "flipout"))
                slower = median_interval(np.divide(times[estimator], times["flipout"]))
                if estimator == "flipout":
                    row += [f"{theirs[0]:.3g}", "1"]
                    continue
                row += [
                    f"{theirs[0]:.3g}",
                    written((slower.median * theirs[0] / ours[0],
                             slower.low * theirs[1] / ours[2],
                             slower.high * theirs[2] / ours[1])),
                ]  # fmt: skip
            rows.append(row)
    header = ["case", "estimator", "time", "var kernel_mu", "time x var / Flipout's",
              "var kernel_rho", "time x var / Flipout's"]  # fmt: skip
    notes = [
        f"batch {TIMED_BATCH}; NumPy, a noise draw and the gradient; intervals by the ends of "
        "those of time and variances, so wider than 95 %; time within one process"
    ]
    return Table("variance: time times variance", header, rows, notes)


def _at(measured, case, estimator, tensor):
    """Return the variance (value, low, high) at `TIMED_BATCH`."""
    row = next(
        row
        for row in measured["curves"]
        if (row["case"], row["estimator"], row["tensor"]) == (case, estimator, tensor)
    )
    return row["variances"][row["batches"].index(TIMED_BATCH)]
