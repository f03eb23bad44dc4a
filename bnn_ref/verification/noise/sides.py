"""Whether the signs of one side are fair coins, where the other side's hide it from every pair.

In one call all rows share eps. `COPIES` equal rows with k nonzero inputs show which of each row's
input signs differ: one-input rows give A_i = abs(x_i sigma_i eps_i), and the row's magnitude is
that one of the 2^(k-1) numbers abs(sum_i s_i A_i) whose signs it drew. The signs of eps, one for
each input, and the row's output sign stay unknown, so signs that are +1 with probability
(1 + d) / 2 are first seen in products of four, two rows by two inputs, whose mean is d^4. The best
statistic of such a table is its likelihood ratio, averaged over what is unknown; its mean is 1
where the signs are fair, however many calls there are, so that 1 / ratio is a bound on the p-value
(Markov). The signs of the outputs of equal one-input rows make the same kind of table, of output
signs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from .hypotheses import View
    from .probes import Answers

DEVIATIONS = (0.1, 0.2, 0.4, 0.8)  # d of the ratio, each as likely as the others
FINE = tuple(np.arange(0.05, 1, 0.05))  # d that a fault is told with


def patterns(columns: int) -> NDArray[np.float64]:
    """Return the rows of signs of which no two are opposite, (2^(columns - 1), columns)."""
    bits = np.arange(2 ** (columns - 1))[:, None] >> np.arange(columns) & 1
    return 1.0 - 2.0 * bits


def input_table(answers: Answers, view: View) -> NDArray[np.intp]:
    """Return which pattern of input signs each copy has, (calls, `COPIES`): rows of `patterns`.

    Of every call the output is read whose magnitudes are furthest apart, which eps alone decides;
    calls in which rounding would blur them are left out.
    """
    k = answers.joined
    singles = slice(1, 1 + k)
    sizes = np.abs(view.residual[:, 0, singles])  # (T, k, M)
    sums = np.abs(np.einsum("pk,tkm->tmp", patterns(k), sizes))
    order = np.argsort(sums, axis=-1)
    ordered = np.take_along_axis(sums, order, -1)
    room = np.min(np.diff(ordered, axis=-1), axis=-1) - 4 * np.sum(view.close[singles], axis=0)
    best, calls = np.argmax(room, axis=-1), np.arange(len(room))
    calls = calls[room[calls, best] > 0]
    best = best[calls]
    found = np.abs(view.joined[calls, :, best])  # (T, R)
    nearest = np.argmin(np.abs(found[..., None] - ordered[calls, best][:, None]), axis=-1)
    return np.take_along_axis(order[calls, best], nearest, -1)


def output_table(view: View) -> NDArray[np.intp]:
    """Return which pattern of output signs each one-input copy has, as `input_table` does."""
    negative = view.alone < 0
    negative = negative ^ negative[..., -1:]  # as the patterns, none is opposite to another
    return np.sum(negative << np.arange(negative.shape[-1]), axis=-1)


def log_ratios(table: NDArray[np.intp], columns: int, deviations: tuple[float, ...]) -> NDArray:
    """Return, for each deviation d, the log of the likelihood ratio of unfair to fair signs.

    Parameters
    ----------
    table : array (calls, rows)
        Of `input_table` or `output_table`.
    columns : int, how many signs a row has
    deviations : tuple of float in (0, 1)
    """
    signs, calls = patterns(columns), np.arange(len(table))[:, None]
    counts = np.zeros((len(table), len(signs)))
    np.add.at(counts, (calls, table), 1)
    agree = (columns + signs @ signs.T) / 2
    logs = []
    for d in deviations:
        up, down = np.log1p(d), np.log1p(-d)
        each = np.logaddexp(
            agree * up + (columns - agree) * down, agree * down + (columns - agree) * up
        )
        of_calls = counts @ (each - np.log(2))
        logs.append(np.sum(np.logaddexp.reduce(of_calls, axis=1) - np.log(len(signs))))
    return np.array(logs)


def tables(answers: Answers, view: View) -> dict[str, tuple[NDArray[np.intp], int]]:
    """Return {side: (table, columns)} of the sides that can be read, "input" and "output"."""
    found, columns = {}, view.alone.shape[-1]
    if answers.copies.shape[2] and answers.joined > 1:
        found["input"] = (input_table(answers, view), answers.joined)
    if answers.copies.shape[2] and columns > 1:
        found["output"] = (output_table(view), columns)
    return found


def fairness(table: NDArray[np.intp], columns: int) -> float:
    """Return a bound on the p-value of a table of fair signs."""
    logs = log_ratios(table, columns, DEVIATIONS)
    return float(np.exp(min(0.0, np.log(len(DEVIATIONS)) - np.logaddexp.reduce(logs))))


def share(table: NDArray[np.intp], columns: int) -> float:
    """Return the likeliest probability, above 1/2, that a sign is the one that is more common."""
    return (1 + FINE[int(np.argmax(log_ratios(table, columns, FINE)))]) / 2
