"""Data the network never saw: images turned or of noise, table rows moved away or mixed up."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..toys import turned

ANGLES = tuple(range(0, 181, 15))
FACTORS = (1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0)
NOISE_SCALE = 3.0  # standard deviations of a table's noise rows
ROWS = 500


class Shift(NamedTuple):
    """Rows changed by degrees.

    Attributes
    ----------
    label : str
        Of the axis that says by how much.
    amounts : tuple of float
    rows : list of arrays (N, I), one for each amount
    """

    label: str
    amounts: tuple[float, ...]
    rows: list[NDArray[Any]]


def gradual(x: NDArray[Any], image: tuple[int, int] | None) -> Shift:
    """Return the `Shift` of some encoded rows: turned images, or table rows moved outwards.

    Parameters
    ----------
    x : array (N, I)
        Encoded; a table's columns have mean 0 and standard deviation 1 over the training rows.
    image : (height, width) or None
    """
    if image is not None:
        return Shift("rotation, degrees", ANGLES, [turned(x, image, a) for a in ANGLES])
    rows = [(factor * x).astype(x.dtype) for factor in FACTORS]
    return Shift("distance from the mean, times the row's own", FACTORS, rows)


def strangers(
    x: NDArray[Any], image: tuple[int, int] | None, seed: int = 0
) -> dict[str, NDArray[Any]]:
    """Return name to rows (N, I) of kinds of data that no row of the training set is like.

    Images: turned by 90 degrees, and pixels drawn uniformly between the smallest and the largest.
    Tables: columns shuffled independently of each other where there are several, and N(0, 3^2) in
    every column.
    """
    rng = np.random.default_rng(seed)
    if image is not None:
        noise = rng.uniform(x.min(), x.max(), x.shape).astype(x.dtype)
        return {"rotated by 90 degrees": turned(x, image, 90), "noise images": noise}
    changed = {}
    if x.shape[1] > 1:
        changed["columns shuffled"] = np.stack([rng.permutation(column) for column in x.T], axis=1)
    noise = NOISE_SCALE * rng.standard_normal(x.shape)
    changed[f"noise of scale {NOISE_SCALE:g}"] = noise.astype(x.dtype)
    return changed


def area(strange: NDArray[Any], usual: NDArray[Any]) -> float:
    """Return the area under the ROC of telling strange rows from usual ones by a number.

    The chance that a strange row has the larger one, ties counting a half: 0.5 is chance, 1 tells
    all of them apart, below 0.5 the strange rows look the more usual.

    Parameters
    ----------
    strange, usual : arrays (N,), (M,)
    """
    from scipy.stats import mannwhitneyu

    pairs = len(strange) * len(usual)  # U counts those in which the strange row has more
    return float(mannwhitneyu(strange, usual, method="asymptotic").statistic / pairs)


def noticed(groups: Mapping[str, NDArray[Any]]) -> str:
    """Return a sentence for each strange kind of rows: is the uncertainty larger there?

    Parameters
    ----------
    groups : dict of name to array (N,)
        The total uncertainty of each row; the first entry is of the usual ones.
    """
    (usual, own), *strange = groups.items()
    sentences = []
    for name, rows in strange:
        side = "larger" if rows.mean() > own.mean() else "not larger"
        sentences.append(
            f"For {name} it is {side} ({rows.mean():.3g} in the mean, {own.mean():.3g} for "
            f"{usual}); the area under the ROC that tells them apart is {area(rows, own):.2f}."
        )
    return " ".join(sentences)
