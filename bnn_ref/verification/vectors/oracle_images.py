"""The oracle's layers of images, at 50 digits: convolutions as weights of each example's own.

Written from `docs/vectors.md` alone, as `oracle.py` is. Images lie flat, row by row, channels last;
a signal is an image of height 1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

from ...errors import missing

try:
    from mpmath import mp, mpf
except ImportError:
    raise missing("the oracle", "mpmath", "all") from None


def _two(sizes: Sequence[int]) -> tuple[int, ...]:
    """Return sizes with a 1 in front where they are a signal's."""
    return (*(1,) * (2 - len(sizes)), *sizes)


def _along(length, size, stride, padding):
    """Return, for every place along an axis, its pairs (place in the window, pixel)."""
    if padding == "same":
        places = -(-length // stride)
        before = max((places - 1) * stride + size - length, 0) // 2
    else:
        places, before = (length - size) // stride + 1, 0
    starts = [place * stride - before for place in range(places)]
    return [[(i, start + i) for i in range(size) if 0 <= start + i < length] for start in starts]


def _under(layer, size):
    """Return, for every place, its (i, j, first number of the pixel): what lies in the image."""
    *sides, channels = layer["input_shape"]
    sides = _two(sides)
    rows, columns = (_along(length, along, stride, layer["padding"]) for length, along, stride in
                     zip(sides, _two(size), _two(layer["strides"]), strict=True))  # fmt: skip
    return [[(i, j, (y * sides[1] + x) * channels) for (i, y), (j, x) in product(row, column)]
            for row, column in product(rows, columns)], channels  # fmt: skip


def convolution(layer: Mapping[str, Any], p: Mapping[str, Any], h: Any, softplus: Any) -> Any:
    """Return a convolution's pre-activations, rows of a list of lists, for the rows h."""
    shift, filters = mpf(layer["scale_shift"]), range(layer["filters"])
    signal = len(layer["kernel_size"]) == 1
    mu, rho, eps = ([p[name]] if signal else p[name]
                    for name in ("kernel_mu", "kernel_rho", "kernel_eps"))  # fmt: skip
    kh, kw = _two(layer["kernel_size"])
    places, channels = _under(layer, layer["kernel_size"])
    at = list(product(range(kh), range(kw), range(channels), filters))
    delta = {(i, j, c, f): (shift + softplus(rho[i][j][c][f])) * eps[i][j][c][f]
             for i, j, c, f in at}  # fmt: skip
    mean = p.get("bias_mu", [mpf(0)] * len(filters))
    noise = [mpf(0)] * len(filters)
    if "bias_rho" in p:
        drawn = zip(p["bias_rho"], p["bias_eps"], strict=True)
        noise = [(shift + softplus(r)) * e for r, e in drawn]
    rows = []
    for x, s, t in zip(h, p["sign_input"], p["sign_output"], strict=True):
        w = {key: mu[key[0]][key[1]][key[2]][key[3]] + s[key[2]] * d * t[key[3]]
             for key, d in delta.items()}  # fmt: skip
        flips = t if layer["bias"] == "normal_flipped" else [1] * len(t)
        rows.append([
            mp.fsum(x[first + c] * w[i, j, c, f] for i, j, first in place for c in range(channels))
            + mean[f] + noise[f] * flips[f]
            for place in places for f in filters
        ])  # fmt: skip
    return rows


def max_pool(layer: Mapping[str, Any], h: Any, chosen: dict[Any, int]) -> Any:
    """Return the largest numbers under the window; of equal ones the first.

    ``chosen`` remembers which was taken, so that a difference does not change it.
    """
    places, channels = _under(layer, layer["pool_size"])
    rows = []
    for n, x in enumerate(h):
        row = []
        for k, place in enumerate(places):
            for c in range(channels):
                under = [first + c for _, _, first in place]
                best = chosen.setdefault((n, k, c), max(under, key=lambda at, x=x: x[at]))
                row.append(x[best])
        rows.append(row)
    return rows


def average_pool(layer: Mapping[str, Any], h: Any, chosen: dict[Any, int]) -> Any:
    """Return the means of those numbers under the window that lie in the image."""
    places, channels = _under(layer, layer["pool_size"])
    return [[mp.fsum(x[first + c] for _, _, first in place) / len(place)
             for place in places for c in range(channels)] for x in h]  # fmt: skip


PLAIN: dict[str, Any] = {  # layers without parameters: type to outputs
    "MaxPool2D": max_pool,
    "AveragePool2D": average_pool,
    "Flatten": lambda layer, h, chosen: h,
}
