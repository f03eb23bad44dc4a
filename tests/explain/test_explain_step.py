"""`explain step`: every gradient is held against an oracle, and the step can be written down."""

from dataclasses import replace

import numpy as np
import pytest
from explained import disagreeing, random_subject

from bnn_ref import DenseFlipout, Network, NormalPrior, PredictedNormal, reference
from bnn_ref.explain import explain, run_subject, small_subject
from bnn_ref.explain.step import vector_of
from bnn_ref.explain.step_checks import loss_along
from bnn_ref.layers import dense_flipout, sigmas
from bnn_ref.priors import LaplacePrior
from bnn_ref.runs.opened import open_run
from bnn_ref.verification import check_file, check_vector
from bnn_ref.verification.vectors import write


@pytest.mark.parametrize("small", [True, False])
@pytest.mark.parametrize("bias", ["none", "deterministic", "normal", "normal_flipped"])
def test_every_parameter_and_x_have_a_check(small, bias):
    pytest.importorskip("mpmath")
    subject = random_subject(bias=bias, small=small, rows=2)
    found = explain("step", subject)
    assert disagreeing(found) == []
    checked = {check.what.split()[1].rstrip(",") for check in found.checks if "grad" in check.what}
    assert checked == {*subject.parameters, "x"}


@pytest.mark.parametrize("bias", ["none", "deterministic", "normal", "normal_flipped"])
def test_every_intermediate_is_printed_with_its_shape(bias):
    subject = random_subject(bias=bias, likelihood="learned", rows=4)
    text = explain("step", subject).text()
    names = ["kernel_mu  [3 x 4]", "kernel_eps  [3 x 4]", "kernel_delta  [3 x 4]",
             "sign_input  [4 x 3]", "sign_output  [4 x 4]", "perturbation  [4 x 4]",
             "grad_delta  [3 x 4]", "grad kernel_rho  [3 x 4]", "likelihood.scale_rho  [2]",
             "grad likelihood.scale_rho  [2]", "grad_inputs, that is grad x  [4 x 3]"]  # fmt: skip
    random_bias = ["bias_rho  [4]", "bias_eps  [4]", "grad_bias_sigma  [4]", "grad bias_rho  [4]"]
    for name in names:
        assert f"\n    {name}" in text, name
    for name in random_bias:
        assert (f"\n    {name}" in text) == bias.startswith("normal"), name
    assert ("* sign_output) * bias_eps" in text) == (bias == "normal_flipped")


def test_the_step_that_is_explained_is_the_one_that_is_taken(trained_run):
    """The printed loss and the next weights are those of the run's own next step."""
    opened = open_run(trained_run)
    subject = run_subject(opened).in_float64()
    noise = subject.noise()
    result = reference.loss_and_gradients(subject.network, subject.parameters, subject.x,
                                          subject.y, noise, subject.kl_weight)  # fmt: skip
    trainer = open_run(trained_run).trainer()
    metrics = trainer.step(subject.x, subject.y)
    assert metrics.loss == pytest.approx(result.loss, rel=1e-6)
    assert f"{result.loss:.8g}" in explain("step", subject).text()


@pytest.mark.parametrize("run", [None, "trained_run"])
def test_its_vector_agrees(request, tmp_path, run):
    subject = run_subject(open_run(request.getfixturevalue(run))) if run else small_subject(3)
    write(tmp_path / "step.npz", vector_of(subject))
    found = check_file(tmp_path / "step.npz")
    assert found.agrees


@pytest.mark.parametrize("bias", ["none", "deterministic", "normal", "normal_flipped"])
@pytest.mark.parametrize("likelihood", ["categorical", "bernoulli", "normal"])
def test_vectors_of_random_steps_agree(likelihood, bias):
    assert check_vector(vector_of(random_subject(likelihood, bias, seed=4))).agrees


def test_a_learned_scale_has_no_vector():
    with pytest.raises(ValueError, match=r"^test vector: expected a .* fixed, found a learned"):
        vector_of(random_subject("learned"))


@pytest.mark.parametrize("likelihood", ["categorical", "bernoulli", "normal", "learned"])
def test_the_complex_step_is_the_derivative(likelihood):
    """Of the loss along a direction in everything at once, by central differences."""
    subject = random_subject(likelihood, "normal_flipped")
    noise, rng = subject.noise(), np.random.default_rng(1)
    directions = {name: rng.normal(size=a.shape) for name, a in subject.parameters.items()}

    def loss(t):
        parameters = subject.parameters.copy()
        for name, direction in directions.items():
            parameters[name][...] += t * direction
        return reference.loss_and_gradients(subject.network, parameters, subject.x, subject.y,
                                            noise, subject.kl_weight).loss  # fmt: skip

    found = loss_along(subject, noise, directions)
    assert found == pytest.approx((loss(1e-5) - loss(-1e-5)) / 2e-5, rel=1e-6)


def no_sigmoid(rho):
    return np.ones_like(rho)


def kl_gradient_of_a_variance(prior, mu, sigma):
    return (mu - prior.loc) / prior.scale, sigma / prior.scale - 1 / sigma


def sign_forgotten(layer, p, noise, t, grad_outputs, kl_weight, gradients,
                   backward=DenseFlipout.backward):  # fmt: skip
    forgetful = noise._replace(sign_input=np.ones_like(noise.sign_input))
    return backward(layer, p, forgetful, t, grad_outputs, kl_weight, gradients)


def kl_forgotten(layer, p, noise, t, grad_outputs, kl_weight, gradients,
                 backward=DenseFlipout.backward):  # fmt: skip
    return backward(layer, p, noise, t, grad_outputs, 0.0, gradients)


def sum_for_mean(layer, p, noise, t, grad_outputs, kl_weight, gradients,
                 backward=DenseFlipout.backward):  # fmt: skip
    scaled = grad_outputs * len(grad_outputs)
    return backward(layer, p, noise, t, scaled, kl_weight, gradients)


@pytest.mark.parametrize("small", [True, pytest.param(False, marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    ("where", "name", "mistake", "shows"),
    [
        (sigmas, "sigmoid", no_sigmoid, "kernel_rho"),
        (NormalPrior, "kl_gradient", kl_gradient_of_a_variance, "kernel_mu"),
        (DenseFlipout, "backward", sign_forgotten, "kernel_rho"),
        (DenseFlipout, "backward", kl_forgotten, "kernel_mu"),
        (DenseFlipout, "backward", sum_for_mean, "bias_mu"),
    ],
)
def test_a_planted_mistake_in_the_backward_pass(monkeypatch, where, name, mistake, shows, small):
    subject = random_subject(small=small)
    monkeypatch.setattr(where, name, mistake)
    found = disagreeing(explain("step", subject))
    assert any(what.startswith(f"grad layers.0.{shows}") for what in found), found


def test_a_planted_mistake_in_the_forward_pass(monkeypatch):
    """The complex step differentiates whatever is computed; the outputs' own check sees it."""
    forward = DenseFlipout.forward

    def one_sign_for_all(layer, p, noise, h):
        return forward(layer, p, noise._replace(sign_output=abs(noise.sign_output)), h)

    monkeypatch.setattr(DenseFlipout, "forward", one_sign_for_all)
    assert any(what.startswith("outputs[") for what in disagreeing(explain("step")))
    monkeypatch.setattr(DenseFlipout, "forward", forward)
    sigma = dense_flipout.sigma
    monkeypatch.setattr(dense_flipout, "sigma", lambda c, rho: sigma(c, rho) * (1 + 1e-9))
    pytest.importorskip("mpmath")
    assert "the loss" in disagreeing(explain("step"))


def test_nothing_of_the_subject_changes():
    subject = random_subject()
    before = subject.state.copy()
    for topic in ("step", "adam", "flipout", "kl"):
        explain(topic, subject)
    assert subject.state.step == before.step
    for part in ("parameters", "moment_1", "moment_2"):
        np.testing.assert_array_equal(getattr(subject.state, part).flat, getattr(before, part).flat)


@pytest.mark.parametrize(
    ("network", "words"),
    [
        (Network([DenseFlipout(3, 2, kernel_prior=LaplacePrior())]), r"layers\[0\].kernel_prior"),
        (Network([DenseFlipout(3, 2, bias_prior=(0, 1))]), r"layers\[0\].bias_prior"),
        (Network([DenseFlipout(3, 2)], PredictedNormal()), "likelihood: expected categorical"),
    ],
)
def test_what_no_sheet_is_written_for_is_refused(network, words):
    subject = replace(small_subject(), network=network)
    with pytest.raises(ValueError, match=words):
        explain("kl", subject)
