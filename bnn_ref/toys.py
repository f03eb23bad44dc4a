"""Small data sets that show one thing each: what a posterior says where data is sparse or noisy.

Each returns arrays (x, y), float64 and class ids int64, the same for the same seed.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from .border import check_size
from .errors import expected

Arrays = tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]
Classes = tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]


def _generator(rows: int, seed: int) -> np.random.Generator:
    check_size(rows, "rows", 2)
    return np.random.default_rng(check_size(seed, "seed", 0))


def gap(rows: int = 120, noise: float = 0.1, seed: int = 0) -> Arrays:
    """Return a sine with nothing in the middle: x (rows, 1) and y (rows,).

    y = sin(1.5 x) + noise e, half of the x uniform on [-4, -1.5], half on [1.5, 4]. What does the
    band say in the gap?

    Parameters
    ----------
    rows : int, >= 2
    noise : float
        Standard deviation of y's noise.
    seed : int
    """
    rng = _generator(rows, seed)
    left = rows // 2
    x = np.concatenate([rng.uniform(-4, -1.5, left), rng.uniform(1.5, 4, rows - left)])
    return x[:, None], np.sin(1.5 * x) + noise * rng.standard_normal(rows)


def sine(rows: int = 200, noise: float = 0.2, seed: int = 0) -> Arrays:
    """Return one and a half waves, evenly covered: x (rows, 1) and y (rows,).

    y = sin(1.5 x) + noise e, x uniform on [-3, 3].

    Parameters
    ----------
    rows, noise, seed
        As for `gap`.
    """
    rng = _generator(rows, seed)
    x = rng.uniform(-3, 3, rows)
    return x[:, None], np.sin(1.5 * x) + noise * rng.standard_normal(rows)


def heteroscedastic(rows: int = 500, seed: int = 0) -> Arrays:
    """Return a curve whose noise grows away from 0: x (rows, 1) and y (rows,).

    y = x sin(x) + (0.1 + 0.4 abs(x)) e, x uniform on [-4, 4]: a constant noise scale fits nowhere.

    Parameters
    ----------
    rows, seed
        As for `gap`.
    """
    rng = _generator(rows, seed)
    x = rng.uniform(-4, 4, rows)
    return x[:, None], x * np.sin(x) + (0.1 + 0.4 * np.abs(x)) * rng.standard_normal(rows)


def moons(rows: int = 200, noise: float = 0.15, seed: int = 0) -> Classes:
    """Return two half circles that reach into each other: x (rows, 2), classes 0 and 1 (rows,).

    Class 0 lies on the upper half of the unit circle, class 1 on the lower half of one around
    (1, 0.5).

    Parameters
    ----------
    rows, noise, seed
        As for `gap`; the noise is on both coordinates.
    """
    rng = _generator(rows, seed)
    y = np.arange(rows) % 2
    angle = rng.uniform(0, np.pi, rows)
    x = np.stack([np.cos(angle), np.sin(angle)], axis=1)  # (rows, 2)
    x[y == 1] = [1.0, 0.5] - x[y == 1]
    return x + noise * rng.standard_normal(x.shape), y


def rings(rows: int = 300, noise: float = 0.1, seed: int = 0) -> Classes:
    """Return a disc's edge within a ring: x (rows, 2), classes 0 (radius 1) and 1 (radius 2).

    Parameters
    ----------
    rows, noise, seed
        As for `moons`.
    """
    rng = _generator(rows, seed)
    y = np.arange(rows) % 2
    angle = rng.uniform(0, 2 * np.pi, rows)
    x = (1 + y)[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return x + noise * rng.standard_normal(x.shape), y


def turned(images: npt.NDArray[np.floating], shape: tuple[int, int], angle: float,
           ) -> npt.NDArray[np.floating]:  # fmt: skip
    """Return flat images (N, H W) turned by an angle; what comes in has the smallest value.

    Pixels between the old ones are interpolated linearly.

    Parameters
    ----------
    images : array (N, H W)
    shape : (H, W)
    angle : float
        Degrees, counter-clockwise.
    """
    from scipy.ndimage import rotate

    if images.ndim != 2 or images.shape[1] != shape[0] * shape[1]:
        raise expected("images", f"shape (N, {shape[0] * shape[1]})", images.shape)
    pictures = images.reshape(-1, *shape)
    turned_pictures = rotate(pictures, angle, axes=(1, 2), reshape=False, order=1, mode="constant",
                   cval=float(images.min()))  # fmt: skip
    return turned_pictures.reshape(images.shape).astype(images.dtype)


def turned_digits(angle: float = 90.0) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """Return the bundled digits' held-out rows turned: x (360, 64) from 0 to 1, classes (360,).

    No network saw a turned one: does its uncertainty grow?

    Parameters
    ----------
    angle : float
        Degrees, counter-clockwise; 0 gives the rows as they are.
    """
    from .data import load

    held_out = load("digits").validation
    x = np.asarray(held_out.x[:], np.float64)
    return turned(x, (8, 8), angle), np.asarray(held_out.y[:], np.int64)
