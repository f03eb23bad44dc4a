"""Hypothesis strategies: questions that shrink to the smallest network that still fails.

>>> from hypothesis import given
>>> @given(questions())                                                       # doctest: +SKIP
... def test_my_layer(question):
...     assert_answer(question, answer)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ...activations import IN_VECTORS
from ...errors import expected, missing
from ...layers import BIASES, BatchNorm
from ...priors import PRIORS as KINDS
from ...priors import LaplacePrior, MixturePrior
from ..vectors.questions import described_question
from ..vectors.random_questions import DRAWN, PIECES, TARGETS

try:
    from hypothesis import strategies as st
except ImportError:
    raise missing("the strategies", "hypothesis", "test") from None

if TYPE_CHECKING:
    from ..vectors.files import Vector

PRIORS = st.tuples(
    st.sampled_from([0.0, 0.5, -0.25]), st.sampled_from([1.0, 0.5, 2.0])
)  # (loc, scale), the plainest first
ESTIMATORS = ("flipout", "shared", "local")
POINTS = (None, (0.5, 2.0), LaplacePrior(0.5, 2.0), MixturePrior((1.0, 0.25)))


@st.composite
def _priors(draw, kinds, shape):
    """Return a strategy of priors of some kinds, for a tensor of that shape."""
    kind = draw(st.sampled_from(kinds))
    loc, scale = draw(PRIORS)
    rng = np.random.default_rng(draw(st.integers(0, 99)) if kind == "array" else 0)
    return DRAWN[kind](rng, loc, scale, shape)


@st.composite
def _layers(draw, sizes, activations, biases, kinds, pieces):
    """Return a strategy of one layer's description for `described_question`."""
    description = {
        "activation": draw(st.sampled_from(list(activations))),
        "bias": draw(st.sampled_from(list(biases))),
        "scale_shift": draw(st.sampled_from([0.0, 1e-3, 0.1])),
        "kernel_prior": draw(_priors(kinds, sizes)),
        "bias_prior": draw(_priors(kinds, sizes[1:])),
    }
    if kinds != ["normal"] and description["bias"] == "deterministic":
        description["point_prior"] = draw(st.sampled_from(POINTS))
    if pieces:
        name = draw(st.sampled_from(["", *pieces]))
        description["behind"] = [PIECES[name](sizes[1])] if name else []
    return description


@st.composite
def _likelihoods(draw, kinds):
    """Return a strategy of descriptions of likelihoods."""
    kind = draw(st.sampled_from(kinds))
    if kind == "predicted":
        beta = draw(st.sampled_from([0.0, 0.5]))
        return {"type": "predicted_normal", "floor": 1e-3, "beta": beta}
    if kind not in ("normal", "learned"):
        return {"type": kind}
    normal = {"type": "normal", "scale": draw(st.sampled_from([1.0, 0.5]))}
    return {**normal, "learn_scale": True} if kind == "learned" else normal


@st.composite
def questions(
    draw: Callable[..., Any],
    *,
    dtype: str = "float64",
    layers: int = 3,
    width: int = 5,
    rows: int = 5,
    activations: Sequence[str] = IN_VECTORS,
    biases: Sequence[str] = BIASES,
    likelihoods: Sequence[str] | None = None,
    priors: Sequence[str] | None = None,
    estimators: Sequence[str] = ESTIMATORS,
    weighted: bool = True,
    pieces: Sequence[str] | None = None,
    version: int = 1,
) -> Vector:
    """Return a strategy of question `Vector`s; a failing one shrinks to few, small, plain layers.

    Parameters
    ----------
    dtype : "float64" or "float32"
    layers, width, rows : int
        At most so many layers, units of each (inputs too) and rows.
    activations, biases, likelihoods : sequence of str
        What may occur, the plainest first. Likelihoods are "normal", "categorical", "bernoulli"
        unless given; of version 2 also "learned" and "predicted" (a Normal's scale).
    priors, estimators, weighted
        For version 2, as `random_question` takes them: kinds of prior, of noise, and whether there
        may be sample weights.
    pieces : sequence of str, optional
        For version 2: layers of other types that may stand behind hidden ones, all of
        `random_questions.PIECES` unless given.
    version : 1 or 2
        Of `docs/vectors.md`.
    """
    if version not in (1, 2):
        raise expected("version", "1 or 2", repr(version))
    newer = version == 2
    kinds, options = ["normal"], {}
    if newer:
        options = {"estimator": draw(st.sampled_from(list(estimators)))}
        kinds = list(DRAWN) if priors is None else list(priors)
        if options["estimator"] == "local":  # it draws no weights for a KL to be taken at
            kinds = [k for k in kinds if k not in KINDS or not KINDS[k].is_sampled] or ["normal"]
    pieces = (list(PIECES) if pieces is None else list(pieces)) if newer else []
    known = ["normal", *TARGETS[:2], *(("learned", "predicted") if newer else ())]
    likelihood = draw(_likelihoods(known if likelihoods is None else list(likelihoods)))
    sizes = draw(st.lists(st.integers(1, width), min_size=2, max_size=layers + 1))
    sizes[-1] *= 1 + (likelihood["type"] == "predicted_normal")
    last = len(sizes) - 2
    described = [
        draw(_layers(tuple(sizes[k : k + 2]), activations, biases, kinds,
                     pieces if k < last else ()))
        for k in range(last + 1)
    ]  # fmt: skip
    behind = [layer for d in described for layer in d.get("behind", ())]
    normalised = any(isinstance(layer, BatchNorm) for layer in behind)
    least = 3 if normalised else 1
    count = draw(st.integers(least, max(rows, least)))
    if newer and weighted and draw(st.booleans()):
        each = st.lists(st.sampled_from([1.0, 0.0, 2.25]), min_size=count - 1, max_size=count - 1)
        options["sample_weight"] = [1.0, *draw(each)]
    return described_question(
        sizes, described, likelihood, count, draw(st.sampled_from([1.0, 0.1, 0.01])),
        draw(st.integers(0, 2**16)), dtype, version=version, **options,
    )  # fmt: skip
