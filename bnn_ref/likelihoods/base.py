"""What every likelihood shares.

The negative log-likelihood of a batch in nats, and its gradient by the outputs:

nll = sum_n w_n nll_n / B, where nll_n sums over the output dimensions of example n and every
weight w_n is 1 unless the person gives others. Each class has the same four methods:

``check_targets(y, leading, outputs)``
    the targets ready for use, or a `ValueError` that names value and row;
``nll_rows(z, y, scale_rho)``
    nll_n, shape (B,);
``nll_and_gradient(z, y, weight, scale_rho)``
    the nll, its gradient by z, and by scale_rho where a scale is learned;
``to_json()``
    the description of `docs/vectors.md`.

z are the last layer's outputs, (B, O). Targets are never broadcast, reshaped or clipped: class
ids have the inputs' leading shape, (B,); other targets that shape and O, (B, O). One-hot rows and
columns (B, 1) of class ids are refused: pass ``y.argmax(-1)`` or ``y[:, 0]``.
"""

import numpy as np

from ..errors import expected


def numbers(y, shape, hint=""):
    """Return y as an array of numbers of that shape, or raise; booleans count as 0 and 1."""
    y = np.asarray(y)
    if y.dtype.kind not in "buif":
        raise TypeError(f"y: expected numbers, found dtype {y.dtype}")
    if y.shape != shape:
        raise expected("y", f"shape {shape}{hint}", y.shape)
    return y


def refuse_first(bad, y, wanted):
    """Raise the error for the first entry where `bad`, naming value and row."""
    place = tuple(int(i) for i in np.argwhere(bad)[0])
    where = f"row {place[0]}" + (f", column {place[-1]}" if len(place) > 1 else "")
    raise expected("y", wanted, f"{y[place]} in {where}")


def total(rows, weight):
    """Return sum_n w_n rows_n / B as a float64 (complex128 for complex rows)."""
    wide = np.complex128 if np.iscomplexobj(rows) else np.float64
    if weight is not None:
        rows = rows * weight  # E4
    return np.sum(rows, dtype=wide) / len(rows)  # E4


def share(z, weight):
    """Return w_n / B, what each example counts for, as (B, 1) or a number of z's dtype."""
    if weight is None:
        return z.real.dtype.type(1 / len(z))  # E7
    return (weight / len(z)).astype(z.real.dtype)[:, None]  # E7


class Likelihood:
    learn_scale = False

    def nll_and_gradient(self, z, y, weight=None, scale_rho=None):
        """Return the batch's nll, its gradient by the outputs and by ``scale_rho``.

        Parameters
        ----------
        z : array (B, O), float or complex, B >= 1
            The last layer's outputs.
        y : array
            As `check_targets` returns it.
        weight : array (B,) or None
            w_n; None means 1 each.
        scale_rho : array (O,) or None
            Only where the scale is learned.

        Returns
        -------
        nll : float64, nats, sum_n w_n nll_n / B
        grad_z : array (B, O) of z's dtype
        grad_scale_rho : array (O,) or None
        """
        nll = total(self.nll_rows(z, y, scale_rho), weight)  # E4
        return nll, self._slope(z, y, scale_rho) * share(z, weight), None  # E7
