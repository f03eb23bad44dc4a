"""docs/programs.md is of the programs in tools/programs.py, and each of them takes a step."""

import numpy as np
import programs
import pytest
from tolerances import FRAMEWORK_FLOAT64, relative

from bnn_ref import Categorical, Trainer
from bnn_ref.noise import draw_noise
from bnn_ref.reference import loss_and_gradients
from bnn_ref.verification.vectors import make_question, results_of

PAGE = (programs.Path(__file__).parents[2] / "docs" / "programs.md").read_text(encoding="utf-8")
ALL = programs.programs()


def test_the_page_has_a_row_of_each_program_as_it_is():
    assert PAGE.startswith(programs.HEAD)
    rows = [line.strip("| \n").split(" | ") for line in PAGE[len(programs.HEAD) :].splitlines()]
    assert [row[:5] for row in rows] == [
        [one.name, one.built, f"{one.network.num_parameters:,}", one.data, f"{one.steps:,}"]
        for one in ALL
    ]


def batch(network, rows):
    """Return inputs and targets of that many rows."""
    rng = np.random.default_rng(0)
    is_class = isinstance(network.likelihood, Categorical)
    y = rng.integers(0, 10, rows) if is_class else rng.normal(size=(rows, 1))
    return rng.normal(size=(rows, network.inputs)), y


@pytest.mark.parametrize("program", ALL, ids=lambda one: one.name)
def test_each_takes_a_step_and_comes_back_from_json(program):
    network = program.network
    x, y = batch(network, 4)
    trainer = Trainer(network, 100, backend="numpy", estimator=program.estimator)
    assert np.isfinite(trainer.step(x, y).loss)
    assert type(network).from_json(network.to_json()) == network


@pytest.mark.parametrize("program", ALL, ids=lambda one: one.name)
def test_its_twin_in_pytorch_takes_the_same_replayed_step(program):
    """Every result and gradient of one step, under the same noise."""
    pytest.importorskip("torch")
    from bnn_ref.verification.frameworks import torch

    network, rows = program.network, 3
    (x, y), p = batch(network, rows), network.init(1, "float64")
    noise = draw_noise(network, rows, 2, dtype="float64", estimator=program.estimator)
    question = make_question(network, p, x, y, noise, 0.01)
    ours = results_of(loss_and_gradients(network, p, x, y, noise, 0.01))
    theirs = torch.answer(question)
    assert set(theirs) >= {name for name in ours if "pre_activation" not in name}
    largest = max(np.max(np.abs(g)) for name, g in ours.items() if name.startswith("grad."))
    for name, exact in ours.items():
        if np.max(np.abs(exact)) < 1e-12 * largest:  # a bias before batch normalisation
            assert np.max(np.abs(theirs[name])) < 1e-12 * largest, name
        else:
            assert relative(theirs[name], exact) <= FRAMEWORK_FLOAT64, name


QUICK = ("wine quality, a predicted scale", "a residual net", "Monte Carlo dropout alone")


@pytest.mark.parametrize(
    "program",
    [pytest.param(one, marks=[] if one.name in QUICK else pytest.mark.slow) for one in ALL],
    ids=lambda one: one.name,
)
def test_its_trained_twin_has_its_tensors_and_scores_as_it_is_told(program):
    torch = pytest.importorskip("torch")
    import program_twins as twins

    short = program._replace(steps=2)
    (x, y), network = batch(program.network, 6), program.network
    found = [twins.trained_scores(short, (x, y, x, y), seed, 2) for seed in (0, 0, 1)]
    assert found[0] == found[1] != found[2]
    model = twins.twin_of(network.layers, program.estimator == "local")
    sizes = [one.numel() for one in model.parameters()]
    running = [one.numel() for one in model.buffers() if one.ndim]
    assert sum(sizes) + sum(running) == network.num_parameters
    p = network.init(0, "float64")
    for module in model.modules():
        if isinstance(module, twins.Bayesian):
            torch.nn.init.constant_(module.mu, 0.5)  # so that KLs of other draws are equal
    for name, value in p.items():
        if name.endswith("kernel_mu") and f"{name[:-2]}rho" in p:
            value[...] = 0.5
    with torch.no_grad():
        kl = sum(float(m.kl()) for m in model.modules() if isinstance(m, twins.Bayesian))
    random = [layer.kl(own) for _, layer, own in network.walk(p) if layer.priors]
    assert kl == pytest.approx(sum(random), rel=1e-4)


def test_a_row_of_the_page_has_means_errors_and_their_difference():
    ours, theirs = [(-0.1, 0.9), (-0.2, 0.9), (-0.3, 0.9)], [(-0.2, 0.8), (-0.3, 0.8), (-0.4, 0.8)]
    cells = programs.row(ALL[0], ours, theirs).strip("| ").split(" | ")
    assert cells[5:] == ["-0.200 ± 0.058", "0.900", "-0.300 ± 0.058", "0.800", "+1.2"]
