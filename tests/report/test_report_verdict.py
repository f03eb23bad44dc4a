"""The verdict's sentences are true: each number worked out a second way."""

from dataclasses import fields

import numpy as np
import pytest
from scipy.stats import norm

from bnn_ref.report import mistakes, shifts, uncertainty, verdict, weights


def test_classes_in_words(digits_report):
    evidence = digits_report.evidence
    found = verdict.verdict(evidence)
    p = evidence.prediction
    own = np.mean(np.log(p.probabilities[np.arange(len(p.targets)), p.targets]))
    assert (
        f"gets {own:.2f} nats in the mean, the logarithm of a probability of {np.exp(own):.2f}"
        in found[0]
    )
    assert f"{100 * np.mean(p.classes == p.targets):.1f} % are right" in found[0]
    says, right = p.probabilities.max(axis=1).mean(), np.mean(p.classes == p.targets)
    assert f"{100 * says:.1f} % in the mean and {100 * right:.1f} % are right" in found[2]


class Claim:
    """What the sentences on honesty ask of evidence."""

    def __init__(self, **prediction):
        self.prediction = type("Prediction", (), prediction)()


@pytest.mark.parametrize(
    ("right", "rows", "said"),
    [(0.9, 1000, "it is as sure as it should be."), (0.905, 50, "it is as sure as it should be."),
     (0.93, 1000, "it is less sure than it could be."),
     (0.87, 1000, "it is surer than it should be."),
     (0.93, 100, "so few rows cannot tell whether it is less sure than it could be or"),
     (0.87, 100, "so few rows cannot tell whether it is surer than it should be or")],
)  # fmt: skip
def test_probabilities_are_called_wrong_where_the_rows_can_tell(right, rows, said):
    """Confidence .9: a share of right answers has the standard error .3 / sqrt(rows)."""
    found = verdict._honesty(Claim(confidence=np.full(rows, 0.9), accuracy=right))
    assert f": {said}" in found


@pytest.mark.parametrize(
    ("scale", "rows", "said"),
    [(1.0, 1000, "it is as sure as it should be."),
     (0.8, 1000, "it is less sure than it could be."),
     (1.25, 1000, "it is surer than it should be."),
     (1.25, 10, "so few rows cannot tell whether it is surer than it should be or")],
)  # fmt: skip
def test_deviations_are_called_wrong_where_the_rows_can_tell(scale, rows, said):
    """Errors drawn from a Normal of a scale that is not the one predicted."""
    errors = norm.ppf((np.arange(rows) + 0.5) / rows)[:, None]
    errors *= scale / np.sqrt(np.mean(errors**2))
    claim = Claim(targets=errors, mean=np.zeros_like(errors), variance=np.ones_like(errors))
    found = verdict._honesty_of_numbers(claim)
    assert f"Errors are {scale:.2f} times" in found
    assert f": {said}" in found


def test_level_is_what_other_rows_could_turn_round():
    gaps = np.array([1.0, -1.0] * 50)
    few = "on so few rows not to be told from"
    assert verdict.side(gaps + 0.1) == verdict.side(gaps - 0.1) == few  # its standard error is .1
    assert verdict.side(gaps + 0.001) == "level with"
    assert verdict.side(gaps + 0.3) == "better than"
    assert verdict.side(gaps - 0.3) == "worse than"
    assert verdict.side(np.full(10, 0.004)) == "level with"
    assert verdict.side(np.full(10, 0.006)) == "better than"
    assert verdict.side(np.array([np.inf, 0.0])) == "better than"


def test_rivals_of_classes(digits_report):
    evidence = digits_report.evidence
    train = evidence.opened.dataset.train
    share = (np.bincount(np.asarray(train.y), minlength=10) + 1) / (len(train.y) + 10)
    named = dict(verdict.rivals(evidence))
    shares = named.pop("guessing by the shares of the training rows")
    assert np.mean(shares) == pytest.approx(np.mean(np.log(share[evidence.y])))
    sentence = verdict.verdict(evidence)[1]
    assert list(named) == ["a logistic regression"]
    for name, rows in named.items():
        assert -1 < np.mean(rows) < 0
        side = verdict.side(evidence.prediction.log_prob - rows)
        more = np.sum(evidence.prediction.log_prob > rows)
        told = "" if side != verdict.UNTOLD else f", {more} of {len(rows)} rows get more here"
        assert f" {side} {name} ({np.mean(rows):.3f}{told})" in sentence


def test_rivals_of_numbers(line_report):
    evidence = line_report.evidence
    train = evidence.opened.dataset.train
    x, y = np.asarray(train.x[:])[:, 0], np.asarray(train.y)[:, 0]
    held_x, held_y = np.asarray(evidence.x[:])[:, 0], np.asarray(evidence.y)[:, 0]
    slope, offset = np.polyfit(x.astype(float), y, 1)
    left = np.sqrt(np.mean((y - slope * x - offset) ** 2))
    found = {name: np.mean(rows) for name, rows in verdict.rivals(evidence)}
    assert found["a linear regression"] == pytest.approx(
        norm.logpdf(held_y, slope * held_x + offset, left).mean(), rel=1e-5
    )
    assert found["one Normal for every row"] == pytest.approx(
        norm.logpdf(held_y, y.mean(), y.std()).mean(), rel=1e-6
    )
    first, second, third = verdict.verdict(evidence)
    p = evidence.prediction
    ratio = np.mean((p.targets - p.mean) ** 2 / p.variance)
    assert third.startswith(f"Errors are {np.sqrt(ratio):.2f} times what the predictive deviation")
    own_unit = evidence.opened.dataset.encoding.y_scale[0]
    by_mean = np.sqrt(np.mean((held_y - y.mean()) ** 2)) * own_unit
    assert first.endswith(f"target unit), the mean of the training rows by {by_mean:.3g}.")
    assert f"In nats a row ({evidence.scores['heldout_nats']:.3f}) that is" in second
    own = found["a linear regression"] - np.log(own_unit)
    assert f"a linear regression ({own:.3f}" in second


def test_area_under_the_roc():
    assert shifts.area(np.array([3.0, 4]), np.array([1.0, 2])) == 1
    assert shifts.area(np.array([1.0, 2]), np.array([3.0, 4])) == 0
    assert shifts.area(np.array([1.0, 1]), np.array([1.0, 1])) == 0.5
    assert shifts.area(np.array([1.0, 3]), np.array([2.0])) == 0.5


def test_rows_that_were_predicted_are_not_predicted_again(digits_report):
    """Of a large network the draws are most of a report's time."""
    evidence = digits_report.evidence
    asked = []

    class Watched(type(evidence)):
        def predict(self, x, *args, **options):
            asked.append(np.asarray(x))
            return super().predict(x, *args, **options)

    watched = Watched(*(getattr(evidence, field.name) for field in fields(evidence)))
    said, _ = uncertainty.look(watched)
    fresh = evidence.predict(evidence.x, draws=evidence.draws).total_entropy[: shifts.ROWS]
    assert f", {fresh.mean():.3g} for {evidence.part} rows)" in said
    kinds = len(shifts.strangers(np.asarray(evidence.x[:2]), evidence.image))
    assert len(asked) == kinds + len(shifts.ANGLES)


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
    assert text.index("nats in the mean, the logarithm of") < text.index('class="tiles"')


def test_a_logistic_regression_that_is_sure_has_finite_nats():
    """A held-out row 2,000 from the boundary, on the wrong side: its logarithm is the margin."""
    pytest.importorskip("sklearn")
    x = np.array([[-1.0], [1.0]] * 20)
    found = verdict._logistic(
        x, np.array([0, 1] * 20), np.array([[2000.0], [1.0]]), np.array([0, 1])
    )
    assert -np.inf < found[0] < -700
    assert -1 < found[1] < 0


def test_a_logistic_regression_of_many_numbers_takes_fewer_iterations(monkeypatch):
    pytest.importorskip("sklearn")
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 30)) * np.geomspace(1e-2, 1e2, 30)  # slow to converge
    y = (x @ np.geomspace(1, 1e-3, 30) + rng.normal(size=400) > 0).astype(int)
    whole = verdict._logistic(x, y, x, y)
    monkeypatch.setattr(verdict, "LOGISTIC_WORK", 1)
    cut = verdict._logistic(x, y, x, y)
    assert np.isfinite(cut).all()
    assert np.mean(cut) < np.mean(whole)  # on the rows that it was fitted to
