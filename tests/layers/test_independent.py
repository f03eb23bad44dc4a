"""Weights of their own for every example: the mean of single examples, each under one draw."""

import numpy as np
import pytest
from tolerances import COMPLEX_STEP, relative

from bnn_ref import (
    Categorical,
    DenseFlipout,
    LayerNoise,
    Network,
    Noise,
    Trainer,
    draw_noise,
    loss_and_gradients,
)
from bnn_ref.backends import why_not_numba
from bnn_ref.layers import BIASES
from bnn_ref.noise import IndependentLayerNoise, IndependentNoise, LocalNoise
from bnn_ref.verification.vectors import VectorError, make_question


def problem(bias):
    prior = (0.1, 0.7) if bias.startswith("normal") else None
    layers = [DenseFlipout(5, 4, "tanh", bias=bias, bias_prior=prior), DenseFlipout(4, 3)]
    network, rng = Network(layers, Categorical()), np.random.default_rng(0)
    return network, network.init(1, "float64"), rng.normal(size=(7, 5)), rng.integers(0, 3, 7)


@pytest.mark.parametrize("bias", BIASES)
def test_it_is_the_mean_of_single_examples(bias):
    network, p, x, y = problem(bias)
    noise = draw_noise(network, 7, 3, dtype="float64", estimator="independent")
    whole = loss_and_gradients(network, p, x, y, noise, 0.0)
    wanted, nll = np.zeros_like(p.flat), 0.0
    for n in range(7):
        ones = [
            LayerNoise(one.kernel_eps_rows[n], np.ones((1, i)), np.ones((1, o)),
                       None if one.bias_eps_rows is None else one.bias_eps_rows[n])
            for one, (i, o) in zip(noise.layers, ((5, 4), (4, 3)), strict=True)
        ]  # fmt: skip
        single = loss_and_gradients(network, p, x[n : n + 1], y[n : n + 1], Noise(tuple(ones)), 0.0)
        wanted += single.gradients.flat / 7
        nll += single.nll / 7
    assert whole.nll == pytest.approx(nll, rel=1e-14)
    assert relative(whole.gradients.flat, wanted) < COMPLEX_STEP


def test_a_rows_draws_are_keyed_by_its_place_and_no_other_rows():
    network, *_ = problem("normal")
    whole = draw_noise(network, 7, 3, estimator="independent")
    part = draw_noise(network, 3, 3, estimator="independent", first_row=4)
    for one, other in zip(whole.layers, part.layers, strict=True):
        np.testing.assert_array_equal(one.kernel_eps_rows[4:], other.kernel_eps_rows)
        assert len(np.unique(one.kernel_eps_rows)) == one.kernel_eps_rows.size
    np.testing.assert_array_equal(whole.layers[0].bias_eps_rows[4:], part.layers[0].bias_eps_rows)


def test_both_back_ends_train_with_it():
    if why_not_numba():
        pytest.skip(why_not_numba())
    network, _, x, y = problem("normal")
    runs = []
    for backend in ("numpy", "numba"):
        trainer = Trainer(network, num_examples=7, backend=backend, dtype="float64",
                          estimator="independent")  # fmt: skip
        for _ in range(3):
            trainer.step(x, y)
        runs.append(trainer.parameters.flat)
    assert relative(*runs) < 1e-10  # normals differ in their last places


@pytest.mark.parametrize("backend", ["numpy", "numba"])
def test_noise_of_another_estimator_is_refused_by_name(backend):
    if backend == "numba" and why_not_numba():
        pytest.skip(why_not_numba())
    from bnn_ref.backends import get_backend

    network, p, x, y = problem("none")
    noise = draw_noise(network, 7, 3, dtype="float64", estimator="independent")
    for kind, wanted in ((LocalNoise, "LocalLayerNoise"), (Noise, "LayerNoise")):
        with pytest.raises(ValueError, match=rf"noise\[0\]: expected {wanted}, found Independent"):
            get_backend(backend).loss_and_gradients(network, p, x, y, kind(noise.layers), 0.1)
    short = noise.layers[0]._replace(kernel_eps_rows=noise.layers[0].kernel_eps_rows[:6])
    with pytest.raises(ValueError, match=r"noise\[0\].kernel_eps_rows: expected \(7, 5, 4\)"):
        loss_and_gradients(network, p, x, y, IndependentNoise((short, noise.layers[1])), 0.1)
    assert isinstance(noise.layers[0], IndependentLayerNoise)


def test_no_vector_holds_it():
    network, p, x, y = problem("none")
    noise = draw_noise(network, 7, 3, dtype="float64", estimator="independent")
    with pytest.raises(VectorError, match="found 'independent'"):
        make_question(network, p, x, y, noise, 0.1)
