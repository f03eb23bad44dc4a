"""Reports of networks that were made in Python: other priors, a predicted scale."""

import numpy as np
import pytest
from tolerances import SAME_FLOAT64

from bnn_ref import (
    BatchNorm,
    Dense,
    DenseFlipout,
    Dropout,
    Network,
    Normal,
    NormalPrior,
    PredictedNormal,
    Residual,
    State,
)
from bnn_ref.elementary import normal_cdf, softplus
from bnn_ref.plot.theme import PRINT
from bnn_ref.priors import LaplacePrior, LearnedNormalPrior, MixturePrior, NoPrior
from bnn_ref.report import make_report
from bnn_ref.report.evidence import gather
from bnn_ref.report.regression import central_probability
from bnn_ref.report.summary import lead
from bnn_ref.runs.opened import open_run

PRIORS = {
    "laplace": LaplacePrior(0, 0.1),
    "mixture": MixturePrior(),
    "none": NoPrior(),
    "learned": LearnedNormalPrior(),
    "array": NormalPrior(0, [[0.5]]),
}


def with_network(folder, layers, likelihood):
    """Return the `OpenedRun` of a folder with another network at its initial values."""
    opened = open_run(folder)
    network = Network(layers, likelihood)
    checkpoint = opened.checkpoint._replace(
        network=network, state=State.start(network.init(0, opened.checkpoint.dtype))
    )
    return opened._replace(checkpoint=checkpoint, results=None)


@pytest.mark.parametrize("name", PRIORS)
def test_a_report_of_any_prior(line_run, name):
    prior = PRIORS[name]
    layers = [DenseFlipout(1, 1, kernel_prior=prior), DenseFlipout(1, 1, kernel_prior=prior)]
    report = make_report(with_network(line_run, layers, Normal()), draws=3)
    plots = {plot.name: plot for section in report.sections for plot in section.plots}
    figure = plots["weights-means"].draw(PRINT)
    lines = {line.get_label(): line for line in figure.axes[0].lines}
    assert ("prior" in lines) == (name in ("laplace", "mixture"))
    told = next(section.text for section in report.sections if section.anchor == "weights")
    told += plots["weights-means"].caption + plots["weights-scales"].caption
    assert ("to its prior" in told, "the prior's" in told) == (prior.has_kl,) * 2
    if name == "laplace":
        x, density = lines["prior"].get_data()
        np.testing.assert_allclose(density, np.exp(-np.abs(x) / 0.1) / 0.2, rtol=SAME_FLOAT64)


def test_intervals_of_a_predicted_scale_are_the_mixtures(line_run):
    opened = with_network(line_run, [DenseFlipout(1, 2)], PredictedNormal(floor=0.1))
    assert make_report(opened, draws=3)
    evidence = gather(opened, draws=3)
    y = np.asarray(evidence.y, np.float64).reshape(-1, 1)[:4]
    z = evidence.outputs(evidence.x[:4])
    u = np.mean([normal_cdf((y[:, 0] - one[:, 0]) / (0.1 + softplus(one[:, 1]))) for one in z], 0)
    found = central_probability(evidence, evidence.x[:4], y)
    np.testing.assert_allclose(found, np.abs(2 * u - 1), rtol=SAME_FLOAT64, atol=1e-15)


PIECES = [Dense(1, 4), Dropout(0.1), Residual([DenseFlipout(4, 4)]), BatchNorm(), Dense(4, 1)]


@pytest.mark.parametrize(
    ("layers", "said", "figures"),
    [
        ([DenseFlipout(1, 1)], "A Bayesian neural network of Flipout layers, 1 - 1,", 4),
        (PIECES, "A neural network of 5 layers (Dense, Dropout, DenseFlipout, BatchNorm), 1 - ", 4),
        ([Dense(1, 4), Dropout(0.1), Dense(4, 1)], "A neural network of 3 layers (Dense, Drop", 0),
    ],
)  # fmt: skip
def test_a_report_says_what_the_network_is_made_of(line_run, layers, said, figures):
    """And of point estimates alone nothing about posteriors, which there are none of."""
    report = make_report(with_network(line_run, layers, Normal()), draws=3)
    assert said in lead(report.evidence)
    section = next(one for one in report.sections if one.anchor == "weights")
    assert len(section.plots) == figures
    assert ("No kernel has a posterior" in section.text) == (figures == 0)
