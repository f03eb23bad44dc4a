"""Probe a random layer: rows whose outputs tell how its noise is made, and what it answered.

A layer is asked, many times, for its pre-activations on the person's rows followed by probe rows:
none, one, two or all of the inputs nonzero, each row twice. For one row alone Flipout, one shared
weight draw and independent noise have the same law, N(x mu + b, x^2 sigma^2), independent over
outputs; what differs stands between the two equal rows of a pair.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...border import check_choice
from ...errors import expected
from ...layers import BIASES
from ..containers import as_array, like

SINGLES = 8  # inputs probed one at a time
OUTPUTS = 16  # outputs of the probe rows kept from every call
COPIES = 32  # equal rows that show one side's signs, see `sides.py`
SIGNS = 7  # of a side that are read in one row
ROUNDINGS = 64  # rounding units of |x| |mu| + |b| + |noise| that separate equal from different


class Layer(NamedTuple):
    """What is claimed of the layer, in float64.

    Attributes
    ----------
    mu, sigma : array (I, O)
    bias_mu : array (O,), zeros for a layer without bias
    bias_sigma : array (O,), or None where the bias has no noise
    bias : str, "none", "deterministic", "normal" or "normal_flipped"
    """

    mu: NDArray[Any]
    sigma: NDArray[Any]
    bias_mu: NDArray[Any]
    bias_sigma: NDArray[Any]
    bias: str


class Probes(NamedTuple):
    """The probe rows, each asked for twice in every call.

    Attributes
    ----------
    rows : array (m, I): row 0 is zero; then `singles` one-input rows, `twos` two-input rows (row j
        joins the inputs of singles 2j and 2j + 1) and, where I > 2, one row with every input
    singles, twos, every : slices of the rows (``every`` is empty where I <= 2)
    """

    rows: NDArray[Any]
    singles: slice
    twos: slice
    every: slice


class Answers(NamedTuple):
    """What the layer answered in T calls.

    Attributes
    ----------
    probes : `Probes`
    outputs : array (T, 2, m, M), the probe rows' outputs, first and second of each pair
    chosen : array (M,), which outputs these are
    rows : array (n, I), the rows of the moments: the person's, then each probe once
    total, squares : array (n, O), sums over calls of the residual and of its square
    sigma : array (n, O), the standard deviation claimed for each residual
    minus_bias : bool, whether the residuals are differences from the zero row of the same call
    unit : float, half the spacing of the outputs' dtype at 1
    copies : array (T, 2, R, M), outputs of equal rows: with the inputs of the first `joined`
        singles, and with the first alone; R is 0 where they are not asked for
    joined : int, how many inputs the former have
    """

    probes: Probes
    outputs: NDArray[Any]
    chosen: NDArray[Any]
    rows: NDArray[Any]
    total: NDArray[Any]
    squares: NDArray[Any]
    sigma: NDArray[Any]
    minus_bias: bool
    unit: float
    copies: NDArray[Any]
    joined: int

    @property
    def calls(self) -> int:
        """The number of calls T."""
        return self.outputs.shape[0]


def make_layer(
    kernel_mu: ArrayLike,
    kernel_sigma: ArrayLike,
    bias_mu: ArrayLike | None,
    bias_sigma: ArrayLike | None,
    bias: str,
) -> Layer:
    """Return the `Layer` of a person's arrays.

    Raises
    ------
    ValueError
        For shapes that do not fit, values not finite, a sigma not above 0, an unknown bias kind
        or a bias kind without its arrays.
    """
    check_choice(bias, "bias", BIASES)
    mu = np.asarray(as_array(kernel_mu), np.float64)
    if mu.ndim != 2 or 0 in mu.shape:
        raise expected("kernel_mu", "a matrix (inputs, outputs)", f"shape {mu.shape}")
    outputs = mu.shape[1]
    if bias.startswith("normal") and (bias_mu is None or bias_sigma is None):
        raise expected(f"bias {bias}", "bias_mu and bias_sigma", "none")
    if bias == "none" and bias_mu is not None:
        raise expected("bias_mu", "None where bias is none", "an array")
    if not bias.startswith("normal") and bias_sigma is not None:
        raise expected("bias_sigma", f"None where bias is {bias}", "an array")
    sigma = np.asarray(as_array(kernel_sigma), np.float64)
    bias_mu = np.zeros(outputs) if bias_mu is None else np.asarray(as_array(bias_mu), np.float64)
    bias_sigma = None if bias_sigma is None else np.asarray(as_array(bias_sigma), np.float64)
    for thing, value, shape in (
        ("kernel_mu", mu, mu.shape),
        ("kernel_sigma", sigma, mu.shape),
        ("bias_mu", bias_mu, (outputs,)),
        ("bias_sigma", bias_sigma, (outputs,)),
    ):
        if value is None:
            continue
        if value.shape != shape:
            raise expected(thing, shape, value.shape)
        if not np.all(np.isfinite(value)):
            raise expected(thing, "finite values", "a NaN or an infinity")
        if thing.endswith("sigma") and not np.all(value > 0):
            raise expected(thing, "values above 0", np.min(value))
    return Layer(mu, sigma, bias_mu, bias_sigma, bias)


def make_probes(inputs: int, size: float) -> Probes:
    """Return the `Probes` of a layer with that many inputs; nonzero entries are about ``size``."""
    chosen = np.unique(np.linspace(0, inputs - 1, min(inputs, SINGLES)).astype(int))
    singles = np.zeros((chosen.size, inputs))
    singles[np.arange(chosen.size), chosen] = size
    pairs = chosen.size // 2
    twos = singles[0 : 2 * pairs : 2] + singles[1 : 2 * pairs : 2]
    rng = np.random.default_rng(0)
    every = size * rng.choice([-1.0, 1.0], (1, inputs)) * rng.uniform(0.5, 1.5, (1, inputs))
    every = every[: int(inputs > 2)]
    rows = np.concatenate([np.zeros((1, inputs)), singles, twos, every])
    ends = np.cumsum([1, len(singles), len(twos), len(every)])
    return Probes(rows, *(slice(ends[k], ends[k + 1]) for k in range(3)))


def ask(call: Callable[[Any], Any], layer: Layer, x: ArrayLike, draws: int, expect: str) -> Answers:
    """Return the `Answers` of a layer called ``draws`` times.

    Raises
    ------
    ValueError
        For x that is not a float matrix of the layer's inputs, outputs of another shape or not
        finite, or noise below the rounding of the outputs' dtype.
    """
    given, x = x, _take_rows(x, layer)
    size = float(np.sqrt(np.mean(x.astype(np.float64) ** 2))) if x.size else 0.0
    probes = make_probes(x.shape[1], size or 1.0)
    joined = min(SIGNS, probes.singles.stop - 1)
    copied = _copied(probes, joined, expect == "flipout" and layer.bias != "normal_flipped")
    batch = np.concatenate([x, probes.rows, probes.rows, copied]).astype(x.dtype)
    rows = batch[: len(x) + len(probes.rows)].astype(np.float64)
    probes = probes._replace(rows=rows[len(x) :])
    zero = len(x)  # the row of the batch that is zero
    outputs = layer.mu.shape[1]
    chosen = np.unique(np.linspace(0, outputs - 1, min(outputs, OUTPUTS)).astype(int))
    kept = np.empty((draws, 2, len(probes.rows), chosen.size))
    copies, end = np.empty((draws, 2, len(copied) // 2, chosen.size)), len(batch) - len(copied)
    total, squares = np.zeros((2, len(rows), outputs))
    centre = rows @ layer.mu
    minus_bias, unit = False, np.finfo(np.float64).eps / 2
    for t in range(draws):
        asked = like(given, batch.copy())  # of its own, for a call that works in place
        y = _take_outputs(call(asked), (len(batch), outputs))
        if t == 0:
            if np.all(y == y.astype(np.float32)):
                unit = np.finfo(np.float32).eps / 2
            minus_bias = _is_shared(y[zero], y[zero + len(probes.rows)], layer, expect, unit)
        kept[t] = y[zero:end, chosen].reshape(kept.shape[1:])
        copies[t] = y[end:, chosen].reshape(copies.shape[1:])
        residual = y[: len(rows)] - centre
        residual -= y[zero] if minus_bias else layer.bias_mu
        residual[zero] = y[zero] - layer.bias_mu
        total += residual
        squares += residual**2
    sigma = _residual_sigma(layer, rows, zero, minus_bias, unit, draws)
    return Answers(probes, kept, chosen, rows, total, squares, sigma, minus_bias, unit, copies,
                   joined)  # fmt: skip


def _copied(probes, joined, wanted):
    """Return the rows whose copies show signs (2 R, I): of some inputs joined, then of one."""
    singles = probes.rows[probes.singles]
    rows = np.stack([singles[:joined].sum(axis=0), singles[0]])
    return np.repeat(rows, COPIES * wanted, axis=0)


def _take_rows(x, layer):
    """Return a person's rows as an array, or raise where they are none of the layer's."""
    x = as_array(x)
    if x.dtype not in (np.float32, np.float64):
        raise expected("x", "float32 or float64", x.dtype)
    if x.ndim != 2 or x.shape[1] != layer.mu.shape[0]:
        raise expected("x", f"shape (rows, {layer.mu.shape[0]})", x.shape)
    if not np.all(np.isfinite(x)):
        raise expected("x", "finite values", "a NaN or an infinity")
    return x


def _take_outputs(answer, shape):
    """Return a layer's outputs in float64, or raise where they are none."""
    y = as_array(answer)
    if y.shape != shape:
        raise expected("outputs of call", f"shape {shape}", y.shape)
    y = y.astype(np.float64)
    if not np.all(np.isfinite(y)):
        raise expected("outputs of call", "finite values", "a NaN or an infinity")
    return y


def _is_shared(first, second, layer, expect, unit):
    """Return whether residuals are taken from the zero rows, whose bias the whole call shares."""
    if layer.bias_sigma is None:
        return False
    same = bool(np.all(np.abs(first - second) <= ROUNDINGS * unit * np.abs(first)))
    return (
        (layer.bias == "normal" and expect == "flipout")
        or expect == "shared"
        or (expect == "independent" and same)
    )


def _residual_sigma(layer, rows, zero, minus_bias, unit, draws):
    """Return each residual's standard deviation, 0 where its rounding would be seen: not tested.

    Raises
    ------
    ValueError
        Where it would be seen in a probe row.
    """
    sigma = rows**2 @ layer.sigma**2
    if layer.bias_sigma is not None:
        sigma += (not minus_bias) * layer.bias_sigma**2
        sigma[zero] = layer.bias_sigma**2
    sigma = np.sqrt(sigma)
    coarse = unit * (np.abs(rows) @ np.abs(layer.mu) + np.abs(layer.bias_mu))
    blurred = (4 * coarse > 0.05 / np.sqrt(draws) * sigma) & (sigma > 0)
    if np.any(blurred[zero + 1 :]):
        raise expected(
            "kernel_sigma",
            f"noise well above the rounding of {np.abs(layer.mu).max():.3g} in the outputs' dtype",
            f"down to {layer.sigma.min():.3g}",
        )
    sigma[blurred] = 0
    return sigma
