"""Name the fault of a random layer whose answers contradict what was expected of it.

A verdict has been given when this is asked: these are no tests of their own but a reading of the
same answers, in order: is there noise, is it new at each call, what is its centre, is one draw
shared by the two rows of a pair, what are its signs, its scale, its law.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..noise import exact
from .disguises import (
    BIAS_PER_ROW,
    FITS,
    MEAN_AS_NOISE,
    SURE,
    find_hiding,
    is_whole_draw,
    student,
    with_own_mean,
    wrong_bias_scale,
)
from .hypotheses import equal_magnitudes, equal_rows, make_view, pair_signs, repeated
from .sides import fairness, share, tables

if TYPE_CHECKING:
    from .probes import Answers, Layer

FLIPPED_MEAN = "mean flipped with the noise"
NOT_SIGNS = "{} signs are no signs"
SIGN_LAWS = {"uniform on [-1, 3)": (-1.0, 3.0), "uniform on [-1, 1)": (-1.0, 1.0)}


def find_causes(answers: Answers, layer: Layer) -> tuple[str, tuple[str, ...]]:
    """Return (kind, faults): the estimator the answers show, and what is wrong with it.

    Parameters
    ----------
    answers : `Answers`
    layer : `Layer`

    Returns
    -------
    (str, tuple of str)
        kind is "flipout", "shared", "independent", "frozen", "none", or "unknown" where a fault
        hides the rest.
    """
    y = answers.outputs
    hidden = find_hiding(answers)
    if hidden:
        return "unknown", (hidden,)
    view = make_view(answers, layer)
    if np.all(np.abs(y - y[:1]) <= view.close):
        still = np.all(np.abs(view.residual[0]) <= view.close)
        return ("none", ("no noise",)) if still else ("frozen", ("the same noise at each call",))
    residual, flipped, faults = _without_bias(answers, layer, view)
    if faults == [BIAS_PER_ROW]:
        return "unknown", tuple(faults)
    centred, wrong_mean = with_own_mean(answers, layer, view, residual)
    if wrong_mean:
        kind, others = _estimator(answers, layer, view._replace(residual=centred), flipped)
        return kind, (*faults, wrong_mean, *others)
    residual, moved = _without_mean(answers, layer, view, residual, flipped)
    faults += moved
    view = view._replace(residual=residual)
    kind, others = _estimator(answers, layer, view, flipped)
    faults += others
    if kind != "frozen" and not moved and not any("are no signs" in fault for fault in others):
        faults += _scale(answers, layer, view, flipped)
    if not faults:
        faults += _law(answers, view, moved) or _unfair(answers, view) * (kind == "flipout")
    return kind, tuple(faults)


def _without_bias(answers, layer, view):
    """Return the outputs without the bias, whether its draw is flipped, and the bias's faults."""
    bias_mu = layer.bias_mu[answers.chosen]
    zero = answers.outputs[:, :, 0]
    off = zero - bias_mu
    close = view.close[0]
    same = np.all(np.abs(zero[:, 0] - zero[:, 1]) <= close)
    mirrored = np.all(np.abs(np.abs(zero[:, 0]) - np.abs(zero[:, 1])) <= close) and not same
    mirrored_off = np.all(np.abs(np.abs(off[:, 0]) - np.abs(off[:, 1])) <= close) and not same
    constant = np.all(np.abs(zero - zero[:1, :1]) <= close)
    random = layer.bias_sigma is not None
    if mirrored and np.any(np.abs(bias_mu) > close) and not mirrored_off:
        return answers.outputs, random, ["the bias's mean flipped with the output signs"]
    if not random:
        if constant and np.all(np.abs(off) <= close):
            return answers.outputs - bias_mu, False, []
        fault = "another bias than bias_mu" if constant else "a random bias where none was expected"
        return answers.outputs - (zero[:, :1, None] if same else bias_mu), False, [fault]
    if constant:
        return answers.outputs - zero[:, :1, None], False, ["the bias has no noise"]
    scale = wrong_bias_scale(off, layer.bias_sigma[answers.chosen])
    if mirrored_off:
        wrong = ["bias flipped with the output signs"] * (layer.bias != "normal_flipped")
        return answers.outputs - bias_mu, True, wrong + scale
    if same:
        wrong = ["bias not flipped"] * (layer.bias == "normal_flipped")
        return answers.outputs - zero[:, :1, None], False, wrong + scale
    return answers.outputs - bias_mu, False, [BIAS_PER_ROW, *scale]


def _without_mean(answers, layer, view, outputs, flipped):
    """Return the noise alone: of the centres x mu and 0, the one that makes pairs agree more."""
    singles = answers.probes.singles
    centred = outputs - answers.probes.rows @ layer.mu[:, answers.chosen]
    share = [
        np.mean(equal_magnitudes(view._replace(residual=residual), singles))
        for residual in (centred, outputs)
    ]
    if share[1] > share[0] and share[1] > (0.25 if flipped else 0.9):
        return outputs, [FLIPPED_MEAN]
    return centred, []


def _estimator(answers, layer, view, flipped):
    """Return the kind of noise, from magnitudes and signs within pairs, and its faults."""
    probes = answers.probes
    same = equal_magnitudes(view, probes.singles)
    if np.mean(same) <= (0.25 if flipped else 0.9):
        return _unequal(answers, view)
    faults = []
    if np.all(equal_rows(view, slice(1, len(probes.rows)))):
        kind = "shared"
    else:
        kind = "flipout"
        signs = pair_signs(view, probes.singles)
        if flipped:  # equal magnitudes in one-input rows depend on the input signs
            missing = np.all(same)
        else:
            missing = len(probes.rows[probes.twos]) and np.all(equal_magnitudes(view, probes.twos))
        if missing:
            faults.append("input signs missing")
        agree, trials = exact.agreement(signs[same] if flipped else signs, -1)
        again, calls = exact.agreement(signs, 0)
        if trials and agree == trials:
            faults.append("output signs missing (or the same for all outputs or rows)")
        elif again == calls:
            faults.append("the same signs at each call")
        elif exact.binomial(int(signs.sum()), signs.size) < SURE:
            faults.append(f"signs are not fair: {np.mean(signs):.1%} of pairs agree")
    if kind == "shared" or "the same signs at each call" not in faults:
        count, allowed = repeated(answers, view)
        size = np.abs(view.residual[:, :, probes.singles])
        if not flipped and np.all(np.abs(size - size[:1]) <= view.close[probes.singles]):
            return "frozen", [*faults, "the same draw at each call, with fresh signs"]
        if count > 1e3 * max(allowed, 1e-6):
            faults.append("draws repeat")
    return kind, faults


def _unfair(answers, view):
    """Return a fault for each side whose signs are no fair coins."""
    return [f"{side} signs are not fair: some {share(*table):.0%} are the same"
            for side, table in tables(answers, view).items()
            if fairness(*table) < FITS]  # fmt: skip


def _unequal(answers, view):
    """Return independent noise, or one draw times factors that are no signs, and which side's."""
    singles = answers.probes.singles
    size = np.abs(view.residual[:, :, singles])
    large = size > np.median(size, axis=(0, 1))
    agree = large[:, 0] == large[:, 1]
    if exact.binomial(int(agree.sum()), agree.size) > SURE:
        return "independent", []
    ratio = size[:, 0] / np.maximum(size[:, 1], 1e-300)
    spread = np.abs(ratio - ratio[..., :1]) <= 1e-3 * ratio
    input_side = ratio.shape[-1] > 1 and np.mean(spread) > 0.9
    fault = NOT_SIGNS.format("input" if input_side else "output")
    z = size[:, 0] / view.sigma[singles]
    sample = z[..., 0] if input_side else z
    fits = {
        name: exact.kolmogorov_smirnov(sample, lambda v, ends=ends: _product_law(v, *ends))
        for name, ends in SIGN_LAWS.items()
    }
    best = max(fits, key=fits.get)
    return "flipout", [f"{fault}: {best}" if fits[best] > FITS else f"{fault} (not -1 and +1)"]


def _product_law(z, low, high):
    """Return P(\\|u n\\| <= z) for u uniform on [low, high) and n normal, by a fine grid."""
    from scipy.special import ndtr

    grid = np.linspace(0, max(z.max(), 1e-9), 2001)
    u = np.abs(low + (high - low) * (np.arange(2000) + 0.5) / 2000)
    law = np.mean(2 * ndtr(grid[:, None] / u) - 1, axis=1)
    return np.interp(z, grid, law)


def _scale(answers, layer, view, flipped):
    """Return the fault of a wrong standard deviation, named where one formula explains it."""
    singles, chosen = answers.probes.singles, answers.chosen
    rows = np.abs(answers.probes.rows[singles])
    sigma = layer.sigma[np.argmax(rows, axis=1)][:, chosen]
    size = rows.max(axis=1)[:, None]
    extra = layer.bias_sigma[chosen] ** 2 if flipped and layer.bias_sigma is not None else 0.0
    squares = np.sum(view.residual[:, 0, singles] ** 2, axis=0)

    def fit(candidate):
        chi = squares / (size**2 * candidate**2 + extra)
        pooled = exact.chi_square(chi.sum(), answers.calls * chi.size)
        return min(exact.smallest(exact.chi_square(chi, answers.calls)), float(pooled))

    if fit(sigma) > FITS:
        return []
    if is_whole_draw(view.residual[:, 0, singles], rows, layer, chosen) > FITS:
        return [MEAN_AS_NOISE]
    z = view.residual[:, 0, singles] / view.sigma[singles]
    heavy = student(z) or student(z, scaled=False)
    if heavy:
        return [heavy]
    excess = np.maximum(squares / answers.calls - extra, 0) / size**2
    factor = np.sqrt(excess.sum() / np.sum(sigma**2))
    for candidate, fault in (
        (np.sqrt(sigma), "sigma read as a variance: the noise has scale sqrt(sigma)"),
        (sigma**2, "sigma squared used as sigma"),
        (factor * sigma, f"wrong scale: the noise is {factor:.3g} times sigma"),
    ):
        if fit(candidate) > FITS:
            return [fault]
    return [f"wrong scale: the noise is not sigma (root mean square ratio {factor:.3g})"]


def _law(answers, view, moved):
    """Return what is wrong with noise of the right kind and scale: its law, sharing or mean."""
    singles = answers.probes.singles
    z = view.residual[:, 0, singles] / view.sigma[singles]
    large = np.abs(z) > exact.MEDIAN
    for axis, between in ((2, "outputs"), (1, "inputs")):
        count, trials = exact.agreement(large, axis)
        if trials and count > 0.9 * trials:
            return [f"one draw shared by the {between}"]
    if exact.kolmogorov_smirnov(z) < SURE:
        return [student(z) or "the noise is not normal"]
    tested = answers.sigma > 0
    mean = answers.total[tested] / answers.sigma[tested] / np.sqrt(answers.calls)
    if not moved and exact.smallest(exact.normal(mean)) < SURE:
        return ["another mean than x mu + b"]
    return []
