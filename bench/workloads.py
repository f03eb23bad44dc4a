"""The work: networks, batches and initial values, the same for every contender.

A worker process builds its problem from the workload's name alone, so every contender starts from
the same numbers without any being sent.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from bnn_ref import Bernoulli, Categorical, DenseFlipout, Network, Normal, Parameters
from bnn_ref.activations import get_activation

NUM_EXAMPLES = 60000  # N of the KL weight 1/N: MNIST's
LEARNING_RATE = 1e-3
BATCHES = 4  # batches that a contender goes round
SEED = 20180312
LIKELIHOODS = {
    "categorical": Categorical(),
    "bernoulli": Bernoulli(),
    "normal": Normal(learn_scale=True),  # regression with a learned scale
}


@dataclass(frozen=True)
class Workload:
    """A network and a batch size: "784-128-128-10/128", "13-50-1/32/normal/tanh/dense".

    Attributes
    ----------
    sizes : tuple of int
        Inputs, hidden widths, outputs.
    batch : int
    likelihood : str
        "categorical", "bernoulli" or "normal", whose scale is learned.
    activation : str
        Of the hidden layers.
    dense : bool
        Inputs are standard normal; else pixels, four in five of them 0, as MNIST's.
    """

    sizes: tuple
    batch: int
    likelihood: str = "categorical"
    activation: str = "relu"
    dense: bool = False

    @property
    def name(self):
        """The sizes, the batch, and what is not as usual."""
        words = ["-".join(map(str, self.sizes)), str(self.batch)]
        words += [self.likelihood] if self.likelihood != "categorical" else []
        words += [self.activation] if self.activation != "relu" else []
        return "/".join(words + ["dense"] * self.dense)

    @property
    def network(self):
        """The network, deterministic biases and N(0, 1) priors as `tfp.layers.DenseFlipout`."""
        last = len(self.pairs) - 1
        layers = [
            DenseFlipout(i, o, activation="linear" if k == last else self.activation)
            for k, (i, o) in enumerate(self.pairs)
        ]
        return Network(layers, LIKELIHOODS[self.likelihood])

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
        products = []
        for k, (i, o) in enumerate(self.pairs):
            products += [(self.batch, i, o)] * 2 + ([(self.batch, o, i)] * 2 if k else [])
        return products

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

    def adam_working_set(self, dtype="float32"):
        """Bytes that Adam walks through: value and two moments of mu and rho."""
        return self.weights * 2 * 3 * np.dtype(dtype).itemsize

    def noise_bytes(self, itemsize=4):
        """Bytes of a step's noise, written once: a draw a weight, a sign an input and an output."""
        signs = self.batch * sum(i + o for i, o in self.pairs)
        return (self.weights + signs) * itemsize


def parse(name):
    """Return the workload of a name: sizes/batch, then a likelihood, an activation, "dense".

    Raises
    ------
    ValueError
        For anything else.
    """
    sizes, _, rest = name.partition("/")
    batch, *words = rest.split("/")
    chosen = {}
    for word in words:
        if word in LIKELIHOODS:
            chosen["likelihood"] = word
        elif word == "dense":
            chosen["dense"] = True
        else:
            chosen["activation"] = word
    try:
        workload = Workload(tuple(int(size) for size in sizes.split("-")), int(batch), **chosen)
        good = len(workload.sizes) > 1 and min(workload.sizes) > 0 and workload.batch > 0
        get_activation(workload.activation)
    except ValueError:
        good = False
    if not good or len(chosen) != len(words):
        raise ValueError(
            "workload: expected layer sizes/batch, as 784-128-128-10/128, then perhaps bernoulli "
            f"or normal, an activation, and dense, found {name!r}"
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
        x (B, I) in the dtype; y (B,) int64, or (B, O) in the dtype. The last is the probe, on
        which the noise is checked: one row B times over, so that a batch that shares its
        perturbation shows.
    kl_weight, learning_rate : float
    """

    workload: Workload
    network: Network
    parameters: Parameters
    batches: list
    kl_weight: float = 1 / NUM_EXAMPLES
    learning_rate: float = LEARNING_RATE


def make_inputs(workload, rows, rng, dtype):
    """Return inputs (rows, I): standard normal, or pixels in [0, 1), four in five of them 0."""
    shape = (rows, workload.sizes[0])
    if workload.dense:
        return rng.standard_normal(shape).astype(dtype)
    return (rng.random(shape) * (rng.random(shape) < 0.2)).astype(dtype)


def make_targets(workload, rng, dtype):
    """Return targets (B,) of a classification, or (B, O): 0 or 1, or standard normal."""
    shape = (workload.batch, workload.sizes[-1])
    if workload.likelihood == "categorical":
        return rng.integers(0, shape[1], shape[0])
    if workload.likelihood == "bernoulli":
        return rng.integers(0, 2, shape).astype(dtype)
    return rng.standard_normal(shape).astype(dtype)


def make_problem(workload, dtype="float32"):
    """Return the `Problem` of a workload."""
    network = workload.network
    rng = np.random.default_rng(SEED)
    batches = [
        (make_inputs(workload, workload.batch, rng, dtype), make_targets(workload, rng, dtype))
        for _ in range(BATCHES)
    ]
    x, y = batches[0]
    batches.append((np.repeat(x[:1], len(x), 0), np.repeat(y[:1], len(y), 0)))
    return Problem(workload, network, network.init(SEED, dtype), batches)


def make_rows(workload, rows, dtype="float32"):
    """Return rows (rows, I) to predict: of fewer, the first of more."""
    rng = np.random.default_rng(SEED + 1)
    return make_inputs(workload, MOST_ROWS, rng, dtype)[:rows]


MOST_ROWS = 1_000  # that are predicted at once
MAIN = ["13-50-2/32", "784-128-128-10/128", "784-512-512-10/128", "784-1200-1200-10/128"]
WIDE = ["784-1200-1200-10/1024", "784-2400-2400-10/128"]
KINDS = ["13-50-1/32/normal/tanh/dense", "784-128-128-10/128/bernoulli"]
GROWTH = {  # what is varied: the workloads of its curve
    "width": ["784-32-32-10/128", *MAIN[1:], WIDE[1]],
    "depth": ["784-128-10/128", MAIN[1], "784-128-128-128-128-10/128"],
    "batch": [
        *(f"784-128-128-10/{batch}" for batch in (1, 16)),
        MAIN[1],
        *(f"784-128-128-10/{batch}" for batch in (1024, 4096)),
    ],
}
STEP = [*MAIN, *KINDS]
GROWN = list(dict.fromkeys([*GROWTH["width"], *GROWTH["depth"], *GROWTH["batch"], WIDE[0]]))


def growth_value(axis, workload):
    """Return where a workload stands on an axis: hidden width, hidden layers or batch size."""
    hidden = workload.sizes[1:-1]
    return {"width": max(hidden), "depth": len(hidden), "batch": workload.batch}[axis]
