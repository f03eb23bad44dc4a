"""Subjects to explain: random networks with random states, printed or not."""

import re
from dataclasses import replace
from itertools import pairwise

import numpy as np

from bnn_ref import Bernoulli, Categorical, DenseFlipout, Network, Normal, State
from bnn_ref.explain import small_subject

LIKELIHOODS = {
    "categorical": Categorical(),
    "bernoulli": Bernoulli(),
    "normal": Normal(0.7),
    "learned": Normal(0.7, learn_scale=True),
}


def random_subject(likelihood="categorical", bias="normal", widths=(3, 4, 2), rows=5,
                   activation="tanh", dtype="float64", seed=0, small=False):  # fmt: skip
    """Return a `Subject` whose priors, parameters, data and moments are random."""
    rng = np.random.default_rng(seed)
    layers = [
        DenseFlipout(
            i,
            o,
            activation,
            bias=bias,
            kernel_prior=(rng.normal(), rng.uniform(0.3, 3)),
            scale_shift=float(rng.choice([0, 1e-3])),
        )
        for i, o in pairwise(widths)
    ]
    network = Network(layers, LIKELIHOODS[likelihood])
    state = State.start(network.init(seed, dtype))
    state.parameters.flat[...] += rng.normal(size=state.parameters.flat.shape)
    state.step = int(rng.integers(0, 30))
    if state.step:
        state.moment_1.flat[...] = 0.1 * rng.normal(size=state.moment_1.flat.shape)
        state.moment_2.flat[...] = 0.1 * rng.uniform(size=state.moment_2.flat.shape)
    y = {
        "categorical": rng.integers(0, widths[-1], rows),
        "bernoulli": rng.integers(0, 2, (rows, widths[-1])),
    }.get(likelihood, rng.normal(size=(rows, widths[-1])))
    return replace(
        small_subject(), name="a random network", network=network, state=state,
        x=rng.normal(size=(rows, widths[0])).astype(dtype), y=y, num_examples=40, batch_size=rows,
        seed=seed, kl_weight=1 / 40, small=small,
    )  # fmt: skip


def table_below(text, heading):
    """Return the cells of the first table below a heading, row by row without the header."""
    lines = text[text.index(f"\n{heading}\n") :].splitlines()[3:]
    start = next(i for i, line in enumerate(lines) if line.startswith("    "))
    rows = []
    for line in lines[start + 1 :]:
        if not line.startswith("    "):
            return rows
        rows.append(re.split(r"\s{2,}", line.strip()))
    raise AssertionError("the table has no end")


def disagreeing(sheet):
    """Return what the checks that disagree are about."""
    return [check.what for check in sheet.checks if not check.agrees]
