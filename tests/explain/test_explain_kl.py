"""`explain kl`: the printed parts add up to the KL of the run, and its checks can fail.

Oracle: the printed digits themselves, added as decimal numbers.
"""

from decimal import Decimal

import numpy as np
import pytest
from explained import disagreeing, random_subject, table_below
from hypothesis import given, settings
from hypothesis import strategies as st

from bnn_ref import NormalPrior, reference
from bnn_ref.explain import explain, run_subject, small_subject
from bnn_ref.explain import kl as kl_topic
from bnn_ref.runs.opened import open_run

PARTS = "The KL of each layer, taken apart"
WEIGHT = "Per weight: the mean over each layer's"
EXAMPLE = "Per example: what the loss adds to the mean nll of a batch"


def decimals(rows, first=1):
    return [[Decimal(cell) for cell in row[first:]] for row in rows]


def assert_adds_up(text, kl):
    """The parts of each layer, the layers, and every column; the total is the KL, rounded."""
    rows = decimals(table_below(text, PARTS))
    for weights, *parts, total in rows:
        assert sum(parts) == total
        assert weights == int(weights)
    for column in zip(*rows, strict=True):
        assert sum(column[:-1]) == column[-1]
    total = rows[-1][-1]
    assert total == round(Decimal(float(kl)), -total.as_tuple().exponent)
    for *parts, mean in decimals(table_below(text, WEIGHT)):
        assert sum(parts) == mean
    for column in zip(*decimals(table_below(text, EXAMPLE)), strict=True):
        assert sum(column[:-1]) == column[-1]


@pytest.mark.parametrize("seed", range(5))
def test_the_small_network(seed):
    pytest.importorskip("mpmath")
    subject = small_subject(seed)
    sheet = explain("kl", subject, seed)
    assert sheet.agrees
    assert len(sheet.checks) == 4
    assert_adds_up(sheet.text(), np.sum(reference.kl(subject.network, subject.parameters)))


@given(
    seed=st.integers(0, 2**32 - 1),
    bias=st.sampled_from(["none", "deterministic", "normal", "normal_flipped"]),
    widths=st.lists(st.integers(1, 7), min_size=2, max_size=5),
    dtype=st.sampled_from(["float32", "float64"]),
)
@settings(max_examples=25, deadline=None, database=None, derandomize=True)
def test_random_networks(seed, bias, widths, dtype):
    pytest.importorskip("mpmath")
    subject = random_subject(bias=bias, widths=widths, dtype=dtype, seed=seed)
    sheet = explain("kl", subject, 1)
    assert disagreeing(sheet) == []
    assert_adds_up(sheet.text(), np.sum(reference.kl(subject.network, subject.parameters)))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_posterior_near_its_prior_and_at_it(dtype):
    """KL near 0, where adding the four parts cancels: no decimal is printed that is not sure."""
    pytest.importorskip("mpmath")
    subject = random_subject(bias="none", dtype=dtype)
    for size in (1e-4, 0.0):
        for layer, p in zip(subject.network.layers, subject.parameters.layers, strict=True):
            m, s = layer.kernel_prior.loc, layer.kernel_prior.scale
            p.kernel_mu[...] = m + size
            p.kernel_rho[...] = np.log(np.expm1(s * (1 + size) - p.scale_shift))
        sheet = explain("kl", subject)
        assert [what for what in disagreeing(sheet) if what != "the KL of the network"] == []
        assert_adds_up(sheet.text(), np.sum(reference.kl(subject.network, subject.parameters)))


def test_the_kl_of_a_trained_run_is_the_one_its_next_step_reports(trained_run):
    opened = open_run(trained_run)
    subject = run_subject(opened)
    sheet = explain("kl", subject)
    assert disagreeing(sheet) == []
    assert_adds_up(sheet.text(), opened.trainer().step(subject.x, subject.y).kl)


def test_what_another_kl_weight_adds_is_said(trained_run):
    from dataclasses import replace

    subject = run_subject(open_run(trained_run))
    assert "kl_weight of its own" not in explain("kl", subject).text()
    text = explain("kl", replace(subject, kl_weight=0.25)).text()
    assert "a kl_weight of its own, 0.25, not 1/N" in " ".join(text.split())


def test_without_mpmath_a_line_says_what_is_left_out(monkeypatch):
    monkeypatch.setattr(kl_topic, "mpmath_or_none", lambda: None)
    sheet = explain("kl")
    assert len(sheet.missing) == 2
    assert len(sheet.checks) == 2
    assert sheet.agrees
    assert "left out, mpmath is not installed" in sheet.text()
    assert sheet.text().endswith("2 of 2 checks agree, 2 left out.")


def wrong_kl(prior, mu, sigma, kl=NormalPrior.kl):
    return kl(prior, mu, sigma) + 1e-6


def variance_for_scale(prior, mu, sigma, kl=NormalPrior.kl):
    return kl(NormalPrior(prior.loc, np.sqrt(prior.scale)), mu, sigma)


def parts_without_a_half(prior, mu, sigma, parts=NormalPrior.kl_parts):
    found = parts(prior, mu, sigma)
    return found._replace(squared_mean=2 * found.squared_mean)


@pytest.mark.parametrize(
    ("where", "name", "mistake"),
    [
        (NormalPrior, "kl", wrong_kl),
        (NormalPrior, "kl", variance_for_scale),
        (NormalPrior, "kl_parts", parts_without_a_half),
        (reference, "sigma", lambda shift, rho: np.exp(rho)),
        (reference, "sigma", lambda shift, rho: np.log1p(np.exp(rho)) + shift + 1e-9),
    ],
)
def test_a_planted_mistake_disagrees(monkeypatch, where, name, mistake):
    pytest.importorskip("mpmath")
    subject = random_subject()
    monkeypatch.setattr(where, name, mistake)
    assert disagreeing(explain("kl", subject))


def test_it_says_what_model_losses_is_in_both_forms():
    """The numbers beside the forms are the KL and the KL over N, and each says what to divide."""
    subject = small_subject()
    kl = float(np.sum(reference.kl(subject.network, subject.parameters)))
    text = explain("kl", subject).text()
    whole, divided = table_below(text, "In TFP's words: sum(model.losses)")
    n = subject.num_examples
    assert whole[1:] == [f"{kl:.6g} = KL", f"nll + it / {n}"]
    assert divided[1:] == [f"{kl / n:.6g} = KL / N", "nll + it, divided no more"]
