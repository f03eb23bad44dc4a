"""Which known mistake explains an answer that disagrees: the catalogue, tried.

Every result is recomputed under a mistake, and all tensors must agree within the limit. The
reported kl may be as wrong as the loss, or right while only loss and gradients are wrong. The
explanation with the fewest mistakes wins; all that tie are returned. What does not move any result
by more than the limit is no mistake. Nothing is guessed: where no explanation fits, none is given.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from time import monotonic
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .comparison import LIMITS, Comparison, error_of
from .fits import GRIDS, MEANT, fit_kl_weight, fit_number, kl_weight_name, number_name
from .image_mistakes import image_mistakes
from .kinks import fit_slopes, undecided
from .mistakes import (
    BFLOAT16,
    BFLOAT16_PRODUCTS,
    COARSE_PRODUCTS,
    FACTORS,
    FIT,
    FLOAT16,
    FLOAT32,
    MISTAKES,
    OF_LOCAL,
    OF_SIGNS,
    PAIRS,
    TF32,
)
from .precision import format_of, rounding
from .variants import FORWARD, Problem, Variant, compute, forward, is_known, results

if TYPE_CHECKING:
    from .files import Vector
    from .mistakes import Mistake

FLOAT32_LIMIT = 1e-5
SECONDS = 5.0  # what a diagnosis may take
KEPT = 4  # forward passes kept at once: a vector may hold a hundred megabytes


@dataclass(frozen=True)
class Explanation:
    """Mistakes that together reproduce an answer.

    Attributes
    ----------
    mistakes : tuple of Mistake
    details : tuple of str
        For each what was fitted, "" where nothing was.
    """

    mistakes: tuple[Mistake, ...]
    details: tuple[str, ...]

    @property
    def keys(self) -> tuple[str, ...]:
        """The mistakes' short names."""
        return tuple(mistake.key for mistake in self.mistakes)

    def text(self) -> str:
        """Return the explanation on one line for each mistake."""
        return "\n".join(
            f"{mistake.key}: {mistake.what}" + (f" ({detail})" if detail else "")
            for mistake, detail in zip(self.mistakes, self.details, strict=True)
        )

    def to_json(self) -> list[dict[str, Any]]:
        """Return a list with key, sentence and fitted value of each mistake."""
        return [{"mistake": mistake.key, "what": mistake.what, "fitted": detail or None}
                for mistake, detail in zip(self.mistakes, self.details, strict=True)]  # fmt: skip


class _Search:
    """One answer, and what is computed once for all explanations."""

    def __init__(self, vector, comparison):
        self.problem, self.dtype, self.limit = Problem(vector), vector.dtype, comparison.limit
        self.found = {name: np.asarray(value, np.float64) for name, value in vector.results.items()}
        self.expected = {row.name: row.expected for row in comparison.rows}
        self.reach = {row.name: row.limit for row in comparison.rows}
        self.forwards, self.traces, self.numbers = {}, {}, {}
        self.others = OF_SIGNS if vector.meta.get("estimator") == "local" else OF_LOCAL
        self.whole32 = self.dtype == "float64" and all(
            np.array_equal(value, value.astype(np.float32)) for value in self.found.values()
        )

    def off(self, name, expected, limit):
        """Return whether a result is further from a value than the limit, or than it can be."""
        reach = self.reach.get(name, 0.0)
        return error_of(expected, self.found[name]) > max(limit, reach)

    def outputs_agree(self, variant, limit):
        """Return whether the forward pass of a variant gives the answer's outputs."""
        way = _forward_way(variant)
        if (way, limit) not in self.forwards:
            traces = forward(self.problem, variant)
            agree = not self.off("outputs", traces[-1].h, limit)
            self.forwards[way, limit] = agree
            if agree:  # of few variants, and of these the rest is computed time and again
                self.traces[way] = traces
                if len(self.traces) > KEPT:
                    del self.traces[next(iter(self.traces))]
        return self.forwards[way, limit]

    def compute(self, variant, slopes=None):
        """Return everything that a variant computes, its forward pass taken from an earlier one."""
        way = _forward_way(variant)
        return compute(self.problem, variant, slopes, self.traces.get(way))

    def fitted(self, variant, field):
        """Return the number of a field that fits the answer's outputs, or None; looked for once."""
        key = (field, _forward_way(variant))
        if key not in self.numbers:
            self.numbers[key] = fit_number(self.problem, variant, self.found, field)
        return self.numbers[key]

    def fitted_nll(self, variant):
        """Return the factor on the nll that fits the answer's, None where none but 1 does."""
        if not self.outputs_agree(variant, self.limit):
            return None
        right = self.compute(variant).nll
        factor = float(self.found["nll"] / right) if right else 0.0
        return factor if np.isfinite(factor) and abs(factor - 1) > self.limit else None

    def explains(self, variant, limit):
        """Return whether a variant with no number left to fit gives the whole answer."""
        if not self.outputs_agree(variant, limit):
            return False
        out = self.compute(variant)
        named = results(out)
        if self.off("nll", out.nll, limit) and self.off("nll", out.nll_plain, limit):
            return False
        if self.off("loss", named["loss"], limit) or not self._kl_agrees(out, limit):
            return False
        wrong = [name for name in out.nll_grads if self.off(name, named[name], limit)]
        if wrong:
            dtype = np.float32 if limit == FLOAT32_LIMIT else self.dtype
            units = undecided(self.problem, out.traces, dtype)
            if units:
                slopes = fit_slopes(self.problem, variant, self.found, units, dtype)
                named = results(self.compute(variant, slopes))
                wrong = [name for name in wrong if self.off(name, named[name], limit)]
        return not wrong and not self._is_truth(out, named)

    def _kl_agrees(self, out, limit):
        """Return whether the reported KLs are the variant's, in any of the ways to report them."""
        weight = self.problem.kl_weight
        right = np.array([self.expected[f"layers.{k}.kl"] for k in range(len(out.kl_plain))])
        ways = [out.kl_plain, out.kl_used, right]
        if weight:
            ways.append(out.kl_used * out.weight / weight)
        layers = range(len(out.kl_plain))
        return any(
            not any(self.off(f"layers.{k}.kl", way[k], limit) for k in layers) for way in ways
        ) and any(not self.off("kl", np.sum(way), limit) for way in ways)

    def _is_truth(self, out, named):
        """Return whether a variant moves nothing beyond the limit: then it is no mistake."""
        kls = {f"layers.{k}.kl": kl for k, kl in enumerate(out.kl_used)}
        kls["kl"] = np.sum(out.kl_used)
        return all(
            error_of(self.expected[name], value) <= self.limit
            for name, value in {**named, **kls}.items()
        )

    def settle(self, change):
        """Yield (variant, details) for a change, its numbers fitted in every way there is."""
        fixed = {name: value for name, value in change.items() if value is not FIT}
        variants = [(Variant(**fixed), {})]
        for field in [field for field in GRIDS if change.get(field) is FIT]:
            number = self.fitted(variants[0][0], field)
            if number is None:
                return
            named = {**variants[0][1], field: number_name(field, number)}
            variants = [(replace(variants[0][0], **{field: number}), named)]
        if change.get("nll_factor") is FIT:
            factor = self.fitted_nll(variants[0][0])
            if factor is None:
                return
            named = {**variants[0][1], "nll_factor": f"factor {factor:.6g}"}
            variants = [(replace(variants[0][0], nll_factor=factor), named)]
        for variant, details in variants:
            if change.get("kl_weight") is not FIT:
                yield variant, details
            elif self.outputs_agree(variant, FLOAT32_LIMIT if self.whole32 else self.limit):
                for weight in fit_kl_weight(self.compute(variant), self.found):
                    name = kl_weight_name(weight, self.problem)
                    yield replace(variant, kl_weight=weight), {**details, "kl_weight": name}

    def try_mistakes(self, keys, limit):
        """Return the `Explanation` by exactly these mistakes, or None."""
        for change in _combinations([MISTAKES[key].changes for key in keys]):
            for variant, details in self.settle(change):
                if self.explains(variant, limit):
                    shown = [
                        next((details[name] for form in MISTAKES[key].changes for name in form
                              if name in details), "")
                        for key in keys
                    ]  # fmt: skip
                    return Explanation(tuple(MISTAKES[key] for key in keys), tuple(shown))
        return None

    def try_all(self, combinations, end, limit=None):
        """Return the explanations among some combinations, and whether the time sufficed."""
        explanations = []
        for keys in combinations:
            if not self.others.isdisjoint(keys):
                continue
            if monotonic() > end:
                return explanations, False
            explanation = self.try_mistakes(keys, self.limit if limit is None else limit)
            explanations += [explanation] if explanation else []
        return explanations, True

    def precision(self):
        """Return the mistake that is a coarser precision alone, or None.

        Every tensor must be as near as that precision leaves it, and most further than the next
        finer one would. Numbers that are all of a format name it; else the size of the errors does.
        """
        errors = {name: error_of(self.expected[name], v) for name, v in self.found.items()}
        worst = max(errors.values())
        least = max(self.limit, LIMITS["float64"] if self.dtype == "float64" else 1e-6)
        spread = np.mean([error > least for error in errors.values()]) > 0.75 or self.whole32
        for mistake, (limit, fits) in FORMATS.items():
            if mistake is FLOAT32 and self.dtype == "float32":
                continue
            if spread and worst <= limit and (not fits or all(map(fits, self.found.values()))):
                return mistake
        return self._products(errors)

    def _products(self, errors):
        """Return the precision of matrix products alone: the KL has none, all else is behind one.

        The median of the errors tells 10 bits of mantissa from 7; no error is many times as large.
        """
        kls = [error for name, error in errors.items() if name.endswith("kl")]
        behind = [error for name, error in errors.items()
                  if name == "outputs" or name.startswith("grad.")]  # fmt: skip
        median = float(np.median(behind))
        if max(kls) > max(self.limit, FLOAT32_LIMIT) or np.min(behind) <= FLOAT32_LIMIT:
            return None
        if not rounding(self.found["outputs"], self.expected["outputs"]):
            return None
        for mistake, (low, high) in PRODUCTS.items():
            if low < median <= high and max(behind) <= 30 * high:
                return mistake
        return None


def _forward_way(variant):
    """Return what of a variant its forward pass depends on."""
    return tuple(getattr(variant, name) for name in FORWARD)


def _is_float16(value):
    """Return whether an array's numbers are all of float16 (of a few bits, bfloat16's too)."""
    return np.array_equal(value.astype(np.float32).astype(np.float16), value)


# The largest error that a step in a precision leaves, and what tells its numbers, finest first.
FORMATS: dict[str, Any] = {
    FLOAT32: (FLOAT32_LIMIT, None),
    BFLOAT16: (2e-1, lambda value: format_of(value) == "bfloat16"),
    FLOAT16: (5e-2, _is_float16),
}
# Between which errors the median lies where products alone are in a precision.
PRODUCTS = {TF32: (3e-5, 3e-4), COARSE_PRODUCTS: (3e-4, 1.2e-3),
            BFLOAT16_PRODUCTS: (1.2e-3, 1.2e-2)}  # fmt: skip


def _combinations(forms):
    """Return the merged changes of one form of each mistake; forms of one field exclude others."""
    merged = [{}]
    for changes in forms:
        merged = [{**left, **right} for left in merged for right in changes
                  if not set(left) & set(right)]  # fmt: skip
    return merged


def _without_shadows(explanations):
    """Drop a fitted KL weight that a KL mistake by name explains too, unless it has a meaning.

    Likewise a fitted factor, where anything explains the answer without one.
    """
    plain = [each for each in explanations if FACTORS.isdisjoint(each.keys)]
    explanations = plain or explanations

    def others(explanation):
        return {key for key in explanation.keys if not key.startswith("kl-")}

    kept = []
    for explanation in explanations:
        named = any(detail.endswith(tuple(MEANT)) for detail in explanation.details)
        shadowed = "kl-weight" in explanation.keys and any(
            "kl-weight" not in other.keys and others(other) == others(explanation)
            for other in explanations
        )
        if named or not shadowed:
            kept.append(explanation)
    return kept


class Diagnosis(NamedTuple):
    """Explanations with the fewest mistakes, all that tie, and whether everything was tried."""

    explanations: tuple[Explanation, ...] = ()
    complete: bool = True


def diagnose(vector: Vector, comparison: Comparison, seconds: float = SECONDS) -> list[Explanation]:
    """Return the explanations with the fewest mistakes; empty where none fits or none is needed.

    Parameters
    ----------
    vector : Vector
        An answer.
    comparison : Comparison
        As `compare` returned it for this answer.
    seconds : float
        After which no further mistake is tried.

    Returns
    -------
    list of Explanation
        All that tie, in the order of the catalogue.
    """
    return list(investigate(vector, comparison, seconds).explanations)


def investigate(vector: Vector, comparison: Comparison, seconds: float = SECONDS) -> Diagnosis:
    """Return the `Diagnosis` of an answer; parameters as of `diagnose`."""
    if comparison.agrees or not all(np.all(np.isfinite(v)) for v in vector.results.values()):
        return Diagnosis()
    if not is_known(vector):
        mistakes = image_mistakes(vector, comparison)
        return Diagnosis(tuple(Explanation((mistake,), ("",)) for mistake in mistakes))
    end = monotonic() + seconds
    with np.errstate(all="ignore"):
        search = _Search(vector, comparison)
        mistakes, complete = search.try_all([(key,) for key in MISTAKES], end)
        precision = None if mistakes else search.precision()
        if precision:
            mistakes.append(Explanation((precision,), ("",)))
        if not mistakes and complete:
            mistakes, complete = search.try_all(PAIRS, end)
            if search.whole32 and complete:
                singles, complete = search.try_all([(k,) for k in MISTAKES], end, FLOAT32_LIMIT)
                mistakes += [Explanation((*single.mistakes, FLOAT32), (*single.details, ""))
                          for single in singles]  # fmt: skip
        return Diagnosis(tuple(_without_shadows(mistakes)), complete)
