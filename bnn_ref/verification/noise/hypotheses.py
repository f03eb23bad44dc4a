"""What Flipout, one shared weight draw and independent noise each say of a layer's answers.

Every test returns a p-value that is exact under its hypothesis, or an upper bound. In the
notation of docs/vectors.md, with sigma and inputs known, for a row x of one call

    y_o - x mu_o - b_o = sign_output_o sum_i x_i sign_input_i sigma_io eps_io

is N(0, sum_i x_i^2 sigma_io^2), independent over outputs o and over calls, whatever the signs are,
because eps is symmetric. Two equal rows share eps: their magnitudes agree where their input signs
do on the nonzero inputs (up to one common sign), and the products of their signs are fair coins.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..noise import exact
from .probes import ROUNDINGS, SIGNS
from .sides import fairness, tables

if TYPE_CHECKING:
    from .probes import Answers, Layer


class Test(NamedTuple):
    """One test: what it looks at, and its p-value under the hypothesis expected."""

    name: str
    p: float


class View(NamedTuple):
    """The probe rows' residuals and what is compared with what.

    Attributes
    ----------
    residual : array (T, 2, m, M), outputs minus what is expected without noise
    sigma : array (m, M), the claimed standard deviation
    close : array (m, M), the distance at which two magnitudes count as equal
    joined, alone : array (T, R, M) and (T, R, O), residuals of the copies with some inputs, and
        with one, of which the first O <= `SIGNS` outputs are kept
    """

    residual: NDArray[Any]
    sigma: NDArray[Any]
    close: NDArray[Any]
    joined: NDArray[Any]
    alone: NDArray[Any]


def make_view(answers: Answers, layer: Layer) -> View:
    """Return the `View` of a layer's answers under the mean claimed for it."""
    chosen, rows = answers.chosen, answers.probes.rows
    y = answers.outputs
    centre = rows @ layer.mu[:, chosen]
    residual = y - centre - (y[:, :1, :1] if answers.minus_bias else layer.bias_mu[chosen])
    residual[:, :, 0] = y[:, :, 0] - layer.bias_mu[chosen]
    sigma = answers.sigma[-len(rows) :, chosen]
    size = np.abs(rows) @ np.abs(layer.mu[:, chosen]) + np.abs(layer.bias_mu[chosen]) + 8 * sigma
    if layer.bias_sigma is not None:
        size += 8 * layer.bias_sigma[chosen]
    close = ROUNDINGS * answers.unit * size + 1e-6 * sigma
    return View(residual, sigma, close, *_copies(answers, layer))


def _copies(answers, layer):
    """Return the residuals of the two kinds of copies."""
    chosen, singles = answers.chosen, answers.probes.rows[answers.probes.singles]
    rows = np.stack([singles[: answers.joined].sum(axis=0), singles[0]])
    centre = (rows @ layer.mu[:, chosen])[:, None]
    bias = answers.outputs[:, :1, :1] if answers.minus_bias else layer.bias_mu[chosen]
    residual = answers.copies - centre - bias
    return residual[:, 0], residual[:, 1, :, :SIGNS]


def equal_magnitudes(view: View, part: slice) -> NDArray[np.bool_]:
    """Return, for each call and pair of rows, whether all magnitudes agree: array (T, rows)."""
    pair = np.abs(view.residual[:, :, part])
    return np.all(np.abs(pair[:, 0] - pair[:, 1]) <= view.close[part], axis=-1)


def equal_rows(view: View, part: slice) -> NDArray[np.bool_]:
    """Return, for each call and pair of rows, whether the rows are equal, signs and all."""
    pair = view.residual[:, :, part]
    return np.all(np.abs(pair[:, 0] - pair[:, 1]) <= view.close[part], axis=-1)


def pair_signs(view: View, part: slice) -> NDArray[np.bool_]:
    """Return the products of the signs of each pair's residuals, True where equal: (T, n, M)."""
    pair = view.residual[:, :, part] > 0
    return pair[:, 0] == pair[:, 1]


def _moment_tests(answers, layer):
    """Mean and variance of every row and output tested, and their sums over outputs."""
    T, sigma = answers.calls, answers.sigma
    tested = sigma > 0
    scale = np.where(tested, sigma, 1)
    z = answers.total / scale / np.sqrt(T)
    chi = answers.squares / scale**2
    direction = np.where(tested, answers.rows @ layer.mu / scale, 0)
    size = np.sqrt(np.sum(direction**2, axis=1))
    along = np.sum(direction * z, axis=1)[size > 0] / size[size > 0]
    summed = np.sum(np.where(tested, chi, 0), axis=1)
    freedom = T * tested.sum(axis=1)
    return [
        Test("mean of each output", exact.smallest(exact.normal(z[tested]))),
        Test("mean along x mu", exact.smallest(exact.normal(along))),
        Test("variance of each output", exact.smallest(exact.chi_square(chi[tested], T))),
        Test(
            "variance of each row",
            exact.smallest(exact.chi_square(summed[freedom > 0], freedom[freedom > 0])),
        ),
    ]


def _law_tests(answers, view, layer, singles):
    """The normal law, and independence over outputs, inputs and calls, of one-input rows."""
    z = view.residual[:, 0, singles] / view.sigma[singles]  # (T, n, M)
    positive, large = z > 0, np.abs(z) > exact.MEDIAN
    tests = [Test("normal law", exact.kolmogorov_smirnov(z))]
    if answers.probes.every.stop > answers.probes.every.start:
        every = view.residual[:, 0, answers.probes.every] / view.sigma[answers.probes.every]
        tests.append(Test("normal law, all inputs", exact.kolmogorov_smirnov(every)))
    if layer.bias_sigma is not None:
        bias = view.residual[:, 0, 0] / layer.bias_sigma[answers.chosen]
        tests.append(Test("normal law of the bias", exact.kolmogorov_smirnov(bias)))
    for axis, between in ((2, "outputs"), (1, "inputs"), (0, "calls")):
        for values, what in ((positive, "signs"), (large, "magnitudes")):
            if axis == 1 and what == "signs":
                continue  # rows of different inputs have signs of their own
            count, trials = exact.agreement(values, axis)
            if trials:
                tests.append(Test(f"{what} between {between}", exact.binomial(count, trials)))
    return tests


def repeated(answers: Answers, view: View) -> tuple[int, float]:
    """Return how many pairs of calls have the same magnitudes, and how many chance would allow.

    The second is an upper bound of the expected number: calls (calls - 1) / 2 times, for each
    value, its tolerance times twice the largest density of \\|N(0, sigma)\\|.
    """
    part = answers.probes.singles
    size = np.abs(view.residual[:, 0, part]).reshape(answers.calls, -1)
    close = view.close[part].ravel()
    order = np.argsort(size[:, 0])
    same = np.all(np.abs(np.diff(size[order], axis=0)) <= close, axis=1)
    chance = np.minimum(1.0, 1.6 * close / view.sigma[part].ravel())
    return int(same.sum()), 0.5 * answers.calls**2 * float(np.prod(chance))


def _fresh_test(answers, view):
    count, allowed = repeated(answers, view)
    return Test("fresh draws", min(1.0, allowed / count) if count else 1.0)  # Markov's bound


def _bias_tests(answers, view, layer, expect):
    """The zero row: the bias itself, or its two draws in a pair."""
    if layer.bias_sigma is None:
        right = np.all(np.abs(view.residual[:, :, 0]) <= view.close[0])
        return [Test("bias without noise", float(right))]
    zero = slice(0, 1)
    if expect == "flipout" and layer.bias == "normal_flipped":
        signs = pair_signs(view, zero)
        return [
            Test("one bias draw", float(np.all(equal_magnitudes(view, zero)))),
            Test("bias signs", exact.binomial(int(signs.sum()), signs.size)),
        ]
    if answers.minus_bias:
        return [Test("one bias draw", float(np.all(equal_rows(view, zero))))]
    return []


def _linear(answers, view):
    """Return whether two-input rows have magnitudes \\|u +- v\\| of their two one-input rows."""
    singles, twos = answers.probes.singles, answers.probes.twos
    count = twos.stop - twos.start
    single = np.abs(view.residual[:, 0, singles])[:, : 2 * count]
    u, v = single[:, 0::2], single[:, 1::2]
    two, close = np.abs(view.residual[:, 0, twos]), 4 * view.close[twos]
    return np.all((np.abs(two - (u + v)) <= close) | (np.abs(two - np.abs(u - v)) <= close))


def flipout_tests(answers: Answers, view: View, layer: Layer) -> list[Test]:
    """Return the tests of Flipout: one eps a call, signs of every row and side, all fresh."""
    probes = answers.probes
    flipped = layer.bias == "normal_flipped"  # the bias is one more input of the magnitudes
    singles = slice(1, 2) if flipped else probes.singles
    tests = _moment_tests(answers, layer) + _law_tests(answers, view, layer, singles)
    tests += [_fresh_test(answers, view), *_bias_tests(answers, view, layer, "flipout")]
    for part, inputs, name in (
        (probes.singles, 1, "one"),
        (probes.twos, 2, "two"),
        (probes.every, probes.rows.shape[1], "all"),
    ):
        if part.stop == part.start:
            continue
        same = equal_magnitudes(view, part)
        probability = 0.5 ** (inputs - 1 + flipped)
        chance = _chance_of_equality(answers, view, layer, part)
        p = exact.binomial(int(same.sum()), same.size, probability, min(1, probability + chance))
        tests.append(Test(f"equal magnitudes in pairs, {name} input(s)", p))
    signs = pair_signs(view, probes.singles)
    tests.append(Test("signs of pairs", exact.binomial(int(signs.sum()), signs.size)))
    for axis, between in ((2, "outputs"), (1, "rows"), (0, "calls")):
        count, trials = exact.agreement(signs, axis)
        if trials:
            tests.append(Test(f"signs of pairs between {between}", exact.binomial(count, trials)))
    if not flipped:
        tests.append(Test("two inputs add up", float(_linear(answers, view))))
    for side, table in tables(answers, view).items():
        tests.append(Test(f"{side} signs are fair", fairness(*table)))
    return tests


def _chance_of_equality(answers, view, layer, part):
    """Return a bound on the chance that unequal sign patterns give equal magnitudes.

    \\|a\\| - \\|b\\| of two rows is twice the smaller of two sums over disjoint inputs, each
    with at least the smallest sigma of one input: its density at 0 is below 0.8 / sigma.
    """
    rows = np.abs(answers.probes.rows[part])
    weights = rows[:, :, None] * layer.sigma[None, :, answers.chosen]
    smallest = np.min(np.where(weights > 0, weights, np.inf), axis=1)
    if layer.bias_sigma is not None:
        smallest = np.minimum(smallest, layer.bias_sigma[answers.chosen])
    return float(np.max(np.prod(np.minimum(1, 0.8 * view.close[part] / smallest), axis=-1)))


def shared_tests(answers: Answers, view: View, layer: Layer) -> list[Test]:
    """Return the tests of the plain reparameterisation: one weight draw for the whole batch."""
    probes = answers.probes
    tests = _moment_tests(answers, layer) + _law_tests(answers, view, layer, probes.singles)
    tests += [_fresh_test(answers, view), *_bias_tests(answers, view, layer, "shared")]
    everything = slice(1, len(probes.rows))
    tests.append(Test("equal rows in pairs", float(np.all(equal_rows(view, everything)))))
    first = view.residual[:, 0]
    count = probes.twos.stop - probes.twos.start
    single = first[:, probes.singles][:, : 2 * count]
    error = np.abs(first[:, probes.twos] - single[:, 0::2] - single[:, 1::2])
    tests.append(Test("two inputs add up", float(np.all(error <= 4 * view.close[probes.twos]))))
    return tests


def independent_tests(answers: Answers, view: View, layer: Layer) -> list[Test]:
    """Return the tests of noise that is drawn anew for every row (weights' or outputs' own)."""
    probes = answers.probes
    tests = _moment_tests(answers, layer) + _law_tests(answers, view, layer, probes.singles)
    tests += [_fresh_test(answers, view), *_bias_tests(answers, view, layer, "independent")]
    large = np.abs(view.residual) > exact.MEDIAN * view.sigma
    for part, name in ((probes.singles, "one"), (probes.every, "all")):
        if part.stop == part.start:
            continue
        signs = pair_signs(view, part)
        agree = large[:, 0, part] == large[:, 1, part]
        for values, what in ((signs, "signs"), (agree, "magnitudes")):
            p = exact.binomial(int(values.sum()), values.size)
            tests.append(Test(f"{what} of pairs, {name} input(s)", p))
    return tests


HYPOTHESES = {
    "flipout": flipout_tests,
    "shared": shared_tests,
    "independent": independent_tests,
}
