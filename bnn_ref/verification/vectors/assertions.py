"""For other people's tests: one assertion that holds results against the truth."""

from __future__ import annotations

import os
from collections.abc import Mapping
from os import PathLike
from typing import Any

from ...errors import expected
from ..vectors import Vector, read
from .checking import check_vector
from .comparison import compare_results
from .results import take_results
from .shapes import result_shapes


def assert_agrees(
    question: Vector | str | PathLike[str],
    *,
    outputs: Any = None,
    nll: Any = None,
    kl: Any = None,
    kl_layers: Any = None,
    loss: Any = None,
    grads: Mapping[str, Any] | None = None,
    grad_x: Any = None,
    limit: float | None = None,
    partial: bool = False,
) -> None:
    """Pass where results agree with the question's truth; else the table is the error's message.

    Parameters
    ----------
    question : Vector or path
        A question or an answer, whose own results are not looked at.
    outputs : array or tensor (B, O), optional
    nll, kl, loss : number, optional
    kl_layers : sequence of L numbers, optional
        Each layer's KL.
    grads : dict of str to array, optional
        Gradients of the loss by parameter names, "layers.0.kernel_mu".
    grad_x : array (B, I), optional
    limit : float, optional
        Of the largest error over the largest magnitude, 1e-10 for a float64 question and 1e-4 for
        a float32 one unless given.
    partial : bool
        Whether ``grads`` and ``kl_layers`` may lack some of theirs. What is not given at all is not
        compared in any case.

    Raises
    ------
    AssertionError
        Where a tensor disagrees; where every result was given, the message also names the known
        mistake that explains it.
    ValueError
        Where nothing was given to compare, a gradient or a layer's KL is missing or None, a name
        is unknown, a shape is not the question's, values are complex, or the limit is none.
    """
    if isinstance(question, (str, os.PathLike)):
        question = read(question)
    given = {"outputs": outputs, "nll": nll, "kl": kl, "kl_layers": kl_layers, "loss": loss,
             "grads": grads, "grad.x": grad_x}  # fmt: skip
    given = {name: value for name, value in given.items() if value is not None}
    if not given:
        raise expected("assert_agrees", "at least one result to compare", "none")
    results = take_results(question, given, partial=True)
    wanted = [] if grads is None else [f"grad.{name}" for name in question.network.parameter_shapes]
    if kl_layers is not None:
        wanted += [f"layers.{k}.kl" for k in range(len(question.meta["layers"]))]
    missing = [name for name in wanted if name not in results]
    if missing and not partial:
        raise expected(", ".join(missing), "a result", "none (or give partial=True)")
    comparison = compare_results(question, results, limit)
    if comparison.agrees:
        return
    text = comparison.table()
    if set(results) >= set(result_shapes(question.meta, question.x.shape)):
        answer = Vector(question.meta, question.arrays).answer(results, "the test")
        text = check_vector(answer, "question", limit).text()
    raise AssertionError("results disagree with the truth\n" + text)
