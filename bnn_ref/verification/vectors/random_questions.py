"""Questions whose every part is drawn: network, priors, parameters, batch, noise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ...activations import IN_VECTORS
from ...errors import expected
from ...layers import (
    BIASES,
    BatchNorm,
    Dense,
    DenseFlipout,
    Dropout,
    Elementwise,
    LayerNorm,
    Residual,
)
from ...priors import (
    PRIORS,
    LaplacePrior,
    LearnedNormalPrior,
    MixturePrior,
    NoPrior,
    NormalPrior,
    ScaledPrior,
)
from .questions import described_question

if TYPE_CHECKING:
    from .files import Vector


def random_question(
    seed: int,
    dtype: str = "float64",
    *,
    layers: tuple[int, int] = (1, 3),
    width: tuple[int, int] = (1, 6),
    rows: tuple[int, int] = (1, 7),
    activations: Sequence[str] = IN_VECTORS,
    biases: Sequence[str] = BIASES,
    likelihoods: Sequence[str] | None = None,
    locs: bool = True,
    scale_shifts: Sequence[float] | None = None,
    priors: Sequence[str] | None = None,
    estimators: Sequence[str] = ("flipout", "shared", "local"),
    weighted: bool = True,
    pieces: Sequence[str] = (),
    version: int = 1,
) -> Vector:
    """Return a question whose every part is drawn: network, priors, parameters, batch, noise.

    Parameters
    ----------
    seed : int
    dtype : "float64" or "float32"
    layers, width, rows : (least, most)
        How many layers, units of each (inputs too) and rows.
    activations, biases, likelihoods : sequence of str
        What may be drawn; every layer has its own activation and bias. Likelihoods are
        "categorical", "bernoulli", "normal" unless given; of version 2 also "learned" (a Normal
        whose scale is learned) and "predicted".
    locs : bool
        Whether priors have a mean that is not 0.
    scale_shifts : sequence of float, optional
        0, the machine epsilon, .001 and .1 unless given.
    priors : sequence of str, optional
        For version 2: kinds of prior, "array" (a Normal with an array for each of its numbers)
        and, on a deterministic bias, "point"; all unless given. A kind whose KL is taken at the
        drawn weights is left out where none are drawn.
    estimators : sequence of str
        For version 2.
    weighted : bool
        For version 2: whether a third of the questions has sample weights.
    pieces : sequence of str
        For version 2: layers of other types (of `PIECES`), one of which may stand behind each
        hidden layer; none unless given.
    version : 1 or 2
        Of `docs/vectors.md`.
    """
    _check_ranges(layers=layers, width=width, rows=rows)
    _check_names(activations=(activations, None), biases=(biases, BIASES),
                 likelihoods=(likelihoods, [*TARGETS, "learned", "predicted"]),
                 estimators=(estimators, None), priors=(priors, [*DRAWN, "point"]),
                 pieces=(pieces, PIECES))  # fmt: skip
    rng = np.random.default_rng(seed)
    count = int(rng.integers(layers[0], layers[1] + 1))
    sizes = [int(n) for n in rng.integers(width[0], width[1] + 1, count + 1)]
    batch = int(rng.integers(rows[0], rows[1] + 1))
    kinds, options, likelihood = ["normal"], {}, None
    if version == 2:  # ahead of the layers, which depend on it
        kinds, options = _newer(rng, priors, estimators, weighted, batch)
        likelihood = _likelihood(rng, likelihoods or (*TARGETS, "learned", "predicted"))
        sizes[-1] *= 1 + (likelihood["type"] == "predicted_normal")
    shifts = [0.0, 1e-3, 0.1, np.finfo(dtype).eps] if scale_shifts is None else scale_shifts
    described = [
        _layer(rng, sizes[k : k + 2], activations if k < count - 1 else None, biases, shifts,
               kinds, locs)
        for k in range(count)
    ]  # fmt: skip
    likelihood = likelihood or _likelihood(rng, likelihoods or TARGETS)
    if version == 2 and pieces:
        for k in range(count - 1):
            name = str(rng.choice([*pieces, ""]))
            described[k]["behind"] = [PIECES[name](sizes[k + 1])] if name else []
            batch = max(batch, 3 if name == "BatchNorm" else 1)
    return described_question(sizes, described, likelihood, batch, float(10 ** rng.uniform(-2, 0)),
                              seed, dtype, version=version, **options)  # fmt: skip


def _check_ranges(**ranges):
    """Raise where a range is not (least, most), at least 1."""
    for name, given in ranges.items():
        pair = given if isinstance(given, tuple | list) and len(given) == 2 else (0, 0)
        if not all(isinstance(n, int | np.integer) for n in pair) or not 1 <= pair[0] <= pair[1]:
            raise expected(name, "(least, most), at least 1", given)


def _check_names(**names):
    """Raise where a list of names is none, or, of (names, known), has one that is not known."""
    for name, (given, known) in names.items():
        if isinstance(given, str):
            raise expected(name, "a list of names", repr(given))
        if known is not None and not set(given or ()) <= set(known):
            raise expected(name, "some of " + ", ".join(known), ", ".join(map(str, given)))


def _newer(rng, priors, estimators, weighted, batch):
    """Return the kinds of prior and the options of a question that only version 2 has."""
    kinds = [*DRAWN, "point"] if priors is None else list(priors)
    options: dict[str, Any] = {"estimator": str(rng.choice(estimators))}
    if options["estimator"] == "local":
        kinds = [kind for kind in kinds if kind not in PRIORS or not PRIORS[kind].is_sampled]
    if weighted and rng.random() < 1 / 3:
        options["sample_weight"] = rng.integers(0, 9, batch) / 4 + (np.arange(batch) == 0)
    return kinds, options


def _layer(rng, sizes, activations, biases, shifts, kinds, locs):
    """Return a layer's description for `described_question`; linear without activations."""
    description = {"activation": "linear" if activations is None else str(rng.choice(activations)),
           "bias": str(rng.choice(biases)), "scale_shift": float(rng.choice(shifts))}  # fmt: skip
    for part, shape in (("kernel", tuple(sizes)), ("bias", (sizes[1],))):
        description[f"{part}_prior"] = _prior(rng, kinds, shape, locs)
    if "point" in kinds and description["bias"] == "deterministic" and rng.random() < 0.5:
        description["point_prior"] = _prior(rng, ["normal", "laplace", "mixture"], (), locs)
    return description


def _array(rng, loc, scale, shape):
    """Return a Normal prior with an array for each number: for every weight, output or input."""
    sizes = [shape, shape[-1:], (*shape[:-1], 1) if len(shape) > 1 else shape]
    size = sizes[int(rng.integers(len(sizes)))]
    return NormalPrior(loc + 0.1 * rng.normal(size=size), scale * rng.uniform(0.8, 1.25, size))


DRAWN: Mapping[str, Any] = {  # kind of prior to (generator, loc, scale, shape) -> one
    "normal": lambda rng, loc, scale, shape: (loc, scale),
    "array": _array,
    "laplace": lambda rng, loc, scale, shape: LaplacePrior(loc, scale),
    "mixture": lambda rng, loc, scale, shape: MixturePrior((scale, scale / 8), (0.25, 0.75),
                                                           (loc, 0.0)),
    "learned_normal": lambda rng, loc, scale, shape: LearnedNormalPrior(loc, scale,
                                                                        ("loc", "scale")),
    "scaled": lambda rng, loc, scale, shape: ScaledPrior((loc, scale), 0.5),
    "none": lambda rng, loc, scale, shape: NoPrior(),
}  # fmt: skip


def _prior(rng, kinds, shape, locs):
    """Return a prior of one of the kinds for a tensor of that shape."""
    loc, scale = locs * float(rng.normal(0, 0.5)), float(np.exp(rng.normal(-0.3, 0.5)))
    kinds = [kind for kind in kinds if kind in DRAWN] or ["normal"]
    kind = kinds[0] if len(kinds) == 1 else str(rng.choice(kinds))
    return DRAWN[kind](rng, loc, scale, shape)


PIECES: Mapping[str, Any] = {  # type of layer to (width) -> one as wide
    "Dense": lambda width: Dense(width, width, "tanh"),
    "Dropout": lambda width: Dropout(0.25),
    "Elementwise": lambda width: Elementwise("softplus"),
    "LayerNorm": lambda width: LayerNorm(),
    "BatchNorm": lambda width: BatchNorm(),
    "Residual": lambda width: Residual([DenseFlipout(width, width, "tanh")]),
}
TARGETS = ("categorical", "bernoulli", "normal")


def _likelihood(rng, kinds):
    """Return the description of a likelihood of one of the kinds."""
    kind = str(rng.choice(kinds))
    if kind == "predicted":
        return {"type": "predicted_normal", "floor": 1e-3, "beta": float(rng.choice([0.0, 0.5]))}
    likelihood: dict[str, Any] = {"type": "normal" if kind == "learned" else kind}
    if likelihood["type"] == "normal":
        likelihood["scale"] = float(np.exp(rng.normal(-0.5, 0.5)))
    return {**likelihood, "learn_scale": True} if kind == "learned" else likelihood
