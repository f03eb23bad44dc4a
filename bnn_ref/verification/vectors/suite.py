"""The published suite: small test vectors computed by the oracle, and bad ones.

`python -m bnn_ref.verification.vectors.suite DIR` computes the whole suite anew (needs mpmath, some
minutes); the files it writes are shipped in `suite_files/` beside it. The first word of a name says
what a checker must find: ``agree``, ``disagree`` or ``refuse``.
"""

from __future__ import annotations

import sys
from collections.abc import Collection, Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import DTypeLike

from ...layers import DenseFlipout
from ...likelihoods import Bernoulli, Categorical, Normal
from ...network import Network
from ...noise import LayerNoise, Noise, draw_noise, normals
from ..vectors import make_question, write
from . import suite_version_2
from .questions import targets_for

if TYPE_CHECKING:
    from ...likelihoods.base import Likelihood
    from .files import Vector

FOLDER = Path(__file__).with_name("suite_files")
_GRID = 2.0**-20  # values are whole multiples, so that no platform's logarithm matters
_ACTIVATIONS = ("linear", "relu", "tanh", "sigmoid", "softplus", "elu", "gelu")
_BIASES = ("none", "deterministic", "normal", "normal_flipped")


def spec(
    sizes: Sequence[int],
    likelihood: Likelihood | None = None,
    activation: str = "tanh",
    bias: str = "deterministic",
    **options: Any,
) -> dict[str, Any]:
    """Return a network's layers, likelihood and the options of `question` as one dict."""
    return {"sizes": sizes, "likelihood": likelihood or Categorical(), "activation": activation,
            "bias": bias, **options}  # fmt: skip


def _specs():
    """Return name to spec of every vector that must agree."""
    specs = {}
    for i, activation in enumerate(_ACTIVATIONS):
        specs[f"activation-{activation}"] = spec((4, 5, 3), activation=activation,
                                                 bias=_BIASES[i % 4])  # fmt: skip
        likelihood = (Normal(0.5), Bernoulli(), Categorical())[i % 3]
        specs[f"activation-{activation}-float32"] = spec(
            (4, 5, 2), likelihood, activation, _BIASES[(i + 2) % 4], dtype="float32"
        )
    for bias in _BIASES:
        specs[f"bias-{bias}"] = spec((3, 4, 2), Normal(2.0), "sigmoid", bias, kl_weight=0.5)
    for name, likelihood in {"categorical": Categorical(), "bernoulli": Bernoulli(),
                             "normal": Normal(0.3)}.items():  # fmt: skip
        specs[f"likelihood-{name}"] = spec((3, 4, 3), likelihood, "elu", rows=7)
        specs[f"likelihood-{name}-float32"] = spec((3, 4, 3), likelihood, "gelu", "normal",
                                                   dtype="float32")  # fmt: skip
    specs["likelihood-normal-one-output"] = spec((3, 4, 1), Normal(1.0), "softplus")
    specs["rho-low"] = spec((4, 3, 2), rho=(-300.0, -20.0), scale_shift=0.0, bias="normal")
    specs["rho-low-shifted"] = spec((4, 3, 2), rho=(-60.0, -2.0), bias="normal")
    specs["rho-high"] = spec((4, 3, 2), Normal(1.0), "softplus", "normal", rho=(5.0, 700.0))
    specs["rho-low-float32"] = spec((4, 3, 2), rho=(-60.0, -2.0), dtype="float32", bias="normal")
    specs["rho-high-float32"] = spec((4, 3, 2), Normal(1.0), "softplus", "normal",
                                     rho=(5.0, 80.0), dtype="float32")  # fmt: skip
    near = (2e-5, float(np.log(2)) * (1 + 1e-9))  # sigma = log 2 at rho = 0
    specs["prior-near"] = spec((4, 3, 2), rho=(0.0, 0.0), scale_shift=0.0, mu=1e-4, prior=near,
                               kl_weight=1.0)  # fmt: skip
    specs["prior-wide"] = spec((4, 3, 2), prior=(0.25, 2.0), bias="normal", kl_weight=0.1)
    specs["prior-narrow"] = spec((4, 3, 2), prior=(-0.5, 0.05), bias="normal_flipped")
    specs["shift-large"] = spec((4, 3, 2), scale_shift=0.01, bias="normal")
    specs["shift-zero-float32"] = spec((4, 3, 2), scale_shift=0.0, dtype="float32")
    specs["shape-one-unit"] = spec((1, 1), Normal(1.0), "linear", "normal", rows=1)
    specs["shape-one-unit-deep"] = spec((1, 1, 1, 1), Bernoulli(), "tanh", rows=1)
    specs["shape-odd"] = spec((7, 11, 1, 3), activation="relu", rows=3)
    specs["shape-wide"] = spec((37, 3), activation="linear", rows=5)
    specs["shape-square"] = spec((4, 4, 4), activation="tanh", bias="normal")
    specs["shape-deep"] = spec((3, 3, 3, 3, 3, 2), activation="gelu", bias="normal_flipped")
    specs["batch-one"] = spec((4, 3, 2), Bernoulli(), "relu", "normal", rows=1)
    specs["batch-seventeen"] = spec((2, 3, 2), activation="relu", rows=17, dtype="float32")
    specs["inputs-large"] = spec((4, 3, 2), Normal(10.0), "relu", x=4096.0)
    specs["inputs-large-float32"] = spec((4, 3, 2), Normal(10.0), "relu", x=512.0, dtype="float32")
    specs["inputs-black"] = spec((5, 3, 2), activation="relu", black=(1, 3))
    specs["logits-large"] = spec((4, 3), activation="linear", x=512.0)
    specs["signs-shared"] = spec((4, 3, 2), estimator="shared", bias="normal")
    specs["noise-zero"] = spec((4, 3, 2), eps=0.0, bias="normal")
    specs["kl-weight-zero"] = spec((4, 3, 2), kl_weight=0.0, bias="normal")
    specs["kl-weight-one"] = spec((4, 3, 2), kl_weight=1.0, bias="normal")
    specs["labels-uint8"] = spec((4, 3, 2), labels=np.uint8)
    return specs


def _later_specs():
    """Return name to spec as `_specs` does, of vectors whose seeds follow those of version 2."""
    return {"activation-last": spec((4, 3), Normal(0.5), "tanh", "normal")}


def _draws(shape, seed, tensor, k=0):
    """Return standard normals on a grid of 2**-20, so that every platform has the same."""
    return np.round(normals(shape, seed, "split", tensor, layer=k) / _GRID) * _GRID


def question(
    seed: int,
    *,
    sizes: Sequence[int],
    likelihood: Likelihood,
    activation: str | Sequence[str],
    bias: str,
    rows: int = 5,
    dtype: str = "float64",
    prior: Any = (0, 1),
    scale_shift: float | None = None,
    kl_weight: float = 0.01,
    rho: Any = None,
    mu: Any = None,
    x: Any = 1.0,
    black: Sequence[int] = (),
    eps: Any = 1.0,
    estimator: str = "flipout",
    labels: DTypeLike = np.int64,
) -> Vector:
    """Return the question that a spec describes, its numbers drawn from the seed."""
    layers = [
        DenseFlipout(
            sizes[k],
            sizes[k + 1],
            activation if k < len(sizes) - 2 else "linear",
            kernel_prior=prior,
            bias=bias,
            scale_shift=scale_shift,
            bias_prior=prior if bias.startswith("normal") else None,
        )
        for k in range(len(sizes) - 1)
    ]
    if len(sizes) == 2:
        layers[0] = DenseFlipout(**{**vars(layers[0]), "activation": activation})
    network = Network(layers, likelihood)
    parameters = network.init(seed, dtype)
    for k, layer in enumerate(parameters.layers):
        for name in ("kernel_mu", "kernel_rho", "bias_mu", "bias_rho"):
            array = getattr(layer, name)
            if array is None:
                continue
            draws = _draws(array.shape, seed, name, k)
            if name.endswith("mu"):
                array[...] = draws * (0.5 if mu is None else mu)
            elif rho is None:
                array[...] = -1.5 + draws * 0.5
            else:  # from one end to the other, in a mixed order
                places = np.argsort(np.argsort(draws.ravel())) / max(1, draws.size - 1)
                ends = np.round((rho[0] + places * (rho[1] - rho[0])) / _GRID) * _GRID
                array[...] = ends.reshape(draws.shape)
    inputs = np.array(_draws((rows, sizes[0]), seed, "permutation")) * x
    inputs[:, list(black)] = 0
    y = targets_for(likelihood, _draws((rows, sizes[-1]), seed, "output_eps"))
    y = y.astype(labels) if y.dtype.kind == "i" else y
    noise = draw_noise(network, rows, seed, dtype=dtype, estimator=estimator)
    noise = Noise(tuple(_on_grid(layer, eps) for layer in noise.layers))
    return make_question(network, parameters, inputs, y, noise, kl_weight)


def _on_grid(layer, eps):
    """Return a layer's noise with its normals on the grid, times eps."""
    rounded = [
        None if draws is None else (np.round(draws / _GRID) * _GRID * eps).astype(draws.dtype)
        for draws in (layer.kernel_eps, layer.bias_eps)
    ]
    return LayerNoise(rounded[0], layer.sign_input, layer.sign_output, rounded[1])


def names() -> list[str]:
    """Return the names of the vectors that must agree, in a fixed order: a name's seed."""
    return [*_specs(), *suite_version_2.specs(), *_later_specs()]


def build(name: str) -> Vector:
    """Return the vector of that name, answered by the oracle.

    Parameters
    ----------
    name : str
        One of `names`, without the word ``agree``.
    """
    import mpmath

    from ..vectors import oracle

    known, seed = _specs() | _later_specs(), 1 + names().index(name)
    if name in known:
        asked = question(seed, **known[name])
    else:
        asked = suite_version_2.question(name, seed, **suite_version_2.specs()[name])
    results = oracle.answer(asked.whole_meta, asked.arrays)
    shaped = {key: np.array(value, dtype=object).astype(float) for key, value in results.items()}
    return asked.answer(shaped, f"mpmath {mpmath.__version__}, {oracle.DIGITS} digits")


def files(versions: Collection[int] = (1, 2)) -> list[Path]:
    """Return the paths of the shipped files, sorted by name.

    Parameters
    ----------
    versions : sequence of int
        Of `docs/vectors.md`: which are wanted.
    """
    return [path for path in sorted(FOLDER.glob("*.npz"))
            if 1 + (f"-{suite_version_2.PREFIX}" in path.name) in versions]  # fmt: skip


def main(folder: str | PathLike[str]) -> None:
    """Compute every vector anew and write it to the folder."""
    from ..vectors import suite_negative

    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for name in names():
        write(folder / f"agree-{name}.npz", build(name))
        print(f"agree-{name}", flush=True)
    suite_negative.main(folder)
    suite_version_2.write_negative(folder)


if __name__ == "__main__":
    main(sys.argv[1])
