"""A library's own KL, by its numbers alone: what it sums or averages, and whether it is one.

For a library that offers a KL and lets nobody see how it comes about. An exact one is compared with
the closed form under every reduction and known mistake; one that is estimated at drawn weights is
tested for its mean.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ...border import check_choice, check_size
from ...errors import expected
from ..containers import as_array, one_number

REDUCTIONS = {
    "sum": "summed over weights",
    "mean": "averaged over weights",
    "tensor_means": "each tensor's mean, summed",
    "mean_of_tensors": "each tensor's sum, averaged",
    "mean_of_means": "each tensor's mean, averaged",
}
FORMS = {
    "right": "the KL of the posterior from the prior",
    "reverse": "the KL of the prior from the posterior",
    "no_loc": "the KL with the prior's loc taken for 0",
    "variance": "the KL with the prior's scale read as a variance",
    "squared": "the KL with the prior's scale squared",
    "no_half": "the KL without its constant, 1/2 a weight too much",
}


class KlReport(NamedTuple):
    """What `check_kl` found; ``str`` of it is for people and for assertion messages.

    Attributes
    ----------
    agrees : bool, whether it is the right KL, summed over weights
    reduction, form : str, keys of `REDUCTIONS` and `FORMS`; "" where none fits
    found, expected : float, what was returned (its mean), and the right sum
    error : float, the standard error of ``found``; 0 for an exact KL
    weights : int
    """

    agrees: bool
    reduction: str
    form: str
    found: float
    expected: float
    error: float
    weights: int

    def __str__(self) -> str:
        within = f" (standard error {self.error:.2g})" if self.error else ""
        head = f"found {self.found:.9g}{within}, the KL summed over {self.weights} weights is "
        head += f"{self.expected:.9g}: " + ("agrees" if self.agrees else "DISAGREES")
        if self.agrees:
            return head
        if self.form:
            return f"{head}; {FORMS[self.form]}, {REDUCTIONS[self.reduction]}"
        off = (self.found - self.expected) / self.weights
        return f"{head}; no known form or reduction, {off:+.4g} nats a weight"


def _forms(mu, sigma, loc, scale):
    """Return form to the KL of every weight."""

    def kl(loc, scale):
        return np.log(scale / sigma) + (sigma**2 + (mu - loc) ** 2) / (2 * scale**2) - 0.5

    reverse = np.log(sigma / scale) + (scale**2 + (mu - loc) ** 2) / (2 * sigma**2) - 0.5
    return {
        "right": kl(loc, scale),
        "reverse": reverse,
        "no_loc": kl(0.0, scale),
        "variance": kl(loc, np.sqrt(scale)),
        "squared": kl(loc, scale**2),
        "no_half": kl(loc, scale) + 0.5,
    }


def _reduced(tensors):
    """Return reduction to the number it makes of each tensor's KLs."""
    sums = [float(np.sum(t)) for t in tensors]
    means = [float(np.mean(t)) for t in tensors]
    count = sum(t.size for t in tensors)
    return {
        "sum": sum(sums),
        "mean": sum(sums) / count,
        "tensor_means": sum(means),
        "mean_of_tensors": sum(sums) / len(sums),
        "mean_of_means": sum(means) / len(means),
    }


def check_kl(
    call: Callable[[], Any],
    mu: Any,
    sigma: Any,
    prior: tuple[float, float] = (0.0, 1.0),
    *,
    kind: str = "exact",
    draws: int = 2000,
    limit: float = 1e-5,
    error_probability: float = 1e-6,
) -> KlReport:
    """Return a `KlReport`: what a library's KL of Normal posteriors from one Normal prior is.

    Parameters
    ----------
    call : callable, () -> number
        The library's KL of the parameters given here; with "monte_carlo" a new draw at each call.
    mu, sigma : array, or sequence of arrays
        Posterior means and standard deviations, one array for each tensor that has a KL.
    prior : (loc, scale)
        ``scale`` is a standard deviation.
    kind : "exact" or "monte_carlo"
    draws : int, at least 100
        Calls of a Monte Carlo KL.
    limit : float
        Largest relative difference of an exact KL.
    error_probability : float in (0, 1)
        That the mean of a right Monte Carlo KL is contradicted (its mean over the draws taken for
        normal).

    Raises
    ------
    ValueError
        For arrays that do not fit, a sigma or scale not above 0, a KL that is no finite number, an
        exact one that changes between calls, a Monte Carlo one that never does.
    """
    check_choice(kind, "kind", ("exact", "monte_carlo"))
    check_size(draws, "draws", 100)
    mus, sigmas = _tensors(mu), _tensors(sigma)
    if [m.shape for m in mus] != [s.shape for s in sigmas]:
        raise expected("sigma", [m.shape for m in mus], [s.shape for s in sigmas])
    loc, scale = (float(number) for number in prior)
    if scale <= 0 or any(np.any(s <= 0) for s in sigmas):
        raise expected("sigma and prior scale", "values above 0", "others")
    values = np.array(
        [one_number(call(), "KL") for _ in range(draws if kind == "monte_carlo" else 2)]
    )
    still = bool(np.all(values == values[0]))
    if still != (kind == "exact"):
        wanted = "the same value" if kind == "exact" else "another value"
        raise expected("KL", f"{wanted} at each call", "another" if kind == "exact" else "the same")
    found = float(values.mean())
    error = 0.0 if still else float(values.std(ddof=1) / np.sqrt(len(values)))
    each = [_forms(m, s, loc, scale) for m, s in zip(mus, sigmas, strict=True)]
    fits = {
        (form, reduction): abs(value - found)
        for form in FORMS
        for reduction, value in _reduced([forms[form] for forms in each]).items()
        if abs(value - found) <= _allowed(value, error, limit, error_probability)
    }
    right = float(sum(np.sum(forms["right"]) for forms in each))
    plain = [key for key in fits if key[0] == "right"] or list(fits)
    form, reduction = min(plain, key=fits.get) if plain else ("", "")
    agrees = ("right", "sum") in fits
    if agrees:
        form, reduction = "right", "sum"
    return KlReport(agrees, reduction, form, found, right, error, sum(m.size for m in mus))


def _tensors(values):
    parts = values if isinstance(values, (list, tuple)) else [values]
    return [np.asarray(as_array(part), np.float64) for part in parts]


def _allowed(value, error, limit, error_probability):
    """Return how far a KL may be from a value."""
    from scipy.special import ndtri

    return limit * abs(value) if not error else -ndtri(error_probability / 2) * error
