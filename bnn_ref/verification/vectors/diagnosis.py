"""Which known mistake explains an answer that disagrees: the catalogue, tried.

Every result is recomputed under a mistake, and all tensors must agree within the limit. The
reported kl may be as wrong as the loss, or right while only loss and gradients are wrong. The
explanation with the fewest mistakes wins; all that tie are returned. What does not move any result
by more than the limit is no mistake. Nothing is guessed: where no explanation fits, none is given.
"""

from dataclasses import dataclass, replace

import numpy as np

from .comparison import LIMITS, Comparison, error_of
from .fits import MEANT, fit_kl_weight, fit_shift, kl_weight_name, shift_name
from .kinks import fit_slopes, undecided
from .mistakes import FIT, FLOAT32, MISTAKES, PAIRS
from .variants import FORWARD, Problem, Variant, compute, forward, results

FLOAT32_LIMIT = 1e-5


@dataclass(frozen=True)
class Explanation:
    """Mistakes that together reproduce an answer.

    Attributes
    ----------
    mistakes : tuple of Mistake
    details : tuple of str
        For each what was fitted, "" where nothing was.
    """

    mistakes: tuple
    details: tuple

    @property
    def keys(self):
        """The mistakes' short names."""
        return tuple(mistake.key for mistake in self.mistakes)

    def text(self):
        """Return the explanation on one line for each mistake."""
        return "\n".join(
            f"{mistake.key}: {mistake.what}" + (f" ({detail})" if detail else "")
            for mistake, detail in zip(self.mistakes, self.details, strict=True)
        )

    def to_json(self):
        """Return a list with key, sentence and fitted value of each mistake."""
        return [{"mistake": mistake.key, "what": mistake.what, "fitted": detail or None}
                for mistake, detail in zip(self.mistakes, self.details, strict=True)]  # fmt: skip


class _Search:
    """One answer, and what is computed once for all explanations."""

    def __init__(self, vector, comparison):
        self.problem, self.dtype, self.limit = Problem(vector), vector.dtype, comparison.limit
        self.found = {name: np.asarray(value, np.float64) for name, value in vector.results.items()}
        self.expected = {row.name: row.expected for row in comparison.rows}
        self.forwards, self.shifts = {}, {}
        self.whole32 = self.dtype == "float64" and all(
            np.array_equal(value, value.astype(np.float32)) for value in self.found.values()
        )

    def off(self, name, expected, limit):
        return error_of(expected, self.found[name]) > limit

    def outputs_agree(self, variant, limit):
        """Return whether the forward pass of a variant gives the answer's outputs."""
        key = (*(getattr(variant, name) for name in FORWARD), limit)
        if key not in self.forwards:
            outputs = forward(self.problem, variant)[-1].h
            self.forwards[key] = not self.off("outputs", outputs, limit)
        return self.forwards[key]

    def fitted_shift(self, variant):
        """Return the shift that fits the answer's outputs, or None; it is looked for once."""
        key = tuple(getattr(variant, name) for name in FORWARD)
        if key not in self.shifts:
            self.shifts[key] = fit_shift(self.problem, variant, self.found)
        return self.shifts[key]

    def explains(self, variant, limit):
        """Return whether a variant with no number left to fit gives the whole answer."""
        if not self.outputs_agree(variant, limit):
            return False
        out = compute(self.problem, variant)
        named = results(out)
        if self.off("nll", out.nll, limit) and self.off("nll", out.nll_plain, limit):
            return False
        if self.off("loss", named["loss"], limit) or not self._kl_agrees(out, limit):
            return False
        wrong = [name for name in out.nll_grads if self.off(name, named[name], limit)]
        if wrong and any(layer.activation == "relu" for layer in self.problem.network.layers):
            dtype = np.float32 if limit == FLOAT32_LIMIT else self.dtype
            units = undecided(self.problem, out.traces, dtype)
            if units:
                slopes = fit_slopes(self.problem, variant, self.found, units, dtype)
                named = results(compute(self.problem, variant, slopes))
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
        if change.get("shift") is FIT:
            shift = self.fitted_shift(variants[0][0])
            if shift is None:
                return
            variants = [(replace(variants[0][0], shift=shift), {"shift": shift_name(shift)})]
        for variant, details in variants:
            if change.get("kl_weight") is not FIT:
                yield variant, details
            elif self.outputs_agree(variant, FLOAT32_LIMIT if self.whole32 else self.limit):
                for weight in fit_kl_weight(compute(self.problem, variant), self.found):
                    name = kl_weight_name(weight, self.problem)
                    yield replace(variant, kl_weight=weight), {**details, "kl_weight": name}

    def try_mistakes(self, keys, limit):
        """Return the `Explanation` by exactly these mistakes, or None."""
        for change in _combinations([MISTAKES[key].changes for key in keys]):
            for variant, details in self.settle(change):
                if self.explains(variant, limit):
                    shown = [
                        next((details[name] for name in MISTAKES[key].changes[0]
                              if name in details), "")
                        for key in keys
                    ]  # fmt: skip
                    return Explanation(tuple(MISTAKES[key] for key in keys), tuple(shown))
        return None

    def is_float32(self):
        """Return whether float32 alone explains a file that claims float64."""
        errors = [error_of(self.expected[name], value) for name, value in self.found.items()]
        if self.dtype != "float64" or max(errors) > FLOAT32_LIMIT:
            return False
        least = max(self.limit, LIMITS["float64"])
        return self.whole32 or np.mean([error > least for error in errors]) > 0.75


def _combinations(forms):
    """Return the merged changes of one form of each mistake; forms of one field exclude others."""
    merged = [{}]
    for changes in forms:
        merged = [{**left, **right} for left in merged for right in changes
                  if not set(left) & set(right)]  # fmt: skip
    return merged


def _without_shadows(explanations):
    """Drop a fitted KL weight that a KL mistake by name explains too, unless it has a meaning."""

    def others(explanation):
        return {key for key in explanation.keys if not key.startswith("kl-")}

    kept = []
    for one in explanations:
        named = any(detail.endswith(tuple(MEANT)) for detail in one.details)
        shadowed = "kl-weight" in one.keys and any(
            "kl-weight" not in other.keys and others(other) == others(one) for other in explanations
        )
        if named or not shadowed:
            kept.append(one)
    return kept


def diagnose(vector, comparison: Comparison):
    """Return the explanations with the fewest mistakes; empty where none fits or none is needed.

    Parameters
    ----------
    vector : Vector
        An answer.
    comparison : Comparison
        As `compare` returned it for this answer.

    Returns
    -------
    list of Explanation
        All that tie, in the order of the catalogue.
    """
    if comparison.agrees or not all(np.all(np.isfinite(v)) for v in vector.results.values()):
        return []
    with np.errstate(all="ignore"):
        search = _Search(vector, comparison)
        singles = [search.try_mistakes((key,), search.limit) for key in MISTAKES]
        singles = [one for one in singles if one]
        if not singles and search.is_float32():  # which reproduces no number to the limit
            singles.append(Explanation((FLOAT32,), ("",)))
        if singles:
            return _without_shadows(singles)
        pairs = [search.try_mistakes(keys, search.limit) for keys in PAIRS]
        if search.whole32:
            for key in MISTAKES:
                one = search.try_mistakes((key,), FLOAT32_LIMIT)
                if one:
                    pairs.append(Explanation((*one.mistakes, FLOAT32), (*one.details, "")))
        return _without_shadows([pair for pair in pairs if pair])
