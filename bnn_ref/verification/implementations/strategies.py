"""Hypothesis strategies: questions that shrink to the smallest network that still fails.

>>> from hypothesis import given
>>> @given(questions())                                                       # doctest: +SKIP
... def test_my_layer(question):
...     assert_answer(question, answer(question))
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from ...activations import IN_VECTORS
from ...errors import missing
from ...layers import BIASES
from ..vectors.questions import described_question

try:
    from hypothesis import strategies as st
except ImportError:
    raise missing("the strategies", "hypothesis", "test") from None

if TYPE_CHECKING:
    from ..vectors.files import Vector

PRIORS = st.tuples(
    st.sampled_from([0.0, 0.5, -0.25]), st.sampled_from([1.0, 0.5, 2.0])
)  # (loc, scale), the plainest first


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
    likelihoods: Sequence[str] = ("normal", "categorical", "bernoulli"),
) -> Vector:
    """Return a strategy of question `Vector`s; a failing one shrinks to few, small, plain layers.

    Parameters
    ----------
    dtype : "float64" or "float32"
    layers, width, rows : int
        At most so many layers, units of each (inputs too) and rows.
    activations, biases, likelihoods : sequence of str
        What may occur, the plainest first.
    """
    sizes = draw(st.lists(st.integers(1, width), min_size=2, max_size=layers + 1))
    described = [
        {
            "activation": draw(st.sampled_from(list(activations))),
            "bias": draw(st.sampled_from(list(biases))),
            "scale_shift": draw(st.sampled_from([0.0, 1e-3, 0.1])),
            "kernel_prior": draw(PRIORS),
            "bias_prior": draw(PRIORS),
        }
        for _ in sizes[1:]
    ]
    likelihood = {"type": draw(st.sampled_from(list(likelihoods)))}
    if likelihood["type"] == "normal":
        likelihood["scale"] = draw(st.sampled_from([1.0, 0.5]))
    return described_question(
        sizes, described, likelihood, draw(st.integers(1, rows)),
        draw(st.sampled_from([1.0, 0.1, 0.01])), draw(st.integers(0, 2**16)), dtype,
    )  # fmt: skip
