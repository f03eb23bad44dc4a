"""The likelihoods: negative log-likelihood of a batch in nats, and its gradient by the outputs.

nll = sum_n w_n nll_n / B, where nll_n sums over the output dimensions of example n and every
weight w_n is 1 unless the person gives others. Each class has the same four methods:

``check_targets(y, leading, outputs)``
    the targets ready for use, or a `ValueError` that names value and row;
``nll_rows(z, y, scale_rho)``
    nll_n, shape (B,);
``nll_and_gradient(z, y, weight, scale_rho)``
    the nll, its gradient by z, and by scale_rho where a scale is learned;
``to_json()``
    the description of `spec/vectors.md`.

z are the last layer's outputs, (B, O). Targets are never broadcast, reshaped or clipped: class
ids have the inputs' leading shape, (B,); other targets that shape and O, (B, O). One-hot rows and
columns (B, 1) of class ids are refused: pass ``y.argmax(-1)`` or ``y[:, 0]``.
"""

from dataclasses import dataclass

import numpy as np

from .elementary import log_softmax, sigmoid, softplus, softplus_inverse
from .errors import expected


def _numbers(y, shape, hint=""):
    """Return y as an array of numbers of that shape, or raise; booleans count as 0 and 1."""
    y = np.asarray(y)
    if y.dtype.kind not in "buif":
        raise TypeError(f"y: expected numbers, found dtype {y.dtype}")
    if y.shape != shape:
        raise expected("y", f"shape {shape}{hint}", y.shape)
    return y


def _refuse_first(bad, y, wanted):
    """Raise the error for the first entry where `bad`, naming value and row."""
    place = tuple(int(i) for i in np.argwhere(bad)[0])
    where = f"row {place[0]}" + (f", column {place[-1]}" if len(place) > 1 else "")
    raise expected("y", wanted, f"{y[place]} in {where}")


def _total(rows, weight):
    """Return sum_n w_n rows_n / B as a float64 (complex128 for complex rows)."""
    wide = np.complex128 if np.iscomplexobj(rows) else np.float64
    if weight is not None:
        rows = rows * weight  # E4
    return np.sum(rows, dtype=wide) / len(rows)  # E4


def _share(z, weight):
    """Return w_n / B, what each example counts for, as (B, 1) or a number of z's dtype."""
    if weight is None:
        return z.real.dtype.type(1 / len(z))  # E7
    return (weight / len(z)).astype(z.real.dtype)[:, None]  # E7


class _Likelihood:
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
        nll = _total(self.nll_rows(z, y, scale_rho), weight)  # E4
        return nll, self._slope(z, y, scale_rho) * _share(z, weight), None  # E7


@dataclass(frozen=True)
class Categorical(_Likelihood):
    """Class ids 0..O-1; the outputs are logits. nll_n = log sum_o exp(z_no) - z_n,y(n)."""

    metric = "accuracy"

    def check_targets(self, y, leading, outputs):
        """Return class ids as int64 (B,).

        Parameters
        ----------
        y : array, shape leading
        leading : tuple of int
            The inputs' shape without its last dimension; its product is B.
        outputs : int
            O, the number of classes.

        Raises
        ------
        ValueError
            Where the shape is not `leading`, or an id is not a whole number in 0..O-1; the
            message names value and row. Whole numbers of a float dtype are taken.
        """
        y = _numbers(y, leading, " (class ids, not one-hot rows or a column)").reshape(-1)
        ids = y.astype(np.int64, copy=False) if y.dtype.kind in "bi" else None
        if ids is not None and ids.size and np.maximum.reduce(ids.view(np.uint64)) < outputs:
            return ids  # seen as unsigned, a negative one is huge
        good = (y >= 0) & (y < outputs)
        if y.dtype.kind == "f":
            good &= y == np.floor(y)
        if not np.all(good):
            _refuse_first(~good, y, f"class ids, whole numbers from 0 to {outputs - 1}")
        return y.astype(np.int64)

    def nll_rows(self, z, y, scale_rho=None):
        """Return -log softmax(z_n)[y_n] for each example: array (B,), nats.

        Parameters
        ----------
        z : array (B, O), float or complex
            Logits.
        y : array (B,)
            As `check_targets` returns it.
        scale_rho : None
            Classes have no scale.
        """
        return -log_softmax(z)[np.arange(len(z)), y]  # E4

    def _slope(self, z, y, scale_rho):
        slope = np.exp(log_softmax(z))  # E7
        slope[np.arange(len(z)), y] -= 1  # E7
        return slope

    def to_json(self):
        """Return ``{"type": "categorical"}``."""
        return {"type": "categorical"}


@dataclass(frozen=True)
class Bernoulli(_Likelihood):
    """Targets 0 or 1; the outputs are logits. nll_no = y softplus(-z) + (1 - y) softplus(z)."""

    metric = "accuracy"

    def check_targets(self, y, leading, outputs):
        """Return targets as float64 (B, O), each 0 or 1.

        Parameters
        ----------
        y : array, shape (*leading, outputs)
        leading : tuple of int
            The inputs' shape without its last dimension; its product is B.
        outputs : int
            O.

        Raises
        ------
        ValueError
            For another shape or value; the message names value and row.
        """
        y = _numbers(y, (*leading, outputs)).reshape(-1, outputs)
        good = (y == 0) | (y == 1)
        if not np.all(good):
            _refuse_first(~good, y, "0 or 1")
        return y.astype(np.float64)

    def nll_rows(self, z, y, scale_rho=None):
        """Return sum_o softplus((1 - 2 y_no) z_no) for each example: array (B,), nats.

        Parameters
        ----------
        z : array (B, O), float or complex
            Logits.
        y : array (B, O)
            As `check_targets` returns it.
        scale_rho : None
            A probability has no scale.
        """
        side = (1 - 2 * y).astype(z.real.dtype)
        return np.sum(softplus(side * z), axis=-1)  # E4

    def _slope(self, z, y, scale_rho):
        side = (1 - 2 * y).astype(z.real.dtype)
        return side * sigmoid(side * z)  # E7: sigmoid(z) - y, without cancelling

    def to_json(self):
        """Return ``{"type": "bernoulli"}``."""
        return {"type": "bernoulli"}


@dataclass(frozen=True)
class Normal(_Likelihood):
    """Real targets; the outputs are the mean. nll_no = t^2/2 + log(s) + log(2 pi)/2, t = (y - z)/s.

    Parameters
    ----------
    scale : float
        The standard deviation s > 0; where it is learned, its initial value.
    learn_scale : bool
        Learn one standard deviation per output, s_o = softplus(scale_rho_o). The parameter is a
        point estimate: it has no posterior and adds nothing to the KL.

    Raises
    ------
    ValueError
        For a scale that is not finite and above 0.
    """

    scale: float = 1.0
    learn_scale: bool = False
    metric = "rmse"

    def __post_init__(self):
        try:
            scale = float(self.scale)
        except (TypeError, ValueError):
            raise expected("likelihood.scale", "a number", repr(self.scale)) from None
        if not (np.isfinite(scale) and scale > 0):
            raise expected("likelihood.scale", "a finite standard deviation above 0", scale)
        object.__setattr__(self, "scale", scale)
        object.__setattr__(self, "learn_scale", bool(self.learn_scale))

    def check_targets(self, y, leading, outputs):
        """Return targets as float64 (B, O).

        Parameters
        ----------
        y : array, shape (*leading, outputs)
        leading : tuple of int
            The inputs' shape without its last dimension; its product is B.
        outputs : int
            O.

        Raises
        ------
        ValueError
            For another shape or a value that is not finite; the message names value and row.
        """
        y = _numbers(y, (*leading, outputs)).reshape(-1, outputs).astype(np.float64)
        if not np.all(np.isfinite(y)):
            _refuse_first(~np.isfinite(y), y, "finite numbers")
        return y

    def initial_scale_rho(self, outputs, dtype):
        """Return the scale_rho (O,) at which every scale is ``self.scale``.

        Parameters
        ----------
        outputs : int
            O.
        dtype : dtype
            float32 or float64.
        """
        return np.full(outputs, softplus_inverse(self.scale), dtype)

    def scales(self, scale_rho, dtype):
        """Return the standard deviation in use: a number of that dtype, or (O,) if learned.

        Parameters
        ----------
        scale_rho : array (O,) or None
            None where the scale is fixed.
        dtype : numpy.dtype
            Of a fixed scale; a learned one has its own.
        """
        return dtype.type(self.scale) if scale_rho is None else softplus(scale_rho)  # E18

    def nll_rows(self, z, y, scale_rho=None):
        """Return sum_o t^2/2 + log(s_o) + log(2 pi)/2 for each example: array (B,), nats.

        Parameters
        ----------
        z : array (B, O), float or complex
            Predicted means.
        y : array (B, O)
            As `check_targets` returns it.
        scale_rho : array (O,) or None
            Where the scale is learned.
        """
        s = self.scales(scale_rho, z.real.dtype)
        t = (y.astype(z.real.dtype) - z) / s  # E4
        constant = z.real.dtype.type(0.5 * np.log(2 * np.pi))
        return np.sum(0.5 * t * t + (np.log(s) + constant), -1)  # E4

    def _slope(self, z, y, scale_rho):
        s = self.scales(scale_rho, z.real.dtype)
        return (z - y.astype(z.real.dtype)) / s / s  # E7

    def nll_and_gradient(self, z, y, weight=None, scale_rho=None):
        nll, grad_z, _ = super().nll_and_gradient(z, y, weight, scale_rho)
        if scale_rho is None:
            return nll, grad_z, None
        s = softplus(scale_rho)
        t = (y.astype(z.real.dtype) - z) / s
        grad_s = np.sum((1 - t) * (1 + t) / s * _share(z, weight), axis=0)  # (O,), E18
        return nll, grad_z, grad_s * sigmoid(scale_rho)  # E18

    def to_json(self):
        """Return ``{"type": "normal", "scale": s}``, and ``"learn_scale": true`` where it is."""
        learned = {"learn_scale": True} if self.learn_scale else {}
        return {"type": "normal", "scale": self.scale, **learned}


LIKELIHOODS = {"categorical": Categorical, "bernoulli": Bernoulli, "normal": Normal}


def likelihood_from_json(description):
    """Return the likelihood that `to_json` described.

    Parameters
    ----------
    description : dict

    Raises
    ------
    ValueError
        For an unknown type, or keys that the type does not have.
    """
    if not isinstance(description, dict) or description.get("type") not in LIKELIHOODS:
        raise expected("likelihood", f"an object whose type is one of {', '.join(LIKELIHOODS)}",
                       repr(description))  # fmt: skip
    options = {key: value for key, value in description.items() if key != "type"}
    kind = LIKELIHOODS[description["type"]]
    known = {"scale", "learn_scale"} if kind is Normal else set()
    if not set(options) <= known:
        raise expected(f"likelihood {description['type']}", f"keys {sorted(known | {'type'})}",
                       sorted(description))  # fmt: skip
    return kind(**options)
