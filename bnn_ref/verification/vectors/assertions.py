"""For other people's tests: one assertion that holds results against the truth."""

import os

import numpy as np

from ..vectors import Vector, read
from .checking import check_vector
from .comparison import compare_results
from .meta import result_shapes


def assert_agrees(question, *, outputs=None, nll=None, kl=None, kl_layers=None, loss=None,
                  grads=None, grad_x=None, limit=None):  # fmt: skip
    """Pass where results agree with the question's truth; else the table is the error's message.

    Parameters
    ----------
    question : Vector or path
        A question or an answer, whose own results are not looked at.
    outputs : array (B, O), optional
    nll, kl, loss : number, optional
    kl_layers : sequence of L numbers, optional
        Each layer's KL.
    grads : dict of str to array, optional
        Gradients of the loss by parameter names, "layers.0.kernel_mu".
    grad_x : array (B, I), optional
    limit : float, optional
        Of the largest error over the largest magnitude, 1e-10 for a float64 question and 1e-4 for
        a float32 one unless given.

    Raises
    ------
    AssertionError
        Where a tensor disagrees; where every result was given, the message also names the known
        mistake that explains it.
    ValueError
        Where nothing was given to compare, a name is unknown, or a shape is not the question's.
    """
    if isinstance(question, (str, os.PathLike)):
        question = read(question)
    given = {"outputs": outputs, "nll": nll, "kl": kl, "loss": loss, "grad.x": grad_x}
    given |= {f"layers.{k}.kl": one for k, one in enumerate(() if kl_layers is None else kl_layers)}
    given |= {f"grad.{name}": value for name, value in (grads or {}).items()}
    found = {name: np.asarray(value) for name, value in given.items() if value is not None}
    if not found:
        raise ValueError("assert_agrees: expected at least one result to compare, found none")
    shapes = result_shapes(question.meta, question.x.shape)
    for name, value in found.items():
        if name not in shapes:
            raise ValueError(f"{name}: expected one of {', '.join(shapes)}")
        if value.shape != shapes[name][0]:
            raise ValueError(f"{name}: expected shape {shapes[name][0]}, found {value.shape}")
    comparison = compare_results(question, found, limit)
    if comparison.agrees:
        return
    text = comparison.table()
    if set(found) == set(shapes):
        answer = Vector(question.meta, question.arrays).answer(found, "the test")
        text = check_vector(answer, "question", limit).text()
    raise AssertionError("results disagree with the truth\n" + text)
