"""Faults that make sound noise look like another: rounding, a ReLU, another mean, the bias's draw.

Two equal rows of a Flipout layer are m + n and m - n in half of the calls: their mean is then m
itself, to rounding. So the layer's own mean can be read off exactly, one output at a time, and a
wrong one is told from wrong noise.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..noise import exact

if TYPE_CHECKING:
    from .hypotheses import View
    from .probes import Answers, Layer

SURE = 1e-9  # p-value below which a reading is taken for certain
FITS = 1e-4  # p-value above which a candidate explains what is seen
BIAS_PER_ROW = "the bias is drawn anew for every row"
MEAN_AS_NOISE = "the mean is added once more as noise: each draw is mu + sigma * eps"
BEHIND_RELU = "no output is below 0: outputs behind a ReLU, where pre-activations are wanted"
SHARE = 0.2  # of the calls in which a pair must have opposite signs, for its mean to be believed
LEVELS = (  # how far a mean computed in a coarser precision is off, relatively
    (1.5 * 2.0**-11, "computed in TF32, or float16 products"),
    (1.5 * 2.0**-8, "computed with bfloat16 products"),
)


def find_hiding(answers: Answers) -> str:
    """Return the fault that hides everything else, "" where there is none.

    Outputs that are all numbers of a coarse format, or of which many are exactly 0 and none below.
    """
    y = answers.outputs
    zeros = np.mean(y == 0)
    if np.min(y) >= 0 and 0.05 < zeros < 0.95:
        return BEHIND_RELU
    with np.errstate(over="ignore"):  # of what float32 has no place for
        single = np.ascontiguousarray(y, np.float32)
    if np.any(single != y):
        return ""
    if np.all(single.view(np.uint32) & np.uint32(0xFFFF) == 0):
        return "computed in bfloat16: its rounding hides the noise's structure"
    with np.errstate(over="ignore"):
        half = single.astype(np.float16).astype(np.float32)
    return "computed in float16: its rounding hides the noise's structure" * np.array_equal(
        half, single
    )


def with_own_mean(
    answers: Answers, layer: Layer, view: View, outputs: NDArray[Any]
) -> tuple[NDArray[Any], str]:
    """Return outputs minus the layer's own mean, and what is wrong with that mean.

    Parameters
    ----------
    answers : Answers
    layer : Layer
    view : View
    outputs : array (T, 2, m, M), without the bias

    Returns
    -------
    (array (T, 2, m, M), str)
        The fault is "" where the mean is x mu, or cannot be read off.
    """
    singles = answers.probes.singles
    middle = outputs[:, :, singles].mean(axis=1)  # (T, n, M)
    mean = np.median(middle, axis=0)
    for _ in range(2):  # the value that most calls share: half of them exactly, by opposite signs
        near = np.abs(middle - mean) <= 4 * view.close[singles]
        if np.min(near.mean(axis=0)) < SHARE:
            mean = _mode(middle)
    near = np.abs(middle - mean) <= 4 * view.close[singles]
    centre = answers.probes.rows @ layer.mu[:, answers.chosen]
    off = mean - centre[singles]
    wrong = np.abs(off) > 4 * view.close[singles]
    if np.min(near.mean(axis=0)) < SHARE or not np.any(wrong) or np.all(np.abs(mean) < 1e-9):
        return outputs, ""
    size = np.abs(centre[singles])
    ratio = np.sum(mean * centre[singles]) / np.sum(size**2)
    if np.all(np.abs(mean - ratio * centre[singles]) <= 4 * view.close[singles] + 1e-6 * size):
        fault = f"the mean is {ratio:.4g} times x mu"
    else:
        fault = next((name for level, name in LEVELS if np.all(np.abs(off) <= level * size)),
                     "another mean than x mu + b")  # fmt: skip
    kernel = np.zeros_like(layer.mu[:, answers.chosen])
    rows = answers.probes.rows[singles]
    kernel[np.argmax(np.abs(rows), axis=1)] = mean / rows.sum(axis=1, keepdims=True)
    return outputs - answers.probes.rows @ kernel, fault


def _mode(values):
    """Return, along the first axis, the value in whose neighbourhood most others lie."""
    ordered = np.sort(values, axis=0)
    step = max(1, int(SHARE * len(values)))
    width = ordered[step:] - ordered[:-step]
    first = np.argmin(width, axis=0)
    return np.take_along_axis(ordered, first[None] + step // 2, axis=0)[0]


def wrong_bias_scale(off: NDArray[Any], sigma: NDArray[Any]) -> list[str]:
    """Return [fault] where the bias's draws, at rows of zeros (T, 2, M), have another scale."""
    squares, calls = np.sum(off[:, 0] ** 2, axis=0), len(off)
    chi = squares / sigma**2
    if exact.smallest(exact.chi_square(chi, calls)) > SURE:
        return []
    factor = float(np.sqrt(chi.sum() / chi.size / calls))
    if exact.smallest(exact.chi_square(chi / factor**2, calls)) > FITS:
        return [f"the bias's noise is {factor:.3g} times bias_sigma"]
    return ["the bias's noise is not bias_sigma"]


def is_whole_draw(
    residual: NDArray[Any], rows: NDArray[Any], layer: Layer, chosen: NDArray[Any]
) -> float:
    """Return the p-value of one-input rows' residuals (T, n, M) being x (mu + sigma eps)."""
    from scipy.special import ndtr

    inputs = np.argmax(rows, axis=1)
    mu, sigma = layer.mu[inputs][:, chosen], layer.sigma[inputs][:, chosen]
    size = np.abs(residual) / rows.max(axis=1)[:, None]
    uniform = ndtr((size - mu) / sigma) - ndtr((-size - mu) / sigma)
    return exact.kolmogorov_smirnov(uniform, lambda values: values)


def student(z: NDArray[Any], scaled: bool = True) -> str:
    """Return that the noise is Student's t, with its degrees of freedom; "" where it is not.

    Parameters
    ----------
    z : array
        Residuals over sigma.
    scaled : bool
        Whether sigma is the noise's deviation, or the factor on a plain t.
    """
    from scipy.stats import t

    for degrees in (3, 4, 5, 6, 8, 10, 15, 20):
        scale = np.sqrt((degrees - 2) / degrees) if scaled else 1.0
        law = t(degrees, scale=scale)
        if exact.kolmogorov_smirnov(z, law.cdf) > FITS:
            return f"Student's t noise, of some {degrees} degrees of freedom"
    return ""
