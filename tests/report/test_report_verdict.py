"""The verdict's sentences are true: each number worked out a second way."""

import re

import numpy as np
import pytest
from scipy.stats import norm

from bnn_ref.report import mistakes, shifts, verdict, weights


def test_classes_in_words(digits_report):
    evidence = digits_report.evidence
    found = verdict.verdict(evidence)
    p = evidence.prediction
    own = np.mean(np.log(p.probabilities[np.arange(len(p.targets)), p.targets]))
    assert f"gets {own:.2f} nats, the logarithm of a probability of {np.exp(own):.2f}" in found[0]
    assert f"{100 * np.mean(p.classes == p.targets):.1f} % are right" in found[0]
    says, right = p.probabilities.max(axis=1).mean(), np.mean(p.classes == p.targets)
    side = "less sure than it could be" if says < right else "surer than it should be"
    assert abs(says - right) >= 0.01
    assert found[2].endswith(f"it is {side}.")


def test_rivals_of_classes(digits_report):
    evidence = digits_report.evidence
    train = evidence.opened.dataset.train
    share = (np.bincount(np.asarray(train.y), minlength=10) + 1) / (len(train.y) + 10)
    named = dict(verdict.rivals(evidence))
    shares = named.pop("guessing by the shares of the training rows")
    assert shares == pytest.approx(np.mean(np.log(share[evidence.y])))
    sentence = verdict.verdict(evidence)[1]
    ours = evidence.prediction.nats
    for name, value in [*named.items()]:
        assert name == "a logistic regression"
        assert -1 < value < 0
        side = re.search(rf"(\w+ \w+) {name} \({value:.3f}\)", sentence)[1]
        wanted = "better than" if ours > value + 0.005 else "worse than"
        assert side == ("level with" if abs(ours - value) < 0.005 else wanted)


def test_rivals_of_numbers(line_report):
    evidence = line_report.evidence
    train = evidence.opened.dataset.train
    x, y = np.asarray(train.x[:])[:, 0], np.asarray(train.y)[:, 0]
    held_x, held_y = np.asarray(evidence.x[:])[:, 0], np.asarray(evidence.y)[:, 0]
    slope, offset = np.polyfit(x.astype(float), y, 1)
    left = np.sqrt(np.mean((y - slope * x - offset) ** 2))
    found = dict(verdict.rivals(evidence))
    assert found["a linear regression"] == pytest.approx(
        norm.logpdf(held_y, slope * held_x + offset, left).mean(), rel=1e-5
    )
    assert found["one Normal for every row"] == pytest.approx(
        norm.logpdf(held_y, y.mean(), y.std()).mean(), rel=1e-6
    )
    first, second = verdict.verdict(evidence)
    assert "root mean square, target unit" in first
    assert f"In nats a row ({evidence.scores['heldout_nats']:.3f}) that is" in second
    own = found["a linear regression"] - np.log(evidence.opened.dataset.encoding.y_scale[0])
    assert f"a linear regression ({own:.3f})" in second


def test_area_under_the_roc():
    assert shifts.area(np.array([3.0, 4]), np.array([1.0, 2])) == 1
    assert shifts.area(np.array([1.0, 2]), np.array([3.0, 4])) == 0
    assert shifts.area(np.array([1.0, 1]), np.array([1.0, 1])) == 0.5
    assert shifts.area(np.array([1.0, 3]), np.array([2.0])) == 0.5


def test_what_is_not_larger_is_said():
    said = shifts.noticed({"usual rows": np.array([1.0, 2]), "odd": np.array([0.5, 0.6])})
    assert said.startswith("For odd it is not larger (0.55 in the mean, 1.5 for usual rows)")
    assert said.endswith("is 0.00.")


def test_confusion_and_risk():
    matrix = mistakes.confusion(np.array([0, 0, 1, 2]), np.array([0, 1, 1, 0]), 3)
    assert matrix.tolist() == [[1, 1, 0], [0, 1, 0], [1, 0, 0]]
    right = np.array([True, False, True, False])
    coverage, risk = mistakes.risk_by_coverage(np.array([9.0, 1, 5, 3]), right)
    assert coverage.tolist() == [0.25, 0.5, 0.75, 1]
    assert risk.tolist() == [0, 0, 1 / 3, 0.5]


def test_units_in_use(digits_report):
    opened = digits_report.evidence.opened
    p = opened.parameters.layers[1]
    sigma = p.scale_shift + np.log1p(np.exp(p.kernel_rho.astype(float)))
    kl = 0.5 * (p.kernel_mu.astype(float) ** 2 + sigma**2 - 1) - np.log(sigma)
    used = np.sum(kl.sum(axis=1) > 1)
    assert f"{used} of 12 units of layer 0" in weights.active(opened)


def test_the_page_holds_the_verdict(digits_report, pages):
    from html import escape

    text = pages[0].read_text("utf-8")
    for sentence in verdict.verdict(digits_report.evidence):
        assert f"<p>{escape(sentence, quote=True)}</p>" in text
    assert text.index("nats, the logarithm of") < text.index('class="tiles"')
