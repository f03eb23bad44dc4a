"""A step of 784-128-128-10 with one piece added, beside PyTorch and JAX, taking turns.

    python -m bench pieces [--contenders ours,torch,torch_compiled,jax] [--pieces NAME,NAME] [--cpu]

Flipout in every layer but the piece, batches of 128, Adam, fresh noise in each step. Each round
takes some steps of every contender in turn, so that a busy machine slows all of them. Printed as
Markdown: for each piece this project's median, and the medians of the others' ratios to it in a
round; last what the piece adds to this project's plain step.
"""

import argparse
import statistics
import time
from functools import partial

import numpy as np

from bench import piece_steps
from bench.tables import Table
from bnn_ref import (
    Adam,
    BatchNorm,
    Categorical,
    Conv2D,
    Dense,
    DenseFlipout,
    Dropout,
    Elementwise,
    LayerNorm,
    Network,
    Residual,
    State,
)
from bnn_ref.backends import get_backend

N, ROWS = 60_000, 128
PIECES = {
    "none": [],
    "Dense": [Dense(128, 128, "relu")],
    "Dropout": [Dropout(0.2)],
    "LayerNorm": [LayerNorm()],
    "BatchNorm": [BatchNorm()],
    "Elementwise": [Elementwise("leaky_relu(0.1)")],
    "Residual": [Residual([DenseFlipout(128, 128, "relu")])],
    "Conv2D": [Conv2D(4, 5, 2, "same", "relu", input_shape=(28, 28, 1))],
}


def network(piece):
    """Return the network with a piece: behind its first layer, a convolution before it."""
    added = PIECES[piece]
    before = added if piece == "Conv2D" else []
    behind = [] if before else added
    first = Network(before).outputs if before else 784
    return Network([*before, DenseFlipout(first, 128, "relu"), *behind,
                    DenseFlipout(128, 128, "relu"), DenseFlipout(128, 10)],
                   Categorical())  # fmt: skip


def ours(network, parameters, x, y, kl_weight, threads):
    """Return this project's compiled step."""
    state, backend = State.start(parameters), get_backend("numba")
    workspace, adam = backend.prepare(network, len(x), "float32", threads), Adam(piece_steps.RATE)

    def step():
        return backend.train_step(state, x, y, seed=0, kl_weight=kl_weight, adam=adam,
                                  workspace=workspace).loss  # fmt: skip

    return step


CONTENDERS = {
    "ours": ours,
    "torch": piece_steps.torch_step,
    "torch_compiled": partial(piece_steps.torch_step, compiled=True),
    "jax": piece_steps.jax_step,
}
TITLES = {"torch": "PyTorch", "torch_compiled": "PyTorch, compiled", "jax": "JAX"}


def batch():
    """Return inputs, four in five of them 0 as MNIST's pixels are, and labels."""
    rng = np.random.default_rng(0)
    x = rng.random((ROWS, 784), dtype=np.float32)
    return x * (rng.random(x.shape) < 0.2), rng.integers(0, 10, ROWS)


def take_turns(steps, rounds, count, clock):
    """Return name to the seconds of a step in each round, the median of its count.

    Parameters
    ----------
    steps : dict of str to function
    rounds, count : int
    clock : function
    """
    times = {name: [] for name in steps}
    for _ in range(rounds):
        for name, step in steps.items():
            taken = []
            for _ in range(count):
                begin = clock()
                step()
                taken.append(clock() - begin)
            times[name].append(statistics.median(taken))
    return times


def ratio(times, other):
    """Return the median over rounds of one's seconds over another's."""
    return statistics.median(a / b for a, b in zip(times, other, strict=True))


def table(times, contenders):
    """Return the `Table`: a row a piece.

    Parameters
    ----------
    times : dict of (piece, contender) to list of float
    contenders : list of str
        "ours" among them.
    """
    others = [name for name in contenders if name != "ours"]
    header = ["piece", "ours, ms", *(TITLES[name] for name in others), "over none"]
    lines = []
    for piece in dict.fromkeys(piece for piece, _ in times):
        own = times[piece, "ours"]
        ratios = [f"{ratio(times[piece, name], own):.2f}" for name in others]
        over = ratio(own, times["none", "ours"]) if ("none", "ours") in times else None
        lines.append([piece, f"{1e3 * statistics.median(own):.2f}", *ratios,
                      "" if over is None else f"{over:.2f}"])  # fmt: skip
    return Table("784-128-128-10 with a piece", header, lines, [])


def main(arguments=None):
    """Time the contenders' steps in turns, and print a table; returns the exit code."""
    parser = argparse.ArgumentParser("python -m bench pieces", description=__doc__.split("\n\n")[0])
    parser.add_argument("--contenders", default=",".join(CONTENDERS), metavar="NAME,NAME")
    parser.add_argument("--pieces", default=",".join(PIECES), metavar="NAME,NAME")
    parser.add_argument("--rounds", type=int, default=15, metavar="N")
    parser.add_argument("--steps", type=int, default=5, metavar="N", help="of a round")
    parser.add_argument("--threads", type=int, default=2, metavar="N")
    parser.add_argument("--cpu", action="store_true", help="take CPU time, of all threads")
    args = parser.parse_args(arguments)
    pieces, contenders = args.pieces.split(","), args.contenders.split(",")
    for word, given, known in (("pieces", pieces, PIECES), ("contenders", contenders, CONTENDERS)):
        if not set(given) <= set(known):
            parser.error(f"{word}: expected some of {', '.join(known)}, found {given}")
    x, y = batch()
    steps = {}
    for piece in pieces:
        net = network(piece)
        for name in contenders:
            made = CONTENDERS[name](net, net.init(0), x, y, 1 / N, args.threads)
            for _ in range(3):
                made()
            steps[piece, name] = made
    clock = time.process_time if args.cpu else time.perf_counter
    times = take_turns(steps, args.rounds, args.steps, clock)
    print(table(times, contenders).markdown())
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
