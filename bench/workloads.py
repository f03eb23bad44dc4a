"""The work: networks, batches and initial values, the same for every contender.

A worker process builds its problem from the workload's name alone, so every contender starts from
the same numbers without any being sent.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from bnn_ref import Categorical, DenseFlipout, Network, Parameters

NUM_EXAMPLES = 60000  # N of the KL weight 1/N: MNIST's
LEARNING_RATE = 1e-3
BATCHES = 4  # batches that a contender goes round
SEED = 20180312


@dataclass(frozen=True)
class Workload:
    """A ReLU network with a Categorical likelihood and a batch size: "784-128-128-10/128"."""

    sizes: tuple
    batch: int

    @property
    def name(self):
        """The sizes and the batch."""
        return "-".join(map(str, self.sizes)) + f"/{self.batch}"

    @property
    def network(self):
        """The network, deterministic biases and N(0, 1) priors as `tfp.layers.DenseFlipout`."""
        last = len(self.pairs) - 1
        layers = [
            DenseFlipout(i, o, activation="linear" if k == last else "relu")
            for k, (i, o) in enumerate(self.pairs)
        ]
        return Network(layers, Categorical())

    @property
    def pairs(self):
        """(inputs, outputs) of each layer."""
        return list(zip(self.sizes, self.sizes[1:], strict=False))

    @property
    def forward_products(self):
        """(rows, inner, columns) of the products over the examples.

        Two forward (mean and perturbation), and two gradients by inputs for every layer but the
        first, whose inputs need none.
        """
        found = []
        for k, (i, o) in enumerate(self.pairs):
            found += [(self.batch, i, o)] * 2 + ([(self.batch, o, i)] * 2 if k else [])
        return found

    @property
    def update_products(self):
        """(rows, inner, columns) of the products over the weights: two gradients a layer."""
        return [(i, self.batch, o) for i, o in self.pairs for _ in range(2)]

    @property
    def flops(self):
        """Floating-point operations of those products: 2 a multiply-add."""
        return sum(2 * m * k * n for m, k, n in self.forward_products + self.update_products)

    @property
    def weights(self):
        """Weights with a posterior."""
        return sum(i * o for i, o in self.pairs)

    def adam_bytes(self, itemsize=4):
        """Bytes that Adam must move: value and two moments of mu and rho, read and written."""
        return self.weights * 2 * 3 * 2 * itemsize

    def sample_bytes(self, itemsize=4):
        """Bytes that sampling must move: mu and rho read, delta and two factors written; flips.

        For every layer's inputs: read, the sign and the flipped input written.
        """
        inputs = self.batch * self.sizes[0]
        return (5 * self.weights + 3 * inputs) * itemsize


def parse(name):
    """Return the workload of a name, "784-128-128-10/128".

    Raises
    ------
    ValueError
        For anything else.
    """
    try:
        sizes, batch = name.split("/")
        workload = Workload(tuple(int(size) for size in sizes.split("-")), int(batch))
        good = len(workload.sizes) > 1 and min(workload.sizes) > 0 and workload.batch > 0
    except ValueError:
        good = False
    if not good:
        raise ValueError(
            f"workload: expected layer sizes/batch, as 784-128-128-10/128, found {name!r}"
        )
    return workload


class Problem(NamedTuple):
    """What a contender is given.

    Attributes
    ----------
    workload : Workload
    network : Network
    parameters : Parameters
        Initial values, never changed: a contender copies them.
    batches : list of (x, y)
        x (B, I) in the dtype, y (B,) int64. The last is the probe, on which the noise is checked:
        one row B times over, so that a batch that shares its perturbation shows.
    kl_weight, learning_rate : float
    """

    workload: Workload
    network: Network
    parameters: Parameters
    batches: list
    kl_weight: float = 1 / NUM_EXAMPLES
    learning_rate: float = LEARNING_RATE


def make_problem(workload, dtype="float32"):
    """Return the `Problem` of a workload: pixels in [0, 1), four in five of them 0, as MNIST's."""
    network = workload.network
    rng = np.random.default_rng(SEED)
    batches = []
    for _ in range(BATCHES):
        x = rng.random((workload.batch, workload.sizes[0]))
        x *= rng.random(x.shape) < 0.2
        batches.append((x.astype(dtype), rng.integers(0, workload.sizes[-1], workload.batch)))
    x, y = batches[0]
    batches.append((np.tile(x[:1], (len(x), 1)), np.tile(y[:1], len(y))))
    return Problem(workload, network, network.init(SEED, dtype), batches)


def make_rows(workload, rows, dtype="float32"):
    """Return rows (rows, I) to predict, of the same kind as the batches'."""
    rng = np.random.default_rng(SEED + 1)
    x = rng.random((rows, workload.sizes[0]), np.float32)
    x *= rng.random(x.shape, np.float32) < 0.2
    return x.astype(dtype)


STEP = [  # the four of the speed target, then the growth with width, depth and batch
    "13-50-2/32",
    "784-128-128-10/128",
    "784-512-512-10/128",
    "784-1200-1200-10/128",
    "784-32-32-10/128",
    "784-128-10/128",
    "784-128-128-128-128-10/128",
    "784-128-128-10/16",
    "784-128-128-10/1024",
]
MAIN = STEP[:4]
GROWTH = {  # what is varied: the workloads of its curve
    "width": [STEP[4], STEP[1], STEP[2], STEP[3]],
    "depth": [STEP[5], STEP[1], STEP[6]],
    "batch": [STEP[7], STEP[1], STEP[8]],
}


def growth_value(axis, workload):
    """Return where a workload stands on an axis: hidden width, hidden layers or batch size."""
    hidden = workload.sizes[1:-1]
    return {"width": max(hidden), "depth": len(hidden), "batch": workload.batch}[axis]
