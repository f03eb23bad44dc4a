"""The numbers of the report's classes, each worked out a second way from the run's arrays."""

import json
import re

import numpy as np
import pytest
from scipy.special import log_softmax

from bnn_ref import reference, toys
from bnn_ref.prediction import wilson_interval
from bnn_ref.report import curves, pruning, shifts, summary, uncertainty, weights
from bnn_ref.report.evidence import gather


def plot(report, name):
    return next(plot for plot in report.plots if plot.name == name)


def draws_of(evidence, x):
    """Each draw's probabilities (S, N, O): raw outputs, and SciPy's softmax."""
    o = evidence.opened
    outputs = [
        reference.draw_outputs(o.network, o.parameters, np.asarray(x), o.settings["seed"], s)
        for s in range(o.settings["draws"])
    ]
    return np.exp(log_softmax(np.array(outputs, np.float64), axis=-1))


@pytest.fixture(scope="module")
def evidence(digits_report):
    return digits_report.evidence


@pytest.fixture(scope="module")
def mean(evidence):
    """The averaged probabilities of the held-out rows, (360, 10)."""
    return draws_of(evidence, evidence.x[:]).mean(axis=0)


def test_the_rows_shown_are_the_held_out_ones(evidence):
    assert (evidence.part, len(evidence.y), evidence.draws) == ("held-out", 360, 5)


def test_calibration_error_is_the_gap_of_each_bin_by_its_share(digits_report, evidence, mean):
    error = 0.0
    for low in np.arange(10) / 10:
        sure = mean.max(axis=1)
        inside = (sure >= low) & (sure < low + 0.1 if low < 0.85 else sure <= 1)
        if inside.any():
            hits = np.mean(mean[inside].argmax(axis=1) == evidence.y[inside])
            error += inside.mean() * abs(hits - sure[inside].mean())
    shown = plot(digits_report, "calibration-reliability")
    found = re.search(r"calibration error ([\d.]+),", shown.caption)[1]
    assert found == f"{error:.4f}"
    assert f"calibration error {found}" in shown.alt
    assert (found, "held-out calibration error", "") in summary.scores(evidence)


def test_interval_is_wilsons():
    """Worked by hand for 5 of 10, 0 of 2 and 2 of 2, z = 1.96."""
    low, high = wilson_interval(np.array([0.5, 0.0, 1.0]), np.array([10, 2, 2]))
    np.testing.assert_allclose(low, [0.23659, 0, 0.34238], atol=1e-5)
    np.testing.assert_allclose(high, [0.76341, 0.65762, 1], atol=1e-5)


def test_accuracy_and_nats_at_the_top(evidence, mean, digits_run):
    hits = np.mean(mean.argmax(axis=1) == evidence.y)
    nats = np.mean(np.log(mean[np.arange(360), evidence.y]))
    top = {what: value for value, what, _ in summary.scores(evidence)}
    assert top["held-out accuracy"] == f"{100 * hits:.2f} %"
    assert top["held-out log-probability, nats a row"] == f"{nats:.4f}"
    results = json.loads((digits_run / "results.json").read_text())
    assert results["heldout_nats"] == pytest.approx(nats, rel=1e-6)


def test_other_draws_are_not_told_by_recorded_scores(evidence):
    other = gather(evidence.opened, draws=2)
    assert other.scores["heldout_nats"] == pytest.approx(other.prediction.nats, rel=1e-12)
    assert other.scores["heldout_nats"] != evidence.scores["heldout_nats"]


def kernel_arrays(parameters):
    """(mu, sigma) of each kernel, float64; sigma by another formula than the package's."""
    return [
        (p.kernel_mu.astype(np.float64),
         p.scale_shift + np.logaddexp(0, p.kernel_rho.astype(np.float64)))
        for p in parameters.layers
    ]  # fmt: skip


def test_pruning_curve_of_the_posterior_mean(evidence):
    """A forward pass by hand with the kernel entries above the k-th ratio, the others 0."""
    shares, averaged, means = pruning.pruning(evidence)
    layers = evidence.opened.parameters.layers
    arrays = kernel_arrays(evidence.opened.parameters)
    pooled = np.sort(np.concatenate([np.abs(mu / s).ravel() for mu, s in arrays]))
    x = np.asarray(evidence.x[:], np.float64)
    for share, found in zip(shares, means, strict=True):
        count = round(share * pooled.size)
        least = pooled[count]
        (w0, s0), (w1, s1) = arrays
        hidden = np.maximum(x @ (w0 * (np.abs(w0 / s0) >= least)) + layers[0].bias_mu, 0)
        z = hidden @ (w1 * (np.abs(w1 / s1) >= least)) + layers[1].bias_mu
        assert found == np.mean(z.argmax(axis=1) == evidence.y), share
    assert averaged[0] == evidence.predict(evidence.x[:], evidence.y).accuracy
    assert averaged[-1] < 0.5 < averaged[0]  # the curve is none of a constant


def test_a_pruned_weight_draws_nothing(evidence):
    half = pruning.pruned(evidence.opened.parameters, 0.5)
    zero = total = 0
    for (mu, sigma), before in zip(kernel_arrays(half), evidence.opened.parameters.layers,
                                   strict=True):  # fmt: skip
        out = mu == 0
        assert np.all(sigma[out] <= 2 * np.finfo(np.float32).eps)
        np.testing.assert_array_equal(mu[~out], before.kernel_mu[~out])
        zero, total = zero + out.sum(), total + out.size
    assert zero == round(total / 2)
    assert np.all(evidence.opened.parameters.layers[0].kernel_mu != 0)  # the run's own stay


def test_prunable_share_worked():
    shares = np.array([0, 0.5, 0.9, 0.99])
    cases = [([0.9, 0.89, 0.88, 0.9], "accuracy", 0.5), ([0.9, 0.9, 0.9, 0.895], "accuracy", 0.99)]
    cases += [([2.0, 2.1, 2.2, 2.0], "rmse", 0.5), ([2.0, 2.2, 2.0, 2.0], "rmse", 0)]
    for scores, metric, wanted in cases:
        assert pruning.prunable(shares, np.array(scores), metric) == wanted


def test_uncertainty_is_split_as_the_draws_say(digits_report, evidence):
    """H(mean) = mean of H + the rest, from raw draws; and the figure's own numbers."""
    p = draws_of(evidence, evidence.x[:])
    total = -np.sum(p.mean(axis=0) * np.log(p.mean(axis=0)), axis=-1)
    aleatoric = -np.sum(p * np.log(np.maximum(p, 1e-300)), axis=-1).mean(axis=0)
    found = uncertainty.split(evidence.prediction)
    np.testing.assert_allclose(found["total"], total, atol=1e-9)
    np.testing.assert_allclose(found["aleatoric"], aleatoric, atol=1e-9)
    np.testing.assert_allclose(found["epistemic"], total - aleatoric, atol=1e-9)
    words = plot(digits_report, "uncertainty-parts").alt
    epistemic = (total - aleatoric).mean()
    assert f"held-out rows: aleatoric {aleatoric.mean():.2f}, epistemic {epistemic:.2f}" in words
    median = np.median(total - aleatoric)
    spread = plot(digits_report, "uncertainty-epistemic").alt
    assert f"held-out rows: median {median:.3f}" in spread


def test_the_examples_are_the_surest_the_least_sure_and_the_wrong(digits_report, evidence, mean):
    entropy = -np.sum(mean * np.log(mean), axis=1)
    wrong = np.flatnonzero(mean.argmax(axis=1) != evidence.y)
    for name, row in (("uncertain", entropy.argmax()), ("wrong", wrong[entropy[wrong].argmin()])):
        words = plot(digits_report, f"predictions-{name}").alt.split(": ", 1)[1]
        told = f"label {evidence.y[row]}, predicted {mean[row].argmax()} ({mean[row].max():.3f})"
        assert words.startswith(told), name
    words = plot(digits_report, "predictions-certain").alt
    called = mean.argmax(axis=1)
    for k in np.unique(called):
        mine = np.flatnonzero(called == k)
        row = mine[entropy[mine].argmin()]
        assert f"label {evidence.y[row]}, predicted {k} ({mean[row].max():.3f})" in words


def test_rotated_is_numpys_quarter_turn_and_zero_leaves_it():
    x = np.random.default_rng(0).uniform(size=(3, 30)).astype(np.float32)
    np.testing.assert_array_equal(toys.turned(x, (5, 6), 0), x)
    square = x[:, :25]
    turned = toys.turned(square, (5, 5), 90)
    wanted = np.rot90(square.reshape(3, 5, 5), axes=(1, 2)).reshape(3, 25)
    np.testing.assert_allclose(turned, wanted, atol=1e-6)


def test_strange_rows():
    x = np.random.default_rng(0).normal(size=(50, 4)).astype(np.float32)
    found = shifts.strangers(x, None, seed=1)
    np.testing.assert_array_equal(np.sort(found["columns shuffled"], axis=0), np.sort(x, axis=0))
    assert np.any(found["columns shuffled"] != x)
    assert list(shifts.strangers(x[:, :1], None)) == ["noise of scale 3"]
    noise = shifts.strangers(x, (2, 2), seed=1)["noise images"]
    assert noise.min() >= x.min()
    assert noise.max() <= x.max()
    np.testing.assert_array_equal(noise, shifts.strangers(x, (2, 2), seed=1)["noise images"])


def lines_of(plot):
    """Name to (x, y) of the lines that a figure draws."""
    from bnn_ref.plot.theme import PRINT

    return {
        line.get_label(): line.get_data()
        for axes in plot.draw(PRINT).axes
        for line in axes.get_lines()
    }


def test_curves_are_the_history(digits_report, digits_run):
    records = json.loads((digits_run / "history.json").read_text())["records"]
    drawn = lines_of(plot(digits_report, "training-loss"))
    np.testing.assert_array_equal(drawn["loss"], [[r["step"] for r in records],
                                                  [r["loss"] for r in records]])  # fmt: skip
    total = drawn["nll"][1] + drawn["kl_weight * KL"][1]
    np.testing.assert_allclose(total, drawn["loss"][1], rtol=1e-12)
    last = [r["kl_weight"] * r["kl"] for r in records]  # of the last step of each record alone
    np.testing.assert_allclose(drawn["kl_weight * KL"][1], last, rtol=0.1)
    held = lines_of(plot(digits_report, "training-nll"))["held-out rows"][1]
    np.testing.assert_array_equal(held, [-r["validation_nats"] for r in records])
    score = lines_of(plot(digits_report, "training-accuracy"))
    np.testing.assert_allclose(score["held-out rows"][1],
                               [100 * r["validation_accuracy"] for r in records])  # fmt: skip


def test_no_curves_of_a_history_of_one(evidence):
    opened = evidence.opened
    short = opened._replace(history=type(opened.history)(opened.history.records[:1]))
    assert curves.plots(type(evidence)(short, "", None, None, None)) == []


def test_signal_to_noise_and_its_words(digits_report, evidence):
    mu, sigma = kernel_arrays(evidence.opened.parameters)[0]
    kernel = weights.kernels(evidence.opened.parameters)[0]
    np.testing.assert_allclose(weights.ratios(kernel), np.abs(mu / sigma).ravel(), rtol=1e-12)
    words = plot(digits_report, "weights-snr").alt
    assert f"layer 0: median {np.median(np.abs(mu / sigma)):.2g}," in words
    dead = weights.Kernel("", np.array([0.0, 2.0]), np.zeros(2))
    np.testing.assert_array_equal(weights.ratios(dead), [0, np.inf])


def test_a_histograms_area_is_the_share_of_weights_in_view(digits_report, evidence):
    from bnn_ref.plot.theme import PRINT

    axes = plot(digits_report, "weights-means").draw(PRINT).axes[0]
    for patch, (mu, _) in zip(axes.patches, kernel_arrays(evidence.opened.parameters), strict=True):
        values, edges, _ = patch.get_data()
        inside = np.mean((mu >= edges[0]) & (mu <= edges[-1]))
        assert np.sum(values * np.diff(edges)) == pytest.approx(inside)
        assert inside > 0.98


def test_short_names_stay_apart():
    from bnn_ref.report.predictions import shortened

    assert shortened("malignant", 6, ["benign", "malignant"]) == "malig."
    assert shortened("species_12", 6, ["species_11", "species_12"]) == "spe.12"
    assert shortened("oak", 6) == shortened("oak", None) == "oak"
